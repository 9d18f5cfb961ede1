package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestWhatIsMadeOfTheDescriptionIsAsItIs(t *testing.T) {
	files, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what openapi.yaml makes of it, %v: `make api-docs`", name, err)
		}
	}
	if len(files) < 2 {
		t.Errorf("only %d files are made", len(files))
	}
}

func TestAMistakeInTheDescriptionIsNamed(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ of, to, want string }{
		{"x-faults: [caller, metrics]", "x-faults: [caller, metric]", `get /metrics: there is no group of faults "metric"`},
		{"      x-faults: [caller, metrics]\n", "", "get /metrics: x-faults is missing"},
		{"[METRICS_REFUSED]", "[METRICS_REFUSED, NO_SUCH_FAULT]", "x-faults: there is no code NO_SUCH_FAULT"},
		{"[METRICS_REFUSED]", "[]", "x-faults: METRICS_REFUSED stands in no group, or under no status of an error"},
		{"\"403\": [METRICS_REFUSED]", "\"403\": [METRICS_REFUSED]\n    \"404\": [METRICS_REFUSED]", "x-faults: METRICS_REFUSED has the status 403, and 404 in metrics"},
	} {
		changed := strings.Replace(string(source), c.of, c.to, 1)
		if changed == string(source) {
			t.Fatalf("the description has no %q", c.of)
		}
		if _, err := expand([]byte(changed)); err == nil || err.Error() != c.want {
			t.Errorf("%s\ngot  %v\nwant %s", c.to, err, c.want)
		}
	}
}

func TestShorthandsAreExpanded(t *testing.T) {
	schema := parsed(`{x-closed: true, properties: {a: {type: string}, b: {type: integer, x-optional: true}}}`)
	closeSchemas(schema)
	const want = `{"properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a"],"additionalProperties":false}`
	if got := string(appendJSON(nil, schema)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestYAMLKeepsItsOrderAndMerges(t *testing.T) {
	n := parsed("base: &b {z: 1, a: \"2026-11-30\"}\nmore: {<<: *b, n: null, t: true, z: <&>}")
	const want = `{"base":{"z":1,"a":"2026-11-30"},"more":{"z":"<&>","a":"2026-11-30","n":null,"t":true}}`
	if got := string(appendJSON(nil, n)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEachLinkWithinTheReferenceLeadsSomewhere(t *testing.T) {
	files, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	page := string(files[filepath.Join("..", "..", "docs", "api.md")])
	headings := map[string]int{}
	for _, heading := range regexp.MustCompile(`(?m)^##+ (.*)$`).FindAllStringSubmatch(page, -1) {
		headings[anchor(strings.ReplaceAll(heading[1], ",", ""))]++
	}
	links := regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(page, -1)
	for _, link := range links {
		if headings[link[1]] != 1 {
			t.Errorf("#%s is %d headings", link[1], headings[link[1]])
		}
	}
	if len(links) < 50 {
		t.Errorf("only %d links were found", len(links))
	}
}

func TestTheDocumentAloneHasNoLinkThatLeadsNowhere(t *testing.T) {
	files, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	document := string(files["openapi.json"])
	if found := regexp.MustCompile(`\]\([^)]*\)`).FindAllString(document, -1); len(found) > 0 {
		t.Errorf("it has the links %q", found)
	}
	for _, want := range []string{"docs/auth.md says who may do what", "which says what the report holds", "`EXHAUST_RATE_LIMIT` (docs/settings.md)"} {
		if !strings.Contains(document, want) {
			t.Errorf("it has no %q", want)
		}
	}
}

// Swagger UI gives the cells of an aligned column a style of their own, which its page's policy forbids.
func TestNoTableOfTheDocumentHasAlignedColumns(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(`\|\s*(:-+|-+:|:-+:)\s*\|`).FindString(string(source)); found != "" {
		t.Errorf("it has a table with %s", found)
	}
}
