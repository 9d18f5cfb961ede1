package service

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/internal/logtest"
	"data-exhaust/internal/sample"
	"data-exhaust/registry"
)

// callers is the service of callers on these exhausts, with its audit log.
func (s *service) callers() (*Authorized, *logtest.Buffer) {
	s.t.Helper()
	log := new(logtest.Buffer)
	uci, err := registry.NewUCI(s.db, s.db, registry.Tables{Conversations: "bot", Users: "users", Registrations: "user_registrations", Identities: "identities"})
	if err != nil {
		s.t.Fatal(err)
	}
	return NewAuthorized(s.Exhausts, nil, NewConversations(uci), s.estimates(uci, nil), nil, nil, nil, access.NewAudit(slog.New(slog.NewJSONHandler(log, nil)))), log
}

// callerOf is a caller with these rights.
func callerOf(t *testing.T, channels []string, rights ...string) access.Caller {
	t.Helper()
	parsed, err := access.ParseRights(channels, rights)
	if err != nil {
		t.Fatal(err)
	}
	return access.Caller{Name: "somebody", Rights: parsed}
}

// row records an exhaust that has ended at noon, UTC, of a day of April 2022, minutes after.
func (s *service) row(id string, minutes int, change func(job *exhaust.Job)) exhaust.Job {
	s.t.Helper()
	at := time.Date(2022, 4, 6, 12, minutes, 0, 79_000_000, time.UTC)
	job := exhaust.Job{
		Request: exhaust.Request{
			ID: strings.Repeat(id, 32), Dataset: exhaust.ResponseExhaust, Tag: "tag", Channel: channel, ConversationID: conversation,
			Config: []byte(`{}`), OutputFormat: "csv", SubmittedAt: at,
		},
		State: exhaust.State{Status: exhaust.Failed, Message: "No data found", UpdatedAt: at, CompletedAt: at},
	}
	change(&job)
	if err := s.jobs.Save(s.t.Context(), job); err != nil {
		s.t.Fatal(err)
	}
	return job
}

// pages are the first letters of the ids of each page that browsing has, page by page.
func (a *Authorized) pages(t *testing.T, c access.Caller, browse Browse) string {
	t.Helper()
	var pages []string
	for {
		page, err := a.Browse(t.Context(), c, browse)
		if err != nil {
			t.Fatalf("%+v: %v", browse, err)
		}
		var letters strings.Builder
		for _, job := range page.Exhausts {
			letters.WriteString(job.ID[:1])
		}
		pages = append(pages, letters.String())
		if browse.After = page.Next; page.Next == "" {
			return strings.Join(pages, " ")
		}
	}
}

func TestExhaustsAreBrowsedNewestFirstInPages(t *testing.T) {
	s := newService(t)
	a, log := s.callers()
	of := func(channel, tag string) func(job *exhaust.Job) {
		return func(job *exhaust.Job) { job.Channel, job.Tag = channel, tag }
	}
	s.row("A", 0, of("one", "t"))
	s.row("B", 1, of("two", "t"))
	s.row("C", 1, of("one", "u"))
	s.row("D", 2, of("three", "t"))
	s.row("E", 3, of("one", "t"))
	both, operator := callerOf(t, []string{"one", "two"}, "uci-response-exhaust"), callerOf(t, nil, "operator")
	for _, c := range []struct {
		caller access.Caller
		browse Browse
		want   string
	}{
		{both, Browse{Limit: 10}, "EBCA"},
		{both, Browse{Limit: 1}, "E B C A"},
		{both, Browse{Limit: 3}, "EBC A"},
		{both, Browse{Limit: 4}, "EBCA"},
		{both, Browse{Channel: "one", Limit: 2}, "EC A"},
		{both, Browse{Tag: "t", Limit: 2}, "EB A"},
		{both, Browse{Tag: "none", Limit: 2}, ""},
		{operator, Browse{Limit: 2}, "ED BC A"},
		{operator, Browse{Tag: "t", Limit: 2}, "ED BA"},
		{operator, Browse{Tag: "u", Limit: 2}, "C"},
		{operator, Browse{Tag: "t", Channel: "three", Limit: 2}, "D"},
		{operator, Browse{ConversationID: strings.ToUpper(conversation), Limit: 4}, "EDBC A"},
		{callerOf(t, nil), Browse{Limit: 2}, ""},
	} {
		if got := a.pages(t, c.caller, c.browse); got != c.want {
			t.Errorf("%+v: %s, want %s", c.browse, got, c.want)
		}
	}
	if log.String() != "" {
		t.Errorf("the audit log has %s", log.String())
	}
}

func TestExhaustsAreBrowsedByWhatTheyAre(t *testing.T) {
	s := newService(t)
	s.settings.Timezone = time.FixedZone("IST", 19800)
	a, _ := s.callers()
	c := callerOf(t, []string{channel})
	s.row("A", 0, func(job *exhaust.Job) { job.Dataset = exhaust.PrivateExhaust })
	s.row("B", 1, func(job *exhaust.Job) { job.Status, job.Report = exhaust.Success, "r.csv" })
	s.row("C", 2, func(job *exhaust.Job) { job.Status = exhaust.Cancelled })
	s.row("D", 3, func(job *exhaust.Job) { job.ConversationID = "another" })
	s.row("E", 6*60+29, func(job *exhaust.Job) {}) // 23:59 in India
	s.row("F", 6*60+30, func(job *exhaust.Job) {})
	for _, test := range []struct {
		browse Browse
		want   string
	}{
		{Browse{}, "FEDCBA"},
		{Browse{Dataset: exhaust.PrivateExhaust}, "A"},
		{Browse{Statuses: []exhaust.Status{exhaust.Success, exhaust.Cancelled}}, "CB"},
		{Browse{ConversationID: strings.ToUpper(conversation)}, "FECBA"},
		{Browse{ConversationID: "another"}, "D"},
		{Browse{ConversationID: "ANOTHER"}, ""},
		{Browse{Day: "2022-04-06"}, "EDCBA"},
		{Browse{Day: "2022-04-07"}, "F"},
		{Browse{Day: "2022-04-06", Dataset: exhaust.ResponseExhaust, Statuses: []exhaust.Status{exhaust.Failed}, ConversationID: conversation, Tag: "tag"}, "E"},
		{Browse{Day: "0001-01-01"}, ""},
	} {
		test.browse.Channel, test.browse.Limit = channel, 10
		if got := a.pages(t, c, test.browse); got != test.want {
			t.Errorf("%+v: %s, want %s", test.browse, got, test.want)
		}
	}
}

func TestABrowsedExhaustIsUpToDateAndHasNoURLs(t *testing.T) {
	s := newService(t)
	a, _ := s.callers()
	now := time.Now().UTC().Truncate(time.Millisecond)
	s.row("A", 0, func(job *exhaust.Job) {
		job.Status, job.Message, job.Report, job.Receipt = exhaust.Success, "", "r.csv", "r.csv.receipt.json"
		job.From, job.To = "2022-03-01", "2022-04-01"
	})
	s.row("B", 1, func(job *exhaust.Job) {
		job.Status, job.Message, job.Report, job.CompletedAt, job.ReceiptURL = exhaust.Success, "", "r.csv", now, "https://store/r"
		job.DownloadURLs, job.ExpiresAt = []string{"https://store/a"}, now.Add(time.Hour)
	})
	s.row("C", 2, func(job *exhaust.Job) { job.Status, job.Message, job.CompletedAt = exhaust.Processing, "", time.Time{} })
	page, err := a.Browse(t.Context(), callerOf(t, []string{channel}), Browse{Channel: channel, Limit: 10})
	if err != nil || len(page.Exhausts) != 3 {
		t.Fatalf("%+v, %v", page, err)
	}
	var got []string
	for _, job := range page.Exhausts {
		got = append(got, fmt.Sprintf("%s %s %q of %s to %s, report %q, %d URLs, receipt %q, expires %v, config %q", job.ID[:1], job.Status, job.Message, job.From, job.To, job.Report,
			len(job.DownloadURLs), job.ReceiptURL, !job.ExpiresAt.IsZero(), job.Config))
	}
	want := `C FAILED "its workflow is gone from Temporal: submit or retry it to run it again" of  to , report "", 0 URLs, receipt "", expires false, config ""
B SUCCESS "" of  to , report "r.csv", 0 URLs, receipt "", expires false, config ""
A SUCCESS "report expired on 2022-05-06" of 2022-03-01 to 2022-04-01, report "", 0 URLs, receipt "", expires false, config ""`
	if got := strings.Join(got, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhatCannotBeBrowsedIsInvalid(t *testing.T) {
	s := newService(t)
	a, _ := s.callers()
	s.row("A", 0, func(*exhaust.Job) {})
	s.row("B", 1, func(*exhaust.Job) {})
	c := callerOf(t, []string{channel})
	page, err := a.Browse(t.Context(), c, Browse{Channel: channel, Limit: 1})
	if err != nil || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	for want, browse := range map[string]Browse{
		`limit "0" is not valid: a whole number from 1 to 1000 is accepted`:                                         {},
		`limit "1001" is not valid: a whole number from 1 to 1000 is accepted`:                                      {Limit: 1001},
		`dataset "x" is unknown: uci-response-exhaust or uci-private-exhaust is accepted`:                           {Limit: 1, Dataset: "x"},
		`filters.status "DONE" is unknown: SUBMITTED, PROCESSING, SUCCESS, FAILED, CANCELLED are accepted`:          {Limit: 1, Statuses: []exhaust.Status{exhaust.Failed, "DONE"}},
		`day "2022-02-30" is not a day: a real day as yyyy-MM-dd is accepted`:                                       {Limit: 1, Day: "2022-02-30"},
		`tag "a|b" is not valid: at most 255 printable characters other than | are accepted`:                        {Limit: 1, Tag: "a|b"},
		`conversationId "\x00" is not valid: at most 255 printable characters other than | are accepted`:            {Limit: 1, ConversationID: "\x00"},
		`after "?" is not valid: the next of the page before is accepted`:                                           {Limit: 1, After: "?"},
		fmt.Sprintf("after %q is not valid: the next of the page before is accepted", page.Next[:len(page.Next)-4]): {Limit: 1, After: page.Next[:len(page.Next)-4]},
		`after "OTk5OTk5OTk5OTk5OTk5OTkuQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE" is not valid: the next of the page before is accepted`: {
			Limit: 1, After: "OTk5OTk5OTk5OTk5OTk5OTkuQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE"}, // in the year 318857
	} {
		browse.Channel = channel
		_, err := a.Browse(t.Context(), c, browse)
		var invalid *exhaust.InvalidError
		if !errors.As(err, &invalid) || err.Error() != want {
			t.Errorf("%+v: %v, want %s", browse, err, want)
		}
	}
}

func TestBeforeThereAreExhaustsAnOperatorChoosesAmongChannelsThatHaveConversations(t *testing.T) {
	s := newService(t)
	a, _ := s.callers()
	if err := sample.CreateEmbeddedTables(t.Context(), s.db); err != nil {
		t.Fatal(err)
	}
	for id, owner := range map[string]string{conversation: "b", device: "a"} {
		_, err := s.db.Exec(t.Context(), `INSERT INTO bot (id, name, ownerorgid) VALUES ($1, 'Helpdesk', $2)`, id, owner)
		if err != nil {
			t.Fatal(err)
		}
	}
	for want, c := range map[string]access.Caller{"[]": callerOf(t, nil), "[a b]": callerOf(t, nil, "operator"), "[z]": callerOf(t, []string{"z"}, "operator")} {
		if got, err := a.ListChannels(t.Context(), c); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
	}
	s.row("A", 0, func(job *exhaust.Job) { job.Channel = "c" })
	if got, err := a.ListChannels(t.Context(), callerOf(t, nil, "operator")); err != nil || fmt.Sprint(got) != "[c]" {
		t.Errorf("with an exhaust: %v, %v", got, err)
	}
}

func TestChannelsToChooseAmongAreTheCallersAndAnOperatorsThatHaveExhausts(t *testing.T) {
	s := newService(t)
	a, log := s.callers()
	for id, channel := range map[string]string{"A": "b", "B": "b", "C": "a"} {
		s.row(id, 0, func(job *exhaust.Job) { job.Channel = channel })
	}
	for want, c := range map[string]access.Caller{
		"[y z]":   callerOf(t, []string{"z", "y"}),
		"[]":      callerOf(t, nil),
		"[a b]":   callerOf(t, nil, "operator"),
		"[a b z]": callerOf(t, []string{"z", "b"}, "operator"),
	} {
		if got, err := a.ListChannels(t.Context(), c); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
	}
	if log.String() != "" {
		t.Errorf("the audit log has %s", log.String())
	}
}
