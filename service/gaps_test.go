package service

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
	"data-exhaust/internal/e2etest"
	"data-exhaust/receipt"
)

// receiptOf is the text of a receipt that names these objects.
func receiptOf(t *testing.T, names ...string) string {
	t.Helper()
	var text bytes.Buffer
	e2etest.Must(t, receipt.Write(&text, receipt.Receipt{}, func(yield func(receipt.Object, error) bool) {
		for _, name := range names {
			if !yield(receipt.Object{Name: name}, nil) {
				return
			}
		}
	}, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))))
	return text.String()
}

// fileOf is an exhaust of these days whose receipt is that text; "" is none.
func (s *service) fileOf(id string, from, to exhaust.Day, receipt string) exhaust.Job {
	s.t.Helper()
	job := s.row(id, 0, func(job *exhaust.Job) {
		job.Status, job.Message, job.CompletedAt, job.From, job.To = exhaust.Success, "", time.Now(), from, to
		job.Report = "r/" + job.ID + "/c.csv"
		job.Receipt = exhaust.ReceiptName(job.Report)
	})
	if receipt != "" {
		file, err := s.reports.Create(s.t.Context(), job.Receipt, "application/json")
		e2etest.Must(s.t, err)
		_, err = file.Write([]byte(receipt))
		e2etest.Must(s.t, errors.Join(err, file.Commit()))
	}
	return job
}

func TestTheDaysOfAFileWithoutTelemetryAreThoseThatItsReceiptDoesNotName(t *testing.T) {
	s := newService(t)
	whole := receiptOf(t, "2022/02/28/a.json.gz", "2022/03/01/a.json.gz", "2022/03/01/b.json.gz", "2022/03/03/c.json")
	for i, c := range []struct {
		name     string
		from, to exhaust.Day
		receipt  string
		want     string
	}{
		{"none between others", "2022-03-01", "2022-03-03", whole, "[2022-03-02] <nil>"},
		{"none at the ends of a month", "2022-02-27", "2022-03-05", whole, "[2022-02-27 2022-03-02 2022-03-04 2022-03-05] <nil>"},
		{"all there", "2022-02-28", "2022-03-01", whole, "[] <nil>"},
		{"named in another layout", "2022-03-01", "2022-03-03", receiptOf(t, "2022-03-01-0-1646092800000.json.gz"), "[] <nil>"},
		{"everybody who is registered", "", "", receiptOf(t), "[] <nil>"},
		{"a receipt that is gone", "2022-03-01", "2022-03-03", "", "[] there is no file any more: " + exhaust.LossMessage},
		{"a receipt that ends early", "2022-03-01", "2022-03-03", whole[:strings.Index(whole, "2022/03/03")], "[] reading the receipt of exhaust 66666666666666666666666666666666: read the receipt: unexpected EOF"},
		{"no receipt", "2022-03-01", "2022-03-03", `{"receipt":{"version":1}}`, "[] reading the receipt of exhaust 77777777777777777777777777777777: read the receipt: it has no objects"},
	} {
		job := s.fileOf(fmt.Sprint(i), c.from, c.to, c.receipt)
		days, err := s.estimates(helpdesk(), nil).DaysWithoutTelemetry(t.Context(), "tag", channel, job.ID)
		if got := fmt.Sprint(days, err); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
