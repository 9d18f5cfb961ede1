package exhaust

import (
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
		{"data that is a text, consent above", `{"data":"x","device":{"consent":true}}`, ConsentGiven},

		{"no document", ``, ConsentUnrecorded},
		{"null", `null`, ConsentUnrecorded},
		{"no object", `[{"device":{"consent":true}}]`, ConsentUnrecorded},
		{"broken", `{"device":{"consent":true}`, ConsentUnrecorded},
		{"empty", `{}`, ConsentUnrecorded},
		{"device null", `{"device":null}`, ConsentUnrecorded},
		{"device a list", `{"device":[{"consent":true}]}`, ConsentUnrecorded},
		{"consent null", `{"device":{"consent":null}}`, ConsentUnrecorded},
		{"consent a text", `{"device":{"consent":"true"}}`, ConsentUnrecorded},
		{"consent a number", `{"device":{"consent":1}}`, ConsentUnrecorded},
		{"consent elsewhere", `{"consent":true,"data":{"consent":true}}`, ConsentUnrecorded},
		{"consent too deep", `{"data":{"data":{"device":{"consent":true}}}}`, ConsentUnrecorded},
		{"another letter case", `{"Device":{"consent":true},"device":{"Consent":true}}`, ConsentUnrecorded},
		{"a text hides nothing below data", `{"device":{"consent":"false"},"data":{"device":{"consent":true}}}`, ConsentGiven},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := ReadConsent([]byte(test.data)); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
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
		{"given, blank identity", ConsentGiven, "  ", reversed{}, false, id, false},
		{"given, does not decrypt", ConsentGiven, "!", reversed{}, false, id, true},
		{"refused, does not decrypt: nobody wanted to know", ConsentRefused, "!", reversed{}, false, id, false},
		{"given, no secret is set", ConsentGiven, "u", nil, false, id, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := Device{ID: uuid.MustParse(id), Consent: test.consent, Username: test.username}
			shown, undecryptable := d.Reveal(test.cipher, test.assume)
			if shown != test.shown || undecryptable != test.undecryptable {
				t.Errorf("got %q, %v; want %q, %v", shown, undecryptable, test.shown, test.undecryptable)
			}
		})
	}
}
