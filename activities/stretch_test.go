package activities_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/receipt"
)

// objectName is the name of the n-th telemetry object of 1 March.
func objectName(n int) string { return fmt.Sprintf("2022-03-01-%02d.json", n) }

// objects puts so many, each with an event of its own, one that all share, and a line that is none.
func (r *rig) objects(n int) {
	for i := range n {
		r.put(objectName(i), answer(fmt.Sprintf("m%02d", i), fmt.Sprintf("2022-03-01T10:00:%02dZ", 59-i), device(1+i%7)),
			answer("shared", "2022-03-01T09:00:00Z", device(1)), "no JSON")
	}
}

// onCores are the activities on so many cores, with a telemetry store between them and the rig's.
func (r *rig) onCores(cores int, telemetry blob.Store) *activities.Activities {
	deps, settings := r.deps, r.settings
	settings.Cores = cores
	if telemetry != nil {
		deps.Telemetry = telemetry
	}
	return activities.New(deps, settings)
}

func TestTheNumberOfCoresChangesNothing(t *testing.T) {
	r := newRig(t)
	const n = 24
	r.objects(n)
	r.grow(objectName(3), 64<<20) // another attempt can go on behind it, or a few objects later
	r.grow(objectName(9), 64<<20)
	part := r.part("2022-03-01", "2022-03-01")
	type outcome struct {
		fetched             activities.Fetched
		built               activities.Built
		csv, oneStep        string
		proof, oneStepProof receipt.Receipt
	}
	outcomeOf := func(cores int) (o outcome) {
		r.Activities = r.onCores(cores, nil)
		o.fetched = must[activities.Fetched](r, r.FetchTelemetry, r.fetchInput(part))
		_, o.built = r.joinAndBuild(exhaust.ResponseExhaust, o.fetched)
		o.csv, o.proof = r.report(o.built.Report), r.proof(o.built)
		in := r.oneStep(exhaust.ResponseExhaust)
		in.Request.EndDate = "2022-03-31"
		built := must[activities.Built](r, r.MakeReport, in)
		o.oneStep, o.oneStepProof = r.report(built.Report), r.proof(built)
		o.fetched.Segments, o.fetched.Read = nil, nil // named after the attempt
		return o
	}

	one := outcomeOf(1)
	// Of devices 1 to 7 the registry knows six.
	if one.built.RowsWritten != 22 || one.built.RowsUnknownDevice != 3 || one.built.Repeats != n-1 {
		t.Errorf("%d rows, %d of unknown devices, %d repeats; want 22, 3, 23", one.built.RowsWritten, one.built.RowsUnknownDevice, one.built.Repeats)
	}
	if one.fetched.Objects != n || one.fetched.EventsMatched != 2*n || one.fetched.LinesSkipped != n || one.fetched.BytesRead != part.Bytes {
		t.Errorf("counted %+v", one.fetched)
	}
	if got := column(rows(t, one.csv), 0); !strings.HasPrefix(got, "shared m23 m22 m21 m19 m18 ") || !strings.HasSuffix(got, " m01 m00") {
		t.Errorf("messages %s", got)
	}
	for i, read := range one.proof.Objects {
		if read.Name != objectName(i) || read.Lines != 3 || read.Matched != 2 || read.Skipped != 1 {
			t.Errorf("the receipt names %+v", read)
		}
	}
	if len(one.proof.Objects) != n {
		t.Errorf("the receipt names %d objects of %d", len(one.proof.Objects), n)
	}
	if one.oneStep != one.csv || !reflect.DeepEqual(one.oneStepProof, one.proof) {
		t.Error("one step gives another file or receipt than two")
	}
	for _, cores := range []int{2, 8} {
		if got := outcomeOf(cores); !reflect.DeepEqual(got, one) {
			t.Errorf("%d cores give\n%+v\none gives\n%+v", cores, got, one)
		}
	}
}

// proof is a report's receipt, but for when it was made.
func (r *rig) proof(built activities.Built) receipt.Receipt {
	proof := r.readReceipt(built.Receipt)
	proof.CreatedAt = time.Time{}
	return proof
}

// gate is a telemetry store that tells when an object is read first and closed, and lets a test hold up its reading.
type gate struct {
	*store
	mu      sync.Mutex
	reading map[string]chan struct{}
	closed  map[string]chan struct{}
	// before is called before each read of an object, if it is there.
	before map[string]func()
	// current counts the objects that are being read, most is the largest number of them; open counts those that are open.
	current, most int
	open          atomic.Int32
}

func newGate(r *rig) *gate {
	g := &gate{reading: map[string]chan struct{}{}, closed: map[string]chan struct{}{}, before: map[string]func(){}}
	for n := range 40 {
		g.reading[objectName(n)], g.closed[objectName(n)] = make(chan struct{}), make(chan struct{})
	}
	g.store = &store{Store: r.telemetryStore, reading: func(name string, source io.ReadCloser) io.ReadCloser {
		g.open.Add(1)
		return &gatedReader{ReadCloser: source, gate: g, name: name}
	}}
	return g
}

type gatedReader struct {
	io.ReadCloser
	gate            *gate
	name            string
	isRead, isEnded bool
}

func (r *gatedReader) Read(p []byte) (int, error) {
	if !r.isRead {
		r.isRead = true
		r.gate.count(1)
		close(r.gate.reading[r.name])
	}
	if before := r.gate.before[r.name]; before != nil {
		before()
	}
	n, err := r.ReadCloser.Read(p)
	if err != nil && !r.isEnded {
		r.isEnded = true
		r.gate.count(-1)
	}
	return n, err
}

func (r *gatedReader) Close() error {
	if r.isRead && !r.isEnded {
		r.isEnded = true
		r.gate.count(-1)
	}
	r.gate.open.Add(-1)
	close(r.gate.closed[r.name]) // which panics where it is closed twice
	return r.ReadCloser.Close()
}

func (g *gate) count(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.current += n
	g.most = max(g.most, g.current)
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestAnIdleCoreHelps(t *testing.T) {
	r := newRig(t)
	r.objects(2)
	part := r.part("2022-03-01", "2022-03-01")
	for _, activity := range []string{"FetchTelemetry", "MakeReport"} {
		g := newGate(r)
		g.before[objectName(0)] = func() { <-g.reading[objectName(1)] } // or else the test takes for ever
		acts := r.onCores(2, g)
		if activity == "FetchTelemetry" {
			if _, err := runOf[activities.Fetched](r, acts, acts.FetchTelemetry, r.fetchInput(part)); err != nil {
				t.Error(err)
			}
			continue
		}
		in := buildInput(exhaust.ResponseExhaust)
		in.Part = &part
		if _, err := runOf[activities.Built](r, acts, acts.MakeReport, in); err != nil {
			t.Error(err)
		}
	}
}

func TestTheNextObjectIsOpenedWhileOneIsRead(t *testing.T) {
	r := newRig(t)
	r.objects(3)
	part := r.part("2022-03-01", "2022-03-01")
	opened := make(chan struct{})
	g := newGate(r)
	g.opening = func(name string) error {
		if name == objectName(1) {
			close(opened)
		}
		return nil
	}
	g.before[objectName(0)] = func() { <-opened }
	acts := r.onCores(1, g)
	if _, err := runOf[activities.Fetched](r, acts, acts.FetchTelemetry, r.fetchInput(part)); err != nil {
		t.Error(err)
	}
	if g.most != 1 {
		t.Errorf("%d objects were read at a time on one core", g.most)
	}
}

// TestACoreGoesToTheStepThatBegins: two steps on two cores have one each, though one had both before.
func TestACoreGoesToTheStepThatBegins(t *testing.T) {
	r := newRig(t)
	r.objects(6)
	long := r.part("2022-03-01", "2022-03-01")
	r.put("2022-03-02-a.json", answer("a", "2022-03-02T10:00:00Z", device(1)))
	other := r.part("2022-03-02", "2022-03-02")
	synctest.Test(t, func(t *testing.T) {
		g := newGate(r)
		g.reading["2022-03-02-a.json"], g.closed["2022-03-02-a.json"] = make(chan struct{}), make(chan struct{})
		goOn := map[string]chan struct{}{}
		for name := range g.reading {
			goOn[name] = make(chan struct{})
			g.before[name] = func() { <-goOn[name] }
		}
		acts := r.onCores(2, g)
		var steps sync.WaitGroup
		step := func(part activities.Part) {
			steps.Go(func() {
				if _, err := runOf[activities.Fetched](r, acts, acts.FetchTelemetry, r.fetchInput(part)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // everything waits for what the test does next
		}
		read := func() (names []string) {
			for name, reading := range g.reading {
				if isClosed(reading) && !isClosed(g.closed[name]) {
					names = append(names, name)
				}
			}
			slices.Sort(names)
			return names
		}
		expect := func(what string, want ...string) {
			t.Helper()
			if got := read(); !slices.Equal(got, want) {
				t.Errorf("%s, %v are read; want %v", what, got, want)
			}
		}
		end := func(name string) {
			close(goOn[name])
			synctest.Wait()
		}

		step(long)
		expect("alone", objectName(0), objectName(1))
		step(other)
		expect("when another step begins", objectName(0), objectName(1), "2022-03-02-a.json")
		end(objectName(1))
		expect("when the helper's object is read", objectName(0), "2022-03-02-a.json")
		end(objectName(0))
		expect("while the other goes on", objectName(2), "2022-03-02-a.json")
		end("2022-03-02-a.json")
		end(objectName(2))
		expect("when the other has ended", objectName(3), objectName(4))
		for n := 3; n < 6; n++ {
			end(objectName(n))
		}
		steps.Wait()
	})
}

// damage makes the n-th object one whose gzip data ends early, last written an hour ago or now.
func (r *rig) damage(n int, isOld bool) {
	whole := zipped(answer("x", "2022-03-01T10:00:00Z", device(1)))
	r.write(objectName(n), whole[:len(whole)-9])
	if isOld {
		hourAgo := time.Now().Add(-time.Hour)
		if err := os.Chtimes(filepath.Join(r.telemetryDir, objectName(n)), hourAgo, hourAgo); err != nil {
			r.t.Fatal(err)
		}
	}
}

func TestOfTwoObjectsThatFailTheFirstIsNamed(t *testing.T) {
	r := newRig(t)
	r.settings.SettleTime = time.Minute
	r.objects(5)
	r.damage(1, true)
	r.damage(2, true)
	part := r.part("2022-03-01", "2022-03-01")
	for _, cores := range []int{1, 2, 8} {
		g := newGate(r)
		if cores > 1 {
			g.before[objectName(1)] = func() { <-g.closed[objectName(2)] } // that one fails first
		}
		acts := r.onCores(cores, g)
		_, err := runOf[activities.Fetched](r, acts, acts.FetchTelemetry, r.fetchInput(part))
		want := fmt.Sprintf("telemetry object %q is corrupt: its gzip data ends early", objectName(1))
		if failure := applicationError(t, err); failure.Type() != activities.CorruptTelemetry || failure.Message() != want {
			t.Errorf("%d cores: %s: %s\nwant %s", cores, failure.Type(), failure.Message(), want)
		}
	}
}

func TestAnObjectBehindOneThatFailsIsNotWaitedFor(t *testing.T) {
	r := newRig(t)
	r.settings.SettleTime = time.Minute
	r.objects(2)
	r.damage(0, true)
	part := r.part("2022-03-01", "2022-03-01")
	synctest.Test(t, func(t *testing.T) {
		g := newGate(r)
		g.before[objectName(0)] = func() { <-g.reading[objectName(1)] }
		acts := r.onCores(2, &hanging{gate: g, name: objectName(1)})
		began := time.Now() // by the clock of synctest, which jumps to the next deadline when all wait
		_, err := runOf[activities.Fetched](r, acts, acts.FetchTelemetry, r.fetchInput(part))
		if failure := applicationError(t, err); !strings.Contains(failure.Message(), objectName(0)) {
			t.Errorf("it ended with %v", err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the other object was waited for, for %s", took)
		}
	})
}

// hanging is a store that gives nothing of one object until its reader gives up.
type hanging struct {
	*gate
	name string
}

func (h *hanging) OpenVersion(ctx context.Context, object blob.Object) (io.ReadCloser, error) {
	source, err := h.gate.OpenVersion(ctx, object)
	if err == nil && object.Name == h.name {
		return &hangingReader{source, ctx}, nil
	}
	return source, err
}

type hangingReader struct {
	io.ReadCloser
	ctx context.Context
}

func (r *hangingReader) Read(p []byte) (int, error) {
	if n, err := r.ReadCloser.Read(p[:1]); err != nil {
		return n, err
	}
	<-r.ctx.Done()
	return 0, r.ctx.Err()
}

// heartbeats records those of the activities of an environment.
func heartbeats(t *testing.T, env *testsuite.TestActivityEnvironment) func() []activities.Heartbeat {
	var mu sync.Mutex
	var beats []activities.Heartbeat
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var beat activities.Heartbeat
		if err := details.Get(&beat); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		beats = append(beats, beat)
	})
	return func() []activities.Heartbeat {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(beats)
	}
}

func TestOnlyTheFirstOfTheUnfinishedObjectsIsWatched(t *testing.T) {
	for _, cores := range []int{1, 2, 8} {
		r := newRig(t)
		r.settings.SettleTime = time.Hour
		r.objects(5)
		r.damage(2, false)
		r.damage(3, false)
		part := r.part("2022-03-01", "2022-03-01")
		acts := r.onCores(cores, nil)
		env := r.environment(acts)
		beats := heartbeats(t, env)
		_, err := env.ExecuteActivity(acts.FetchTelemetry, r.fetchInput(part))
		if failure := applicationError(t, err); failure.Message() != fmt.Sprintf("telemetry object %q is still being written", objectName(2)) {
			t.Errorf("%d cores: %s", cores, failure.Message())
		}
		sent := beats()
		if len(sent) == 0 || sent[len(sent)-1].Fetch == nil {
			t.Fatalf("%d cores: heartbeats %+v", cores, sent)
		}
		resume := sent[len(sent)-1].Fetch
		if len(resume.Watches) != 1 || resume.Watches[0].Index != 2 || resume.Watches[0].Looks != 1 || resume.Next != 0 {
			t.Errorf("%d cores: another attempt begins with %+v", cores, resume)
		}
	}
}

func TestAnotherAttemptReadsNothingTwiceThatCoresHaveReadTogether(t *testing.T) {
	r := newRig(t)
	r.objects(6)
	for n := range 6 {
		r.grow(objectName(n), 32<<20)
	}
	part := r.part("2022-03-01", "2022-03-01")
	want := must[activities.Fetched](r, r.FetchTelemetry, r.fetchInput(part))
	_, built := r.joinAndBuild(exhaust.ResponseExhaust, want)
	csv, proof := r.report(built.Report), r.proof(built)

	var seen opened
	isBroken := false
	acts := r.onCores(2, &store{
		Store:   r.telemetryStore,
		opening: func(name string) error { seen.add(name); return nil },
		reading: func(name string, source io.ReadCloser) io.ReadCloser {
			if name == objectName(4) && !isBroken {
				isBroken = true
				return &breaking{source, 1 << 20}
			}
			return source
		},
	})
	got, err := r.fetchUntilItEnds(acts, r.fetchInput(part))
	if err != nil {
		t.Fatal(err)
	}
	// Another attempt can go on behind every second object: every 64 MiB.
	times := map[string]int{objectName(0): 1, objectName(1): 1, objectName(2): 1, objectName(3): 1, objectName(4): 2, objectName(5): 2}
	if !reflect.DeepEqual(seen.times(), times) {
		t.Errorf("opened %v, want %v", seen.times(), times)
	}
	wantSegmentsOfTwoAttempts(t, got.Segments, 2, 1)
	if got.BytesRead != want.BytesRead || got.EventsMatched != 12 || got.LinesSkipped != 6 || got.Objects != 6 {
		t.Errorf("counted %+v", got)
	}
	_, built = r.joinAndBuild(exhaust.ResponseExhaust, got)
	if r.report(built.Report) != csv || !reflect.DeepEqual(r.proof(built), proof) {
		t.Error("the file or its receipt differs from that of an undisturbed exhaust")
	}
}

// slow gives a few bytes every 5 s: a test's environment tells of a heartbeat every 30 s.
type slow struct{ io.ReadCloser }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(5 * time.Second) // by the clock of synctest
	return s.ReadCloser.Read(p[:min(len(p), 40)])
}

func TestTheProgressOfAllCoresAddsUpAndNeverGoesBack(t *testing.T) {
	r := newRig(t)
	r.objects(8)
	part := r.part("2022-03-01", "2022-03-01")
	largest := part.Bytes/8 + 10
	synctest.Test(t, func(t *testing.T) {
		acts := r.onCores(4, &store{Store: r.telemetryStore, reading: func(_ string, source io.ReadCloser) io.ReadCloser { return slow{source} }})
		env := r.environment(acts)
		beats := heartbeats(t, env)
		if _, err := env.ExecuteActivity(acts.FetchTelemetry, r.fetchInput(part)); err != nil {
			t.Fatal(err)
		}
		sent := beats()
		if len(sent) < 5 {
			t.Fatalf("%d heartbeats", len(sent))
		}
		for i, beat := range sent[1:] {
			if before := sent[i]; beat.BytesRead < before.BytesRead || beat.EventsMatched < before.EventsMatched || beat.LinesSkipped < before.LinesSkipped {
				t.Errorf("%+v comes behind %+v", beat.Heartbeat, before.Heartbeat)
			}
		}
		// Four objects are read at a time: before the first is read whole, more has been read than one holds.
		isSum := slices.ContainsFunc(sent, func(beat activities.Heartbeat) bool { return beat.EventsMatched == 0 && beat.BytesRead > 2*largest })
		if last := sent[len(sent)-1]; !isSum || last.BytesRead > part.Bytes || last.EventsMatched > 16 || last.LinesSkipped > 8 || last.EventsMatched < 8 {
			t.Errorf("of %d bytes, heartbeats told %+v", part.Bytes, sent)
		}
	})
}

// TestNothingOfAPartIsLeftRunning: synctest ends with a failure where a goroutine of the test is left.
// stopAndWait stops the worker, and waits within the test's own time until whoever watches for that has seen it.
func stopAndWait(stop func()) func() {
	return sync.OnceFunc(func() {
		stop()
		time.Sleep(time.Millisecond)
	})
}

func TestNothingOfAPartIsLeftRunning(t *testing.T) {
	errGone := errors.New("gone")
	for name, c := range map[string]struct {
		before  func(stop func()) func()
		opening error
		want    string
	}{
		"read whole":           {before: func(func()) func() { return func() {} }},
		"a panic while read":   {before: func(func()) func() { return func() { panic("made up") } }, want: "made up"},
		"the worker stops":     {before: stopAndWait, want: "the worker is stopping"},
		"it cannot be opened":  {opening: errGone, want: "telemetry store: "},
		"a panic while opened": {opening: nil, want: "made up"},
	} {
		for n := range 4 {
			t.Run(fmt.Sprintf("%s, object %d", name, n), func(t *testing.T) {
				r := newRig(t)
				r.objects(8)
				part := r.part("2022-03-01", "2022-03-01")
				synctest.Test(t, func(t *testing.T) {
					g := newGate(r)
					stopping := make(chan struct{})
					if c.before != nil {
						g.before[objectName(n)] = c.before(func() { close(stopping) })
					} else {
						g.opening = func(name string) error {
							if name == objectName(n) && c.opening == nil {
								panic("made up")
							}
							if name == objectName(n) {
								return c.opening
							}
							return nil
						}
					}
					acts := r.onCores(3, g)
					env := r.environment(acts)
					env.SetWorkerStopChannel(stopping)
					_, err := env.ExecuteActivity(acts.FetchTelemetry, r.fetchInput(part))
					if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
						t.Errorf("it ended with %v, want %q", err, c.want)
					}
					if panicked, ok := errors.AsType[*temporal.PanicError](err); strings.HasPrefix(name, "a panic") && (!ok || panicked.Error() != "made up") {
						t.Errorf("it ended with %v, which is not the panic", err)
					}
					if open := g.open.Load(); open != 0 {
						t.Errorf("%d objects were left open", open)
					}
				})
			})
		}
	}
}

// BenchmarkAPartOfManyObjects reads 128 MB of which little matches.
func BenchmarkAPartOfManyObjects(b *testing.B) {
	r := newRig(b)
	other := strings.ReplaceAll(matchingLine, conversation, "another")
	var lines []string
	for range 8_000_000 / len(other) {
		lines = append(lines, strings.TrimSuffix(other, "\n"))
	}
	for n := range 16 {
		r.put(objectName(n)+".gz", append(lines, answer(fmt.Sprint(n), "2022-03-01T10:00:00Z", device(1)))...)
	}
	part := r.part("2022-03-01", "2022-03-01")
	for _, cores := range []int{1, 2} {
		b.Run(fmt.Sprintf("cores=%d", cores), func(b *testing.B) {
			acts := r.onCores(cores, nil)
			b.SetBytes(16 * 8_000_000)
			for b.Loop() {
				if _, err := runOf[activities.Fetched](r, acts, acts.FetchTelemetry, r.fetchInput(part)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
