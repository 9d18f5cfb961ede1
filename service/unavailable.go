package service

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"data-exhaust/database"
)

// UnavailableError says that something the service depends on does not answer, or not now: the same request may succeed later.
type UnavailableError struct {
	Dependency string
	Err        error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%s is not available: %v", e.Dependency, e.Err)
}
func (e *UnavailableError) Unwrap() error { return e.Err }

// The dependencies, as errors and /health name them.
const (
	TemporalDependency = "temporal"
	DatabaseDependency = "database"
	ReportsDependency  = "reports store"
	// UCIDependency and FusionAuthDependency are UCI's databases, which may be the same.
	UCIDependency        = "UCI database"
	FusionAuthDependency = "FusionAuth database"
	TelemetryDependency  = "telemetry store"
	// AuditDependency is no server: it is where the audit log is written.
	AuditDependency = "audit log"
)

// temporalFailure and databaseFailure are an UnavailableError where a later try may help. Where the fault lies in what was
// asked none does, and whoever is told to try again would do so for ever.
func temporalFailure(err error) error {
	if isTemporalAway(err) {
		return &UnavailableError{TemporalDependency, err}
	}
	return fmt.Errorf("asking temporal: %w", err)
}

func databaseFailure(err error) error {
	if database.IsUnavailable(err) {
		return &UnavailableError{DatabaseDependency, err}
	}
	return fmt.Errorf("asking the database: %w", err)
}

// isLate reports whether Temporal did not answer in time.
func isLate(err error) bool {
	_, isLate := errors.AsType[*serviceerror.DeadlineExceeded](err)
	return isLate || errors.Is(err, context.DeadlineExceeded)
}

// isTemporalAway reports whether an error says something of how Temporal stands, or of the way to it.
func isTemporalAway(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	answer, isAnswer := errors.AsType[serviceerror.ServiceError](err)
	if !isAnswer {
		_, isAnswer = status.FromError(err)
		return isAnswer && isStanding(status.Code(err), err.Error())
	}
	return isStanding(answer.Status().Code(), answer.Error())
}

func isStanding(code codes.Code, message string) bool {
	switch code {
	case codes.InvalidArgument:
		// Until the search attributes are registered, Temporal takes them for a mistake of whoever uses them.
		return strings.Contains(message, "search attribute")
	case codes.ResourceExhausted:
		// gRPC calls a message that is too large, which it will always be, exhausted resources.
		return !strings.Contains(message, "larger than max")
	case codes.Unimplemented, codes.FailedPrecondition, codes.OutOfRange:
		return false
	}
	return true
}
