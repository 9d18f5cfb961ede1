package activities

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

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

// Joined counts the devices of an exhaust.
type Joined struct {
	// Known are the devices that the registry knows.
	Known int64 `json:"known"`
	// Unknown are those that it does not.
	Unknown int64 `json:"unknown"`
	// RepeatSegments counts the staged segments of repeats.
	RepeatSegments int `json:"repeatRuns,omitempty"`
}

// lookupBatch is how many devices are asked for at a time. The registry looks up parts of them side by side.
const lookupBatch = 20_000

// JoinDevices finds the exhaust's devices and stages what the registry knows of them, ascending by id, as well as the
// repeats, which BuildCSV drops.
func (a *Activities) JoinDevices(ctx context.Context, in JoinInput) (Joined, error) {
	return withHeartbeats(ctx, func(ctx context.Context, h *heartbeater) (Joined, error) {
		joined, err := a.joinDevices(ctx, in, h)
		return joined, stagingError(err)
	})
}

func (a *Activities) joinDevices(ctx context.Context, in JoinInput, h *heartbeater) (Joined, error) {
	free, err := a.builds.take(ctx, h)
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

func (a *Activities) joinRegistered(ctx context.Context, in JoinInput) (joined Joined, err error) {
	err = segments.Write(ctx, a.deps.Reports, devicesName(in.Staging), func(add func([]byte) error) error {
		for after := ""; ; {
			devices, next, err := a.deps.UCI.Registered(ctx, in.ConversationID, after, lookupBatch)
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
	// uuids are the devices that the registry could know, others are not.
	var uuids, others idSet
	joined.RepeatSegments, err = findRepeats(ctx, a.deps.Reports, in.Staging, in.Segments, func(device []byte) {
		if id, ok := exhaust.ParseDeviceID(string(device)); ok {
			uuids.add(id)
		} else {
			others.add(hashID(device))
		}
	})
	if err != nil {
		return Joined{}, err
	}
	ids := uuids.sort()
	joined.Unknown = int64(len(others.sort()))
	withUsername := in.Dataset == exhaust.PrivateExhaust
	err = segments.Write(ctx, a.deps.Reports, devicesName(in.Staging), func(add func([]byte) error) error {
		for batch := range slices.Chunk(ids, lookupBatch) {
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
