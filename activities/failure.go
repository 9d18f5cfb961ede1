package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"

	"data-exhaust/activities/segments"
	"data-exhaust/blob"
	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/receipt"
)

// A failure's message is a sentence for the exhaust's owner: it becomes progress.waiting and, in the end, the
// statusMessage, and names no host, table or container. What exactly happened is the failure's cause, which Temporal's UI
// and the log show.

// Failure types, which a workflow can tell apart.
const (
	// NoConversation, NoData, CorruptTelemetry, BadRange, StoreRefused and Unbalanced end an exhaust at once: no retry can
	// help.
	NoConversation   = "NoConversation"
	NoData           = "NoData"
	CorruptTelemetry = "CorruptTelemetry"
	BadRange         = "BadRange"
	// StoreRefused says that a store refuses for a reason that no waiting heals.
	StoreRefused = "StoreRefused"
	// Unbalanced says that counts which were kept independently of each other disagree.
	Unbalanced = "Unbalanced"
	// StillWritten says that a telemetry object changes. Another exhaust of the same days may succeed later.
	StillWritten = "StillWritten"
	// StagingGone says that files are missing which an earlier step had staged, or damaged, or that another release staged them.
	StagingGone = "StagingGone"
	// Unavailable says that something the exhaust depends on does not do what it is asked.
	Unavailable = "Unavailable"
	// NotCurrent says that Temporal waits for another attempt, or does not say for which.
	NotCurrent = "NotCurrent"
	// Internal says that this program failed.
	Internal = "Internal"
	// Stopping says that the worker is being stopped and hands the activity back.
	Stopping = "WorkerStopping"
)

// does says what each activity does, as sentences for the exhaust's owner name it.
var does = map[string]string{
	"PlanExhaust":         "looking up the conversation and its telemetry",
	"BuildReport":         "writing the report",
	"MakeReport":          "reading the telemetry and writing the report",
	"EndExhaust":          "recording the end",
	"RemoveLeftovers":     "removing staged files",
	"RemoveFiles":         "removing staged files",
	"ResolveConversation": "looking up the conversation in the registry",
	"PlanFetch":           "listing the telemetry",
	"FetchTelemetry":      "reading the telemetry",
	"JoinDevices":         "looking up the devices in the registry",
	"BuildCSV":            "writing the report",
	"SignURLs":            "signing the URL",
	"RecordJob":           "recording the state in the database",
}

// Doing says what the activity of that name does.
func Doing(name string) string { return cmp.Or(does[name], "a step") }

// The messages of a NoData and of a NoConversation failure (contract section 2).
const (
	NoDataMessage         = "No data found"
	NoConversationMessage = "No data found for conversation in DB"
)

// NonRetryable is a failure that no retry heals. The sentence is for the exhaust's owner.
func NonRetryable(kind, format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), kind, nil)
}

// ClientMistake is a NonRetryable failure that whoever asked can mend: it is no error of this program's, and no log says so.
func ClientMistake(kind, format string, args ...any) error {
	return temporal.NewApplicationErrorWithOptions(fmt.Sprintf(format, args...), kind, temporal.ApplicationErrorOptions{
		NonRetryable: true, Category: temporal.ApplicationErrorCategoryBenign,
	})
}

// The dependencies, as sentences name them.
const (
	telemetryStore = "telemetry store"
	reportsStore   = "reports store"
	uciRegistry    = "registry"
	jobsDatabase   = "database"
)

// dependencyError says which dependency failed, and why in a clause that anybody may see.
type dependencyError struct {
	dependency, reason string
	err                error
}

func (e *dependencyError) Error() string { return e.err.Error() }
func (e *dependencyError) Unwrap() error { return e.err }

// failedOf says which store an error is of. It ends the exhaust where no waiting heals it; doing says what could not be done.
func failedOf(store string, err error, doing string) error {
	if permanent, ok := errors.AsType[*blob.PermanentError](err); ok {
		return NonRetryable(StoreRefused, "%s: %s", doing, permanent.Reason)
	}
	return &dependencyError{store, blob.Reason(err), fmt.Errorf("%s: %w", doing, err)}
}

// stagingError is failedOf for files that are staged in the reports store; their absence, or damage to them, is a failure
// that the workflow knows how to mend. Errors of other dependencies stay as they are.
func stagingError(err error) error {
	var (
		dependency  *dependencyError
		application *temporal.ApplicationError
	)
	switch {
	case err == nil, errors.As(err, &dependency), errors.As(err, &application), errors.Is(err, errNotCurrent), temporal.IsCanceledError(err):
		return err
	case errors.Is(err, blob.ErrNotFound):
		return temporal.NewNonRetryableApplicationError("staged files are gone", StagingGone, err)
	case errors.Is(err, segments.ErrDamaged):
		return temporal.NewNonRetryableApplicationError("staged files are damaged", StagingGone, err)
	}
	return failedOf(reportsStore, err, "the reports store refuses what is staged")
}

// failure gives an activity's error the form in which Temporal keeps it.
func failure(err error) error {
	var (
		application *temporal.ApplicationError
		dependency  *dependencyError
	)
	switch {
	case err == nil, errors.As(err, &application), temporal.IsCanceledError(err):
		return err
	case errors.Is(err, errNotCurrent):
		return temporal.NewApplicationErrorWithOptions("another attempt has taken over, or Temporal gives no answer", NotCurrent,
			temporal.ApplicationErrorOptions{Cause: err})
	case errors.As(err, &dependency):
		return temporal.NewApplicationErrorWithOptions(dependency.dependency+": "+dependency.reason, Unavailable,
			temporal.ApplicationErrorOptions{Cause: err})
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return temporal.NewApplicationErrorWithOptions("it took too long", Unavailable, temporal.ApplicationErrorOptions{Cause: err})
	}
	return temporal.NewApplicationErrorWithOptions("an internal error: the log and Temporal say more", Internal,
		temporal.ApplicationErrorOptions{Cause: err})
}

// registryOf and jobsOf say of errors that they are the registry's, or the database's.
type registryOf struct{ UCI }

func (u registryOf) Conversation(ctx context.Context, id, channel string) (exhaust.Conversation, error) {
	conversation, err := u.UCI.Conversation(ctx, id, channel)
	return conversation, failedDatabase(uciRegistry, err)
}

func (u registryOf) Devices(ctx context.Context, ids []uuid.UUID, withUsername bool) ([]exhaust.Device, error) {
	devices, err := u.UCI.Devices(ctx, ids, withUsername)
	return devices, failedDatabase(uciRegistry, err)
}

func (u registryOf) Registered(ctx context.Context, conversationID, after string, limit int) (ids []string, next string, err error) {
	ids, next, err = u.UCI.Registered(ctx, conversationID, after, limit)
	return ids, next, failedDatabase(uciRegistry, err)
}

type jobsOf struct{ Jobs }

func (j jobsOf) Save(ctx context.Context, job exhaust.Job) error {
	return failedDatabase(jobsDatabase, j.Jobs.Save(ctx, job))
}

func (j jobsOf) SaveReceiptKey(ctx context.Context, key receipt.PublicKey) error {
	return failedDatabase(jobsDatabase, j.Jobs.SaveReceiptKey(ctx, key))
}

func failedDatabase(dependency string, err error) error {
	if err == nil {
		return nil
	}
	return &dependencyError{dependency, database.Reason(err), err}
}
