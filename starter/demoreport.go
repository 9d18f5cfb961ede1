package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"data-exhaust/exhaust"
)

// demoRows is how many rows of a report the demo shows.
const demoRows = 8

// showReport shows of the first rows of a report what people ask for one for: who answered what, and when; or whose phone
// number may be seen. Times are in the zone.
func showReport(file string, dataset exhaust.Dataset, zone *time.Location, out io.Writer) error {
	rows, count, err := readFirstRows(file)
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	shown, note := answersOf(rows, zone), "– is no answer, or one of a device that refused consent. The file has "+fmt.Sprint(len(exhaust.ResponseColumns))+" columns."
	if dataset == exhaust.PrivateExhaust {
		shown, note = phonesOf(rows), "– is a device that has not given consent, or has no phone number that decrypts: the file has its id there."
	}
	fmt.Fprintf(out, "The first %d of %d rows, times in %s:\n\n", len(rows), count, zone)
	if err := shown.write(out, widthOf(out)); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "\n"+note)
	return err
}

// readFirstRows reads the first rows of a report, each by its columns' names, and counts all.
func readFirstRows(file string) (rows []map[string]string, count int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	reader := csv.NewReader(f)
	header, err := reader.Read()
	if err != nil {
		return nil, 0, err
	}
	for ; ; count++ {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return rows, count, nil
		}
		if err != nil {
			return nil, 0, err
		}
		if count < demoRows {
			row := make(map[string]string, len(header))
			for i, name := range header {
				row[name] = record[i]
			}
			rows = append(rows, row)
		}
	}
}

// nothing stands for what a report does not have.
const nothing = "–"

func answersOf(rows []map[string]string, zone *time.Location) table {
	t := table{header: []string{"When", "Who", "Question", "Answer"}}
	for _, row := range rows {
		t.rows = append(t.rows, []string{
			shortTime(row["Timestamp"], zone), shortID(row["Device ID"]), row["Question Title"], answerText(row["Question Response"]),
		})
	}
	return t
}

func phonesOf(rows []map[string]string) table {
	t := table{header: []string{"Who", "Phone number or login", "Conversation"}}
	for _, row := range rows {
		visible := row["Decrypted Device ID"]
		if visible == row["Device UUID"] {
			visible = nothing
		}
		t.rows = append(t.rows, []string{shortID(row["Device UUID"]), visible, row["Conversation Name"]})
	}
	return t
}

func shortTime(timestamp string, zone *time.Location) string {
	at, err := time.Parse(time.RFC3339, timestamp)
	if err != nil {
		return timestamp
	}
	return at.In(zone).Format("2 Jan 15:04:05")
}

// shortID is the beginning of a uuid, which tells a few devices apart.
func shortID(id string) string {
	beginning, _, isCut := strings.Cut(id, "-")
	if isCut {
		beginning += "…"
	}
	return beginning
}

// answerText is what a person reads in the JSON of an answer (resvalues): its texts, in their order.
func answerText(response string) string {
	if texts := textsOf(gjson.Parse(response)); len(texts) > 0 {
		return strings.Join(texts, "; ")
	}
	return nothing
}

func textsOf(value gjson.Result) (texts []string) {
	if !value.IsObject() && !value.IsArray() {
		if value.String() == "" {
			return nil
		}
		return []string{value.String()}
	}
	value.ForEach(func(_, element gjson.Result) bool {
		texts = append(texts, textsOf(element)...)
		return true
	})
	return texts
}
