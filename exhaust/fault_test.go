package exhaust

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestAFaultHasACodeItsDetailsAndASentence(t *testing.T) {
	long := strings.Repeat("x", 130)
	for _, c := range []struct {
		err      error
		code     string
		details  map[string]any
		sentence string
	}{
		{Invalid(TagEmpty), "TAG_EMPTY", map[string]any{}, "tag is empty"},
		{
			Invalid(DateAfterToday, "datasetConfig.endDate", Day("2026-12-01"), Day("2026-11-30")), "DATE_AFTER_TODAY",
			map[string]any{"field": "datasetConfig.endDate", "value": "2026-12-01", "today": "2026-11-30"},
			"datasetConfig.endDate 2026-12-01 is after today (2026-11-30): a day up to today is accepted",
		},
		{
			Invalid(DatasetUnknown, "dataset", Dataset(`uci "x"`), Names(Datasets)), "DATASET_UNKNOWN",
			map[string]any{"field": "dataset", "value": `uci "x"`, "accepted": []string{"uci-response-exhaust", "uci-private-exhaust"}},
			`dataset "uci \"x\"" is unknown: uci-response-exhaust or uci-private-exhaust is accepted`,
		},
		{
			Invalid(TooManyDays, Day("2021-01-01"), Day("2022-12-31"), 730, 366), "TOO_MANY_DAYS",
			map[string]any{"start": "2021-01-01", "end": "2022-12-31", "days": 730, "most": 366},
			"2021-01-01 to 2022-12-31 are 730 days: at most 366 days are accepted",
		},
		{
			Invalid(FilterUnknown, "filters.foo", []string{"dataset", "status", "channel"}), "FILTER_UNKNOWN",
			map[string]any{"field": "filters.foo", "accepted": []string{"dataset", "status", "channel"}},
			"filters.foo is unknown: dataset, status and channel are accepted",
		},
		{
			Invalid(RequestedByInvalid, long, 255), "REQUESTED_BY_INVALID",
			map[string]any{"value": strings.Repeat("x", 120) + "…", "most": 255},
			`requestedBy "` + strings.Repeat("x", 120) + `…" is not valid: at most 255 printable characters are accepted`,
		},
	} {
		invalid, isInvalid := errors.AsType[*InvalidError](c.err)
		if !isInvalid || invalid.Code.Name() != c.code || !reflect.DeepEqual(invalid.Details, c.details) || c.err.Error() != c.sentence {
			t.Errorf("got  %#v\nwant %s %v %s", c.err, c.code, c.details, c.sentence)
		}
		for name, value := range invalid.Details {
			kinds := map[reflect.Kind]string{reflect.Int: NumberDetail, reflect.Slice: ListDetail, reflect.String: TextDetail}
			if got, want := kinds[reflect.TypeOf(value).Kind()], DetailKind(name); got != want {
				t.Errorf("the detail %s of %s is %s, want %s", name, c.code, got, want)
			}
		}
	}
}

func TestEachCodeIsOfOneFault(t *testing.T) {
	sentences := map[string]string{}
	for i, code := range Codes() {
		if !regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$`).MatchString(code.Name()) {
			t.Errorf("%q is no code", code.Name())
		}
		if i > 0 && Codes()[i-1].Name() >= code.Name() {
			t.Errorf("%s stands before %s", Codes()[i-1].Name(), code.Name())
		}
		if other := sentences[code.Template()]; other != "" {
			t.Errorf("%s and %s are both %q", other, code.Name(), code.Template())
		}
		sentences[code.Template()] = code.Name()
		if rest := placeholder.ReplaceAllString(code.Template(), ""); strings.ContainsAny(rest, "{}") {
			t.Errorf("%s has a placeholder that is none: %q", code.Name(), code.Template())
		}
	}
}
