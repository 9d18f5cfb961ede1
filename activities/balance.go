package activities

import (
	"context"
	"io"
	"iter"
	"time"

	"data-exhaust/activities/segments"
	"data-exhaust/exhaust"
	"data-exhaust/receipt"
)

// Every exhaust balances, or leaves no file (contract section 6). The counts that are compared were kept by different
// code on different data: planning counts what was listed, a scan what it read and matched, joining what the index holds
// and how many devices there are before it looks them up, building the repeats that it drops, and the CSV writer its
// records.

// Counts is what PlanExhaust and FetchTelemetry counted.
type Counts struct {
	// ObjectsListed are those of PlanFetch's parts, ObjectsRead those that were scanned.
	ObjectsListed int `json:"objectsListed,omitempty"`
	ObjectsRead   int `json:"objectsRead,omitempty"`
	// BytesListed is what the sizes of the objects add up to, BytesRead what came out of the store.
	BytesListed   int64 `json:"bytesListed,omitempty"`
	BytesRead     int64 `json:"bytesRead,omitempty"`
	EventsMatched int64 `json:"eventsMatched,omitempty"`
	LinesSkipped  int64 `json:"linesSkipped,omitempty"`
}

// Add adds what more was counted.
func (c *Counts) Add(more Counts) {
	c.ObjectsListed += more.ObjectsListed
	c.ObjectsRead += more.ObjectsRead
	c.BytesListed += more.BytesListed
	c.BytesRead += more.BytesRead
	c.EventsMatched += more.EventsMatched
	c.LinesSkipped += more.LinesSkipped
}

func unbalanced(format string, args ...any) error {
	return NonRetryable(Unbalanced, "counts do not balance: "+format, args...)
}

// checkBalance compares what was written with what the steps before counted.
func (b *builder) checkBalance() error {
	c, joined := &b.in.Counts, b.joined
	rows := b.csv.Records() - 1 // without the header
	switch {
	case rows != b.built.RowsWritten:
		return unbalanced("%d rows were to be written, %d are in the file", b.built.RowsWritten, rows)
	case c.ObjectsRead != c.ObjectsListed:
		return unbalanced("%d telemetry objects were listed, %d were read", c.ObjectsListed, c.ObjectsRead)
	case c.BytesRead != c.BytesListed:
		return unbalanced("%d bytes of telemetry were listed, %d were read", c.BytesListed, c.BytesRead)
	case joined.Events != c.EventsMatched:
		return unbalanced("%d events matched, %d were indexed", c.EventsMatched, joined.Events)
	}
	if b.in.Request.Dataset == exhaust.PrivateExhaust {
		if joined.Devices != rows+joined.Unknown {
			return unbalanced("%d devices, but %d rows and %d unknown devices", joined.Devices, rows, joined.Unknown)
		}
		return nil
	}
	switch {
	case b.built.Repeats != joined.Repeats:
		return unbalanced("%d repeats were found, %d were dropped", joined.Repeats, b.built.Repeats)
	case c.EventsMatched != rows+b.built.Repeats+b.built.RowsUnknownDevice:
		return unbalanced("%d events matched, but %d rows, %d repeats and %d rows of unknown devices",
			c.EventsMatched, rows, b.built.Repeats, b.built.RowsUnknownDevice)
	}
	return nil
}

// checkRead adds up the lists of what was read, and compares the sum with what the scans reported.
func (b *builder) checkRead(ctx context.Context) (receipt.Telemetry, error) {
	var sum receipt.Telemetry
	for object, err := range b.objectsRead(ctx) {
		if err != nil {
			return sum, err
		}
		sum.Objects++
		sum.Bytes += object.Bytes
		sum.Lines += object.Lines
		sum.Skipped += object.Skipped
		sum.Matched += object.Matched
	}
	c := &b.in.Counts
	if sum.Objects != c.ObjectsRead || sum.Bytes != c.BytesRead || sum.Skipped != c.LinesSkipped || sum.Matched != c.EventsMatched {
		return sum, unbalanced("%d telemetry objects were read (%d bytes, %d events, %d lines skipped), but %d are on the list (%d bytes, %d events, %d lines skipped)",
			c.ObjectsRead, c.BytesRead, c.EventsMatched, c.LinesSkipped, sum.Objects, sum.Bytes, sum.Matched, sum.Skipped)
	}
	return sum, nil
}

// objectsRead yields what was read of each telemetry object, in the order of the parts.
func (b *builder) objectsRead(ctx context.Context) iter.Seq2[receipt.Object, error] {
	return func(yield func(receipt.Object, error) bool) {
		for _, object := range b.in.ReadInline {
			if !yield(object, nil) {
				return
			}
		}
		for _, name := range segmentNames(b.in.Staging, b.in.Read, readKind) {
			err := segments.Read(ctx, b.store, name, func(record []byte) error {
				o, err := readObjectRead(record)
				if err != nil {
					return err
				}
				if !yield(o.forReceipt(), nil) {
					return io.EOF
				}
				return nil
			})
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(receipt.Object{}, err)
				return
			}
		}
	}
}

// saveReceiptKey makes the public key known, once a process.
func (a *Activities) saveReceiptKey(ctx context.Context) error {
	if a.isKeySaved.Load() {
		return nil
	}
	if err := a.deps.Jobs.SaveReceiptKey(ctx, receipt.Public(a.settings.ReceiptKey)); err != nil {
		return err
	}
	a.isKeySaved.Store(true)
	return nil
}

// writeReceipt writes the receipt of the report, and does not commit it.
func (b *builder) writeReceipt(
	ctx context.Context, file io.Writer, read receipt.Telemetry, reportFile, summaryFile receipt.File,
) error {
	in, joined := &b.in, b.joined
	listedAt := in.ListedAt
	if !in.Request.UsesTelemetry() {
		listedAt = joined.ListedAt
	}
	head := receipt.Receipt{
		Request: receipt.Request{
			ID: in.Request.ID, Dataset: string(in.Request.Dataset), Tag: in.Request.Tag, Channel: in.Request.Channel,
			RequestedBy: in.Request.RequestedBy, Purpose: in.Request.Purpose, DatasetConfig: in.Request.Config, SubmittedAt: in.Request.SubmittedAt.UTC(), Attempts: in.Attempts,
		},
		Conversation: receipt.Conversation{ID: in.Conversation.ID, Name: in.Conversation.Name},
		StartDate:    string(in.StartDate),
		EndDate:      string(in.EndDate),
		Code:         b.settings.Version,
		CompleteAsOf: listedAt.UTC(),
		CreatedAt:    time.Now().UTC(),
		File:         reportFile,
		Summary:      &summaryFile,
		Telemetry:    read,
		Losses: receipt.Losses{
			LinesSkipped:      read.Skipped,
			Repeats:           joined.Repeats,
			RowsUnknownDevice: b.built.RowsUnknownDevice,
			ConsentUnreadable: joined.ConsentUnreadable,
			AnswersWithheld:   b.withheld,
			NumbersHidden:     b.hidden,
			Undecryptable:     b.built.Undecryptable,
		},
	}
	if in.Request.Dataset == exhaust.PrivateExhaust {
		head.Losses.RowsUnknownDevice = joined.Unknown
	}
	return receipt.Write(file, head, b.objectsRead(ctx), b.settings.ReceiptKey)
}
