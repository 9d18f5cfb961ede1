package rest

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net/http"

	"data-exhaust/access"
	"data-exhaust/service"
)

const summaryID = idPrefix + ".summary"

// summary is a result that is copied from its file: a JSON object of any length.
type summary struct{ io.ReadCloser }

func (s *Server) summary(r *http.Request, c access.Caller) (any, error) {
	tag, channel, requestID, err := nameOne(r)
	if err != nil {
		return nil, err
	}
	file, err := s.service.Summary(r.Context(), c, tag, channel, requestID)
	return summary{file}, err
}

// writeSummary writes the envelope with a summary as its result. A file that cannot be read from its first byte on is an error
// as of any call; of what fails later the client sees an answer that breaks off.
func (s *Server) writeSummary(w http.ResponseWriter, id string, from summary) error {
	defer func() { _ = from.Close() }() // it was only read
	file := bufio.NewReaderSize(from, 64<<10)
	if _, err := file.Peek(1); err != nil {
		return &service.UnavailableError{Dependency: service.ReportsDependency, Err: err}
	}
	envelope, _ := encode(newEnvelope(id)) // it holds texts only
	before, after := bytes.TrimSuffix(envelope, []byte("{}}\n")), []byte("}\n")
	writeHeader(w, http.StatusOK)
	for _, part := range []io.Reader{bytes.NewReader(before), file, bytes.NewReader(after)} {
		reading := &readError{Reader: part}
		if _, err := io.Copy(w, reading); err == nil {
			continue
		} else if reading.err != nil {
			s.log.Error("an answer breaks off", "id", id, "error", err)
			panic(http.ErrAbortHandler)
		} else {
			s.log.Debug("client went away", "id", id, slog.Any("error", err))
			break
		}
	}
	return nil
}

// readError keeps the error of a reader, to tell it from that of who takes what was read.
type readError struct {
	io.Reader
	err error
}

func (r *readError) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != io.EOF {
		r.err = err
	}
	return n, err
}
