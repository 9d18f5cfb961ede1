package summary

import (
	"encoding/binary"
	"slices"
)

// devices are those that gave an answer, or were shown a title, as far as it matters which they are.
type devices struct {
	// numbers are theirs, ascending; nil once areEnough.
	numbers   []uint32
	areEnough bool
}

const deviceSize = 8

// add adds a device, and tells how many bytes of memory that took.
func (d *devices) add(device uint32, minDevices int) (bytes int) {
	if d.areEnough {
		return 0
	}
	at, isThere := slices.BinarySearch(d.numbers, device)
	if isThere {
		return 0
	}
	if len(d.numbers)+1 >= minDevices {
		bytes = -len(d.numbers) * deviceSize
		d.numbers, d.areEnough = nil, true
		return bytes
	}
	d.numbers = slices.Insert(d.numbers, at, device)
	return deviceSize
}

func (d *devices) addAll(others *devices, minDevices int) {
	for _, device := range others.numbers {
		d.add(device, minDevices)
	}
	if others.areEnough {
		d.numbers, d.areEnough = nil, true
	}
}

// append appends how many they are, which is 0 of enough, and their numbers.
func (d *devices) append(record []byte) []byte {
	record = binary.AppendUvarint(record, uint64(len(d.numbers)))
	for _, device := range d.numbers {
		record = binary.AppendUvarint(record, uint64(device))
	}
	return record
}

func (r *recordReader) devices() (d devices) {
	count := r.count()
	d.areEnough = count == 0
	for range count {
		d.numbers = append(d.numbers, uint32(r.count()))
		if r.err != nil {
			return devices{}
		}
	}
	return d
}
