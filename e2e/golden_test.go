package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"data-exhaust/exhaust"
	"data-exhaust/internal/e2etest"
	"data-exhaust/internal/sample"
)

// The conversations of the golden files.
const (
	golden1 = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	golden2 = "5d1f6a0e-3a4b-4c5d-8e6f-0a1b2c3d4e5f"
)

// device is 11111111-1111-4111-8111-111111111111 for "1".
func device(digit string) string {
	r := strings.Repeat
	return r(digit, 8) + "-" + r(digit, 4) + "-4" + r(digit, 3) + "-8" + r(digit, 3) + "-" + r(digit, 12)
}

// fill adds the registry of the golden files. The usernames were made with OpenSSL 3.0:
//
//	printf %s "$TEXT" | openssl enc -aes-128-ecb -K $(printf %s "e2e key 16 bytes" | xxd -p) -a -A
func fill(t testing.TB, r *e2etest.Registry) {
	r.AddConversation(t, golden1, `Vaccination, "Helpdesk" टीका`, channel, "", "")
	r.AddConversation(t, golden2, "Other bot", channel, "", "")
	for _, user := range []struct {
		digit     string
		data      any
		usernames []string
	}{
		// Consent in its three states and two places.
		{"1", `{"device":{"consent":true,"type":"phone"}}`, []string{"X2FiP0lzef89k1PFlvsaiHjoWZKpd4n2ZFmXXu3Ayz8="}}, // phone:9999900001
		{"2", `{"device":{"consent":false}}`, []string{"ByNkMTc7EnksgB9kRey5oXjoWZKpd4n2ZFmXXu3Ayz8="}},               // phone:9999900002
		{"3", `{"device":{"type":"phone"},"consent":true}`, []string{"VBuQWlXT5VwI8NC82m7FXXjoWZKpd4n2ZFmXXu3Ayz8="}}, // phone:9999900003
		{"4", `{"data":{"device":{"consent":true}}}`, []string{
			"iXnDqhw6oqkmp6k83BnacXjoWZKpd4n2ZFmXXu3Ayz8=", // phone:9999900004
			"Dv3dKSyad9n4p6H7OVAKEQ==",                     // 9999900044, the smaller username
		}},
		{"5", `{"data":{"device":{"consent":false}}}`, []string{"bHock1owHuEyY+u1Nl9Xc3joWZKpd4n2ZFmXXu3Ayz8="}}, // phone:9999900005
		// Usernames that do not decrypt: no base64, and phone:9999900008 by another key.
		{"6", `{"device":{"consent":true}}`, []string{"not-base64!"}},
		{"7", `{"device":{"consent":true}}`, nil},
		{"8", `{"device":{"consent":true}}`, []string{"rlJu1PNgnOUK6VVkORwixQpxzXrNzA07D0jNG7n/Mlo="}},
		// Never conversed in the range; nothing recorded of it.
		{"9", nil, []string{"BfA1PBQVD0Y1XyrxxP9eHXjoWZKpd4n2ZFmXXu3Ayz8="}}, // phone:9999900010
		// Consent that is no boolean.
		{"a", `{"device":{"consent":"true"}}`, nil},
	} {
		r.Exec(t, `INSERT INTO users (id, data) VALUES ($1, $2)`, device(user.digit), user.data)
		for _, username := range user.usernames {
			r.Exec(t, `INSERT INTO identities (users_id, username) VALUES ($1, $2)`, device(user.digit), username)
		}
	}
	// Device b is registered without being a user.
	for _, digit := range strings.Split("123456789ab", "") {
		register(t, r, device(digit), golden1)
	}
	register(t, r, device("1"), golden2)
}

func register(t testing.TB, r *e2etest.Registry, user, conversation string) {
	t.Helper()
	r.Exec(t, `INSERT INTO user_registrations (users_id, applications_id) VALUES ($1, $2)`, user, conversation)
}

// object is one of the telemetry store.
type object struct {
	name    string
	content []byte
}

// goldenTelemetry is testdata/telemetry packed in every way that contract section 3 allows; inRange
// are the bytes of its objects from 1 to 3 March 2022.
func goldenTelemetry(t *testing.T) (objects []object, inRange int64) {
	t.Helper()
	file := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join("testdata", "telemetry", name))
		e2etest.Must(t, err)
		return content
	}
	crlf := bytes.TrimSuffix(bytes.ReplaceAll(file("2022-03-01-part-0.jsonl"), []byte("\n"), []byte("\r\n")), []byte("\r\n"))
	objects = []object{
		{"2022-03-01-0-1646092800000.json.gz", packGzip(t, 3, file("2022-03-01-0.jsonl"))},
		{"2022-03-01-1-1646092800000.json.zst", packZstd(t, 2, file("2022-03-01-1.jsonl"))},
		{"2022-03-01/part-0.jsonl", crlf},
		{"2022-03-02/hour=01/part-1.ndjson", file("2022-03-02-hour-01.jsonl")},
		// The name says one thing, the first bytes another.
		{"2022-03-03-0-1646265600000.json.gz", file("2022-03-03-0.jsonl")},
		{"2022-03-03-extra.log", packGzip(t, 1, file("2022-03-03-extra.jsonl"))},
	}
	for _, o := range objects {
		inRange += int64(len(o.content))
	}
	outside := file("outside.jsonl")
	return append(objects,
		object{"2022-03-02-manifest.csv", file("2022-03-02-manifest.csv")},
		object{"2022-03-02/_SUCCESS", nil},
		object{"2022-02-28-0-1646006400000.json.gz", packGzip(t, 1, outside)},
		object{"2022-03-04-0.json", outside},
		object{"2021-03-02-0.json", outside},
		object{"README.json", outside},
	), inRange
}

// gzipped packs content into members, cut wherever a byte happens to be.
func packGzip(t *testing.T, members int, content []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	for i := range members {
		w := gzip.NewWriter(&packed)
		_, err := w.Write(content[i*len(content)/members : (i+1)*len(content)/members])
		e2etest.Must(t, err)
		e2etest.Must(t, w.Close())
	}
	return packed.Bytes()
}

func packZstd(t *testing.T, frames int, content []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	e2etest.Must(t, err)
	var packed []byte
	for i := range frames {
		packed = w.EncodeAll(content[i*len(content)/frames:(i+1)*len(content)/frames], packed)
	}
	return packed
}

// TestGoldenExhausts compares whole files. The counts of progress are of the hand-written telemetry:
// 25 events of the conversation in the range, of which one is delivered twice, and three are of devices that the registry
// does not know; 7 lines that are no JSON object. Two more pairs share their mid, and are other events all the same.
func TestGoldenExhausts(t *testing.T) {
	telemetry, bytesInRange := goldenTelemetry(t)
	asIs := func(name string) string { return name }
	tree := func(name string) string { // 2022-03-01-0.json.gz is 2022/03/01/0.json.gz
		if name[0] != '2' {
			return name
		}
		return name[0:4] + "/" + name[5:7] + "/" + name[8:10] + "/" + name[11:]
	}
	whole := func(p e2etest.Progress) e2etest.Progress {
		p.Phase, p.Percent = "DONE", 100
		p.BytesRead = p.BytesTotal
		return p
	}
	ofResponse := whole(e2etest.Progress{BytesTotal: bytesInRange, EventsMatched: 25, Repeats: 1, RowsWritten: 21, LinesSkipped: 7, RowsUnknownDevice: 3})
	ofPrivate := whole(e2etest.Progress{BytesTotal: bytesInRange, EventsMatched: 25, Repeats: 1, RowsWritten: 9, LinesSkipped: 7, RowsUnknownDevice: 2, Undecryptable: 2})
	ofRegistered := whole(e2etest.Progress{RowsWritten: 10, RowsUnknownDevice: 1, Undecryptable: 2})
	type report struct {
		dataset, conversation, start, end string
		file                              string
		progress                          e2etest.Progress
	}
	inRange := func(dataset, conversation, file string, p e2etest.Progress) report {
		return report{dataset, conversation, "2022-03-01", "2022-03-03", file, p}
	}
	for _, c := range []struct {
		name     string
		settings []string
		rename   func(string) string
		isOlder  bool // needs UCI's older tables
		reports  []report
	}{
		{"by default", nil, asIs, false, []report{
			inRange(response, golden1, "response.csv", ofResponse),
			inRange(response, golden2, "response_other.csv", whole(e2etest.Progress{BytesTotal: bytesInRange, EventsMatched: 2, RowsWritten: 2, LinesSkipped: 7})),
			inRange(private, golden1, "private_dates.csv", ofPrivate),
			{private, golden1, "", "", "private_registered.csv", ofRegistered},
		}},
		{"from UCI's older tables", nil, asIs, true, []report{
			inRange(response, golden1, "response.csv", ofResponse),
			{private, golden1, "", "", "private_registered.csv", ofRegistered},
		}},
		{"from a tree of folders", []string{"EXHAUST_TELEMETRY_LAYOUT={yyyy}/{MM}/{dd}/"}, tree, false, []report{
			inRange(response, golden1, "response.csv", ofResponse),
		}},
		{"as Spark wrote CSV", []string{"EXHAUST_CSV_DIALECT=spark"}, asIs, false, []report{
			inRange(response, golden1, "response_spark.csv", ofResponse),
		}},
		{"of one producer", []string{"EXHAUST_PDATA_ID=prod.UCI.sunbird"}, asIs, false, []report{
			inRange(response, golden1, "response_pdata.csv",
				whole(e2etest.Progress{BytesTotal: bytesInRange, EventsMatched: 23, Repeats: 1, RowsWritten: 19, LinesSkipped: 7, RowsUnknownDevice: 3})),
		}},
		{"with consent assumed", []string{"EXHAUST_ASSUME_CONSENT=true"}, asIs, false, []report{
			inRange(response, golden1, "response.csv", ofResponse),
			{private, golden1, "", "", "private_assume.csv", ofRegistered},
		}},
		{"without the secret", []string{"UCI_ENCRYPTION_SECRET="}, asIs, false, []report{
			{private, golden1, "", "", "private_nosecret.csv", whole(e2etest.Progress{RowsWritten: 10, RowsUnknownDevice: 1})},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
				settings := c.settings
				if c.isOlder {
					settings = append(settings, s.OlderRegistry.Settings...)
				}
				d := deploy(t, s, settings...)
				for _, o := range telemetry {
					d.Telemetry.Put(t, c.rename(o.name), o.content)
				}
				for _, r := range c.reports {
					j, file := d.produce(t, orderOf(r.dataset, r.conversation, r.start, r.end))
					sameFile(t, r.file, file, golden(t, r.file))
					if j.Progress != r.progress {
						t.Errorf("%s: progress\n got %+v\nwant %+v", r.file, j.Progress, r.progress)
					}
				}
			})
		})
	}
}

// simpleEvent is an event that has little to say, and its row of the response exhaust.
func simpleEvent(mid, conversation, timestamp string) (event, row string) {
	event = fmt.Sprintf(`{"eid":"ASSESS","@timestamp":%q,"mid":%q,"context":{"channel":%q,"did":%q,"sid":"s","cdata":[{"type":"Conversation","id":%q}]},`+
		`"edata":{"item":{"id":"q","type":"text","title":"Which day is it?"},"duration":1,"score":0,"resvalues":["today"]}}`+"\n",
		timestamp, mid, channel, device("1"), conversation)
	row = fmt.Sprintf("%s,%s,%%s,%s,s,q,text,Which day is it?,,1,0,,,\"[\"\"today\"\"]\",,,%s\n", mid, conversation, device("1"), timestamp)
	return event, row
}

const responseHeader = "Message ID,Conversation ID,Conversation Name,Device ID,Session ID,Question Id,Question Type,Question Title," +
	"Question Description,Question Duration,Question Score,Question Max Score,Question Options,Question Response,X Path,Eof,Timestamp\n"

func TestDaysThatARequestLeavesOutAreTheConversationsOwnElseYesterday(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		today := time.Now().In(e2etest.India)
		day := func(ago int) string { return today.AddDate(0, 0, -ago).Format(time.DateOnly) }
		for i, c := range []struct {
			what             string
			regStart, regEnd string
			start, end       string
			telemetry, want  []string // days
		}{
			{"both from the registry", "2022-03-01", "2022-03-02", "", "",
				[]string{"2022-02-28", "2022-03-01", "2022-03-02", "2022-03-03"}, []string{"2022-03-01", "2022-03-02"}},
			{"the start given", "2022-03-01", "2022-03-02", "2022-03-02", "",
				[]string{"2022-03-01", "2022-03-02", "2022-03-03"}, []string{"2022-03-02"}},
			{"the end given", "2022-03-01", "2022-03-02", "", "2022-03-03",
				[]string{"2022-02-28", "2022-03-01", "2022-03-02", "2022-03-03", "2022-03-04"}, []string{"2022-03-01", "2022-03-02", "2022-03-03"}},
			{"neither anywhere", "", "", "", "", []string{day(2), day(1), day(0)}, []string{day(1)}},
			{"only the registry's start", day(3), "", "", "", []string{day(4), day(3), day(2), day(1), day(0)}, []string{day(3), day(2), day(1)}},
			{"a registry's end in the future", day(1), day(-40), "", "", []string{day(2), day(1), day(0)}, []string{day(1), day(0)}},
		} {
			conversation := fmt.Sprintf("%08d-0000-4000-8000-%012d", i+1, time.Now().UnixNano()%1e12)
			s.Registry.AddConversation(t, conversation, "Days", channel, c.regStart, c.regEnd)
			want := responseHeader
			for _, on := range c.telemetry {
				event, row := simpleEvent("ASSESS:"+on, conversation, on+"T10:00:00Z")
				d.Telemetry.Put(t, fmt.Sprintf("%s-%d.json", on, i), []byte(event))
				if strings.Contains(strings.Join(c.want, " "), on) {
					want += fmt.Sprintf(row, "Days")
				}
			}
			_, file := d.produce(t, orderOf(response, conversation, c.start, c.end))
			sameFile(t, c.what, file, []byte(want))
		}
	})
}

// TestTheSameTelemetryGivesTheSameBytesOnEveryStack compares what the stacks make of a larger sample,
// which was not written with the product's ways in mind.
func TestTheSameTelemetryGivesTheSameBytesOnEveryStack(t *testing.T) {
	t.Parallel()
	cipher, err := exhaust.NewCipher(secret)
	e2etest.Must(t, err)
	set := sample.New(sample.Options{
		Seed: 20220301, Until: "2022-07-03", Days: 3, EventsPerDay: 10_000, ObjectsPerDay: 3, Devices: 300, Channel: channel, Cipher: cipher,
	})
	bot, days := set.Conversations()[0], set.Days()
	// The registry of the sample is for tables of the older names.
	files := map[string][][]byte{}
	counts := map[string][]e2etest.Progress{}
	for name, stack := range stacks {
		s := stack(t)
		e2etest.Must(t, set.Insert(t.Context(), func(_ context.Context, statement string, args ...any) error {
			s.OlderRegistry.Exec(t, statement, args...)
			return nil
		}))
		d := deploy(t, s, s.OlderRegistry.Settings...)
		for _, day := range days {
			for object := range set.ObjectsPerDay {
				var lines bytes.Buffer
				e2etest.Must(t, set.WriteDay(day, object, &lines))
				d.Telemetry.Put(t, set.ObjectName(day, object), packGzip(t, 1, lines.Bytes()))
			}
		}
		for _, o := range []e2etest.Order{
			orderOf(response, bot.ID, string(days[0]), string(days[2])),
			orderOf(private, bot.ID, string(days[0]), string(days[2])),
			orderOf(private, bot.ID, "", ""),
		} {
			j, file := d.produce(t, o)
			files[name] = append(files[name], file)
			counts[name] = append(counts[name], j.Progress)
		}
	}
	for i, file := range files["embedded"] {
		if bytes.Count(file, []byte("\n")) < 100 {
			t.Errorf("file %d has only %d lines", i, bytes.Count(file, []byte("\n")))
		}
		sameFile(t, fmt.Sprintf("file %d of production, compared with that of embedded", i), files["production"][i], file)
		if counts["embedded"][i] != counts["production"][i] {
			t.Errorf("progress of file %d:\nembedded   %+v\nproduction %+v", i, counts["embedded"][i], counts["production"][i])
		}
	}
}
