package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"time"

	"data-exhaust/exhaust"
)

// Token is what is kept of a token: all but the secret itself.
type Token struct {
	ID   string
	Name string
	// Hash is HashSecret of the secret.
	Hash string
	Rights
	// MadeBy is the id of the token with which it was made. "" where somebody with the database made it.
	MadeBy    string
	MadeAt    time.Time
	ExpiresAt time.Time
	// RevokedAt is zero while it is not revoked.
	RevokedAt time.Time
}

// secretPrefix begins every secret, so that scanners of code and logs know it for one.
const secretPrefix = "exhaust_"

var secretPattern = regexp.MustCompile(`^` + secretPrefix + `[A-Za-z0-9_-]{43}$`)

// NewSecret makes the secret of a token, of 256 random bits.
func NewSecret() string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // it never fails
	return secretPrefix + base64.RawURLEncoding.EncodeToString(random)
}

// IsSecret reports whether a text has the form of a token's secret. What has not is no token, and need not be looked up.
func IsSecret(text string) bool { return secretPattern.MatchString(text) }

// HashSecret is under what a secret is found: hexadecimal SHA-256. A secret has 256 random bits, so nothing is gained by a slow
// hash.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Caller is who calls with the token.
func (t Token) Caller() Caller {
	return Caller{Name: t.Name, TokenID: t.ID, RootID: t.ID, Rights: t.Rights, ExpiresAt: t.ExpiresAt}
}

// ErrUnknownToken is the *CredentialsError of a token that nobody knows, or that was revoked. It says no more: whoever tries
// secrets learns nothing of which there are.
var ErrUnknownToken = refuse(exhaust.TokenUnknown)

// CheckTime is a *CredentialsError where the token has expired.
func (t Token) CheckTime(now time.Time) error {
	if !now.Before(t.ExpiresAt) {
		return refuse(exhaust.TokenExpired)
	}
	return nil
}

// MaxTokenName is how many characters a token's name has at the most.
const MaxTokenName = 100

var (
	// tokenName leaves out what looks like another name.
	tokenName = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,%d}$`, MaxTokenName-1))
	tokenID   = regexp.MustCompile(`^([a-z2-7]{16}|[0-9a-f]{16})$`)
)

// IsTokenID reports whether a text has the form of a token's id, in the database or in a file.
func IsTokenID(text string) bool { return tokenID.MatchString(text) }

// tokenInText is what of a text may be a token, or a part of one.
var tokenInText = regexp.MustCompile(`exhaust_[A-Za-z0-9_-]+`)

// HideTokens is a text as a log may have it: without the tokens in it.
func HideTokens(text string) string { return tokenInText.ReplaceAllString(text, "exhaust_…") }

const (
	// minTokenLife and maxTokenLife bound for how long a token is made.
	minTokenLife = time.Minute
	maxTokenLife = 10 * 366 * 24 * time.Hour
)

// CheckToken says in an *exhaust.InvalidError what is wrong with a token that is to be made for some time.
func CheckToken(name string, rights Rights, life time.Duration) error {
	switch {
	case name == "":
		return exhaust.Invalid(exhaust.TokenNameEmpty)
	case !tokenName.MatchString(name):
		return exhaust.Invalid(exhaust.TokenNameInvalid, name)
	case IsTokenID(name):
		return exhaust.Invalid(exhaust.TokenNameLikeID, name)
	case len(rights.Channels) == 0 && !rights.Operator:
		return exhaust.Invalid(exhaust.TokenChannelsEmpty, OperatorRight)
	case len(rights.Datasets) == 0:
		return exhaust.Invalid(exhaust.TokenRightsEmpty, append(exhaust.Names(exhaust.Datasets), OperatorRight))
	case life < minTokenLife || life > maxTokenLife:
		return exhaust.Invalid(exhaust.TokenExpiryRange, exhaust.FormatDuration(minTokenLife), exhaust.FormatDuration(maxTokenLife))
	}
	return nil
}
