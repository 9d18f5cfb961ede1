package workflows_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"data-exhaust/activities/night"
	"data-exhaust/exhaust"
	"data-exhaust/internal/e2etest"
	"data-exhaust/workflows"
)

const nightDir = "testdata/night"

// nightRecording is a night of which a history is kept.
type nightRecording struct {
	world  *nightWorld
	in     workflows.NightInput
	cancel bool
}

func nightRecordings() map[string]nightRecording {
	in := workflows.NightInput{Concurrency: 2, Watch: 4 * time.Second, Timeout: time.Hour}
	quietNight := newNightWorld(0, 0)

	busy := newNightWorld(7, 3)
	busy.ends = func(id string, look int) night.Standing {
		switch id {
		case "w00002":
			return failedAs(id, exhaust.Failed, "No data found", 0)
		case "w00004":
			return night.Standing{Waiting: "registry: no answer; tried once, trying again"}
		}
		return succeeded(id)
	}
	busy.answer = func(d night.Due, try int) night.Answer {
		if d.RequestID == "w00005" && try == 1 {
			return night.IsBusy
		}
		return night.IsReleased
	}
	busy.clean = func(step string) error {
		if step == "expired" {
			return temporal.NewNonRetryableApplicationError("the store is away", "Broken", nil)
		}
		return nil
	}

	continued := newNightWorld(4, 1)
	carrying := in
	carrying.Carried = &workflows.Night{
		StartedAt: nightBegan, After: "w00001",
		Running:  []night.Due{{RequestID: "w00000", Status: exhaust.Submitted}}, // of an earlier release
		InFlight: []workflows.Released{{RequestID: "w00001", At: nightBegan}},
		Summary:  workflows.Summary{StartedAt: nightBegan, Starts: 998, Success: 998},
	}

	cancelled := newNightWorld(5, 0)
	cancelled.ends = func(id string, _ int) night.Standing {
		if id == "w00001" {
			return night.Standing{}
		}
		return succeeded(id)
	}
	return map[string]nightRecording{
		"quiet":     {world: quietNight, in: in},
		"busy":      {world: busy, in: in},
		"continued": {world: continued, in: carrying},
		"cancelled": {world: cancelled, in: in, cancel: true},
	}
}

// TestRecordNights runs each kind of night on a real server. Today's histories replay too, and with
// -record they are kept.
func TestRecordNights(t *testing.T) {
	c := connect(t)
	for name, recording := range nightRecordings() {
		t.Run(name, func(t *testing.T) {
			w := worker.New(c, t.Name(), worker.Options{Identity: "worker"})
			w.RegisterWorkflow(workflows.Nightly)
			recording.world.register(w)
			if err := w.Start(); err != nil {
				t.Fatal(err)
			}
			defer w.Stop()
			run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "nightly-" + name, TaskQueue: t.Name()}, workflows.Nightly, recording.in)
			if err != nil {
				t.Fatal(err)
			}
			if recording.cancel {
				recording.world.awaitRelease(t, "w00001")
				if err := c.CancelWorkflow(t.Context(), run.GetID(), ""); err != nil {
					t.Fatal(err)
				}
			}
			if err := run.Get(t.Context(), nil); (err != nil) != recording.cancel {
				t.Fatal(err)
			}
			h := history(t, c, run)
			if err := nightReplayer(t).ReplayWorkflowHistory(quiet, h); err != nil {
				t.Error(err)
			}
			if !*record {
				return
			}
			text, err := temporalproto.CustomJSONMarshalOptions{Indent: "  "}.Marshal(h)
			if err == nil {
				err = os.WriteFile(filepath.Join(nightDir, name+".json"), append(text, '\n'), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// awaitRelease waits until an exhaust has been released.
func (w *nightWorld) awaitRelease(t *testing.T, id string) {
	t.Helper()
	e2etest.Eventually(t, 30*time.Second, id+" is released", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.released[id] > 0
	})
}

// TestRecordedNightsReplay fails where a change of the workflow would break a night that runs while it
// is rolled out.
func TestRecordedNightsReplay(t *testing.T) {
	replayAll(t, nightDir, nightReplayer(t), slices.Collect(maps.Keys(nightRecordings())))
}

func nightReplayer(t *testing.T) worker.WorkflowReplayer {
	t.Helper()
	r := worker.NewWorkflowReplayer()
	r.RegisterWorkflow(workflows.Nightly)
	return r
}
