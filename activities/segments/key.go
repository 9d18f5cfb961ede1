package segments

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Keys are spelled so that comparing records byte by byte compares their keys one after another.

// AppendTime appends an instant (ns since the epoch); later ones compare greater.
func AppendTime(record []byte, t int64) []byte {
	return binary.BigEndian.AppendUint64(record, uint64(t)^1<<63)
}

// AppendText appends a text of any bytes. A text compares less than every text that it begins.
func AppendText(record []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		record = append(record, text[i])
		if text[i] == 0 {
			record = append(record, 0xff)
		}
	}
	return append(record, 0, 1)
}

// AppendCell appends a text that is carried along: nothing is sorted by it, but equal texts give equal bytes.
func AppendCell(record []byte, text string) []byte {
	record = binary.AppendUvarint(record, uint64(len(text)))
	return append(record, text...)
}

var errRecord = errors.New("a staged record is damaged")

// Time reads what AppendTime wrote and gives the rest of the record.
func Time(record []byte) (int64, []byte, error) {
	if len(record) < 8 {
		return 0, nil, errRecord
	}
	return int64(binary.BigEndian.Uint64(record) ^ 1<<63), record[8:], nil
}

// Text reads what AppendText wrote, appending it to scratch, whose memory it uses, and returns the rest of the record.
func Text(record, scratch []byte) (text, rest []byte, err error) {
	text = scratch
	for {
		zero := bytes.IndexByte(record, 0)
		if zero < 0 || zero+1 >= len(record) {
			return nil, nil, errRecord
		}
		text = append(text, record[:zero]...)
		mark := record[zero+1]
		record = record[zero+2:]
		switch mark {
		case 1:
			return text, record, nil
		case 0xff:
			text = append(text, 0)
		default:
			return nil, nil, errRecord
		}
	}
}

// Cell reads what AppendCell wrote and gives the rest of the record, both of them parts of it.
func Cell(record string) (text, rest string, err error) {
	var length, shift uint
	for i := 0; i < len(record) && i < binary.MaxVarintLen32; i++ {
		length |= uint(record[i]&0x7f) << shift
		shift += 7
		if record[i] < 0x80 {
			record = record[i+1:]
			if length > uint(len(record)) {
				break
			}
			return record[:length], record[length:], nil
		}
	}
	return "", "", errRecord
}
