package access

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// SealedSession is what is kept of a session at the console. Its credentials are under a key that is derived from the secret in
// the browser's cookie: neither the database nor the cookie gives them away by itself.
type SealedSession struct {
	// ID is SessionID of the secret.
	ID string
	// Revision counts how often the credentials were replaced.
	Revision int64
	// MadeAt and ExpiresAt are in milliseconds.
	MadeAt, ExpiresAt time.Time
	// Sealed is the credentials: base64 of a nonce and what AES-256-GCM makes of them. It holds only together with all of the above,
	// so that nobody prolongs a session in the database, or puts one's credentials into another.
	Sealed string
}

// sessionSecretPattern is what cookies hold: base64url of 256 bits. Of its last letter two bits are no bits of the secret.
var sessionSecretPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$`)

// NewSessionSecret makes the secret of a session, of 256 random bits.
func NewSessionSecret() string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	return base64.RawURLEncoding.EncodeToString(random)
}

// IsSessionSecret reports whether a text has the form of a session's secret. What has not is none, and need not be looked up.
func IsSessionSecret(text string) bool { return sessionSecretPattern.MatchString(text) }

// SessionID is under what a session is found: hexadecimal SHA-256 of its secret. A secret has 256 random bits, so nothing is
// gained by a slow hash.
func SessionID(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// openCredentials are Credentials as they are sealed. The names of the fields are in databases.
type openCredentials struct {
	AccessToken  string    `json:"access"`
	RefreshToken string    `json:"refresh"`
	IDToken      string    `json:"id"`
	ExpiresAt    time.Time `json:"expires"`
	RefreshUntil time.Time `json:"refreshUntil"`
}

// Seal puts credentials into a session whose other fields are all set.
func (s *SealedSession) Seal(secret string, credentials Credentials) error {
	text, err := json.Marshal(openCredentials(credentials))
	if err != nil {
		return err
	}
	sealer, err := sessionSealer(secret)
	if err != nil {
		return err
	}
	nonce := make([]byte, sealer.NonceSize())
	_, _ = rand.Read(nonce) // it never fails
	s.Sealed = base64.StdEncoding.EncodeToString(sealer.Seal(nonce, nonce, text, s.bound()))
	return nil
}

// Open takes the credentials out of a session. The error says nothing of them.
func (s SealedSession) Open(secret string) (Credentials, error) {
	sealer, err := sessionSealer(secret)
	if err != nil {
		return Credentials{}, err
	}
	sealed, err := base64.StdEncoding.DecodeString(s.Sealed)
	if err != nil || len(sealed) < sealer.NonceSize() {
		return Credentials{}, errNotSealed
	}
	text, err := sealer.Open(nil, sealed[:sealer.NonceSize()], sealed[sealer.NonceSize():], s.bound())
	if err != nil {
		return Credentials{}, errNotSealed
	}
	var credentials openCredentials
	if err := json.Unmarshal(text, &credentials); err != nil {
		return Credentials{}, errNotSealed
	}
	return Credentials(credentials), nil
}

var errNotSealed = errors.New("the session was not sealed as it stands, or with another secret")

// bound is what the sealed credentials hold together with.
func (s SealedSession) bound() []byte {
	return fmt.Appendf(nil, "%s %d %d %d", s.ID, s.Revision, s.MadeAt.UnixMilli(), s.ExpiresAt.UnixMilli())
}

func sessionSealer(secret string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "data-exhaust credentials of a session at the console", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
