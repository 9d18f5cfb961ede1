package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
)

// conversation is a conversation id that ends in n.
func conversation(n int) string { return fmt.Sprintf("c63b6faa-11a9-4259-b941-%012d", n) }

// names are those of the conversations that a search on one page gives.
func (p platform) names(t *testing.T, channel, text string) []string {
	t.Helper()
	found, next, err := p.Conversations(t.Context(), ConversationSearch{Channel: channel, Text: text, Limit: 1000})
	if err != nil || next != "" {
		t.Fatalf("%q: next %q, %v", text, next, err)
	}
	names := []string{}
	for _, c := range found {
		names = append(names, c.Name)
	}
	return names
}

func TestConversationsAreFoundByNameWhateverItsScriptAndSpelling(t *testing.T) {
	const (
		composed   = "Café Straße"     // é is one code point
		decomposed = "Cafe\u0301 Roma" // and here it is two
		conjunct   = "क्षेत्र स्वास्थ्य"
		joined     = "क्\u200dषमता"        // the same conjunct, with a joiner that keeps its parts apart
		nukta      = "\u0958लम"            // U+0958, which is two code points in every normal form
		nukta2     = "\u0915\u093cलम दवात" // these two
		greek      = "ΣΟΦΟΣ"
		percent    = "100%_'\"\\ done"
	)
	all := []string{composed, decomposed, conjunct, joined, nukta, nukta2, greek, percent}
	onEachRelease(t, func(t *testing.T, p platform) {
		for i, name := range all {
			dbtest.Exec(t, p.db, p.conversation, conversation(i), name, channelID, nil, nil)
		}
		for text, want := range map[string][]string{
			"":                               all,
			"CAFÉ":                           {composed, decomposed},
			"cafe\u0301":                     {composed, decomposed},
			"cafe":                           {}, // an é is no e
			"STRASSE":                        {composed},
			"क्ष":                            {conjunct, joined},
			"क्\u200dष":                      {conjunct, joined},
			"स्वास्थ्य":                      {conjunct},
			"\u0915\u093cलम":                 {nukta, nukta2},
			"\u0958लम":                       {nukta, nukta2},
			"σοφος":                          {greek}, // the last letter's form at the end of a word is another
			"σοφος\u200d":                    {greek},
			"%":                              {percent},
			"_":                              {percent},
			"'\"\\":                          {percent},
			"no such name":                   {},
			"C63B6FAA-11A9":                  all,
			"-B941-000000000":                all,
			conversation(3)[10:]:             {joined},
			strings.ToUpper(conversation(2)): {conjunct},
			conversation(99):                 {},
		} {
			if got := p.names(t, channelID, text); !slices.Equal(got, want) {
				t.Errorf("%q: got %q, want %q", text, got, want)
			}
		}
	})
}

func TestConversationsAreThoseOfTheChannelAlone(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		dbtest.Exec(t, p.db, p.conversation, conversation(1), "One", channelID, "2026-11-01", nil)
		dbtest.Exec(t, p.db, p.conversation, conversation(2), "Two", otherChannel, nil, nil)
		dbtest.Exec(t, p.db, p.conversation, conversation(3), "Three", nil, nil, nil)
		dbtest.Exec(t, p.db, p.conversation, conversation(4), nil, strings.ToUpper(channelID), nil, "2026-11-30")
		for _, channel := range []string{channelID, strings.ToUpper(channelID)} {
			found, next, err := p.Conversations(t.Context(), ConversationSearch{Channel: channel, Limit: 10})
			want := []exhaust.Conversation{
				{ID: conversation(1), Name: "One", Channel: channelID, StartDate: "2026-11-01"},
				{ID: conversation(4), Channel: found[len(found)-1].Channel, EndDate: "2026-11-30"},
			}
			if err != nil || next != "" || !reflect.DeepEqual(found, want) || !strings.EqualFold(want[1].Channel, channelID) {
				t.Errorf("%s: got %+v, next %q, %v\nwant %+v", channel, found, next, err, want)
			}
		}
		for _, search := range []ConversationSearch{
			{Channel: "", Limit: 10}, {Channel: "nobody's", Limit: 10}, {Channel: channelID, Text: conversation(2), Limit: 10},
			{Channel: otherChannel, Text: "One", Limit: 10}, {Text: conversation(3), Limit: 10},
		} {
			if found, next, err := p.Conversations(t.Context(), search); err != nil || len(found) > 0 || next != "" {
				t.Errorf("%+v: got %+v, next %q, %v", search, found, next, err)
			}
		}
	})
}

func TestADateThatIsNoneIsNoDateOfAConversationInAList(t *testing.T) {
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		dbtest.Exec(t, db, bareTables)
		dbtest.Exec(t, db, `INSERT INTO bot VALUES ($1, 'Bot', 'c', 'soon', '2026-11-30'), ('no uuid', 'Bot', 'c', NULL, NULL)`, conversationID)
		uci, err := NewUCI(db, db, standardTables)
		if err != nil {
			t.Fatal(err)
		}
		want := []exhaust.Conversation{{ID: conversationID, Name: "Bot", Channel: "c", EndDate: "2026-11-30"}}
		for _, text := range []string{"", "bot", conversationID} {
			found, next, err := uci.Conversations(t.Context(), ConversationSearch{Channel: "c", Text: text, Limit: 10})
			if err != nil || next != "" || !slices.Equal(found, want) {
				t.Errorf("%q: got %+v, next %q, %v; want %+v", text, found, next, err, want)
			}
		}
	})
}

// follow is all conversations that pages of a limit have, with what is done behind each.
func (p platform) follow(t *testing.T, search ConversationSearch, behindEach func(page int, found []exhaust.Conversation)) (all []string) {
	t.Helper()
	for page := 1; ; page++ {
		found, next, err := p.Conversations(t.Context(), search)
		if err != nil || len(found) > search.Limit {
			t.Fatalf("page %d has %d, %v", page, len(found), err)
		}
		for _, c := range found {
			all = append(all, c.ID)
		}
		if next == "" {
			return all
		}
		search.After = next
		behindEach(page, found)
	}
}

func TestPagesOfConversationsHaveEachOnceWhileOthersAreMade(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		random := rand.New(rand.NewPCG(1, 2))
		newID := func() string {
			var id uuid.UUID
			for i := range id {
				id[i] = byte(random.Uint32())
			}
			if random.IntN(2) == 0 {
				id[0], id[1] = 0x3f, 0xa0 // many have their first digits in common
			}
			text := id.String()
			if p.release.tables.Conversations == "bot" && random.IntN(3) == 0 && !p.isUUIDColumn() {
				text = strings.ToUpper(text)
			}
			return text
		}
		var own []string
		for i := range 300 {
			owner := otherChannel
			id := newID()
			if i%3 == 0 {
				owner = channelID
				own = append(own, id)
			}
			dbtest.Exec(t, p.db, p.conversation, id, fmt.Sprintf("Number %d", i), owner, nil, nil)
		}
		for i, limit := range []int{1, 3, 7, 99, 100, 101, 1000, 1000} {
			// Windows and budgets that end anywhere, also a budget that is over after one window of one row.
			p.bounds = []searchBounds{defaultBounds, {7, 20, time.Minute}, {1, 1, time.Minute}, {5, 1000, time.Minute}, {1000, 1, 0}}[i%5]
			var added []string
			all := p.follow(t, ConversationSearch{Channel: channelID, Text: "number", Limit: limit}, func(page int, _ []exhaust.Conversation) {
				id := newID()
				added = append(added, id)
				dbtest.Exec(t, p.db, p.conversation, id, "number, new", channelID, nil, nil)
			})
			seen := map[string]int{}
			for _, id := range all {
				seen[id]++
			}
			for _, id := range own {
				if seen[id] != 1 {
					t.Errorf("pages of %d have %s %d times", limit, id, seen[id])
				}
			}
			for id, times := range seen {
				if times != 1 || !slices.Contains(own, id) && !slices.Contains(added, id) {
					t.Errorf("pages of %d have %s %d times", limit, id, times)
				}
			}
			own = append(own, added...)
		}
	})
}

func (p platform) isUUIDColumn() bool {
	return p.UCI.tables.conversations.columns["id"].isUUID(p.db.Dialect())
}

func TestACursorIsABoundBetweenTwoIDs(t *testing.T) {
	for _, c := range []struct{ last, next, want string }{
		{"3fa05a10-0000-4000-8000-000000000001", "3fa07b20-1111-4111-8111-111111111111", "3fa07000-0000-0000-0000-000000000000"},
		{"3fa05a10-0000-4000-8000-00000000000a", "3fa05a10-0000-4000-8000-0000000000b1", "3fa05a10-0000-4000-8000-0000000000b0"},
		{"0fffffff-ffff-4fff-8fff-ffffffffffff", "10000000-0000-4000-8000-000000000000", "10000000-0000-0000-0000-000000000000"},
		{"3fa05a10-0000-4000-8000-000000000001", "3FA05A10-0000-4000-8000-00000000000A", ""}, // which would be the next id
		{"3FA05A10-0000-4000-8000-00000000000A", "3fa05a10-0000-4000-8000-00000000000a", ""},
		{"", "3fa05a10-0000-4000-8000-000000000001", ""},
		{"3fa05a10-0000-4000-8000-000000000001", "no uuid", ""},
	} {
		got, ok := boundBetween(c.last, c.next)
		if ok != (c.want != "") || ok && got != c.want {
			t.Errorf("between %s and %s: %s, %t, want %s", c.last, c.next, got, ok, c.want)
		}
	}
}

func TestACursorIsNoIDOfAnotherChannelAndIsAlwaysAccepted(t *testing.T) {
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		dbtest.Exec(t, db, bareTables)
		insert := func(id any, owner string) {
			dbtest.Exec(t, db, `INSERT INTO bot VALUES ($1, 'Bot', $2, NULL, NULL)`, id, owner)
		}
		uci, err := NewUCI(db, db, standardTables)
		if err != nil {
			t.Fatal(err)
		}
		own := []string{
			"00000000-0000-4000-8000-000000000001", "77777777-0000-4000-8000-000000000001", "a0000000-0000-4000-8000-000000000001",
			"ffffffff-0000-4000-8000-000000000001",
		}
		others := []string{
			"0other-channels-own-id" + strings.Repeat("x", 300), "8" + strings.Repeat("é", 200), "9 no uuid", "{" + conversationID + "}", "b",
			"c", "d\x01", "fffffffff",
		}
		for n := range 25 { // which differ by one, here and there also by more
			others = append(others, conversation(n), fmt.Sprintf("8%07d-0000-4000-8000-%012d", n/2, n))
		}
		if db.Dialect() == database.SQLite {
			others = append(others, "c\xff", "e\x00f")
			insert([]byte("00000000-0000-4000-8000-000000000002"), channelID) // bytes are no text
		}
		for _, id := range own {
			insert(id, channelID)
		}
		for _, id := range others {
			insert(id, otherChannel)
		}
		insert("e no uuid", channelID)
		for _, uci.bounds = range []searchBounds{{1, 1, time.Minute}, {2, 1, time.Minute}, {3, 5, time.Minute}, {7, 1, 0}, defaultBounds} {
			for limit := range 5 {
				var found []string
				search := ConversationSearch{Channel: channelID, Limit: limit + 1}
				for page := 0; page == 0 || search.After != ""; page++ {
					conversations, next, err := uci.Conversations(t.Context(), search)
					if err != nil || page > len(own)+len(others) {
						t.Fatalf("%+v, page %d of %d: %v", uci.bounds, page, limit+1, err)
					}
					for _, c := range conversations {
						found = append(found, c.ID)
					}
					bound, err := base64.RawURLEncoding.DecodeString(next)
					if err != nil || slices.Contains(others, string(bound)) {
						t.Errorf("%+v: the cursor is %q, %v", uci.bounds, bound, err)
					}
					search.After = next
				}
				if !slices.Equal(found, own) {
					t.Errorf("%+v: pages of %d have %q, want %q", uci.bounds, limit+1, found, own)
				}
			}
		}
	})
}

func TestACursorThatNoPageGaveIsRefused(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		texts := []string{"!", "a\x00b", "\xff\xff", strings.Repeat("a", 256), "3fa0", "no uuid", "{" + conversationID + "}"}
		for i, text := range texts {
			after := base64.RawURLEncoding.EncodeToString([]byte(text))
			if i == 0 {
				after = "=" // no base64
			}
			_, _, err := p.Conversations(t.Context(), ConversationSearch{Channel: channelID, After: after, Limit: 1})
			if !errors.Is(err, ErrNoCursor) {
				t.Errorf("%q: %v", text, err)
			}
		}
	})
}

// fillConversations makes conversations of another channel whose ids are in no order on the disk, as those of production are.
func fillConversations(t *testing.T, p platform, count int) {
	t.Helper()
	c := p.UCI.tables.conversations.columns
	id := `printf('%08x-0000-4000-8000-%012d', n * 2654435761 % 4294967296, n)` // Knuth's multiplicative hash
	if p.db.Dialect() == database.PostgreSQL {
		id = `(lpad(to_hex(n * 2654435761 % 4294967296), 8, '0') || '-0000-4000-8000-' || lpad(n::text, 12, '0'))::` + map[bool]string{true: "uuid", false: "text"}[p.isUUIDColumn()]
	}
	dbtest.Fill(t, p.db, count, fmt.Sprintf(`INSERT INTO %s (%s, %s, %s) SELECT %s, 'name', %s FROM numbers`, p.UCI.tables.conversations.name,
		bare(c["id"]), bare(c["name"]), bare(c["ownerOrgID"]), id, castTo(p.db, otherChannel, c["ownerOrgID"])))
	dbtest.Exec(t, p.db, `ANALYZE`)
}

func TestAPageOfConversationsIsReadByTheIndex(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		rows := rowsOfABigTable
		if p.db.Dialect() == database.SQLite {
			rows /= slowdown
		}
		fillConversations(t, p, rows)
		for _, from := range []string{map[bool]string{true: leastUUID, false: ""}[p.isUUIDColumn()], "80000000-0000-4000-8000-000000000000", "fffffff0-0000-4000-8000-000000000000"} {
			var scans []string
			err := p.db.Read(t.Context(), func(tx *sqlx.Tx) (err error) {
				query, args := p.UCI.tables.windowQuery(p.db.Dialect()), []any{from, defaultBounds.windowRows + 1}
				if scans, err = dbtest.WholeTableScans(t.Context(), tx, p.db.Dialect(), query, args); err != nil {
					return err
				}
				explain := map[database.Dialect]string{database.PostgreSQL: "EXPLAIN ", database.SQLite: "EXPLAIN QUERY PLAN "}[p.db.Dialect()]
				rows, err := tx.QueryxContext(t.Context(), explain+query, args...)
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					columns, err := rows.SliceScan()
					if err != nil {
						return err
					}
					if plan := fmt.Sprintf("%s", columns); strings.Contains(plan, "Sort") || strings.Contains(plan, "TEMP B-TREE") {
						t.Errorf("from %q: %s", from, plan)
					}
				}
				return rows.Err()
			})
			if err != nil || len(scans) > 0 {
				t.Errorf("from %q: scans %v, %v", from, scans, err)
			}
		}
	})
}

func TestASearchAmongManyEndsInTimeAndGoesOn(t *testing.T) {
	if slowdown > 1 {
		t.Skip("SQLite takes minutes under the race detector, and nothing here is shared")
	}
	onEachRelease(t, func(t *testing.T, p platform) {
		fillConversations(t, p, 2*defaultBounds.examinedRows)
		const first, last = "00000000-0000-4000-8000-999999999999", "ffffffff-ffff-4fff-8fff-ffffffffffff"
		for _, id := range []string{first, last} {
			dbtest.Exec(t, p.db, p.conversation, id, "Mine", channelID, nil, nil)
		}
		var pages [][]exhaust.Conversation
		search := ConversationSearch{Channel: channelID, Text: "mine", Limit: 10}
		for next := "begin"; next != ""; {
			begin := time.Now()
			found, after, err := p.Conversations(context.Background(), search)
			if took := time.Since(begin); err != nil || took > 3*defaultBounds.time {
				t.Fatalf("page %d took %s, %v", len(pages), took, err)
			}
			t.Logf("page %d took %s", len(pages), time.Since(begin))
			pages, search.After, next = append(pages, found), after, after
		}
		// A slower machine takes more pages, never fewer.
		if len(pages) < 3 || len(pages[0]) != 1 || pages[0][0].ID != first || len(pages[len(pages)-1]) != 1 || pages[len(pages)-1][0].ID != last {
			t.Errorf("got %d pages: %+v", len(pages), pages)
		}
		for _, page := range pages[1 : len(pages)-1] {
			if len(page) > 0 {
				t.Errorf("a page in between has %+v", page)
			}
		}
	})
}

func TestNamesAreThoseOfTheConversationsThatAreWanted(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		dbtest.Exec(t, p.db, p.conversation, conversation(1), "क्षेत्र", channelID, nil, nil)
		dbtest.Exec(t, p.db, p.conversation, conversation(2), "Two", otherChannel, nil, nil)
		dbtest.Exec(t, p.db, p.conversation, conversation(3), nil, channelID, nil, nil)
		dbtest.Exec(t, p.db, p.conversation, conversation(4), "Four", nil, nil, nil)
		dbtest.Exec(t, p.db, p.conversation, conversation(5), "Five", strings.ToUpper(channelID), nil, nil)
		ids := []string{conversation(1), strings.ToUpper(conversation(1)), conversation(2), conversation(3), conversation(4), conversation(5), conversation(6), "Bot", ""}
		for name, c := range map[string]struct {
			isWanted func(channel string) bool
			want     map[string]string
		}{
			"of a channel": {
				func(channel string) bool { return IsSameChannel(channel, channelID) },
				map[string]string{conversation(1): "क्षेत्र", strings.ToUpper(conversation(1)): "क्षेत्र", conversation(5): "Five"},
			},
			"of another": {func(channel string) bool { return channel == otherChannel }, map[string]string{conversation(2): "Two"}},
			"of nobody":  {func(channel string) bool { return channel == "" }, map[string]string{conversation(4): "Four"}},
		} {
			got, err := p.ConversationNames(t.Context(), ids, c.isWanted)
			if err != nil || !maps.Equal(got, c.want) {
				t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
			}
		}
		for _, none := range [][]string{nil, {"Bot"}} {
			if got, err := p.ConversationNames(t.Context(), none, func(string) bool { return true }); err != nil || len(got) > 0 {
				t.Errorf("of %q: %q, %v", none, got, err)
			}
		}
	})
}

func TestANameIsFoundInMixedLetterCaseWhereItIsGivenSo(t *testing.T) {
	mixed := "C" + conversationID[1:]
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		dbtest.Exec(t, db, bareTables)
		dbtest.Exec(t, db, `INSERT INTO bot (id, name, ownerorgid) VALUES ('`+mixed+`', 'Mixed', 'c')`)
		uci, err := NewUCI(db, db, standardTables)
		if err != nil {
			t.Fatal(err)
		}
		got, err := uci.ConversationNames(t.Context(), []string{mixed}, func(string) bool { return true })
		if want := map[string]string{mixed: "Mixed"}; err != nil || !maps.Equal(got, want) {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	})
}

func TestOwnersAreTheChannelsOfTheFirstConversations(t *testing.T) {
	const a, b, c, last = "0ccc0000-0000-4000-8000-00000000000a", "0ccc0000-0000-4000-8000-00000000000b", "0ccc0000-0000-4000-8000-00000000000c", "0ccc0000-0000-4000-8000-0000000000ff"
	onEachRelease(t, func(t *testing.T, p platform) {
		for i, owner := range []any{b, a, b, nil} {
			dbtest.Exec(t, p.db, p.conversation, conversation(i), "name", owner, nil, nil)
		}
		if got, err := p.Owners(t.Context()); err != nil || !slices.Equal(got, []string{a, b}) {
			t.Errorf("they are %q, %v", got, err)
		}
		for i := range defaultBounds.windowRows {
			owner := c
			if i == defaultBounds.windowRows-1 {
				owner = last
			}
			dbtest.Exec(t, p.db, p.conversation, conversation(100+i), "name", owner, nil, nil)
		}
		if got, err := p.Owners(t.Context()); err != nil || !slices.Equal(got, []string{a, b, c}) {
			t.Errorf("of more rows than are read at once they are %q, %v", got, err)
		}
	})
}
