package e2e

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzip"

	"data-exhaust/internal/e2etest"
)

// say puts events of a conversation into an object of the day and gives their file.
func (d deployment) say(t *testing.T, conversation, name, day string, events int) (file []byte) {
	t.Helper()
	var lines, rows strings.Builder
	rows.WriteString(responseHeader)
	for i := range events {
		event, row := simpleEvent(fmt.Sprintf("ASSESS:%s:%05d", day, i), conversation, fmt.Sprintf("%sT10:%02d:%02dZ", day, i/60%60, i%60))
		lines.WriteString(event)
		fmt.Fprintf(&rows, row, name)
	}
	d.Telemetry.Put(t, day+"-0.json.gz", packGzip(t, 1, []byte(lines.String())))
	return []byte(rows.String())
}

// filler is a gzip object that takes some seconds to scan and holds nothing of any conversation: few
// bytes that decompress to many. Reading it is what a test interrupts.
var filler = sync.OnceValue(func() []byte {
	const memberBytes = 16 << 20
	members := 100
	if e2etest.HasRaceDetector {
		members = 12
	}
	event, _ := simpleEvent("ASSESS:filler", uuid.NewString(), "2022-03-01T00:00:00Z")
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	for written := 0; written < memberBytes; written += len(event) {
		if _, err := w.Write([]byte(event)); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return bytes.Repeat(member.Bytes(), members)
})

// sayBehindFiller is say, with an object in front that takes long to scan.
func (d deployment) sayBehindFiller(t *testing.T, conversation, name, day string, events int) []byte {
	t.Helper()
	d.Telemetry.Put(t, day+"-00.json.gz", filler())
	return d.say(t, conversation, name, day, events)
}

// isMidway reports whether telemetry is being read: some of it, not all.
func isMidway(j e2etest.Job) bool {
	return j.Status == "PROCESSING" && j.Progress.Phase == "FETCHING" && j.Progress.BytesRead > 0 && j.Progress.BytesRead < j.Progress.BytesTotal
}
