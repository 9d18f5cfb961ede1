package activities

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"data-exhaust/activities/segments"
	"data-exhaust/exhaust"
)

// JoinInput says whose devices to look up: those of the staged events, or, where FromRegistry is set,
// all that are registered to the conversation.
type JoinInput struct {
	Dataset        exhaust.Dataset `json:"dataset"`
	ConversationID string          `json:"conversationId"`
	Staging        string          `json:"staging"`
	Segments       []SegmentRange  `json:"runs,omitempty"`
	FromRegistry   bool            `json:"fromRegistry,omitempty"`
}

// Joined names what one attempt has staged of the devices and the repeats, and counts them.
type Joined struct {
	// Attempt is part of the names of what is staged; "" in what releases before it staged.
	Attempt string `json:"attempt,omitempty"`
	// Known are the devices that the registry knows.
	Known int64 `json:"known"`
	// Unknown are those that it does not.
	Unknown int64 `json:"unknown"`
	// Devices are all of them, counted before they were looked up.
	Devices int64 `json:"devices,omitempty"`
	// ConsentUnreadable are known devices whose recorded consent could not be read.
	ConsentUnreadable int64 `json:"consentUnreadable,omitempty"`
	// Events are those of the index, Repeats those of them that were delivered before.
	Events  int64 `json:"events,omitempty"`
	Repeats int64 `json:"repeats,omitempty"`
	// RepeatSegments counts the staged segments of repeats.
	RepeatSegments int `json:"repeatRuns,omitempty"`
	// ListedAt is when the registry was asked for who is registered; the zero time of an exhaust made from telemetry.
	ListedAt time.Time `json:"listedAt,omitzero"`
}

const (
	// lookupBatch is how many devices one look-up asks for, lookupsAhead how many look-ups are under way while what is known
	// of the devices before is staged: as many connections, so that others find some free.
	lookupBatch  = 5000
	lookupsAhead = 4
	// registeredBatch is how many registered devices are asked for at a time.
	registeredBatch = 20_000
)

// JoinDevices finds the exhaust's devices and stages what the registry knows of them, ascending by id, as well as the
// repeats, which are dropped when the report is built. Only exhausts that began before BuildReport was there call it.
func (a *Activities) JoinDevices(ctx context.Context, in JoinInput) (Joined, error) {
	if err := checkFormat(in.Segments); err != nil {
		return Joined{}, err
	}
	return withHeartbeats(ctx, func(ctx context.Context, _ *heartbeater) (Joined, error) {
		free, err := a.takeEarlier(ctx)
		if err != nil {
			return Joined{}, err
		}
		defer free()
		a.cores.take()
		defer a.cores.giveBack()
		devices, err := a.joinDevices(ctx, in, 0)
		return devices.Joined, stagingError(err)
	})
}

// joinedDevices is what the registry knows of an exhaust's devices: of few in memory, else staged.
type joinedDevices struct {
	Joined
	// records are those in memory; nil where they are staged.
	records [][]byte
}

// each calls do with the record of each device, ascending by id.
func (d *joinedDevices) each(ctx context.Context, store segments.Store, staging string, do func(record []byte) error) error {
	if d.records == nil {
		return segments.Read(ctx, store, devicesName(staging, &d.Joined), do)
	}
	for _, record := range d.records {
		if err := do(record); err != nil {
			return err
		}
	}
	return nil
}

// joinDevices finds the devices and keeps fewer than inMemory of them in memory.
func (a *Activities) joinDevices(ctx context.Context, in JoinInput, inMemory int) (devices joinedDevices, err error) {
	devices.Attempt = newAttempt()
	var found deviceSet
	if in.FromRegistry {
		err = a.findRegistered(ctx, in, &found, &devices.Joined)
	} else {
		err = a.findConversed(ctx, in, &found, &devices.Joined)
	}
	if err == nil {
		err = a.lookUp(ctx, in, &found, &devices, inMemory)
	}
	return devices, err
}

func devicesName(staging string, joined *Joined) string { return staging + "devices-" + joined.Attempt }

func (a *Activities) findRegistered(ctx context.Context, in JoinInput, found *deviceSet, joined *Joined) error {
	joined.ListedAt = time.Now().UTC()
	for after := ""; ; {
		ids, next, err := a.deps.UCI.Registered(ctx, in.ConversationID, after, registeredBatch)
		if err != nil {
			return err
		}
		for _, id := range ids {
			found.add([]byte(id))
		}
		if after = next; after == "" {
			return nil
		}
	}
}

func (a *Activities) findConversed(ctx context.Context, in JoinInput, found *deviceSet, joined *Joined) error {
	index, err := findRepeats(ctx, a.deps.Reports, in.Staging, joined.Attempt, in.Segments, found.add)
	if err != nil {
		return err
	}
	joined.Events, joined.Repeats, joined.RepeatSegments = index.events, index.repeats, index.repeatSegments
	return nil
}

// lookUp keeps what the registry knows of the devices, and counts them.
func (a *Activities) lookUp(ctx context.Context, in JoinInput, found *deviceSet, joined *joinedDevices, inMemory int) error {
	ids := found.uuids.sort()
	joined.Unknown = int64(len(found.others.sort()))
	joined.Devices = int64(len(ids)) + joined.Unknown
	withUsername := in.Dataset == exhaust.PrivateExhaust
	addAll := func(add func([]byte) error) error {
		return a.eachLookUp(ctx, ids, withUsername, func(asked int, devices []exhaust.Device) error {
			joined.Unknown += int64(asked - len(devices))
			return joined.addDevices(add, devices)
		})
	}
	if len(ids) >= inMemory {
		return segments.Write(ctx, a.deps.Reports, devicesName(in.Staging, &joined.Joined), addAll)
	}
	joined.records = make([][]byte, 0, len(ids))
	return addAll(func(record []byte) error {
		joined.records = append(joined.records, slices.Clone(record))
		return nil
	})
}

// eachLookUp looks devices up, some batches at the same time, and calls each with what is known of a batch, in the order
// of the ids, and how many were asked for.
func (a *Activities) eachLookUp(ctx context.Context, ids []uuid.UUID, withUsername bool, each func(asked int, devices []exhaust.Device) error) error {
	type lookUp struct {
		asked    int
		devices  []exhaust.Device
		err      error
		panicked any
	}
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	var underWay []chan lookUp // in the order of the ids
	begin := func() {
		batch := ids[:min(lookupBatch, len(ids))]
		if ids = ids[len(batch):]; len(batch) == 0 {
			return
		}
		answer := make(chan lookUp, 1)
		underWay = append(underWay, answer)
		workers.Go(func() {
			found := lookUp{asked: len(batch)}
			found.panicked = guard(ctx, func() { found.devices, found.err = a.deps.UCI.Devices(ctx, batch, withUsername) })
			answer <- found
		})
	}
	for range lookupsAhead {
		begin()
	}
	for len(underWay) > 0 {
		answer := <-underWay[0]
		underWay = underWay[1:]
		if answer.panicked != nil {
			panic(answer.panicked)
		}
		if answer.err != nil {
			return answer.err
		}
		begin()
		if err := each(answer.asked, answer.devices); err != nil {
			return err
		}
	}
	return nil
}

// deviceSet is a set of devices: uuids, which the registry may know, and others, which it cannot.
type deviceSet struct{ uuids, others idSet }

func (s *deviceSet) add(device []byte) {
	if id, ok := exhaust.ParseDeviceID(device); ok {
		s.uuids.add(id)
	} else {
		s.others.add(hashID(device))
	}
}

// hashID stands for an id of any form in a set of ids: two that differ have, for all that can
// happen, two hashes.
func hashID(id []byte) uuid.UUID {
	sum := sha256.Sum256(id)
	return uuid.UUID(sum[:16])
}

// idSet is a set of ids in 16 to 32 bytes a member: a list that is sorted and rid of what is twice
// whenever it has doubled.
type idSet struct {
	ids []uuid.UUID
	// distinct is how many there were when the list was sorted last.
	distinct int
}

func (s *idSet) add(id uuid.UUID) {
	if n := len(s.ids); n > 0 && s.ids[n-1] == id {
		return
	}
	s.ids = append(s.ids, id)
	if len(s.ids) >= 2*s.distinct+1<<16 {
		s.sort()
	}
}

func (s *idSet) sort() []uuid.UUID {
	slices.SortFunc(s.ids, compareIDs)
	s.ids = slices.Compact(s.ids)
	s.distinct = len(s.ids)
	return s.ids
}

// compareIDs compares bytes as numbers, which the compiler can do in place.
func compareIDs(x, y uuid.UUID) int {
	if c := cmp.Compare(binary.BigEndian.Uint64(x[:8]), binary.BigEndian.Uint64(y[:8])); c != 0 {
		return c
	}
	return cmp.Compare(binary.BigEndian.Uint64(x[8:]), binary.BigEndian.Uint64(y[8:]))
}

// addDevices counts and stages known devices: 16 bytes of id, one of consent, the rest the encrypted username.
func (joined *Joined) addDevices(add func([]byte) error, devices []exhaust.Device) error {
	var record []byte
	for _, d := range devices {
		state := byte(d.Consent)
		if d.IsUpperCase {
			state |= upperCaseBit
		}
		record = append(append(append(record[:0], d.ID[:]...), state), d.Username...)
		if err := add(record); err != nil {
			return err
		}
		joined.Known++
		if d.ConsentUnreadable {
			joined.ConsentUnreadable++
		}
	}
	return nil
}

// upperCaseBit stands beside the consent of a device whose id the registry spells in capitals.
const upperCaseBit = 0x80

func readDevice(record []byte) (exhaust.Device, error) {
	if len(record) < 17 {
		return exhaust.Device{}, fmt.Errorf("a staged device is damaged")
	}
	return exhaust.Device{
		ID:          uuid.UUID(record[:16]),
		IsUpperCase: record[16]&upperCaseBit != 0,
		Consent:     exhaust.Consent(record[16] &^ upperCaseBit),
		Username:    string(record[17:]),
	}, nil
}
