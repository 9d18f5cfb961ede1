package telemetry

import "testing"

// The expected texts are those of Python's decode("utf-8", "replace"), and U+FFFD for U+0000.
func TestTextOfTheRegistryIsCleanedAsThatOfTelemetryIs(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"Helpdesk टीका":          "Helpdesk टीका",
		"a\x00b":                 "a\ufffdb",
		"\xe2\x82A":              "\ufffdA",
		"\xff\xff":               "\ufffd\ufffd",
		"\xed\xa0\x80":           "\ufffd\ufffd\ufffd",
		"\xf0\x9f\x98":           "\ufffd",
		"\x00\xe0\xa4\x00\ufffd": "\ufffd\ufffd\ufffd\ufffd",
	} {
		if got := CleanText(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
