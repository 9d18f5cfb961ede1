package jobs

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
)

// replaceSalt makes one a channel's, or fails the test.
func replaceSalt(t *testing.T, jobs *Jobs, next exhaust.WebhookSalt, replaced string, ends time.Time) {
	t.Helper()
	if isReplaced, err := jobs.ReplaceWebhookSalt(context.Background(), next, replaced, ends); err != nil || !isReplaced {
		t.Fatalf("%q in place of %q: %t, %v", next.Salt, replaced, isReplaced, err)
	}
}

// wantSalts are those that sign for a channel at a time.
func wantSalts(t *testing.T, jobs *Jobs, channel string, at time.Time, want ...exhaust.WebhookSalt) {
	t.Helper()
	got, err := jobs.WebhookSalts(context.Background(), channel, at)
	for i := range got {
		got[i].MadeAt, got[i].EndsAt = got[i].MadeAt.In(morning.Location()), got[i].EndsAt.In(morning.Location())
	}
	for i := range want {
		want[i].EndsAt = want[i].EndsAt.In(morning.Location())
	}
	if err != nil || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("at %s: got %+v, %v\nwant %+v", at, got, err, want)
	}
}

func saltMadeAt(channel, salt string, at time.Time) exhaust.WebhookSalt {
	return exhaust.WebhookSalt{Channel: channel, Salt: salt, KeyID: "key of " + salt, MadeAt: at}
}

func endsAt(salt exhaust.WebhookSalt, at time.Time) exhaust.WebhookSalt {
	salt.EndsAt = at
	return salt
}

func TestASaltThatWasReplacedSignsUntilItEnds(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		const channel, other = `O'Hara "🙂" \`, "0130"
		later, last := morning.Add(time.Hour), morning.Add(2*time.Hour)
		a, b, c := saltMadeAt(channel, "a", morning), saltMadeAt(channel, "b", later), saltMadeAt(channel, "c", last)
		wantSalts(t, jobs, channel, morning)
		replaceSalt(t, jobs, a, "", time.Time{})
		replaceSalt(t, jobs, saltMadeAt(other, "a", morning), "", time.Time{})
		replaceSalt(t, jobs, b, "a", later.Add(24*time.Hour))
		wantSalts(t, jobs, channel, later, b, endsAt(a, later.Add(24*time.Hour)))
		replaceSalt(t, jobs, c, "b", last.Add(24*time.Hour))
		wantSalts(t, jobs, channel, last, c, endsAt(b, last.Add(24*time.Hour)), endsAt(a, later.Add(24*time.Hour)))
		wantSalts(t, jobs, channel, later.Add(24*time.Hour), c, endsAt(b, last.Add(24*time.Hour)))
		wantSalts(t, jobs, channel, last.Add(24*time.Hour), c)
		wantSalts(t, jobs, other, last, saltMadeAt(other, "a", morning))

		// What has ended goes with the next replacement, and nothing of another channel.
		replaceSalt(t, jobs, saltMadeAt(channel, "d", last.Add(24*time.Hour)), "c", last.Add(48*time.Hour))
		var left []string
		if err := jobs.db.Select(context.Background(), &left, `SELECT salt FROM webhook_salt ORDER BY channel DESC, salt`); err != nil {
			t.Fatal(err)
		}
		if want := []string{"c", "d", "a"}; !reflect.DeepEqual(left, want) {
			t.Errorf("%q are left, want %q", left, want)
		}
	})
}

func TestNoMoreThanTheLastFiveSaltsSign(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		replaced := ""
		for i := range 8 {
			at := morning.Add(time.Duration(i) * time.Minute)
			replaceSalt(t, jobs, saltMadeAt("0130", fmt.Sprint(i), at), replaced, at.Add(24*time.Hour))
			replaced = fmt.Sprint(i)
		}
		got, err := jobs.WebhookSalts(context.Background(), "0130", morning.Add(time.Hour))
		var names string
		for _, salt := range got {
			names += salt.Salt
		}
		if err != nil || names != "76543" {
			t.Errorf("got %s, %v", names, err)
		}
	})
}

// TestOfSaltsThatAreMadeAtTheSameTimeOneIsTheChannels: by two processes, which have read that the channel has none, or the
// same one.
func TestOfSaltsThatAreMadeAtTheSameTimeOneIsTheChannels(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		for round, replaced := range []string{"", "the current"} {
			at := morning.Add(time.Duration(round) * time.Hour)
			if replaced != "" {
				replaced = currentSalt(t, jobs, at)
			}
			var winners atomic.Int64
			var winner atomic.Value
			dbtest.AtOnce(t, 20, func(i int) error {
				next := saltMadeAt("0130", fmt.Sprint(round, " ", i), at)
				isReplaced, err := jobs.ReplaceWebhookSalt(context.Background(), next, replaced, at.Add(24*time.Hour))
				if isReplaced {
					winners.Add(1)
					winner.Store(next.Salt)
				}
				return err
			})
			if winners.Load() != 1 || currentSalt(t, jobs, at) != winner.Load() {
				t.Errorf("%d believe in their salt, such as %v; the channel's is %s", winners.Load(), winner.Load(), currentSalt(t, jobs, at))
			}
			if isReplaced, err := jobs.ReplaceWebhookSalt(context.Background(), saltMadeAt("0130", "late", at), replaced, at); isReplaced || err != nil {
				t.Errorf("one that comes late: %t, %v", isReplaced, err)
			}
			got, err := jobs.WebhookSalts(context.Background(), "0130", at)
			if err != nil || len(got) != round+1 {
				t.Errorf("%d sign, want %d: %v", len(got), round+1, err)
			}
		}
	})
}

func currentSalt(t *testing.T, jobs *Jobs, at time.Time) string {
	t.Helper()
	salts, err := jobs.WebhookSalts(context.Background(), "0130", at)
	if err != nil || len(salts) == 0 || !salts[0].EndsAt.IsZero() {
		t.Fatalf("the channel has %+v, %v", salts, err)
	}
	return salts[0].Salt
}
