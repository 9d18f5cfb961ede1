package rest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"slices"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// list is a result that is written while it is read, so that a thousand exhausts, each with a datasetConfig of its client's,
// take the memory of a page.
type list struct {
	// name is the member that holds the elements.
	name     string
	elements iter.Seq2[any, error]
	// count is how many there are; uncounted where that is known in the end.
	count int
	// next is where to go on; nil where an answer does not say so.
	next *string
}

const uncounted = -1

// configsPage is how many datasetConfigs are read at a time. Each may have a MiB, of releases that did not bound them.
const configsPage = 16

// list shows jobs as read does.
func (s *Server) list(ctx context.Context, jobs []exhaust.Job) *list {
	return &list{name: "jobs", count: len(jobs), elements: func(yield func(any, error) bool) {
		for page := range slices.Chunk(jobs, configsPage) {
			configs, err := s.configs(ctx, page)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, job := range page {
				job.Config = configs[job.ID]
				if !yield(s.jobInfo(job), nil) {
					return
				}
			}
		}
	}}
}

func (s *Server) configs(ctx context.Context, jobs []exhaust.Job) (map[string]json.RawMessage, error) {
	// The client may take longer to read the pages before than a call may take: the server bounds that.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	ids := make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.ID
	}
	return s.service.Configs(ctx, ids)
}

func showSchedules(found iter.Seq2[service.Schedule, error]) *list {
	return &list{name: "schedules", count: uncounted, elements: func(yield func(any, error) bool) {
		for schedule, err := range found {
			if !yield(showSchedule(schedule), err) {
				return
			}
		}
	}}
}

// writeList writes the envelope with a list as its result. What fails before the first element is an error as of any call;
// of what fails later the client sees an answer that breaks off.
func (s *Server) writeList(w http.ResponseWriter, id string, l *list) error {
	out := &listWriter{w: w, out: bufio.NewWriterSize(w, 64<<10), id: id, list: l}
	for element, err := range l.elements {
		if err == nil {
			err = out.add(element)
		}
		if err != nil && !out.isBegun {
			return err
		}
		if err != nil {
			s.log.Error("an answer breaks off", "id", id, "error", err)
			panic(http.ErrAbortHandler)
		}
		if out.isBroken {
			break
		}
	}
	if err := out.end(); err != nil {
		s.log.Debug("client went away", "id", id, slog.Any("error", err))
	}
	return nil
}

type listWriter struct {
	w        http.ResponseWriter
	out      *bufio.Writer // keeps its first error for Flush
	id       string
	list     *list
	isBegun  bool
	isBroken bool
	written  int
}

func (l *listWriter) begin() {
	l.isBegun = true
	writeHeader(l.w, http.StatusOK)
	envelope, _ := encode(newEnvelope(l.id)) // it holds texts only
	_, _ = l.out.Write(bytes.TrimSuffix(envelope, []byte("{}}\n")))
	_ = l.out.WriteByte('{')
	if l.list.count != uncounted {
		fmt.Fprintf(l.out, `"count":%d,`, l.list.count)
	}
	fmt.Fprintf(l.out, `%q:[`, l.list.name)
}

// add writes one more element. The error is the element's; where the client went away, isBroken is set.
func (l *listWriter) add(element any) error {
	text, err := encode(element)
	if err != nil {
		return err
	}
	if !l.isBegun {
		l.begin()
	}
	if l.written > 0 {
		_ = l.out.WriteByte(',')
	}
	l.written++
	_, err = l.out.Write(bytes.TrimSuffix(text, []byte("\n")))
	l.isBroken = err != nil
	return nil
}

func (l *listWriter) end() error {
	if !l.isBegun {
		l.begin()
	}
	_ = l.out.WriteByte(']')
	if l.list.count == uncounted {
		fmt.Fprintf(l.out, `,"count":%d`, l.written)
	}
	if l.list.next != nil {
		fmt.Fprintf(l.out, `,"next":%q`, *l.list.next)
	}
	_, _ = l.out.WriteString("}}\n")
	return l.out.Flush()
}
