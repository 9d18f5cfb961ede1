package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"data-exhaust/bench/stack"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/devstack"
)

const (
	// warmUp is how many rounds come before those that count.
	warmUp = 3
	// pause lets Temporal finish with one workflow before the next starts.
	pause = 100 * time.Millisecond
)

// kind is one sort of workflow that is measured on the idle stack.
type kind struct {
	name string
	// start starts one and returns its id.
	start      func(ctx context.Context, round int) (workflowID string, err error)
	executions []execution
}

// measureOverhead makes, one after the other and in turns, the exhausts that have least to do and a bare workflow, and
// prints what each took by Temporal's own times. It needs a stack that does nothing else.
func measureOverhead(ctx context.Context, s *filled, rounds int, out io.Writer) error {
	stack.Progress("making %d exhausts of each kind on the idle stack", rounds)
	lonely, err := s.addLonelyConversation(ctx)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if _, err := s.StartProgram(ctx, devstack.ProgramOptions{
		Name: "bare-worker", Command: []string{program, "worker"}, Env: []string{"TEMPORAL_ADDRESS=" + os.Getenv("TEMPORAL_ADDRESS")},
		Serves: bareQueue, Ready: s.IsPolled(bareQueue),
	}); err != nil {
		return err
	}
	kinds := s.kinds(lonely)
	meter := startMeter()
	for round := range warmUp + rounds {
		for _, k := range kinds {
			id, err := k.start(ctx, round)
			if err != nil {
				return fmt.Errorf("start %s: %w", k.name, err)
			}
			e, err := s.awaitExecution(ctx, id)
			if err != nil {
				return err
			}
			if round >= warmUp {
				k.executions = append(k.executions, e)
			}
			if err := sleep(ctx, pause); err != nil {
				return err
			}
		}
	}
	return printOverhead(kinds, rounds, meter.stop(), out)
}

// addLonelyConversation adds a conversation of which there is neither a device nor an event.
func (s *filled) addLonelyConversation(ctx context.Context) (exhaust.Conversation, error) {
	db, err := database.Open(ctx, s.Config.UCIDatabaseURL)
	if err != nil {
		return exhaust.Conversation{}, err
	}
	defer db.Close()
	c := exhaust.Conversation{ID: "10adbe9c-0000-4000-8000-000000000000", Name: "Nobody was here", Channel: s.set.Channel}
	_, err = db.Exec(ctx, "INSERT INTO bot (id, name, ownerorgid) VALUES ($1, $2, $3)", c.ID, c.Name, c.Channel)
	return c, err
}

// kinds are those that measureOverhead makes; the last is the bare workflow.
func (s *filled) kinds(lonely exhaust.Conversation) []*kind {
	day := s.set.Until
	unknown := exhaust.Conversation{ID: "no-such-conversation", Channel: s.set.Channel}
	exhaustOf := func(name, tag string, o stack.Order) *kind {
		return &kind{name: name, start: func(ctx context.Context, round int) (string, error) {
			o.Tag = fmt.Sprintf("%s-%d", tag, round)
			if err := s.API.Submit(ctx, &o); err != nil {
				return "", err
			}
			return o.WorkflowID(), nil
		}}
	}
	return []*kind{
		exhaustOf("response exhaust, one day, a few events", "few",
			stack.Order{Dataset: exhaust.ResponseExhaust, Conversation: s.set.Conversations()[0], First: day, Last: day}),
		exhaustOf("private exhaust, no device", "nobody",
			stack.Order{Dataset: exhaust.PrivateExhaust, Conversation: lonely}),
		exhaustOf("response exhaust, one day, no event", "none",
			stack.Order{Dataset: exhaust.ResponseExhaust, Conversation: lonely, First: day, Last: day}),
		exhaustOf("response exhaust, no such conversation", "unknown",
			stack.Order{Dataset: exhaust.ResponseExhaust, Conversation: unknown, First: day, Last: day}),
		{name: "bare workflow of four activities", start: func(ctx context.Context, round int) (string, error) {
			id := fmt.Sprintf("load-bare-%d", round)
			return id, s.startBare(ctx, id)
		}},
	}
}

func printOverhead(kinds []*kind, rounds int, used usage, out io.Writer) error {
	t := newTable(out, "Each alone on the idle stack, %d rounds in turns: medians of the workflow's time from start to close", rounds)
	bare := medianOf(kinds[len(kinds)-1].executions)
	t.row("", "%s", "ends", "ms", "to bare", "events", "transitions")
	for _, k := range kinds {
		median := medianOf(k.executions)
		t.row(k.name, "%v", k.executions[0].status, fmt.Sprintf("%.1f", median.took.Seconds()*1e3),
			fmt.Sprintf("%.2f", median.took.Seconds()/bare.took.Seconds()), median.events, median.transitions)
	}
	used.show(t, 0)
	return t.end()
}

// medianOf has the median of each figure.
func medianOf(executions []execution) execution {
	var took []time.Duration
	var events, transitions []int64
	for _, e := range executions {
		took, events, transitions = append(took, e.took), append(events, e.events), append(transitions, e.transitions)
	}
	return execution{took: percentile(took, 50), events: percentile(events, 50), transitions: percentile(transitions, 50)}
}
