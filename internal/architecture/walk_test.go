package architecture

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Whoever follows a request by docs/architecture.md finds each function in the file that its row names.
func TestTheWayOfARequestIsWhereTheDocumentSays(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	names := func(cell string) (all []string) {
		for _, match := range quoted.FindAllStringSubmatch(cell, -1) {
			all = append(all, match[1])
		}
		return all
	}
	functions := 0
	for line := range strings.Lines(string(document)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || !strings.Contains(cells[3], ".go`") {
			continue
		}
		var files []string
		for _, name := range names(cells[3]) {
			content, err := os.ReadFile(filepath.Join("..", "..", name))
			if err != nil {
				t.Error(err)
			}
			files = append(files, string(content))
		}
		for _, name := range names(cells[4]) {
			functions++
			method := name[strings.LastIndex(name, ".")+1:]
			declared := regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + method + `[\[(]`)
			if !slices.ContainsFunc(files, declared.MatchString) {
				t.Errorf("%s stands in none of%s", name, cells[3])
			}
		}
	}
	if functions < 20 {
		t.Errorf("the document names %d functions, which is less than the way has", functions)
	}
}
