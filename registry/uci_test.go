package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/internal/dbtest"
	"data-exhaust/internal/sample"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// release is how one release of UCI lays its tables out on one dialect.
type release struct {
	name    string
	dialect database.Dialect
	tables  Tables
	ddl     string
	// conversation inserts id, name, owner, start, end.
	conversation string
}

var standardTables = Tables{Conversations: "bot", Users: "users", Registrations: "user_registrations", Identities: "identities"}

var releases = []release{
	{
		name: "lower-case columns, text and dates", dialect: database.PostgreSQL, tables: standardTables,
		ddl: `CREATE TABLE bot (id uuid PRIMARY KEY, name text, startingMessage text, ownerOrgID text, startDate date, endDate date);
			CREATE TABLE users (id uuid PRIMARY KEY, active boolean, data text);
			CREATE TABLE user_registrations (id serial PRIMARY KEY, applications_id uuid, users_id uuid);
			CREATE INDEX ON user_registrations (applications_id);
			CREATE TABLE identities (id serial PRIMARY KEY, username char(100), users_id uuid);
			CREATE INDEX ON identities (users_id);`,
		conversation: `INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, $2, $3, $4, $5)`,
	},
	{
		name: "mixed-case columns in a schema, uuid and instants", dialect: database.PostgreSQL,
		tables: Tables{Conversations: `uci."Bot"`, Users: "uci.users", Registrations: "UCI.user_registrations", Identities: "uci.Identities"},
		ddl: `CREATE SCHEMA uci;
			CREATE TABLE uci."Bot" (id uuid PRIMARY KEY, name varchar, "ownerOrgID" uuid, "startDate" timestamptz, "endDate" timestamp);
			CREATE TABLE uci.bot (id int);
			CREATE TABLE uci.users (id uuid PRIMARY KEY, data jsonb);
			CREATE TABLE uci.user_registrations (applications_id uuid, users_id uuid, UNIQUE (applications_id, users_id));
			CREATE TABLE uci.identities (username varchar, users_id uuid);
			CREATE INDEX ON uci.identities (users_id);`,
		conversation: `INSERT INTO uci."Bot" VALUES ($1, $2, $3, $4, $5)`,
	},
	{
		name: "ids as text, found in any letter case", dialect: database.PostgreSQL, tables: standardTables,
		ddl: `CREATE TABLE "Bot" (id char(36) PRIMARY KEY, name text, "ownerOrgId" text, "startDate" text, "endDate" text);
			CREATE TABLE "Users" (id char(36) PRIMARY KEY, data json);
			CREATE TABLE user_registrations (applications_id char(36), users_id varchar, PRIMARY KEY (applications_id, users_id));
			CREATE TABLE identities (username text, users_id text);
			CREATE INDEX ON identities (users_id);`,
		conversation: `INSERT INTO "Bot" VALUES ($1, $2, $3, $4, $5)`,
	},
	{
		name: "the sample's tables", dialect: database.SQLite, tables: standardTables,
		conversation: `INSERT INTO bot (id, name, ownerorgid, startdate, enddate) VALUES ($1, $2, $3, $4, $5)`,
	},
	{
		name: "mixed-case columns", dialect: database.SQLite,
		tables: Tables{Conversations: `"Bot"`, Users: "main.users", Registrations: "user_registrations", Identities: "identities"},
		ddl: `CREATE TABLE "Bot" (id TEXT PRIMARY KEY, name TEXT, "ownerOrgID" TEXT, "startDate" DATE, "endDate" TIMESTAMP);
			CREATE TABLE users (id TEXT PRIMARY KEY, data TEXT);
			CREATE TABLE user_registrations (applications_id TEXT, users_id TEXT, PRIMARY KEY (applications_id, users_id));
			CREATE TABLE identities (username TEXT, users_id TEXT);
			CREATE INDEX identities_users ON identities (users_id);`,
		conversation: `INSERT INTO "Bot" VALUES ($1, $2, $3, $4, $5)`,
	},
}

// bareTables have no index and only the columns that are read.
const bareTables = `
	CREATE TABLE bot (id text, name text, ownerorgid text, startdate text, enddate text);
	CREATE TABLE users (id text, data text);
	CREATE TABLE user_registrations (users_id text, applications_id text);
	CREATE TABLE identities (users_id text, username text);`

// platform is a UCI of one release, to be filled by a test.
type platform struct {
	*UCI
	db *database.DB
	release
}

// onEachRelease runs a test on an empty UCI of each release.
func onEachRelease(t *testing.T, test func(t *testing.T, p platform)) {
	for _, r := range releases {
		t.Run(string(r.dialect)+", "+r.name, func(t *testing.T) {
			db := dbtest.Open(t, dbtest.URL(t, r.dialect))
			if r.ddl == "" {
				if err := sample.CreateEmbeddedTables(context.Background(), db); err != nil {
					t.Fatal(err)
				}
			} else {
				dbtest.Exec(t, db, r.ddl)
			}
			uci, err := NewUCI(db, db, r.tables)
			if err != nil {
				t.Fatal(err)
			}
			if err := uci.Check(context.Background()); err != nil {
				t.Fatal(err)
			}
			test(t, platform{UCI: uci, db: db, release: r})
		})
	}
}

func (p platform) addUser(t *testing.T, id uuid.UUID, data any) {
	t.Helper()
	dbtest.Exec(t, p.db, `INSERT INTO `+p.UCI.tables.users.name+` (id, data) VALUES ($1, $2)`, id.String(), data)
}

func (p platform) addIdentity(t *testing.T, user uuid.UUID, username string) {
	t.Helper()
	dbtest.Exec(t, p.db, `INSERT INTO `+p.UCI.tables.identities.name+` (users_id, username) VALUES ($1, $2)`, user.String(), username)
}

func (p platform) register(t *testing.T, user uuid.UUID, conversation string) {
	t.Helper()
	dbtest.Exec(t, p.db, `INSERT INTO `+p.UCI.tables.registrations.name+` (users_id, applications_id) VALUES ($1, $2)`, user.String(), conversation)
}

const (
	conversationID = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	channelID      = "a5a0bc14-6d8f-4d2c-8b0a-2e1c1e7f9b10"
	otherChannel   = "b5a0bc14-6d8f-4d2c-8b0a-2e1c1e7f9b10"
)

// device is a device id that ends in n.
func device(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("d0000000-0000-4000-8000-%012d", n))
}

func TestAConversationIsFoundInItsOwnChannelOnly(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		dbtest.Exec(t, p.db, p.conversation, conversationID, "Health survey", channelID, "2022-03-01", "2022-04-01")
		want := exhaust.Conversation{ID: conversationID, Name: "Health survey", Channel: channelID,
			StartDate: "2022-03-01", EndDate: "2022-04-01"}
		for _, id := range []string{conversationID, strings.ToUpper(conversationID)} {
			got, err := p.Conversation(context.Background(), id, channelID)
			if err != nil || got != want {
				t.Errorf("%s: got %+v, %v\nwant %+v", id, got, err, want)
			}
		}
		for _, absent := range []struct{ id, channel string }{
			{conversationID, otherChannel},
			{conversationID, ""},
			{"c63b6faa-11a9-4259-b941-11cd2f8446c7", channelID},
			{"no-uuid", channelID},
			{"", channelID},
			{"{" + conversationID + "}", channelID},
			{"' OR 1=1 --", channelID},
		} {
			got, err := p.Conversation(context.Background(), absent.id, absent.channel)
			if !errors.Is(err, ErrNoConversation) || got != (exhaust.Conversation{}) {
				t.Errorf("%q in channel %q: got %+v, %v; want ErrNoConversation", absent.id, absent.channel, got, err)
			}
		}
	})
}

func TestAConversationWithoutNameOwnerOrDatesHasNone(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		dbtest.Exec(t, p.db, p.conversation, conversationID, nil, channelID, nil, nil)
		got, err := p.Conversation(context.Background(), conversationID, channelID)
		if want := (exhaust.Conversation{ID: conversationID, Channel: channelID}); err != nil || got != want {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
		const unowned = "c63b6faa-11a9-4259-b941-11cd2f8446c7"
		dbtest.Exec(t, p.db, p.conversation, unowned, "Nobody's", nil, nil, nil)
		if _, err := p.Conversation(context.Background(), unowned, ""); !errors.Is(err, ErrNoConversation) {
			t.Errorf("a conversation that no channel owns: %v", err)
		}
	})
}

func TestDatesAreReadAsDaysWhateverTheirType(t *testing.T) {
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	of := map[database.Dialect]*database.DB{}
	for _, dialect := range []database.Dialect{database.SQLite, database.PostgreSQL} {
		of[dialect] = dbtest.Open(t, dbtest.URL(t, dialect))
		dbtest.Exec(t, of[dialect], bareTables)
	}
	for _, c := range []struct {
		dialect     database.Dialect
		kind, value string
		zone        *time.Location
		want        exhaust.Day
		wantError   string
	}{
		{dialect: database.PostgreSQL, kind: "date", value: "2022-03-01", want: "2022-03-01"},
		{dialect: database.PostgreSQL, kind: "date", value: "infinity", want: ""},
		{dialect: database.PostgreSQL, kind: "timestamp", value: "2022-03-01 23:59:59.999", zone: kolkata, want: "2022-03-01"},
		{dialect: database.PostgreSQL, kind: "timestamptz", value: "2022-02-28T18:30:00Z", zone: kolkata, want: "2022-03-01"},
		{dialect: database.PostgreSQL, kind: "timestamptz", value: "2022-02-28T18:29:59Z", zone: kolkata, want: "2022-02-28"},
		{dialect: database.PostgreSQL, kind: "timestamptz", value: "2022-03-01T04:00:00+05:30", want: "2022-02-28"},
		{dialect: database.PostgreSQL, kind: "text", value: "2022-03-01T00:00:00.000Z", want: "2022-03-01"},
		{dialect: database.PostgreSQL, kind: "text", value: "2022-02-28T18:30:00.000Z", zone: kolkata, want: "2022-03-01"},
		{dialect: database.PostgreSQL, kind: "text", value: "2022-02-28T23:59:59.999", zone: kolkata, want: "2022-02-28"},
		{dialect: database.PostgreSQL, kind: "varchar", value: "", want: ""},
		{dialect: database.PostgreSQL, kind: "bigint", value: "1646092800000", wantError: `conversation c63b6faa-11a9-4259-b941-11cd2f8446c6: startDate of table "public"."bot" holds no date as yyyy-MM-dd`},
		{dialect: database.PostgreSQL, kind: "text", value: "soon", wantError: `conversation c63b6faa-11a9-4259-b941-11cd2f8446c6: startDate of table "public"."bot" holds no date as yyyy-MM-dd`},
		{dialect: database.SQLite, kind: "TEXT", value: "2022-03-01", want: "2022-03-01"},
		{dialect: database.SQLite, kind: "DATE", value: "2022-03-01", zone: kolkata, want: "2022-03-01"},
		{dialect: database.SQLite, kind: "TIMESTAMP", value: "2022-03-01 23:59:59", zone: kolkata, want: "2022-03-01"},
		{dialect: database.SQLite, kind: "TIMESTAMP", value: "2022-02-28 18:30:00+00:00", zone: kolkata, want: "2022-03-01"},
		{dialect: database.SQLite, kind: "DATETIME", value: "2022-03-01T00:30:00+0530", want: "2022-02-28"},
		{dialect: database.SQLite, kind: "TEXT", value: "2022-03-01T23:00:00.000Z", want: "2022-03-01"},
		{dialect: database.SQLite, kind: "TEXT", value: "2022-03-01T18:29:59.999Z", zone: kolkata, want: "2022-03-01"},
		{dialect: database.SQLite, kind: "TEXT", value: "2022-03-01 18:30:00+00", zone: kolkata, want: "2022-03-02"},
		{dialect: database.SQLite, kind: "INTEGER", value: "1646092800000", wantError: `conversation c63b6faa-11a9-4259-b941-11cd2f8446c6: startDate of table "main"."bot" holds no date as yyyy-MM-dd`},
		{dialect: database.SQLite, kind: "TEXT", value: "01/03/2022", wantError: `conversation c63b6faa-11a9-4259-b941-11cd2f8446c6: startDate of table "main"."bot" holds no date as yyyy-MM-dd`},
	} {
		t.Run(fmt.Sprintf("%s %s %s", c.dialect, c.kind, c.value), func(t *testing.T) {
			db := of[c.dialect]
			dbtest.Exec(t, db, `DROP TABLE bot`)
			dbtest.Exec(t, db, `CREATE TABLE bot (id text, name text, ownerorgid text, startdate `+c.kind+`, enddate date)`)
			dbtest.Exec(t, db, `INSERT INTO bot VALUES ($1, 'n', 'c', $2, NULL)`, conversationID, c.value)
			tables := standardTables
			tables.Zone = c.zone
			uci, err := NewUCI(db, db, tables)
			if err != nil {
				t.Fatal(err)
			}
			got, err := uci.Conversation(context.Background(), conversationID, "c")
			if c.wantError != "" {
				if err == nil || err.Error() != c.wantError {
					t.Errorf("got %+v, %v\nwant %s", got, err, c.wantError)
				}
				return
			}
			if err != nil || got.StartDate != c.want {
				t.Errorf("got %q, %v; want %q", got.StartDate, err, c.want)
			}
		})
	}
}

func TestConsentIsReadFromEitherPlaceAndIsUnrecordedOtherwise(t *testing.T) {
	documents := []struct {
		data         any
		want         exhaust.Consent
		isUnreadable bool
	}{
		{`{"device":{"consent":true}}`, exhaust.ConsentGiven, false},
		{`{"device":{"consent":false}}`, exhaust.ConsentRefused, false},
		{`{"data":{"device":{"consent":true}}}`, exhaust.ConsentGiven, false},
		{`{"data":{"device":{"consent":false}}}`, exhaust.ConsentRefused, false},
		{`{"device":{"consent":true},"device":{"consent":false}}`, exhaust.ConsentRefused, false},
		{`{"device":{"consent":false},"device":{"consent":true}}`, exhaust.ConsentGiven, false},
		{`{"device":{"consent":"TRUE"}}`, exhaust.ConsentGiven, false},
		{`"{\"device\":{\"consent\":false,\"consent\":true}}"`, exhaust.ConsentGiven, false},
		{`{"device":{"consent":"yes"}}`, exhaust.ConsentRefused, true},
		{`{"device":{}}`, exhaust.ConsentUnrecorded, false},
		{`{}`, exhaust.ConsentUnrecorded, false},
		{`[1, 2]`, exhaust.ConsentRefused, true},
		{`null`, exhaust.ConsentUnrecorded, false},
		{nil, exhaust.ConsentUnrecorded, false},
	}
	onEachRelease(t, func(t *testing.T, p platform) {
		var ids []uuid.UUID
		var want []exhaust.Device
		for i, d := range documents {
			p.addUser(t, device(i), d.data)
			ids = append(ids, device(i))
			want = append(want, exhaust.Device{ID: device(i), Consent: d.want, ConsentUnreadable: d.isUnreadable})
		}
		wantDevices(t, want)(p.Devices(context.Background(), ids, false))
	})
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		dbtest.Exec(t, db, bareTables)
		dbtest.Exec(t, db, `INSERT INTO users VALUES ($1, 'garbage {"device":{"consent":true}}')`, device(1).String())
		uci, err := NewUCI(db, db, standardTables)
		if err != nil {
			t.Fatal(err)
		}
		dbtest.Exec(t, db, `INSERT INTO users VALUES ($1, '')`, device(2).String())
		wantDevices(t, []exhaust.Device{{ID: device(1), Consent: exhaust.ConsentRefused, ConsentUnreadable: true}, {ID: device(2)}})(
			uci.Devices(context.Background(), []uuid.UUID{device(1), device(2)}, true))
	})
}

func TestDevicesAreThoseWithAUserEachOnceAscendingWithTheSmallestUsername(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		for _, n := range []int{1, 2, 3, 4, 6} {
			p.addUser(t, device(n), `{"device":{"consent":true}}`)
		}
		p.addIdentity(t, device(1), "one==")
		p.addIdentity(t, device(2), "bb==")
		p.addIdentity(t, device(2), "Za==")
		p.addIdentity(t, device(2), "aa==")
		p.addIdentity(t, device(3), "")
		p.addIdentity(t, device(3), "+c==")
		p.addIdentity(t, device(4), "  ")
		p.addIdentity(t, device(5), "without a user")
		ids := []uuid.UUID{device(6), device(3), device(5), device(1), device(2), device(99), device(4), device(3)}
		given := func(n int, username string) exhaust.Device {
			return exhaust.Device{ID: device(n), Consent: exhaust.ConsentGiven, Username: username}
		}
		blank := "  " // a name of blanks is one, if it has not been cut off
		if p.release.name == "lower-case columns, text and dates" {
			blank = "" // char(100)
		}
		// In byte order "Z" is before "a" and "+" before both.
		wantDevices(t, []exhaust.Device{given(1, "one=="), given(2, "Za=="), given(3, "+c=="), given(4, blank), given(6, "")})(
			p.Devices(context.Background(), ids, true))
		wantDevices(t, []exhaust.Device{given(1, ""), given(2, ""), given(3, ""), given(4, ""), given(6, "")})(
			p.Devices(context.Background(), ids, false))
		wantDevices(t, nil)(p.Devices(context.Background(), nil, true))
		wantDevices(t, nil)(p.Devices(context.Background(), []uuid.UUID{device(98), device(99)}, true))
		if ids[0] != device(6) {
			t.Error("the caller's ids were put in another order")
		}
	})
}

func TestRegisteredDevicesComeInPagesAscendingEachOnce(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		duplicates := p.release.name == "lower-case columns, text and dates"
		for n := 9; n >= 1; n-- {
			p.register(t, device(n), conversationID)
			if duplicates {
				p.register(t, device(n), conversationID)
			}
		}
		p.register(t, device(50), "c63b6faa-11a9-4259-b941-11cd2f8446c7")
		page := func(ns ...int) (ids []string) {
			for _, n := range ns {
				ids = append(ids, device(n).String())
			}
			return ids
		}
		ctx := context.Background()
		for _, want := range []struct {
			after, next string
			page        []string
		}{
			{"", device(4).String(), page(1, 2, 3, 4)},
			{device(4).String(), device(8).String(), page(5, 6, 7, 8)},
			{device(8).String(), "", page(9)},
			{device(9).String(), "", nil},
		} {
			got, next, err := p.Registered(ctx, strings.ToUpper(conversationID), want.after, 4)
			if err != nil || !slices.Equal(got, want.page) || next != want.next {
				t.Errorf("after %q: %v, next %q, %v; want %v, %q", want.after, got, next, err, want.page, want.next)
			}
		}
		for _, nobodys := range []string{"c63b6faa-11a9-4259-b941-11cd2f8446c8", "no-uuid"} {
			if got, next, err := p.Registered(ctx, nobodys, "", 4); err != nil || len(got) != 0 || next != "" {
				t.Errorf("%s: %v, next %q, %v", nobodys, got, next, err)
			}
		}
		_, _, err := p.Registered(ctx, conversationID, "", 0)
		dbtest.WantError(t, err, "a page of 0 registered devices: the limit is at least 1")
	})
}

// Registries that keep ids as texts may keep them in capitals, and registrations of what is no uuid.
func TestIdsThatAreTextsAreFoundInEitherLetterCase(t *testing.T) {
	upper := func(s string) string { return strings.ToUpper(s) }
	const letters = "abcdefab-cdef-4abc-8def-abcdefabcdef"
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		ctx := context.Background()
		dbtest.Exec(t, db, bareTables)
		dbtest.Exec(t, db, `INSERT INTO bot (id, name, ownerorgid) VALUES ('`+upper(conversationID)+`', 'Upper', '`+letters+`')`)
		dbtest.Exec(t, db, `INSERT INTO users (id, data) VALUES ('`+upper(letters)+`', '{"device":{"consent":true}}')`)
		dbtest.Exec(t, db, `INSERT INTO identities (users_id, username) VALUES ('`+upper(letters)+`', 'one==')`)
		for _, registered := range []string{upper(letters), device(1).String(), "no-uuid"} {
			dbtest.Exec(t, db, `INSERT INTO user_registrations (users_id, applications_id) VALUES ('`+registered+`', '`+upper(conversationID)+`')`)
		}
		uci, err := NewUCI(db, db, standardTables)
		if err != nil {
			t.Fatal(err)
		}
		for _, asked := range []struct{ id, channel string }{
			{conversationID, letters}, {upper(conversationID), letters}, {conversationID, upper(letters)},
		} {
			got, err := uci.Conversation(ctx, asked.id, asked.channel)
			if want := (exhaust.Conversation{ID: upper(conversationID), Name: "Upper", Channel: letters}); err != nil || got != want {
				t.Errorf("%+v: got %+v, %v, want %+v", asked, got, err, want)
			}
			ids, _, err := uci.Registered(ctx, asked.id, "", 10)
			slices.Sort(ids)
			if want := []string{upper(letters), device(1).String(), "no-uuid"}; err != nil || !slices.Equal(ids, want) {
				t.Errorf("%s: registered %v, %v, want %v", asked.id, ids, err, want)
			}
		}
		if _, err := uci.Conversation(ctx, conversationID, "Another"); !errors.Is(err, ErrNoConversation) {
			t.Errorf("another channel: %v", err)
		}
		wantDevices(t, []exhaust.Device{{ID: uuid.MustParse(letters), IsUpperCase: true, Consent: exhaust.ConsentGiven, Username: "one=="}})(
			uci.Devices(ctx, []uuid.UUID{uuid.MustParse(letters), device(1)}, true))
		// A second row of the same user takes no refusal back.
		dbtest.Exec(t, db, `INSERT INTO users (id, data) VALUES ('`+letters+`', '{"device":{"consent":false}}')`)
		wantDevices(t, []exhaust.Device{{ID: uuid.MustParse(letters), Consent: exhaust.ConsentRefused, Username: "one=="}})(
			uci.Devices(ctx, []uuid.UUID{uuid.MustParse(letters)}, true))
		// Of two conversations that differ in letter case only, the one as it is asked for counts.
		dbtest.Exec(t, db, `INSERT INTO bot (id, name, ownerorgid) VALUES ('`+conversationID+`', 'Lower', 'Channel')`)
		for id, name := range map[string]string{conversationID: "Lower", upper(conversationID): "Upper"} {
			channel := map[string]string{"Lower": "Channel", "Upper": letters}[name]
			if got, err := uci.Conversation(ctx, id, channel); err != nil || got.Name != name {
				t.Errorf("%s: got %+v, %v", id, got, err)
			}
		}
		if _, err := uci.Conversation(ctx, conversationID, "channel"); !errors.Is(err, ErrNoConversation) {
			t.Errorf("a channel that is no uuid has a letter case: %v", err)
		}
	})
}

func TestAConversationIsFoundWhereTheRegistryMixesLetterCase(t *testing.T) {
	mixed := "C" + conversationID[1:]
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		dbtest.Exec(t, db, bareTables)
		dbtest.Exec(t, db, `INSERT INTO bot (id, name, ownerorgid) VALUES ('`+mixed+`', 'Mixed', 'Channel')`)
		uci, err := NewUCI(db, db, standardTables)
		if err != nil {
			t.Fatal(err)
		}
		for _, asked := range []string{mixed, conversationID, strings.ToUpper(conversationID)} {
			got, err := uci.Conversation(context.Background(), asked, "Channel")
			if want := (exhaust.Conversation{ID: mixed, Name: "Mixed", Channel: "Channel"}); err != nil || got != want {
				t.Errorf("%s: got %+v, %v, want %+v", asked, got, err, want)
			}
			if _, err := uci.Conversation(context.Background(), asked, "Another"); !errors.Is(err, ErrNoConversation) {
				t.Errorf("%s in another channel: %v", asked, err)
			}
		}
	})
}

func TestTwoRowsOfOneUserRecordTheSameWhicheverComesFirst(t *testing.T) {
	const lower, given, refused = "abcdefab-cdef-4abc-8def-abcdefabcdef", `{"device":{"consent":true}}`, `{"device":{"consent":false}}`
	for _, c := range []struct {
		first, second string
		want          exhaust.Device
	}{
		{given, `{}`, exhaust.Device{Consent: exhaust.ConsentGiven}},
		{given, refused, exhaust.Device{Consent: exhaust.ConsentRefused}},
		{`{}`, refused, exhaust.Device{Consent: exhaust.ConsentRefused}},
		{given, `7`, exhaust.Device{Consent: exhaust.ConsentRefused, ConsentUnreadable: true}},
	} {
		c.want.ID = uuid.MustParse(lower)
		for _, data := range [][2]string{{c.first, c.second}, {c.second, c.first}} {
			db := dbtest.Open(t, dbtest.URL(t, database.SQLite))
			dbtest.Exec(t, db, bareTables)
			dbtest.Exec(t, db, `INSERT INTO users (id, data) VALUES ($1, $2)`, lower, data[0])
			dbtest.Exec(t, db, `INSERT INTO users (id, data) VALUES ($1, $2)`, strings.ToUpper(lower), data[1])
			uci, err := NewUCI(db, db, standardTables)
			if err != nil {
				t.Fatal(err)
			}
			wantDevices(t, []exhaust.Device{c.want})(uci.Devices(context.Background(), []uuid.UUID{c.want.ID}, false))
		}
	}
}

func TestEachRegistrationIsOfADeviceWhateverItsId(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		// The least of all uuids is one, too; where the registry keeps texts, both spellings of the conversation count.
		want := []string{uuid.Nil.String(), device(1).String(), device(2).String(), device(3).String()}
		for i, id := range []uuid.UUID{device(3), uuid.Nil, device(2), device(1)} {
			p.register(t, id, []string{conversationID, strings.ToUpper(conversationID)}[i%2])
		}
		for _, limit := range []int{1, 2, 3, 4, 5} {
			var all []string
			for after := ""; ; {
				ids, next, err := p.Registered(context.Background(), conversationID, after, limit)
				if err != nil || len(ids) > limit {
					t.Fatal(ids, err)
				}
				all = append(all, ids...)
				if after = next; after == "" {
					break
				}
			}
			if !slices.Equal(all, want) {
				t.Errorf("pages of %d: got %v, want %v", limit, all, want)
			}
		}
	})
}

// An empty id is no uuid, which is counted as unknown; NULL is no id.
func TestAnEmptyIdIsRegistered(t *testing.T) {
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		dbtest.Exec(t, db, bareTables)
		dbtest.Exec(t, db, `INSERT INTO user_registrations VALUES ('x', $1), ('', $1), (NULL, $1)`, conversationID)
		uci, err := NewUCI(db, db, standardTables)
		if err != nil {
			t.Fatal(err)
		}
		if ids, next, err := uci.Registered(t.Context(), conversationID, "", 3); err != nil || !slices.Equal(ids, []string{"", "x"}) || next != "" {
			t.Errorf("got %q, next %q, %v", ids, next, err)
		}
	})
}

func TestSQLiteTablesMayCallTheirIdsUUID(t *testing.T) {
	db := dbtest.Open(t, dbtest.URL(t, database.SQLite))
	dbtest.Exec(t, db, `CREATE TABLE bot (id uuid PRIMARY KEY, name text, ownerorgid text, startdate date, enddate date)`)
	dbtest.Exec(t, db, `CREATE TABLE users (id uuid PRIMARY KEY, data json)`)
	dbtest.Exec(t, db, `CREATE TABLE user_registrations (users_id uuid, applications_id uuid)`)
	dbtest.Exec(t, db, `CREATE TABLE identities (users_id uuid, username text)`)
	dbtest.Exec(t, db, `INSERT INTO bot VALUES ('`+conversationID+`', 'Bot', 'channel', NULL, NULL)`)
	dbtest.Exec(t, db, `INSERT INTO users VALUES ('`+device(1).String()+`', '{"device":{"consent":true}}')`)
	dbtest.Exec(t, db, `INSERT INTO user_registrations VALUES ('`+device(1).String()+`', '`+conversationID+`')`)
	dbtest.Exec(t, db, `INSERT INTO identities VALUES ('`+device(1).String()+`', 'one==')`)
	uci, err := NewUCI(db, db, Tables{Conversations: "bot", Users: "users", Registrations: "user_registrations", Identities: "identities"})
	if err != nil {
		t.Fatal(err)
	}
	conversation, err := uci.Conversation(context.Background(), conversationID, "channel")
	if want := (exhaust.Conversation{ID: conversationID, Name: "Bot", Channel: "channel"}); err != nil || conversation != want {
		t.Errorf("got %+v, %v, want %+v", conversation, err, want)
	}
	want := []exhaust.Device{{ID: device(1), Consent: exhaust.ConsentGiven, Username: "one=="}}
	if ids, _, err := uci.Registered(context.Background(), conversationID, "", 10); err != nil || !slices.Equal(ids, []string{device(1).String()}) {
		t.Errorf("registered %v, %v", ids, err)
	}
	wantDevices(t, want)(uci.Devices(context.Background(), []uuid.UUID{device(1)}, true))
}

func TestMoreDevicesThanOneStatementTakesAreAllFound(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		const n = 2*lookupBatch + 1
		dbtest.Fill(t, p.db, n, `INSERT INTO `+p.UCI.tables.users.name+` (id, data) SELECT `+p.deviceSQL("users", "id")+`, '{"device":{"consent":true}}' FROM numbers`)
		dbtest.Fill(t, p.db, n, `INSERT INTO `+p.UCI.tables.registrations.name+` (users_id, applications_id) SELECT `+
			p.deviceSQL("registrations", "users_id")+`, '`+conversationID+`' FROM numbers`)
		var ids []uuid.UUID
		var want []exhaust.Device
		for i := 1; i <= n; i++ {
			ids = append(ids, device(i))
			want = append(want, exhaust.Device{ID: device(i), Consent: exhaust.ConsentGiven})
		}
		wantDevices(t, want)(p.Devices(context.Background(), ids, true))
		if registered, _, err := p.Registered(context.Background(), conversationID, "", n+1); err != nil || len(registered) != n || registered[n-1] != device(n).String() {
			t.Errorf("%d registered, %v; want %d", len(registered), err, n)
		}
	})
}

func TestConversationsAndUsersMayBeInDatabasesOfDifferentKinds(t *testing.T) {
	conversations, fusionAuth := dbtest.Open(t, dbtest.URL(t, database.PostgreSQL)), dbtest.Open(t, dbtest.URL(t, database.SQLite))
	dbtest.Exec(t, conversations, `CREATE TABLE bot (id uuid PRIMARY KEY, name text, ownerorgid text, startdate date, enddate date)`)
	dbtest.Exec(t, conversations, `INSERT INTO bot VALUES ($1, 'Survey', 'c', NULL, NULL)`, conversationID)
	if err := sample.CreateEmbeddedTables(context.Background(), fusionAuth); err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, fusionAuth, `INSERT INTO users VALUES ($1, '{}')`, device(1).String())
	uci, err := NewUCI(conversations, fusionAuth, standardTables)
	if err != nil {
		t.Fatal(err)
	}
	got, err := uci.Conversation(context.Background(), conversationID, "c")
	if want := (exhaust.Conversation{ID: conversationID, Name: "Survey", Channel: "c"}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	wantDevices(t, []exhaust.Device{{ID: device(1)}})(uci.Devices(context.Background(), []uuid.UUID{device(1)}, true))
}

func TestUCIsTablesAreReadThroughViewsAsWell(t *testing.T) {
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		dbtest.Exec(t, db, `CREATE TABLE people (id char(36) PRIMARY KEY, data text);
			CREATE VIEW users AS SELECT id, data FROM people;
			CREATE TABLE bot (id text, name text, ownerorgid text, startdate text, enddate text);
			CREATE TABLE user_registrations (users_id text, applications_id text);
			CREATE TABLE identities (users_id text, username text);`)
		dbtest.Exec(t, db, `INSERT INTO people VALUES ($1, '{}')`, device(1).String())
		uci, err := NewUCI(db, db, standardTables)
		if err != nil {
			t.Fatal(err)
		}
		wantDevices(t, []exhaust.Device{{ID: device(1)}})(uci.Devices(context.Background(), []uuid.UUID{device(1)}, true))
	})
}

func TestAMissingTableOrColumnIsNamedAndHealsOnceItIsThere(t *testing.T) {
	dbtest.OnEach(t, func(t *testing.T, db *database.DB) {
		ctx := context.Background()
		uci, err := NewUCI(db, db, Tables{Conversations: "Bot", Users: `"Users"`, Registrations: "user_registrations", Identities: "identities"})
		if err != nil {
			t.Fatal(err)
		}
		schema := map[database.Dialect]string{database.PostgreSQL: "public", database.SQLite: "main"}[db.Dialect()]
		at := "UCI's registry: " + db.String() + ": "
		dbtest.WantError(t, uci.Check(ctx), at+`there is no table Bot in any letter case in the schemas of the search path`)
		_, err = uci.Conversation(ctx, conversationID, "c")
		dbtest.WantError(t, err, at+`there is no table Bot in any letter case in the schemas of the search path`)

		dbtest.Exec(t, db, `CREATE TABLE bot (id text, name text, ownerorgid text, "startDate" text, stopped text)`)
		dbtest.WantError(t, uci.Check(ctx), at+`table "`+schema+`"."bot" has no column endDate in any letter case; it has id, name, ownerorgid, startDate, stopped`)

		dbtest.Exec(t, db, `ALTER TABLE bot RENAME COLUMN stopped TO enddate`)
		dbtest.WantError(t, uci.Check(ctx), at+`there is no table Users in exactly these letters in the schemas of the search path`)

		dbtest.Exec(t, db, `CREATE TABLE "Users" (id text, data text);
			CREATE TABLE user_registrations (users_id text, applications_id text);
			CREATE TABLE identities (users_id text, username text)`)
		if err := uci.Check(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := uci.Conversation(ctx, conversationID, "c"); !errors.Is(err, ErrNoConversation) {
			t.Errorf("with all tables there: %v", err)
		}
	})
}

func TestTablesThatAnUpgradeOfUCIRenamesAreFoundAgain(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		p.addUser(t, device(1), `{}`)
		ids := []uuid.UUID{device(1)}
		wantDevices(t, []exhaust.Device{{ID: device(1)}})(p.Devices(context.Background(), ids, false))
		dbtest.Exec(t, p.db, `ALTER TABLE `+p.UCI.tables.users.name+` RENAME COLUMN data TO "Data"`)
		if p.db.Dialect() == database.PostgreSQL {
			_, err := p.Devices(context.Background(), ids, false)
			dbtest.WantError(t, err, p.dataMissing())
		}
		wantDevices(t, []exhaust.Device{{ID: device(1)}})(p.Devices(context.Background(), ids, false))
	})
}

// dataMissing is the error of a table of users that has lost its column data.
func (p platform) dataMissing() string {
	schema, name := "public", "users"
	switch {
	case p.release.tables.Users == "uci.users":
		schema = "uci"
	case strings.Contains(p.release.ddl, `"Users"`):
		name = "Users"
	}
	return fmt.Sprintf(`read 1 devices from table "%s"."%s": column %s.data does not exist (SQLSTATE 42703)`, schema, name, name)
}

func TestTheTableAsWrittenIsPreferredAndAnAmbiguousOneRefused(t *testing.T) {
	db := dbtest.Open(t, dbtest.URL(t, database.PostgreSQL))
	dbtest.Exec(t, db, `CREATE TABLE "Bot" (id int); CREATE TABLE bot (id int); CREATE TABLE "BOT" (id int);
		CREATE SCHEMA later; CREATE TABLE later."bOT" (id int)`)
	for setting, want := range map[string]string{
		"bot":         `"public"."bot"`,
		"Bot":         `"public"."Bot"`,
		`"BOT"`:       `"public"."BOT"`,
		"bOt":         `"public"."bot"`,
		"PUBLIC.Bot":  `"public"."Bot"`,
		"later.bot":   `"later"."bOT"`,
		`later."bOT"`: `"later"."bOT"`,
	} {
		name, err := parseTableName(setting)
		if err != nil {
			t.Fatal(err)
		}
		got, err := findTable(context.Background(), db, name, "id")
		if err != nil || got.name != want {
			t.Errorf("%s: got %+v, %v; want %s", setting, got, err, want)
		}
	}
	dbtest.Exec(t, db, `DROP TABLE bot`)
	name, err := parseTableName("bOt")
	if err != nil {
		t.Fatal(err)
	}
	_, err = findTable(context.Background(), db, name, "id")
	dbtest.WantError(t, err, db.String()+`: table bOt may be "public"."BOT" or "public"."Bot": set the name in double quotes`)
}

func TestATableNameThatIsNoIdentifierIsRefused(t *testing.T) {
	db := dbtest.Open(t, dbtest.URL(t, database.SQLite))
	for _, name := range []string{
		"", " ", "bot; DROP TABLE users", `bot" WHERE 1=1 --`, `"bot"; --"`, `"a""b"`, "a.b.c", ".bot", "bot.", "1bot",
		"bot--", "bot/*", "(SELECT 1)", "bot\x00", "bot\n", `"bot`, `bot"`, `""`, "böt", strings.Repeat("a", 64),
	} {
		tables := standardTables
		tables.Identities = name
		_, err := NewUCI(db, db, tables)
		dbtest.WantError(t, err, fmt.Sprintf(`the table of identities: %q is no table name: it is a name like bot, "Bot" or uci.bot, of letters, digits, _ and $`, name))
	}
}

func TestACancelledReadReportsTheCancellation(t *testing.T) {
	onEachRelease(t, func(t *testing.T, p platform) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := p.Devices(ctx, []uuid.UUID{device(1)}, true)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
}

// wantDevices returns a check of what a look-up returned.
func wantDevices(t *testing.T, want []exhaust.Device) func([]exhaust.Device, error) {
	t.Helper()
	return func(got []exhaust.Device, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("got the error %v", err)
		} else if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			if len(got)+len(want) > 40 {
				t.Errorf("got %d devices, other than the %d wanted", len(got), len(want))
				return
			}
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
}
