package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/internal/devstack"
	"data-exhaust/internal/e2etest"
	"data-exhaust/internal/sample"
	"data-exhaust/jobs"
	"data-exhaust/registry"
	"data-exhaust/telemetry"
)

// fakeRegistry is a registry with one conversation, of last year and this.
type fakeRegistry struct {
	conversation exhaust.Conversation
	dateFault    error
	err          error
	devices      []string
	// wait, where it is not nil, is what Conversation, or waitDevices Registered, begins with.
	wait, waitDevices func(ctx context.Context)
}

func (r fakeRegistry) Conversation(ctx context.Context, id, channel string) (exhaust.Conversation, error) {
	if r.wait != nil {
		r.wait(ctx)
	}
	switch {
	case r.err != nil:
		return exhaust.Conversation{}, r.err
	case id != r.conversation.ID || channel != r.conversation.Channel:
		return exhaust.Conversation{}, registry.ErrNoConversation
	}
	return r.conversation, r.dateFault
}

func (r fakeRegistry) Registered(ctx context.Context, _, _ string, _ int) ([]string, string, error) {
	if r.waitDevices != nil {
		r.waitDevices(ctx)
	}
	return r.devices, "", nil
}

func (fakeRegistry) Owners(context.Context) ([]string, error) { return nil, nil }

func (fakeRegistry) Conversations(context.Context, registry.ConversationSearch) ([]exhaust.Conversation, string, error) {
	return nil, "", errors.New("an estimate searches for nothing")
}

func (fakeRegistry) ConversationNames(context.Context, []string, func(string) bool) (map[string]string, error) {
	return nil, errors.New("an estimate names nothing")
}

func helpdesk() fakeRegistry {
	return fakeRegistry{conversation: exhaust.Conversation{ID: conversation, Name: "Helpdesk", Channel: channel}, devices: []string{device}}
}

func mustLayout(t *testing.T) telemetry.Layout {
	t.Helper()
	layout, err := telemetry.ParseLayout("{yyyy}/{MM}/{dd}/")
	e2etest.Must(t, err)
	return layout
}

// estimates are those of the service, from this registry and this store.
func (s *service) estimates(of Registry, store Telemetry) *Estimates {
	return NewEstimates(s.Exhausts, of, store, mustLayout(s.t))
}

func (s *service) submissionOf(dataset exhaust.Dataset, start, end exhaust.Day) exhaust.Submission {
	submission := s.submission(dataset)
	submission.DatasetConfig = fmt.Appendf(nil, `{"conversationId":%q,"startDate":%q,"endDate":%q}`, conversation, start, end)
	return submission
}

// today is the day in the service's zone.
func today() exhaust.Day { return exhaust.DayOf(time.Now().UTC()) }

func mustEstimate(t *testing.T, e *Estimates, submission exhaust.Submission) Estimate {
	t.Helper()
	got, err := e.Estimate(t.Context(), submission)
	e2etest.Must(t, err)
	return got
}

// azureStore is an empty container of an emulator.
func azureStore(t *testing.T) *blob.Azure {
	t.Helper()
	azurite, err := devstack.StartAzurite(t.Context(), devstack.AzuriteOptions{Log: os.Stderr})
	e2etest.Must(t, err)
	t.Cleanup(func() { e2etest.Must(t, azurite.Stop()) })
	store, err := blob.OpenURL(t.Context(), "azblob://telemetry/raw", blob.Env{
		AzureConnectionString: azurite.ConnectionString(), AzureAPIVersion: devstack.AzuriteAPIVersion,
	})
	e2etest.Must(t, err)
	_, err = store.(*blob.Azure).CreateContainer(t.Context())
	e2etest.Must(t, err)
	return store.(*blob.Azure)
}

func put(ctx context.Context, store blob.Store, name string, size int) error {
	file, err := store.Create(ctx, name, "application/octet-stream")
	if err != nil {
		return err
	}
	defer file.Abort()
	if _, err := io.WriteString(file, strings.Repeat("x", size)); err != nil {
		return err
	}
	return file.Commit()
}

func TestAYearIsEstimatedWithinASecond(t *testing.T) {
	s, store := newService(t), azureStore(t)
	const days = 366
	first := today().Add(1 - days)
	var (
		objects int
		bytes   int64
		without []exhaust.Day
		puts    errgroup.Group
	)
	puts.SetLimit(16)
	for i := range days {
		day := first.Add(i)
		prefix := strings.ReplaceAll(string(day), "-", "/") + "/"
		if i%50 == 7 {
			without = append(without, day) // a marker alone is no telemetry
			puts.Go(func() error { return put(t.Context(), store, prefix+"_SUCCESS", 99) })
			continue
		}
		for n := range 1 + i%3 {
			objects, bytes = objects+1, bytes+int64(10+i%7)
			puts.Go(func() error { return put(t.Context(), store, fmt.Sprintf("%spart-%d.json.gz", prefix, n), 10+i%7) })
		}
	}
	// Neighbours of the range are not of it.
	puts.Go(func() error {
		return put(t.Context(), store, strings.ReplaceAll(string(first.Add(-1)), "-", "/")+"/part-0.json.gz", 1000)
	})
	e2etest.Must(t, puts.Wait())

	e, submission := s.estimates(helpdesk(), store), s.submissionOf(exhaust.ResponseExhaust, first, today())
	want := Listing{Objects: objects, Bytes: bytes, DaysWithoutTelemetry: without}
	// An emulator on a machine that is busy with other tests may take longer, so this allows two seconds and several attempts, and
	// what is not listed in time must be said. That an estimate never takes longer than a second is tested where the store waits.
	e2etest.Eventually(t, time.Minute, "a year is listed in time", func() bool {
		begin := time.Now()
		got := mustEstimate(t, e, submission)
		took := time.Since(begin)
		t.Logf("%d objects of %d days in %s, %d days not listed", got.Objects, got.Days(), took, got.DaysNotListed)
		if took > 2*time.Second || got.Objects > objects || got.Bytes > bytes || got.Days() != days {
			t.Fatalf("after %s: %+v", took, got)
		}
		return got.DaysNotListed == 0 && got.Objects == want.Objects && got.Bytes == want.Bytes &&
			slices.Equal(got.DaysWithoutTelemetry, without) && got.WillFail == "" && got.Existing == nil && got.Seconds == nil
	})
}

func TestAnEstimateFindsWhatSubmitWouldAndStartsNothing(t *testing.T) {
	s := newService(t)
	s.work()
	store, err := blob.NewLocal(t.TempDir(), blob.LocalOptions{})
	e2etest.Must(t, err)
	e, submission := s.estimates(helpdesk(), store), s.submission(exhaust.PrivateExhaust)
	before := mustEstimate(t, e, submission)
	if before.Existing != nil || before.Range != (exhaust.Range{}) || before.Days() != 0 || before.Objects != 0 || before.WillFail != "" || before.Conversation.Name != "Helpdesk" {
		t.Errorf("before: %+v", before)
	}
	if _, err := s.Find(t.Context(), before.Request.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("an estimate has started something: %v", err)
	}
	if _, err := s.jobs.Job(t.Context(), before.Request.ID); !errors.Is(err, jobs.ErrNoJob) {
		t.Errorf("an estimate has kept something: %v", err)
	}
	job := s.submitted(submission)
	s.ended(job, exhaust.Success)
	if job.ID != before.Request.ID {
		t.Errorf("submit makes %s, the estimate was of %s", job.ID, before.Request.ID)
	}
	read, err := s.Read(t.Context(), job.Tag, job.Channel, job.ID)
	e2etest.Must(t, err)
	after := mustEstimate(t, e, submission)
	if len(read.DownloadURLs) != 1 || after.Existing == nil || len(after.Existing.DownloadURLs) > 0 || after.Existing.ReceiptURL != "" {
		t.Fatalf("read has %q, the estimate %+v", read.DownloadURLs, after.Existing)
	}
	if read = withoutURLs(read); fmt.Sprint(*after.Existing) != fmt.Sprint(read) {
		t.Errorf("it exists as %+v\nread shows %+v", *after.Existing, read)
	}
	// It took some time, which the next estimate knows.
	if after.Seconds == nil || after.Measured.Exhausts != 1 || !after.Measured.Since.Equal(read.CompletedAt.UTC().Truncate(24*time.Hour)) {
		t.Errorf("measured %+v, %+v", after.Seconds, after.Measured)
	}
	// The report is gone, as read says.
	e2etest.Must(t, s.reports.Delete(t.Context(), read.Report))
	if gone := mustEstimate(t, e, submission); gone.Existing.Message != exhaust.LossMessage {
		t.Errorf("without its report it exists as %+v", gone.Existing)
	}
	s.wantRuns(job, 1)
}

func TestAnEstimateSaysWhatItWouldFailFor(t *testing.T) {
	s := newService(t)
	store, err := blob.NewLocal(t.TempDir(), blob.LocalOptions{})
	e2etest.Must(t, err)
	yesterday := today().Add(-1)
	e2etest.Must(t, put(t.Context(), store, strings.ReplaceAll(string(yesterday), "-", "/")+"/a.json", 5))
	withDates := func(start, end exhaust.Day, fault error) fakeRegistry {
		r := helpdesk()
		r.conversation.StartDate, r.conversation.EndDate, r.dateFault = start, end, fault
		return r
	}
	nobody := helpdesk()
	nobody.devices = nil
	fault := &registry.DateError{ConversationID: conversation, Column: `startDate of table "main"."bot"`}
	for name, c := range map[string]struct {
		of         fakeRegistry
		submission exhaust.Submission
		want       string
	}{
		"another channel's":                {fakeRegistry{}, s.submission(exhaust.ResponseExhaust), "No data found for conversation in DB"},
		"no telemetry":                     {helpdesk(), s.submissionOf(exhaust.ResponseExhaust, today(), today()), "No data found"},
		"some telemetry":                   {helpdesk(), s.submission(exhaust.ResponseExhaust), ""},
		"who conversed, without telemetry": {helpdesk(), s.submissionOf(exhaust.PrivateExhaust, today(), today()), "No data found"},
		"nobody registered":                {nobody, s.submission(exhaust.PrivateExhaust), "No data found"},
		"somebody":                         {helpdesk(), s.submission(exhaust.PrivateExhaust), ""},
		"dates the wrong way": {withDates(today().Add(1), "", nil), s.submission(exhaust.ResponseExhaust),
			fmt.Sprintf("the exhaust would start on %s, after its end on %s: give startDate and endDate", today().Add(1), yesterday)},
		"too many days": {withDates(yesterday.Add(-366), "", nil), s.submission(exhaust.ResponseExhaust),
			fmt.Sprintf("%s to %s are 367 days: at most 366 days are accepted: give startDate and endDate", yesterday.Add(-366), yesterday)},
		"a date that is none": {withDates("", "", fault), s.submission(exhaust.ResponseExhaust),
			"conversation " + conversation + `: startDate of table "main"."bot" holds no date as yyyy-MM-dd: give startDate and endDate`},
		"a date that is none, not needed": {withDates("", "", fault), s.submissionOf(exhaust.ResponseExhaust, yesterday, yesterday), ""},
	} {
		got := mustEstimate(t, s.estimates(c.of, store), c.submission)
		if got.WillFail != c.want || got.Conversation.ID != conversation {
			t.Errorf("%s: %+v, want %q", name, got, c.want)
		}
	}
}

// fakeStore is a telemetry store whose answers a test makes up.
type fakeStore struct {
	list func(ctx context.Context, prefix string) ([]blob.Object, error)
	// ping is nil where it answers at once.
	ping func(ctx context.Context) error
}

func (f fakeStore) List(ctx context.Context, prefix, _ string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		objects, err := f.list(ctx, prefix)
		for _, object := range objects {
			if !yield(object, nil) {
				return
			}
		}
		if err == errHangs {
			err = waitFor(ctx)
		}
		if err != nil {
			yield(blob.Object{}, err)
		}
	}
}

// errHangs is a listing that never comes to its end.
var errHangs = errors.New("it hangs")

func (f fakeStore) Ping(ctx context.Context) error {
	if f.ping == nil {
		return nil
	}
	return f.ping(ctx)
}

func TestAStoreThatIsSlowGivesALowerBoundInTime(t *testing.T) {
	s := newService(t)
	first := today().Add(-99)
	submission := s.submissionOf(exhaust.ResponseExhaust, first, today())
	object := []blob.Object{{Name: "a.gz", Size: 32 << 20}}
	never := make(chan struct{}) // which no deadline ends, like a system call of a folder on a network
	t.Cleanup(func() { close(never) })
	// Whatever has read as much as the days that are listed here may take as long.
	for range 5 {
		e2etest.Must(t, s.jobs.Save(t.Context(), exhaust.Job{
			Request: exhaust.Request{
				ID: fmt.Sprintf("%032X", time.Now().UnixNano()), Dataset: exhaust.ResponseExhaust, Tag: "tag", Channel: "another",
				SubmittedAt: time.Now().Add(-time.Hour), Config: []byte("{}"),
			},
			State: exhaust.State{
				Status: exhaust.Success, CompletedAt: time.Now(), UpdatedAt: time.Now(), ExecutionTime: 10 * time.Second,
				Progress: exhaust.Progress{BytesTotal: 320 << 20},
			},
		}))
	}
	for name, c := range map[string]struct {
		wait    func(ctx context.Context)
		partial []blob.Object
		// 10 s for what 10 days hold, so 100 s for 100 days like these.
		seconds float64
	}{
		"which waits":      {func(ctx context.Context) { <-ctx.Done() }, nil, 100},
		"in a system call": {func(context.Context) { <-never }, nil, 100},
		"half-way through": {func(ctx context.Context) { <-ctx.Done() }, object, 100},
		// 320 MiB in whole days and 32 times 128 MiB in others are more than 100 days like the ten have.
		"with most of it in partly listed days": {func(ctx context.Context) { <-ctx.Done() }, []blob.Object{{Name: "a.gz", Size: 128 << 20}}, 138},
	} {
		var lists atomic.Int64
		store := fakeStore{list: func(ctx context.Context, _ string) ([]blob.Object, error) {
			if lists.Add(1) <= 10 {
				return object, nil
			}
			if c.partial == nil {
				c.wait(ctx)
				return nil, ctx.Err()
			}
			return c.partial, errHangs
		}}
		begin := time.Now()
		got := mustEstimate(t, s.estimates(helpdesk(), store), submission)
		took := time.Since(begin)
		// 32 are listed at a time: beside the ten, so many may have begun.
		objects := 10
		if c.partial != nil {
			objects = 10 + callListings
		}
		if took > time.Second || got.DaysNotListed != 90 || got.Objects != objects || len(got.DaysWithoutTelemetry) > 0 || got.WillFail != "" {
			t.Errorf("%s: after %s %+v", name, took, got)
		}
		if want := (Seconds{c.seconds, c.seconds, c.seconds}); got.Seconds == nil || *got.Seconds != want || got.Measured.Exhausts != 5 {
			t.Errorf("%s: %+v, want %+v", name, got.Seconds, want)
		}
	}
	// Where nothing is listed and it answers a ping, nothing is known of the time, and it fails for nothing.
	hangs := fakeStore{list: func(ctx context.Context, _ string) ([]blob.Object, error) { return nil, errHangs }}
	if got := mustEstimate(t, s.estimates(helpdesk(), hangs), submission); got.DaysNotListed != 100 || got.WillFail != "" || got.Seconds != nil {
		t.Errorf("where all hangs: %+v", got)
	}
}

// hangingStore never answers until it is released, and heeds no deadline, like a folder on a network that is away.
func hangingStore() (store fakeStore, release func()) {
	never := make(chan struct{})
	return fakeStore{
		list: func(context.Context, string) ([]blob.Object, error) {
			<-never
			return []blob.Object{{Name: "a.gz", Size: 1}}, nil
		},
		ping: func(context.Context) error {
			<-never
			return nil
		},
	}, func() { close(never) }
}

// estimateTogether makes so many estimates at once.
func estimateTogether(e *Estimates, n int, submission exhaust.Submission) (estimates []Estimate, errs []error) {
	estimates, errs = make([]Estimate, n), make([]error, n)
	var group errgroup.Group
	for i := range n {
		group.Go(func() error {
			estimates[i], errs[i] = e.Estimate(context.Background(), submission)
			return nil
		})
	}
	_ = group.Wait()
	return estimates, errs
}

func TestAStoreThatHangsHoldsABoundedNumberOfGoroutines(t *testing.T) {
	s := newService(t)
	store, release := hangingStore()
	e, submission := s.estimates(helpdesk(), store), s.submissionOf(exhaust.ResponseExhaust, today().Add(-99), today())
	before := runtime.NumGoroutine()
	estimateTogether(e, 20, submission)
	const others = 20 // of the clients of Temporal and of the database
	e2etest.Eventually(t, time.Minute, "no goroutine is left but those of 64 listings and 8 pings", func() bool {
		return runtime.NumGoroutine() <= before+64+8+others
	})
	release()
	e2etest.Eventually(t, time.Minute, "a store that answers again is listed again", func() bool {
		got, err := e.Estimate(t.Context(), submission)
		return err == nil && got.Objects == 100 && got.DaysNotListed == 0
	})
}

func TestManyEstimatesAtOnceAreListedToTheirEnd(t *testing.T) {
	s := newService(t)
	var underWay, most atomic.Int64
	store := fakeStore{list: func(context.Context, string) ([]blob.Object, error) {
		if n := underWay.Add(1); n > most.Load() {
			most.Store(n) // as good as the most
		}
		time.Sleep(time.Millisecond)
		underWay.Add(-1)
		return []blob.Object{{Name: "a.gz", Size: 1}}, nil
	}}
	submission := s.submissionOf(exhaust.ResponseExhaust, today().Add(-19), today())
	estimates, errs := estimateTogether(s.estimates(helpdesk(), store), 30, submission)
	for i, got := range estimates {
		if errs[i] != nil || got.Objects != 20 || got.DaysNotListed != 0 {
			t.Errorf("%+v, %v", got, errs[i])
		}
	}
	if n := most.Load(); n > 64 || n <= callListings {
		t.Errorf("%d were listed at a time", n)
	}
}

func waitFor(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAStoreThatIsAwayIsNotAvailable(t *testing.T) {
	s := newService(t)
	submission := s.submissionOf(exhaust.ResponseExhaust, today().Add(-9), today())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	e2etest.Must(t, err)
	e2etest.Must(t, listener.Close())
	away, err := blob.OpenURL(t.Context(), "azblob://telemetry", blob.Env{AzureConnectionString: "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;BlobEndpoint=http://" + listener.Addr().String() + "/a;"})
	e2etest.Must(t, err)
	refusing := fakeStore{list: func(context.Context, string) ([]blob.Object, error) { return nil, errors.New("permission refused") }}
	hanging, release := hangingStore()
	t.Cleanup(release)
	waits := fakeStore{list: func(context.Context, string) ([]blob.Object, error) { return nil, errHangs }, ping: waitFor}
	for name, store := range map[string]Telemetry{
		"nobody listens": away, "it refuses now": refusing, "it hangs": hanging, "it hangs until the deadline": waits,
	} {
		begin := time.Now()
		_, err := s.estimates(helpdesk(), store).Estimate(t.Context(), submission)
		if took := time.Since(begin); took > time.Second || !isUnavailable(err, "telemetry store") {
			t.Errorf("%s: after %s %v", name, took, err)
		}
	}
	// What it will always refuse ends the exhaust, and the estimate knows the sentence.
	permanent := fakeStore{list: func(_ context.Context, prefix string) ([]blob.Object, error) {
		if strings.HasSuffix(prefix, "/"+string(today().Add(-3))[8:]+"/") || strings.HasSuffix(prefix, "/"+string(today().Add(-1))[8:]+"/") {
			return nil, fmt.Errorf("list %s in secret.example: %w", prefix, &blob.PermanentError{Reason: "the account does not know the service version"})
		}
		return []blob.Object{{Name: "a.gz", Size: 1}}, nil
	}}
	got := mustEstimate(t, s.estimates(helpdesk(), permanent), submission)
	want := fmt.Sprintf("the telemetry of %s cannot be listed: the account does not know the service version", today().Add(-3))
	if got.WillFail != want || got.DaysNotListed != 2 || got.Objects != 8 || got.Seconds != nil {
		t.Errorf("%+v, want %q", got, want)
	}
	// And so are UCI's tables.
	broken := fakeRegistry{err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}
	if _, err := s.estimates(broken, permanent).Estimate(t.Context(), submission); !isUnavailable(err, "UCI database") {
		t.Errorf("without UCI's database: %v", err)
	}
}

// slowJobs is job_request on a database that does not answer for a while.
type slowJobs struct {
	*jobs.Jobs
	wait func(ctx context.Context)
}

func (j slowJobs) Search(ctx context.Context, search jobs.Search) ([]exhaust.Job, error) {
	j.wait(ctx)
	return j.Jobs.Search(ctx, search)
}

func (j slowJobs) Job(ctx context.Context, requestID string) (exhaust.Job, error) {
	j.wait(ctx)
	return j.Jobs.Job(ctx, requestID)
}

// slowReports is a reports store that does not answer for a while.
type slowReports struct {
	*blob.Local
	wait func(ctx context.Context)
}

func (r slowReports) Stat(ctx context.Context, name string) (blob.Object, error) {
	r.wait(ctx)
	return r.Local.Stat(ctx, name)
}

func TestAnEstimateTakesASecondWhateverIsSlow(t *testing.T) {
	s := newService(t)
	s.work()
	store := fakeStore{list: func(context.Context, string) ([]blob.Object, error) {
		return []blob.Object{{Name: "a.gz", Size: 1}}, nil
	}}
	submission := s.submission(exhaust.PrivateExhaust)
	job := s.ended(s.submitted(submission), exhaust.Success)
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	silent, err := net.Listen("tcp", "127.0.0.1:0") // which accepts, and says nothing
	e2etest.Must(t, err)
	t.Cleanup(func() { e2etest.Must(t, silent.Close()) })
	hanging := newServiceAt(t, silent.Addr().String())

	for way, wait := range map[string]func(context.Context){
		"until the deadline": func(ctx context.Context) { <-ctx.Done() },
		"in a system call":   func(context.Context) { <-never },
	} {
		estimate := func(e *Estimates, submission exhaust.Submission) (Estimate, error) {
			t.Helper()
			begin := time.Now()
			got, err := e.Estimate(t.Context(), submission)
			if took := time.Since(begin); took > time.Second {
				t.Errorf("%s: an estimate took %s", way, took)
			}
			return got, err
		}
		registry := helpdesk()
		registry.wait = wait
		if _, err := estimate(s.estimates(registry, store), submission); !isUnavailable(err, "UCI database") {
			t.Errorf("%s: where the registry hangs: %v", way, err)
		}
		registry = helpdesk()
		registry.waitDevices = wait
		if _, err := estimate(s.estimates(registry, store), submission); !isUnavailable(err, "FusionAuth database") {
			t.Errorf("%s: where the registrations hang: %v", way, err)
		}

		slow := *s
		slow.Exhausts = NewExhausts(s.client, slowJobs{s.jobs, wait}, s.reports, s.settings)
		got, err := estimate(slow.estimates(helpdesk(), store), submission)
		if err != nil || got.Seconds != nil || got.Measured != nil || got.Existing == nil || got.Existing.Status != exhaust.Success ||
			got.Existing.Progress.RowsUnknownDevice != 1 || len(got.Existing.DownloadURLs) > 0 || got.Request.ID != job.ID {
			t.Errorf("%s: where job_request hangs: %+v, existing %+v, %v", way, got, got.Existing, err)
		}
		slow.Exhausts = NewExhausts(s.client, s.jobs, slowReports{s.reports, wait}, s.settings)
		got, err = estimate(slow.estimates(helpdesk(), store), submission)
		if err != nil || got.Existing == nil || got.Existing.Report != job.Report || got.Existing.Message != "" || got.Seconds == nil {
			t.Errorf("%s: where the reports store hangs: %+v, %v", way, got, err)
		}
		got, err = estimate(hanging.estimates(helpdesk(), store), submission)
		if err != nil || got.Existing != nil || got.Conversation.Name != "Helpdesk" {
			t.Errorf("%s: where Temporal hangs: %+v, %v", way, got, err)
		}
		// A registry that is slow, and a store that is: what both leave of the time is not enough to list a day.
		registry = helpdesk()
		registry.wait = func(context.Context) {
			select {
			case <-time.After(500 * time.Millisecond):
			case <-never:
			}
		}
		waits := fakeStore{list: func(ctx context.Context, _ string) ([]blob.Object, error) {
			wait(ctx)
			return nil, ctx.Err()
		}}
		got, err = estimate(s.estimates(registry, waits), s.submissionOf(exhaust.ResponseExhaust, today().Add(-9), today()))
		if err != nil || got.DaysNotListed != 10 || got.WillFail != "" {
			t.Errorf("%s: where registry and store are slow: %+v, %v", way, got, err)
		}
	}
}

func TestAnEstimateThatNobodyWaitsForEndsAtOnce(t *testing.T) {
	s := newService(t)
	store, release := hangingStore()
	t.Cleanup(release)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	submission := s.submissionOf(exhaust.ResponseExhaust, today(), today())
	if got, err := s.estimates(helpdesk(), store).Estimate(ctx, submission); !errors.Is(err, context.Canceled) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func isUnavailable(err error, dependency string) bool {
	unavailable, ok := errors.AsType[*UnavailableError](err)
	return ok && unavailable.Dependency == dependency
}

func TestAnEstimateRefusesWhatSubmitRefuses(t *testing.T) {
	s := newService(t)
	e2etest.Must(t, sample.CreateEmbeddedTables(t.Context(), s.db))
	e := s.estimates(helpdesk(), fakeStore{})
	for _, edit := range []func(*exhaust.Submission){
		func(o *exhaust.Submission) { o.Tag, o.Dataset = "", "" },
		func(o *exhaust.Submission) { o.Dataset = "other" },
		func(o *exhaust.Submission) { o.Channel = "a|b" },
		func(o *exhaust.Submission) { o.RunAt = "soon" },
		func(o *exhaust.Submission) { o.OutputFormat = "pdf" },
		func(o *exhaust.Submission) {
			o.DatasetConfig = []byte(`{"conversationId":"a","startDate":"2022-02-30"}`)
		},
		func(o *exhaust.Submission) { o.DatasetConfig = []byte(`{"encryptionKey":"x"}`) },
		func(o *exhaust.Submission) { o.Purpose = "\x00" },
	} {
		submission := s.submission(exhaust.ResponseExhaust)
		edit(&submission)
		_, want := s.Submit(t.Context(), submission)
		_, got := e.Estimate(t.Context(), submission)
		if want == nil || got == nil || got.Error() != want.Error() {
			t.Errorf("%+v: %v, submit says %v", submission, got, want)
		}
	}
}
