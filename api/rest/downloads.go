package rest

import (
	"net/http"
	"slices"
	"strings"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// serveFile serves a file of a folder store. Its signature is the right to it, so nobody is asked who he is; the audit log says
// who it was by where he calls from.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	caller := access.Caller{From: s.door.From(r)}
	dataset, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, FilesPath+"/"), "/")
	requestID, _, _ := strings.Cut(rest, "/")
	if !slices.Contains(exhaust.Datasets, exhaust.Dataset(dataset)) || !exhaust.IsRequestID(requestID) {
		dataset, requestID = "", "" // no name of ours, and whose text it is nobody knows
	}
	audited := &auditedFile{ResponseWriter: w, tell: func(outcome string) error {
		if outcome != service.Done {
			// Whoever has no signature is a stranger: he does not fill the audit log.
			if err := s.door.AllowStranger(caller.From); err != nil {
				return err
			}
		}
		return s.service.Downloaded(r.Context(), caller, exhaust.Dataset(dataset), requestID, outcome)
	}}
	http.StripPrefix(FilesPath, s.files).ServeHTTP(audited, r)
	if audited.failure != nil {
		s.failed(w, r, idPrefix, audited.failure)
	}
}

// auditedFile tells the audit log of a download before its first byte. Where it cannot, nothing of the file is sent.
type auditedFile struct {
	http.ResponseWriter
	tell    func(outcome string) error
	isTold  bool
	failure error
}

func (w *auditedFile) WriteHeader(status int) {
	if !w.isTold {
		w.isTold = true
		if w.failure = w.tell(downloadOutcome(status)); w.failure != nil {
			for name := range w.Header() {
				w.Header().Del(name) // they are those of the file
			}
		}
	}
	if w.failure == nil {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *auditedFile) Write(p []byte) (int, error) {
	if !w.isTold {
		w.WriteHeader(http.StatusOK)
	}
	if w.failure != nil {
		return 0, w.failure
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *auditedFile) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func downloadOutcome(status int) string {
	switch {
	case status < http.StatusBadRequest:
		return service.Done
	case status == http.StatusForbidden:
		return "forbidden"
	case status == http.StatusNotFound:
		return "not found"
	}
	return "failed"
}
