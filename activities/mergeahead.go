package activities

import "context"

// mergedBytes is how many bytes of lines are handed over at a time.
const mergedBytes = 256 << 10

// mergedLines are some lines, or records, one behind the other.
type mergedLines struct {
	text []byte
	ends []int
}

func (m *mergedLines) add(line []byte) {
	m.text = append(m.text, line...)
	m.ends = append(m.ends, len(m.text))
}

// each calls do with each of the lines, up to the first error. The lines behind one are within its capacity, which
// makes reading its row faster.
func (m *mergedLines) each(do func(line []byte) error) error {
	start := 0
	for _, end := range m.ends {
		if err := do(m.text[start:end]); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// mergeAhead merges in a goroutine of its own, so that rows are built while the events of the next ones are read and
// compared. It holds five mergedLines at the most: one that is filled, three that wait, one whose rows are built.
//
// It calls each with every line that merge calls its argument with, in the same order, and gives the first error of
// each, or else that of merge. merge runs until mergeAhead ends; a panic of it is raised again here, where Temporal's SDK
// catches it.
func mergeAhead(ctx context.Context, merge func(ctx context.Context, each func(line []byte) error) error, each func(line []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	merged, spare := make(chan *mergedLines, 3), make(chan *mergedLines, 5)
	var mergeError error
	var panicked any
	// Nothing of merge goes on when this has ended, however it does.
	defer func() {
		cancel()
		for range merged {
		}
	}()
	run := func() {
		lines := new(mergedLines)
		handOver := func() error {
			select {
			case merged <- lines:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case lines = <-spare:
				lines.text, lines.ends = lines.text[:0], lines.ends[:0]
			default:
				lines = new(mergedLines)
			}
			return nil
		}
		mergeError = merge(ctx, func(line []byte) error {
			lines.add(line)
			if len(lines.text) < mergedBytes {
				return nil
			}
			return handOver()
		})
		if mergeError == nil && len(lines.ends) > 0 {
			mergeError = handOver()
		}
	}
	go func() {
		defer close(merged)
		panicked = guard(ctx, run)
	}()
	var err error
	for lines := range merged {
		if err != nil {
			continue // merge has been told to end
		}
		if err = lines.each(each); err != nil {
			cancel()
		}
		if cap(lines.text) > 2*mergedBytes {
			continue // of a line that is larger than all others
		}
		spare <- lines
	}
	if panicked != nil {
		panic(panicked)
	}
	if err != nil {
		return err
	}
	return mergeError
}
