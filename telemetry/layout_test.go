package telemetry

import (
	"strings"
	"testing"

	"data-exhaust/exhaust"
)

func TestALayoutWritesTheDayAsItsPatternSays(t *testing.T) {
	for pattern, want := range map[string]string{
		"{yyyy}-{MM}-{dd}":           "2022-03-01",
		"{yyyy}/{MM}/{dd}/":          "2022/03/01/",
		"year={yyyy}/m={MM}/d={dd}_": "year=2022/m=03/d=01_",
		"{dd}{MM}{yyyy}":             "01032022",
	} {
		layout, err := ParseLayout(pattern)
		if err != nil {
			t.Errorf("ParseLayout(%q): %v", pattern, err)
			continue
		}
		if got := layout.Prefix(exhaust.Day("2022-03-01")); got != want {
			t.Errorf("prefix of %q is %q, want %q", pattern, got, want)
		}
		if got := layout.String(); got != pattern {
			t.Errorf("String() = %q, want %q", got, pattern)
		}
	}
}

func TestALayoutThatDoesNotNameADayIsRefusedWithTheReason(t *testing.T) {
	for pattern, want := range map[string]string{
		"":                       `lacks {yyyy}`,
		"{yyyy}-{dd}":            `lacks {MM}`,
		"{yyyy}/{MM}/":           `lacks {dd}`,
		"{yyyy}-{mm}-{dd}":       `lacks {MM}`,
		"{yyyy}-{MM}-{dd}/{dd}":  `holds {dd} more than once`,
		"{yyyy}-{MM}-{dd}-{HH}":  `holds braces other than`,
		"{yyyy}-{MM}-{dd}-{":     `holds braces other than`,
		"{{yyyy}}-{{MM}}-{{dd}}": `holds braces other than`,
	} {
		_, err := ParseLayout(pattern)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseLayout(%q) gives %v, want an error with %q", pattern, err, want)
		}
	}
}

func TestTelemetryIsKnownByTheEndOfItsName(t *testing.T) {
	for name, want := range map[string]bool{
		"2022-03-01-0-1646092800000.json.gz": true,
		"2022-03-01/part-0.json.gz":          true,
		"2022-03-01.zst":                     true,
		"2022-03-01.json":                    true,
		"2022-03-01.jsonl":                   true,
		"2022-03-01.ndjson":                  true,
		"2022-03-01.log":                     true,
		"2022-03-01/_SUCCESS":                false,
		"2022-03-01.json.gz.md5":             false,
		"2022-03-01.csv":                     false,
		"2022-03-01.gz/":                     false,
		"2022-03-01json":                     false,
		"":                                   false,
	} {
		if got := IsTelemetry(name); got != want {
			t.Errorf("IsTelemetry(%q) = %v, want %v", name, got, want)
		}
	}
}
