package registry

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/oid"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/telemetry"
)

// ErrNoConversation says that the channel owns no conversation of that id.
var ErrNoConversation = errors.New("no such conversation in that channel")

// DateError says that the registry has a conversation's start or end as something that is no date.
type DateError struct {
	ConversationID string
	// Column is the column and its table.
	Column string
}

func (e *DateError) Error() string {
	return fmt.Sprintf("conversation %s: %s holds no date as yyyy-MM-dd", e.ConversationID, e.Column)
}

// Tables are the names of UCI's tables as set: bot, Bot, "Bot", or with a schema uci.bot. A name
// without double quotes is found in any letter case, as written where that exists; one with them
// only as written.
type Tables struct {
	Conversations, Users, Registrations, Identities string
	// Zone is where a start or end that is kept as an instant falls on a day; nil is UTC.
	Zone *time.Location
}

// UCI reads the platform's own tables (contract section 7), never writes them, and goes by their
// indexes. Its methods may be called at the same time.
type UCI struct {
	conversations, fusionAuth *database.DB
	names                     struct{ conversations, users, registrations, identities tableName }
	zone                      *time.Location
	bounds                    searchBounds

	mu     sync.Mutex
	tables *uciTables
}

// uciTables is how the tables of this release of UCI look.
type uciTables struct{ conversations, users, registrations, identities *table }

// lookupBatch bounds the ids of one statement. Devices makes one statement after the other: whoever wants several look-ups at
// a time asks for them, as activities do, and knows how many connections that takes.
const lookupBatch = 5000

// NewUCI reads conversations from one database and users, registrations and identities from
// another, which may be the same. It checks the names; Check, or the first use, finds the tables.
func NewUCI(conversations, fusionAuth *database.DB, t Tables) (*UCI, error) {
	u := &UCI{conversations: conversations, fusionAuth: fusionAuth, zone: t.Zone, bounds: defaultBounds}
	if u.zone == nil {
		u.zone = time.UTC
	}
	for _, name := range []struct {
		of, setting string
		to          *tableName
	}{
		{"conversations", t.Conversations, &u.names.conversations},
		{"users", t.Users, &u.names.users},
		{"registrations", t.Registrations, &u.names.registrations},
		{"identities", t.Identities, &u.names.identities},
	} {
		parsed, err := parseTableName(name.setting)
		if err != nil {
			return nil, fmt.Errorf("the table of %s: %w", name.of, err)
		}
		*name.to = parsed
	}
	return u, nil
}

// Check finds all four tables and their columns, or says which one is missing.
func (u *UCI) Check(ctx context.Context) error {
	_, err := u.find(ctx)
	return err
}

// Conversation is the conversation of that id, in any letter case, where the channel owns it; ErrNoConversation otherwise,
// also for an id that is no uuid. Its ID and Channel are spelled as the registry has them, which telemetry is matched with.
// It goes by the index but for ids that are texts in mixed letter case, for which it reads the whole table: one of bots,
// which is short. A start or end that is no date is a *DateError, and comes with the conversation without that date.
func (u *UCI) Conversation(ctx context.Context, id, channel string) (exhaust.Conversation, error) {
	if _, ok := exhaust.ParseDeviceID(id); !ok {
		return exhaust.Conversation{}, ErrNoConversation
	}
	t, err := u.find(ctx)
	if err != nil {
		return exhaust.Conversation{}, err
	}
	var rows []conversationRow
	err = u.conversations.Read(ctx, func(tx *sqlx.Tx) error {
		dialect := u.conversations.Dialect()
		err := tx.SelectContext(ctx, &rows, t.conversationQuery(dialect), id, strings.ToLower(id), strings.ToUpper(id))
		if err == nil && len(rows) == 0 && !t.conversations.columns["id"].isUUID(dialect) {
			err = tx.SelectContext(ctx, &rows, t.mixedCaseConversationQuery(dialect), strings.ToLower(id))
		}
		return err
	})
	if err != nil {
		return exhaust.Conversation{}, u.failed("conversation "+id, t.conversations, err)
	}
	for _, row := range rows {
		if channel == "" || !IsSameChannel(row.Owner.String, channel) {
			continue
		}
		conversation, noDate := u.conversationOf(t, row)
		if noDate != "" {
			return conversation, &DateError{ConversationID: id, Column: noDate + " of table " + t.conversations.name}
		}
		return conversation, nil
	}
	return exhaust.Conversation{}, ErrNoConversation
}

// conversationOf reads a row. noDate names the first column that holds something that is no date.
func (u *UCI) conversationOf(t *uciTables, row conversationRow) (conversation exhaust.Conversation, noDate string) {
	conversation = exhaust.Conversation{ID: row.ID, Name: telemetry.CleanText(row.Name.String), Channel: row.Owner.String}
	var isStart, isEnd bool
	conversation.StartDate, isStart = u.day(t, "startDate", row.Start)
	conversation.EndDate, isEnd = u.day(t, "endDate", row.End)
	switch {
	case !isStart:
		return conversation, "startDate"
	case !isEnd:
		return conversation, "endDate"
	}
	return conversation, ""
}

// IsSameChannel compares an owner with a channel. Those that are uuids have no letter case.
func IsSameChannel(owner, channel string) bool {
	if owner == channel {
		return true
	}
	a, isOwnerUUID := exhaust.ParseDeviceID(owner)
	b, isChannelUUID := exhaust.ParseDeviceID(channel)
	return isOwnerUUID && isChannelUUID && a == b
}

// Devices is what the registry knows of these ids, ascending, each once. Ids without a row in
// users are left out. Usernames cost a second look-up; without it they are "".
func (u *UCI) Devices(ctx context.Context, ids []uuid.UUID, withUsername bool) ([]exhaust.Device, error) {
	t, err := u.find(ctx)
	if err != nil {
		return nil, err
	}
	ids = slices.Clone(ids)
	slices.SortFunc(ids, compareIDs)
	ids = slices.Compact(ids)
	devices, known, err := u.lookUp(ctx, t, ids, withUsername)
	if err != nil {
		return nil, err
	}
	kept := devices[:0]
	for i, d := range devices {
		if known[i] {
			kept = append(kept, d)
		}
	}
	return kept, nil
}

// Registered is a page of the ids registered to a conversation, as the registry spells them: up to limit of those behind
// the cursor after ("" is the beginning), each once, and the cursor of the next page, "" after the last. Which of them are
// uuids, and which have a row in users, is not looked at.
func (u *UCI) Registered(ctx context.Context, conversationID, after string, limit int) (ids []string, next string, err error) {
	if limit < 1 {
		return nil, "", fmt.Errorf("a page of %d registered devices: the limit is at least 1", limit)
	}
	if _, ok := exhaust.ParseDeviceID(conversationID); !ok {
		return nil, "", nil
	}
	t, err := u.find(ctx)
	if err != nil {
		return nil, "", err
	}
	query, args := t.registeredQuery(u.fusionAuth.Dialect(), conversationID, after, limit)
	err = u.fusionAuth.Read(ctx, func(tx *sqlx.Tx) error { return tx.SelectContext(ctx, &ids, query, args...) })
	if err != nil {
		return nil, "", u.failed("devices registered to conversation "+conversationID, t.registrations, err)
	}
	if len(ids) == limit {
		next = ids[limit-1]
	}
	return ids, next, nil
}

// find looks the tables up once; failed makes the next call look again.
func (u *UCI) find(ctx context.Context) (*uciTables, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.tables != nil {
		return u.tables, nil
	}
	var t uciTables
	for _, wanted := range []struct {
		db      *database.DB
		name    tableName
		to      **table
		columns []string
	}{
		{u.conversations, u.names.conversations, &t.conversations, []string{"id", "name", "ownerOrgID", "startDate", "endDate"}},
		{u.fusionAuth, u.names.users, &t.users, []string{"id", "data"}},
		{u.fusionAuth, u.names.registrations, &t.registrations, []string{"users_id", "applications_id"}},
		{u.fusionAuth, u.names.identities, &t.identities, []string{"users_id", "username"}},
	} {
		found, err := findTable(ctx, wanted.db, wanted.name, wanted.columns...)
		if err != nil {
			return nil, fmt.Errorf("UCI's registry: %w", err)
		}
		*wanted.to = found
	}
	u.tables = &t
	return u.tables, nil
}

// failed wraps a failed read and forgets how the tables look, in case UCI was upgraded meanwhile.
func (u *UCI) failed(what string, t *table, err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tables = nil
	return fmt.Errorf("read %s from table %s: %w", what, t.name, err)
}

type conversationRow struct {
	ID    string         `db:"id"`
	Name  sql.NullString `db:"name"`
	Owner sql.NullString `db:"owner"`
	Start any            `db:"start_date"`
	End   any            `db:"end_date"`
}

// conversationQuery asks for a conversation by its id as given, in lower case and in capitals, and has them in this order.
func (t *uciTables) conversationQuery(d database.Dialect) string {
	id := t.conversations.columns["id"]
	return t.selectConversations(d) + fmt.Sprintf(` WHERE %[2]s ORDER BY CAST(%[1]s AS text) <> CAST($1 AS text), CAST(%[1]s AS text) <> CAST($2 AS text)`,
		id.name, id.isOneOf(d, "$1", "$2", "$3"))
}

// mixedCaseConversationQuery asks for a conversation by its id in lower case, however the registry spells it.
func (t *uciTables) mixedCaseConversationQuery(d database.Dialect) string {
	id := t.conversations.columns["id"]
	return t.selectConversations(d) + fmt.Sprintf(` WHERE lower(CAST(%[1]s AS text)) = $1 ORDER BY CAST(%[1]s AS text)`, id.name)
}

func (t *uciTables) selectConversations(d database.Dialect) string {
	c := t.conversations.columns
	start, end := c["startDate"].name, c["endDate"].name
	if d == database.SQLite {
		// The driver makes times of what a DATE or TIMESTAMP column holds, and drops the zone of those it cannot read.
		start, end = "CAST("+start+" AS text)", "CAST("+end+" AS text)"
	}
	return fmt.Sprintf(`SELECT CAST(%[1]s AS text) AS id, CAST(%[2]s AS text) AS name, CAST(%[3]s AS text) AS owner, %[4]s AS start_date, %[5]s AS end_date FROM %[6]s`,
		c["id"].name, c["name"].name, c["ownerOrgID"].name, start, end, t.conversations.name)
}

// isOneOf is the condition that the column is one of some placeholders.
func (c column) isOneOf(d database.Dialect, placeholders ...string) string {
	for i, p := range placeholders {
		placeholders[i] = c.parameter(p, d)
	}
	return c.name + " IN (" + strings.Join(placeholders, ", ") + ")"
}

// day reads a date, a timestamp, or a text that starts with yyyy-MM-dd. An instant falls on a day in the zone.
func (u *UCI) day(t *uciTables, name string, value any) (day exhaust.Day, ok bool) {
	c := t.conversations.columns[name]
	var text string
	switch v := value.(type) {
	case nil:
		return "", true
	case time.Time:
		if c.kind == "timestamp with time zone" {
			v = v.In(u.zone)
		}
		return exhaust.DayOf(v), true
	case []byte:
		text = string(v)
	default:
		text = fmt.Sprint(v)
	}
	if text == "" || text == "infinity" || text == "-infinity" {
		return "", true
	}
	for _, layout := range instantLayouts {
		if instant, err := time.Parse(layout, text); err == nil {
			return exhaust.DayOf(instant.In(u.zone)), true
		}
	}
	day, err := exhaust.ParseDay(text[:min(len(text), len(time.DateOnly))])
	return day, err == nil
}

// instantLayouts are the texts of timestamps with an offset, as JSON and as the databases write them. Fractions of a
// second are read without being named.
var instantLayouts = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04Z07:00",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05Z07", "2006-01-02 15:04Z07:00",
}

// registeredQuery reads each spelling of the conversation by itself, up to the limit, because an index hands out the
// devices of one of them in order, and those of several only after it has read and sorted all. The first page has no cursor:
// no uuid is smaller than the one of zeroes, and no text than the empty one.
func (t *uciTables) registeredQuery(d database.Dialect, conversationID, after string, limit int) (query string, args []any) {
	application, user := t.registrations.columns["applications_id"], t.registrations.columns["users_id"]
	args = []any{limit}
	behind := user.name + " IS NOT NULL"
	if after != "" {
		args = append(args, after)
		behind = user.name + " > " + user.parameter("$2", d)
	}
	var parts []string
	for _, spelling := range application.spellings(d, conversationID) {
		args = append(args, spelling)
		parts = append(parts, fmt.Sprintf(`SELECT id FROM (SELECT DISTINCT %[1]s AS id FROM %[2]s WHERE %[3]s = %[4]s AND %[5]s ORDER BY %[1]s LIMIT $1) AS part`,
			user.name, t.registrations.name, application.name, application.parameter(fmt.Sprintf("$%d", len(args)), d), behind))
	}
	return `SELECT DISTINCT id FROM (` + strings.Join(parts, " UNION ALL ") + `) AS found ORDER BY id LIMIT $1`, args
}

// lookUp reads consent and, if wanted, the smallest username of ascending ids. known says which of them have a row in users.
func (u *UCI) lookUp(ctx context.Context, t *uciTables, ids []uuid.UUID, withUsername bool) (devices []exhaust.Device, known []bool, err error) {
	devices, known = make([]exhaust.Device, len(ids)), make([]bool, len(ids))
	for i, id := range ids {
		devices[i].ID = id
	}
	for start := 0; start < len(ids); start += lookupBatch {
		end := min(start+lookupBatch, len(ids))
		if err := u.lookUpBatch(ctx, t, ids[start:end], devices[start:end], known[start:end], withUsername); err != nil {
			return nil, nil, err
		}
	}
	return devices, known, nil
}

// lookUpBatch fills in the devices of these ids from one snapshot.
func (u *UCI) lookUpBatch(ctx context.Context, t *uciTables, ids []uuid.UUID, devices []exhaust.Device, known []bool, withUsername bool) error {
	next := 0
	at := func(id uuid.UUID) int {
		i := next // where it is, but for rows that are missing or in another order
		if i == len(ids) || ids[i] != id {
			i, _ = slices.BinarySearchFunc(ids, id, compareIDs)
		}
		next = i + 1
		return i
	}
	reading := t.users
	err := u.fusionAuth.Read(ctx, func(tx *sqlx.Tx) error {
		list, err := t.users.columns["id"].list(u.fusionAuth.Dialect(), ids)
		if err != nil {
			return err
		}
		err = eachRow(ctx, tx, t.usersQuery(u.fusionAuth.Dialect()), list, func(id uuid.UUID, spelling, data []byte) {
			i := at(id)
			isUpperCase := bytes.ContainsAny(spelling, "ABCDEF")
			devices[i].IsUpperCase = isUpperCase && (!known[i] || devices[i].IsUpperCase)
			consent, readable := exhaust.ReadConsent(data)
			// A user whose id stands in two letter cases has two rows, in any order: a refusal holds, else what was given.
			devices[i].Consent = max(devices[i].Consent, consent)
			known[i], devices[i].ConsentUnreadable = true, devices[i].ConsentUnreadable || !readable
		})
		if err != nil || !withUsername {
			return err
		}
		reading, next = t.identities, 0
		if list, err = t.identities.columns["users_id"].list(u.fusionAuth.Dialect(), ids); err != nil {
			return err
		}
		return eachRow(ctx, tx, t.identitiesQuery(u.fusionAuth.Dialect()), list, func(id uuid.UUID, _, username []byte) {
			d := &devices[at(id)]
			if len(username) > 0 && (d.Username == "" || string(username) < d.Username) {
				d.Username = string(username)
			}
		})
	})
	if err != nil {
		return u.failed(fmt.Sprintf("%d devices", len(ids)), reading, err)
	}
	return nil
}

func (t *uciTables) usersQuery(d database.Dialect) string {
	c := t.users.columns
	return fmt.Sprintf(`SELECT %s, %s FROM %s WHERE %s`,
		c["id"].name, c["data"].text(d), t.users.name, c["id"].amongIDs(d))
}

func (t *uciTables) identitiesQuery(d database.Dialect) string {
	c := t.identities.columns
	return fmt.Sprintf(`SELECT %s, CAST(%s AS text) FROM %s WHERE %s`,
		c["users_id"].name, c["username"].name, t.identities.name, c["users_id"].amongIDs(d))
}

// text is the column's value as text. The driver hands out JSON as the bytes that arrive, and copies each text.
func (c column) text(d database.Dialect) string {
	if d == database.PostgreSQL && (c.kind == "json" || c.kind == "jsonb") {
		return c.name
	}
	return "CAST(" + c.name + " AS text)"
}

// isUUID reports whether the database knows the column's values as uuids. SQLite has no such type: it would make a
// number of one.
func (c column) isUUID(d database.Dialect) bool { return d == database.PostgreSQL && c.kind == "uuid" }

// comparable is the type that the column is compared as, so that its index serves: PostgreSQL turns a char column into
// text where it is compared with a text.
func (c column) comparable(d database.Dialect) string {
	switch {
	case c.isUUID(d):
		return "uuid"
	case d == database.PostgreSQL && c.kind == "character":
		return "bpchar"
	}
	return "text"
}

// parameter is a placeholder of the column's own type.
func (c column) parameter(placeholder string, d database.Dialect) string {
	return "CAST(" + placeholder + " AS " + c.comparable(d) + ")"
}

// amongIDs is the condition that the column is one of list, the statement's only parameter.
func (c column) amongIDs(d database.Dialect) string {
	if d == database.SQLite {
		return c.name + " IN (SELECT value FROM json_each($1))"
	}
	return c.name + " = ANY (CAST($1 AS " + c.comparable(d) + "[]))"
}

// spellings are the ways in which the column may hold a uuid so that its index finds it. A text column has it as given,
// in lower case or in capitals.
func (c column) spellings(d database.Dialect, id string) []string {
	lower, upper := strings.ToLower(id), strings.ToUpper(id)
	if c.isUUID(d) || lower == upper {
		return []string{lower}
	}
	if id == lower || id == upper {
		return []string{lower, upper}
	}
	return []string{id, lower, upper}
}

// list is any number of ids as one parameter, in all spellings.
func (c column) list(d database.Dialect, ids []uuid.UUID) (any, error) {
	if c.isUUID(d) {
		return binaryArray(ids), nil
	}
	texts := make([]string, 0, 2*len(ids))
	for _, id := range ids {
		texts = append(texts, c.spellings(d, id.String())...)
	}
	return listTexts(d, texts)
}

// listTexts is any number of texts as one parameter.
func listTexts(d database.Dialect, texts []string) (any, error) {
	if d == database.SQLite {
		list, err := json.Marshal(texts)
		return string(list), err
	}
	return pq.Array(texts), nil
}

// binaryArray is a uuid[] in PostgreSQL's binary form, as which the driver sends bytes: one dimension, no NULLs, the
// type's number, the length and the first index; then each element, its length before it. It is half as long as the text,
// and the server need not parse it.
func binaryArray(ids []uuid.UUID) []byte {
	const header, element = 20, 4 + len(uuid.UUID{})
	array := make([]byte, 0, header+element*len(ids))
	for _, n := range []uint32{1, 0, uint32(oid.T_uuid), uint32(len(ids)), 1} {
		array = binary.BigEndian.AppendUint32(array, n)
	}
	for _, id := range ids {
		array = binary.BigEndian.AppendUint32(array, uint32(len(id)))
		array = append(array, id[:]...)
	}
	return array
}

// eachRow runs a query for an id and a text. The text, and how the id is spelled, are only valid until do returns.
func eachRow(ctx context.Context, tx *sqlx.Tx, query string, list any, do func(id uuid.UUID, spelling, text []byte)) error {
	rows, err := tx.QueryContext(ctx, query, list)
	if err != nil {
		return err
	}
	defer rows.Close()
	var spelling, text sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&spelling, &text); err != nil {
			return err
		}
		id, err := uuid.ParseBytes(bytes.TrimSpace(spelling))
		if err != nil {
			return fmt.Errorf("an id among uuids is none: %w", err)
		}
		do(id, spelling, text)
	}
	return rows.Err()
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
