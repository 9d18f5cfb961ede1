package activities_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"

	"data-exhaust/activities"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
)

// errGivenUp is the answer to an attempt that Temporal has given up.
var errGivenUp = errors.New("workflow execution already completed")

// frozen makes activities of which an attempt freezes when it asks for the n-th time (from 1) whether it is still the
// current one, and goes on when meanwhile returns; given up as Temporal has it then, or not.
func (r *rig) frozen(n int32, isGivenUp bool, meanwhile func()) *activities.Activities {
	deps, asked := r.deps, new(atomic.Int32)
	deps.Confirm = func(context.Context, any) error {
		switch now := asked.Add(1); {
		case now == n:
			if isGivenUp {
				meanwhile()
				return errGivenUp
			}
			defer meanwhile() // the answer was given before
			return nil
		case now > n:
			return errGivenUp
		}
		return nil
	}
	return activities.New(deps, r.settings)
}

// isMade checks that there is one report with the receipt of just this file and this summary, which shows the phone number of a device, or
// hides it.
func (r *rig) isMade(isShown bool) {
	r.t.Helper()
	if got, want := r.files("uci-"), []string{privateReport, privateReport + ".receipt.json", privateReport + ".summary.json"}; !reflect.DeepEqual(got, want) {
		r.t.Fatalf("the files are %q, want %q", got, want)
	}
	text := r.report(privateReport)
	receipt := r.readReceipt(privateReport + ".receipt.json")
	if err := receipt.CheckFile(bytes.NewReader([]byte(text))); err != nil {
		r.t.Error(err)
	}
	if sum := sha256.Sum256([]byte(r.report(privateReport + ".summary.json"))); receipt.Summary.SHA256 != hex.EncodeToString(sum[:]) {
		r.t.Errorf("the receipt is of another summary: %+v", receipt.Summary)
	}
	if strings.Contains(text, phone(1)) != isShown {
		r.t.Errorf("the file is\n%s", text)
	}
}

func (r *rig) isGone() {
	r.t.Helper()
	if got := r.files("uci-"); got != nil {
		r.t.Errorf("left are %q", got)
	}
}

func TestAnAttemptThatWasFrozenReplacesNothingThatAnotherMade(t *testing.T) {
	for name, test := range map[string]struct {
		asks      int32
		isGivenUp bool
	}{
		"before it asked whether it is current":   {1, true},
		"behind the answer":                       {1, false},
		"when it asked again, with all published": {2, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			in := buildInput(exhaust.PrivateExhaust)
			acts := r.frozen(test.asks, test.isGivenUp, func() {
				// Meanwhile consent is withdrawn, and the next attempt makes the file.
				r.exec(`UPDATE users SET data = '{"device":{"consent":false}}' WHERE id = $1`, device(1))
				must[activities.Built](r, r.BuildReport, in)
				r.isMade(false)
			})
			if _, err := runOf[activities.Built](r, acts, acts.BuildReport, in); err == nil {
				t.Error("it says that it has made the report")
			}
			r.isMade(false)
		})
	}
}

func TestAnAttemptThatWasFrozenLeavesNothingOfAnExhaustThatWasEnded(t *testing.T) {
	for name, test := range map[string]struct {
		asks      int32
		isGivenUp bool
	}{
		"before it asked whether it is current":   {1, true},
		"behind the answer":                       {1, false},
		"when it asked again, with all published": {2, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			in := buildInput(exhaust.PrivateExhaust)
			acts := r.frozen(test.asks, test.isGivenUp, func() {
				ended := must[activities.Ended](r, r.EndExhaust, cancelled(in.Request))
				if ended.IsLeft {
					t.Error("files are left")
				}
				r.isGone()
			})
			if _, err := runOf[activities.Built](r, acts, acts.BuildReport, in); err == nil {
				t.Error("it says that it has made the report")
			}
			r.isGone()
		})
	}
}

func cancelled(request exhaust.Request) activities.EndInput {
	job := exhaust.Job{Request: request, State: exhaust.State{Status: exhaust.Cancelled, Message: "cancelled on request"}}
	job.SubmittedAt, job.UpdatedAt, job.CompletedAt = time.Now(), time.Now(), time.Now()
	return activities.EndInput{Job: job, Staging: staging}
}

// TestACleaningUpThatWasFrozenDeletesNothingOfTheNextAttempt: a RemoveFiles that was frozen for 11 s deleted the report of
// the attempt that had been asked for meanwhile.
func TestACleaningUpThatWasFrozenDeletesNothingOfTheNextAttempt(t *testing.T) {
	for name, isGivenUp := range map[string]bool{"before it asked whether it is current": true, "behind the answer": false} {
		t.Run(name, func(t *testing.T) {
			for step, clean := range map[string]func(acts *activities.Activities, r *rig, in exhaust.Request) error{
				"EndExhaust": func(acts *activities.Activities, r *rig, in exhaust.Request) error {
					_, err := runOf[activities.Ended](r, acts, acts.EndExhaust, cancelled(in))
					return err
				},
				"RemoveLeftovers": func(acts *activities.Activities, r *rig, in exhaust.Request) error {
					_, err := r.environment(acts).ExecuteActivity(acts.RemoveLeftovers, cancelled(in))
					return err
				},
				"RemoveFiles": func(acts *activities.Activities, r *rig, in exhaust.Request) error {
					_, err := r.environment(acts).ExecuteActivity(acts.RemoveFiles, []string{staging, in.ReportPrefix()})
					return err
				},
			} {
				r := newRig(t)
				in := buildInput(exhaust.PrivateExhaust)
				must[activities.Built](r, r.BuildReport, in) // an attempt whose worker died when it had published
				acts := r.frozen(1, isGivenUp, func() {
					next := in
					next.Attempts, next.Staging = 1, "staging/1E2A/next/"
					r.exec(`UPDATE users SET data = '{"device":{"consent":false}}' WHERE id = $1`, device(1))
					must[activities.Built](r, r.BuildReport, next)
					r.isMade(false)
				})
				if err := clean(acts, r, in.Request); err != nil && (step == "EndExhaust" || !isGivenUp) {
					t.Errorf("%s: %v", step, err)
				}
				r.isMade(false)
			}
		})
	}
}

func TestAReportWithoutItsReceiptIsWithdrawn(t *testing.T) {
	r := newRig(t)
	deps := r.deps
	deps.Reports = lostReceipts{r.reportStore}
	acts := activities.New(deps, r.settings)
	_, err := runOf[activities.Built](r, acts, acts.BuildReport, buildInput(exhaust.PrivateExhaust))
	if failure := applicationError(t, err); failure.NonRetryable() || failure.Type() != activities.Unavailable {
		t.Errorf("got %v", err)
	}
	r.isGone()
}

// lostReceipts is a store that is away when a receipt is to be committed.
type lostReceipts struct{ blob.Store }

func (s lostReceipts) Create(ctx context.Context, name, contentType string) (blob.Writer, error) {
	w, err := s.Store.Create(ctx, name, contentType)
	if strings.HasSuffix(name, ".receipt.json") {
		w = lostCommit{w}
	}
	return w, err
}

type lostCommit struct{ blob.Writer }

func (lostCommit) CommitIf(string) (blob.Object, error) { return blob.Object{}, errAway }

func TestACancellationThatComesWhenAllIsPublishedComesTooLate(t *testing.T) {
	r := newRig(t)
	deps, asked := r.deps, 0
	deps.Confirm = func(context.Context, any) error {
		if asked++; asked == 2 {
			return temporal.NewCanceledError()
		}
		return nil
	}
	acts := activities.New(deps, r.settings)
	if _, err := runOf[activities.Built](r, acts, acts.BuildReport, buildInput(exhaust.PrivateExhaust)); err != nil {
		t.Fatal(err)
	}
	r.isMade(true)
}

func TestABuildGoesOnBehindWhatAnEarlierAttemptHasJoined(t *testing.T) {
	r := newRig(t)
	in := buildInput(exhaust.PrivateExhaust)
	joined := must[activities.Joined](r, r.JoinDevices, activities.JoinInput{
		Dataset: exhaust.PrivateExhaust, ConversationID: conversation, Staging: staging, FromRegistry: true,
	})
	deps := r.deps
	deps.UCI = noRegistry{}
	acts := activities.New(deps, r.settings)
	env := r.environment(acts)
	env.SetHeartbeatDetails(activities.Heartbeat{Joined: &joined})
	value, err := env.ExecuteActivity(acts.BuildReport, in)
	if err != nil {
		t.Fatal(err)
	}
	var built activities.Built
	if err := value.Get(&built); err != nil || built.Joined.Attempt != joined.Attempt || built.RowsWritten != 6 {
		t.Errorf("built %+v, %v", built, err)
	}
	r.isMade(true)

	// Without that, the registry is asked, and says why it does not answer.
	_, err = runOf[activities.Built](r, acts, acts.BuildReport, in)
	failure := applicationError(t, err)
	if failure.NonRetryable() || failure.Type() != activities.Unavailable || failure.Message() != "registry: it failed" || !strings.Contains(because(t, failure), errAway.Error()) {
		t.Errorf("got %v", err)
	}
}

type noRegistry struct{ activities.UCI }

func (noRegistry) Registered(context.Context, string, string, int) ([]string, string, error) {
	return nil, "", errAway
}

func (noRegistry) Devices(context.Context, []uuid.UUID, bool) ([]exhaust.Device, error) {
	return nil, errAway
}

func TestOverlappingAttemptsAtJoiningDoNotMixWhatTheyStage(t *testing.T) {
	r := newRig(t)
	in := buildInput(exhaust.PrivateExhaust)
	// The first attempt has joined, and is given up before it builds; consent is withdrawn, and the next one does all.
	joined := must[activities.Joined](r, r.JoinDevices, activities.JoinInput{
		Dataset: exhaust.PrivateExhaust, ConversationID: conversation, Staging: staging, FromRegistry: true,
	})
	before := r.report(staging + "devices-" + joined.Attempt)
	r.exec(`UPDATE users SET data = '{"device":{"consent":false}}' WHERE id = $1`, device(1))
	must[activities.Built](r, r.BuildReport, in)
	if r.report(staging+"devices-"+joined.Attempt) != before {
		t.Error("the next attempt has written over what the first one staged")
	}
	r.isMade(false)
}
