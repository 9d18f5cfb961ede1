package summary

import (
	"strings"
	"testing"

	"data-exhaust/report"
)

// Sums are exact beyond 64 bits, and what is no whole number is not counted, nor is a number of more than 18 digits.
func TestSumsAreExact(t *testing.T) {
	for _, c := range []struct {
		cell  string
		times int
		mean  report.Mean
	}{
		{"99999999999999999", 200, "99999999999999999"}, {"-99999999999999999", 200, "-99999999999999999"},
		{"999999999999999999", 2000, "999999999999999999"}, {"-999999999999999999", 2000, "-999999999999999999"},
		{"1000000000000000000", 3, ""}, {"-1000000000000000000", 3, ""}, {"0000000000000000000", 1, ""},
		{"-0", 1, "0"}, {"0", 2, "0"}, {"", 1, ""}, {"-", 1, ""}, {"007", 1, ""}, {"1.5", 1, ""}, {"1e3", 1, ""},
		{"+1", 1, ""}, {"१", 1, ""},
		// To add this up took a core for 29 seconds once.
		{strings.Repeat("9", 4<<20), 1, ""},
	} {
		var once, twice sum
		for range c.times {
			once.add([]byte(c.cell))
		}
		// Staged and added up again it is the same.
		r := &recordReader{rest: once.append(nil)}
		twice.addSum(r.sum())
		if once.mean() != c.mean || twice.mean() != c.mean || r.err != nil || len(r.rest) > 0 {
			t.Errorf("%d times %.40q: %q and staged %q, %v; want %q", c.times, c.cell, once.mean(), twice.mean(), r.err, c.mean)
		}
	}
}

func TestASumOfBothSignsIsExact(t *testing.T) {
	var total sum
	for _, cell := range []string{
		"-999999999999999999", "3", "999999999999999999", "-4", "-999999999999999999", "999999999999999991",
	} {
		total.add([]byte(cell))
	}
	if mean := total.mean(); mean != "-1.5" { // -9 of 6 numbers
		t.Errorf("the mean is %q, want -1.5", mean)
	}
}
