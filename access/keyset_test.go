package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"

	"data-exhaust/internal/logtest"
)

// source is an issuer without a network, so that a test's hours pass at once.
type source struct {
	key     jwkset.JWK
	fetches atomic.Int64
	isAway  atomic.Bool
	hangs   atomic.Bool
}

func newSource(t *testing.T) *source {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: "k"}})
	if err != nil {
		t.Fatal(err)
	}
	return &source{key: public}
}

func (s *source) fetch(ctx context.Context) ([]jwkset.JWK, error) {
	s.fetches.Add(1)
	if s.hangs.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if s.isAway.Load() {
		return nil, errors.New("away")
	}
	return []jwkset.JWK{s.key}, nil
}

// inBubble tests a key set whose clock is the bubble's.
func inBubble(t *testing.T, test func(t *testing.T, s *source, keys *keySet, end context.CancelFunc)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		keys := newKeySet(ctx, slog.New(slog.DiscardHandler), s.fetch)
		synctest.Wait()
		test(t, s, keys, end)
	})
}

func (s *source) want(t *testing.T, fetches int64, when string) {
	t.Helper()
	synctest.Wait()
	if got := s.fetches.Load(); got != fetches {
		t.Errorf("%s the keys were fetched %d times, want %d", when, got, fetches)
	}
}

func TestKeysAreFetchedEveryHourAndAfterAFailureEveryMinuteUntilTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, s *source, _ *keySet, end context.CancelFunc) {
		s.want(t, 1, "at the start")
		time.Sleep(time.Hour - time.Second)
		s.want(t, 1, "before an hour")
		s.isAway.Store(true)
		time.Sleep(time.Second)
		s.want(t, 2, "after an hour")
		time.Sleep(2 * time.Minute)
		s.want(t, 4, "two minutes after the failure")
		s.isAway.Store(false)
		time.Sleep(time.Minute)
		s.want(t, 5, "after another minute")
		time.Sleep(time.Hour)
		s.want(t, 6, "an hour after it went well again")
		end()
		time.Sleep(24 * time.Hour)
		s.want(t, 6, "a day after the end")
	})
}

func TestAnUnknownIDIsAnsweredAtOnceWhereNoFetchIsAllowed(t *testing.T) {
	inBubble(t, func(t *testing.T, s *source, keys *keySet, _ context.CancelFunc) {
		begin := time.Now()
		for range 100 {
			_, err := keys.read(t.Context(), "unknown", "ES256")
			if _, ok := errors.AsType[*CredentialsError](err); !ok {
				t.Fatalf("it is %v, want a refusal", err)
			}
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v, want no time", took)
		}
		s.want(t, 1+unknownBurst, "after 100 unknown ids")
		time.Sleep(unknownEvery)
		for range 100 {
			keys.read(t.Context(), "unknown", "ES256")
		}
		s.want(t, 1+unknownBurst+1, "ten seconds later")
	})
}

func TestAnIssuerThatHangsHoldsNoCallerForLong(t *testing.T) {
	inBubble(t, func(t *testing.T, s *source, keys *keySet, _ context.CancelFunc) {
		s.hangs.Store(true)
		begin := time.Now()
		_, err := keys.read(t.Context(), "unknown", "ES256")
		if away, ok := errors.AsType[*AwayError](err); !ok || !errors.Is(away, errNoAnswer) || time.Since(begin) != refreshPatience {
			t.Errorf("it is %v after %v, want the provider away after %v", err, time.Since(begin), refreshPatience)
		}
		if key, err := keys.read(t.Context(), "k", "ES256"); key == nil || err != nil {
			t.Errorf("the key that was there is %v, %v", key, err)
		}
	})
}

func TestAnIssuerThatHangsAtTheStartHoldsNoCallerForMoreThanTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t)
		s.hangs.Store(true)
		begin := time.Now()
		keys := newKeySet(t.Context(), slog.New(slog.DiscardHandler), s.fetch)
		_, err := keys.read(t.Context(), "k", "ES256")
		if _, ok := errors.AsType[*AwayError](err); !ok || time.Since(begin) != fetchTimeout {
			t.Errorf("it is %v after %v, want the provider away after %v", err, time.Since(begin), fetchTimeout)
		}
		time.Sleep(retryEvery)
		s.want(t, 2, "a minute later")
	})
}

func TestTheEndOfAFetchThatWeEndIsNoOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(t)
		s.hangs.Store(true)
		ctx, end := context.WithCancel(t.Context())
		var log logtest.Buffer
		newKeySet(ctx, slog.New(slog.NewTextHandler(&log, nil)), s.fetch)
		s.want(t, 1, "at the start")
		end()
		synctest.Wait()
		if log.String() != "" {
			t.Errorf("the log has %q, want nothing", log.String())
		}
	})
}

func TestARedirectThatGivesUpTLSIsNotFollowed(t *testing.T) {
	request := func(url string) *http.Request {
		r, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		from, to string
		follows  bool
	}{
		{"https://example.org", "https://example.com", true},
		{"http://example.org", "https://example.com", true},
		{"http://example.org", "http://example.com", true},
		{"https://example.org", "http://example.org", false},
	} {
		if err := checkRedirect(request(c.to), []*http.Request{request(c.from)}); (err == nil) != c.follows {
			t.Errorf("from %s to %s: it is %v", c.from, c.to, err)
		}
	}
}
