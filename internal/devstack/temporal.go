package devstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"
	"syscall"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
)

// Temporal is a Temporal server that serves.
type Temporal struct {
	*Child
	// Address is host:port of its gRPC API.
	Address string
	// UI is the URL of its web UI, "" where it has none.
	UI string
	// Namespace is there from the start.
	Namespace string

	searchAttributes []string
}

// defaultNamespace is one that the development server makes by itself.
const defaultNamespace = "default"

// TemporalOptions are those of [StartTemporal]. The zero value is an in-memory server without UI on
// a free port.
type TemporalOptions struct {
	// Port of the gRPC API, 0 for a free one.
	Port int
	// UI serves the web UI on UIPort, 0 for a free one.
	UI     bool
	UIPort int
	// Namespace to make, "" for "default".
	Namespace string
	// SearchAttributes are registered with type Keyword.
	SearchAttributes []string
	// DBFile keeps the server's state across restarts; "" keeps it in memory.
	DBFile string
	// Dir is where the log, temporal.log, goes; "" is a temporary folder removed on Stop.
	Dir string
	// Log is where StartTemporal says that it builds the server first; nil is nowhere.
	Log io.Writer
}

// StartTemporal starts Temporal's development server, which lives until Stop or the end of ctx, and
// returns when it serves.
func StartTemporal(ctx context.Context, opts TemporalOptions) (*Temporal, error) {
	program, err := Tool(ctx, "temporal", opts.Log)
	if err != nil {
		return nil, err
	}
	t := &Temporal{Namespace: cmp.Or(opts.Namespace, defaultNamespace), searchAttributes: opts.SearchAttributes}
	plan := func(dir string) (daemon, error) { return t.planDevServer(program, dir, opts) }
	t.Child, err = startChild(ctx, "temporal", opts.Dir, plan)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// planDevServer describes a development server and fills in where t serves.
func (t *Temporal) planDevServer(program, dir string, opts TemporalOptions) (daemon, error) {
	port, err := takePort("temporal", opts.Port)
	if err != nil {
		return daemon{}, err
	}
	t.Address = address(port)
	command := []string{program, "server", "start-dev",
		"--ip", localhost, "--port", strconv.Itoa(port),
		"--log-format", "json", "--color", "never"}
	if t.Namespace != defaultNamespace {
		command = append(command, "--namespace", t.Namespace)
	}
	if opts.UI {
		uiPort, err := takePort("temporal's UI", opts.UIPort)
		if err != nil {
			return daemon{}, err
		}
		t.UI = "http://" + address(uiPort)
		command = append(command, "--ui-port", strconv.Itoa(uiPort))
	} else {
		command = append(command, "--headless")
	}
	if opts.DBFile != "" {
		file, err := filepath.Abs(opts.DBFile)
		if err != nil {
			return daemon{}, fmt.Errorf("start temporal: %w", err)
		}
		command = append(command, "--db-filename", file)
	}
	for _, name := range opts.SearchAttributes {
		command = append(command, "--search-attribute", name+"=Keyword")
	}
	for _, setting := range dynamicConfig {
		command = append(command, "--dynamic-config-value", setting.key+"="+setting.value)
	}
	return daemon{
		serves: t.Address, command: command, dir: dir,
		stop: syscall.SIGTERM, crash: syscall.SIGKILL,
		ready: t.probe,
	}, nil
}

// dynamicConfig holds the servers' settings that are not Temporal's defaults.
var dynamicConfig = []struct{ key, value string }{
	// A worker gets the activities that it schedules itself with the answer, a round trip less each.
	{"system.enableActivityEagerExecution", "true"},
	{"system.enableEagerWorkflowStart", "true"},
	// A search attribute can be used as soon as it is registered.
	{"system.forceSearchAttributesCacheRefreshOnRead", "true"},
}

// probe asks each of the server's services and stores for something.
func (t *Temporal) probe(ctx context.Context) error {
	c, err := t.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	const nothing = "devstack-none"
	query := "WorkflowId = '" + nothing + "'"
	for _, name := range t.searchAttributes {
		query += " AND " + name + " = '" + nothing + "'"
	}
	if _, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query}); err != nil {
		return fmt.Errorf("ask the visibility store: %w", err)
	}
	_, err = c.DescribeWorkflowExecution(ctx, nothing, "")
	if _, isMissing := errors.AsType[*serviceerror.NotFound](err); !isMissing {
		return fmt.Errorf("ask the history service: %w", err)
	}
	if _, err := c.DescribeTaskQueue(ctx, nothing, enumspb.TASK_QUEUE_TYPE_WORKFLOW); err != nil {
		return fmt.Errorf("ask the matching service: %w", err)
	}
	return nil
}

func (t *Temporal) dial(ctx context.Context) (client.Client, error) {
	return client.DialContext(ctx, client.Options{
		HostPort:  t.Address,
		Namespace: t.Namespace,
		Logger:    sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
}
