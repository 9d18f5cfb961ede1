package main

import (
	"context"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"text/template"

	"data-exhaust/internal/devstack"
)

// peer is another way to the same file: who has no access to the registry gets what it says of devices in a file.
type peer struct {
	name string
	// isSlow is set of one that is measured once.
	isSlow bool
	// command makes the file, output, with the peer's own files in dir.
	command func(ctx context.Context, c *corpus, dir, output string) ([]string, error)
}

var duckDB = peer{name: "DuckDB", command: duckDBCommand}

func peers() []peer {
	cores := runtime.GOMAXPROCS(0)
	return []peer{
		duckDB,
		{name: fmt.Sprintf("gzip, grep, jq: an object at a time on each core (xargs -P %d)", cores), isSlow: true, command: jqCommand(jqByObject)},
		{name: "gzip, grep, jq: one pipe", isSlow: true, command: jqCommand(jqInOnePipe)},
	}
}

// measure has the peer make its file, and hands it to use.
func (p peer) measure(ctx context.Context, c *corpus, use func(report string) error) (cost, error) {
	dir, err := os.MkdirTemp("", "bench-peer-")
	if err != nil {
		return cost{}, err
	}
	defer os.RemoveAll(dir)
	output := filepath.Join(dir, "report.csv")
	command, err := p.command(ctx, c, dir, output)
	if err != nil {
		return cost{}, err
	}
	took, err := measure(ctx, nil, command...)
	if err != nil {
		return cost{}, err
	}
	return took, use(output)
}

//go:embed duckdb.js
var duckDBProgram string

//go:embed duckdb.sql
var duckDBQuery string

func duckDBCommand(ctx context.Context, c *corpus, dir, output string) ([]string, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("DuckDB is run by Node.js: %w: install Node.js 20 or newer", err)
	}
	module, err := devstack.Tool(ctx, "duckdb", os.Stderr)
	if err != nil {
		return nil, err
	}
	quote := func(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
	query := template.Must(template.New("").Funcs(template.FuncMap{"quote": quote}).Parse(duckDBQuery))
	var sql strings.Builder
	if err := query.Execute(&sql, map[string]string{
		"Objects": filepath.Join(c.dir.telemetry(), "*.gz"), "Devices": c.dir.devices(), "Output": output,
		"Channel": c.conversation.Channel, "Conversation": c.conversation.ID, "Name": c.conversation.Name,
	}); err != nil {
		return nil, err
	}
	program, queryFile := filepath.Join(dir, "duckdb.js"), filepath.Join(dir, "query.sql")
	if err := writeFiles(map[string]string{program: duckDBProgram, queryFile: sql.String()}); err != nil {
		return nil, err
	}
	return []string{node, program, module, queryFile}, nil
}

//go:embed match.jq
var jqMatch string

//go:embed order.jq
var jqOrder string

// The shell's $0 is the peer's folder, with what jq needs in it; the others are the conversation, the channel, the
// conversation's name and the objects.
const (
	jqPrelude = `set -o pipefail; cd "$0"; id=$1 channel=$2 name=$3; shift 3
match() { LC_ALL=C grep -F -e "$id" | "$JQ" -c --arg conversation "$id" --arg channel "$channel" --arg name "$name" --argfile devices devices.json -f match.jq; }
`
	jqInOnePipe = jqPrelude + `gzip -dc "$@" | match | "$JQ" -nr -f order.jq > report.csv`
	jqByObject  = jqPrelude + `export -f match; export id channel name
printf '%s\0' "$@" | xargs -0 -n 1 -P "$CORES" bash -c 'set -o pipefail; gzip -dc "$0" | match > "$(basename "$0").rows"'
cat ./*.rows | "$JQ" -nr -f order.jq > report.csv`
)

func jqCommand(script string) func(ctx context.Context, c *corpus, dir, output string) ([]string, error) {
	return func(ctx context.Context, c *corpus, dir, output string) ([]string, error) {
		jq, err := devstack.Tool(ctx, "jq", os.Stderr)
		if err != nil {
			return nil, err
		}
		objects, err := c.objects()
		if err != nil {
			return nil, err
		}
		devices, err := devicesForJQ(c)
		if err != nil {
			return nil, err
		}
		if err := writeFiles(map[string]string{
			filepath.Join(dir, "match.jq"): jqMatch, filepath.Join(dir, "order.jq"): jqOrder, filepath.Join(dir, "devices.json"): devices,
		}); err != nil {
			return nil, err
		}
		return append([]string{
			"env", "JQ=" + jq, "CORES=" + strconv.Itoa(runtime.GOMAXPROCS(0)), "bash", "-c", script, dir,
			c.conversation.ID, c.conversation.Channel, c.conversation.Name,
		}, objects...), nil
	}
}

// devicesForJQ is one object: whether a device has refused consent, by its id.
func devicesForJQ(c *corpus) (string, error) {
	file, err := os.Open(c.dir.devices())
	if err != nil {
		return "", err
	}
	defer file.Close()
	records, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return "", err
	}
	refused := map[string]bool{}
	for _, record := range records {
		refused[record[0]] = record[1] == "true"
	}
	text, err := json.Marshal(refused)
	return string(text), err
}

func writeFiles(files map[string]string) error {
	for path, content := range files {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}
