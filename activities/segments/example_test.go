package segments_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"data-exhaust/activities/segments"
	"data-exhaust/blob"
)

// Two workers store what they found, in whatever order they found it. Merging their segments gives all records in ascending
// order, equal ones as often as they were added.
func ExampleMerge() {
	store, remove := temporaryStore()
	defer remove()
	ctx := context.Background()

	for name, records := range map[string][]string{
		"segment-1": {"pear", "apple", "quince"},
		"segment-2": {"fig", "apple"},
	} {
		var buffer segments.Buffer
		for _, record := range records {
			buffer.Add([]byte(record))
		}
		if err := buffer.Store(ctx, store, name); err != nil {
			log.Fatal(err)
		}
	}

	err := segments.Merge(ctx, store, []string{"segment-1", "segment-2"}, "merged-", func(record []byte) error {
		fmt.Println(string(record))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// apple
	// apple
	// fig
	// pear
	// quince
}

// A record sorts by its bytes, so it begins with its key: here the time of an answer, then the device that gave it. What
// the record carries besides comes last.
func ExampleAppendTime() {
	store, remove := temporaryStore()
	defer remove()
	ctx := context.Background()

	noon := time.Date(2022, 3, 1, 12, 0, 0, 0, time.UTC)
	var buffer segments.Buffer
	for _, answer := range []struct {
		at           time.Time
		device, text string
	}{
		{noon.Add(time.Nanosecond), "d-1", "two"},
		{noon, "d-2", "yes"},
		{noon, "d-1", "one"},
		{time.Date(1969, 12, 31, 23, 0, 0, 0, time.UTC), "d-3", "its clock is wrong"},
	} {
		record := segments.AppendTime(nil, answer.at.UnixNano())
		record = segments.AppendText(record, answer.device)
		record = segments.AppendCell(record, answer.text)
		buffer.Add(record)
	}
	if err := buffer.Store(ctx, store, "segment"); err != nil {
		log.Fatal(err)
	}

	err := segments.Read(ctx, store, "segment", func(record []byte) error {
		at, rest, err := segments.Time(record)
		if err != nil {
			return err
		}
		device, rest, err := segments.Text(rest, nil)
		if err != nil {
			return err
		}
		text, _, err := segments.Cell(string(rest))
		if err != nil {
			return err
		}
		fmt.Printf("%s %s: %s\n", time.Unix(0, at).UTC().Format(time.RFC3339Nano), device, text)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1969-12-31T23:00:00Z d-3: its clock is wrong
	// 2022-03-01T12:00:00Z d-1: one
	// 2022-03-01T12:00:00Z d-2: yes
	// 2022-03-01T12:00:00.000000001Z d-1: two
}

func temporaryStore() (store *blob.Local, remove func()) {
	folder, err := os.MkdirTemp("", "segments-")
	if err != nil {
		log.Fatal(err)
	}
	store, err = blob.NewLocal(folder, blob.LocalOptions{})
	if err != nil {
		log.Fatal(err)
	}
	return store, func() { os.RemoveAll(folder) }
}
