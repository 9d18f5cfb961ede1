package devstack

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// TemporalServerOptions are those of [StartTemporalServer]. The zero value is a server on a
// PostgreSQL of its own.
type TemporalServerOptions struct {
	// Postgres keeps the state, in the databases temporal and temporal_visibility; nil starts one
	// that stops with the server.
	Postgres *Postgres
	// Port of the gRPC API, 0 for a free one.
	Port int
	// SearchAttributes are registered with type Keyword.
	SearchAttributes []string
	// DynamicConfig are settings of Temporal's dynamic configuration, by their names, that are not its defaults.
	DynamicConfig map[string]string
	// Dir is where the configuration and the log, temporal-server.log, go, and what an own
	// PostgreSQL keeps; "" is a temporary folder removed on Stop.
	Dir string
	// Log is where StartTemporalServer says that it builds programs first; nil is nowhere.
	Log io.Writer
}

// StartTemporalServer starts Temporal as production does, all services of it in one process and its
// state in PostgreSQL. It has no web UI. It lives until Stop or the end of ctx.
func StartTemporalServer(ctx context.Context, opts TemporalServerOptions) (*Temporal, error) {
	program, err := Tool(ctx, "temporal-server", opts.Log)
	if err != nil {
		return nil, err
	}
	sqlTool, err := Tool(ctx, "temporal-sql-tool", opts.Log)
	if err != nil {
		return nil, err
	}
	var owns []func() error
	postgres := opts.Postgres
	if postgres == nil {
		own := PostgresOptions{}
		if opts.Dir != "" {
			own.Dir = filepath.Join(opts.Dir, "postgres")
		}
		// It has to outlive the server, which ends with ctx.
		postgres, err = StartPostgres(context.WithoutCancel(ctx), own)
		if err != nil {
			return nil, err
		}
		owns = append(owns, postgres.Stop)
	}
	if err := setUpSchemas(ctx, sqlTool, postgres); err != nil {
		return nil, release(fmt.Errorf("start temporal-server: %w", err), owns)
	}
	t := &Temporal{Namespace: defaultNamespace, searchAttributes: opts.SearchAttributes}
	plan := func(dir string) (daemon, error) { return t.planServer(program, dir, postgres, opts) }
	t.Child, err = startChild(ctx, "temporal-server", opts.Dir, plan, owns...)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// schemas are Temporal's databases and the schema of each in the SQL tool.
var schemas = []struct{ database, name string }{
	{"temporal", "postgresql/v12/temporal"},
	{"temporal_visibility", "postgresql/v12/visibility"},
}

// postgresPlugin is Temporal's name for PostgreSQL 12 and newer.
const postgresPlugin = "postgres12"

// setUpSchemas makes Temporal's databases, or brings those of an older server up to date and empties
// the list of services in them.
func setUpSchemas(ctx context.Context, sqlTool string, p *Postgres) error {
	for _, schema := range schemas {
		if err := p.CreateDatabase(ctx, schema.database); err != nil {
			return err
		}
		var hasVersion bool
		err := p.connect(schema.database, func(db *sql.DB) error {
			return db.QueryRowContext(ctx, "SELECT to_regclass('schema_version') IS NOT NULL").Scan(&hasVersion)
		})
		if err != nil {
			return fmt.Errorf("read the schema version of %s: %w", schema.database, err)
		}
		steps := [][]string{{"update-schema", "--schema-name", schema.name}}
		if !hasVersion {
			steps = append([][]string{{"setup-schema", "--version", "0.0"}}, steps...)
		}
		for _, step := range steps {
			cmd := exec.CommandContext(ctx, sqlTool, append([]string{"--plugin", postgresPlugin,
				"--endpoint", localhost, "--port", strconv.Itoa(p.Port), "--user", postgresSuperuser,
				"--database", schema.database}, step...)...)
			cmd.Env = append(plainEnvironment(), "SQL_PASSWORD="+p.password)
			if output, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s of database %s: %w\n%s", step[0], schema.database, err, output)
			}
		}
	}
	// A former server had its services on other ports; one that still believes in those spends half a
	// minute on trying to reach them.
	return p.execute(ctx, schemas[0].database, "DELETE FROM cluster_membership")
}

// serverConfig is what Temporal's documentation calls development-postgres12.yaml, with the ports
// of four services and without what nobody here uses (metrics, profiling, archival).
var serverConfig = template.Must(template.New("config").Parse(`log:
  stdout: true
  level: warn
persistence:
  defaultStore: default
  visibilityStore: visibility
  numHistoryShards: 4
  datastores:
{{- range $store, $database := .Stores}}
    {{$store}}:
      sql:
        pluginName: {{$.Plugin}}
        databaseName: {{$database}}
        connectAddr: "{{$.Postgres}}"
        connectProtocol: tcp
        user: {{$.User}}
        password: "{{$.Password}}"
        maxConns: 20
        maxIdleConns: 20
        maxConnLifetime: 1h
{{- end}}
global:
  membership:
    maxJoinDuration: 30s
    broadcastAddress: "{{.IP}}"
services:
{{- range $service, $ports := .Services}}
  {{$service}}:
    rpc:
      grpcPort: {{$ports.GRPC}}
      membershipPort: {{$ports.Membership}}
{{- if $ports.HTTP}}
      httpPort: {{$ports.HTTP}}
{{- end}}
      bindOnIP: "{{$.IP}}"
{{- end}}
publicClient:
  hostPort: "{{.Frontend}}"
clusterMetadata:
  enableGlobalNamespace: false
  failoverVersionIncrement: 10
  masterClusterName: active
  currentClusterName: active
  clusterInformation:
    active:
      enabled: true
      initialFailoverVersion: 1
      rpcName: frontend
      rpcAddress: "{{.Frontend}}"
dcRedirectionPolicy:
  policy: noop
dynamicConfigClient:
  filepath: "{{.DynamicConfig}}"
  pollInterval: 60s
`))

type servicePorts struct{ GRPC, Membership, HTTP int }

// planServer describes a server, writes its configuration and fills in where t serves.
func (t *Temporal) planServer(program, dir string, p *Postgres, opts TemporalServerOptions) (daemon, error) {
	fail := func(err error) (daemon, error) { return daemon{}, fmt.Errorf("start temporal-server: %w", err) }
	port, err := takePort("temporal-server", opts.Port)
	if err != nil {
		return daemon{}, err
	}
	t.Address = address(port)
	services, err := takeServicePorts(port)
	if err != nil {
		return fail(err)
	}
	dynamicConfigFile := filepath.Join(dir, "dynamicconfig.yaml")
	var config bytes.Buffer
	err = serverConfig.Execute(&config, map[string]any{
		"Stores": map[string]string{"default": schemas[0].database, "visibility": schemas[1].database},
		"Plugin": postgresPlugin, "Postgres": address(p.Port), "User": postgresSuperuser, "Password": p.password,
		"IP": localhost, "Services": services, "Frontend": t.Address, "DynamicConfig": dynamicConfigFile,
	})
	if err != nil {
		return fail(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "server.yaml"), config.Bytes(), 0o600); err != nil {
		return fail(err)
	}
	var dynamic strings.Builder
	for _, setting := range dynamicConfig {
		fmt.Fprintf(&dynamic, "%s:\n  - value: %s\n", setting.key, setting.value)
	}
	for key, value := range opts.DynamicConfig {
		fmt.Fprintf(&dynamic, "%s:\n  - value: %s\n", key, value)
	}
	if err := os.WriteFile(dynamicConfigFile, []byte(dynamic.String()), 0o644); err != nil {
		return fail(err)
	}
	return daemon{
		serves: t.Address, dir: dir,
		command: []string{program, "--root", dir, "--config", ".", "--env", "server", "--allow-no-auth", "start"},
		stop:    syscall.SIGTERM, crash: syscall.SIGKILL,
		ready: t.prepareAndProbe,
	}, nil
}

// takeServicePorts finds ports for the services. Temporal stores a membership port in PostgreSQL as
// a smallint, and fails to start on a higher one.
func takeServicePorts(frontend int) (map[string]servicePorts, error) {
	services := map[string]servicePorts{}
	for _, name := range []string{"frontend", "history", "matching", "worker"} {
		grpc, errGRPC := FreePort()
		http, errHTTP := FreePort()
		membership, errMembership := freeLowPort()
		if err := errors.Join(errGRPC, errHTTP, errMembership); err != nil {
			return nil, err
		}
		services[name] = servicePorts{GRPC: grpc, Membership: membership}
		if name == "frontend" {
			services[name] = servicePorts{GRPC: frontend, Membership: membership, HTTP: http}
		}
	}
	return services, nil
}

// prepareAndProbe makes the namespace, which keeps closed workflows for a day, and the search attributes
// where they are missing, and then asks whether the server serves.
func (t *Temporal) prepareAndProbe(ctx context.Context) error {
	c, err := t.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        t.Namespace,
		WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	if _, isDuplicate := errors.AsType[*serviceerror.NamespaceAlreadyExists](err); err != nil && !isDuplicate {
		return fmt.Errorf("register namespace %s: %w", t.Namespace, err)
	}
	if len(t.searchAttributes) > 0 {
		attributes := map[string]enumspb.IndexedValueType{}
		for _, name := range t.searchAttributes {
			attributes[name] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
		}
		// The server passes over attributes that exist.
		_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
			Namespace: t.Namespace, SearchAttributes: attributes,
		})
		if err != nil {
			return fmt.Errorf("register search attributes: %w", err)
		}
	}
	return t.probe(ctx)
}
