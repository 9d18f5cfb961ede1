package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
)

// execution is how a workflow went, by what Temporal recorded of it.
type execution struct {
	status              enumspb.WorkflowExecutionStatus
	took                time.Duration
	events, transitions int64
}

func (e execution) isClosed() bool { return e.status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING }

// awaitExecution waits for a workflow's end, however it ends.
func (s *filled) awaitExecution(ctx context.Context, workflowID string) (execution, error) {
	err := s.Temporal.GetWorkflow(ctx, workflowID, "").Get(ctx, nil)
	if _, hasFailed := errors.AsType[*temporal.WorkflowExecutionError](err); err != nil && !hasFailed {
		return execution{}, fmt.Errorf("wait for workflow %s: %w", workflowID, err)
	}
	return s.describeExecution(ctx, workflowID)
}

// describeExecution describes a workflow. What it took is only there once it has ended.
func (s *filled) describeExecution(ctx context.Context, workflowID string) (execution, error) {
	described, err := s.Temporal.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return execution{}, fmt.Errorf("describe workflow %s: %w", workflowID, err)
	}
	info := described.WorkflowExecutionInfo
	return execution{
		status:      info.Status,
		took:        info.CloseTime.AsTime().Sub(info.StartTime.AsTime()),
		events:      info.HistoryLength,
		transitions: info.StateTransitionCount,
	}, nil
}
