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
// code on different data: PlanFetch counts what was listed, a scan what it read and matched, JoinDevices what the index
// holds and how many devices there are before it looks them up, BuildCSV the repeats that it drops, and the CSV writer
// its records.

// Counts is what the steps before BuildCSV counted.
type Counts struct {
	// ObjectsListed are those of PlanFetch's parts, ObjectsRead those that were scanned.
	ObjectsListed int `json:"objectsListed,omitempty"`
	ObjectsRead   int `json:"objectsRead,omitempty"`
	// BytesListed is what the sizes of the objects add up to, BytesRead what came out of the store.
	BytesListed int64 `json:"bytesListed,omitempty"`
	BytesRead   int64 `json:"bytesRead,omitempty"`
	// EventsMatched and LinesSkipped are the scans', EventsIndexed those in the index.
	EventsMatched int64 `json:"eventsMatched,omitempty"`
	EventsIndexed int64 `json:"eventsIndexed,omitempty"`
	LinesSkipped  int64 `json:"linesSkipped,omitempty"`
	// Repeats are those of the index; RepeatSegments counts the staged segments of repeats.
	Repeats        int64 `json:"repeats,omitempty"`
	RepeatSegments int   `json:"repeatRuns,omitempty"`
	// Devices are those that conversed or are registered, Unknown those of them that the registry does not know.
	Devices           int64 `json:"devices,omitempty"`
	Unknown           int64 `json:"unknown,omitempty"`
	ConsentUnreadable int64 `json:"consentUnreadable,omitempty"`
}

func unbalanced(format string, args ...any) error {
	return NonRetryable(Unbalanced, "counts do not balance: "+format, args...)
}

// checkBalance compares what was written with what the steps before counted.
func (b *builder) checkBalance() error {
	c := &b.in.Counts
	rows := b.csv.Records() - 1 // without the header
	switch {
	case rows != b.built.RowsWritten:
		return unbalanced("%d rows were to be written, %d are in the file", b.built.RowsWritten, rows)
	case c.ObjectsRead != c.ObjectsListed:
		return unbalanced("%d telemetry objects were listed, %d were read", c.ObjectsListed, c.ObjectsRead)
	case c.BytesRead != c.BytesListed:
		return unbalanced("%d bytes of telemetry were listed, %d were read", c.BytesListed, c.BytesRead)
	case c.EventsIndexed != c.EventsMatched:
		return unbalanced("%d events matched, %d were indexed", c.EventsMatched, c.EventsIndexed)
	}
	if b.in.Request.Dataset == exhaust.PrivateExhaust {
		if c.Devices != rows+c.Unknown {
			return unbalanced("%d devices, but %d rows and %d unknown devices", c.Devices, rows, c.Unknown)
		}
		return nil
	}
	switch {
	case b.built.Repeats != c.Repeats:
		return unbalanced("%d repeats were found, %d were dropped", c.Repeats, b.built.Repeats)
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
		for _, name := range segmentNames(b.in.Staging, b.in.Read, readKind) {
			err := segments.Read(ctx, b.store, name, func(record []byte) error {
				o, err := readObjectRead(record)
				if err != nil {
					return err
				}
				if !yield(receipt.Object{Name: o.name, ETag: o.etag, Bytes: o.bytes, Lines: o.lines, Skipped: o.skipped, Matched: o.matched}, nil) {
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

// writeReceipt writes the receipt of a file that is there.
func (a *Activities) writeReceipt(ctx context.Context, b *builder, read receipt.Telemetry, written receipt.File) (err error) {
	// The public key has to be known before anybody can hold a receipt that needs it.
	if err := a.deps.Jobs.SaveReceiptKey(ctx, receipt.Public(a.settings.ReceiptKey)); err != nil {
		return err
	}
	file, err := a.deps.Reports.Create(ctx, b.built.Receipt, "application/json")
	if err != nil {
		return storeError(err, "the receipt cannot be written")
	}
	defer func() {
		if err != nil {
			_ = file.Abort() // the error that led here is the one to report
		}
	}()
	in, c := &b.in, &b.in.Counts
	head := receipt.Receipt{
		Request: receipt.Request{
			ID: in.Request.ID, Dataset: string(in.Request.Dataset), Tag: in.Request.Tag, Channel: in.Request.Channel,
			RequestedBy: in.Request.RequestedBy, DatasetConfig: in.Request.Config, SubmittedAt: in.Request.SubmittedAt.UTC(), Attempts: in.Attempts,
		},
		Conversation: receipt.Conversation{ID: in.Conversation.ID, Name: in.Conversation.Name},
		StartDate:    string(in.StartDate),
		EndDate:      string(in.EndDate),
		Code:         a.settings.Version,
		CompleteAsOf: in.ListedAt.UTC(),
		CreatedAt:    time.Now().UTC(),
		File:         written,
		Telemetry:    read,
		Losses: receipt.Losses{
			LinesSkipped:      read.Skipped,
			Repeats:           c.Repeats,
			RowsUnknownDevice: b.built.RowsUnknownDevice,
			ConsentUnreadable: c.ConsentUnreadable,
			AnswersWithheld:   b.withheld,
			NumbersHidden:     b.hidden,
			Undecryptable:     b.built.Undecryptable,
		},
	}
	if in.Request.Dataset == exhaust.PrivateExhaust {
		head.Losses.RowsUnknownDevice = c.Unknown
	}
	if err := receipt.Write(file, head, b.objectsRead(ctx), a.settings.ReceiptKey); err != nil {
		return storeError(err, "the receipt cannot be written")
	}
	if err := file.Commit(); err != nil {
		return storeError(err, "the receipt cannot be written")
	}
	return nil
}
