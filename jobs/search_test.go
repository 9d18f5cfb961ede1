package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
)

func TestASearchIsOfATagOrAConversationOfAChannelAndOfSeveralStatuses(t *testing.T) {
	const lower = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		for i, job := range []struct {
			id, tag, channel, conversation string
			status                         exhaust.Status
		}{
			{"A", "t", "c", lower, exhaust.Success},
			{"B", "t", "c", strings.ToUpper(lower), exhaust.Failed},
			{"C", "t", "d", lower, exhaust.Success},
			{"D", "u", "c", "Bot", exhaust.Cancelled},
			{"E", "u", "c", "bot", exhaust.Processing},
			{"F", "t", "c:d", lower, exhaust.Success}, // is stored as the tag t:c of a channel d would be
		} {
			of := submitted(job.id)
			of.Tag, of.Channel, of.ConversationID, of.Status = job.tag, job.channel, job.conversation, job.status
			of.SubmittedAt = morning.Add(-time.Duration(i) * time.Minute)
			save(t, jobs, of)
		}
		for _, c := range []struct {
			search Search
			want   string
		}{
			{Search{Tag: "t", Channel: "c"}, "A B"},
			{Search{Tag: "t"}, "A B C F"},
			{Search{Tag: "t", Channel: "c:d"}, "F"},
			{Search{Tag: "t:c", Channel: "d"}, ""},
			{Search{Channel: "c", ConversationID: lower}, "A B"},
			{Search{Channel: "c", ConversationID: strings.ToUpper(lower)}, "A B"},
			{Search{ConversationID: lower}, "A B C F"},
			{Search{Channel: "c", ConversationID: "Bot"}, "D"},
			{Search{Channel: "c", ConversationID: "BOT"}, ""},
			{Search{Tag: "u", Channel: "c", ConversationID: "bot"}, "E"},
			{Search{Tag: "u", Channel: "c", ConversationID: lower}, ""},
			{Search{Channel: "c", Statuses: []exhaust.Status{exhaust.Failed, exhaust.Cancelled}}, "B D"},
			{Search{Statuses: []exhaust.Status{exhaust.Success, exhaust.Processing}, Tag: "t", Channel: "c"}, "A"},
		} {
			found, err := jobs.Search(context.Background(), c.search)
			if got := strings.Join(ids(found), " "); err != nil || got != c.want {
				t.Errorf("%+v: got %s, %v; want %s", c.search, got, err, c.want)
			}
		}
	})
}

func TestPagesOfASearchMeetEachJobOnceThoughOthersAreSubmittedMeanwhile(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		add := func(id string, at time.Time, status exhaust.Status) {
			job := submitted(id)
			job.Channel, job.SubmittedAt, job.Status = "c", at, status
			save(t, jobs, job)
		}
		// Four in each millisecond, of all statuses.
		var want []string
		for i := range 20 {
			id := fmt.Sprintf("B%02d", i)
			add(id, morning.Add(-time.Duration(i/4)*time.Millisecond), exhaust.Statuses[i%5])
			want = append(want, id)
		}
		for _, size := range []int{1, 3, 4, 19, 20, 21} {
			var got []string
			search := Search{Channel: "c", Limit: size}
			for page := 0; ; page++ {
				found, err := jobs.Search(context.Background(), search)
				if err != nil || len(found) > size || page > 200 {
					t.Fatalf("page %d of %d has %d, %v", page, size, len(found), err)
				}
				if len(found) == 0 {
					break
				}
				got = append(got, ids(found)...)
				last := found[len(found)-1]
				search.After = Position{last.SubmittedAt, last.ID}
				add(fmt.Sprintf("new %d %d", size, page), morning.Add(time.Second), exhaust.Submitted)
				if search.After.RequestID >= "B04" { // in a millisecond that the pages have left behind
					add(fmt.Sprintf("A %d %d", size, page), morning, exhaust.Submitted)
				}
			}
			got = slices.DeleteFunc(got, func(id string) bool { return !strings.HasPrefix(id, "B") }) // of the sizes before
			if !slices.Equal(got, want) {
				t.Errorf("in pages of %d: %q", size, got)
			}
		}
	})
}

func TestChannelsAreThoseThatHaveExhausts(t *testing.T) {
	onEachJobs(t, func(t *testing.T, jobs *Jobs) {
		want := func(tag, conversation string, limit int, want ...string) {
			t.Helper()
			got, err := jobs.Channels(context.Background(), tag, conversation, limit)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("tag %q, conversation %q: got %q, %v; want %q", tag, conversation, got, err, want)
			}
		}
		want("", "", 10)
		for i, job := range []struct{ tag, channel, conversation string }{
			{"t", "a", "X"}, {"t", "b", "Y"}, {"t", "b", "x"}, {"u", "b", "z"}, {"u", "c", "z"}, {"u", "b", "z"},
		} {
			of := submitted(fmt.Sprint(i))
			of.Tag, of.Channel, of.ConversationID = job.tag, job.channel, job.conversation
			save(t, jobs, of)
		}
		want("", "", 10, "a", "b", "c")
		want("", "", 2, "a", "b")
		want("t", "", 10, "a", "b")
		want("u", "", 10, "b", "c")
		want("", "X", 10, "a", "b")
		want("u", "z", 1, "b")
		want("none", "", 10)
		want("t", "z", 10, "b") // which has both, of different exhausts: whoever searches it finds none
	})
}
