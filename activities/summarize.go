package activities

import (
	"bufio"
	"context"
	"errors"
	"io"

	"data-exhaust/activities/summary"
	"data-exhaust/exhaust"
	"data-exhaust/receipt"
	"data-exhaust/report"
)

// countConsent counts a device of a private exhaust.
func (b *builder) countConsent(consent exhaust.Consent) {
	switch consent {
	case exhaust.ConsentGiven:
		b.devicesBy.Given++
	case exhaust.ConsentRefused:
		b.devicesBy.Refused++
	default:
		b.devicesBy.Unrecorded++
	}
}

// writeSummary writes the summary of the report, and does not commit it. It is an error where it is of other rows than were
// written.
func (b *builder) writeSummary(ctx context.Context, file io.Writer, name string) (receipt.File, error) {
	summaryFile := receipt.NewFileWriter(file)
	buffer := bufio.NewWriterSize(summaryFile, summaryBuffer)
	rows, err := b.summarize(ctx, buffer)
	if err == nil {
		err = buffer.Flush()
	}
	if imbalance, ok := errors.AsType[*summary.ImbalanceError](err); ok {
		return receipt.File{}, unbalanced("%s", imbalance.Counts)
	}
	if err != nil {
		return receipt.File{}, stagingError(err)
	}
	if rows != b.built.RowsWritten {
		return receipt.File{}, unbalanced("%d rows are in the file, %d in its summary", b.built.RowsWritten, rows)
	}
	return summaryFile.File(name, rows), nil
}

const summaryBuffer = 64 << 10

func (b *builder) summarize(ctx context.Context, w io.Writer) (rows int64, err error) {
	head := report.SummaryHead{
		Version: report.SummaryVersion, Dataset: b.in.Request.Dataset, RequestID: b.in.Request.ID,
		ConversationID: b.in.Conversation.ID, ConversationName: b.in.Conversation.Name,
		From: b.in.StartDate, To: b.in.EndDate, Timezone: b.settings.Timezone.String(),
	}
	if b.in.Request.Dataset == exhaust.ResponseExhaust {
		return b.rows.Write(ctx, w, head)
	}
	by := b.devicesBy
	rows = by.Given + by.Refused + by.Unrecorded
	return rows, report.WritePrivateSummary(w, head, report.PrivateCounts{
		Rows: b.built.RowsWritten, Devices: rows, Consent: by, ConsentUnreadable: b.joined.ConsentUnreadable,
	})
}
