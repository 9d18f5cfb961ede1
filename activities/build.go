package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"

	"data-exhaust/activities/runs"
	"data-exhaust/exhaust"
)

// BuildInput says which file to write.
type BuildInput struct {
	Request      exhaust.Request      `json:"request"`
	Conversation exhaust.Conversation `json:"conversation"`
	Staging      string               `json:"staging"`
	Runs         []RunRange           `json:"runs,omitempty"`
	RepeatRuns   int                  `json:"repeatRuns,omitempty"`
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
	ctx, pulse := startPulse(ctx)
	built, err := a.build(ctx, in, pulse)
	return built, pulse.end(staged(err))
}

func (a *Activities) build(ctx context.Context, in BuildInput, pulse *pulse) (built Built, err error) {
	free, err := a.builds.take(ctx, pulse)
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
			_ = file.Abort() // the error that led here is the one to tell
		}
	}()
	b := &builder{
		in:    in,
		store: a.deps.Reports,
		csv:   exhaust.NewCSVWriter(file, a.settings.Dialect),
		pulse: pulse,
		built: &built,
	}
	if in.Request.Dataset == exhaust.PrivateExhaust {
		err = b.private(ctx, a.settings)
	} else {
		err = b.response(ctx, a)
	}
	if err != nil {
		return Built{}, fmt.Errorf("writing report %s: %w", built.Report, err)
	}
	if err := b.csv.Flush(); err != nil {
		return Built{}, fmt.Errorf("writing report %s: %w", built.Report, err)
	}
	if err := file.Commit(); err != nil {
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
	in    BuildInput
	store runs.Store
	csv   *exhaust.CSVWriter
	pulse *pulse
	built *Built
}

// row writes one row and counts it.
func (b *builder) row(cells []string) error {
	b.built.RowsWritten++
	if b.built.RowsWritten%1024 == 0 {
		b.pulse.update(func(h *Heartbeat) { h.RowsWritten = b.built.RowsWritten })
	}
	return b.csv.Write(cells)
}

func (b *builder) private(ctx context.Context, settings Settings) error {
	if err := b.csv.Write(exhaust.PrivateColumns); err != nil {
		return err
	}
	return runs.Read(ctx, b.store, devicesName(b.in.Staging), func(record []byte) error {
		device, err := readDevice(record)
		if err != nil {
			return err
		}
		shown, undecryptable := device.Reveal(settings.Cipher, settings.AssumeConsent)
		if undecryptable {
			b.built.Undecryptable++
		}
		return b.row([]string{
			b.in.Conversation.ID, b.in.Conversation.Name, shown, device.Username, device.ID.String(),
		})
	})
}

func (b *builder) response(ctx context.Context, a *Activities) error {
	if err := b.csv.Write(exhaust.ResponseColumns); err != nil {
		return err
	}
	known, err := readConsents(ctx, b.store, devicesName(b.in.Staging))
	if err != nil {
		return err
	}
	repeats := b.openRepeats(ctx)
	defer repeats.close()
	var (
		event  rowReader
		last   string // mid of the event before
		lastAt int64
	)
	each := func(record []byte) error {
		repeated, err := repeats.begin(record)
		if err != nil || repeated {
			return err
		}
		if err := event.read(record); err != nil {
			return err
		}
		mid := event.row.MessageID
		if mid != "" && mid == last && event.time == lastAt {
			return nil
		}
		last, lastAt = mid, event.time
		consent, ok := known.of(event.row.DeviceID)
		if !ok {
			b.built.RowsUnknownDevice++
			return nil
		}
		return b.row(event.row.Cells(b.in.Conversation.ID, b.in.Conversation.Name, consent == exhaust.ConsentRefused))
	}
	names := runNames(b.in.Staging, b.in.Runs, rowsRun)
	return runs.Merge(ctx, b.store, names, scratchName(b.in.Staging, rowsRun), each)
}

// repeats goes through the staged repeats beside the rows; both are in output order.
type repeats struct {
	next  func() ([]byte, error, bool)
	close func()
	// repeat is how the next row begins that is dropped; nil after the last.
	repeat []byte
	begun  bool
}

func (b *builder) openRepeats(ctx context.Context) *repeats {
	var names []string
	for i := range b.in.RepeatRuns {
		names = append(names, repeatsName(b.in.Staging, i))
	}
	var r repeats
	r.next, r.close = iter.Pull2(func(yield func([]byte, error) bool) {
		stopped := errors.New("stopped")
		err := runs.Merge(ctx, b.store, names, scratchName(b.in.Staging, "repeats"), func(record []byte) error {
			if !yield(record, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && err != stopped {
			yield(nil, err)
		}
	})
	return &r
}

// begin reports whether a row begins as a repeat does.
func (r *repeats) begin(row []byte) (bool, error) {
	for !r.begun || r.repeat != nil && bytes.Compare(r.repeat, row) < 0 && !bytes.HasPrefix(row, r.repeat) {
		repeat, err, ok := r.next()
		if err != nil {
			return false, err
		}
		r.begun = true
		if r.repeat = append(r.repeat[:0], repeat...); !ok {
			r.repeat = nil
		}
	}
	return r.repeat != nil && bytes.HasPrefix(row, r.repeat), nil
}

// consents is what is known of devices, in 17 bytes each.
type consents struct {
	ids      []uuid.UUID
	consents []exhaust.Consent
}

func readConsents(ctx context.Context, store runs.Store, name string) (*consents, error) {
	var c consents
	err := runs.Read(ctx, store, name, func(record []byte) error {
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
