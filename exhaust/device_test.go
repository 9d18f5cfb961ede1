package exhaust

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestConsentIsABooleanInOneOfTwoPlaces(t *testing.T) {
	for _, test := range []struct {
		name, data string
		want       Consent
	}{
		{"given", `{"device":{"consent":true}}`, ConsentGiven},
		{"refused", `{"device":{"consent":false}}`, ConsentRefused},
		{"given below data", `{"data":{"device":{"consent":true}}}`, ConsentGiven},
		{"refused below data", `{"data":{"device":{"consent":false}}}`, ConsentRefused},
		{"among other members and white space", " {\"x\":[1], \"device\" : { \"id\":\"d\",\n \"consent\" :\ttrue } } ", ConsentGiven},
		{"given twice", `{"device":{"consent":true},"data":{"device":{"consent":true}}}`, ConsentGiven},
		{"given above, refused below: refused", `{"device":{"consent":true},"data":{"device":{"consent":false}}}`, ConsentRefused},
		{"refused above, given below: refused", `{"device":{"consent":false},"data":{"device":{"consent":true}}}`, ConsentRefused},

		{"in quotes", `{"device":{"consent":"true"}}`, ConsentGiven},
		{"in quotes, in capitals", `{"device":{"consent":"TRUE"}}`, ConsentGiven},
		{"refused in quotes", `{"data":{"device":{"consent":"False"}}}`, ConsentRefused},
		{"JSON within JSON", `"{\"device\":{\"consent\":true}}"`, ConsentGiven},
		{"in a long document", `{"x":"` + strings.Repeat("x", 10_000) + `","device":{"consent":true}}`, ConsentGiven},
		{"beside 10,000 levels", `{"device":{"consent":true},"x":` + strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999) + `}`, ConsentGiven},
		{"refused in JSON within JSON", `" {\"data\":{\"device\":{\"consent\":\"false\"}}} "`, ConsentRefused},

		{"no document", ``, ConsentUnrecorded},
		{"white space", " \n\t", ConsentUnrecorded},
		{"an empty text within JSON", `" "`, ConsentUnrecorded},
		{"null", `null`, ConsentUnrecorded},
		{"null within JSON", `"null"`, ConsentUnrecorded},
		{"empty", `{}`, ConsentUnrecorded},
		{"device null", `{"device":null}`, ConsentUnrecorded},
		{"data null", `{"data":null}`, ConsentUnrecorded},
		{"consent null", `{"device":{"consent":null}}`, ConsentUnrecorded},
		{"consent null below data", `{"data":{"device":{"consent":null}},"device":{"consent":true}}`, ConsentGiven},
		{"consent elsewhere", `{"consent":true,"data":{"consent":true}}`, ConsentUnrecorded},
		{"consent too deep", `{"data":{"data":{"device":{"consent":true}}}}`, ConsentUnrecorded},
		{"another letter case", `{"Device":{"consent":true},"device":{"Consent":true}}`, ConsentUnrecorded},

		// Of a key that stands twice the last counts.
		{"device twice", `{"device":{"consent":true},"device":{"consent":false}}`, ConsentRefused},
		{"device twice, the other way", `{"device":{"consent":false},"device":{"consent":true}}`, ConsentGiven},
		{"device twice, then without consent", `{"device":{"consent":true},"device":{}}`, ConsentUnrecorded},
		{"device twice, then null", `{"device":{"consent":false},"device":null}`, ConsentUnrecorded},
		{"consent twice", `{"device":{"consent":true,"consent":false}}`, ConsentRefused},
		{"consent twice, once spelled with an escape", `{"device":{"consent":true,"c\u006fnsent":false}}`, ConsentRefused},
		{"data twice", `{"data":{"device":{"consent":true}},"data":{"device":{"consent":false}}}`, ConsentRefused},
		{"device twice, once spelled with an escape", `{"d\u0065vice":{"consent":false},"device":{"consent":true}}`, ConsentGiven},
		{"what is overruled need not be readable", `{"device":7,"device":{"consent":true}}`, ConsentGiven},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, readable := ReadConsent([]byte(test.data)); got != test.want || !readable {
				t.Errorf("got %d, readable %v, want %d", got, readable, test.want)
			}
		})
	}
}

func TestConsentThatCannotBeReadIsRefused(t *testing.T) {
	for name, data := range map[string]string{
		"white space that is none of JSON": "\u00a0{\"device\":{\"consent\":true}}",
		"only such white space":            "\v",
		"a list":                           `[{"device":{"consent":true}}]`,
		"a number":                         `1`,
		"broken":                           `{"device":{"consent":true}`,
		"something behind it":              `{"device":{"consent":true}} x`,
		"text that is no JSON":             `"yes"`,
		"JSON within JSON within JSON":     `"\"{\\\"device\\\":{\\\"consent\\\":true}}\""`,
		"a list in JSON within JSON":       `"[]"`,
		"device a list":                    `{"device":[{"consent":true}]}`,
		"device a text":                    `{"device":"{\"consent\":true}"}`,
		"device false":                     `{"device":false}`,
		"data a text, consent above":       `{"data":"x","device":{"consent":true}}`,
		"device below data a number":       `{"data":{"device":1},"device":{"consent":true}}`,
		"consent a number":                 `{"device":{"consent":1}}`,
		"consent an object":                `{"device":{"consent":{}}}`,
		"consent another word":             `{"device":{"consent":"yes"}}`,
		"consent in quotes with a space":   `{"device":{"consent":" true"}}`,
		"consent an empty text":            `{"device":{"consent":""}}`,
		"consent a word with a long s":     `{"device":{"consent":"falſe"}}`,
		"10,001 levels":                    `{"device":{"consent":true},"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
		"levels without end":               strings.Repeat("[", 8_000_000),
		"broken, and long":                 `{"device":{"consent":true},"x":"` + strings.Repeat("x", 10_000),
		"given above, unreadable below":    `{"device":{"consent":true},"data":{"device":{"consent":0}}}`,
		"unreadable above, given below":    `{"device":{"consent":"?"},"data":{"device":{"consent":true}}}`,
		"refused above, unreadable below":  `{"device":{"consent":false},"data":[]}`,
	} {
		if got, readable := ReadConsent([]byte(data)); got != ConsentRefused || readable {
			t.Errorf("%s: got %d, readable %v", name, got, readable)
		}
	}
}

func TestADeviceIDIsAUUIDOfItsOneForm(t *testing.T) {
	want := uuid.UUID{0xd0, 0, 0, 0, 0, 0, 0x4a, 0, 0x80, 0, 0, 0, 0, 0, 0, 0xab}
	for _, text := range []string{"d0000000-0000-4a00-8000-0000000000ab", "D0000000-0000-4A00-8000-0000000000AB"} {
		if id, ok := ParseDeviceID(text); !ok || id != want {
			t.Errorf("%s: %v, %v", text, id, ok)
		}
	}
	for _, text := range []string{"", "d0000000000040008000000000000000ab", "d00000000000400080000000000000ab",
		"{d0000000-0000-4a00-8000-0000000000ab}", "urn:uuid:d0000000-0000-4a00-8000-0000000000ab",
		"d0000000-0000-4a00-8000-0000000000a", "d0000000-0000-4a00-8000-0000000000ag", "d0000000x0000-4a00-8000-0000000000ab"} {
		if id, ok := ParseDeviceID(text); ok {
			t.Errorf("%q is taken for %s", text, id)
		}
	}
}

// reversed is a cipher that refuses what begins with "!".
type reversed struct{}

func (reversed) Decrypt(username string) (string, bool) {
	if username[0] == '!' {
		return "", false
	}
	return "decrypted " + username, true
}

func mustCipher(secret string) *Cipher {
	c, err := NewCipher(secret)
	if err != nil {
		panic(err)
	}
	return c
}

func TestAPhoneNumberIsShownToWhomConsentWasGivenFor(t *testing.T) {
	const id = "d0000000-0000-4a00-8000-0000000000ab"
	for _, test := range []struct {
		name          string
		consent       Consent
		username      string
		cipher        PhoneCipher
		assume        bool
		shown         string
		undecryptable bool
	}{
		{"given", ConsentGiven, "u", reversed{}, false, "decrypted u", false},
		{"given, white space around", ConsentGiven, " u\n", reversed{}, false, "decrypted u", false},
		{"refused", ConsentRefused, "u", reversed{}, false, id, false},
		{"refused, whatever is assumed", ConsentRefused, "u", reversed{}, true, id, false},
		{"never asked", ConsentUnrecorded, "u", reversed{}, false, id, false},
		{"never asked but assumed", ConsentUnrecorded, "u", reversed{}, true, "decrypted u", false},
		{"given, no identity", ConsentGiven, "", reversed{}, false, id, false},
		{"given, blank identity", ConsentGiven, "  ", mustCipher("MDEyMzQ1Njc4OTAxMjM0NQ=="), false, id, true},
		{"given, no cipher in the interface", ConsentGiven, "u", (*Cipher)(nil), false, id, false},
		{"given, does not decrypt", ConsentGiven, "!", reversed{}, false, id, true},
		{"refused, does not decrypt: nobody wanted to know", ConsentRefused, "!", reversed{}, false, id, false},
		{"given, no secret is set", ConsentGiven, "u", nil, false, id, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := Device{ID: uuid.MustParse(id), Consent: test.consent, Username: test.username}
			shown, isShown, undecryptable := d.Reveal(test.cipher, test.assume)
			if !isShown {
				shown = string(d.AppendUUID(nil))
			}
			if shown != test.shown || undecryptable != test.undecryptable {
				t.Errorf("got %q, %v; want %q, %v", shown, undecryptable, test.shown, test.undecryptable)
			}
		})
	}
}

// BenchmarkReadConsent reads a document of the size that UCI keeps.
func BenchmarkReadConsent(b *testing.B) {
	data := []byte(`{"firstName":"Sample","lastName":"User 17","data":{"device":{"id":"d0000000-0000-4a00-8000-0000000000ab","type":"phone","consent":true}},"preferredLanguages":["hi","en"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if c, readable := ReadConsent(data); c != ConsentGiven || !readable {
			b.Fatal(c, readable)
		}
	}
}
