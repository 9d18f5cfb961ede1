package segments

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Keys are spelled so that comparing records byte by byte compares their keys one after another.

// AppendText appends a text of any bytes. A text compares less than every text that it begins.
func AppendText(record, text []byte) []byte {
	for {
		zero := bytes.IndexByte(text, 0)
		if zero < 0 {
			record = append(record, text...)
			return append(record, 0, 1)
		}
		record = append(record, text[:zero+1]...)
		record = append(record, 0xff)
		text = text[zero+1:]
	}
}

// AppendCell appends a text that is carried along: nothing is sorted by it, but equal texts give equal bytes.
func AppendCell(record []byte, text string) []byte {
	record = binary.AppendUvarint(record, uint64(len(text)))
	return append(record, text...)
}

var errRecord = fmt.Errorf("a staged record: %w", ErrDamaged)

// Text reads what AppendText wrote and gives the rest of the record, both of them parts of it; a text that holds a zero
// byte is a copy.
func Text(record []byte) (text, rest []byte, err error) {
	var copied []byte
	for {
		zero := bytes.IndexByte(record, 0)
		if zero < 0 || zero+1 >= len(record) {
			return nil, nil, errRecord
		}
		text, rest = record[:zero], record[zero+2:]
		switch record[zero+1] {
		case 1:
			if copied != nil {
				text = append(copied, text...)
			}
			return text, rest, nil
		case 0xff:
			copied = append(append(copied, text...), 0)
			record = rest
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
