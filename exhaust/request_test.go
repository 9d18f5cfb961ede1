package exhaust

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// kolkata is UTC+5:30: a day begins there at 18:30 UTC of the day before.
var kolkata = time.FixedZone("IST", 5*3600+30*60)

// noon is 2022-04-06 in Kolkata.
var noon = time.Date(2022, 4, 6, 12, 0, 0, 123_456_789, kolkata)

const conversation = "c63b6faa-11a9-4259-b941-11cd2f8446c6"

func config(members string) json.RawMessage {
	return json.RawMessage(`{"conversationId":"` + conversation + `"` + members + `}`)
}

// valid is a submission as UCI's admin console sends it.
func valid() Submission {
	return Submission{
		Dataset:       "uci-response-exhaust",
		Tag:           "7ed871f7-0d5b-4bb0-86a0-a00151352706",
		Channel:       "01309282781705830427",
		RequestedBy:   "user_id",
		DatasetConfig: config(`,"type":"uci-response-exhaust","startDate":"2022-03-01","endDate":"2022-04-01"`),
		OutputFormat:  "csv",
	}
}

func check(s Submission) (Request, error) {
	return s.Check(Rules{Now: noon, MaxDays: 366})
}

func TestAValidSubmissionBecomesTheRequest(t *testing.T) {
	got, err := check(valid())
	if err != nil {
		t.Fatal(err)
	}
	want := Request{
		// printf %s '7ed871f7-0d5b-4bb0-86a0-a00151352706|uci-response-exhaust|user_id|01309282781705830427|2022-04-06|csv|{"conversationId":"c63b6faa-11a9-4259-b941-11cd2f8446c6","endDate":"2022-04-01","startDate":"2022-03-01","type":"uci-response-exhaust"}' | md5sum | tr a-f A-F
		ID:             "E0D7369FC4D8AB5BC349F8854207DC49",
		Dataset:        ResponseExhaust,
		Tag:            "7ed871f7-0d5b-4bb0-86a0-a00151352706",
		Channel:        "01309282781705830427",
		RequestedBy:    "user_id",
		Config:         valid().DatasetConfig,
		OutputFormat:   "csv",
		ConversationID: conversation,
		StartDate:      "2022-03-01",
		EndDate:        "2022-04-01",
		SubmittedAt:    time.Date(2022, 4, 6, 12, 0, 0, 123_000_000, kolkata),
	}
	gotJSON, _ := json.Marshal(got)
	wantJSON, _ := json.Marshal(want)
	if string(gotJSON) != string(wantJSON) {
		t.Errorf("got  %s\nwant %s", gotJSON, wantJSON)
	}
	if got.ChannelTag() != "7ed871f7-0d5b-4bb0-86a0-a00151352706:01309282781705830427" {
		t.Errorf("the stored tag is %q", got.ChannelTag())
	}
}

func TestTheRequestIDSpellsTheConfigCanonically(t *testing.T) {
	// Nested members, their order, white space, escapes, characters that JSON encoders like to
	// escape, and numbers of three spellings:
	//
	//	printf %s 'q.1|uci-private-exhaust||ch|2022-04-06|csv|{"a":{"b":[1.0,2e1,0.50],"x":null},"conversationId":"c63b6faa-11a9-4259-b941-11cd2f8446c6","note":"<क&ü>","z":true}' | md5sum | tr a-f A-F
	const want = "A0EACF0B2F3CC8461044856F25134EDF"
	for name, config := range map[string]string{
		"sorted, tight":    `{"a":{"b":[1.0,2e1,0.50],"x":null},"conversationId":"` + conversation + `","note":"<क&ü>","z":true}`,
		"another order":    `{"z":true,"note":"<क&ü>","conversationId":"` + conversation + `","a":{"x":null,"b":[1.0,2e1,0.50]}}`,
		"white space":      "{ \"z\" :\ttrue,\r\n \"note\":\"<क&ü>\", \"conversationId\": \"" + conversation + "\",\n\"a\":{\"x\":null , \"b\":[ 1.0, 2e1 ,0.50 ]} }\n",
		"with \\u escapes": `{"\u007a":true,"note":"\u003c\u0915\u0026\u00fc>","conversationId":"` + conversation + `","a":{"x":null,"b":[1.0,2e1,0.50]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := check(Submission{Dataset: "uci-private-exhaust", Tag: "q.1", Channel: "ch", DatasetConfig: json.RawMessage(config)})
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != want {
				t.Errorf("requestId %s, want %s", got.ID, want)
			}
		})
	}
}

func TestAnyDifferenceMakesAnotherExhaust(t *testing.T) {
	type change struct {
		name string
		edit func(*Submission, *Rules)
	}
	seen := map[string]string{}
	for _, c := range []change{
		{"none", func(*Submission, *Rules) {}},
		{"tag", func(s *Submission, _ *Rules) { s.Tag = "other" }},
		{"dataset", func(s *Submission, _ *Rules) {
			s.Dataset, s.DatasetConfig = "uci-private-exhaust", config(`,"startDate":"2022-03-01","endDate":"2022-04-01"`)
		}},
		{"type left out", func(s *Submission, _ *Rules) {
			s.DatasetConfig = config(`,"startDate":"2022-03-01","endDate":"2022-04-01"`)
		}},
		{"requestedBy", func(s *Submission, _ *Rules) { s.RequestedBy = "another" }},
		{"channel", func(s *Submission, _ *Rules) { s.Channel = "another" }},
		{"next day", func(_ *Submission, r *Rules) { r.Now = r.Now.AddDate(0, 0, 1) }},
		{"a day of the range", func(s *Submission, _ *Rules) {
			s.DatasetConfig = config(`,"type":"uci-response-exhaust","startDate":"2022-03-02","endDate":"2022-04-01"`)
		}},
		{"an unknown member", func(s *Submission, _ *Rules) {
			s.DatasetConfig = config(`,"type":"uci-response-exhaust","startDate":"2022-03-01","endDate":"2022-04-01","x":1`)
		}},
		{"a number's spelling", func(s *Submission, _ *Rules) {
			s.DatasetConfig = config(`,"type":"uci-response-exhaust","startDate":"2022-03-01","endDate":"2022-04-01","x":1.0`)
		}},
	} {
		s, rules := valid(), Rules{Now: noon, MaxDays: 366}
		c.edit(&s, &rules)
		got, err := s.Check(rules)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if other, ok := seen[got.ID]; ok {
			t.Errorf("%q and %q are the same exhaust", c.name, other)
		}
		seen[got.ID] = c.name
	}
}

func TestTheDayOfTheRequestIDBeginsInTheTimezone(t *testing.T) {
	at := func(now time.Time) string {
		t.Helper()
		got, err := valid().Check(Rules{Now: now, MaxDays: 366})
		if err != nil {
			t.Fatal(err)
		}
		return got.ID
	}
	// 18:30 UTC is midnight in Kolkata.
	before := at(time.Date(2022, 4, 5, 18, 29, 59, 0, time.UTC).In(kolkata))
	first := at(time.Date(2022, 4, 5, 18, 30, 0, 0, time.UTC).In(kolkata))
	last := at(time.Date(2022, 4, 6, 18, 29, 59, 0, time.UTC).In(kolkata))
	if before == first {
		t.Error("requests on two days of Kolkata have the same id")
	}
	if first != last {
		t.Error("requests on one day of Kolkata have different ids")
	}
}

func TestAnOutputFormatThatIsLeftOutIsCSV(t *testing.T) {
	explicit, err := check(valid())
	if err != nil {
		t.Fatal(err)
	}
	s := valid()
	s.OutputFormat = ""
	implicit, err := check(s)
	if err != nil {
		t.Fatal(err)
	}
	if implicit.OutputFormat != "csv" || implicit.ID != explicit.ID {
		t.Errorf("format %q, id %s; want csv and %s", implicit.OutputFormat, implicit.ID, explicit.ID)
	}
}

func TestEachFaultOfASubmissionHasItsSentence(t *testing.T) {
	const names = "1 to 100 characters of A-Z a-z 0-9 . _ - that do not start with a dot are accepted"
	set := func(edit func(*Submission)) Submission {
		s := valid()
		edit(&s)
		return s
	}
	withConfig := func(raw string) Submission {
		return set(func(s *Submission) { s.DatasetConfig = json.RawMessage(raw) })
	}
	long := strings.Repeat("x", 101)
	for _, test := range []struct {
		name     string
		s        Submission
		sentence string
	}{
		{"no tag", set(func(s *Submission) { s.Tag = "" }), "tag is empty"},
		{"no dataset", set(func(s *Submission) { s.Dataset = "" }), "dataset is empty"},
		{"no config", set(func(s *Submission) { s.DatasetConfig = nil }), "datasetConfig is empty"},
		{"config null", withConfig(`null`), "datasetConfig is empty"},
		{"config {}", withConfig(`{}`), "datasetConfig is empty"},
		{"config { }", withConfig(" { \n} "), "datasetConfig is empty"},
		{"config empty text", withConfig(`""`), "datasetConfig is empty"},
		{"no channel", set(func(s *Submission) { s.Channel = "" }), "X-Channel-ID is missing in request header"},
		{"nothing at all: the tag first", Submission{}, "tag is empty"},

		{"tag with a space", set(func(s *Submission) { s.Tag = "a b" }), `tag "a b" is not valid: ` + names},
		{"tag with a slash", set(func(s *Submission) { s.Tag = "a/b" }), `tag "a/b" is not valid: ` + names},
		{"tag with a colon", set(func(s *Submission) { s.Tag = "a:b" }), `tag "a:b" is not valid: ` + names},
		{"tag with a dot in front", set(func(s *Submission) { s.Tag = ".a" }), `tag ".a" is not valid: ` + names},
		{"tag with a line break", set(func(s *Submission) { s.Tag = "a\n" }), `tag "a\n" is not valid: ` + names},
		{"tag of 101", set(func(s *Submission) { s.Tag = long }), `tag "` + long + `" is not valid: ` + names},
		{"tag of 300 is shown in part", set(func(s *Submission) { s.Tag = strings.Repeat("y", 300) }),
			`tag "` + strings.Repeat("y", 120) + `…" is not valid: ` + names},

		{"another dataset", set(func(s *Submission) { s.Dataset = "userinfo-exhaust" }),
			`dataset "userinfo-exhaust" is unknown: uci-response-exhaust or uci-private-exhaust is accepted`},
		{"channel with a control character", set(func(s *Submission) { s.Channel = "a\x07" }),
			`channel "a\a" is not valid: 1 to 150 printable characters are accepted`},
		{"channel with a separator", set(func(s *Submission) { s.Channel = "a|b" }),
			`channel "a|b" holds a |: 1 to 150 printable characters other than | are accepted`},
		{"config of 64 KiB and a byte", set(func(s *Submission) { s.DatasetConfig = config(`,"x":"` + strings.Repeat("y", 65536-63) + `"`) }),
			"datasetConfig is 65537 bytes of JSON without white space: at most 65536 are accepted"},
		{"channel of 151", set(func(s *Submission) { s.Channel = strings.Repeat("c", 151) }),
			`channel "` + strings.Repeat("c", 120) + `…" is not valid: 1 to 150 printable characters are accepted`},
		{"requestedBy of 256", set(func(s *Submission) { s.RequestedBy = strings.Repeat("u", 256) }),
			`requestedBy "` + strings.Repeat("u", 120) + `…" is not valid: at most 255 printable characters are accepted`},
		{"requestedBy no UTF-8", set(func(s *Submission) { s.RequestedBy = "\xff" }),
			`requestedBy "�" is not valid: at most 255 printable characters are accepted`},
		{"json", set(func(s *Submission) { s.OutputFormat = "json" }), `output_format "json" is not supported: csv is accepted`},
		{"CSV", set(func(s *Submission) { s.OutputFormat = "CSV" }), `output_format "CSV" is not supported: csv is accepted`},

		{"config a list", withConfig(`["a"]`), "datasetConfig is not a JSON object"},
		{"config a text", withConfig(`"a"`), "datasetConfig is not a JSON object"},
		{"config a number", withConfig(`1`), "datasetConfig is not a JSON object"},
		{"two configs", withConfig(`{"a":1} {"b":2}`), "datasetConfig is not a JSON object"},
		{"key in the config", set(func(s *Submission) { s.DatasetConfig = config(`,"encryptionKey":"k"`) }),
			"datasetConfig.encryptionKey is in the wrong place: it belongs to request, where it is kept nowhere"},

		{"type of the other dataset", set(func(s *Submission) { s.DatasetConfig = config(`,"type":"uci-private-exhaust"`) }),
			`datasetConfig.type "uci-private-exhaust" is not the dataset: "uci-response-exhaust" is accepted`},
		{"type empty", set(func(s *Submission) { s.DatasetConfig = config(`,"type":""`) }),
			"datasetConfig.type is empty: give it a value or leave it out"},
		{"type a number", set(func(s *Submission) { s.DatasetConfig = config(`,"type":1`) }), "datasetConfig.type is not a string"},

		{"no conversation", withConfig(`{"type":"uci-response-exhaust"}`), "datasetConfig.conversationId is empty: " + names},
		{"empty conversation", withConfig(`{"conversationId":""}`), "datasetConfig.conversationId is empty: " + names},
		{"conversation null", withConfig(`{"conversationId":null}`), "datasetConfig.conversationId is empty: " + names},
		{"conversation a list", withConfig(`{"conversationId":["a"]}`), "datasetConfig.conversationId is not a string"},
		{"conversation with ..", withConfig(`{"conversationId":"../a"}`), `datasetConfig.conversationId "../a" is not valid: ` + names},
		{"conversation of 101", withConfig(`{"conversationId":"` + long + `"}`), `datasetConfig.conversationId "` + long + `" is not valid: ` + names},

		{"start no real day", set(func(s *Submission) { s.DatasetConfig = config(`,"startDate":"2022-02-29"`) }),
			`datasetConfig.startDate "2022-02-29" is not a day: a real day as yyyy-MM-dd is accepted`},
		{"start with a time", set(func(s *Submission) { s.DatasetConfig = config(`,"startDate":"2022-02-01T00:00:00Z"`) }),
			`datasetConfig.startDate "2022-02-01T00:00:00Z" is not a day: a real day as yyyy-MM-dd is accepted`},
		{"start empty", set(func(s *Submission) { s.DatasetConfig = config(`,"startDate":""`) }),
			"datasetConfig.startDate is empty: give it a value or leave it out"},
		{"end in another form", set(func(s *Submission) { s.DatasetConfig = config(`,"endDate":"1-3-2022"`) }),
			`datasetConfig.endDate "1-3-2022" is not a day: a real day as yyyy-MM-dd is accepted`},
		{"end a number", set(func(s *Submission) { s.DatasetConfig = config(`,"endDate":20220301`) }), "datasetConfig.endDate is not a string"},
		{"start after end", set(func(s *Submission) { s.DatasetConfig = config(`,"startDate":"2022-03-02","endDate":"2022-03-01"`) }),
			"datasetConfig.startDate 2022-03-02 is after endDate 2022-03-01: a start on or before the end is accepted"},
		{"end tomorrow", set(func(s *Submission) { s.DatasetConfig = config(`,"startDate":"2022-04-06","endDate":"2022-04-07"`) }),
			"datasetConfig.endDate 2022-04-07 is after today (2022-04-06): a day up to today is accepted"},
		{"start tomorrow", set(func(s *Submission) { s.DatasetConfig = config(`,"startDate":"2022-04-07"`) }),
			"datasetConfig.startDate 2022-04-07 is after today (2022-04-06): a day up to today is accepted"},
		{"367 days", set(func(s *Submission) { s.DatasetConfig = config(`,"startDate":"2021-03-01","endDate":"2022-03-02"`) }),
			"2021-03-01 to 2022-03-02 are 367 days: at most 366 days are accepted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := check(test.s)
			var invalid *InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("got %+v and error %v, want an *InvalidError", got, err)
			}
			if invalid.Sentence != test.sentence {
				t.Errorf("got  %s\nwant %s", invalid.Sentence, test.sentence)
			}
		})
	}
}

func TestTheBoundsOfWhatIsAcceptedAreAccepted(t *testing.T) {
	set := func(edit func(*Submission)) Submission {
		s := valid()
		edit(&s)
		return s
	}
	for name, s := range map[string]Submission{
		"tag of 100":            set(func(s *Submission) { s.Tag = strings.Repeat("x", 100) }),
		"tag of all sorts":      set(func(s *Submission) { s.Tag = "_-aZ09." }),
		"config of 64 KiB":      set(func(s *Submission) { s.DatasetConfig = config(`,"x":"` + strings.Repeat("y", 65536-64) + `"`) }),
		"channel of 150":        set(func(s *Submission) { s.Channel = strings.Repeat("c", 150) }),
		"channel in Hindi":      set(func(s *Submission) { s.Channel = "शिक्षा" }),
		"no requestedBy":        set(func(s *Submission) { s.RequestedBy = "" }),
		"one day, today":        set(func(s *Submission) { s.DatasetConfig = config(`,"startDate":"2022-04-06","endDate":"2022-04-06"`) }),
		"366 days":              set(func(s *Submission) { s.DatasetConfig = config(`,"startDate":"2021-03-01","endDate":"2022-03-01"`) }),
		"29 February":           set(func(s *Submission) { s.DatasetConfig = config(`,"startDate":"2020-02-29","endDate":"2020-02-29"`) }),
		"start only":            set(func(s *Submission) { s.DatasetConfig = config(`,"startDate":"2021-03-01"`) }),
		"end only":              set(func(s *Submission) { s.DatasetConfig = config(`,"endDate":"2021-03-01"`) }),
		"no days":               set(func(s *Submission) { s.DatasetConfig = config(``) }),
		"days null":             set(func(s *Submission) { s.DatasetConfig = config(`,"startDate":null,"endDate":null,"type":null`) }),
		"members of the client": set(func(s *Submission) { s.DatasetConfig = config(`,"batchId":["x",{"y":1}]`) }),
	} {
		if _, err := check(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPrivateExhaustUsesTelemetryOnlyWhereItNamesADay(t *testing.T) {
	for _, test := range []struct {
		r    Request
		want bool
	}{
		{Request{Dataset: ResponseExhaust}, true},
		{Request{Dataset: PrivateExhaust}, false},
		{Request{Dataset: PrivateExhaust, StartDate: "2022-03-01"}, true},
		{Request{Dataset: PrivateExhaust, EndDate: "2022-03-01"}, true},
	} {
		if got := test.r.UsesTelemetry(); got != test.want {
			t.Errorf("%+v: %v", test.r, got)
		}
	}
}

func TestAReportIsNamedAfterExhaustConversationAndDay(t *testing.T) {
	for dataset, want := range map[Dataset]string{
		ResponseExhaust: "uci-response-exhaust/1E2A/conv_response_20220406.csv",
		PrivateExhaust:  "uci-private-exhaust/1E2A/conv_userinfo_20220406.csv",
	} {
		r := Request{ID: "1E2A", Dataset: dataset, ConversationID: "other"}
		if got := r.ReportName("conv", "2022-04-06"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if !strings.HasPrefix(want, r.ReportPrefix()) || !strings.HasSuffix(r.ReportPrefix(), "/1E2A/") {
			t.Errorf("the prefix %s is not this exhaust's alone", r.ReportPrefix())
		}
	}
	if got := WorkflowID("1E2A"); got != "exhaust-1E2A" {
		t.Errorf("workflow id %s", got)
	}
}

func TestADatasetConfigIsKeptAsItIsSpeltButForWhatItSaysTwice(t *testing.T) {
	for sent, kept := range map[string]string{
		"{ \"b\" : 1.0,\n\"conversationId\":\"c\", \"a\":\"<&>\" }":             `{"b":1.0,"conversationId":"c","a":"<&>"}`,
		`{"conversationId":"c","x":{"y":[{"z":1},{"z":2}]},"z":3}`:              `{"conversationId":"c","x":{"y":[{"z":1},{"z":2}]},"z":3}`,
		`{"x":1,"conversationId":"c","x":2}`:                                    `{"conversationId":"c","x":2}`,
		`{"x":[{"y":1,"y":2}],"conversationId":"c"}`:                            `{"conversationId":"c","x":[{"y":2}]}`,
		`{"x":"` + strings.Repeat(`\u0041`, 20_000) + `","conversationId":"c"}`: `{"conversationId":"c","x":"` + strings.Repeat("A", 20_000) + `"}`,
	} {
		request, err := Submission{
			Dataset: "uci-response-exhaust", Tag: "t", Channel: "c", DatasetConfig: json.RawMessage(sent),
		}.Check(Rules{Now: time.Date(2022, 4, 6, 0, 0, 0, 0, time.UTC), MaxDays: 366})
		if err != nil || string(request.Config) != kept {
			t.Errorf("%.100s is kept as %.100s, %v, want %.100s", sent, request.Config, err, kept)
		}
	}
}

func TestEscapesOfHTMLAreUndoneWhereTheyAreEscapes(t *testing.T) {
	for escaped, plain := range map[string]string{
		`{"a":"\u003ca \u0026 b\u003e"}`: `{"a":"<a & b>"}`,
		`{"a":"\\u003c\\\u0026"}`:        `{"a":"\\u003c\\&"}`, // a backslash and five characters; a backslash and an ampersand
		`{"a":"\u0041\n\""}`:             `{"a":"\u0041\n\""}`,
	} {
		if got := UnescapeHTML(json.RawMessage(escaped)); string(got) != plain {
			t.Errorf("%s became %s, want %s", escaped, got, plain)
		}
	}
}

func TestThePurposeIsKeptAndMakesNoOtherExhaust(t *testing.T) {
	without, err := check(valid())
	if err != nil {
		t.Fatal(err)
	}
	for purpose, isAccepted := range map[string]bool{
		"calls for the helpdesk": true,
		`सहायता केंद्र, "महीना" 🙂`:     true,
		"क्\u200dष शक्\u200cति":        true,
		"\u200d":                       false,
		strings.Repeat("क", 500):       true,
		strings.Repeat("k", 501):       false,
		"two\nlines":                   false,
		"\xff":                         false,
		"half a pair \ufffd":           false,
		"a direction mark \u202e mark": false,
	} {
		s := valid()
		s.Purpose = purpose
		switch got, err := check(s); {
		case isAccepted && (err != nil || got.Purpose != purpose || got.ID != without.ID):
			t.Errorf("%.40q: kept as %.40q, id %s, %v", purpose, got.Purpose, got.ID, err)
		case !isAccepted && (err == nil || err.Error() != "purpose is not valid: at most 500 printable characters are accepted"):
			t.Errorf("%.40q: %v", purpose, err)
		}
	}
}

func TestAPrivateExhaustMayNeedAPurpose(t *testing.T) {
	private := valid()
	private.Dataset, private.DatasetConfig = "uci-private-exhaust", config("")
	for _, test := range []struct {
		submission Submission
		purpose    string
		isRequired bool
		want       string
	}{
		{private, "", false, ""},
		{private, "calls", true, ""},
		{valid(), "", true, ""},
		{private, "", true, "purpose is empty: for a private exhaust this service wants to know, in a sentence, what the file is for"},
	} {
		test.submission.Purpose = test.purpose
		_, err := test.submission.Check(Rules{Now: noon, MaxDays: 366, PrivatePurpose: test.isRequired})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s for %q, required %t: %q, want %q", test.submission.Dataset, test.purpose, test.isRequired, got, test.want)
		}
	}
}
