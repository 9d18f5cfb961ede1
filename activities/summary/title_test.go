package summary_test

import (
	"fmt"
	"testing"
	"time"

	"data-exhaust/activities/summary"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
)

// What a bot knows of one person it may say in a title.
func TestATitleIsShownThatEnoughDevicesWereShown(t *testing.T) {
	const own = "You said your number is 98765-%05d. Right?"
	person := func(n int) string { return fmt.Sprintf(own, n) }
	everybody := func(title string, devices int) (titles []string) {
		for range devices {
			titles = append(titles, title)
		}
		return titles
	}
	for name, c := range map[string]struct {
		titles []string // of the devices 0, 1, ...
		want   string
	}{
		"one title":                           {everybody("How are you?", 6), "How are you?"},
		"one title of one device":             {[]string{"How are you?"}, "How are you?"},
		"a title for each":                    {[]string{person(0), person(1), person(2), person(3), person(4), person(5)}, ""},
		"another title at the end":            {append(everybody("How are you?", 6), person(0)), "How are you?"},
		"a new title that few were shown yet": {append(everybody("How are you?", 5), everybody("And now?", 4)...), "How are you?"},
		"a new title":                         {append(everybody("How are you?", 5), everybody("And now?", 5)...), "And now?"},
		"titles and none":                     {append(everybody("How are you?", 5), everybody("", 5)...), ""},
	} {
		for _, memory := range []int{0, 300} {
			store, err := blob.NewLocal(t.TempDir(), blob.LocalOptions{})
			if err != nil {
				t.Fatal(err)
			}
			counter := summary.New(summary.Settings{
				Timezone: time.UTC, MinDevices: 5, Store: store, Scratch: "scratch/", Memory: memory,
			}, 100)
			for n, title := range c.titles {
				row := rowOf(map[int]string{exhaust.QuestionIDColumn: "q", exhaust.TitleColumn: title})
				for range 2 { // twice the same device is one
					if err := counter.Add(t.Context(), row, summary.Row{Device: n}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got := questionsOf(t, counter)[0].Title; got != c.want {
				t.Errorf("%s, %d bytes of memory: %q, want %q", name, memory, got, c.want)
			}
		}
	}
}

// The last one is the one whose last row is the last one.
func TestTheTitleThatComesBackIsTheLastOne(t *testing.T) {
	counter := newCounter(t, 0)
	for _, title := range []string{"first", "second", "first"} {
		if err := counter.Add(t.Context(), rowOf(map[int]string{exhaust.TitleColumn: title}), summary.Row{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := questionsOf(t, counter)[0].Title; got != "first" {
		t.Errorf("the title is %q, want first", got)
	}
}
