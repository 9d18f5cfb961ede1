package jobs

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
)

// token is one that counts for an hour from morning on, made with another unless madeBy is "".
func token(t *testing.T, id, madeBy string) access.Token {
	t.Helper()
	rights, err := access.ParseRights([]string{`O'Hara "🙂" \`, "0130"}, []string{"uci-response-exhaust", "uci-private-exhaust@0130"})
	if err != nil {
		t.Fatal(err)
	}
	return access.Token{
		ID: id, Name: "name of " + id, Hash: "hash of " + id, Rights: rights, MadeBy: madeBy,
		MadeAt: morning, ExpiresAt: morning.Add(time.Hour),
	}
}

func saveToken(t *testing.T, jobs *Jobs, token access.Token) {
	t.Helper()
	if err := jobs.SaveToken(context.Background(), token); err != nil {
		t.Fatal(err)
	}
}

// wantToken is what a hash gives: the token, and whether it is revoked.
func wantToken(t *testing.T, jobs *Jobs, want access.Token, wantRevoked bool) {
	t.Helper()
	line, err := jobs.TokenLine(context.Background(), want.Hash)
	isRevoked := slices.ContainsFunc(line, func(t access.Token) bool { return !t.RevokedAt.IsZero() })
	if err != nil || isRevoked != wantRevoked || !reflect.DeepEqual(inZone(line[0]), want) {
		t.Errorf("got %+v, %v\nwant %+v, revoked: %t", line, err, want, wantRevoked)
	}
}

func inZone(t access.Token) access.Token {
	for _, at := range []*time.Time{&t.MadeAt, &t.ExpiresAt, &t.RevokedAt} {
		if !at.IsZero() {
			*at = at.In(morning.Location())
		}
	}
	return t
}

func revokedAt(t access.Token, at time.Time) access.Token {
	t.RevokedAt = at
	return t
}

func TestATokenIsFoundByItsHashAsItWasMade(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		operator := token(t, "B", "")
		operator.Rights = access.Anybody(operator.Caller().From).Rights
		operator.MadeAt = morning.Add(time.Minute)
		for _, token := range []access.Token{token(t, "A", ""), operator} {
			saveToken(t, jobs, token)
			wantToken(t, jobs, token, false)
		}
		if _, err := jobs.TokenLine(context.Background(), "hash of C"); !errors.Is(err, ErrNoToken) {
			t.Errorf("an unknown hash: %v, want ErrNoToken", err)
		}
		all, err := jobs.Tokens(context.Background(), "")
		if err != nil || len(all) != 2 || !reflect.DeepEqual(inZone(all[0]), operator) || !reflect.DeepEqual(inZone(all[1]), token(t, "A", "")) {
			t.Errorf("all are %+v, %v, want the newest first", all, err)
		}
	})
}

func TestWhatWasMadeWithARevokedTokenIsRevokedToo(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		maker, child, grandchild, other := token(t, "A", ""), token(t, "B", "A"), token(t, "C", "B"), token(t, "D", "")
		for _, token := range []access.Token{maker, child, grandchild, other} {
			saveToken(t, jobs, token)
		}
		wantToken(t, jobs, grandchild, false)
		before, at := morning.Add(time.Second), morning.Add(time.Minute)
		for _, revoked := range []struct {
			id string
			at time.Time
		}{{"C", before}, {"A", at}, {"A", at.Add(time.Hour)}} { // the last changes nothing
			if err := jobs.RevokeToken(context.Background(), revoked.id, revoked.at); err != nil {
				t.Fatal(err)
			}
		}
		wantToken(t, jobs, revokedAt(maker, at), true)
		wantToken(t, jobs, revokedAt(child, at), true)
		wantToken(t, jobs, revokedAt(grandchild, before), true)
		wantToken(t, jobs, other, false)
		// One that is made with it at that moment never counts.
		late := token(t, "E", "A")
		saveToken(t, jobs, late)
		wantToken(t, jobs, late, true)
		// Nor one whose maker is gone.
		dbtest.Exec(t, jobs.db, `DELETE FROM access_token WHERE token_id = 'A'`)
		if _, err := jobs.TokenLine(context.Background(), late.Hash); !errors.Is(err, ErrNoToken) {
			t.Errorf("one whose maker is gone: %v, want ErrNoToken", err)
		}
	})
}

func TestTokensAreListedWithThoseThatWereMadeWithThem(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		for i, made := range [][2]string{{"A", ""}, {"B", "A"}, {"C", "B"}, {"D", ""}, {"E", "A"}, {"F", "D"}} {
			token := token(t, made[0], made[1])
			token.MadeAt = morning.Add(time.Duration(i) * time.Second)
			saveToken(t, jobs, token)
		}
		for of, want := range map[string]string{"A": "ECBA", "B": "CB", "C": "C", "D": "FD", "": "FEDCBA", "Z": ""} {
			found, err := jobs.Tokens(context.Background(), of)
			got := ""
			for _, token := range found {
				got += token.ID
			}
			if err != nil || got != want {
				t.Errorf("of %q: %s, %v, want %s", of, got, err, want)
			}
			if of == "" {
				continue
			}
			if count, err := jobs.CountTokens(context.Background(), of); err != nil || count != len(want) {
				t.Errorf("of %q there are %d, %v, want %d", of, count, err, len(want))
			}
		}
	})
}

func TestTokensThatEndedLongAgoAreDeletedUnlessTheyWereMadeInTheDatabase(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		month := 30 * 24 * time.Hour
		root, old, recent := token(t, "A", ""), token(t, "B", "A"), token(t, "C", "A")
		old.ExpiresAt, recent.ExpiresAt = morning.Add(-month-time.Second), morning.Add(-month+time.Second)
		root.ExpiresAt = old.ExpiresAt
		for _, token := range []access.Token{root, old, recent} {
			saveToken(t, jobs, token)
		}
		saveToken(t, jobs, token(t, "D", ""))
		left, err := jobs.Tokens(context.Background(), "")
		var ids []string
		for _, token := range left {
			ids = append(ids, token.ID)
		}
		if err != nil || strings.Join(ids, " ") != "A C D" {
			t.Errorf("%q are left, %v, want A C D", ids, err)
		}
	})
}

func TestANameIsThatOfOneTokenOfItsMakerUntilItIsRevoked(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		first, second, ofAnother := token(t, "A", ""), token(t, "B", ""), token(t, "C", "A")
		second.Name, ofAnother.Name = first.Name, first.Name
		saveToken(t, jobs, first)
		if err := jobs.SaveToken(context.Background(), second); !errors.Is(err, ErrTokenName) {
			t.Errorf("a second of that name: %v, want ErrTokenName", err)
		}
		saveToken(t, jobs, ofAnother)
		if err := jobs.RevokeToken(context.Background(), first.ID, morning); err != nil {
			t.Fatal(err)
		}
		saveToken(t, jobs, second)
		wantToken(t, jobs, second, false)
	})
}

func TestOfManyThatMakeTheFirstTokenOneSucceeds(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		var first atomic.Int32
		dbtest.AtOnce(t, 8, func(i int) error {
			token := token(t, fmt.Sprint(i), "")
			token.Name = "first"
			isFirst, err := jobs.SaveFirstToken(context.Background(), token)
			if isFirst {
				first.Add(1)
			}
			return err
		})
		if first.Load() != 1 {
			t.Errorf("%d made the first token", first.Load())
		}
		// Nor is there another first one when that is revoked.
		all, err := jobs.Tokens(context.Background(), "")
		if err != nil || len(all) != 1 {
			t.Fatalf("there are %+v, %v", all, err)
		}
		if err := jobs.RevokeToken(context.Background(), all[0].ID, morning); err != nil {
			t.Fatal(err)
		}
		if isFirst, err := jobs.SaveFirstToken(context.Background(), token(t, "Z", "")); isFirst || err != nil {
			t.Errorf("after it was revoked: %t, %v", isFirst, err)
		}
	})
}

func TestATokensRowThatSomebodyChangedIsAnErrorWithoutItsValues(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		saveToken(t, jobs, token(t, "A", ""))
		for column, value := range map[string]string{"rights": `["uci-everything"]`, "channels": `{"a":1}`} {
			dbtest.Exec(t, jobs.db, `UPDATE access_token SET rights = '["uci-response-exhaust"]', channels = '["0130"]'`)
			dbtest.Exec(t, jobs.db, `UPDATE access_token SET `+column+` = '`+value+`'`)
			if listed, err := jobs.Tokens(context.Background(), ""); err != nil || len(listed) != 1 || listed[0].ID != "A" || len(listed[0].Datasets) != 0 {
				t.Errorf("%s %s: listed as %+v, %v", column, value, listed, err)
			}
			_, err := jobs.TokenLine(context.Background(), "hash of A")
			if invalid, isMistake := errors.AsType[*exhaust.InvalidError](err); isMistake {
				t.Errorf("%s %s is called a mistake of the caller: %v", column, value, invalid)
			}
			if err == nil || !strings.Contains(err.Error(), "token A") || strings.Contains(err.Error(), "hash of") {
				t.Errorf("%s %s: %v", column, value, err)
			}
		}
	})
}

func TestExhaustsUnderWayAreCounted(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		private := submitted("F")
		private.Dataset = exhaust.PrivateExhaust
		elsewhere := submitted("G")
		elsewhere.Channel = "another"
		old := submitted("H")
		old.UpdatedAt = morning.Add(-time.Hour)
		for _, job := range []exhaust.Job{
			submitted("A"), processing(submitted("B")), private, // these three
			parked(submitted("C")), succeeded(submitted("D")), failed(submitted("E")), elsewhere, old,
		} {
			save(t, jobs, job)
		}
		got, err := jobs.CountUnderWay(context.Background(), "channel:with:colons", morning.Add(-time.Minute))
		if err != nil || got != 3 {
			t.Errorf("%d are under way, %v, want 3", got, err)
		}
		if got, err = jobs.CountUnderWay(context.Background(), "channel:with:colons", morning.Add(-2*time.Hour)); err != nil || got != 4 {
			t.Errorf("%d with the old one, %v, want 4", got, err)
		}
		if got, err = jobs.CountUnderWay(context.Background(), "nobody's", time.Time{}.Add(time.Hour)); err != nil || got != 0 {
			t.Errorf("%d of nobody, %v", got, err)
		}
	})
}
