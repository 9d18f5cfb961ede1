package exhaust

import (
	"encoding/json"
	"strings"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"
)

// Consent says whether a device's user agreed to share what identifies them. A device that never
// said is neither: contract section 5 hides its phone number and shows its answers.
type Consent int8

const (
	ConsentUnrecorded Consent = iota
	ConsentGiven
	ConsentRefused
)

// ReadConsent finds device.consent or data.device.consent in a users.data document (contract section 5). Where either place
// refuses or cannot be read, consent is refused; else where either gives it, given. readable is false where anything in the
// way of the two places is not what it should be: that protects the person, and is counted.
//
// Of a key that stands twice the last counts, and null is as if nothing stood there. A document that is JSON text within
// JSON text is decoded once.
func ReadConsent(data []byte) (c Consent, readable bool) {
	document, isJSON := parseJSON(string(data))
	if isJSON && document.Type == gjson.String {
		document, isJSON = parseJSON(document.Str)
	}
	if !isJSON {
		return ConsentRefused, false
	}
	device, nested, ok := lastMembers(document, "device", "data")
	above, isAboveReadable := readDeviceConsent(device)
	inner, _, isDataReadable := lastMembers(nested, "device", "")
	below, isBelowReadable := readDeviceConsent(inner)
	switch {
	case !ok || !isAboveReadable || !isDataReadable || !isBelowReadable:
		return ConsentRefused, false
	case above == ConsentRefused || below == ConsentRefused:
		return ConsentRefused, true
	}
	return max(above, below), true
}

const (
	// jsonSpace is the white space of JSON, which is less than Unicode's.
	jsonSpace = " \t\r\n"
	// maxJSONDepth is how many levels JSON has at most (contract section 3). It is encoding/json's limit too.
	maxJSONDepth = 10_000
)

// parseJSON reads a JSON value. A text of white space is as null.
func parseJSON(text string) (value gjson.Result, ok bool) {
	if text = strings.Trim(text, jsonSpace); text == "" {
		return gjson.Result{}, true
	}
	// An exhaust may ask for millions of these, so they are not decoded whole. gjson is several times as fast as
	// encoding/json, but each level takes a piece of its stack, and a document of megabytes would end the process. One
	// that is shorter than the limit is not deeper.
	if isShort := len(text) <= maxJSONDepth; isShort && !gjson.Valid(text) || !isShort && !json.Valid([]byte(text)) {
		return gjson.Result{}, false
	}
	return gjson.Parse(text), true
}

// readDeviceConsent reads the consent of a device object.
func readDeviceConsent(device gjson.Result) (c Consent, readable bool) {
	consent, _, isObject := lastMembers(device, "consent", "")
	if !isObject {
		return ConsentRefused, false
	}
	switch {
	case consent.Type == gjson.Null:
		return ConsentUnrecorded, true
	case consent.Type == gjson.True, isWord(consent, "true"):
		return ConsentGiven, true
	case consent.Type == gjson.False, isWord(consent, "false"):
		return ConsentRefused, true
	}
	return ConsentRefused, false
}

// isWord reports whether a value is the text of that word in any letter case.
func isWord(value gjson.Result, word string) bool {
	// Unicode folds the letter ſ, which is longer, to s.
	return value.Type == gjson.String && len(value.Str) == len(word) && strings.EqualFold(value.Str, word)
}

// lastMembers gives the last members of an object with two keys, as null where there are none. It is false where the value
// is neither an object nor null.
func lastMembers(object gjson.Result, first, second string) (one, two gjson.Result, isObject bool) {
	if object.Type == gjson.Null {
		return gjson.Result{}, gjson.Result{}, true
	}
	if !object.IsObject() {
		return gjson.Result{}, gjson.Result{}, false
	}
	object.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case first:
			one = value
		case second:
			two = value
		}
		return true
	})
	return one, two, true
}

// Device is a user of a conversation as the registry knows them.
type Device struct {
	ID uuid.UUID
	// IsUpperCase is set where the registry spells the id in capitals, as columns of text may.
	IsUpperCase bool
	Consent     Consent
	// ConsentUnreadable is set where the recorded consent cannot be read and so counts as refused.
	ConsentUnreadable bool
	// Username is the encrypted phone number, "" where the device has no identity.
	Username string
}

// AppendUUID appends the device's id as the registry spells it (contract section 4).
func (d Device) AppendUUID(dst []byte) []byte {
	digits := "0123456789abcdef"
	if d.IsUpperCase {
		digits = "0123456789ABCDEF"
	}
	for i, b := range d.ID {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	return dst
}

// ParseDeviceID reads a device id in the registry's only form, 8-4-4-4-12 hexadecimal digits of
// either case. Any other id belongs to no device that the registry could know.
func ParseDeviceID[T string | []byte](s T) (uuid.UUID, bool) {
	if len(s) != 36 {
		return uuid.UUID{}, false
	}
	id, err := uuid.ParseBytes([]byte(s))
	return id, err == nil
}

// Conversation is a bot as the registry knows it.
type Conversation struct {
	ID   string
	Name string
	// Channel is the tenant that owns it.
	Channel string
	// StartDate and EndDate bound its life; "" where the registry has none.
	StartDate, EndDate Day
}

// PhoneCipher reveals usernames that UCI encrypted.
type PhoneCipher interface {
	// Decrypt reports false where the value is not one that this cipher made.
	Decrypt(username string) (string, bool)
}

// Reveal gives the Decrypted Device ID of contract section 5 where that is a phone number: of a device that gave consent,
// with assumeConsent also of one that never said. Where isShown is false it is the device's UUID. A nil cipher reveals
// nothing. undecryptable is true where a number was due and could not be had.
func (d Device) Reveal(c PhoneCipher, assumeConsent bool) (phone string, isShown, undecryptable bool) {
	agreed := d.Consent == ConsentGiven || d.Consent == ConsentUnrecorded && assumeConsent
	if none, ok := c.(*Cipher); ok && none == nil {
		c = nil
	}
	if !agreed || d.Username == "" || c == nil {
		return "", false, false
	}
	phone, isShown = c.Decrypt(strings.TrimSpace(d.Username))
	return phone, isShown, !isShown
}
