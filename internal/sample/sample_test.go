package sample

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	_ "modernc.org/sqlite"

	"data-exhaust/blob"
	"data-exhaust/exhaust"
)

const secret = "c2l4dGVlbiBieXRlIGtleQ=="

func TestTheSameOptionsGiveTheSameBytes(t *testing.T) {
	a, b := New(Options{Until: "2022-03-07", Seed: 7}), New(Options{Until: "2022-03-07", Seed: 7})
	other := New(Options{Until: "2022-03-07", Seed: 8})
	for _, d := range a.Days() {
		for object := range a.ObjectsPerDay {
			if !bytes.Equal(raw(t, a, d, object), raw(t, b, d, object)) {
				t.Errorf("%s, object %d differs", d, object)
			}
			if bytes.Equal(raw(t, a, d, object), raw(t, other, d, object)) {
				t.Errorf("%s, object %d is the same with another seed", d, object)
			}
		}
	}
	if !reflect.DeepEqual(slices.Collect(a.users()), slices.Collect(b.users())) || !reflect.DeepEqual(a.Conversations(), b.Conversations()) {
		t.Error("the registries differ")
	}
}

func TestADayDoesNotDependOnTheDaysAroundIt(t *testing.T) {
	week, year := New(Options{Until: "2022-03-07", Days: 7}), New(Options{Until: "2022-12-31", Days: 365})
	if !bytes.Equal(raw(t, week, "2022-03-05", 1), raw(t, year, "2022-03-05", 1)) {
		t.Error("the day differs")
	}
}

// The first numbers of SplitMix64 for the seed 1234567, from its reference implementation: the
// sample is the same on every machine and with every version of Go.
func TestRandomNumbersAreThoseOfSplitMix64(t *testing.T) {
	r := random(1234567)
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		if got := r.next(); got != want {
			t.Errorf("number %d: got %d, want %d", i+1, got, want)
		}
	}
}

func TestTheDaysEndWithUntil(t *testing.T) {
	got := New(Options{Until: "2022-03-01", Days: 3}).Days()
	if want := []exhaust.Day{"2022-02-27", "2022-02-28", "2022-03-01"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestObjectsAreNamedAsTheirLayoutSays(t *testing.T) {
	flat := New(Options{Until: "2022-03-01"})
	tree := New(Options{Until: "2022-03-01", Layout: func(d exhaust.Day) string { return strings.ReplaceAll(string(d), "-", "/") + "/" }})
	for want, got := range map[string]string{
		"2022-03-01-0-1646092800000.json.gz": flat.ObjectName("2022-03-01", 0),
		"2022/03/01/1-1646092800000.json.gz": tree.ObjectName("2022-03-01", 1),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// event is what the tests look at of a line.
type event struct {
	EID     string `json:"eid"`
	ETS     int64  `json:"ets"`
	MID     string `json:"mid"`
	Context struct {
		Channel string `json:"channel"`
		PData   struct{ ID string }
		DID     string `json:"did"`
		SID     string `json:"sid"`
		CData   []struct{ Type, ID string }
		Rollup  struct{ L1, L2, L3, L4 string }
	} `json:"context"`
	EData struct {
		Item struct {
			ID, Type, Title, Desc string
			MaxScore              *float64
			Params                json.RawMessage
		}
		Duration, Score *float64
		ResValues       json.RawMessage
	} `json:"edata"`
	Object    struct{ ID string } `json:"object"`
	SyncTS    int64               `json:"syncts"`
	Timestamp string              `json:"@timestamp"`
}

func (e event) conversation() string {
	for _, c := range e.Context.CData {
		if c.Type == "Conversation" {
			return c.ID
		}
	}
	return ""
}

func TestADayHoldsTheMixThatThePackagePromises(t *testing.T) {
	for _, objects := range []int{1, 2, 3} {
		s := New(Options{Until: "2022-03-01", EventsPerDay: 6000, ObjectsPerDay: objects, Seed: 3})
		demo := s.Conversations()[0].ID
		got := map[string]int{}
		kinds := map[string]int{}
		for _, e := range day(t, s, "2022-03-01") {
			own := e.Context.Channel == s.Channel
			switch answer := e.EID == "ASSESS"; {
			case answer && own && e.conversation() == demo:
				got["demo's answers, with the repeated"]++
			case answer && own && e.Object.ID == demo:
				got["answers that name the demo elsewhere"]++
			case answer && own:
				got["other conversations' answers"]++
			case answer && e.conversation() == demo:
				got["foreign answers about the demo"]++
			case answer:
				got["foreign answers"]++
			case e.conversation() == demo:
				got["other events about the demo"]++
			default:
				kinds[e.EID]++
			}
		}
		want := map[string]int{
			"demo's answers, with the repeated": 540, "other conversations' answers": 1140, "answers that name the demo elsewhere": 60,
			"foreign answers": 420, "foreign answers about the demo": 60, "other events about the demo": 60,
		}
		if !maps.Equal(got, want) {
			t.Errorf("%d objects:\n got %v\nwant %v", objects, got, want)
		}
		if want := map[string]int{"START": 600, "END": 600, "INTERACT": 1620, "IMPRESSION": 900}; !maps.Equal(kinds, want) {
			t.Errorf("%d objects:\n got %v\nwant %v", objects, kinds, want)
		}
	}
}

func TestOneLineOfAHundredRepeatsAnAnswerOfAnotherObjectAndWasReceivedLater(t *testing.T) {
	s := New(Options{Until: "2022-03-01", EventsPerDay: 6000, ObjectsPerDay: 3})
	first := map[string]event{}
	object := map[string]int{}
	repeats := 0
	for i := range 3 {
		for _, e := range lines(t, s, "2022-03-01", i) {
			if before, ok := first[e.MID]; ok {
				repeats++
				if object[e.MID] == i || before.ETS != e.ETS || before.SyncTS == e.SyncTS || before.Context.DID != e.Context.DID {
					t.Errorf("%s is no repetition: %+v, %+v", e.MID, before, e)
				}
			}
			first[e.MID], object[e.MID] = e, i
		}
	}
	if repeats != 60 {
		t.Errorf("got %d repetitions, want 60", repeats)
	}
}

func TestTheObjectsOfADayHoldAsManyLinesAsWereAskedFor(t *testing.T) {
	for _, c := range []struct {
		events, objects int
		want            []int
	}{
		{1000, 1, []int{1000}}, {1000, 3, []int{334, 333, 333}}, {5, 2, []int{3, 2}}, {1, 3, []int{1, 0, 0}}, {101, 2, []int{51, 50}},
	} {
		s := New(Options{Until: "2022-03-01", EventsPerDay: c.events, ObjectsPerDay: c.objects})
		var got []int
		for object := range c.objects {
			got = append(got, len(lines(t, s, "2022-03-01", object)))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d events in %d objects: got %v, want %v", c.events, c.objects, got, c.want)
		}
	}
}

func TestAnEventIsOfItsDayAndOnItsDayInUTC(t *testing.T) {
	const midnight = 1646092800000 // 2022-03-01T00:00:00Z
	without := 0
	for _, e := range day(t, New(Options{Until: "2022-03-01", EventsPerDay: 5000}), "2022-03-01") {
		if e.ETS < midnight || e.ETS >= midnight+86_400_000 || e.SyncTS < e.ETS || e.SyncTS >= midnight+86_400_000 {
			t.Fatalf("ets %d, syncts %d", e.ETS, e.SyncTS)
		}
		if e.Timestamp == "" {
			without++
		} else if want := time.UnixMilli(e.SyncTS).UTC().Format("2006-01-02T15:04:05.000Z"); e.Timestamp != want {
			t.Fatalf("@timestamp %s, syncts %s", e.Timestamp, want)
		}
	}
	if without == 0 {
		t.Error("every event has @timestamp, some should have ets only")
	}
}

func TestAnEventHasAbout1000Bytes(t *testing.T) {
	s := New(Options{Until: "2022-03-01", EventsPerDay: 20_000, ObjectsPerDay: 1})
	if average := len(raw(t, s, "2022-03-01", 0)) / 20_000; average < 950 || average > 1050 {
		t.Errorf("an event has %d bytes", average)
	}
}

func TestTheDemosAnswersHoldWhatMakesExhaustsHard(t *testing.T) {
	s := New(Options{Until: "2022-03-01", EventsPerDay: 15_000, Cipher: newCipher(t)})
	users := map[string]user{}
	for u := range s.users() {
		users[u.ID] = u
	}
	has := map[string]bool{}
	types := map[string]bool{}
	for _, e := range day(t, s, "2022-03-01") {
		if e.EID != "ASSESS" || e.conversation() != s.Conversations()[0].ID || e.Context.Channel != s.Channel {
			continue
		}
		types[e.EData.Item.Type] = true
		title, response := e.EData.Item.Title, string(e.EData.ResValues)
		user, known := users[e.Context.DID]
		_, uuid := exhaust.ParseDeviceID(e.Context.DID)
		for what, is := range map[string]bool{
			"Devanagari":                   strings.Contains(title, "आपको"),
			"Tamil":                        strings.Contains(title, "உங்கள"),
			"a quote in a title":           strings.Contains(title, `"`),
			"a comma in a title":           strings.Contains(title, ","),
			"a line break in a title":      strings.Contains(title, "\n"),
			"white space in a response":    strings.HasPrefix(response, `[ {"1": `),
			"a \\u escape in a response":   strings.Contains(response, `\u0928`),
			"a quote in a response":        strings.Contains(response, `\"`),
			"no response":                  response == "",
			"a null response":              response == "null",
			"an empty response":            response == "[]",
			"a half score":                 *e.EData.Score == 0.5,
			"a half second":                *e.EData.Duration != float64(int(*e.EData.Duration)),
			"the end of the form":          e.Context.Rollup.L4 == "true",
			"an unknown device":            !known && uuid,
			"a device that is no uuid":     !uuid,
			"a device that refused":        known && exhaust.ReadConsent([]byte(user.Data)) == exhaust.ConsentRefused,
			"a device that agreed":         known && exhaust.ReadConsent([]byte(user.Data)) == exhaust.ConsentGiven,
			"a device that was not asked":  known && exhaust.ReadConsent([]byte(user.Data)) == exhaust.ConsentUnrecorded,
			"a device without a username":  known && len(user.Identities) == 0,
			"a device with two usernames":  known && len(user.Identities) == 2,
			"an answer that has a max > 1": *e.EData.Item.MaxScore > 1,
		} {
			has[what] = has[what] || is
		}
		if known && !slices.Contains(user.Registrations, e.conversation()) {
			t.Fatalf("device %s is not registered", user.ID)
		}
	}
	for what, is := range has {
		if !is {
			t.Errorf("no event has %s", what)
		}
	}
	if want := map[string]bool{"mcq": true, "ftb": true, "number": true, "rating": true}; !maps.Equal(types, want) {
		t.Errorf("types: got %v, want %v", types, want)
	}
}

func TestTheDemosConversationIsTheFirst(t *testing.T) {
	got := New(Options{Until: "2022-03-07", Channel: "0999", Conversations: 7}).Conversations()
	ids := map[string]bool{}
	for i := range got {
		if _, ok := exhaust.ParseDeviceID(got[i].ID); !ok {
			t.Errorf("%s is no uuid", got[i].ID)
		}
		ids[got[i].ID] = true
		got[i].ID = ""
	}
	want := []exhaust.Conversation{
		{Name: "Vaccination Helpdesk (sample)", Channel: "0999", StartDate: "2022-03-01", EndDate: "2022-03-07"},
		{Name: `Farmers' Advice, "Kisan Mitra" (sample)`, Channel: "0999", StartDate: "2022-03-01", EndDate: "2022-03-07"},
		{Name: "पढ़ो और बढ़ो (sample)", Channel: "0999"},
		{Name: "மாணவர் உதவி (sample)", Channel: "0999", StartDate: "2022-03-01", EndDate: "2022-03-07"},
		{Name: "Teacher Attendance (sample)", Channel: "0999", StartDate: "2022-03-01", EndDate: "2022-03-07"},
		{Name: "Survey No. 6 (sample)", Channel: "0999"},
		{Name: "Survey No. 7 (sample)", Channel: "0999", StartDate: "2022-03-01", EndDate: "2022-03-07"},
	}
	if !reflect.DeepEqual(got, want) || len(ids) != 7 {
		t.Errorf("got %v, %d ids", got, len(ids))
	}
}

func TestConsentIsInThreeStatesAndTwoPlaces(t *testing.T) {
	got := map[string]int{}
	for u := range New(Options{Until: "2022-03-01", Conversations: 2, Devices: 200}).users() {
		var data struct {
			Device *struct{ Consent *bool }
			Data   *struct{ Device struct{ Consent *bool } }
		}
		if err := json.Unmarshal([]byte(u.Data), &data); err != nil {
			t.Fatalf("%s: %v", u.Data, err)
		}
		consent, place := (*bool)(nil), "device"
		if data.Device != nil {
			consent = data.Device.Consent
		} else {
			consent, place = data.Data.Device.Consent, "data.device"
		}
		switch {
		case consent == nil:
			place += " not asked"
		default:
			place += fmt.Sprint(" ", *consent)
		}
		got[place]++
	}
	want := map[string]int{"device true": 80, "data.device true": 40, "device false": 20, "data.device false": 20, "device not asked": 40}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPhoneNumbersAreMadeUp(t *testing.T) {
	cipher := newCipher(t)
	s := New(Options{Until: "2022-03-01", Devices: 30_000, Cipher: cipher})
	numbers, garbage := 0, 0
	for u := range s.users() {
		for _, username := range u.Identities {
			phone, ok := cipher.Decrypt(username)
			switch {
			case !ok:
				garbage++
			case strings.HasPrefix(phone, "sample-login:"):
			case regexp.MustCompile(`^phone:999990\d{4}$`).MatchString(phone):
				numbers++
			default:
				t.Fatalf("%q is a phone number", phone)
			}
		}
	}
	if numbers != 24_000 || garbage != 3_000 {
		t.Errorf("got %d numbers and %d that do not decrypt, want 24000 and 3000", numbers, garbage)
	}
	digits := regexp.MustCompile(`(?:^|[^0-9A-Za-z])[6-9]\d{9}(?:[^0-9A-Za-z]|$)`)
	if found := digits.Find(raw(t, s, "2022-03-01", 0)); found != nil {
		t.Errorf("telemetry holds what could be a phone number: %s", found)
	}
}

func TestWithoutACipherNobodyHasAPhoneNumber(t *testing.T) {
	for u := range New(Options{Until: "2022-03-01"}).users() {
		if len(u.Identities) != 0 {
			t.Errorf("%s has %v", u.ID, u.Identities)
		}
	}
}

func TestEveryKnownDeviceThatAnswersIsRegisteredWhateverTheNumbers(t *testing.T) {
	for _, c := range []struct{ conversations, devices int }{{1, 1}, {1, 40}, {3, 2}, {7, 60}, {40, 9}} {
		s := New(Options{Until: "2022-03-01", Conversations: c.conversations, Devices: c.devices, EventsPerDay: 5000})
		registered, known := map[string]bool{}, map[string]bool{}
		for u := range s.users() {
			known[u.ID] = true
			for _, conversation := range u.Registrations {
				if registered[u.ID+conversation] {
					t.Errorf("%+v: %s is registered twice", c, u.ID)
				}
				registered[u.ID+conversation] = true
			}
		}
		talked := map[string]bool{}
		for _, e := range day(t, s, "2022-03-01") {
			if conversation := e.conversation(); e.EID == "ASSESS" && conversation != "" && known[e.Context.DID] {
				talked[e.Context.DID] = true
				if !registered[e.Context.DID+conversation] {
					t.Fatalf("%+v: a device of %s is not registered", c, conversation)
				}
			}
		}
		if len(talked) != c.devices {
			t.Errorf("%+v: %d devices talked", c, len(talked))
		}
	}
}

func TestInsertFillsUCIsTablesAndMayRunAgain(t *testing.T) {
	// More users than one statement takes, the last of them without a full one.
	s := New(Options{Until: "2022-03-07", Days: 7, Devices: 130, Conversations: 3, Cipher: newCipher(t)})
	db, err := sql.Open("sqlite", t.TempDir()+"/uci.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(ctx context.Context, query string, args ...any) error {
		_, err := db.ExecContext(ctx, query, args...)
		return err
	}
	for _, query := range []string{
		"CREATE TABLE bot (id TEXT PRIMARY KEY, name TEXT, ownerorgid TEXT, startdate TEXT, enddate TEXT)",
		"CREATE TABLE users (id TEXT PRIMARY KEY, data TEXT)",
		"CREATE TABLE user_registrations (users_id TEXT, applications_id TEXT)",
		"CREATE TABLE identities (users_id TEXT, username TEXT)",
		"INSERT INTO users VALUES ('somebody-else', '{}')",
		"INSERT INTO bot VALUES ('" + s.Conversations()[0].ID + "', 'an older name', '', NULL, NULL)",
	} {
		if err := exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	wantUsers := []string{"somebody-else|{}"}
	var wantBots, wantRegistrations, wantIdentities []string
	for _, c := range s.Conversations() {
		wantBots = append(wantBots, strings.Join([]string{c.ID, c.Name, c.Channel, string(c.StartDate), string(c.EndDate)}, "|"))
	}
	for u := range s.users() {
		wantUsers = append(wantUsers, u.ID+"|"+u.Data)
		for _, c := range u.Registrations {
			wantRegistrations = append(wantRegistrations, u.ID+"|"+c)
		}
		for _, username := range u.Identities {
			wantIdentities = append(wantIdentities, u.ID+"|"+username)
		}
	}
	for run := range 2 {
		if err := s.Insert(t.Context(), exec); err != nil {
			t.Fatal(err)
		}
		for query, want := range map[string][]string{
			"SELECT id || '|' || name || '|' || ownerorgid || '|' || ifnull(startdate, '') || '|' || ifnull(enddate, '') FROM bot": wantBots,
			"SELECT id || '|' || data FROM users":                               wantUsers,
			"SELECT users_id || '|' || applications_id FROM user_registrations": wantRegistrations,
			"SELECT users_id || '|' || username FROM identities":                wantIdentities,
		} {
			if got := column(t, db, query); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("run %d: %s: got %d rows, want %d, or others", run+1, query, len(got), len(want))
			}
		}
	}
}

func TestInsertSaysWhichTableFailedAndRunsNothingMore(t *testing.T) {
	statements := 0
	err := New(Options{Until: "2022-03-07"}).Insert(t.Context(), func(_ context.Context, query string, _ ...any) error {
		statements++
		if strings.HasPrefix(query, "INSERT INTO users") {
			return errors.New("read only")
		}
		return nil
	})
	// Two statements for bot, then those of users.
	if want := "insert the sample into users: read only"; err == nil || err.Error() != want || statements != 4 {
		t.Errorf("got %v after %d statements, want %s after 4", err, statements, want)
	}
}

// column is a query's only column, sorted.
func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var cells []string
	for rows.Next() {
		var cell string
		if err := rows.Scan(&cell); err != nil {
			t.Fatal(err)
		}
		cells = append(cells, cell)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(cells)
	return cells
}

// store keeps committed objects.
type store struct {
	sync.Mutex
	objects map[string][]byte
	fail    string // the name whose Commit fails
}

type object struct {
	bytes.Buffer
	store *store
	name  string
}

func (s *store) create(_ context.Context, name string) (blob.Writer, error) {
	return &object{store: s, name: name}, nil
}

func (o *object) Commit() error {
	if o.name == o.store.fail {
		return errors.New("no space left")
	}
	o.store.Lock()
	defer o.store.Unlock()
	o.store.objects[o.name] = o.Bytes()
	return nil
}

func (o *object) Abort() error { return nil }

func TestWriteTelemetryWritesEveryObjectGzipped(t *testing.T) {
	s := New(Options{Until: "2022-03-02", Days: 2, EventsPerDay: 300, ObjectsPerDay: 2})
	got := &store{objects: map[string][]byte{}}
	if err := WriteTelemetry(t.Context(), s, got.create); err != nil {
		t.Fatal(err)
	}
	for _, d := range []exhaust.Day{"2022-03-01", "2022-03-02"} {
		for i := range 2 {
			name := s.ObjectName(d, i)
			z, err := gzip.NewReader(bytes.NewReader(got.objects[name]))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			content, err := io.ReadAll(z)
			if err != nil || !bytes.Equal(content, raw(t, s, d, i)) {
				t.Errorf("%s: %v, or other content", name, err)
			}
			delete(got.objects, name)
		}
	}
	if len(got.objects) > 0 {
		t.Errorf("there are other objects: %v", slices.Collect(maps.Keys(got.objects)))
	}
}

func TestWriteTelemetryNamesTheObjectThatFailed(t *testing.T) {
	s := New(Options{Until: "2022-03-02", Days: 1, EventsPerDay: 10})
	err := WriteTelemetry(t.Context(), s, (&store{objects: map[string][]byte{}, fail: s.ObjectName("2022-03-02", 1)}).create)
	if want := "write 2022-03-02-1-1646179200000.json.gz: no space left"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestWriteTelemetryEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := &store{objects: map[string][]byte{}}
	err := WriteTelemetry(ctx, New(Options{Until: "2022-03-02"}), got.create)
	if !errors.Is(err, context.Canceled) || len(got.objects) > 0 {
		t.Errorf("got %v and %d objects", err, len(got.objects))
	}
}

// BenchmarkWriteDay is the raw speed of one processor.
func BenchmarkWriteDay(b *testing.B) {
	s := New(Options{Until: "2022-03-01", EventsPerDay: 20_000, ObjectsPerDay: 1, Devices: 10_000})
	var size counter
	if err := s.WriteDay("2022-03-01", 0, &size); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		if err := s.WriteDay("2022-03-01", 0, io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteTelemetry is the speed with gzip on all processors.
func BenchmarkWriteTelemetry(b *testing.B) {
	s := New(Options{Until: "2022-03-02", Days: 2, EventsPerDay: 40_000, Devices: 10_000})
	var size counter
	for _, d := range s.Days() {
		for i := range s.ObjectsPerDay {
			if err := s.WriteDay(d, i, &size); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		got := &store{objects: map[string][]byte{}}
		if err := WriteTelemetry(b.Context(), s, got.create); err != nil {
			b.Fatal(err)
		}
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }

func raw(t *testing.T, s *Set, d exhaust.Day, object int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.WriteDay(d, object, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// lines parses every line of an object with the standard library.
func lines(t *testing.T, s *Set, d exhaust.Day, object int) []event {
	t.Helper()
	var events []event
	for line := range bytes.Lines(raw(t, s, d, object)) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%s: %s", err, line)
		}
		events = append(events, e)
	}
	return events
}

func day(t *testing.T, s *Set, d exhaust.Day) []event {
	t.Helper()
	var events []event
	for object := range s.ObjectsPerDay {
		events = append(events, lines(t, s, d, object)...)
	}
	return events
}

func newCipher(t *testing.T) *exhaust.Cipher {
	t.Helper()
	cipher, err := exhaust.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	return cipher
}
