package exhaust

import (
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

// ReadConsent finds the boolean device.consent or data.device.consent in a users.data document.
// Where the two places differ the refusal holds. Anything but a boolean records nothing.
func ReadConsent(data []byte) Consent {
	// An exhaust may ask for millions of these, so they are not decoded whole.
	if !gjson.ValidBytes(data) {
		return ConsentUnrecorded
	}
	found := ConsentUnrecorded
	for _, place := range gjson.GetManyBytes(data, "device.consent", "data.device.consent") {
		switch place.Type {
		case gjson.False:
			return ConsentRefused
		case gjson.True:
			found = ConsentGiven
		}
	}
	return found
}

// Device is a user of a conversation as the registry knows them.
type Device struct {
	ID      uuid.UUID
	Consent Consent
	// Username is the encrypted phone number, "" where the device has no identity.
	Username string
}

// ParseDeviceID reads a device id in the registry's only form, 8-4-4-4-12 hexadecimal digits of
// either case. Any other id belongs to no device that the registry could know.
func ParseDeviceID(s string) (uuid.UUID, bool) {
	if len(s) != 36 {
		return uuid.UUID{}, false
	}
	id, err := uuid.Parse(s)
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

// Reveal is the Decrypted Device ID of contract section 5: the phone number of a device that gave
// consent, with assumeConsent also of one that never said, else its id. A nil cipher reveals nothing.
// undecryptable is true where a number was due and could not be had.
func (d Device) Reveal(c PhoneCipher, assumeConsent bool) (visibleID string, undecryptable bool) {
	agreed := d.Consent == ConsentGiven || d.Consent == ConsentUnrecorded && assumeConsent
	username := strings.TrimSpace(d.Username)
	if !agreed || username == "" || c == nil {
		return d.ID.String(), false
	}
	if phone, ok := c.Decrypt(username); ok {
		return phone, false
	}
	return d.ID.String(), true
}
