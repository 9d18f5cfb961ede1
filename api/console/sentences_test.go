package console

import (
	"slices"
	"strings"
	"testing"
)

func TestASentenceOfTheProgramIsSaidInHindi(t *testing.T) {
	r := readerWith(t, "hi", "")
	for _, c := range []struct{ english, hindi string }{
		{
			`telemetry object "a/2022-03-01.gz" is corrupt: its gzip data ends early`,
			`टेलीमेट्री ऑब्जेक्ट "a/2022-03-01.gz" खराब है: इसका gzip डेटा बीच में ही समाप्त हो जाता है`,
		},
		{
			`telemetry object "<b> is corrupt: \n \"" is corrupt: its zstd data is damaged`,
			`टेलीमेट्री ऑब्जेक्ट "<b> is corrupt: \n \"" खराब है: इसका zstd डेटा खराब है`,
		},
		{
			"telemetry store: permission refused (403); tried 5 times, next in 30 s",
			"टेलीमेट्री स्टोर: अनुमति नहीं मिली (403); 5 बार कोशिश हुई, अगली 30 सेकंड में",
		},
		{
			"registry: no answer; tried once, trying again",
			"रजिस्ट्री: कोई उत्तर नहीं; एक बार कोशिश हुई, फिर से हो रही है",
		},
		{
			"reading the telemetry took too long; tried 1234567 times, next in 1 s",
			"टेलीमेट्री पढ़ना: बहुत समय लगा; 12,34,567 बार कोशिश हुई, अगली 1 सेकंड में",
		},
		{
			"telemetry store: permission refused (403)",
			"टेलीमेट्री स्टोर: अनुमति नहीं मिली (403)",
		},
		{
			"gave up after 24h0m0s in phase FETCHING: telemetry store: it is too busy (503)",
			"1 दिन कोशिश करने के बाद छोड़ दिया गया, चरण “टेलीमेट्री पढ़ना” पर: टेलीमेट्री स्टोर: उस पर बहुत काम है (503)",
		},
		{
			`telemetry object "a" is still being written: end before today, or retry later`,
			`टेलीमेट्री ऑब्जेक्ट "a" अभी लिखा जा रहा है: आखिरी दिन आज से पहले का चुनें, या बाद में फिर चलाएँ`,
		},
		{
			"2022-01-01 to 2023-06-01 are 517 days: at most 366 days are accepted: give startDate and endDate",
			"1 जन॰ 2022 से 1 जून 2023 तक 517 दिन हैं: अधिक से अधिक 366 दिन चुने जा सकते हैं: पहला और आखिरी दिन, दोनों चुनें",
		},
		{
			"counts do not balance: 1000000 rows were to be written, 999999 are in the file",
			"गिनतियाँ मेल नहीं खातीं: 10,00,000 पंक्तियाँ लिखनी थीं, फ़ाइल में 9,99,999 हैं",
		},
		{
			"the telemetry of 2022-03-01 cannot be listed: it is in the archive tier: rehydrate it first",
			"1 मार्च 2022 की टेलीमेट्री की सूची नहीं बन सकती: वह आर्काइव में है: पहले उसे वहाँ से वापस लाएँ",
		},
		{
			"report expired on 2022-03-01",
			"फ़ाइल रखने का समय 1 मार्च 2022 को समाप्त हो गया",
		},
		{
			"not delivered: hooks.example.org did not answer within 10s",
			"सूचना नहीं दी जा सकी: hooks.example.org ने 10 सेकंड में उत्तर नहीं दिया",
		},
		{
			"not delivered: a step did not end in time",
			"सूचना नहीं दी जा सकी: एक चरण: समय पर पूरा नहीं हुआ",
		},
		{
			"Invalid schedule spec: Hour is not in range [0-23], Month has too many slashes, DayOfWeek End is before Start or not in range [5-7]",
			"घंटा: 0 से 23 तक होना चाहिए; महीना: / एक से अधिक बार है; सप्ताह का दिन: अंत शुरुआत से पहले है, या 5 से 7 तक नहीं है",
		},
		{
			"deleting expired reports: 7 could not be deleted, such as reports/a: permission refused; reports/b: it failed; reports/c: a policy protects it (409)",
			"पुरानी फ़ाइलें हटाना: 7 को हटाया नहीं जा सका, जैसे reports/a: अनुमति नहीं मिली; reports/b: काम नहीं हो सका; reports/c: एक नीति उसे बदलने से रोकती है (409)",
		},
		{
			"reading the summary of the night before: it took too long",
			"पिछली रात का सारांश नहीं पढ़ा जा सका: बहुत समय लगा",
		},
		{
			"deleting expired reports: reports store: no answer",
			"पुरानी फ़ाइलें हटाना: पूरा नहीं हुआ: रिपोर्ट स्टोर: कोई उत्तर नहीं",
		},
		{
			"removing file 2022-03-01: permission refused",
			"फ़ाइल 2022-03-01 हटाई नहीं जा सकी: अनुमति नहीं मिली",
		},
		{
			"counts do not balance: 1 rows were to be written, 1234 are in the file",
			"गिनतियाँ मेल नहीं खातीं: 1 पंक्ति लिखनी थी, फ़ाइल में 1,234 हैं",
		},
		{
			"releasing 1 exhausts, 0193 the first: the next night tries again: it took too long",
			"1 एग्ज़ॉस्ट, 0193, शुरू नहीं हो सका, अगली रात फिर कोशिश होगी: बहुत समय लगा",
		},
		{
			"looking at 2 exhausts: the next night counts them: a worker was lost",
			"2 एग्ज़ॉस्ट की स्थिति पता नहीं चली, उन्हें अगली रात गिना जाएगा: एक वर्कर बंद हो गया",
		},
	} {
		if got := r.Say(c.english); got != (wording{Text: c.hindi}) {
			t.Errorf("%s\n got %q\nwant %q", c.english, got, c.hindi)
		}
	}
}

// A sentence that is half translated would be read aloud in the wrong language.
func TestASentenceThatIsNotKnownWholeIsSaidInEnglish(t *testing.T) {
	r := readerWith(t, "hi", "")
	for _, english := range []string{
		"something new", "No data found!", "x No data found", "telemetry store: something new", "another store: no answer", "no answer",
		`telemetry object "a" is corrupt: something new`, "gave up after a while in phase FETCHING: No data found", "gave up after 1h0m0s in phase DONE: No data found",
		"registry: no answer; tried some times, trying again", "registry: no answer; tried 99999999999999999999 times, trying again",
		"deleting expired files: it failed", "Invalid schedule spec: Hour is not in range [0-23], something new",
		"not delivered: hooks.example.org was not there", "telemetry object a is corrupt: its gzip data is damaged",
		"deleting expired reports: pq: no such table\nbelow", "reading the summary of the night before: something new", "report expired on a day",
	} {
		if got := r.Say(english); got != (wording{Text: english, Lang: ` lang="en"`}) {
			t.Errorf("%q is said as %q", english, got)
		}
	}
}

func TestAnEmptySentenceIsNotMarkedToBeEnglish(t *testing.T) {
	if got := readerWith(t, "hi", "").Say(""); got != (wording{}) {
		t.Errorf("it is said as %q", got)
	}
}

func TestEnglishReadersReadWhatTheProgramSays(t *testing.T) {
	r := readerWith(t, "en-IN", "")
	for _, english := range []string{"", "No data found", "telemetry store: permission refused (403); tried 5 times, next in 30 s", "something new"} {
		if got := r.Say(english); got != (wording{Text: english}) {
			t.Errorf("%q is said as %q", english, got)
		}
	}
}

// TestEachFormIsFound finds what another form hides, values of no kind, and groups that no value names.
func TestEachFormIsFound(t *testing.T) {
	r, texts := readerWith(t, "hi", ""), readTexts(t, "en")
	isNamed := map[string]bool{ungrouped: true}
	for group, all := range r.forms {
		for _, f := range all {
			sentence := r.example(texts, f)
			if got, _, _ := r.match(sentence, group); got.name != f.name {
				t.Errorf("%q is of the form %q, want %q", sentence, got.name, f.name)
			}
			for _, value := range f.values {
				kind := kindOf(value)
				isNamed[kind] = true
				if isClause := r.forms[kind] != nil; isClause == (patterns[kind] != "") {
					t.Errorf("sentence.%s: the value %s has to be of a kind or of a group", f.name, value)
				}
			}
		}
	}
	for group := range r.forms {
		if !isNamed[group] {
			t.Errorf("no value is of the group %s", group)
		}
	}
}

// example is a sentence of a form, whose clauses have the simplest forms of their groups.
func (r reader) example(texts map[string][]string, f sentenceForm) string {
	sentence := texts["sentence."+f.name][0]
	for _, value := range f.values {
		text := map[string]string{
			"n": "7", "span": "1h0m0s", "day": "2022-03-01", "from": "2022-03-01", "to": "2022-03-02", "object": `"a"`, "text": `"a"`,
		}[kindOf(value)]
		if clauses := r.forms[kindOf(value)]; clauses != nil {
			simplest := slices.MinFunc(clauses, func(x, y sentenceForm) int { return len(x.values) - len(y.values) })
			text = r.example(texts, simplest)
		}
		if text == "" {
			text = "Name-" + value
		}
		sentence = strings.Replace(sentence, "{{."+value+"}}", text, 1)
	}
	return sentence
}

func TestReasonsAndAdviceAreOfSentences(t *testing.T) {
	r := readerWith(t, "en", "")
	for key := range readTexts(t, "en") {
		for _, begin := range []string{"reason.", "advice."} {
			name, isOne := strings.CutPrefix(key, begin)
			if isOne && !slices.ContainsFunc(slices.Concat(r.forms[ungrouped], r.forms[causeGroup]), func(f sentenceForm) bool { return f.name == name }) {
				t.Errorf("%s is of no sentence", key)
			}
		}
	}
}
