package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"data-exhaust/bench/stack"
)

// duckDBWanted is how much faster than DuckDB the engine promises to be.
var duckDBWanted = map[string]string{"mixed": "3.0", "chatbot": "3.5", "hot": "2.0"}

// scan compares the engine with its peers on one file: all events of a conversation, each once, in order, joined with the
// registry. Nothing is prepared (no slices) but the page cache, which has the objects for everybody alike.
func (b *bench) scan(ctx context.Context) (rows []row, err error) {
	for _, c := range b.corpora {
		more, err := b.scanCorpus(ctx, c)
		if err != nil {
			return rows, fmt.Errorf("corpus %s: %w", c.name, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func (b *bench) scanCorpus(ctx context.Context, c *corpus) (rows []row, err error) {
	answer, err := b.answer(ctx, c)
	if err != nil {
		return nil, err
	}
	same := func(report string) error { return compareFiles(answer, report) }
	all := peers()
	if b.isQuick {
		all = slices.DeleteFunc(all, func(p peer) bool { return p.isSlow })
	}
	var engine []cost
	costs := make([][]cost, len(all))
	for round := range b.rounds {
		stack.Progress("%s: round %d of %d", c.name, round+1, b.rounds)
		for i, p := range all {
			if p.isSlow && round > 0 {
				continue
			}
			took, err := p.measure(ctx, c, same)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.name, err)
			}
			costs[i] = append(costs[i], took)
		}
		took, err := c.measureEngine(ctx, same)
		if err != nil {
			return nil, err
		}
		engine = append(engine, took)
	}
	base := best(engine)
	rows = append(rows, row{corpus: c.name, what: "the engine", cost: base, rate: c.rate(base)})
	for i, p := range all {
		took := best(costs[i])
		r := row{corpus: c.name, what: p.name, cost: took, rate: c.rate(took), ratio: took.Wall.Seconds() / base.Wall.Seconds()}
		if p.name == duckDB.name {
			r.wanted = "at least " + duckDBWanted[c.name]
			b.duckDBCosts[c.name] = took
		}
		rows = append(rows, r)
	}
	floors, err := b.floors(ctx, c, base)
	return append(rows, floors...), err
}

// answer is the path of the engine's report, with which everything else is compared. A wrong answer has no speed: before
// anything is measured it is what DuckDB writes, too.
func (b *bench) answer(ctx context.Context, c *corpus) (string, error) {
	path := filepath.Join(b.dir, c.name+".csv")
	if b.isChecked[c.name] {
		return path, nil
	}
	stack.Progress("%s: comparing the rows", c.name)
	if _, err := c.measureEngine(ctx, func(report string) error { return os.Rename(report, path) }); err != nil {
		return "", err
	}
	if _, err := duckDB.measure(ctx, c, func(report string) error { return compareFiles(path, report) }); err != nil {
		return "", fmt.Errorf("%s: %w", duckDB.name, err)
	}
	b.isChecked[c.name] = true
	return path, nil
}

// measureDuckDB is what DuckDB took, in a scan or now.
func (b *bench) measureDuckDB(ctx context.Context, c *corpus) (cost, error) {
	if took, ok := b.duckDBCosts[c.name]; ok {
		return took, nil
	}
	var costs []cost
	for range b.rounds {
		took, err := duckDB.measure(ctx, c, func(string) error { return nil })
		if err != nil {
			return cost{}, err
		}
		costs = append(costs, took)
	}
	return best(costs), nil
}

// rate is in MB/s of unpacked telemetry.
func (c *corpus) rate(took cost) float64 { return float64(c.Raw) / 1e6 / took.Wall.Seconds() }

// output is what a command printed, without the end of its line.
type output struct{ text strings.Builder }

func (o *output) Write(p []byte) (int, error) { return o.text.Write(p) }
func (o *output) String() string              { return strings.TrimSpace(o.text.String()) }
