package activities

import (
	"bytes"
	"context"
	"crypto/sha256"
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
	// RepeatRuns counts the staged runs of repeats.
	RepeatRuns int `json:"repeatRuns,omitempty"`
}

// lookup is how many devices are asked for at a time. The registry looks up parts of them side by
// side.
const lookup = 20_000

// JoinDevices finds the exhaust's devices and stages what the registry knows of them, ascending by
// id, as well as the messages that were repeated at another time, which BuildCSV has to drop.
func (a *Activities) JoinDevices(ctx context.Context, in JoinInput) (Joined, error) {
	ctx, pulse := startPulse(ctx)
	joined, err := a.joinDevices(ctx, in, pulse)
	return joined, pulse.end(staged(err))
}

func (a *Activities) joinDevices(ctx context.Context, in JoinInput, pulse *pulse) (Joined, error) {
	free, err := a.builds.take(ctx, pulse)
	if err != nil {
		return Joined{}, err
	}
	defer free()
	if in.FromRegistry {
		return a.joinRegistered(ctx, in)
	}
	return a.joinTelemetry(ctx, in)
}

func devicesName(staging string) string { return staging + "devices" }
func repeatsName(staging string, run int) string {
	return fmt.Sprintf("%srepeats-%05d", staging, run)
}
func scratchName(staging, kind string) string {
	return staging + "merge-" + kind + "-"
}

func (a *Activities) joinRegistered(ctx context.Context, in JoinInput) (joined Joined, err error) {
	err = runs.Write(ctx, a.deps.Reports, devicesName(in.Staging), func(add func([]byte) error) error {
		for after := ""; ; {
			devices, next, err := a.deps.UCI.Registered(ctx, in.ConversationID, after, lookup)
			if err != nil {
				return err
			}
			joined.Known += int64(len(devices))
			if err := addDevices(add, devices); err != nil {
				return err
			}
			if after = next; after == "" {
				return nil
			}
		}
	})
	return joined, err
}

func (a *Activities) joinTelemetry(ctx context.Context, in JoinInput) (joined Joined, err error) {
	var known, others idSet
	if joined.RepeatRuns, err = a.readIndex(ctx, in, &known, &others); err != nil {
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
// stages the repeats, which are the rows that BuildCSV has to drop. Devices whose id the registry
// could know go to uuids, others to others. It gives the number of runs of repeats.
func (a *Activities) readIndex(ctx context.Context, in JoinInput, uuids, others *idSet) (int, error) {
	var (
		event   indexReader
		mid     []byte // of the event kept last
		keptAt  int64
		repeats runs.Buffer
		repeat  []byte
		stored  int
	)
	store := func() error {
		if repeats.Len() == 0 {
			return nil
		}
		if err := repeats.Store(ctx, a.deps.Reports, repeatsName(in.Staging, stored)); err != nil {
			return err
		}
		repeats.Reset()
		stored++
		return nil
	}
	each := func(record []byte) error {
		if err := event.read(record); err != nil {
			return err
		}
		if len(event.mid) > 0 && bytes.Equal(event.mid, mid) {
			if event.time == keptAt {
				return nil // beside the row that is kept, where BuildCSV sees it
			}
			repeat = appendRepeat(repeat[:0], event.time, mid)
			repeats.Add(repeat)
			if repeats.Size() < bufferBytes {
				return nil
			}
			return store()
		}
		mid, keptAt = append(mid[:0], event.mid...), event.time
		if id, ok := exhaust.ParseDeviceID(string(event.device)); ok {
			uuids.add(id)
		} else {
			others.add(hashID(event.device))
		}
		return nil
	}
	names := runNames(in.Staging, in.Runs, indexRun)
	if err := runs.Merge(ctx, a.deps.Reports, names, scratchName(in.Staging, indexRun), each); err != nil {
		return 0, err
	}
	if err := store(); err != nil {
		return 0, err
	}
	return stored, nil
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
