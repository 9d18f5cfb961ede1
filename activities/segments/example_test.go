package segments_test

import (
	"context"
	"fmt"
	"log"
	"os"

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

// A record sorts by its bytes, so it begins with its key: here the device that gave an answer, then the question. What the
// record carries besides comes last.
func ExampleAppendText() {
	store, remove := temporaryStore()
	defer remove()
	ctx := context.Background()

	var buffer segments.Buffer
	for _, answer := range []struct{ device, question, text string }{
		{"d-10", "q1", "two"},
		{"d-1", "q2", "yes"},
		{"d-1", "q1", "one"},
	} {
		record := segments.AppendText(nil, []byte(answer.device))
		record = segments.AppendText(record, []byte(answer.question))
		record = segments.AppendCell(record, answer.text)
		buffer.Add(record)
	}
	if err := buffer.Store(ctx, store, "segment"); err != nil {
		log.Fatal(err)
	}

	err := segments.Read(ctx, store, "segment", func(record []byte) error {
		device, rest, err := segments.Text(record)
		if err != nil {
			return err
		}
		question, rest, err := segments.Text(rest)
		if err != nil {
			return err
		}
		text, _, err := segments.Cell(string(rest))
		if err != nil {
			return err
		}
		fmt.Printf("%s %s: %s\n", device, question, text)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// d-1 q1: one
	// d-1 q2: yes
	// d-10 q1: two
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
