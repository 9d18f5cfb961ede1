package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"data-exhaust/exhaust"
)

// compareFiles is an error unless two CSV files have the same rows in the same order.
func compareFiles(ours, theirs string) error {
	a, err := os.Open(ours)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.Open(theirs)
	if err != nil {
		return err
	}
	defer b.Close()
	return compareRows(a, b)
}

// compareRows names the first row and column in which two files differ; row 1 is the one behind the heading. What is sample
// data may stand in the error.
func compareRows(ours, theirs io.Reader) error {
	a, b := csv.NewReader(ours), csv.NewReader(theirs)
	a.ReuseRecord, b.ReuseRecord = true, true
	for row := 0; ; row++ {
		mine, errA := a.Read()
		other, errB := b.Read()
		switch {
		case errA == io.EOF && errB == io.EOF && row > 1:
			return nil
		case errA == io.EOF && errB == io.EOF:
			return errors.New("the files have no rows")
		case errA == io.EOF:
			return fmt.Errorf("row %d stands in the second file only", row)
		case errB == io.EOF:
			return fmt.Errorf("row %d stands in the first file only", row)
		case errA != nil || errB != nil:
			return fmt.Errorf("row %d: %w", row, errors.Join(errA, errB))
		case row == 0 && !slices.Equal(mine, exhaust.ResponseColumns):
			return fmt.Errorf("the heading is %q", mine)
		case len(mine) != len(other):
			return fmt.Errorf("row %d has %d columns and %d", row, len(mine), len(other))
		}
		for i := range mine {
			if mine[i] != other[i] && (row == 0 || normalize(i, mine[i]) != normalize(i, other[i])) {
				return fmt.Errorf("row %d, %s: %q and %q", row, exhaust.ResponseColumns[i], mine[i], other[i])
			}
		}
	}
}

// normalize is all that is forgiven: the two columns of JSON are compared as values, because ours stand as they do in
// telemetry, while DuckDB and jq write escapes in their own way.
func normalize(column int, cell string) string {
	if name := exhaust.ResponseColumns[column]; name != "Question Options" && name != "Question Response" || cell == "" {
		return cell
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(cell)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return cell
	}
	text, err := json.Marshal(value)
	if err != nil {
		return cell
	}
	return string(text)
}
