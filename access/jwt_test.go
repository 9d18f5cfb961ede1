package access_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/internal/logtest"
)

const audience = "data-exhaust"

// Keys of an issuer, and one of a stranger. They take a while to make, and no test changes them.
var (
	rsaKey      = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	strangerKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey       = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	edKey       = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	})
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// issuer is an identity provider's JWKS.
type issuer struct {
	*httptest.Server
	fetches atomic.Int64

	mu     sync.Mutex
	answer http.HandlerFunc
}

// newIssuer is an issuer that publishes the keys "rsa", "ec" and "ed".
func newIssuer(t *testing.T) *issuer {
	i := &issuer{}
	i.publish(jwk("rsa", rsaKey(), nil), jwk("ec", ecKey(), nil), jwk("ed", edKey(), nil))
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		i.mu.Lock()
		answer := i.answer
		i.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) answerWith(answer http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

func (i *issuer) say(status int, body string) {
	i.answerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

func (i *issuer) publish(keys ...map[string]any) {
	i.say(http.StatusOK, string(must(json.Marshal(map[string]any{"keys": keys}))))
}

// jwk is the public half of a key as JSON, with further members.
func jwk(id string, key crypto.Signer, members map[string]any) map[string]any {
	public := must(jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: id, USE: jwkset.UseSig}}))
	var object map[string]any
	if err := json.Unmarshal(must(json.Marshal(public.Marshal())), &object); err != nil {
		panic(err)
	}
	return change(object, members)
}

// change is a map with other values in it; a value of nil takes one out.
func change(of, with map[string]any) map[string]any {
	of = maps.Clone(of)
	for name, value := range with {
		if of[name] = value; value == nil {
			delete(of, name)
		}
	}
	return of
}

// jwt is what a service has that trusts the issuer, and its log.
func (i *issuer) jwt(t *testing.T) (*access.JWT, *logtest.Buffer) {
	t.Helper()
	var log logtest.Buffer
	options := access.JWTOptions{
		Issuer: i.URL, JWKSURL: i.URL + "/certs?key=s3cret", Audience: audience,
		Algorithms:    []string{"RS256", "PS384", "ES256", "EdDSA"},
		ChannelsClaim: claimPath(t, "channels"), RightsClaim: claimPath(t, "realm_access.roles"),
		Leeway: time.Minute, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	j, err := access.NewJWT(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return j, &log
}

func claimPath(t *testing.T, text string) access.ClaimPath {
	t.Helper()
	path, err := access.ParseClaimPath(text)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// expiry is in an hour, in whole seconds as tokens have them.
var expiry = time.Unix(time.Now().Add(time.Hour).Unix(), 0)

// claims are those of a good token, with changes.
func (i *issuer) claims(with map[string]any) jwt.MapClaims {
	return change(map[string]any{"iss": i.URL, "aud": audience, "sub": "meera", "exp": expiry.Unix()}, with)
}

// sign makes a token. A key id of "" is none.
func sign(method jwt.SigningMethod, key any, id string, claims jwt.MapClaims) string {
	token := jwt.NewWithClaims(method, claims)
	if id != "" {
		token.Header["kid"] = id
	}
	return must(token.SignedString(key))
}

// token is one of the issuer's, signed with RS256, with changes of its claims.
func (i *issuer) token(with map[string]any) string {
	return sign(jwt.SigningMethodRS256, rsaKey(), "rsa", i.claims(with))
}

func TestATokenOfTheIssuerSaysWhoCalls(t *testing.T) {
	i := newIssuer(t)
	j, log := i.jwt(t)
	now := time.Now()
	for name, token := range map[string]string{
		"RS256":                         i.token(nil),
		"PS384":                         sign(jwt.SigningMethodPS384, rsaKey(), "rsa", i.claims(nil)),
		"ES256":                         sign(jwt.SigningMethodES256, ecKey(), "ec", i.claims(nil)),
		"EdDSA":                         sign(jwt.SigningMethodEdDSA, edKey(), "ed", i.claims(nil)),
		"one audience of several":       i.token(map[string]any{"aud": []string{"account", audience}}),
		"valid since a while":           i.token(map[string]any{"nbf": now.Add(-time.Hour).Unix()}),
		"valid soon, within the leeway": i.token(map[string]any{"nbf": now.Add(30 * time.Second).Unix()}),
		"12 KB of other claims":         i.token(map[string]any{"groups": strings.Repeat("g", 11<<10)}),
		"an exp with a fraction":        i.token(map[string]any{"exp": float64(expiry.Unix()) + 0.5}),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := j.Authenticate(t.Context(), token)
			want := access.Caller{Name: "meera", ExpiresAt: expiry}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("it is %+v, %v; want %+v", got, err, want)
			}
		})
	}
	t.Run("expired, within the leeway", func(t *testing.T) {
		ended := time.Unix(now.Add(-30*time.Second).Unix(), 0)
		got, err := j.Authenticate(t.Context(), i.token(map[string]any{"exp": ended.Unix()}))
		if want := (access.Caller{Name: "meera", ExpiresAt: ended}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("it is %+v, %v; want %+v", got, err, want)
		}
	})
	if log.String() != "" || i.fetches.Load() != 1 {
		t.Errorf("the keys were fetched %d times, want 1, and the log has %q, want nothing", i.fetches.Load(), log)
	}
}

func TestATokenThatDoesNotCountIsRefusedInOneSentence(t *testing.T) {
	i := newIssuer(t)
	j, log := i.jwt(t)
	now := time.Now()
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(rsaKey().Public()))})
	good := strings.Split(i.token(nil), ".")
	other := strings.Split(i.token(map[string]any{"sub": "an admin"}), ".")
	withHeader := func(key any, header map[string]any) string {
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, i.claims(nil))
		maps.Copy(token.Header, header)
		return must(token.SignedString(key))
	}
	unsigned := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + good[1] + "."
	}
	const (
		signature = "the token's signature is not valid"
		algorithm = "the token's algorithm is not accepted"
		malformed = "the token is no JSON Web Token"
		unknown   = "the token's key is not known"
		ofAnother = "the token is of another issuer"
		toAnother = "the token is for another audience"
		subject   = "the token's sub claim is not valid: 1 to 255 printable characters are accepted"
		wrongType = "the token's exp, nbf or iss claim is not valid"
	)
	for _, c := range []struct{ name, token, sentence string }{
		{"expired", i.token(map[string]any{"exp": now.Add(-2 * time.Minute).Unix()}), "the token has expired"},
		{"before 1970", i.token(map[string]any{"exp": -1}), "the token has expired"},
		{"not yet valid", i.token(map[string]any{"nbf": now.Add(2 * time.Minute).Unix()}), "the token is not valid yet"},
		{"without exp", i.token(map[string]any{"exp": nil}), "the token has no exp claim"},
		{"exp in milliseconds", i.token(map[string]any{"exp": expiry.UnixMilli()}), "the token's exp claim is not valid: seconds since 1970 are accepted"},
		{"exp beyond time", i.token(map[string]any{"exp": 1e300}), "the token has expired"},
		{"exp as text", i.token(map[string]any{"exp": "tomorrow"}), wrongType},
		{"nbf as text", i.token(map[string]any{"nbf": "yesterday"}), wrongType},
		{"another issuer", i.token(map[string]any{"iss": "https://example.org"}), ofAnother},
		{"an issuer with a slash more", i.token(map[string]any{"iss": i.URL + "/"}), ofAnother},
		{"without iss", i.token(map[string]any{"iss": nil}), "the token has no iss claim"},
		{"iss as list", i.token(map[string]any{"iss": []string{i.URL}}), wrongType},
		{"another audience", i.token(map[string]any{"aud": "account"}), toAnother},
		{"other audiences", i.token(map[string]any{"aud": []string{"account", "data-exhaust-2"}}), toAnother},
		{"without aud", i.token(map[string]any{"aud": nil}), "the token has no aud claim"},
		{"no audience", i.token(map[string]any{"aud": []string{}}), "the token has no aud claim"},
		{"aud as object", i.token(map[string]any{"aud": map[string]any{audience: true}}), "the token has no aud claim"},
		{"without sub", i.token(map[string]any{"sub": nil}), subject},
		{"an empty sub", i.token(map[string]any{"sub": ""}), subject},
		{"sub as number", i.token(map[string]any{"sub": 7}), subject},
		{"sub with a line break", i.token(map[string]any{"sub": "meera\nlevel=ERROR"}), subject},
		{"sub of 256 characters", i.token(map[string]any{"sub": strings.Repeat("ä", 256)}), subject},
		{"no claims", sign(jwt.SigningMethodRS256, rsaKey(), "rsa", nil), "the token has no exp claim"},

		{"alg none", sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "rsa", i.claims(nil)), algorithm},
		{"alg NonE", unsigned(`{"alg":"NonE","kid":"rsa"}`), algorithm},
		{"without alg", unsigned(`{"kid":"rsa"}`), algorithm},
		{"alg as number", unsigned(`{"alg":1,"kid":"rsa"}`), algorithm},
		{"RS256 without a signature", unsigned(`{"alg":"RS256","kid":"rsa"}`), signature},
		{"HS256 with the public key as secret", sign(jwt.SigningMethodHS256, public, "rsa", i.claims(nil)), algorithm},
		{"HS256 with the modulus as secret", sign(jwt.SigningMethodHS256, rsaKey().N.Bytes(), "rsa", i.claims(nil)), algorithm},
		{"an algorithm that is not on the list", sign(jwt.SigningMethodRS512, rsaKey(), "rsa", i.claims(nil)), algorithm},
		{"an algorithm for another kind of key", sign(jwt.SigningMethodES256, ecKey(), "rsa", i.claims(nil)), signature},
		{"a stranger's signature", sign(jwt.SigningMethodRS256, strangerKey(), "rsa", i.claims(nil)), signature},
		{"one token's signature, another's claims", good[0] + "." + other[1] + "." + good[2], signature},
		{"an expired stranger's", sign(jwt.SigningMethodRS256, strangerKey(), "rsa", i.claims(map[string]any{"exp": 1})), signature},

		{"without kid", sign(jwt.SigningMethodRS256, rsaKey(), "", i.claims(nil)), "the token has no kid header"},
		{"kid as number", withHeader(rsaKey(), map[string]any{"kid": 1}), "the token has no kid header"},
		{"an unknown kid", sign(jwt.SigningMethodRS256, strangerKey(), "stranger", i.claims(nil)), unknown},
		{"a key of its own", withHeader(strangerKey(), map[string]any{"kid": "own", "jwk": jwk("own", strangerKey(), nil)}), unknown},
		{"a key of its own under the issuer's id", withHeader(strangerKey(), map[string]any{"kid": "rsa", "jwk": jwk("rsa", strangerKey(), nil)}), signature},
		{"a critical extension", withHeader(rsaKey(), map[string]any{"kid": "rsa", "crit": []string{"b64"}, "b64": false}), "the token's crit header is not supported"},

		{"nothing", "", malformed},
		{"a word", "secret", malformed},
		{"two parts", good[0] + "." + good[1], malformed},
		{"five parts, as encrypted ones have", strings.Join(good, ".") + ".a.b", malformed},
		{"no base64", good[0] + ".ä." + good[2], malformed},
		{"a header that is no JSON", "bm8." + good[1] + "." + good[2], malformed},
		{"claims that are a list", good[0] + ".W10." + good[2], malformed},
		{"as much as is read", strings.Repeat("a", 16<<10), malformed},
		{"a byte more", strings.Repeat("a", 16<<10+1), "the token is longer than 16384 bytes"},
		{"a megabyte", strings.Repeat("a", 1<<20), "the token is longer than 16384 bytes"},
		{"a megabyte of dots", strings.Repeat(".", 1<<20), "the token is longer than 16384 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			caller, err := j.Authenticate(t.Context(), c.token)
			wantRefusal(t, err, c.sentence)
			if !reflect.DeepEqual(caller, access.Caller{}) {
				t.Errorf("the caller is %+v, want none", caller)
			}
		})
	}
	if log.String() != "" {
		t.Errorf("the log has %q, want nothing", log)
	}
}

func wantRefusal(t *testing.T, err error, sentence string) {
	t.Helper()
	if refusal, ok := errors.AsType[*access.CredentialsError](err); !ok || refusal.IsMissing || refusal.Error() != sentence {
		t.Errorf("it is %#v, want a refusal: %s", err, sentence)
	}
}

func wantAway(t *testing.T, err error, text string) {
	t.Helper()
	if away, ok := errors.AsType[*access.AwayError](err); !ok || away.What != "identity provider" || away.Error() != text {
		t.Errorf("it is %T: %v, want the identity provider away: %s", err, err, text)
	}
}

func wantCaller(t *testing.T, j *access.JWT, token string) {
	t.Helper()
	if caller, err := j.Authenticate(t.Context(), token); err != nil || caller.Name != "meera" {
		t.Errorf("the caller is %q, %v; want meera", caller.Name, err)
	}
}

func TestRightsAreWhatTheClaimsOfATokenSay(t *testing.T) {
	i := newIssuer(t)
	response := access.DatasetRight{Dataset: exhaust.ResponseExhaust}
	private := access.DatasetRight{Dataset: exhaust.PrivateExhaust}
	manyChannels := make([]string, access.MaxChannels+1)
	for n := range manyChannels {
		manyChannels[n] = fmt.Sprint("channel ", n)
	}
	const (
		badChannels = "the token's claim channels is not valid: at most 100 channels of 1 to 150 printable characters other than | are accepted"
		badRoles    = "the token's claim realm_access.roles is not valid: a right is for a channel that is none, or there are more than 100 channels"
		noChannels  = "the token's claim channels is neither a string nor a list of strings"
		noRoles     = "the token's claim realm_access.roles is neither a string nor a list of strings"
	)
	roles := func(value any) map[string]any { return map[string]any{"realm_access": map[string]any{"roles": value}} }
	for _, c := range []struct {
		name   string
		claims map[string]any
		want   access.Rights
		refuse string
	}{
		{name: "no claim"},
		{name: "claims of null", claims: map[string]any{"channels": nilClaim, "realm_access": nilClaim}},
		{name: "an object without the claim", claims: map[string]any{"realm_access": map[string]any{"groups": []string{"operator"}}}},
		{name: "the claim's name in another object", claims: map[string]any{"roles": []string{"operator"}, "realm_access.roles": "operator"}},
		{name: "empty lists", claims: change(roles([]string{}), map[string]any{"channels": []string{}})},
		{name: "an empty text of rights", claims: roles("")},
		{
			name: "one channel as text, which may hold spaces", claims: map[string]any{"channels": "IN channel"},
			want: access.Rights{Channels: []string{"IN channel"}},
		},
		{
			name: "channels, one of them twice", claims: map[string]any{"channels": []string{"b", "a", "b"}},
			want: access.Rights{Channels: []string{"b", "a"}},
		},
		{
			name: "rights as text", claims: change(roles("openid  uci-response-exhaust\tuci-private-exhaust@b profile"), map[string]any{"channels": "a"}),
			want: access.Rights{
				Channels: []string{"a", "b"},
				Datasets: []access.DatasetRight{response, {Dataset: exhaust.PrivateExhaust, Channel: "b"}},
			},
		},
		{
			name: "rights as list, among other applications' roles",
			claims: roles([]string{
				"offline_access", "uma_authorization", "Operator", "", "uci-response-exhaust@", "uci-response-exhaust uci-private-exhaust", "uci-private-exhaust@IN channel",
			}),
			want: access.Rights{
				Channels: []string{"IN channel"}, Datasets: []access.DatasetRight{{Dataset: exhaust.PrivateExhaust, Channel: "IN channel"}},
			},
		},
		{name: "an operator", claims: roles([]string{"operator"}), want: access.Rights{Operator: true, Datasets: []access.DatasetRight{response, private}}},
		{name: "an operator as *", claims: roles("* uci-response-exhaust"), want: access.Rights{Operator: true, Datasets: []access.DatasetRight{response}}},

		{name: "a channel with |", claims: map[string]any{"channels": []string{"a", "b|c"}}, refuse: badChannels},
		{name: "an empty channel", claims: map[string]any{"channels": ""}, refuse: badChannels},
		{name: "a channel that is too long", claims: map[string]any{"channels": strings.Repeat("a", 151)}, refuse: badChannels},
		{name: "too many channels", claims: map[string]any{"channels": manyChannels}, refuse: badChannels},
		{name: "a right for a channel with |", claims: roles([]string{"uci-response-exhaust@b|c"}), refuse: badRoles},
		{name: "too many channels with those of rights", claims: change(roles("uci-response-exhaust@one-more"), map[string]any{"channels": manyChannels[1:]}), refuse: badRoles},
		{name: "a channel as number", claims: map[string]any{"channels": 7}, refuse: noChannels},
		{name: "channels as object", claims: map[string]any{"channels": map[string]any{"a": true}}, refuse: noChannels},
		{name: "a number among channels", claims: map[string]any{"channels": []any{"a", 7}}, refuse: noChannels},
		{name: "null among channels", claims: map[string]any{"channels": []any{"a", nil}}, refuse: noChannels},
		{name: "rights as true", claims: roles(true), refuse: noRoles},
		{name: "lists within a list of rights", claims: roles([]any{[]string{"operator"}}), refuse: noRoles},
		{name: "a text where the object should be", claims: map[string]any{"realm_access": "operator"}, refuse: noRoles},
		{name: "a list where the object should be", claims: map[string]any{"realm_access": []string{"operator"}}, refuse: noRoles},
	} {
		t.Run(c.name, func(t *testing.T) {
			j, _ := i.jwt(t)
			caller, err := j.Authenticate(t.Context(), i.token(c.claims))
			if c.refuse != "" {
				wantRefusal(t, err, c.refuse)
			} else if want := (access.Caller{Name: "meera", ExpiresAt: expiry, Rights: c.want}); err != nil || !reflect.DeepEqual(caller, want) {
				t.Errorf("it is %+v, %v; want %+v", caller, err, want)
			}
		})
	}
}

// nilClaim is JSON's null; a bare nil takes a claim out.
var nilClaim = json.RawMessage("null")

func TestRandomKeyIDsDoNotOverrunTheIssuer(t *testing.T) {
	i := newIssuer(t)
	j, _ := i.jwt(t)
	wantCaller(t, j, i.token(nil))
	begin := time.Now()
	var callers sync.WaitGroup
	for n := range 200 {
		token := sign(jwt.SigningMethodES256, ecKey(), fmt.Sprint("random ", n), i.claims(nil))
		callers.Go(func() {
			_, err := j.Authenticate(t.Context(), token)
			wantRefusal(t, err, "the token's key is not known")
		})
	}
	callers.Wait()
	// The first one, three at once and one each ten seconds, should the machine be as slow as that.
	if got, most := i.fetches.Load(), 4+int64(time.Since(begin)/(10*time.Second)); got < 2 || got > most {
		t.Errorf("the keys were fetched %d times, want 2 to %d", got, most)
	}
	wantCaller(t, j, i.token(nil))
}

func TestAKeyThatTheIssuerBeginsToUseCountsAtOnceAndOneItRemovesNoLonger(t *testing.T) {
	i := newIssuer(t)
	j, _ := i.jwt(t)
	before := i.token(nil)
	wantCaller(t, j, before)
	i.publish(jwk("new", strangerKey(), nil))
	wantCaller(t, j, sign(jwt.SigningMethodRS256, strangerKey(), "new", i.claims(nil)))
	_, err := j.Authenticate(t.Context(), before)
	wantRefusal(t, err, "the token's key is not known")
}

func TestManyCallersWithANewKeyCauseOneFetch(t *testing.T) {
	i := newIssuer(t)
	j, _ := i.jwt(t)
	wantCaller(t, j, i.token(nil))

	i.publish(jwk("new", strangerKey(), nil))
	publish, arrival, goOn := i.answer, make(chan struct{}), make(chan struct{})
	i.answerWith(func(w http.ResponseWriter, r *http.Request) {
		close(arrival)
		<-goOn
		publish(w, r)
	})
	token := sign(jwt.SigningMethodRS256, strangerKey(), "new", i.claims(nil))
	var callers sync.WaitGroup
	call := func() { wantCaller(t, j, token) }
	callers.Go(call)
	<-arrival
	for range 50 {
		callers.Go(call)
	}
	close(goOn)
	callers.Wait()
	if got := i.fetches.Load(); got != 2 {
		t.Errorf("the keys were fetched %d times, want 2", got)
	}
}

func TestAnIssuerThatIsAwayAtTheStartIsNoBadTokenAndIsAskedAgain(t *testing.T) {
	i := newIssuer(t)
	publish := i.answer
	i.say(http.StatusServiceUnavailable, "later")
	j, log := i.jwt(t)
	const away = "identity provider is not available: fetching its key set: status 503"
	for range 2 {
		_, err := j.Authenticate(t.Context(), i.token(nil))
		wantAway(t, err, away)
	}
	i.answerWith(publish)
	wantCaller(t, j, i.token(nil))
	wantLog(t, log, `level=WARN msg="the identity provider's keys are not available" error="fetching its key set: status 503"`,
		`level=INFO msg="the identity provider's keys are available again"`)
}

func wantLog(t *testing.T, log *logtest.Buffer, lines ...string) {
	t.Helper()
	var got []string
	for line := range strings.Lines(log.String()) {
		_, withoutTime, _ := strings.Cut(strings.TrimSpace(line), " ")
		got = append(got, withoutTime)
	}
	if !reflect.DeepEqual(got, lines) {
		t.Errorf("the log has %q, want %q", got, lines)
	}
}

func TestAFetchThatFailsTakesNoKeyAway(t *testing.T) {
	html := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Sign in</html>") }
	say := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	huge := `{"keys":[],"pad":"` + strings.Repeat("x", 1<<20) + `"}`
	const prefix = "identity provider is not available: "
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		text   string
	}{
		{"a page", html, "its key set is no JWK Set"},
		{"nothing", say(200, ""), "its key set is no JWK Set"},
		{"half a set", say(200, `{"keys":[`), "its key set is no JWK Set"},
		{"a list", say(200, `[]`), "its key set is no JWK Set"},
		{"an object without keys", say(200, `{"error":"busy"}`), "its key set is no JWK Set"},
		{"keys of null", say(200, `{"keys":null}`), "its key set is no JWK Set"},
		{"keys that are no list", say(200, `{"keys":{}}`), "its key set is no JWK Set"},
		{"more than a MiB", say(200, huge), "fetching its key set: it is larger than 1048576 bytes"},
		{"status 404", say(404, `{"keys":[]}`), "fetching its key set: status 404"},
		{"status 201", say(201, `{"keys":[]}`), "fetching its key set: status 201"},
		{"a redirect to itself", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) },
			"fetching its key set: more than 10 redirects"},
		{"a connection that breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "fetching its key set: EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer(t)
			j, log := i.jwt(t)
			wantCaller(t, j, i.token(nil))
			i.answerWith(c.answer)
			_, err := j.Authenticate(t.Context(), sign(jwt.SigningMethodES256, ecKey(), "new", i.claims(nil)))
			wantAway(t, err, prefix+c.text)
			wantCaller(t, j, i.token(nil))
			_, err = j.Authenticate(t.Context(), i.token(map[string]any{"exp": 1}))
			wantRefusal(t, err, "the token has expired")

			i.publish(jwk("new", ecKey(), nil))
			wantCaller(t, j, sign(jwt.SigningMethodES256, ecKey(), "new", i.claims(nil)))
			wantLog(t, log, fmt.Sprintf(`level=WARN msg="the identity provider's keys are not available" error=%q`, c.text),
				`level=INFO msg="the identity provider's keys are available again"`)
		})
	}
}

func TestAnIssuerThatWithdrawsAllKeysIsAway(t *testing.T) {
	i := newIssuer(t)
	j, _ := i.jwt(t)
	wantCaller(t, j, i.token(nil))
	i.say(http.StatusOK, `{"keys":[]}`)
	const away = "identity provider is not available: its key set has no key that verifies signatures"
	for _, id := range []string{"new", "rsa"} {
		_, err := j.Authenticate(t.Context(), sign(jwt.SigningMethodRS256, rsaKey(), id, i.claims(nil)))
		wantAway(t, err, away)
	}
}

func TestOnlyKeysThatVerifySignaturesCount(t *testing.T) {
	short := must(rsa.GenerateKey(rand.Reader, 1024))
	private := base64.RawURLEncoding.EncodeToString(strangerKey().D.Bytes())
	secret := []byte("a secret that the issuer has published")
	for _, c := range []struct {
		name   string
		key    map[string]any
		method jwt.SigningMethod
		with   any
		want   string
	}{
		{"for encryption", jwk("k", strangerKey(), map[string]any{"use": "enc"}), jwt.SigningMethodRS256, strangerKey(), "the token's key is not known"},
		{"as Keycloak has it", jwk("k", strangerKey(), map[string]any{"use": "enc", "alg": "RSA-OAEP"}), jwt.SigningMethodRS256, strangerKey(), "the token's key is not known"},
		{"for another algorithm", jwk("k", strangerKey(), map[string]any{"alg": "PS384"}), jwt.SigningMethodRS256, strangerKey(), "the token's key is not known"},
		{"for other operations", jwk("k", strangerKey(), map[string]any{"key_ops": []string{"encrypt"}}), jwt.SigningMethodRS256, strangerKey(), "the token's key is not known"},
		{"that everybody has", jwk("k", strangerKey(), map[string]any{"d": private}), jwt.SigningMethodRS256, strangerKey(), "the token's key is not known"},
		{"that is short", jwk("k", short, nil), jwt.SigningMethodRS256, short, "the token's key is not known"},
		{"that is secret", map[string]any{"kty": "oct", "kid": "k", "k": base64.RawURLEncoding.EncodeToString(secret)}, jwt.SigningMethodHS256, secret, "the token's algorithm is not accepted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := newIssuer(t)
			i.publish(c.key, jwk("rsa", rsaKey(), nil))
			j, _ := i.jwt(t)
			_, err := j.Authenticate(t.Context(), sign(c.method, c.with, "k", i.claims(nil)))
			wantRefusal(t, err, c.want)
			wantCaller(t, j, i.token(nil))
		})
	}
}

func TestAKeyWithFlawsHarmsNoOther(t *testing.T) {
	for name, flaw := range map[string]any{
		"a kind of the future":                    map[string]any{"kty": "AKP", "kid": "rsa", "alg": "ML-DSA-65", "pub": "AAAA"},
		"a curve that is not supported":           map[string]any{"kty": "EC", "kid": "rsa", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"},
		"a point that is not on its curve":        map[string]any{"kty": "EC", "kid": "rsa", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
		"a key to agree on secrets":               map[string]any{"kty": "OKP", "kid": "rsa", "crv": "X25519", "x": strings.Repeat("A", 42) + "E"},
		"a key without members":                   map[string]any{},
		"a number":                                7,
		"null":                                    nil,
		"a member of another type":                map[string]any{"kty": "RSA", "kid": "rsa", "n": 7, "e": 65537},
		"a key for encryption under the same id":  jwk("rsa", strangerKey(), map[string]any{"use": "enc"}),
		"a key of another kind under the same id": jwk("rsa", ecKey(), map[string]any{"alg": "ES256"}),
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			set := map[string]any{"keys": []any{flaw, jwk("rsa", rsaKey(), map[string]any{"use": nil, "alg": "RS256"})}}
			i.say(http.StatusOK, string(must(json.Marshal(set))))
			j, _ := i.jwt(t)
			wantCaller(t, j, i.token(nil))
		})
	}
	t.Run("certificates and thumbprints that are none", func(t *testing.T) {
		i := newIssuer(t)
		i.publish(jwk("rsa", rsaKey(), map[string]any{"x5c": []string{"MIIC"}, "x5t": "bm8", "x5u": "http://example.org"}))
		j, _ := i.jwt(t)
		wantCaller(t, j, i.token(nil))
	})
}

func TestARedirectToTheKeysIsFollowed(t *testing.T) {
	i := newIssuer(t)
	publish := i.answer
	i.answerWith(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/certs" {
			http.Redirect(w, r, "/keys", http.StatusFound)
			return
		}
		publish(w, r)
	})
	j, _ := i.jwt(t)
	wantCaller(t, j, i.token(nil))
}

func TestACallerDoesNotWaitForAnIssuerThatHangs(t *testing.T) {
	i := newIssuer(t)
	i.answerWith(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	j, _ := i.jwt(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := j.Authenticate(ctx, i.token(nil))
	wantAway(t, err, "identity provider is not available: context deadline exceeded")
}

func TestNoErrorOfFetchingHoldsTheURL(t *testing.T) {
	i := newIssuer(t)
	j, log := i.jwt(t)
	wantCaller(t, j, i.token(nil))
	i.Close()
	_, err := j.Authenticate(t.Context(), sign(jwt.SigningMethodES256, ecKey(), "new", i.claims(nil)))
	if away, ok := errors.AsType[*access.AwayError](err); !ok || strings.Contains(away.Error(), "s3cret") {
		t.Errorf("it is %T: %v, want the identity provider away, without the URL", err, err)
	}
	if got := log.About("level=WARN"); got == "" || strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log has %q, want a warning without the URL", log)
	}
}

func TestOptionsWithWhichNothingIsCheckedAreAnError(t *testing.T) {
	const url = "the JWKS URL is no http or https URL"
	for _, c := range []struct {
		name   string
		change func(*access.JWTOptions)
		want   string
	}{
		{"no issuer", func(o *access.JWTOptions) { o.Issuer = "" }, "JSON Web Tokens need an issuer and an audience"},
		{"no audience", func(o *access.JWTOptions) { o.Audience = "" }, "JSON Web Tokens need an issuer and an audience"},
		{"no URL", func(o *access.JWTOptions) { o.JWKSURL = "" }, url},
		{"a file", func(o *access.JWTOptions) { o.JWKSURL = "file:///etc/keys" }, url},
		{"a URL without a host", func(o *access.JWTOptions) { o.JWKSURL = "https:///certs" }, url},
		{"no algorithm", func(o *access.JWTOptions) { o.Algorithms = nil },
			"no algorithm is listed: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA are accepted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := access.JWTOptions{Issuer: "https://example.org", Audience: audience, JWKSURL: "http://127.0.0.1:1", Algorithms: []string{"RS256"}}
			c.change(&o)
			if j, err := access.NewJWT(t.Context(), o); err == nil || err.Error() != c.want || j != nil {
				t.Errorf("it is %v, %v; want %s", j, err, c.want)
			}
		})
	}
}

func TestOnlyAlgorithmsWhoseKeyIsPublicAreAccepted(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
	}{
		{names: []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}},
		{[]string{}, "no algorithm is listed: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA are accepted"},
		{[]string{"RS256", "none"}, "algorithm none is not accepted: anybody can make a token without a signature"},
		{[]string{"None"}, "algorithm None is not accepted: anybody can make a token without a signature"},
		{[]string{"HS256"}, "algorithm HS256 is not accepted: who can check its signatures can also make them, and an issuer publishes no such key"},
		{[]string{"HS512"}, "algorithm HS512 is not accepted: who can check its signatures can also make them, and an issuer publishes no such key"},
		{[]string{"rs256"}, `algorithm "rs256" is unknown: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA are accepted`},
		{[]string{""}, `algorithm "" is unknown: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA are accepted`},
	} {
		got := ""
		if err := access.CheckAlgorithms(c.names); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: it is %q, want %q", c.names, got, c.want)
		}
	}
}

func FuzzATokenThatNobodySignedIsRefused(f *testing.F) {
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[%s]}`, must(json.Marshal(jwk("rsa", rsaKey(), nil))))
	}))
	f.Cleanup(keys.Close)
	j, err := access.NewJWT(f.Context(), access.JWTOptions{
		Issuer: keys.URL, JWKSURL: keys.URL, Audience: audience, Algorithms: []string{"RS256", "ES256"},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add("eyJhbGciOiJub25lIiwia2lkIjoicnNhIn0.e30.")
	f.Add(sign(jwt.SigningMethodRS256, strangerKey(), "rsa", jwt.MapClaims{"sub": "meera"}))
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := j.Authenticate(t.Context(), token); err == nil {
			t.Errorf("%q counts", token)
		} else if _, ok := errors.AsType[*access.CredentialsError](err); !ok {
			t.Errorf("%q: it is %T: %v, want a refusal", token, err, err)
		}
	})
}
