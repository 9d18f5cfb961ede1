package telemetry

import (
	"fmt"
	"strings"

	"data-exhaust/exhaust"
)

// Layout says how the names of a store's telemetry objects begin with their day (EXHAUST_TELEMETRY_LAYOUT), so
// that a day is one listing by prefix. Get one from ParseLayout; the zero value puts every object in every day.
type Layout struct{ pattern string }

// ParseLayout reads a pattern such as "{yyyy}-{MM}-{dd}" or "{yyyy}/{MM}/{dd}/". It holds {yyyy}, {MM} and {dd}
// once each and no other placeholder; what stands between them is literal.
func ParseLayout(s string) (Layout, error) {
	rest := s
	for _, part := range dayParts {
		switch strings.Count(s, part) {
		case 0:
			return Layout{}, fmt.Errorf("telemetry layout %q lacks %s; a layout looks like {yyyy}-{MM}-{dd}", s, part)
		case 1:
			rest = strings.Replace(rest, part, "", 1)
		default:
			return Layout{}, fmt.Errorf("telemetry layout %q holds %s more than once", s, part)
		}
	}
	if strings.ContainsAny(rest, "{}") {
		return Layout{}, fmt.Errorf("telemetry layout %q holds braces other than those of {yyyy}, {MM} and {dd}", s)
	}
	return Layout{pattern: s}, nil
}

var dayParts = [3]string{"{yyyy}", "{MM}", "{dd}"}

// Prefix is what the names of d's objects begin with, after the store's own prefix. d is a real day.
func (l Layout) Prefix(d exhaust.Day) string {
	t := d.Time()
	return strings.NewReplacer(
		dayParts[0], t.Format("2006"),
		dayParts[1], t.Format("01"),
		dayParts[2], t.Format("02"),
	).Replace(l.pattern)
}

// String is the pattern that the layout was parsed from.
func (l Layout) String() string { return l.pattern }

// IsTelemetry tells by an object's name whether the object holds telemetry. Markers, manifests and checksums that lie
// between such objects hold none. The name does not tell how an object is compressed: its first bytes do.
func IsTelemetry(name string) bool {
	for _, suffix := range telemetrySuffixes {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

var telemetrySuffixes = [...]string{".gz", ".zst", ".json", ".jsonl", ".ndjson", ".log"}
