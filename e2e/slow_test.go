package e2e

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzip"
)

// bot adds a conversation with a name, in the usual channel, and gives its id.
func (s *stack) bot(t *testing.T, name string) string {
	t.Helper()
	id := uuid.NewString()
	if err := s.registries[0].conversation(id, name, channel, "", ""); err != nil {
		t.Fatal(err)
	}
	return id
}

// say puts events of a conversation into an object of the day and gives their file.
func (d *deployment) say(t *testing.T, conversation, name, day string, events int) (file []byte) {
	t.Helper()
	var lines, rows strings.Builder
	rows.WriteString(responseHeader)
	for i := range events {
		event, row := simpleEvent(fmt.Sprintf("ASSESS:%s:%05d", day, i), conversation, fmt.Sprintf("%sT10:%02d:%02dZ", day, i/60%60, i%60))
		lines.WriteString(event)
		fmt.Fprintf(&rows, row, name)
	}
	d.telemetry.put(t, day+"-0.json.gz", gzipped(t, 1, []byte(lines.String())))
	return []byte(rows.String())
}

// filler is a gzip object that takes some seconds to scan and holds nothing of any conversation: few
// bytes that decompress to many. Reading it is what a test interrupts.
var filler = sync.OnceValue(func() []byte {
	const memberBytes = 16 << 20
	members := 100
	if raced {
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
func (d *deployment) sayBehindFiller(t *testing.T, conversation, name, day string, events int) []byte {
	t.Helper()
	d.telemetry.put(t, day+"-00.json.gz", filler())
	return d.say(t, conversation, name, day, events)
}

// midway tells that telemetry is being read: some of it, not all.
func midway(j job) bool {
	return j.Status == "PROCESSING" && j.Progress.Phase == "FETCHING" && j.Progress.BytesRead > 0 && j.Progress.BytesRead < j.Progress.BytesTotal
}
