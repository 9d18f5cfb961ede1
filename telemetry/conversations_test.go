package telemetry

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// belongingTo is belonging with other entries in cdata.
func belongingTo(mid string, cdata string) string {
	begin, rest, _ := strings.Cut(belonging, `"cdata":[`)
	_, end, _ := strings.Cut(rest, "]")
	return strings.Replace(begin+`"cdata":[`+cdata+"]"+end, `"mid":"m"`, `"mid":"`+mid+`"`, 1)
}

func conversationEntry(id string) string { return `{"type":"Conversation","id":"` + id + `"}` }

func TestTheEventsOfSeveralConversationsAreFoundInOnePass(t *testing.T) {
	type found struct{ conversation, mid string }
	object := strings.Join([]string{
		belongingTo("1", conversationEntry("bot-1")),
		belongingTo("2", conversationEntry("bot-2")),
		belongingTo("3", conversationEntry("bot-3")),
		belongingTo("4", conversationEntry("bot-2")+","+conversationEntry("bot-1")),
		belongingTo("5", conversationEntry("bot-1")+","+conversationEntry("bot-1")),
		belongingTo("6", conversationEntry("a-longer-bot")),
		belongingTo("7", conversationEntry(`\u0062ot-1`)),
		belongingTo("8", `{"type":"XPath","id":"bot-1"},`+conversationEntry("bot-3")),
		belongingTo("9", `{"type":"Conversation","id":"bot-1","id":"bot-2"}`),
		belongingTo("10", `{"type":"Conversation","id":"bot-1","id":7}`),
		// Of a key that stands twice the last one counts.
		strings.Replace(belongingTo("11", conversationEntry("bot-1")), `"cdata":[`, `"cdata":[`+conversationEntry("bot-2")+`],"cdata":[`, 1),
	}, "\n")
	for _, c := range []struct {
		ids  []string
		want []found
	}{
		{nil, nil},
		{[]string{"bot-2"}, []found{{"bot-2", "2"}, {"bot-2", "4"}, {"bot-2", "9"}}},
		{[]string{"bot-1", "bot-2", "a-longer-bot", "no-bot"}, []found{
			{"bot-1", "1"}, {"bot-2", "2"}, {"bot-2", "4"}, {"bot-1", "4"}, {"bot-1", "5"}, {"a-longer-bot", "6"}, {"bot-1", "7"},
			{"bot-2", "9"}, {"bot-1", "11"},
		}},
	} {
		var got []found
		f := filter
		f.ConversationIDs = c.ids
		counts, err := NewScanner(f).Scan(t.Context(), "2022-03-01.json", strings.NewReader(object), func(e *Event) error {
			got = append(got, found{e.ConversationID, string(e.MessageID)})
			return nil
		})
		if want := (Counts{Lines: 11, Matched: int64(len(c.want))}); err != nil || counts != want || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %v, %+v, %v; want %v", c.ids, got, counts, err, c.want)
		}
	}
}

func TestEachOfManyConversationsIsTheSameAsAlone(t *testing.T) {
	var ids []string
	var object strings.Builder
	for i := range 3000 {
		ids = append(ids, fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761%(1<<32), i))
		object.WriteString(belongingTo(fmt.Sprint(i), conversationEntry(ids[i])) + "\n")
	}
	f := filter
	f.ConversationIDs = ids[:2000]
	seen := 0
	counts, err := NewScanner(f).Scan(t.Context(), "2022-03-01.json", strings.NewReader(object.String()), func(e *Event) error {
		if want := fmt.Sprint(seen); e.ConversationID != ids[seen] || string(e.MessageID) != want {
			t.Fatalf("event %d is %s of %s", seen, e.MessageID, e.ConversationID)
		}
		seen++
		return nil
	})
	if want := (Counts{Lines: 3000, Matched: 2000}); err != nil || counts != want {
		t.Errorf("%+v, %v, want %+v", counts, err, want)
	}
}
