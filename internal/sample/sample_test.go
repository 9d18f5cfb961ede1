package sample

import (
	"bytes"
	"context"
	"crypto/md5"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
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
	ETS     ets    `json:"ets"`
	MID     string `json:"mid"`
	Context struct {
		Channel string `json:"channel"`
		PData   struct{ PID, Ver string }
		DID     string `json:"did"`
		SID     string `json:"sid"`
		CData   []struct{ Type, ID string }
		Rollup  struct{ L1, L2, L3, L4, L5 string }
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
	// line is the event as it stands in the object.
	line string
}

// ets is the number as it is spelled, and its value.
type ets struct {
	text   string
	millis int64
}

func (e *ets) UnmarshalJSON(number []byte) error {
	e.text = string(number)
	value, ok := new(big.Rat).SetString(e.text)
	if !ok || !value.IsInt() {
		return fmt.Errorf("ets %s is no whole number", number)
	}
	e.millis = value.Num().Int64()
	return nil
}

// identity is what two deliveries of one event share, by the contract's words.
type identity struct{ mid, did, ets, edata string }

func (e event) identity(t *testing.T) identity {
	t.Helper()
	var whole struct{ EData any }
	decoder := json.NewDecoder(strings.NewReader(e.line))
	decoder.UseNumber()
	if err := decoder.Decode(&whole); err != nil {
		t.Fatal(err)
	}
	edata, err := json.Marshal(whole.EData) // sorts the keys, drops white space, spells escapes alike
	if err != nil {
		t.Fatal(err)
	}
	return identity{e.MID, strings.ToLower(e.Context.DID), fmt.Sprint(e.ETS.millis), string(edata)}
}

// differences names the parts of two identities that differ.
func (i identity) differences(other identity) string {
	var parts []string
	for _, part := range []struct{ name, a, b string }{
		{"mid", i.mid, other.mid}, {"did", i.did, other.did}, {"ets", i.ets, other.ets}, {"edata", i.edata, other.edata},
	} {
		if part.a != part.b {
			parts = append(parts, part.name)
		}
	}
	return strings.Join(parts, ", ")
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
				got["demo's answers, with those delivered again"]++
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
			"demo's answers, with those delivered again": 660, "other conversations' answers": 1140, "answers that name the demo elsewhere": 60,
			"foreign answers": 420, "foreign answers about the demo": 60, "other events about the demo": 60,
		}
		if !maps.Equal(got, want) {
			t.Errorf("%d objects:\n got %v\nwant %v", objects, got, want)
		}
		if want := map[string]int{"START": 600, "END": 600, "INTERACT": 1560, "IMPRESSION": 840}; !maps.Equal(kinds, want) {
			t.Errorf("%d objects:\n got %v\nwant %v", objects, kinds, want)
		}
	}
}

func TestEveryMixHoldsTheSharesThatThePackagePromises(t *testing.T) {
	for _, c := range []struct {
		mix                                 Mix
		demo, others, ofOtherChannels, rest int
	}{
		{Mixed, 660, 1200, 480, 3660},
		{Chatbot, 660, 5340, 0, 0},
		{Hot, 3000, 600, 240, 2160},
	} {
		s := New(Options{Until: "2022-03-01", EventsPerDay: 6000, ObjectsPerDay: 2, Conversations: 20, Seed: 5, Mix: c.mix})
		demo := s.Conversations()[0].ID
		var demos, others, ofOtherChannels, rest, ofOlderReleases int
		for _, e := range day(t, s, "2022-03-01") {
			switch {
			case e.EID != "ASSESS":
				rest++
			case e.Context.Channel != s.Channel:
				ofOtherChannels++
			case e.conversation() == demo:
				demos++
			default:
				others++
			}
			if e.EID == "ASSESS" && e.Context.Channel == s.Channel && e.Context.PData.Ver != releaseVersions[timed] {
				ofOlderReleases++
			}
		}
		if demos != c.demo || others != c.others || ofOtherChannels != c.ofOtherChannels || rest != c.rest {
			t.Errorf("%s: %d answers to the demo's, %d to the others', %d in other channels, %d other events", c.mix, demos, others, ofOtherChannels, rest)
		}
		if answers := demos + others; ofOlderReleases < answers/5 || ofOlderReleases > answers*3/10 {
			t.Errorf("%s: %d of %d answers are of older releases, want a quarter", c.mix, ofOlderReleases, answers)
		}
	}
}

// The benchmarks' figures are of these bytes.
func TestTheMixedMixHasTheBytesThatItHadBeforeThereWereOthers(t *testing.T) {
	s := New(Options{Until: "2026-11-20", EventsPerDay: 1000, ObjectsPerDay: 4, Conversations: 20, Devices: 2000, Seed: 5})
	const want = "46996d88b6dfa9b3e480cd85c03f7173"
	if got := fmt.Sprintf("%x", md5.Sum(raw(t, s, "2026-11-20", 0))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestThreeLinesOfAHundredDeliverAnAnswerAgain(t *testing.T) {
	type delivery struct {
		event
		object int
	}
	s := New(Options{Until: "2022-03-01", EventsPerDay: 6000, ObjectsPerDay: 3, Devices: 600})
	deliveries := map[identity][]delivery{}
	for object := range 3 {
		for _, e := range lines(t, s, "2022-03-01", object) {
			id := e.identity(t)
			deliveries[id] = append(deliveries[id], delivery{e, object})
		}
	}
	got := map[string]int{}
	for _, all := range deliveries {
		if len(all) == 1 {
			continue
		}
		if len(all) > 2 {
			t.Fatalf("%s was delivered %d times", all[0].MID, len(all))
		}
		first, again := all[0], all[1]
		if first.SyncTS > again.SyncTS {
			first, again = again, first
		}
		sort := "in the same object"
		if first.object != again.object {
			sort = "in another object"
		}
		switch {
		case first.line == again.line:
			sort += ", with the same bytes"
		case first.SyncTS == again.SyncTS:
			t.Errorf("both were received at once:\n%s\n%s", first.line, again.line)
		case first.Context.DID == again.Context.DID && first.ETS.text == again.ETS.text:
			sort += ", later"
		case strings.ToUpper(first.Context.DID) == again.Context.DID:
			sort += ", later, in capitals, from " + etsForm(first.ETS.text) + " to " + etsForm(again.ETS.text)
		}
		got[sort]++
	}
	want := map[string]int{
		"in another object, later":                                        60,
		"in the same object, with the same bytes":                         60,
		"in another object, later, in capitals, from digits to as Java's": 60,
	}
	if !maps.Equal(got, want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
}

// etsForm names the ways in which ets is spelled.
func etsForm(number string) string {
	for form, pattern := range map[string]string{"digits": `^\d{13}$`, "with .0": `^\d{13}\.0$`, "as Java's": `^1\.\d{1,12}E12$`} {
		if regexp.MustCompile(pattern).MatchString(number) {
			return form
		}
	}
	return number
}

func TestReleasesOfUCIWriteTheirAnswersDifferently(t *testing.T) {
	s := New(Options{Until: "2022-03-01", EventsPerDay: 6000, ObjectsPerDay: 3})
	got := map[string]int{}
	messageIDs := map[string]bool{}
	for _, e := range day(t, s, "2022-03-01") {
		if e.Context.PData.PID != "uci-transport" {
			if e.Context.SID == "" || etsForm(e.ETS.text) != "digits" {
				t.Fatalf("an event of a portal has no sid, or ets is no whole number: %s", e.line)
			}
			continue
		}
		mid := "of the second"
		if sum := md5.Sum([]byte(time.UnixMilli(e.ETS.millis).UTC().Format(time.RFC3339))); e.MID != fmt.Sprintf("ASSESS:%x", sum) {
			mid = "of the message"
			messageIDs[e.MID] = true
		}
		session := "in both or neither"
		switch {
		case e.Context.SID == "" && e.Context.Rollup.L5 != "":
			session = "in rollup.l5"
		case e.Context.SID != "" && e.Context.Rollup.L5 == "":
			session = "in sid"
		}
		if !strings.Contains(e.line, `"sid":"`) {
			t.Fatalf("sid is missing, where UCI leaves it empty: %s", e.line)
		}
		got[fmt.Sprintf("%s: mid %s, session %s, ets %s", e.Context.PData.Ver, mid, session, etsForm(e.ETS.text))]++
	}
	// Of a hundred lines 28 are answers to the conversations, 1 is to the demo's in another channel, and 3 are delivered
	// again, of which one with another ets.
	want := map[string]int{
		"4.2.0: mid of the second, session in rollup.l5, ets digits":    60 * (28 - 7 + 1 + 2),
		"4.2.0: mid of the second, session in rollup.l5, ets as Java's": 60,
		"4.1.0: mid of the message, session in rollup.l5, ets with .0":  60 * 4,
		"4.0.0: mid of the second, session in sid, ets as Java's":       60 * 3,
	}
	if !maps.Equal(got, want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
	if len(messageIDs) != 60*4 {
		t.Errorf("%d ids of messages, want %d", len(messageIDs), 60*4)
	}
}

// The sums are those of printf %s 2022-03-01T10:00:00Z | md5sum, and of 10:00:01.
func TestAllEventsOfASecondShareTheMidOfUCI(t *testing.T) {
	const ten = 10 * 60 * 60 * 1000
	e := &encoder{day: 1646092800000}
	for at, want := range map[int]string{
		ten: "18f16d0318138c5264f5a6133fb1e289", ten + 175: "18f16d0318138c5264f5a6133fb1e289", ten + 999: "18f16d0318138c5264f5a6133fb1e289",
		ten + 1000: "06ca85f2c87e352bbe2729640f0a2b0f",
	} {
		if got := e.secondID(at); got != want {
			t.Errorf("%d: got %s, want %s", at, got, want)
		}
	}
}

func TestADoubleIsPrintedAsJavaDoes(t *testing.T) {
	for at, want := range map[int]string{
		1646092800000: "1.6460928E12", 1646092812345: "1.646092812345E12", 1646092812340: "1.64609281234E12", 2000000000000: "2.0E12",
	} {
		if got := new(encoder).millisAsDouble(at); got != want {
			t.Errorf("%d: got %s, want %s", at, got, want)
		}
	}
}

func TestABurstHoldsAnswersOfOneSecondThatDifferInOnePartOnly(t *testing.T) {
	// Of the twenty hundreds of an object of 2,000 lines the second, and every fourth after it, has a burst.
	s := New(Options{Until: "2022-03-01", EventsPerDay: 6000, ObjectsPerDay: 3, Seed: 5})
	for object := range 3 {
		events := lines(t, s, "2022-03-01", object)
		for _, begin := range []int{105, 505, 905, 1305, 1705} {
			first := events[begin]
			devices := map[string]bool{}
			var differences []string
			for _, e := range events[begin : begin+5] {
				if e.conversation() != s.Conversations()[0].ID || e.ETS.millis/1000 != first.ETS.millis/1000 {
					t.Errorf("object %d, line %d: the burst has an answer of another conversation or second: %s", object, begin, e.line)
				}
				devices[e.Context.DID] = true
				differences = append(differences, first.identity(t).differences(e.identity(t)))
			}
			if len(devices) != 3 {
				t.Errorf("object %d, line %d: the burst has %d devices, want 3", object, begin, len(devices))
			}
			if events[begin+3].EData.Item.ID == first.EData.Item.ID {
				t.Errorf("object %d, line %d: the first device answers the same question twice in a millisecond", object, begin)
			}
			// The second answer is one for itself, which may be the first's by chance.
			if differences[1] == "did, ets" {
				differences[1] = "did, ets, edata"
			}
			if want := []string{"", "did, ets, edata", "did", "edata", "ets"}; !slices.Equal(differences, want) {
				t.Errorf("object %d, line %d: the burst's answers differ from its first in %q, want %q", object, begin, differences, want)
			}
		}
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
		if e.ETS.millis < midnight || e.ETS.millis >= midnight+86_400_000 || e.SyncTS < e.ETS.millis || e.SyncTS >= midnight+86_400_000 {
			t.Fatalf("ets %s, syncts %d", e.ETS.text, e.SyncTS)
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
		user, known := users[strings.ToLower(e.Context.DID)]
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
			"a device that refused":        known && consentOf(user.Data) == exhaust.ConsentRefused,
			"a device that agreed":         known && consentOf(user.Data) == exhaust.ConsentGiven,
			"a device that was not asked":  known && consentOf(user.Data) == exhaust.ConsentUnrecorded,
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
			device := strings.ToLower(e.Context.DID)
			if conversation := e.conversation(); e.EID == "ASSESS" && conversation != "" && known[device] {
				talked[device] = true
				if !registered[device+conversation] {
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

func (o *object) CommitIf(string) (blob.Object, error) { return blob.Object{}, errors.ErrUnsupported }

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
		e.line = string(line)
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

func consentOf(data string) exhaust.Consent {
	consent, _ := exhaust.ReadConsent([]byte(data))
	return consent
}
