package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"data-exhaust/exhaust"

	"github.com/MicahParks/jwkset"
	"golang.org/x/time/rate"
)

// IdentityProvider is what an *AwayError names where the OpenID provider does not answer.
const IdentityProvider = "identity provider"

const (
	// refreshEvery is how long the issuer's removing a key may take to count here; retryEvery is for after a failure.
	refreshEvery = time.Hour
	retryEvery   = time.Minute

	// Ids of keys that are unknown lead to at most unknownBurst fetches at once, and one each unknownEvery: callers who
	// make up ids cannot use us to overrun the issuer.
	unknownEvery = 10 * time.Second
	unknownBurst = 3

	fetchTimeout = 5 * time.Second
	// refreshPatience is how long a request with an unknown id waits for a fetch, once there are keys.
	refreshPatience = 2 * time.Second

	maxKeySet    = 1 << 20 // bytes
	maxRedirects = 10      // as many as net/http follows by itself
	minRSA       = 2048    // bits: RFC 7518, 3.3
)

// keySet is the keys that an issuer publishes. These hold at any time:
//   - One fetch runs at most, and whoever lacks a key while it runs waits for that one.
//   - The keys are those of the latest fetch that had an answer: a failure takes none away, the issuer's own answer does.
//   - An unknown id is a bad token only where the latest fetch had keys; elsewhere the issuer is away.
type keySet struct {
	ctx     context.Context // ends all fetches
	log     *slog.Logger
	fetch   func(context.Context) ([]jwkset.JWK, error)
	unknown *rate.Limiter // of fetches for unknown ids

	mu       sync.Mutex
	keys     []jwkset.JWK
	failure  error         // why the latest fetch had no keys; nil where it had some
	isOutage bool          // a failure was logged, its end was not
	running  chan struct{} // closed at the end of the fetch that runs; nil where none does
}

var (
	errNoAnswer = errors.New("its key set was not answered in time")
	errNoKeys   = errors.New("its key set has no key that verifies signatures")
)

// newKeySet begins a first fetch, and fetches again from time to time until ctx ends.
func newKeySet(ctx context.Context, log *slog.Logger, fetch func(context.Context) ([]jwkset.JWK, error)) *keySet {
	s := &keySet{
		ctx: ctx, log: log, fetch: fetch, failure: errNoAnswer,
		unknown: rate.NewLimiter(rate.Every(unknownEvery), unknownBurst),
	}
	go s.refresh(s.begin())
	return s
}

func (s *keySet) refresh(end <-chan struct{}) {
	for {
		<-end
		wait := refreshEvery
		if s.isAway() {
			wait = retryEvery
		}
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(wait):
			end = s.begin()
		}
	}
}

func (s *keySet) isAway() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure != nil
}

// begin begins a fetch where none runs, and returns what is closed at the end of the one that runs then.
func (s *keySet) begin() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beginLocked()
}

func (s *keySet) beginLocked() <-chan struct{} {
	if s.running == nil {
		s.running = make(chan struct{})
		go s.run()
	}
	return s.running
}

func (s *keySet) run() {
	ctx, cancel := context.WithTimeout(s.ctx, fetchTimeout)
	defer cancel()
	keys, err := s.fetch(ctx)
	if err == nil && len(keys) == 0 {
		err = errNoKeys
	}
	s.report(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil || errors.Is(err, errNoKeys) {
		s.keys = keys
	}
	s.failure = err
	close(s.running)
	s.running = nil
}

// report logs an outage once, and its end. Only the fetch that runs calls it.
func (s *keySet) report(err error) {
	switch {
	case s.ctx.Err() != nil: // we are the ones who end
	case err != nil && !s.isOutage:
		s.log.Warn("the identity provider's keys are not available", "error", err)
		s.isOutage = true
	case err == nil && s.isOutage:
		s.log.Info("the identity provider's keys are available again")
		s.isOutage = false
	}
}

// read is the public key of an id for an algorithm. Where it is unknown, the issuer may have begun to use it just now: a
// fetch is waited for where one is allowed. The error is a *CredentialsError or an *AwayError.
func (s *keySet) read(ctx context.Context, id, algorithm string) (any, error) {
	key, end, patience := s.lookUp(id, algorithm)
	if key != nil {
		return key, nil
	}
	if end != nil {
		late := time.NewTimer(patience)
		defer late.Stop()
		select {
		case <-end:
		case <-ctx.Done():
			return nil, &AwayError{What: IdentityProvider, Err: ctx.Err()}
		case <-late.C:
			return nil, &AwayError{What: IdentityProvider, Err: errNoAnswer}
		}
	}
	return s.answer(id, algorithm)
}

// lookUp is the key, or else the end of the fetch that may bring it, nil where none is allowed now, and how long to wait for it.
func (s *keySet) lookUp(id, algorithm string) (key any, end <-chan struct{}, patience time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := s.keyLocked(id, algorithm); key != nil {
		return key, nil, 0
	}
	if s.running != nil || s.unknown.Allow() {
		end = s.beginLocked()
	}
	if len(s.keys) == 0 {
		return nil, end, fetchTimeout
	}
	return nil, end, refreshPatience
}

// answer is read's, whose waiting is over.
func (s *keySet) answer(id, algorithm string) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := s.keyLocked(id, algorithm); key != nil {
		return key, nil
	}
	if s.failure != nil {
		return nil, &AwayError{What: IdentityProvider, Err: s.failure}
	}
	return nil, refuse(exhaust.JWTKeyUnknown)
}

func (s *keySet) keyLocked(id, algorithm string) any {
	for _, key := range s.keys {
		if of := key.Marshal(); of.KID == id && (of.ALG == "" || of.ALG.String() == algorithm) {
			return key.Key()
		}
	}
	return nil
}

// fetchKeys asks a URL for the keys of a JWK Set (RFC 7517) that verify signatures. Its errors do not hold the URL, in which
// there may be a secret.
func fetchKeys(from string) func(context.Context) ([]jwkset.JWK, error) {
	client := &http.Client{CheckRedirect: checkRedirect}
	return func(ctx context.Context) ([]jwkset.JWK, error) {
		body, err := get(ctx, client, from)
		if err != nil {
			if of, ok := errors.AsType[*url.Error](err); ok {
				err = of.Err
			}
			return nil, fmt.Errorf("fetching its key set: %w", err)
		}
		return parseKeys(body)
	}
}

// checkRedirect follows no redirect that gives up TLS: whoever is on the way could put in keys of his own.
func checkRedirect(to *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if via[len(via)-1].URL.Scheme == "https" && to.URL.Scheme != "https" {
		return errors.New("a redirect from https to another scheme")
	}
	return nil
}

func get(ctx context.Context, client *http.Client, from string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err == nil && len(body) > maxKeySet {
		return nil, fmt.Errorf("it is larger than %d bytes", maxKeySet)
	}
	return body, err
}

// parseKeys passes over a key that it does not understand, as RFC 7517, section 5, asks for, and one that is for something
// else. A body without a list of keys is none of an issuer, whatever its status is.
func parseKeys(body []byte) ([]jwkset.JWK, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return nil, errors.New("its key set is no JWK Set")
	}
	var keys []jwkset.JWK
	for _, raw := range set.Keys {
		if key, err := parseKey(raw); err == nil && verifies(key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func parseKey(raw json.RawMessage) (jwkset.JWK, error) {
	var key jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &key); err != nil {
		return jwkset.JWK{}, err
	}
	if key.D != "" {
		return jwkset.JWK{}, errors.New("a private key that is published is nobody's any more")
	}
	// Nobody asks the certificates of a key, so that one with a flaw, such as a thumbprint in hex, harms nobody.
	key.X5C, key.X5T, key.X5TS256, key.X5U = nil, "", "", ""
	return jwkset.NewJWKFromMarshal(key, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
}

// verifies reports whether a key is there to verify signatures: Keycloak, for one, publishes one for encryption beside them.
func verifies(key jwkset.JWK) bool {
	of := key.Marshal()
	if of.USE != "" && of.USE != jwkset.UseSig || len(of.KEYOPS) > 0 && !slices.Contains(of.KEYOPS, jwkset.KeyOpsVerify) {
		return false
	}
	switch key := key.Key().(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSA
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}
