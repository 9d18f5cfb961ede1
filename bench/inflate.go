package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"data-exhaust/bench/stack"
	"data-exhaust/telemetry/gunzip"
)

// inflater unpacks gzip, checksums included. It is not for concurrent use.
type inflater interface {
	// inflate unpacks one object into nothing, and returns how many bytes it held.
	inflate(object io.Reader) (int64, error)
}

type namedInflater struct {
	name string
	open func() inflater
}

// inflaters are the decoders that are measured. The first is the one that others are compared with.
var inflaters = []namedInflater{
	{"klauspost/compress", func() inflater { return &klauspost{buffer: make([]byte, 256<<10)} }},
	{"telemetry/gunzip", func() inflater { return &ours{} }},
}

// inflateWanted is what telemetry's own decoder promises.
const inflateWanted = "at least 2.4"

type klauspost struct {
	decoder gzip.Reader
	buffer  []byte
}

func (k *klauspost) inflate(object io.Reader) (int64, error) {
	if err := k.decoder.Reset(object); err != nil {
		return 0, err
	}
	return io.CopyBuffer(writerFunc(func(p []byte) (int, error) { return len(p), nil }), struct{ io.Reader }{&k.decoder}, k.buffer)
}

// ours is the decoder that telemetry is read with.
type ours struct{ decoder gunzip.Reader }

func (o *ours) inflate(object io.Reader) (size int64, err error) {
	o.decoder.Reset(object)
	for {
		chunk, err := o.decoder.Next(0)
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return size, err
		}
		size += int64(len(chunk))
	}
}

// floorMode unpacks all objects of a corpus on all cores: what a scan takes at least. Its arguments are the inflater's name
// and the objects.
const floorMode = "floor"

func runFloor(args []string) error {
	if len(args) < 2 {
		return errors.New("floor needs an inflater and objects")
	}
	i := slices.IndexFunc(inflaters, func(one namedInflater) bool { return one.name == args[0] })
	if i < 0 {
		return fmt.Errorf("no inflater %q", args[0])
	}
	objects := make(chan string)
	var group errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() (err error) {
			decoder := inflaters[i].open()
			for path := range objects {
				file, openErr := os.Open(path)
				if openErr != nil {
					err = errors.Join(err, openErr)
					continue
				}
				_, inflateErr := decoder.inflate(file)
				err = errors.Join(err, inflateErr, file.Close())
			}
			return err
		})
	}
	for _, path := range args[1:] {
		objects <- path
	}
	close(objects)
	return group.Wait()
}

func (b *bench) floors(ctx context.Context, c *corpus, engine cost) (rows []row, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	objects, err := c.objects()
	if err != nil {
		return nil, err
	}
	for _, one := range inflaters {
		var costs []cost
		for range b.rounds {
			took, err := measure(ctx, nil, append([]string{program, floorMode, one.name}, objects...)...)
			if err != nil {
				return nil, err
			}
			costs = append(costs, took)
		}
		took := best(costs)
		rows = append(rows, row{
			corpus: c.name, what: "floor: decompression alone, " + one.name, cost: took, rate: c.rate(took), ratio: took.Wall.Seconds() / engine.Wall.Seconds(),
		})
	}
	return rows, nil
}

// inflate compares the decoders on one core: medians of rounds in which they take turns, object by object, from memory.
func (b *bench) inflate(ctx context.Context) (rows []row, err error) {
	for _, c := range b.corpora {
		stack.Progress("%s: inflating", c.name)
		paths, err := c.objects()
		if err != nil {
			return nil, err
		}
		rates, decoders := make([][]float64, len(inflaters)), make([]inflater, len(inflaters))
		for i, one := range inflaters {
			decoders[i] = one.open()
		}
		for range b.rounds {
			took := make([]time.Duration, len(inflaters))
			unpacked := make([]int64, len(inflaters))
			for _, path := range paths {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				object, err := os.ReadFile(path)
				if err != nil {
					return nil, err
				}
				for i, one := range inflaters {
					begin := time.Now()
					n, err := decoders[i].inflate(bytes.NewReader(object))
					took[i] += time.Since(begin)
					if err != nil {
						return nil, fmt.Errorf("%s: %s: %w", one.name, path, err)
					}
					unpacked[i] += n
				}
			}
			for i, one := range inflaters {
				if unpacked[i] != c.Raw {
					return nil, fmt.Errorf("%s: %s unpacked %d bytes, not %d", c.name, one.name, unpacked[i], c.Raw)
				}
				rates[i] = append(rates[i], float64(c.Raw)/1e6/took[i].Seconds())
			}
		}
		for i, one := range inflaters {
			r := row{corpus: c.name, what: "inflate, one core: " + one.name, rate: median(rates[i])}
			if i > 0 {
				r.ratio, r.wanted = r.rate/rows[len(rows)-i].rate, inflateWanted
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
