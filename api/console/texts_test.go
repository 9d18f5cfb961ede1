package console

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// readTexts are the texts of a language: of each key those of its plurals, or one.
func readTexts(t *testing.T, name string) map[string][]string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("texts", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for key, value := range readMembers(t, name, file) {
		switch value := value.(type) {
		case string:
			all[key] = []string{value}
		case map[string]any:
			if len(value) != 2 || value["one"] == nil || value["other"] == nil {
				t.Errorf("%s: %s has not the plurals one and other", name, key)
			}
			for _, text := range value {
				all[key] = append(all[key], text.(string))
			}
		}
	}
	return all
}

// readMembers are the members of a JSON object, none of which stands there twice.
func readMembers(t *testing.T, name string, file []byte) map[string]any {
	t.Helper()
	members, decoder := map[string]any{}, json.NewDecoder(bytes.NewReader(file))
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		if _, isTwice := members[key.(string)]; isTwice {
			t.Errorf("%s: %s stands there twice", name, key)
		}
		members[key.(string)] = value
	}
	return members
}

var valueInText = regexp.MustCompile(`\{\{\.\w+\}\}`)

func valuesOf(texts []string) (values []string) {
	for _, text := range texts {
		values = append(values, valueInText.FindAllString(text, -1)...)
	}
	slices.Sort(values)
	return slices.Compact(values)
}

func TestEveryLanguageSaysAllThatEnglishSays(t *testing.T) {
	languages, err := readLanguages()
	if err != nil {
		t.Fatal(err)
	}
	english := readTexts(t, "en")
	for _, name := range languages.names {
		texts := readTexts(t, name)
		for key, of := range english {
			if got, want := valuesOf(texts[key]), valuesOf(of); !slices.Equal(got, want) {
				t.Errorf("%s: %s has the values %v, want %v", name, key, got, want)
			}
			if len(texts[key]) == 0 || slices.ContainsFunc(texts[key], func(text string) bool { return strings.TrimSpace(text) == "" }) {
				t.Errorf("%s: %s has no text", name, key)
			}
		}
		for key := range texts {
			if english[key] == nil {
				t.Errorf("%s: %s is no text of English", name, key)
			}
		}
	}
}

// Keys stand in quotes behind a T, or are put together of what begins them and a name.
var (
	wholeKey   = regexp.MustCompile(`\bT "([a-z][\w.-]*[\w])"|\bT\("([a-z][\w.-]*[\w])"`)
	beginOfKey = regexp.MustCompile(`\(print "([a-z][\w.-]*\.)"|"([a-z][\w.]*\.)" ?\+`)
)

func TestTheTextsAreThoseThatPagesSay(t *testing.T) {
	english := readTexts(t, "en")
	isUsed := map[string]bool{"language": true}
	var begins []string
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	templates, err := filepath.Glob("pages/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(slices.DeleteFunc(files, isTest), templates...) {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range wholeKey.FindAllStringSubmatch(string(source), -1) {
			key := found[1] + found[2]
			isUsed[key] = true
			if english[key] == nil {
				t.Errorf("%s: there is no text %s", file, key)
			}
		}
		for _, found := range beginOfKey.FindAllStringSubmatch(string(source), -1) {
			begins = append(begins, found[1]+found[2])
		}
	}
	for begin, names := range namesBehind() {
		if !slices.Contains(begins, begin) {
			t.Errorf("no key begins with %s", begin)
		}
		begins = slices.DeleteFunc(begins, func(other string) bool { return other == begin })
		for _, name := range names {
			isUsed[begin+name] = true
			if english[begin+name] == nil {
				t.Errorf("there is no text %s%s", begin, name)
			}
		}
	}
	for key := range english {
		if !isUsed[key] && !slices.ContainsFunc(begins, func(begin string) bool { return strings.HasPrefix(key, begin) }) {
			t.Errorf("no page says %s", key)
		}
	}
}

func isTest(file string) bool { return strings.HasSuffix(file, "_test.go") }

// namesBehind are the names that stand behind what begins a key, where all of them are known.
func namesBehind() map[string][]string {
	var faults, presets, parts []string
	for _, code := range exhaust.Codes() {
		if !isRaisedByNoPage(code) {
			faults = append(faults, code.Name())
		}
	}
	for _, preset := range cronPresets {
		presets = append(presets, preset.Name)
	}
	for _, part := range partsOfDay {
		parts = append(parts, part.name)
	}
	datasets, phases := exhaust.Names(exhaust.Datasets), exhaust.Names([]exhaust.Phase{exhaust.Fetching, exhaust.Joining, exhaust.Building, exhaust.Signing})
	return map[string][]string{
		"clock.": parts, "fault.": faults, "dataset.": datasets, "new.holds.": datasets, "exhaust.rows.": datasets, "state.": stateNames(),
		"status.": append(exhaust.Names(exhaust.Statuses), "TONIGHT", "WAITING", "GONE", "NOTHING"), "times.preset.": presets,
		"phase.": phases, "work.phase.": append(phases, string(exhaust.Done)), "exhaust.head.": {"FAILED", "CANCELLED", "GONE"},
		"window.":          {string(service.WindowMissed), string(service.WindowEarlier), string(service.WindowComing), string(service.WindowPaused)},
		"recurring.did.":   {scheduleCreated, scheduleChanged, schedulePaused, scheduleResumed, scheduleTriggered, scheduleBackfilled, scheduleDeleted},
		"telemetry.state.": exhaust.Names(operationsPage{}.TelemetryStates()), "tokens.state.": {tokenValid, tokenExpired, tokenRevoked},
	}
}

// raisedByNoPage are the codes without a text, and why no reader meets them.
var raisedByNoPage = map[string][]*exhaust.Code{
	"it is of JSON that clients write, and pages write none": {
		exhaust.BodyEmpty, exhaust.BodyNotUTF8, exhaust.BodyNotJSON, exhaust.BodyNotObject, exhaust.BodyBroken, exhaust.FieldNotObject, exhaust.FieldNotBoolean,
		exhaust.FieldNotList, exhaust.FieldNotString, exhaust.FieldUnknown, exhaust.FieldMisspelt, exhaust.FieldEmpty, exhaust.FilterUnknown, exhaust.StatusNotReplayable,
		exhaust.QueryUnreadable, exhaust.RequestIDEmpty, exhaust.TokenExpiryInvalid,
	},
	"it is of a datasetConfig that the page puts together": {
		exhaust.DatasetConfigEmpty, exhaust.DatasetConfigNotObject, exhaust.DatasetConfigTooDeep, exhaust.DatasetConfigTooLarge, exhaust.TypeNotDataset,
	},
	"it is of what no form has": {
		exhaust.OutputFormatUnknown, exhaust.EncryptionUnsupported, exhaust.EncryptionMisspelt, exhaust.EncryptionMisplaced, exhaust.ScheduleHasDays,
		exhaust.ScheduleHasEncryption, exhaust.ChangeEmpty, exhaust.ChangeUnknown,
	},
	"it is of request headers that browsers do not send":         {exhaust.ChannelTwice, exhaust.AuthorizationInvalid, exhaust.CredentialsTwice},
	"the page of a failure says it in words of its own":          {exhaust.NoSuchCall, exhaust.MethodNotAllowed, exhaust.NotAvailable, exhaust.InternalError},
	"it is an answer of /health or /metrics, which are no pages": {exhaust.DependenciesDown, exhaust.AllDependenciesDown, exhaust.MetricsRefused},
}

func isRaisedByNoPage(code *exhaust.Code) bool {
	for _, codes := range raisedByNoPage {
		if slices.Contains(codes, code) {
			return true
		}
	}
	return false
}

func TestTheTextsOfFaultsHaveOnlyTheirDetails(t *testing.T) {
	english := readTexts(t, "en")
	for _, code := range exhaust.Codes() {
		texts := english["fault."+code.Name()]
		if isRaisedByNoPage(code) && texts != nil {
			t.Errorf("%s has a text, and is said to be raised by no page", code.Name())
		}
		for _, value := range valuesOf(texts) {
			name := strings.Trim(value, "{.}")
			_, isBound := mostOf[code]
			if !slices.Contains(code.Details(), name) && !(name == "most" && isBound) {
				t.Errorf("%s has no detail %s", code.Name(), name)
			}
		}
	}
}

func TestTheMostThatATextNamesIsThatOfTheFaultsSentence(t *testing.T) {
	for code, want := range map[*exhaust.Code]string{
		exhaust.NameInvalid: "1 to 100 characters", exhaust.TokenNameInvalid: "1 to 100 characters", exhaust.JitterInvalid: "0s to 24h",
	} {
		if !strings.Contains(code.Template(), want) {
			t.Errorf("%s says %q", code.Name(), code.Template())
		}
	}
	for code, want := range map[*exhaust.Code]int{exhaust.NameInvalid: 100, exhaust.TokenNameInvalid: 100, exhaust.JitterInvalid: 1440} {
		if mostOf[code] != want {
			t.Errorf("of %s it is %d, want %d", code.Name(), mostOf[code], want)
		}
	}
}

func TestAFaultOfLengthSaysTheMost(t *testing.T) {
	r := readerWith(t, "en", "")
	for want, fault := range map[string]exhaust.Fault{
		"“a b” cannot be used. Take at most 100 English letters, digits and . _ - that do not begin with a dot.":            exhaust.NewFault(exhaust.NameInvalid, "tag", "a b"),
		"“a b” cannot be used. Take at most 100 English letters, digits and . _ @ + - that begin with a letter or a digit.": exhaust.NewFault(exhaust.TokenNameInvalid, "a b"),
		"Nothing can be found by that: it has more than 255 characters, or some that cannot be read.":                       exhaust.NewFault(exhaust.SearchTextInvalid, "q", "a", 255),
		"Give a number of minutes: 1,440 at most.":                                                   exhaust.NewFault(exhaust.JitterInvalid, "1m1"),
		"“a” is no channel: it is empty, has more than 150 characters, or some that cannot be read.": exhaust.NewFault(exhaust.ChannelInvalid, "a", 150),
	} {
		if got := r.Fault(fault); got != want {
			t.Errorf("%s is said as %q, want %q", fault.Code.Name(), got, want)
		}
	}
}

func TestFaultsAreSaidWithoutTheNamesOfJSON(t *testing.T) {
	english := readTexts(t, "en")
	names := regexp.MustCompile(`\b(X-Channel-ID|conversationId|datasetConfig|requestedBy|startDate|endDate|output_format|yyyy-MM-dd|JSON|requestId|kid|crit|exp|nbf|iss)\b`)
	for key, texts := range english {
		if found := names.FindString(strings.Join(texts, " ")); found != "" && strings.HasPrefix(key, "fault.") {
			t.Errorf("%s says %s", key, found)
		}
	}
}

func TestPagesCallABotABot(t *testing.T) {
	for language, word := range map[string]string{"en": "onversation", "hi": "वार्तालाप"} {
		for key, texts := range readTexts(t, language) {
			isOfProgram := language == "en" && strings.HasPrefix(key, "sentence.")
			if strings.Contains(strings.Join(texts, " "), word) && !isOfProgram {
				t.Errorf("%s: %s calls it otherwise: %q", language, key, texts)
			}
		}
	}
}

// readerWith is a reader whose browser asks for languages.
func readerWith(t *testing.T, languages, choice string) reader {
	t.Helper()
	all, err := readLanguages()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept-Language", languages)
	india, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	return all.readerOf(r, choice, india)
}

func TestAReaderIsSpokenToAsHisBrowserAsks(t *testing.T) {
	at := time.Date(2026, 11, 30, 20, 35, 0, 0, time.UTC) // 02:05 of 1 December in India
	for _, c := range []struct{ languages, choice, language, ready, number, time string }{
		{"en-US,en;q=0.9", "", "en", "Ready", "1,234,567", "Dec 1, 2026, 2:05\u202fam IST"},
		{"en-IN", "", "en", "Ready", "12,34,567", "01-Dec-2026, 2:05 am IST"},
		{"en-GB,hi;q=0.5", "", "en", "Ready", "1,234,567", "1 Dec 2026, 02:05 IST"},
		{"hi-IN,en;q=0.5", "", "hi", "तैयार", "12,34,567", "1 दिस॰ 2026, रात 2:05 बजे IST"},
		{"en-IN", "hi", "hi", "तैयार", "12,34,567", "1 दिस॰ 2026, रात 2:05 बजे IST"},
		{"hi,en-IN;q=0.5", "en", "en", "Ready", "12,34,567", "01-Dec-2026, 2:05 am IST"},
		{"ta-IN,hi;q=0.1", "en", "en", "Ready", "12,34,567", "01-Dec-2026, 2:05 am IST"},
		{"ta-IN,bn;q=0.5", "", "en", "Ready", "12,34,567", "01-Dec-2026, 2:05 am IST"},
		{"ta,bn-IN;q=0.5", "", "en", "Ready", "12,34,567", "01-Dec-2026, 2:05 am IST"},
		{"cy-GB", "", "en", "Ready", "1,234,567", "1 Dec 2026, 02:05 IST"},
		{"es-US", "", "en", "Ready", "1,234,567", "Dec 1, 2026, 2:05\u202fam IST"},
		{"bn-BD,en-US;q=0.5", "", "en", "Ready", "1,234,567", "1 Dec 2026, 02:05 IST"}, // which has no English of its own
		{"ta,fr", "", "en", "Ready", "1,234,567", "Dec 1, 2026, 2:05 am IST"},
		{"ta,hi;q=0.3,en;q=0.2", "", "hi", "तैयार", "12,34,567", "1 दिस॰ 2026, रात 2:05 बजे IST"},
		{"", "xx", "en", "Ready", "1,234,567", "Dec 1, 2026, 2:05 am IST"},
		{";;;", "", "en", "Ready", "1,234,567", "Dec 1, 2026, 2:05 am IST"},
	} {
		r := readerWith(t, c.languages, c.choice)
		got := []string{r.Language, r.T("status.SUCCESS"), r.N(1234567), r.Time(at)}
		want := []string{c.language, c.ready, c.number, strings.ReplaceAll(c.time, "\u202f", " ")}
		if !slices.Equal(got, want) {
			t.Errorf("%q, choice %q: %q, want %q", c.languages, c.choice, got, want)
		}
	}
}

func TestSizesAndSpansAreSaidInTheirLargestUnit(t *testing.T) {
	r := readerWith(t, "en-IN", "")
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1234: "1.2 kB", 99_949: "99.9 kB", 99_950: "100 kB", 999_499: "999 kB", 999_500: "1.0 MB", 2_500_000_000: "2.5 GB", 1 << 62: "46,11,686 TB"} {
		if got := r.Bytes(n); got != strings.ReplaceAll(want, " ", "\u00a0") {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0 seconds", 1400 * time.Millisecond: "1 second", 59 * time.Second: "59 seconds", 61 * time.Second: "1 minute", time.Hour: "1 hour",
		59*time.Second + 500*time.Millisecond: "1 minute", 89 * time.Second: "1 minute", 119 * time.Second: "2 minutes",
		59*time.Minute + 30*time.Second: "1 hour", time.Hour + 2*time.Minute: "1 hour 2 minutes",
		time.Hour + 59*time.Minute + 45*time.Second: "2 hours", 23*time.Hour + 59*time.Minute + 40*time.Second: "1 day",
		25 * time.Hour: "1 day 1 hour", 36 * time.Hour: "1 day 12 hours", 47*time.Hour + 59*time.Minute: "2 days", 72 * time.Hour: "3 days",
		167*time.Hour + 40*time.Minute: "7 days", 179 * time.Hour: "7 days", 181 * time.Hour: "8 days",
	} {
		if got := r.Span(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestAFaultWithoutATextIsSaidInEnglish(t *testing.T) {
	r := readerWith(t, "hi", "")
	fault := exhaust.NewFault(exhaust.MetricsRefused, "operator")
	if got := r.Fault(fault); got != fault.Sentence {
		t.Errorf("it is said as %q", got)
	}
}
