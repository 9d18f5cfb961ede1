package blob

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAStoreSaysWhyItHoldsNoSuchNames(t *testing.T) {
	const (
		noSegment  = `have the segment %q, which a folder cannot hold`
		tooLong    = "are longer than the 1024 characters that Azure takes"
		longName   = "have a segment of more than the 255 bytes that a file's name may have"
		manyParts  = "have more than the 254 segments that Azure takes"
		inTheWay   = "lie in .tmp, where the store keeps what is being written"
		day        = "2022-03-01"
		allowed    = "<nil>"
		noUTF8Here = "are not UTF-8, which Azure wants"
	)
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct{ prefix, folder, azure string }{
		{day, allowed, allowed},
		{"2022/03/01/", allowed, allowed},
		{"", allowed, allowed},
		{"/" + day, fmt.Sprintf(noSegment, ""), allowed},
		{"a//" + day, fmt.Sprintf(noSegment, ""), allowed},
		{day + "//", fmt.Sprintf(noSegment, ""), allowed},
		{"./" + day, fmt.Sprintf(noSegment, "."), allowed},
		{"../" + day, fmt.Sprintf(noSegment, ".."), allowed},
		{"a/../" + day, fmt.Sprintf(noSegment, ".."), allowed},
		{".tmp/" + day, inTheWay, allowed},
		{"a/.tmp/" + day, allowed, allowed},
		{".tmp" + day, allowed, allowed},
		{day + "/.", allowed, allowed}, // goes on, as in .part-0.json.gz
		{day + "/..", allowed, allowed},
		{`a\b` + day, allowed, allowed},
		{"a\tb" + day, allowed, allowed},
		{"a\x00" + day, "hold a zero byte, which no store takes", "hold a zero byte, which no store takes"},
		{"\xff" + day, allowed, noUTF8Here},
		{x(255), allowed, allowed},
		{x(256), longName, allowed},
		{x(256) + "/" + day, longName, allowed},
		{strings.Repeat(x(100)+"/", 11), allowed, tooLong},
		// With the store's own prefix, raw/, these are 1,024 characters, and one more.
		{strings.Repeat(x(101)+"/", 10), allowed, allowed},
		{strings.Repeat(x(101)+"/", 10) + "y", allowed, tooLong},
		{strings.Repeat(strings.Repeat("ü", 101)+"/", 10), allowed, allowed},
		{strings.Repeat("a/", 252) + day, allowed, allowed},
		{strings.Repeat("a/", 253) + day, allowed, manyParts},
	} {
		if got := fmt.Sprint(Location{Folder: "/var/telemetry"}.CheckNames(c.prefix)); got != c.folder {
			t.Errorf("%.50q in a folder: got %s, want %s", c.prefix, got, c.folder)
		}
		if got := fmt.Sprint(Location{Container: "telemetry", Prefix: "raw/"}.CheckNames(c.prefix)); got != c.azure {
			t.Errorf("%.50q in a container: got %s, want %s", c.prefix, got, c.azure)
		}
	}
	if err := (Location{Container: "telemetry"}).CheckNames(strings.Repeat(x(127)+"/", 8)); err != nil {
		t.Errorf("1,024 characters without a prefix of the store: %v", err)
	}
}

// What CheckNames allows, a listing finds: the file that such a name begins lies in the folder.
func TestAFolderListsTheNamesThatItCanHold(t *testing.T) {
	for _, prefix := range []string{"2022-03-01", "2022/03/01/", ".tmp2022-03-01", "a/.tmp/2022-03-01", "2022-03-01/.", "2022-03-01/..", `a\b`, "a\tb", strings.Repeat("ü", 121)} {
		root := t.TempDir()
		if err := (Location{Folder: root}).CheckNames(prefix); err != nil {
			t.Errorf("%q: %v", prefix, err)
			continue
		}
		name := prefix + "-0.json.gz"
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		store, err := NewLocal(root, LocalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for object, err := range store.List(t.Context(), prefix, "") {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, object.Name)
		}
		if len(found) != 1 || found[0] != name {
			t.Errorf("%q: found %q", prefix, found)
		}
	}
}
