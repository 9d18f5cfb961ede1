package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/report"
)

// file writes the report of a job that succeeded just now.
func (s *service) file(id string, dataset exhaust.Dataset, o report.Options, rows ...[]string) exhaust.Job {
	s.t.Helper()
	job := s.row(id, 0, func(job *exhaust.Job) {
		job.Status, job.Message, job.Dataset, job.CompletedAt, job.Purpose = exhaust.Success, "", dataset, time.Now(), "calls"
		job.Report = string(dataset) + "/" + job.ID + "/c.csv"
	})
	file, err := s.reports.Create(s.t.Context(), job.Report, "text/csv")
	if err != nil {
		s.t.Fatal(err)
	}
	columns := exhaust.ResponseColumns
	if dataset == exhaust.PrivateExhaust {
		columns = exhaust.PrivateColumns
	}
	w := report.NewCSVWriter(file, o)
	errs := []error{w.WriteHeader(columns)}
	for _, row := range rows {
		cells := make([][]byte, len(row))
		for i, cell := range row {
			cells[i] = []byte(cell)
		}
		errs = append(errs, w.Write(cells, exhaust.PrivateTexts(cells[2])))
	}
	if err := errors.Join(append(errs, w.Flush(), file.Commit())...); err != nil {
		s.t.Fatal(err)
	}
	return job
}

// answerRow is a row of a response exhaust whose first cells are these.
func answerRow(cells ...string) []string {
	return append(cells, make([]string, len(exhaust.ResponseColumns)-len(cells))...)
}

func everything(t *testing.T) access.Caller {
	return callerOf(t, []string{channel}, "uci-response-exhaust", "uci-private-exhaust")
}

func TestAPreviewIsTheFirstFiftyRows(t *testing.T) {
	s := newService(t)
	a, _ := s.callers()
	for id, n := range map[string]int{"A": 0, "B": 1, "C": 50, "D": 51, "E": 5000} {
		var rows [][]string
		for i := range n {
			rows = append(rows, answerRow(fmt.Sprint(i)))
		}
		job := s.file(id, exhaust.ResponseExhaust, report.Options{}, rows...)
		got, err := a.Preview(t.Context(), everything(t), "tag", channel, job.ID, PreviewOptions{})
		if err != nil || !reflect.DeepEqual(got.Header, exhaust.ResponseColumns) || len(got.Rows) != min(n, 50) || got.IsWhole != (n <= 50) || got.HasNumbers || got.IsMasked {
			t.Errorf("of %d rows: header %q, %d rows, whole %v, numbers %v, masked %v, %v", n, got.Header, len(got.Rows), got.IsWhole, got.HasNumbers, got.IsMasked, err)
		}
		for i, row := range got.Rows {
			if row[0].Text != fmt.Sprint(i) {
				t.Errorf("row %d of %d is %+v", i, n, row)
			}
		}
	}
}

func TestAPreviewReadsFilesOfEitherDialectWhateverTheSettingIsNow(t *testing.T) {
	long := strings.Repeat("ह", 300)
	row := answerRow(`say "hi", \"`, "first\nsecond", long, long+"ह", `[{"text":"No \\ \"x\""}]`)
	want := []PreviewCell{{Text: row[0]}, {Text: row[1]}, {Text: long}, {Text: long, IsCut: true}, {Text: row[4]}}
	for _, now := range []report.Dialect{"", report.RFC4180, report.Spark} {
		for _, then := range []report.Dialect{report.RFC4180, report.Spark} {
			for _, hasMark := range []bool{false, true} {
				s := newService(t)
				s.settings.CSVDialect = now
				a, _ := s.callers()
				job := s.file("A", exhaust.ResponseExhaust, report.Options{Dialect: then, ByteOrderMark: hasMark}, row)
				got, err := a.Preview(t.Context(), everything(t), "tag", channel, job.ID, PreviewOptions{})
				if err != nil || len(got.Rows) != 1 || !got.IsWhole || !reflect.DeepEqual(got.Rows[0][:len(want)], want) {
					t.Errorf("%s, now %s: %+v, %v", then, now, got.Rows, err)
				}
			}
		}
	}
}

func TestPhoneNumbersAreMaskedUntilTheyAreAskedFor(t *testing.T) {
	s := newService(t)
	a, log := s.callers()
	const other = "d0000000-0000-4000-8000-000000000002"
	private := func(visible, uuid string) []string {
		return []string{conversation, "Helpdesk", visible, "K7e+KHs=", uuid}
	}
	guarded := report.Options{FormulaGuard: true}
	job := s.file("A", exhaust.PrivateExhaust, guarded,
		private("+919999900001", device), private(other, other), private("phone:9999900002", other), private("-42", other), private("7", other), private("दूरभाष 42", other))
	hidden := s.file("B", exhaust.PrivateExhaust, guarded, private(device, device), private(other, other))
	visible := func(p Preview) (cells []string) {
		for _, row := range p.Rows {
			cells = append(cells, fmt.Sprintf("%s %v", row[2].Text, row[2].IsMasked))
			for i, cell := range row {
				if i != 2 && (cell.IsMasked || strings.Contains(cell.Text, "•")) {
					t.Errorf("cell %d is masked: %+v", i, cell)
				}
			}
		}
		return cells
	}
	for _, c := range []struct {
		id      string
		options PreviewOptions
		want    []string
		// numbers and masked are what the preview says of all.
		numbers, masked bool
		action          string
	}{
		{job.ID, PreviewOptions{}, []string{"•••••••••••01 true", other + " false", "••••••••••••••02 true", "••42 true", "• true", "•••••••42 true"}, true, true, "preview"},
		{job.ID, PreviewOptions{Reveal: true}, []string{
			"+919999900001 false", other + " false", "phone:9999900002 false", "'-42 false", "7 false", "दूरभाष 42 false",
		}, true, false, "preview.reveal"},
		{hidden.ID, PreviewOptions{}, []string{device + " false", other + " false"}, false, false, "preview"},
		{hidden.ID, PreviewOptions{Reveal: true}, []string{device + " false", other + " false"}, false, false, "preview"},
	} {
		before := len(log.String())
		got, err := a.Preview(t.Context(), everything(t), "tag", channel, c.id, c.options)
		if err != nil || !reflect.DeepEqual(visible(got), c.want) || got.HasNumbers != c.numbers || got.IsMasked != c.masked {
			t.Errorf("%+v: %q, numbers %v, masked %v, %v", c.options, visible(got), got.HasNumbers, got.IsMasked, err)
		}
		line := log.String()[before:]
		for _, part := range []string{`"action":"` + c.action + `"`, `"outcome":"done"`, c.id, `"purpose":"calls"`, `"dataset":"uci-private-exhaust"`} {
			if !strings.Contains(line, part) || strings.Count(line, "\n") != 1 {
				t.Errorf("the audit log has %s, want %s", line, part)
			}
		}
	}
	if strings.Contains(log.String(), "99999") {
		t.Errorf("the audit log has a number: %s", log.String())
	}
}

func TestWhatHasNoPreviewSaysWhy(t *testing.T) {
	s := newService(t)
	a, log := s.callers()
	failed := s.row("A", 0, func(*exhaust.Job) {})
	expired := s.row("B", 0, func(job *exhaust.Job) { job.Status, job.Message, job.Report = exhaust.Success, "", "r.csv" })
	lost := s.row("C", 0, func(job *exhaust.Job) {
		job.Status, job.Message, job.Report, job.CompletedAt = exhaust.Success, "", "r.csv", time.Now()
	})
	for id, want := range map[string]string{
		failed.ID:               "the exhaust is FAILED: only a SUCCESS has a file",
		expired.ID:              "there is no file any more: report expired on 2022-05-06",
		lost.ID:                 "there is no file any more: " + exhaust.LossMessage,
		strings.Repeat("0", 32): ErrNotFound.Error(),
		"no id":                 ErrNotFound.Error(),
	} {
		if _, err := a.Preview(t.Context(), everything(t), "tag", channel, id, PreviewOptions{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", id, err, want)
		}
	}
	if lines := strings.Count(log.String(), `"action":"preview"`); lines != 5 || strings.Contains(log.String(), `"outcome":"done"`) {
		t.Errorf("the audit log has %s", log.String())
	}
}

// TestAFileThatCannotBeToldApartIsNotShown: in a private exhaust a number might stand in any of its cells.
func TestAFileThatCannotBeToldApartIsNotShown(t *testing.T) {
	s := newService(t)
	a, _ := s.callers()
	for id, text := range map[string]string{
		"A": "",
		"B": "a,b\n",
		"F": "Conversation ID,Conversation Name,Device UUID,Encrypted Device ID,Decrypted Device ID\nc,n,x,y,+919999900001\n",
		"C": strings.Join(exhaust.PrivateColumns, ",") + "\nc,n,+919999900001,x\n",
		"D": strings.Join(exhaust.PrivateColumns, ",") + "\nc,n,\"+919999900001\"1,x,y\n",
		"E": strings.Join(exhaust.PrivateColumns, ",") + "\nc,n,+919999900001,x,y",
	} {
		job := s.file(id, exhaust.PrivateExhaust, report.Options{})
		file, err := s.reports.Create(t.Context(), job.Report, "text/csv")
		if err == nil {
			_, err = io.WriteString(file, text)
		}
		if err = errors.Join(err, file.Commit()); err != nil {
			t.Fatal(err)
		}
		got, err := a.Preview(t.Context(), everything(t), "tag", channel, job.ID, PreviewOptions{})
		if !errors.Is(err, report.ErrNoRecord) || len(got.Header) > 0 || strings.Contains(err.Error(), "99999") {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// measured is a reports store that counts the bytes that are read of it, and breaks behind some.
type measured struct {
	Reports
	read    int
	breakAt int
}

func (m *measured) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	file, err := m.Reports.Open(ctx, name)
	return measuredFile{file, m}, err
}

type measuredFile struct {
	io.ReadCloser
	m *measured
}

func (f measuredFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if f.m.read += n; f.m.breakAt > 0 && f.m.read > f.m.breakAt {
		return 0, errors.New("the connection is reset")
	}
	return n, err
}

func TestAPreviewReadsNoMoreThanItNeedsAndABrokenStoreIsUnavailable(t *testing.T) {
	s := newService(t)
	m := &measured{Reports: s.reports}
	a, _ := s.callers()
	s.Exhausts.reports = m
	var rows [][]string
	for range 100_000 {
		rows = append(rows, answerRow("a row of a file"))
	}
	job := s.file("A", exhaust.ResponseExhaust, report.Options{}, rows...)
	if _, err := a.Preview(t.Context(), everything(t), "tag", channel, job.ID, PreviewOptions{}); err != nil || m.read > 64<<10 {
		t.Errorf("%d bytes were read, %v", m.read, err)
	}
	m.breakAt = 1
	_, err := a.Preview(t.Context(), everything(t), "tag", channel, job.ID, PreviewOptions{})
	var away *UnavailableError
	if !errors.As(err, &away) || away.Dependency != ReportsDependency {
		t.Errorf("of a broken store: %v", err)
	}
	m.breakAt, m.read = 0, 0
	large := s.file("B", exhaust.ResponseExhaust, report.Options{}, answerRow("small"), answerRow("large", strings.Repeat("x", 20<<20)), answerRow("small"))
	got, err := a.Preview(t.Context(), everything(t), "tag", channel, large.ID, PreviewOptions{})
	if err != nil || len(got.Rows) != 1 || got.IsWhole || m.read > 16<<20 {
		t.Errorf("of a very long row: %d rows, whole %v, %d bytes, %v", len(got.Rows), got.IsWhole, m.read, err)
	}
}
