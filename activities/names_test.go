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
		[]string{listingName(staging, "0a1b2c3d-20220301-0"), devicesName(staging, &Joined{Attempt: "0a1b2c3d"}), repeatsName(staging, "0a1b2c3d", 4),
			scratchName(staging, keptKind, "0a1b2c3d"), scratchName(staging, tiedKind, "0a1b2c3d"), scratchName(staging, indexKind, "0a1b2c3d")},
	)
	want := []string{
		"staging/1E2A/run/p0003-0a1b2c3d-00000.events.3", "staging/1E2A/run/p0003-0a1b2c3d-00001.events.3",
		"staging/1E2A/run/p0003-0a1b2c3d-00000.index.3", "staging/1E2A/run/p0003-0a1b2c3d-00001.index.3",
		"staging/1E2A/run/p0003-0a1b2c3d-00000.read", "staging/1E2A/run/p0003-0a1b2c3d-00001.read",
		"staging/1E2A/run/listing-0a1b2c3d-20220301-0",
		"staging/1E2A/run/devices-0a1b2c3d", "staging/1E2A/run/repeats.3-0a1b2c3d-00004",
		"staging/1E2A/run/merge-kept-0a1b2c3d-", "staging/1E2A/run/merge-tied-0a1b2c3d-", "staging/1E2A/run/merge-index.3-0a1b2c3d-",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
