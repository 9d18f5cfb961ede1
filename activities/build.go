package activities

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"data-exhaust/activities/segments"
	"data-exhaust/exhaust"
	"data-exhaust/report"
)

// BuildInput says which file to write.
type BuildInput struct {
	Request      exhaust.Request      `json:"request"`
	Conversation exhaust.Conversation `json:"conversation"`
	Staging      string               `json:"staging"`
	Segments     []SegmentRange       `json:"runs,omitempty"`
	// RepeatSegments counts the staged segments of repeats.
	RepeatSegments int `json:"repeatRuns,omitempty"`
	// Completed is when the exhaust was completed, for the file's name.
	Completed time.Time `json:"completed"`
}

// Built is the file that was written.
type Built struct {
	Report      string `json:"report"`
	RowsWritten int64  `json:"rowsWritten"`
	// RowsUnknownDevice counts rows left out because the registry does not know their device.
	RowsUnknownDevice int64 `json:"rowsUnknownDevice"`
	Undecryptable     int64 `json:"undecryptable"`
}

// BuildCSV merges what was staged into the exhaust's file. The file appears whole or not at all, and
// the same input gives the same bytes.
func (a *Activities) BuildCSV(ctx context.Context, in BuildInput) (Built, error) {
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
	built.Report = in.Request.ReportName(exhaust.DayOf(in.Completed.In(a.settings.Timezone)))
	file, err := a.deps.Reports.Create(ctx, built.Report, "text/csv; charset=utf-8")
	if err != nil {
		return Built{}, fmt.Errorf("writing report %s: %w", built.Report, err)
	}
	defer func() {
		if err != nil {
			_ = file.Abort() // the error that led here is the one to report
		}
	}()
	b := &builder{in: in, settings: a.settings, store: a.deps.Reports, csv: report.NewCSVWriter(file, a.settings.Dialect), beats: h, built: &built}
	if in.Request.Dataset == exhaust.PrivateExhaust {
		err = b.writePrivate(ctx)
	} else {
		err = b.writeResponse(ctx)
	}
	if err == nil {
		err = b.csv.Flush()
	}
	if err == nil {
		err = file.Commit()
	}
	if err != nil {
		return Built{}, fmt.Errorf("writing report %s: %w", built.Report, err)
	}
	return built, a.removeOthers(ctx, in.Request.ReportPrefix(), built.Report)
}

// removeOthers removes reports of an exhaust that were made on other days: they have expired, and
// nothing else knows their names any more.
func (a *Activities) removeOthers(ctx context.Context, prefix, report string) error {
	for object, err := range a.deps.Reports.List(ctx, prefix, "") {
		if err != nil {
			return fmt.Errorf("listing the files under %s: %w", prefix, err)
		}
		if object.Name == report {
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
}

// write writes one row and counts it.
func (b *builder) write(cells []string) error {
	b.built.RowsWritten++
	if b.built.RowsWritten%1024 == 0 {
		b.beats.update(func(h *Heartbeat) { h.RowsWritten = b.built.RowsWritten })
	}
	return b.csv.Write(cells)
}

func (b *builder) writePrivate(ctx context.Context) error {
	if err := b.csv.Write(exhaust.PrivateColumns); err != nil {
		return err
	}
	return segments.Read(ctx, b.store, devicesName(b.in.Staging), func(record []byte) error {
		device, err := readDevice(record)
		if err != nil {
			return err
		}
		visibleID, undecryptable := device.Reveal(b.settings.Cipher, b.settings.AssumeConsent)
		if undecryptable {
			b.built.Undecryptable++
		}
		return b.write([]string{
			b.in.Conversation.ID, b.in.Conversation.Name, visibleID, device.Username, device.ID.String(),
		})
	})
}

func (b *builder) writeResponse(ctx context.Context) error {
	if err := b.csv.Write(exhaust.ResponseColumns); err != nil {
		return err
	}
	known, err := readConsents(ctx, b.store, devicesName(b.in.Staging))
	if err != nil {
		return err
	}
	return mergeRows(ctx, b.store, b.in.Staging, b.in.Segments, b.in.RepeatSegments, func(event *rowReader) error {
		consent, ok := known.of(event.row.DeviceID)
		if !ok {
			b.built.RowsUnknownDevice++
			return nil
		}
		return b.write(event.row.Cells(b.in.Conversation.ID, b.in.Conversation.Name, consent == exhaust.ConsentRefused))
	})
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
