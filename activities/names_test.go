package activities

import (
	"slices"
	"testing"
)

// Activities of one exhaust may be of different releases: what one of them stages another reads.
func TestNamesOfStagedFilesStayTheSame(t *testing.T) {
	const staging = "staging/1E2A/run/"
	segment := SegmentRange{Part: 3, Attempt: "0a1b2c3d", Count: 2}
	got := slices.Concat(
		segmentNames(staging, []SegmentRange{segment}, rowsKind),
		segmentNames(staging, []SegmentRange{segment}, indexKind),
		[]string{devicesName(staging), repeatsName(staging, 4), scratchName(staging, keptKind), scratchName(staging, indexKind)},
	)
	want := []string{
		"staging/1E2A/run/p0003-0a1b2c3d-00000.rows", "staging/1E2A/run/p0003-0a1b2c3d-00001.rows",
		"staging/1E2A/run/p0003-0a1b2c3d-00000.index", "staging/1E2A/run/p0003-0a1b2c3d-00001.index",
		"staging/1E2A/run/devices", "staging/1E2A/run/repeats-00004",
		"staging/1E2A/run/merge-kept-", "staging/1E2A/run/merge-index-",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
