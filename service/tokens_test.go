package service

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
)

// mintBy makes a token with another, as its caller.
func mintBy(t *testing.T, tokens *Tokens, secret string, draft TokenDraft) (access.Token, string, error) {
	t.Helper()
	caller, err := tokens.Authenticate(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return tokens.createBy(t.Context(), caller, draft)
}

func root(t *testing.T, tokens *Tokens, name string, life time.Duration) (access.Token, string) {
	t.Helper()
	token, secret, err := tokens.Create(t.Context(), TokenDraft{Name: name, Channels: []string{channel}, Rights: []string{"uci-response-exhaust"}, Life: life})
	if err != nil {
		t.Fatal(err)
	}
	return token, secret
}

func child(name string) TokenDraft {
	return TokenDraft{Name: name, Channels: []string{channel}, Rights: []string{"uci-response-exhaust"}}
}

func isForbidden(err error) bool {
	_, is := errors.AsType[*ForbiddenError](err)
	return is
}

func TestATokenLivesAsLongAsIsSaidAndNoLongerThanItsMaker(t *testing.T) {
	tokens := NewTokens(newService(t).jobs)
	maker, secret := root(t, tokens, "maker", time.Hour)
	made, _, err := mintBy(t, tokens, secret, child("rest"))
	if left := maker.ExpiresAt.Sub(made.ExpiresAt); err != nil || left < 0 || left > 2*time.Second {
		t.Errorf("without a time it expires %s before its maker, %v", left, err)
	}
	if long, _ := root(t, tokens, "long", 0); long.ExpiresAt.Sub(long.MadeAt) != 720*time.Hour {
		t.Errorf("in the database it lives for %s", long.ExpiresAt.Sub(long.MadeAt))
	}
	_, century := root(t, tokens, "year", 8760*time.Hour)
	if made, _, err := mintBy(t, tokens, century, child("month")); err != nil || made.ExpiresAt.Sub(made.MadeAt) != 720*time.Hour {
		t.Errorf("with one that lives for a year it lives for %s, %v", made.ExpiresAt.Sub(made.MadeAt), err)
	}
}

func TestALineOfTokensHasFourAtTheMost(t *testing.T) {
	tokens := NewTokens(newService(t).jobs)
	_, secret := root(t, tokens, "1", time.Hour)
	for i := 2; i <= 4; i++ {
		made, next, err := mintBy(t, tokens, secret, child(fmt.Sprint(i)))
		if err != nil {
			t.Fatalf("number %d: %v", i, err)
		}
		if made.Name != fmt.Sprint(i) {
			t.Errorf("made %+v", made)
		}
		secret = next
	}
	if _, _, err := mintBy(t, tokens, secret, child("5")); !isForbidden(err) {
		t.Errorf("number 5: %v", err)
	}
}

func TestSoManyTokensAreMadeFromOneAndNoMore(t *testing.T) {
	s := newService(t)
	tokens := NewTokens(s.jobs)
	maker, secret := root(t, tokens, "maker", time.Hour)
	for i := range maxTokensOfRoot - 1 {
		made, _, err := NewToken(child(fmt.Sprint(i)), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		// Those that are revoked count, or making and revoking would have no end.
		made.MadeBy = maker.ID
		if err := s.jobs.SaveToken(t.Context(), made); err != nil {
			t.Fatal(err)
		}
		if err := s.jobs.RevokeToken(t.Context(), made.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := mintBy(t, tokens, secret, child("more")); !isForbidden(err) {
		t.Errorf("one more: %v", err)
	}
	_, other := root(t, tokens, "other", time.Hour)
	if _, _, err := mintBy(t, tokens, other, child("more")); err != nil {
		t.Errorf("one from another: %v", err)
	}
}

func TestWhichTokenIsRevoked(t *testing.T) {
	tokens := NewTokens(newService(t).jobs)
	mine, mySecret := root(t, tokens, "mine", time.Hour)
	theirs, theirSecret := root(t, tokens, "theirs", time.Hour)
	made, madeSecret, err := mintBy(t, tokens, mySecret, child("airflow"))
	if err != nil {
		t.Fatal(err)
	}
	// Another tenant's of the same name, which neither learns of.
	if _, _, err := mintBy(t, tokens, theirSecret, child("airflow")); err != nil {
		t.Fatalf("the name that another has taken: %v", err)
	}
	caller, err := tokens.Authenticate(t.Context(), mySecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, which := range []string{"theirs", theirs.ID, theirSecret, "nothing", ""} {
		if _, err := tokens.revokeBy(t.Context(), caller, which); !errors.Is(err, ErrNoToken) {
			t.Errorf("revoking %.20q: %v", which, err)
		}
	}
	// He does not learn with what his was made, nor does the one that he made.
	ofMade, err := tokens.Authenticate(t.Context(), madeSecret)
	if err != nil {
		t.Fatal(err)
	}
	if listed, err := tokens.listBy(t.Context(), ofMade); err != nil || len(listed) != 1 || listed[0].ID != made.ID || listed[0].MadeBy != "" {
		t.Errorf("listed %+v, %v", listed, err)
	}
	// In the database both are called so: which is meant has to be said.
	var invalid *exhaust.InvalidError
	if _, err := tokens.Revoke(t.Context(), "airflow"); !errors.As(err, &invalid) || !strings.Contains(err.Error(), `name "airflow" is that of 2 tokens`) {
		t.Errorf("revoking one of two: %v", err)
	}
	if revoked, err := tokens.revokeBy(t.Context(), caller, "airflow"); err != nil || revoked.ID != made.ID {
		t.Errorf("revoking his own: %+v, %v", revoked, err)
	}
	// Its name is free, and it can be revoked by itself, as whoever finds it in a log would.
	_, again, err := mintBy(t, tokens, mySecret, child("airflow"))
	if err != nil {
		t.Fatalf("making it again: %v", err)
	}
	if _, err := tokens.Revoke(t.Context(), again); err != nil {
		t.Errorf("revoking it by itself: %v", err)
	}
	if _, err := tokens.Authenticate(t.Context(), again); err == nil {
		t.Error("it counts after it was revoked")
	}
	// What was made with a token ends with it, and leaves its name.
	if _, _, err := mintBy(t, tokens, mySecret, child("grafana")); err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Revoke(t.Context(), mine.ID); err != nil {
		t.Fatal(err)
	}
	if all, err := tokens.List(t.Context()); err != nil || len(all) != 6 || countRevoked(all) != 4 {
		t.Errorf("of %d tokens %d are revoked, %v, want 4 of 6", len(all), countRevoked(all), err)
	}
}

func countRevoked(tokens []access.Token) (n int) {
	for _, token := range tokens {
		if isRevoked(token) {
			n++
		}
	}
	return n
}
