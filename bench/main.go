// Command bench measures how fast an exhaust is beside what else would make it, and prints one table; it may not judge a
// figure, and shows none of an answer whose rows are wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process at once.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		// What is measured as a whole process is this program in another mode.
		switch args[0] {
		case measureMode:
			return runMeasure(args[1:])
		case engineMode:
			return runEngine(ctx, args[1:])
		case floorMode:
			return runFloor(args[1:])
		}
	}
	b := &bench{duckDBCosts: map[string]cost{}, isChecked: map[string]bool{}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", strings.Join(sectionNames(), ","), "the `sections` to measure")
	flags.IntVar(&b.rounds, "rounds", 3, "how often each is measured: the best counts, of inflaters the median")
	flags.BoolVar(&b.isQuick, "quick", false, "leave out jq, which takes most of the time")
	flags.IntVar(&b.scale, "scale", 1, "the section memory also measures how many `times` as much telemetry: 10 takes 4 GB of disk")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if b.rounds < 1 || b.scale < 1 || b.scale > 50 || flags.NArg() > 0 {
		return errors.New("rounds is at least 1, scale 1 to 50, and there are no arguments")
	}
	wanted := strings.Split(*only, ",")
	for _, name := range wanted {
		if !slices.Contains(sectionNames(), name) {
			return fmt.Errorf("no section %q: there are %s", name, strings.Join(sectionNames(), ", "))
		}
	}
	var err error
	if b.dir, err = os.MkdirTemp("", "bench-answers-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.corpora, err = openCorpora(ctx, 1); err != nil {
		return err
	}
	// What was measured before a section failed is shown all the same: it may have taken half an hour.
	var rows []row
	defer func() { printTable(os.Stdout, rows) }()
	for _, s := range sections {
		if !slices.Contains(wanted, s.name) {
			continue
		}
		more, err := s.measure(b, ctx)
		rows = append(rows, more...)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// bench is one run.
type bench struct {
	corpora       []*corpus
	rounds, scale int
	isQuick       bool
	// dir keeps answers until the end.
	dir string
	// isChecked are the corpora whose answer is there, duckDBCosts what DuckDB took; by the corpora's names.
	isChecked   map[string]bool
	duckDBCosts map[string]cost
}

var sections = []struct {
	name    string
	measure func(b *bench, ctx context.Context) ([]row, error)
}{
	{"scan", (*bench).scan},
	{"inflate", (*bench).inflate},
	{"request", (*bench).request},
	{"build", (*bench).build},
	{"join", (*bench).join},
	{"memory", (*bench).memory},
}

func sectionNames() (names []string) {
	for _, s := range sections {
		names = append(names, s.name)
	}
	return names
}
