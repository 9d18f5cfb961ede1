package activities

import (
	"slices"
	"testing"
)

// Activities of one exhaust may be of different releases: what one of them stages another reads.
func TestNamesOfStagedFilesStayTheSame(t *testing.T) {
	const staging = "staging/1E2A/run/"
	segment := SegmentRange{Part: 3, Attempt: "0a1b2c3d", Count: 2, Format: segmentFormat}
	got := slices.Concat(
		segmentNames(staging, []SegmentRange{segment}, eventsKind),
		segmentNames(staging, []SegmentRange{segment}, indexKind),
		segmentNames(staging, []SegmentRange{segment}, readKind),
		[]string{listingName(staging, "0a1b2c3d-20220301-0"), devicesName(staging), repeatsName(staging, 4), scratchName(staging, keptKind), scratchName(staging, indexKind)},
	)
	want := []string{
		"staging/1E2A/run/p0003-0a1b2c3d-00000.events", "staging/1E2A/run/p0003-0a1b2c3d-00001.events",
		"staging/1E2A/run/p0003-0a1b2c3d-00000.index.2", "staging/1E2A/run/p0003-0a1b2c3d-00001.index.2",
		"staging/1E2A/run/p0003-0a1b2c3d-00000.read", "staging/1E2A/run/p0003-0a1b2c3d-00001.read",
		"staging/1E2A/run/listing-0a1b2c3d-20220301-0",
		"staging/1E2A/run/devices", "staging/1E2A/run/repeats.2-00004",
		"staging/1E2A/run/merge-kept-", "staging/1E2A/run/merge-index.2-",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
