package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"data-exhaust/internal/app"
)

// bareQueue is the task queue of the bare workflow.
const bareQueue = "load-bare"

// bareWorkflow is what Temporal itself takes for four steps one after the other.
func bareWorkflow(ctx workflow.Context) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	for range 4 {
		if err := workflow.ExecuteActivity(ctx, bareActivity).Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

func bareActivity(context.Context) error { return nil }

// serveBare runs the bare workflow until the context ends, as the worker runs exhausts.
func serveBare(ctx context.Context) error {
	c, _, err := app.DialTemporal(slog.Default())
	if err != nil {
		return err
	}
	defer c.Close()
	w := worker.New(c, bareQueue, worker.Options{})
	w.RegisterWorkflow(bareWorkflow)
	w.RegisterActivity(bareActivity)
	if err := w.Start(); err != nil {
		return fmt.Errorf("start the bare worker: %w", err)
	}
	defer w.Stop()
	<-ctx.Done()
	return nil
}

// startBare starts a bare workflow.
func (s *filled) startBare(ctx context.Context, workflowID string) error {
	_, err := s.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: workflowID, TaskQueue: bareQueue}, bareWorkflow)
	return err
}
