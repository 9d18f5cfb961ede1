package activities_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"data-exhaust/activities"
	"data-exhaust/activities/segments"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/receipt"
)

// readReceipt reads a receipt of the reports store, which the rig's key has signed.
func (r *rig) readReceipt(name string) receipt.Receipt {
	r.t.Helper()
	got, err := receipt.Read(strings.NewReader(r.report(name)), []receipt.PublicKey{receipt.Public(r.settings.ReceiptKey)})
	if err != nil || !got.IsKeyKnown {
		r.t.Fatalf("receipt %s: %v, key known: %v", name, err, got.IsKeyKnown)
	}
	return got.Receipt
}

// balanced puts telemetry of which something is lost for each reason: 8 events matched, of them 4 rows, 2 repeats, 2
// rows of unknown devices; 3 lines are skipped.
func (r *rig) balanced() activities.Fetched {
	r.put("2022-03-01-a.json.gz",
		answer("a", "2022-03-01T10:00:00Z", device(1)), answer("b", "2022-03-01T10:00:01Z", device(3)), "no JSON", "")
	r.put("2022-03-01-b.json",
		answer("a", "2022-03-01T10:00:05Z", device(1)), answer("c", "2022-03-01T10:00:02Z", device(4)),
		answer("d", "2022-03-01T10:00:02Z", device(99)), "[]", "{")
	r.put("2022-03-02-a.json.zst",
		answer("a", "2022-03-01T10:00:00Z", device(1)), answer("e", "2022-03-01T10:00:03Z", device(2)), answer("f", "2022-03-01T10:00:03Z", "no-uuid"))
	return r.fetch("2022-03-01", "2022-03-02")
}

func TestTheReceiptNamesEveryObjectAndEveryLoss(t *testing.T) {
	r := newRig(t)
	r.exec(`UPDATE users SET data = '{"device":"?"}' WHERE id = $1`, device(4))
	fetched := r.balanced()
	in := buildInput(exhaust.ResponseExhaust, fetched)
	in.StartDate, in.EndDate, in.Attempts = "2022-03-01", "2022-03-02", 1
	in.Request.RequestedBy, in.Request.SubmittedAt = "user_id", time.Date(2022, 4, 5, 10, 0, 0, 0, time.UTC)
	r.joinInto(&in)
	built := must[activities.Built](r, r.BuildCSV, in)
	got := r.readReceipt(built.Receipt)
	file := r.report(built.Report)
	sum := sha256.Sum256([]byte(file))
	counts := r.report(built.Report + ".summary.json")
	sumOfCounts := sha256.Sum256([]byte(counts))
	objects := make([]receipt.Object, 3)
	for i, o := range []struct {
		name                    string
		lines, skipped, matched int64
	}{{"2022-03-01-a.json.gz", 3, 1, 2}, {"2022-03-01-b.json", 5, 2, 3}, {"2022-03-02-a.json.zst", 3, 0, 3}} {
		info, err := r.telemetryStore.Stat(t.Context(), o.name)
		if err != nil {
			t.Fatal(err)
		}
		objects[i] = receipt.Object{Name: o.name, ETag: info.ETag, Bytes: info.Size, Lines: o.lines, Skipped: o.skipped, Matched: o.matched}
	}
	want := receipt.Receipt{
		Version: 1,
		Request: receipt.Request{
			ID: "1E2A", Dataset: "uci-response-exhaust", Tag: "tag", Channel: channel, RequestedBy: "user_id",
			DatasetConfig: []byte(`{}`), SubmittedAt: in.Request.SubmittedAt, Attempts: 1,
		},
		Conversation: receipt.Conversation{ID: conversation, Name: `Helpdesk, "Sahayak"`},
		StartDate:    "2022-03-01", EndDate: "2022-03-02",
		Code: "v1.2.3", CompleteAsOf: in.ListedAt, CreatedAt: got.CreatedAt,
		File: receipt.File{Name: built.Report, Rows: 4, Bytes: int64(len(file)), SHA256: hex.EncodeToString(sum[:])},
		Summary: &receipt.File{
			Name: built.Report + ".summary.json", Rows: 4, Bytes: int64(len(counts)), SHA256: hex.EncodeToString(sumOfCounts[:]),
		},
		// Device 3 refused consent, that of device 4 cannot be read: both answers are withheld.
		Losses:    receipt.Losses{LinesSkipped: 3, Repeats: 2, RowsUnknownDevice: 2, AnswersWithheld: 2, ConsentUnreadable: 1},
		Telemetry: receipt.Telemetry{Objects: 3, Bytes: objects[0].Bytes + objects[1].Bytes + objects[2].Bytes, Lines: 11, Skipped: 3, Matched: 8},
		Objects:   objects,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	text := r.report(built.Receipt)
	for _, secret := range []string{"yes", device(1), device(3), phone(1), r.username(1), "no-uuid"} {
		if strings.Contains(text, secret) {
			t.Errorf("the receipt holds %s", secret)
		}
	}
	keys, err := r.jobs.ReceiptKeys(t.Context())
	if err != nil || len(keys) != 1 || keys[0].PublicKey != receipt.Public(r.settings.ReceiptKey) {
		t.Errorf("keys %+v, %v", keys, err)
	}
}

func TestTheReceiptOfAPrivateExhaustCountsDevices(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-a.json.gz",
		answer("a", "2022-03-01T10:00:00Z", device(1)), answer("b", "2022-03-01T10:00:01Z", device(3)),
		answer("c", "2022-03-01T10:00:01Z", device(6)), answer("d", "2022-03-01T10:00:01Z", device(99)), answer("d", "2022-03-01T10:00:01Z", device(99)))
	in := r.fetchInput(r.part("2022-03-01", "2022-03-01"))
	in.Dataset = exhaust.PrivateExhaust
	_, built := r.joinAndBuild(exhaust.PrivateExhaust, must[activities.Fetched](r, r.FetchTelemetry, in))
	got := r.readReceipt(built.Receipt)
	if want := (receipt.Losses{Repeats: 1, RowsUnknownDevice: 1, NumbersHidden: 1, Undecryptable: 1}); got.Losses != want || got.File.Rows != 3 {
		t.Errorf("%d rows, losses %+v, want 3 and %+v", got.File.Rows, got.Losses, want)
	}
}

// TestCountsThatDoNotBalanceLeaveNoFile puts a fault into the path of each counter.
func TestCountsThatDoNotBalanceLeaveNoFile(t *testing.T) {
	for name, test := range map[string]struct {
		dataset exhaust.Dataset
		// fault changes what the steps before counted.
		fault func(c *activities.Counts)
		join  func(j *activities.Joined)
		// lose changes what they staged.
		lose func(r *rig, in *activities.BuildInput)
		want string
	}{
		"an object was not read": {fault: func(c *activities.Counts) { c.ObjectsListed++ },
			want: "counts do not balance: 4 telemetry objects were listed, 3 were read"},
		"bytes were not read": {fault: func(c *activities.Counts) { c.BytesListed = 100; c.BytesRead = 99 },
			want: "counts do not balance: 100 bytes of telemetry were listed, 99 were read"},
		"an event was not indexed": {fault: func(c *activities.Counts) { c.EventsMatched++ },
			want: "counts do not balance: 9 events matched, 8 were indexed"},
		"an event was indexed that did not match": {join: func(j *activities.Joined) { j.Events++ },
			want: "counts do not balance: 8 events matched, 9 were indexed"},
		"a repeat was not dropped": {join: func(j *activities.Joined) { j.Repeats++ },
			want: "counts do not balance: 3 repeats were found, 2 were dropped"},
		"the list of repeats is lost": {lose: func(r *rig, in *activities.BuildInput) { in.Joined.RepeatSegments = 0 },
			want: "counts do not balance: 2 repeats were found, 1 were dropped"},
		"a segment of events is lost": {lose: func(r *rig, in *activities.BuildInput) { in.Segments = nil },
			want: "counts do not balance: 2 repeats were found, 0 were dropped"},
		"a list of what was read is lost": {lose: func(r *rig, in *activities.BuildInput) { in.Read = nil },
			want: "counts do not balance: 3 telemetry objects were read"},
		"a line was skipped and not counted": {fault: func(c *activities.Counts) { c.LinesSkipped-- },
			want: "counts do not balance: 3 telemetry objects were read"},
		"a known device is forgotten": {dataset: exhaust.PrivateExhaust, join: func(j *activities.Joined) { j.Devices++ },
			want: "counts do not balance: 7 devices, but 4 rows and 2 unknown devices"},
		"what is known of the devices is lost": {lose: func(r *rig, in *activities.BuildInput) {
			none := func(func([]byte) error) error { return nil }
			if err := segments.Write(r.t.Context(), r.reportStore, staging+"devices-"+in.Joined.Attempt, none); err != nil {
				r.t.Fatal(err)
			}
		}, want: "counts do not balance: 6 devices, 2 of them unknown, but 0 are staged"},
		"an unknown device is forgotten": {dataset: exhaust.PrivateExhaust, join: func(j *activities.Joined) { j.Unknown-- },
			want: "counts do not balance: 6 devices, but 4 rows and 1 unknown devices"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.balanced()
			dataset := test.dataset
			if dataset == "" {
				dataset = exhaust.ResponseExhaust
			}
			fetch := r.fetchInput(r.part("2022-03-01", "2022-03-02"))
			fetch.Dataset = dataset
			in := buildInput(dataset, must[activities.Fetched](r, r.FetchTelemetry, fetch))
			r.joinInto(&in)
			if test.fault != nil {
				test.fault(&in.Counts)
			}
			if test.join != nil {
				test.join(in.Joined)
			}
			if test.lose != nil {
				test.lose(r, &in)
			}
			_, err := run[activities.Built](r, r.BuildCSV, in)
			failure := applicationError(t, err)
			if !failure.NonRetryable() || failure.Type() != activities.Unbalanced || !strings.HasPrefix(failure.Message(), test.want) {
				t.Errorf("non-retryable %v, %s: %s\nwant %s", failure.NonRetryable(), failure.Type(), failure.Message(), test.want)
			}
			if left := r.files("uci-"); left != nil {
				t.Errorf("files %v are left", left)
			}
		})
	}
}

// shortStore loses the last bytes of what it reads without an error, as a proxy may that closes the connection early.
type shortStore struct {
	blob.Store
	short int64
}

func (s shortStore) OpenVersion(ctx context.Context, object blob.Object) (io.ReadCloser, error) {
	r, err := s.Store.OpenVersion(ctx, object)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, object.Size-s.short), r}, nil
}

func TestAStoreThatGivesFewerBytesThanItListsIsNoticed(t *testing.T) {
	r := newRig(t)
	r.put("2022-03-01-a.json", answer("a", "2022-03-01T10:00:00Z", device(1)), answer("b", "2022-03-01T10:00:00Z", device(1)))
	lines := strings.SplitAfter(string(mustRead(t, filepath.Join(r.telemetryDir, "2022-03-01-a.json"))), "\n")
	r.deps.Telemetry = shortStore{r.telemetryStore, int64(len(lines[1]))} // at the end of a line: nothing else looks wrong
	fetched, err := runOf[activities.Fetched](r, activities.New(r.deps, r.settings), r.FetchTelemetry, r.fetchInput(r.part("2022-03-01", "2022-03-01")))
	if err != nil {
		t.Fatal(err)
	}
	in := buildInput(exhaust.ResponseExhaust, fetched)
	r.joinInto(&in)
	_, err = run[activities.Built](r, r.BuildCSV, in)
	if failure := applicationError(t, err); failure.Type() != activities.Unbalanced || !strings.Contains(failure.Message(), " bytes of telemetry were listed, ") {
		t.Errorf("got %v", failure)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAReceiptThatCannotBeWrittenIsWrittenByTheNextAttempt(t *testing.T) {
	r := newRig(t)
	fetched := r.balanced()
	in := buildInput(exhaust.ResponseExhaust, fetched)
	r.joinInto(&in)
	r.deps.Reports = noReceipts{r.reportStore}
	_, err := runOf[activities.Built](r, activities.New(r.deps, r.settings), r.BuildCSV, in)
	if failure := applicationError(t, err); failure.NonRetryable() || failure.Type() != activities.Unavailable || failure.Message() != "reports store: it failed" {
		t.Errorf("got %v", failure)
	}
	built := must[activities.Built](r, r.BuildCSV, in)
	got := r.readReceipt(built.Receipt)
	if err := got.CheckFile(bytes.NewReader([]byte(r.report(built.Report)))); err != nil {
		t.Error(err)
	}
	if want := []string{built.Report, built.Receipt, built.Report + ".summary.json"}; !reflect.DeepEqual(r.files("uci-"), want) {
		t.Errorf("files %v, want %v", r.files("uci-"), want)
	}
}

// noReceipts is a store that is away when a receipt is to be written.
type noReceipts struct{ blob.Store }

func (s noReceipts) Create(ctx context.Context, name, contentType string) (blob.Writer, error) {
	if strings.HasSuffix(name, ".receipt.json") {
		return nil, errAway
	}
	return s.Store.Create(ctx, name, contentType)
}
