package telemetry

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// A reader that has read other events gives the same row as one that has read none, whatever items it has seen: such as
// begin alike, stand twice, are no objects, are too large to be kept, or too many.
func TestARowDoesNotDependOnTheRowsBefore(t *testing.T) {
	id := strings.Repeat("i", itemPrefix)
	items := []string{
		`{}`, `{"id":1}`, `[]`, `null`, `"text"`, `["` + id + `"]`, `"` + id + `"`,
		`{"id":"` + id + `","title":"a","params":[1, 2]}`,
		`{"id":"` + id + `","title":"a","params":[1, 2],"type":"t"}`,
		`{"id":"` + id + `","title":"b","params":[1,2]}`,
		`{"id":"` + id + `","title":"\u0062","params":[ 1,2]}`,
		`{"id":"` + id + `","title":1.50,"desc":"` + "\xff" + `","maxscore":"2","type":true}`,
		`{"id":"` + id + `","title":{"a":[ ]},"maxscore":2.0}`,
		`{"id":"` + id + `","title":"` + strings.Repeat("long ", maxItem) + `"}`,
		`{"id":"` + id + `"}`,
	}
	for i := range 2 * maxItems {
		items = append(items, fmt.Sprintf(`{"id":"q%d","title":"question %d","maxscore":%d,"padding":"%s"}`, i, i, i%3, id))
	}
	random := rand.New(rand.NewPCG(1, 1))
	var used RowReader
	for range 5000 {
		edata := `"edata":{"score":1,"item":` + items[random.IntN(len(items))] + `,"duration":2}`
		if random.IntN(10) == 0 {
			edata = `"edata":{"item":` + items[random.IntN(len(items))] + `,"item":` + items[random.IntN(len(items))] + `}`
		}
		if random.IntN(10) == 0 {
			edata = `"edata":{"item":` + items[random.IntN(len(items))] + `},` + edata
		}
		line := []byte(strings.Replace(belonging, `"mid":"m"`, `"mid":"m",`+edata, 1))
		if got, want := readRow(&used, line), readRow(new(RowReader), line); got != want {
			t.Fatalf("%s\ngot  %+v\nwant %+v", line, got, want)
		}
	}
	for i := range used.items.items {
		if size := len(used.items.items[i].source); size > maxItem {
			t.Errorf("an item of %d bytes is kept, want at most %d", size, maxItem)
		}
	}
}
