package activities

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
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
	// idsAtOnce is how many devices one look-up asks for, lookupsAhead how many look-ups are under way while what is known
	// of the devices before is staged: as many connections, so that others find some free.
	idsAtOnce    = 5000
	lookupsAhead = 4
	// registeredAtOnce is how many registered devices are asked for at a time.
	registeredAtOnce = 20_000
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
		ids, next, err := a.deps.UCI.Registered(ctx, in.ConversationID, after, registeredAtOnce)
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
	var index indexed
	var err error
	if in.Dataset == exhaust.PrivateExhaust {
		index, err = countRepeats(ctx, a.deps.Reports, in.Staging, joined.Attempt, in.Segments, found)
	} else {
		index, err = findRepeats(ctx, a.deps.Reports, in.Staging, joined.Attempt, in.Segments, found.add)
	}
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

// eachLookUp looks devices up, some look-ups beside each other, and calls each with what one has found, in the order of the
// ids, and how many it was asked for.
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
		asked := ids[:min(idsAtOnce, len(ids))]
		if ids = ids[len(asked):]; len(asked) == 0 {
			return
		}
		answer := make(chan lookUp, 1)
		underWay = append(underWay, answer)
		workers.Go(func() {
			found := lookUp{asked: len(asked)}
			found.panicked = guard(ctx, func() { found.devices, found.err = a.deps.UCI.Devices(ctx, asked, withUsername) })
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

func (s *deviceSet) add(device []byte) { s.addKey(keyOfDevice(device)) }

func (s *deviceSet) addKey(key uuid.UUID, isUUID bool) {
	if isUUID {
		s.uuids.add(key)
	} else {
		s.others.add(key)
	}
}

// keyOfDevice is a device's id if that is a uuid, else what stands for it: two ids that differ have, for all that can
// happen, two hashes.
func keyOfDevice(device []byte) (key uuid.UUID, isUUID bool) {
	if id, ok := exhaust.ParseDeviceID(device); ok {
		return id, true
	}
	sum := sha256.Sum256(device)
	return uuid.UUID(sum[:16]), false
}

// idSet is a set of ids in 16 to 32 bytes a member: a list that is sorted and rid of what is twice
// whenever it has doubled.
type idSet struct {
	ids []uuid.UUID
	// distinct is how many there were when the list was sorted last.
	distinct int
	// recent are ids that were added, each where its last bits say: most ids are added many times. Zero is of none.
	recent []uuid.UUID
}

const recentIDs = 1 << 14

func (s *idSet) add(id uuid.UUID) {
	if s.recent == nil {
		s.recent = make([]uuid.UUID, recentIDs)
	}
	recent := &s.recent[binary.LittleEndian.Uint64(id[8:])>>48%recentIDs]
	if *recent == id && id != (uuid.UUID{}) {
		return
	}
	*recent = id
	s.ids = append(s.ids, id)
	if len(s.ids) >= 2*s.distinct+1<<16 {
		s.sort()
	}
}

func (s *idSet) sort() []uuid.UUID {
	sortIDs(s.ids, 0)
	s.ids = slices.Compact(s.ids)
	s.distinct = len(s.ids)
	return s.ids
}

// sortIDs sorts ids that are alike before the byte at that position. It moves each to the ids that have the same byte there,
// in place, and then sorts those: ids are random, so they soon are few (the American flag sort).
func sortIDs(ids []uuid.UUID, at int) {
	const few = 64
	if len(ids) <= few || at == len(uuid.UUID{}) {
		slices.SortFunc(ids, compareIDs)
		return
	}
	var starts, ends [256]int // of the ids with each byte; those before starts are in their place
	for i := range ids {
		ends[ids[i][at]]++
	}
	sum := 0
	for b, count := range ends {
		starts[b] = sum
		sum += count
		ends[b] = sum
	}
	for b := range starts {
		for starts[b] < ends[b] {
			id := ids[starts[b]]
			for int(id[at]) != b {
				place := &starts[id[at]]
				ids[*place], id = id, ids[*place]
				*place++
			}
			ids[starts[b]] = id
			starts[b]++
		}
	}
	start := 0
	for _, end := range ends {
		sortIDs(ids[start:end], at+1)
		start = end
	}
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
		return exhaust.Device{}, errDamaged
	}
	return exhaust.Device{
		ID:          uuid.UUID(record[:16]),
		IsUpperCase: record[16]&upperCaseBit != 0,
		Consent:     exhaust.Consent(record[16] &^ upperCaseBit),
		Username:    string(record[17:]),
	}, nil
}
