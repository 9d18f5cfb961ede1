package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"data-exhaust/exhaust"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxJWT     = 16 << 10 // bytes: more fits into no header of the usual proxies
	maxSubject = 255      // characters

	// latestYear is the last one that RFC 3339 can write. An exp beyond it is one in milliseconds, by mistake.
	latestYear = 9999
)

// Algorithms are the signatures that CheckAlgorithms accepts: those whose key the issuer can publish.
var Algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// JWTOptions say whose JSON Web Tokens count, and where they have their rights.
type JWTOptions struct {
	// Issuer and Audience are what a token's iss has to be and its aud has to hold.
	Issuer, Audience string
	// JWKSURL is where the issuer publishes its keys (RFC 7517), by http or https.
	JWKSURL string
	// Algorithms are the signatures that count, as CheckAlgorithms accepts them.
	Algorithms []string
	// ChannelsClaim and RightsClaim are where a token has what ParseRights takes. A zero path finds nothing.
	ChannelsClaim, RightsClaim ClaimPath
	// Leeway is by how much the issuer's clock may differ from ours.
	Leeway time.Duration
	// Log is told when the issuer's keys cannot be fetched, and when they can again; nil is slog.Default().
	Log *slog.Logger
}

// JWT authenticates callers by the JSON Web Tokens (RFC 7519) of one issuer. Any number of goroutines may use it.
type JWT struct {
	options JWTOptions
	parser  *jwt.Parser
	keys    *keySet
}

// NewJWT begins to fetch the issuer's keys and does not wait for them: an issuer that is away is no reason not to start. It
// keeps them fresh until ctx ends. The error is about the options.
func NewJWT(ctx context.Context, o JWTOptions) (*JWT, error) {
	// The parser takes an empty issuer or audience for "any".
	if o.Issuer == "" || o.Audience == "" {
		return nil, errors.New("JSON Web Tokens need an issuer and an audience")
	}
	if err := CheckAlgorithms(o.Algorithms); err != nil {
		return nil, err
	}
	if u, err := url.Parse(o.JWKSURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the JWKS URL is no http or https URL")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &JWT{
		options: o,
		parser: jwt.NewParser(jwt.WithIssuer(o.Issuer), jwt.WithAudience(o.Audience), jwt.WithExpirationRequired(),
			jwt.WithLeeway(o.Leeway)),
		keys: newKeySet(ctx, o.Log, fetchKeys(o.JWKSURL)),
	}, nil
}

// CheckAlgorithms says in one sentence why names are no list of algorithms that tokens may be signed with.
func CheckAlgorithms(names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("no algorithm is listed: %s are accepted", strings.Join(Algorithms, ", "))
	}
	for _, name := range names {
		switch {
		case strings.EqualFold(name, "none"):
			return fmt.Errorf("algorithm %s is not accepted: anybody can make a token without a signature", name)
		case slices.Contains([]string{"HS256", "HS384", "HS512"}, name):
			return fmt.Errorf("algorithm %s is not accepted: who can check its signatures can also make them, and an issuer publishes no such key", name)
		case !slices.Contains(Algorithms, name):
			return fmt.Errorf("algorithm %.20q is unknown: %s are accepted", name, strings.Join(Algorithms, ", "))
		}
	}
	return nil
}

// Authenticate is who calls with a token. The error is a *CredentialsError where the token does not count, and an *AwayError
// where that cannot be told since the issuer's keys are not available; neither holds anything of the token.
func (j *JWT) Authenticate(ctx context.Context, token string) (Caller, error) {
	if len(token) > maxJWT {
		return Caller{}, refuse(exhaust.JWTTooLong, maxJWT)
	}
	claims := jwt.MapClaims{}
	_, err := j.parser.ParseWithClaims(token, claims, func(token *jwt.Token) (any, error) { return j.key(ctx, token) })
	if err != nil {
		return Caller{}, refusal(err, claims)
	}
	return j.caller(claims)
}

// key is what a token's signature is verified with. Its algorithm has to be on the list before a key is looked up: thus none
// never counts, nor does an HMAC whose secret is a public key. What else the header says of keys (jwk, jku, x5c) is the
// caller's own word, and nobody asks it.
func (j *JWT) key(ctx context.Context, token *jwt.Token) (any, error) {
	algorithm := token.Method.Alg()
	if !slices.Contains(j.options.Algorithms, algorithm) {
		return nil, errAlgorithm
	}
	// RFC 7515, 4.1.11: who does not understand what crit lists must refuse. The parser passes it over.
	if _, isThere := token.Header["crit"]; isThere {
		return nil, refuse(exhaust.JWTHasCrit)
	}
	id, _ := token.Header["kid"].(string)
	if id == "" {
		return nil, refuse(exhaust.JWTHasNoKid)
	}
	return j.keys.read(ctx, id, algorithm)
}

var errAlgorithm = refuse(exhaust.JWTAlgorithmRefused)

// refusals are the parser's errors and what a client gets for them; the first one that fits counts. The parser verifies the
// signature before the claims, so that only the issuer's own tokens learn what is wrong with these.
var refusals = []struct {
	of   error
	code *exhaust.Code
}{
	{jwt.ErrTokenMalformed, exhaust.JWTMalformed},
	{jwt.ErrTokenSignatureInvalid, exhaust.JWTSignatureInvalid},
	{jwt.ErrInvalidType, exhaust.JWTClaimTypeInvalid},
	{jwt.ErrTokenExpired, exhaust.TokenExpired},
	{jwt.ErrTokenNotValidYet, exhaust.JWTNotValidYet},
	{jwt.ErrTokenInvalidIssuer, exhaust.JWTOfAnotherIssuer},
	{jwt.ErrTokenInvalidAudience, exhaust.JWTForAnotherAudience},
}

// refusal makes an error for the client of one of the parser's, whose text may quote the token.
func refusal(err error, claims jwt.MapClaims) error {
	if away, ok := errors.AsType[*AwayError](err); ok {
		return away
	}
	if credentials, ok := errors.AsType[*CredentialsError](err); ok {
		return credentials
	}
	for _, r := range refusals {
		if errors.Is(err, r.of) {
			return refuse(r.code)
		}
	}
	if errors.Is(err, jwt.ErrTokenRequiredClaimMissing) {
		return refuse(exhaust.JWTClaimMissing, missingClaim(claims))
	}
	return errAlgorithm // the parser does not know it
}

func missingClaim(claims jwt.MapClaims) string {
	if expiry, err := claims.GetExpirationTime(); err == nil && expiry == nil {
		return "exp"
	}
	if issuer, err := claims.GetIssuer(); err == nil && issuer == "" {
		return "iss"
	}
	return "aud"
}

// caller is who the claims of a valid token speak of.
func (j *JWT) caller(claims jwt.MapClaims) (Caller, error) {
	subject, isText := claims["sub"].(string)
	if !isText || !isSubject(subject) {
		return Caller{}, refuse(exhaust.JWTSubjectInvalid, maxSubject)
	}
	expiry, err := claims.GetExpirationTime()
	if err != nil || expiry.Year() > latestYear {
		return Caller{}, refuse(exhaust.JWTExpiryInvalid)
	}
	rights, err := j.rights(claims)
	if err != nil {
		return Caller{}, err
	}
	return Caller{Name: subject, Rights: rights, ExpiresAt: expiry.Time}, nil
}

// isSubject keeps out what would garble a log, a listing or PostgreSQL. U+FFFD is what decoding leaves of a text that is no
// UTF-8: two subjects would be one.
func isSubject(s string) bool {
	return s != "" && utf8.RuneCountInString(s) <= maxSubject &&
		strings.IndexFunc(s, func(c rune) bool { return !unicode.IsPrint(c) || c == utf8.RuneError }) < 0
}

// rights are those of the claims. Names that are no rights of ours are roles in other applications.
func (j *JWT) rights(claims jwt.MapClaims) (Rights, error) {
	channels, err := j.options.ChannelsClaim.texts(claims, func(channel string) []string { return []string{channel} })
	if err != nil {
		return Rights{}, err
	}
	names, err := j.options.RightsClaim.texts(claims, strings.Fields)
	if err != nil {
		return Rights{}, err
	}
	if _, err := ParseRights(channels, nil); err != nil {
		return Rights{}, refuse(exhaust.JWTChannelsInvalid, j.options.ChannelsClaim, MaxChannels)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !IsRight(name) })
	rights, err := ParseRights(channels, names)
	if err != nil {
		return Rights{}, refuse(exhaust.JWTRightsInvalid, j.options.RightsClaim, MaxChannels)
	}
	return rights, nil
}
