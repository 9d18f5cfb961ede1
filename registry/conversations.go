package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/telemetry"
)

// ConversationSearch says which conversations of a channel are wanted.
type ConversationSearch struct {
	Channel string
	// Text is what the name or the id holds; "" wants all. A name is compared by its characters, in any letter case and however
	// they are composed, joiners aside; one that is a whole uuid is the id of the only one that is wanted.
	Text string
	// After is the cursor that the page before gave; "" is the beginning.
	After string
	// Limit is how many a page has at the most; at least 1.
	Limit int
}

// ErrNoCursor says that a cursor is none that a page gave.
var ErrNoCursor = errors.New("no such cursor")

// Conversations is a page of a channel's conversations, by ascending id as the database sorts them, and the cursor of the next
// page, "" after the last. A start or end that is no date is "". Those whose id is no uuid are left out, as Conversation does.
//
// There may be no index but that of the ids, and the channel's may be few among many, so it walks the ids in windows, each by
// the index, and compares owner and name itself. After a bounded number of rows, or some time, it gives what it has found: a
// page may be shorter than the limit, even empty, and have a next one. Whoever follows the cursors gets each conversation that
// is there meanwhile once.
//
// The rows at which it stops may be another channel's: the cursor is a bound between their ids, and neither of these. Where
// there is none, as between ids of which one is no uuid, or that differ by one, it reads on until there is.
func (u *UCI) Conversations(ctx context.Context, s ConversationSearch) (found []exhaust.Conversation, next string, err error) {
	if s.Limit < 1 {
		return nil, "", fmt.Errorf("a page of %d conversations: the limit is at least 1", s.Limit)
	}
	if _, isUUID := exhaust.ParseDeviceID(s.Text); isUUID {
		return u.onlyConversation(ctx, s)
	}
	t, err := u.find(ctx)
	if err != nil {
		return nil, "", err
	}
	from, err := t.conversations.columns["id"].boundOf(u.conversations.Dialect(), s.After)
	if err != nil {
		return nil, "", err
	}
	wanted := foldText(s.Text)
	size, deadline := u.bounds.windowRows, time.Now().Add(u.bounds.time)
	last := "" // of the ids that were examined, those that are none left out
	for examined := size; ; examined += size {
		window, err := u.conversationWindow(ctx, t, from)
		if err != nil {
			return nil, "", err
		}
		rows := window[:min(len(window), size)] // the one behind is where the next window begins
		for _, row := range rows {
			if _, isUUID := exhaust.ParseDeviceID(row.ID); !isUUID {
				continue
			}
			last = row.ID
			if !isWanted(row, s.Channel, wanted) {
				continue
			}
			if len(found) == s.Limit {
				return found, cursorOf(row.ID), nil
			}
			conversation, _ := u.conversationOf(t, row)
			found = append(found, conversation)
		}
		if len(window) <= size {
			return found, "", nil
		}
		if window[size].ID == from {
			return nil, "", fmt.Errorf("table %s has one id in more than %d rows", t.conversations.name, size)
		}
		from = window[size].ID
		if len(found) == s.Limit || examined >= u.bounds.examinedRows || time.Now().After(deadline) {
			if bound, ok := boundBetween(last, from); ok {
				return found, cursorOf(bound), nil
			}
		}
	}
}

// searchBounds are how many rows are read at a time, and how many, or for how long, for one page.
type searchBounds struct {
	windowRows, examinedRows int
	time                     time.Duration
}

var defaultBounds = searchBounds{windowRows: 1000, examinedRows: 50_000, time: 2 * time.Second}

// onlyConversation is the page of the conversation whose id is searched for.
func (u *UCI) onlyConversation(ctx context.Context, s ConversationSearch) ([]exhaust.Conversation, string, error) {
	conversation, err := u.Conversation(ctx, s.Text, s.Channel)
	var noDate *DateError
	switch {
	case errors.Is(err, ErrNoConversation):
		return nil, "", nil
	case err != nil && !errors.As(err, &noDate):
		return nil, "", err
	}
	return []exhaust.Conversation{conversation}, "", nil
}

// Owners are the channels of the conversations with the smallest ids, as many of them as are read at once; ascending.
func (u *UCI) Owners(ctx context.Context) ([]string, error) {
	t, err := u.find(ctx)
	if err != nil {
		return nil, err
	}
	from, err := t.conversations.columns["id"].boundOf(u.conversations.Dialect(), "")
	if err != nil {
		return nil, err
	}
	window, err := u.conversationWindow(ctx, t, from)
	if err != nil {
		return nil, err
	}
	owners := map[string]bool{}
	for _, row := range window {
		if row.Owner.String != "" {
			owners[row.Owner.String] = true
		}
	}
	return slices.Sorted(maps.Keys(owners)), nil
}

func isWanted(row conversationRow, channel, foldedText string) bool {
	if channel == "" || !IsSameChannel(row.Owner.String, channel) {
		return false
	}
	return strings.Contains(strings.ToLower(row.ID), foldedText) || strings.Contains(foldText(row.Name.String), foldedText)
}

// foldText folds a text of the registry, or one that is compared with it.
func foldText(text string) string { return exhaust.FoldText(telemetry.CleanText(text)) }

// conversationWindow is the next rows from an id on, and one more. The first window begins at the smallest of all ids.
func (u *UCI) conversationWindow(ctx context.Context, t *uciTables, from string) (window []conversationRow, err error) {
	err = u.conversations.Read(ctx, func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &window, t.windowQuery(u.conversations.Dialect()), from, u.bounds.windowRows+1)
	})
	if err != nil {
		return nil, u.failed("conversations", t.conversations, err)
	}
	return window, nil
}

// windowQuery goes by the column's own order, which is that of its index, whatever its collation. Bytes, which SQLite may have
// in a column of texts, it leaves out: they sort behind all texts, whatever text they are read as.
func (t *uciTables) windowQuery(d database.Dialect) string {
	id, isText := t.conversations.columns["id"], ""
	if d == database.SQLite {
		isText = fmt.Sprintf(` AND typeof(%s) = 'text'`, id.name)
	}
	return t.selectConversations(d) +
		fmt.Sprintf(` WHERE %[1]s >= %[2]s%[3]s ORDER BY %[1]s LIMIT $2`, id.name, id.parameter("$1", d), isText)
}

// boundOf is the id, or what sorts like one, that a cursor stands for.
func (c column) boundOf(d database.Dialect, cursor string) (string, error) {
	if cursor == "" {
		return map[bool]string{true: leastUUID, false: ""}[c.isUUID(d)], nil
	}
	bound, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", ErrNoCursor
	}
	if _, isUUID := exhaust.ParseDeviceID(bound); !isUUID {
		return "", ErrNoCursor
	}
	return string(bound), nil
}

const leastUUID = "00000000-0000-0000-0000-000000000000"

// boundBetween is a bound behind an id and before the next one, which tells as little of either as it can: what the next one has
// in common with the last, its first other digit, and zeroes. In every collation this sorts behind the last, since hyphens stand
// at the same places. There is none where that is the next one itself, nor where the two are not two uuids.
func boundBetween(last, next string) (bound string, ok bool) {
	_, isLast := exhaust.ParseDeviceID(last)
	if _, isNext := exhaust.ParseDeviceID(next); !isLast || !isNext {
		return "", false
	}
	for i := range next {
		if !strings.EqualFold(last[i:i+1], next[i:i+1]) {
			bound = next[:i+1] + leastUUID[i+1:]
			return bound, bound != next
		}
	}
	return "", false
}

// cursorOf is the cursor of what does not sort before an id.
func cursorOf(bound string) string { return base64.RawURLEncoding.EncodeToString([]byte(bound)) }

// ConversationNames are the names of conversations by their ids as they are given, in one look-up by the index. isWanted says of
// which channels. Left out is what has no name or is not there, and so is an id that the registry spells in mixed letter case,
// unless it is given so.
func (u *UCI) ConversationNames(ctx context.Context, ids []string, isWanted func(channel string) bool) (map[string]string, error) {
	given := map[uuid.UUID][]string{}
	for _, id := range ids {
		if parsed, isUUID := exhaust.ParseDeviceID(id); isUUID {
			given[parsed] = append(given[parsed], id)
		}
	}
	names := map[string]string{}
	if len(given) == 0 {
		return names, nil
	}
	t, err := u.find(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := u.conversationRows(ctx, t, given)
	if err != nil {
		return nil, u.failed(fmt.Sprintf("the names of %d conversations", len(given)), t.conversations, err)
	}
	for _, row := range rows {
		name := telemetry.CleanText(row.Name.String)
		parsed, isUUID := exhaust.ParseDeviceID(row.ID)
		if !isUUID || name == "" || !isWanted(row.Owner.String) {
			continue
		}
		for _, id := range given[parsed] {
			if names[id] == "" || id == row.ID {
				names[id] = name
			}
		}
	}
	return names, nil
}

// conversationRows are the rows of conversations by their ids.
func (u *UCI) conversationRows(ctx context.Context, t *uciTables, given map[uuid.UUID][]string) (rows []conversationRow, err error) {
	dialect := u.conversations.Dialect()
	list, err := t.conversations.columns["id"].listGiven(dialect, given)
	if err != nil {
		return nil, err
	}
	err = u.conversations.Read(ctx, func(tx *sqlx.Tx) error { return tx.SelectContext(ctx, &rows, t.namesQuery(dialect), list) })
	return rows, err
}

// listGiven is ids as one parameter, in the spellings, too, in which they are given.
func (c column) listGiven(d database.Dialect, given map[uuid.UUID][]string) (any, error) {
	if c.isUUID(d) {
		return binaryArray(slices.Collect(maps.Keys(given))), nil
	}
	var texts []string
	for _, ids := range given {
		for _, id := range ids {
			texts = append(texts, c.spellings(d, id)...)
		}
	}
	return listTexts(d, texts)
}

func (t *uciTables) namesQuery(d database.Dialect) string {
	return t.selectConversations(d) + " WHERE " + t.conversations.columns["id"].amongIDs(d)
}
