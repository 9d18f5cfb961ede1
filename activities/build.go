package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"

	"data-exhaust/activities/segments"
	"data-exhaust/exhaust"
	"data-exhaust/receipt"
	"data-exhaust/report"
	"data-exhaust/telemetry"
)

// BuildInput says which file to write.
type BuildInput struct {
	Request      exhaust.Request      `json:"request"`
	Conversation exhaust.Conversation `json:"conversation"`
	// StartDate and EndDate are the days that the exhaust covers; "" for one that is not made from telemetry.
	StartDate exhaust.Day    `json:"startDate,omitempty"`
	EndDate   exhaust.Day    `json:"endDate,omitempty"`
	Staging   string         `json:"staging"`
	Segments  []SegmentRange `json:"runs,omitempty"`
	// Read names the staged lists of the telemetry objects that were read.
	Read []SegmentRange `json:"read,omitempty"`
	// Counts is what the steps before counted.
	Counts Counts `json:"counts"`
	// Attempts counts the exhaust's attempts before this one.
	Attempts int `json:"attempts,omitempty"`
	// ListedAt is when the telemetry, or who is registered, was listed.
	ListedAt time.Time `json:"listedAt,omitzero"`
	// Completed is when the exhaust was completed, for the file's name.
	Completed time.Time `json:"completed"`
}

// Built is the file that was written.
type Built struct {
	Report string `json:"report"`
	// Receipt is the name of the file's receipt.
	Receipt     string `json:"receipt,omitempty"`
	RowsWritten int64  `json:"rowsWritten"`
	// Repeats counts the events that were dropped because they were delivered before.
	Repeats int64 `json:"repeats,omitempty"`
	// RowsUnknownDevice counts rows left out because the registry does not know their device.
	RowsUnknownDevice int64 `json:"rowsUnknownDevice"`
	Undecryptable     int64 `json:"undecryptable"`
}

// BuildCSV merges what was staged into the exhaust's file, and writes its receipt. The file appears whole or not at all,
// and the same input gives the same bytes. It does not appear where the counts do not balance.
func (a *Activities) BuildCSV(ctx context.Context, in BuildInput) (Built, error) {
	if err := checkFormat(slices.Concat(in.Segments, in.Read)); err != nil {
		return Built{}, err
	}
	if in.ListedAt.IsZero() {
		return Built{}, errStagedByAnotherRelease
	}
	return withHeartbeats(ctx, func(ctx context.Context, h *heartbeater) (Built, error) {
		built, err := a.build(ctx, in, h)
		return built, stagingError(err)
	})
}

func (a *Activities) build(ctx context.Context, in BuildInput, h *heartbeater) (built Built, err error) {
	free, err := a.builds.take(ctx, h)
	if err != nil {
		return Built{}, err
	}
	defer free()
	built.Report = in.Request.ReportName(in.Conversation.ID, exhaust.DayOf(in.Completed.In(a.settings.Timezone)))
	built.Receipt = exhaust.ReceiptName(built.Report)
	file, err := a.deps.Reports.Create(ctx, built.Report, "text/csv; charset=utf-8")
	if err != nil {
		return Built{}, storeError(err, "the report cannot be written")
	}
	defer func() {
		if err != nil {
			_ = file.Abort() // the error that led here is the one to report
		}
	}()
	hashed := receipt.NewFileWriter(file)
	b := &builder{in: in, settings: a.settings, store: a.deps.Reports, csv: report.NewCSVWriter(hashed, a.settings.CSV), beats: h, built: &built}
	if in.Request.Dataset == exhaust.PrivateExhaust {
		err = b.writePrivate(ctx)
	} else {
		err = b.writeResponse(ctx)
	}
	if err == nil {
		err = b.csv.Flush()
	}
	if failure := (*temporal.ApplicationError)(nil); errors.As(err, &failure) {
		return Built{}, failure
	}
	if err != nil {
		return Built{}, storeError(err, "the report cannot be written")
	}
	if err = b.checkBalance(); err != nil {
		return Built{}, err
	}
	read, err := b.checkRead(ctx)
	if err != nil {
		return Built{}, err
	}
	if err = file.Commit(); err != nil {
		return Built{}, storeError(err, "the report cannot be written")
	}
	if err = a.writeReceipt(ctx, b, read, hashed.File(built.Report, built.RowsWritten)); err != nil {
		return Built{}, err
	}
	return built, a.removeOthers(ctx, in.Request.ReportPrefix(), built)
}

// removeOthers removes reports of an exhaust that were made on other days, and their receipts: they have expired, and
// nothing else knows their names any more.
func (a *Activities) removeOthers(ctx context.Context, prefix string, built Built) error {
	for object, err := range a.deps.Reports.List(ctx, prefix, "") {
		if err != nil {
			return fmt.Errorf("listing the files under %s: %w", prefix, err)
		}
		if object.Name == built.Report || object.Name == built.Receipt {
			continue
		}
		if err := a.deps.Reports.Delete(ctx, object.Name); err != nil {
			return fmt.Errorf("removing report %s: %w", object.Name, err)
		}
	}
	return nil
}

type builder struct {
	in       BuildInput
	settings Settings
	store    segments.Store
	csv      *report.CSVWriter
	beats    *heartbeater
	built    *Built
	// withheld counts the answers that were left out because consent was refused, hidden the phone numbers that were not
	// shown because consent was not given.
	withheld, hidden int64
}

// write writes one row and counts it.
func (b *builder) write(cells []string, texts exhaust.ColumnSet) error {
	b.built.RowsWritten++
	if b.built.RowsWritten%1024 == 0 {
		b.beats.update(func(h *Heartbeat) { h.RowsWritten = b.built.RowsWritten })
	}
	return b.csv.Write(cells, texts)
}

func (b *builder) writePrivate(ctx context.Context) error {
	if err := b.csv.Write(exhaust.PrivateColumns, 0); err != nil {
		return err
	}
	return segments.Read(ctx, b.store, devicesName(b.in.Staging), func(record []byte) error {
		device, err := readDevice(record)
		if err != nil {
			return err
		}
		visibleID, undecryptable := device.Reveal(b.settings.Cipher, b.settings.AssumeConsent)
		switch {
		case undecryptable:
			b.built.Undecryptable++
		case device.Username != "" && visibleID == device.UUID():
			b.hidden++
		}
		return b.write([]string{
			b.in.Conversation.ID, b.in.Conversation.Name, visibleID, telemetry.CleanText(device.Username), device.UUID(),
		}, exhaust.PrivateTexts(visibleID))
	})
}

func (b *builder) writeResponse(ctx context.Context) error {
	if err := b.csv.Write(exhaust.ResponseColumns, 0); err != nil {
		return err
	}
	known, err := readConsents(ctx, b.store, devicesName(b.in.Staging))
	if err != nil {
		return err
	}
	if c := &b.in.Counts; int64(len(known.ids)) != c.Devices-c.Unknown {
		return unbalanced("%d devices, %d of them unknown, but %d are staged", c.Devices, c.Unknown, len(known.ids))
	}
	var (
		reader telemetry.RowReader
		row    exhaust.ResponseRow
	)
	b.built.Repeats, err = mergeEvents(ctx, b.store, b.in.Staging, b.in.Segments, b.in.Counts.RepeatSegments, func(event *telemetry.Event) error {
		reader.Read(event.Line, &row)
		consent, ok := known.of(row.DeviceID)
		if !ok {
			b.built.RowsUnknownDevice++
			return nil
		}
		isWithheld := consent == exhaust.ConsentRefused
		if isWithheld && row.Response != "" {
			b.withheld++
		}
		return b.write(row.Cells(b.in.Conversation.ID, b.in.Conversation.Name, isWithheld), row.Texts)
	})
	return err
}

// consents is what is known of devices, in 17 bytes each.
type consents struct {
	ids      []uuid.UUID
	consents []exhaust.Consent
}

func readConsents(ctx context.Context, store segments.Store, name string) (*consents, error) {
	var c consents
	err := segments.Read(ctx, store, name, func(record []byte) error {
		device, err := readDevice(record)
		if err != nil {
			return err
		}
		c.ids = append(c.ids, device.ID)
		c.consents = append(c.consents, device.Consent)
		return nil
	})
	return &c, err
}

// of is the consent of a device; false where the registry does not know it.
func (c *consents) of(deviceID string) (exhaust.Consent, bool) {
	id, ok := exhaust.ParseDeviceID(deviceID)
	if !ok {
		return exhaust.ConsentUnrecorded, false
	}
	i, ok := slices.BinarySearchFunc(c.ids, id, compareIDs)
	if !ok {
		return exhaust.ConsentUnrecorded, false
	}
	return c.consents[i], true
}
