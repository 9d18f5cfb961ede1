package access_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
)

// sealSession is a session with credentials of kilobytes, and its secret.
func sealSession(t *testing.T) (access.SealedSession, access.Credentials, string) {
	t.Helper()
	secret := access.NewSessionSecret()
	madeAt := time.Date(2022, 4, 6, 15, 2, 0, 79_000_000, time.UTC)
	credentials := access.Credentials{
		AccessToken: strings.Repeat("S3CRET", 2000), RefreshToken: "S3CRET-r", IDToken: "S3CRET-i",
		ExpiresAt: madeAt.Add(time.Minute), RefreshUntil: madeAt.Add(time.Hour),
	}
	s := access.SealedSession{ID: access.SessionID(secret), Revision: 3, MadeAt: madeAt, ExpiresAt: madeAt.Add(time.Hour)}
	if err := s.Seal(secret, credentials); err != nil {
		t.Fatal(err)
	}
	return s, credentials, secret
}

func TestASessionIsOpenedWithItsSecretAlone(t *testing.T) {
	s, credentials, secret := sealSession(t)
	if got, err := s.Open(secret); err != nil || got != credentials {
		t.Errorf("opened it is another one, %v", err)
	}
	text, err := base64.StdEncoding.DecodeString(s.Sealed)
	if err != nil || strings.Contains(string(text), "S3CRET") || strings.Contains(s.Sealed+s.ID, secret) {
		t.Errorf("what is kept gives them away, %v", err)
	}
	again := s
	if err := again.Seal(secret, credentials); err != nil || again.Sealed == s.Sealed {
		t.Errorf("the same credentials are sealed to the same text twice, %v", err)
	}
	other, _, otherSecret := sealSession(t)
	for name, change := range map[string]func(s *access.SealedSession, secret *string){
		"another secret":        func(_ *access.SealedSession, secret *string) { *secret = otherSecret },
		"another's row":         func(s *access.SealedSession, _ *string) { s.ID = other.ID },
		"another's credentials": func(s *access.SealedSession, _ *string) { s.Sealed = other.Sealed },
		"a later end":           func(s *access.SealedSession, _ *string) { s.ExpiresAt = s.ExpiresAt.Add(time.Millisecond) },
		"a later beginning":     func(s *access.SealedSession, _ *string) { s.MadeAt = s.MadeAt.Add(time.Millisecond) },
		"another revision":      func(s *access.SealedSession, _ *string) { s.Revision-- },
		"a letter that differs": func(s *access.SealedSession, _ *string) { s.Sealed = "AAAA" + s.Sealed[4:] },
		"what is cut off":       func(s *access.SealedSession, _ *string) { s.Sealed = s.Sealed[:8] },
		"what is no base64":     func(s *access.SealedSession, _ *string) { s.Sealed = "%" },
		"what is not there":     func(s *access.SealedSession, _ *string) { s.Sealed = "" },
	} {
		changed, with := s, secret
		change(&changed, &with)
		if got, err := changed.Open(with); err == nil || got != (access.Credentials{}) {
			t.Errorf("%s opens it", name)
		}
	}
}

func TestASessionsSecretHas256RandomBitsAndOneForm(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		secret := access.NewSessionSecret()
		bits, err := base64.RawURLEncoding.Strict().DecodeString(secret)
		if err != nil || len(bits) != 32 || seen[secret] || !access.IsSessionSecret(secret) || access.IsSecret(secret) {
			t.Fatalf("%q, %v", secret, err)
		}
		seen[secret] = true
	}
	valid := strings.Repeat("x", 42) + "A"
	for _, text := range []string{"", valid[1:], "x" + valid, valid + "\n", " " + valid, valid + "=", strings.Repeat("x", 42) + "B", strings.Repeat("+", 42) + "A", access.NewSecret()} {
		if access.IsSessionSecret(text) {
			t.Errorf("%q counts as a secret", text)
		}
	}
	if !access.IsSessionSecret(valid) {
		t.Error("none counts")
	}
	const sum = "cafc2625363deb8fd5eae315a06b3dd6bad5bb724138d9dd68c2466d2357ecd2" // of sha256sum
	if got := access.SessionID(valid); got != sum {
		t.Errorf("its id is %s, want %s", got, sum)
	}
}
