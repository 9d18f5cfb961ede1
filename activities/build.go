package activities

import (
	"context"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"data-exhaust/activities/segments"
	"data-exhaust/activities/summary"
	"data-exhaust/blob"
	"data-exhaust/exhaust"
	"data-exhaust/receipt"
	"data-exhaust/report"
	"data-exhaust/telemetry"
)

// BuildInput says which report to make.
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
	// ReadInline are those that stand in no staged list.
	ReadInline []receipt.Object `json:"readInline,omitempty"`
	// Counts is what the steps before counted.
	Counts Counts `json:"counts"`
	// Part is what MakeReport reads; nil for BuildReport.
	Part *Part `json:"part,omitempty"`
	// Joined is what JoinDevices staged; BuildReport does that itself.
	Joined *Joined `json:"joined,omitempty"`
	// Attempts counts the exhaust's attempts before this one.
	Attempts int `json:"attempts,omitempty"`
	// ListedAt is when the telemetry was listed.
	ListedAt time.Time `json:"listedAt,omitzero"`
	// Completed is when the exhaust was completed, for the file's name.
	Completed time.Time `json:"completed"`
}

// Built is the report that was made.
type Built struct {
	Report string `json:"report"`
	// Receipt is the name of the report's receipt.
	Receipt string `json:"receipt,omitempty"`
	// Read is what MakeReport counted of the telemetry.
	Read Counts `json:"read,omitzero"`
	// IsInMemory says that MakeReport has staged nothing.
	IsInMemory bool `json:"inMemory,omitempty"`
	// Joined counts the devices and the repeats that were found.
	Joined      Joined `json:"joined,omitzero"`
	RowsWritten int64  `json:"rowsWritten"`
	// Repeats counts the events that were dropped because they were delivered before.
	Repeats int64 `json:"repeats,omitempty"`
	// RowsUnknownDevice counts rows left out because the registry does not know their device.
	RowsUnknownDevice int64 `json:"rowsUnknownDevice"`
	Undecryptable     int64 `json:"undecryptable"`
}

// BuildReport finds the exhaust's devices and what the registry knows of them, merges what was staged into the exhaust's
// file, and writes its summary and its receipt. They appear whole or not at all, and the same input gives the same file and
// summary. They do not appear where the counts do not balance.
func (a *Activities) BuildReport(ctx context.Context, in BuildInput) (Built, error) {
	if err := checkFormat(slices.Concat(in.Segments, in.Read)); err != nil {
		return Built{}, err
	}
	return withHeartbeats(ctx, func(ctx context.Context, h *heartbeater) (Built, error) {
		a.cores.take()
		defer a.cores.giveBack()
		built, err := a.joinAndBuild(ctx, in, h)
		return built, stagingError(err)
	})
}

// MakeReport is FetchTelemetry and BuildReport in one step, for a small exhaust, and keeps in memory what they would stage, as
// far as there is room. Another attempt begins anew.
func (a *Activities) MakeReport(ctx context.Context, in BuildInput) (Built, error) {
	return withHeartbeats(ctx, func(ctx context.Context, h *heartbeater) (Built, error) {
		a.cores.take()
		defer a.cores.giveBack()
		built, err := a.readAndBuild(ctx, in, h)
		return built, stagingError(err)
	})
}

func (a *Activities) readAndBuild(ctx context.Context, in BuildInput, h *heartbeater) (Built, error) {
	memory := newScratch(a.deps.Reports, in.Staging)
	a = a.stagingIn(memory)
	h.update(func(h *Heartbeat) { h.Phase = exhaust.Fetching })
	fetched, err := a.fetch(ctx, FetchInput{
		Dataset:        in.Request.Dataset,
		Channel:        in.Conversation.Channel,
		ConversationID: in.Conversation.ID,
		Staging:        in.Staging,
		Part:           *in.Part,
	}, h, false)
	if err != nil {
		return Built{}, err
	}
	if fetched.EventsMatched == 0 && !in.Request.AllowEmpty {
		return Built{}, ClientMistake(NoData, NoDataMessage)
	}
	in.Segments, in.Read, in.ReadInline = fetched.Segments, fetched.Read, fetched.ReadInline
	in.Counts = fetched.Counts()
	in.Counts.ObjectsListed = in.Part.Objects
	built, err := a.joinAndBuild(ctx, in, h)
	built.Read, built.IsInMemory = in.Counts, memory.isInMemory()
	return built, err
}

func (a *Activities) joinAndBuild(ctx context.Context, in BuildInput, h *heartbeater) (Built, error) {
	devices, err := a.joinOrResume(ctx, in, h)
	if err != nil {
		return Built{}, err
	}
	return a.build(ctx, in, devices, h)
}

// joinOrResume is what an earlier attempt has staged of the devices, or finds it.
func (a *Activities) joinOrResume(ctx context.Context, in BuildInput, h *heartbeater) (*joinedDevices, error) {
	if h.current.Joined != nil {
		return &joinedDevices{Joined: *h.current.Joined}, nil
	}
	h.update(func(h *Heartbeat) { h.Phase = exhaust.Joining })
	devices, err := a.joinDevices(ctx, JoinInput{
		Dataset:        in.Request.Dataset,
		ConversationID: in.Conversation.ID,
		Staging:        in.Staging,
		Segments:       in.Segments,
		FromRegistry:   !in.Request.UsesTelemetry(),
	}, a.settings.DevicesInMemory)
	if err != nil {
		return nil, err
	}
	joined := devices.Joined
	if !in.Request.UsesTelemetry() && joined.Devices == 0 && !in.Request.AllowEmpty {
		return nil, ClientMistake(NoData, NoDataMessage)
	}
	h.update(func(h *Heartbeat) {
		if devices.records == nil && in.Part == nil {
			h.Joined = &joined
		}
		h.Repeats, h.ConsentUnreadable = joined.Repeats, joined.ConsentUnreadable
		if in.Request.Dataset == exhaust.PrivateExhaust {
			h.RowsUnknownDevice = joined.Unknown
		}
	})
	return &devices, nil
}

// BuildCSV is the part of BuildReport behind JoinDevices. Only exhausts that began before BuildReport was there call it.
func (a *Activities) BuildCSV(ctx context.Context, in BuildInput) (Built, error) {
	if err := checkFormat(slices.Concat(in.Segments, in.Read)); err != nil {
		return Built{}, err
	}
	if in.Joined == nil || in.Joined.Attempt == "" {
		return Built{}, errStagedByAnotherRelease
	}
	return withHeartbeats(ctx, func(ctx context.Context, h *heartbeater) (Built, error) {
		free, err := a.takeEarlier(ctx)
		if err != nil {
			return Built{}, err
		}
		defer free()
		a.cores.take()
		defer a.cores.giveBack()
		built, err := a.build(ctx, in, &joinedDevices{Joined: *in.Joined}, h)
		return built, stagingError(err)
	})
}

func (a *Activities) build(ctx context.Context, in BuildInput, devices *joinedDevices, h *heartbeater) (built Built, err error) {
	h.update(func(h *Heartbeat) { h.Phase = exhaust.Building })
	built.Report = in.Request.ReportName(in.Conversation.ID, exhaust.DayOf(in.Completed.In(a.settings.Timezone)))
	built.Receipt = exhaust.ReceiptName(built.Report)
	built.Joined = devices.Joined
	file, err := a.deps.Reports.Create(ctx, built.Report, "text/csv; charset=utf-8")
	if err != nil {
		return Built{}, failedOf(reportsStore, err, "the report cannot be written")
	}
	defer func() { _ = file.Abort() }() // after a commit it does nothing
	reportFile := receipt.NewFileWriter(file)
	rows := newWriteBehind(ctx, reportFile)
	defer func() { _ = rows.Close() }() // before the file is aborted
	b := &builder{
		in: in, devices: devices, joined: &devices.Joined, settings: a.settings, store: a.deps.Reports,
		csv: report.NewCSVWriter(rows, a.settings.CSV), beats: h, built: &built,
	}
	if in.Request.Dataset == exhaust.PrivateExhaust {
		err = b.writePrivate(ctx)
	} else {
		err = b.writeResponse(ctx)
	}
	if err == nil {
		err = b.csv.Flush()
	}
	if err == nil {
		err = rows.Close()
	}
	if err != nil {
		return Built{}, stagingError(err)
	}
	if err = b.checkBalance(); err != nil {
		return Built{}, err
	}
	read, err := b.checkRead(ctx)
	if err != nil {
		return Built{}, err
	}
	// The public key has to be known before anybody can hold a receipt that needs it.
	if err := a.saveReceiptKey(ctx); err != nil {
		return Built{}, err
	}
	summaryWriter, err := a.deps.Reports.Create(ctx, exhaust.SummaryName(built.Report), "application/json")
	if err != nil {
		return Built{}, failedOf(reportsStore, err, "the summary cannot be written")
	}
	defer func() { _ = summaryWriter.Abort() }()
	summaryFile, err := b.writeSummary(ctx, summaryWriter, exhaust.SummaryName(built.Report))
	if err != nil {
		return Built{}, err
	}
	proof, err := a.deps.Reports.Create(ctx, built.Receipt, "application/json")
	if err != nil {
		return Built{}, failedOf(reportsStore, err, "the receipt cannot be written")
	}
	defer func() { _ = proof.Abort() }()
	if err := b.writeReceipt(ctx, proof, read, reportFile.File(built.Report, built.RowsWritten), summaryFile); err != nil {
		return Built{}, failedOf(reportsStore, err, "the receipt cannot be written")
	}
	err = a.publish(ctx, h, in.Request.ReportPrefix(), pendingFile{built.Report, file},
		pendingFile{exhaust.SummaryName(built.Report), summaryWriter}, pendingFile{built.Receipt, proof})
	if err != nil {
		return Built{}, err
	}
	return built, nil
}

// pendingFile is a file that waits for its commit.
type pendingFile struct {
	name string
	blob.Writer
}

// publish makes the report and the files beside it appear, all or, but for an attempt that dies in between, none of them. They
// replace what is there only as long as this attempt is the current one (attempt.go).
func (a *Activities) publish(ctx context.Context, h *heartbeater, prefix string, files ...pendingFile) error {
	// What is there under these names is what an earlier attempt left.
	earlier := map[string]string{}
	for object, err := range a.deps.Reports.List(ctx, prefix, "") {
		if err != nil {
			return failedOf(reportsStore, err, "listing the files under "+prefix)
		}
		earlier[object.Name] = object.ETag
	}
	asked := time.Now()
	if err := a.deps.Confirm(ctx, h.report()); err != nil {
		return err
	}
	var published []blob.Object
	for _, file := range files {
		object, err := file.CommitIf(earlier[file.name])
		if err != nil {
			a.withdraw(ctx, published)
			return failedOf(reportsStore, err, "the report cannot be written")
		}
		published = append(published, object)
	}
	// The answer was good for as long as Temporal waits for the next heartbeat, and until the deadline. An attempt that took
	// longer may have been frozen, and the exhaust have been ended and cleaned up meanwhile.
	isInTime := time.Until(activity.GetInfo(ctx).Deadline) > 0 && ctx.Err() == nil
	if isInTime && time.Since(asked) < a.deps.ConfirmedFor {
		return nil
	}
	if err := a.deps.Confirm(ctx, h.report()); err != nil && !temporal.IsCanceledError(err) {
		a.withdraw(ctx, published)
		return err
	}
	return nil
}

// withdraw deletes what this attempt has published, as far as no other has replaced it. What it cannot delete the next
// attempt replaces, the exhaust's end removes, or the night.
func (a *Activities) withdraw(ctx context.Context, published []blob.Object) {
	// The attempt's own context may have ended for the reason that led here.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTimeout)
	defer cancel()
	for _, object := range published {
		if err := a.deps.Reports.DeleteVersion(ctx, object); err != nil && !errors.Is(err, blob.ErrChanged) {
			activity.GetLogger(ctx).Warn("a report of an attempt that was given up is left behind", "file", object.Name, "error", err)
		}
	}
}

const withdrawTimeout = 10 * time.Second

type builder struct {
	in       BuildInput
	devices  *joinedDevices
	joined   *Joined
	settings Settings
	store    segments.Store
	csv      *report.CSVWriter
	beats    *heartbeater
	built    *Built
	// withheld counts the answers that were left out because consent was refused, hidden the phone numbers that were not
	// shown because consent was not given.
	withheld, hidden int64
	// rows counts what the summary of a response exhaust says, devices that of a private one.
	rows      *summary.Counter
	devicesBy report.ConsentCounts
}

// write writes one row and counts it.
func (b *builder) write(cells [][]byte, texts exhaust.ColumnSet) error {
	b.built.RowsWritten++
	if b.built.RowsWritten%1024 == 0 {
		b.beats.update(func(h *Heartbeat) { h.RowsWritten = b.built.RowsWritten })
	}
	return b.csv.Write(cells, texts)
}

func (b *builder) writePrivate(ctx context.Context) error {
	if err := b.csv.WriteHeader(exhaust.PrivateColumns); err != nil {
		return err
	}
	cells := [][]byte{[]byte(b.in.Conversation.ID), []byte(b.in.Conversation.Name), nil, nil, nil}
	var deviceUUID []byte
	return b.devices.each(ctx, b.store, b.in.Staging, func(record []byte) error {
		device, err := readDevice(record)
		if err != nil {
			return err
		}
		deviceUUID = device.AppendUUID(deviceUUID[:0])
		b.countConsent(device.Consent)
		visibleID := deviceUUID
		phone, isShown, undecryptable := device.Reveal(b.settings.Cipher, b.settings.AssumeConsent)
		switch {
		case isShown:
			visibleID = []byte(phone)
		case undecryptable:
			b.built.Undecryptable++
		case device.Username != "":
			b.hidden++
		}
		username := record[len(record)-len(device.Username):]
		if clean := telemetry.CleanText(device.Username); clean != device.Username {
			username = []byte(clean)
		}
		cells[2], cells[3], cells[4] = visibleID, username, deviceUUID
		return b.write(cells, exhaust.PrivateTexts(visibleID))
	})
}

func (b *builder) writeResponse(ctx context.Context) error {
	if err := b.csv.WriteHeader(exhaust.ResponseColumns); err != nil {
		return err
	}
	known, err := b.readConsents(ctx)
	if err != nil {
		return err
	}
	if int64(len(known.ids)) != b.joined.Devices-b.joined.Unknown {
		return unbalanced("%d devices, %d of them unknown, but %d are staged", b.joined.Devices, b.joined.Unknown, len(known.ids))
	}
	b.rows = summary.New(summary.Settings{
		Timezone: b.settings.Timezone, MinDevices: b.settings.SummaryMinDevices,
		Store: b.store, Scratch: scratchName(b.in.Staging, summaryKind, newAttempt()),
	}, len(known.ids))
	var (
		reader telemetry.RowReader
		row    exhaust.ResponseRow
	)
	row.Cells[exhaust.ConversationIDColumn] = []byte(b.in.Conversation.ID)
	row.Cells[exhaust.ConversationNameColumn] = []byte(b.in.Conversation.Name)
	merge := func(ctx context.Context, each func(line []byte) error) (err error) {
		b.built.Repeats, err = mergeEvents(ctx, b.store, b.in.Staging, b.in.Segments, b.joined, each)
		return err
	}
	return mergeAhead(ctx, merge, func(line []byte) error {
		reader.Read(line, &row)
		device, ok := known.find(row.Cells[exhaust.DeviceIDColumn])
		if !ok {
			b.built.RowsUnknownDevice++
			return nil
		}
		isRefused := known.consents[device] == exhaust.ConsentRefused
		summaryRow := summary.Row{Device: device, IsWithheld: isRefused}
		summaryRow.Milliseconds, summaryRow.HasTime = reader.Milliseconds()
		if err := b.rows.Add(ctx, &row, summaryRow); err != nil {
			return err
		}
		if isRefused && len(row.Cells[exhaust.ResponseColumn]) > 0 {
			row.Cells[exhaust.ResponseColumn] = nil
			b.withheld++
		}
		return b.write(row.Cells[:], row.Texts)
	})
}

// consents is what is known of devices, in 17 bytes each, and 2 to 4 bytes for finding them.
type consents struct {
	ids      []uuid.UUID // ascending
	consents []exhaust.Consent
	// starts has, for each value of the first bits of an id, where the ids begin that start with it or a greater one.
	// Most ids are random, so few have any of them in common.
	starts []uint32
	shift  int // of the first 32 bits of an id, to those that starts goes by
}

func (b *builder) readConsents(ctx context.Context) (*consents, error) {
	var c consents
	err := b.devices.each(ctx, b.store, b.in.Staging, func(record []byte) error {
		device, err := readDevice(record)
		if err != nil {
			return err
		}
		c.ids = append(c.ids, device.ID)
		c.consents = append(c.consents, device.Consent)
		return nil
	})
	c.index()
	return &c, err
}

func (c *consents) index() {
	const idsPerStart = 2
	width := bits.Len(uint(len(c.ids) / idsPerStart))
	c.shift = 32 - width
	c.starts = make([]uint32, 1<<width+1)
	next := 0
	for i, id := range c.ids {
		for ; next <= c.start(id); next++ {
			c.starts[next] = uint32(i)
		}
	}
	for ; next < len(c.starts); next++ {
		c.starts[next] = uint32(len(c.ids))
	}
}

func (c *consents) start(id uuid.UUID) int {
	return int(uint64(binary.BigEndian.Uint32(id[:4])) >> c.shift)
}

// find is the number of a device; false where the registry does not know it.
func (c *consents) find(deviceID []byte) (device int, isKnown bool) {
	id, ok := exhaust.ParseDeviceID(deviceID)
	if !ok {
		return 0, false
	}
	first, end := c.starts[c.start(id)], c.starts[c.start(id)+1]
	i, isKnown := slices.BinarySearchFunc(c.ids[first:end], id, compareIDs)
	return int(first) + i, isKnown
}
