package activities

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"data-exhaust/activities/runs"
	"data-exhaust/exhaust"
)

// JoinInput says whose devices to look up: those of the staged runs, or, where FromRegistry is set,
// all that are registered to the conversation.
type JoinInput struct {
	Dataset        exhaust.Dataset `json:"dataset"`
	ConversationID string          `json:"conversationId"`
	Staging        string          `json:"staging"`
	Runs           []RunRange      `json:"runs,omitempty"`
	FromRegistry   bool            `json:"fromRegistry,omitempty"`
}

// Joined counts the devices of an exhaust.
type Joined struct {
	// Known are the devices that the registry knows.
	Known int64 `json:"known"`
	// Unknown are those that it does not.
	Unknown int64 `json:"unknown"`
}

// lookup is how many devices are asked for at a time.
const lookup = 5000

// JoinDevices finds the exhaust's devices and stages what the registry knows of them, ascending by
// id, as well as the messages that were repeated at another time, which BuildCSV has to drop.
func (a *Activities) JoinDevices(ctx context.Context, in JoinInput) (Joined, error) {
	ctx, pulse := startPulse(ctx)
	join := a.joinTelemetry
	if in.FromRegistry {
		join = a.joinRegistered
	}
	joined, err := join(ctx, in)
	return joined, pulse.end(staged(err))
}

func devicesName(staging string) string { return staging + "devices" }
func repeatsName(staging string) string { return staging + "repeats" }
func scratchName(staging, kind string) string {
	return staging + "merge-" + kind + "-"
}

func (a *Activities) joinRegistered(ctx context.Context, in JoinInput) (joined Joined, err error) {
	err = runs.Write(ctx, a.deps.Reports, devicesName(in.Staging), func(add func([]byte) error) error {
		var after uuid.UUID
		for {
			devices, err := a.deps.UCI.Registered(ctx, in.ConversationID, after, lookup)
			if err != nil || len(devices) == 0 {
				return err
			}
			joined.Known += int64(len(devices))
			after = devices[len(devices)-1].ID
			if err := addDevices(add, devices); err != nil {
				return err
			}
		}
	})
	return joined, err
}

func (a *Activities) joinTelemetry(ctx context.Context, in JoinInput) (joined Joined, err error) {
	var known, others idSet
	if err := a.readIndex(ctx, in, &known, &others); err != nil {
		return Joined{}, err
	}
	ids := known.sorted()
	joined.Unknown = int64(len(others.sorted()))
	withUsername := in.Dataset == exhaust.PrivateExhaust
	err = runs.Write(ctx, a.deps.Reports, devicesName(in.Staging), func(add func([]byte) error) error {
		for batch := range slices.Chunk(ids, lookup) {
			devices, err := a.deps.UCI.Devices(ctx, batch, withUsername)
			if err != nil {
				return err
			}
			joined.Known += int64(len(devices))
			joined.Unknown += int64(len(batch) - len(devices))
			if err := addDevices(add, devices); err != nil {
				return err
			}
		}
		return nil
	})
	return joined, err
}

// readIndex merges the index of all runs: it gathers the devices of the events that are kept and
// stages the repeated messages. Devices whose id the registry could know go to uuids, others to
// others.
func (a *Activities) readIndex(ctx context.Context, in JoinInput, uuids, others *idSet) error {
	return runs.Write(ctx, a.deps.Reports, repeatsName(in.Staging), func(addRepeat func([]byte) error) error {
		var (
			event    indexReader
			mid      []byte // of the event kept last
			keptAt   int64
			repeated bool // mid is staged as repeated
			repeat   []byte
		)
		each := func(record []byte) error {
			if err := event.read(record); err != nil {
				return err
			}
			if len(event.mid) > 0 && bytes.Equal(event.mid, mid) {
				if repeated || event.time == keptAt {
					return nil
				}
				repeated = true
				repeat = runs.AppendTime(repeat[:0], keptAt)
				return addRepeat(append(repeat, mid...))
			}
			mid, keptAt, repeated = append(mid[:0], event.mid...), event.time, false
			if id, ok := exhaust.ParseDeviceID(string(event.device)); ok {
				uuids.add(id)
			} else {
				others.add(hashID(event.device))
			}
			return nil
		}
		names := runNames(in.Staging, in.Runs, indexRun)
		return runs.Merge(ctx, a.deps.Reports, names, scratchName(in.Staging, indexRun), each)
	})
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
	ids     []uuid.UUID
	compact int
}

func (s *idSet) add(id uuid.UUID) {
	if n := len(s.ids); n > 0 && s.ids[n-1] == id {
		return
	}
	s.ids = append(s.ids, id)
	if len(s.ids) >= 2*s.compact+1<<16 {
		s.sorted()
	}
}

func (s *idSet) sorted() []uuid.UUID {
	slices.SortFunc(s.ids, compareIDs)
	s.ids = slices.Compact(s.ids)
	s.compact = len(s.ids)
	return s.ids
}

func compareIDs(x, y uuid.UUID) int { return bytes.Compare(x[:], y[:]) }

// addDevices stages devices: 16 bytes of id, one of consent, the rest the encrypted username.
func addDevices(add func([]byte) error, devices []exhaust.Device) error {
	var record []byte
	for _, d := range devices {
		record = append(append(append(record[:0], d.ID[:]...), byte(d.Consent)), d.Username...)
		if err := add(record); err != nil {
			return err
		}
	}
	return nil
}

func readDevice(record []byte) (exhaust.Device, error) {
	if len(record) < 17 {
		return exhaust.Device{}, fmt.Errorf("a staged device is damaged")
	}
	return exhaust.Device{
		ID:       uuid.UUID(record[:16]),
		Consent:  exhaust.Consent(record[16]),
		Username: string(record[17:]),
	}, nil
}

// readRepeats loads the repeated messages: mid to the time of the event that is kept.
func (a *Activities) readRepeats(ctx context.Context, staging string) (map[string]int64, error) {
	repeats := map[string]int64{}
	err := runs.Read(ctx, a.deps.Reports, repeatsName(staging), func(record []byte) error {
		if len(record) < 8 {
			return fmt.Errorf("a staged repeat is damaged")
		}
		repeats[string(record[8:])] = int64(binary.BigEndian.Uint64(record) ^ 1<<63)
		return nil
	})
	return repeats, err
}
