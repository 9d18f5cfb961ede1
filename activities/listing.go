package activities

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"data-exhaust/activities/segments"
	"data-exhaust/blob"
	"data-exhaust/receipt"
)

// The telemetry objects of a part are listed once, when the exhaust is planned, and the list is staged; FetchTelemetry reads
// exactly the objects listed there and stages in turn what it read of each. So an object that arrives later waits for the
// next exhaust, the receipt can name every object, and many thousand of them swell no payload of Temporal's. An exhaust of
// few objects carries both lists in its payloads and stages neither.

// ListedObject is a telemetry object as it was listed.
type ListedObject struct {
	Name     string    `json:"name"`
	ETag     string    `json:"etag"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

func listedObject(o blob.Object) ListedObject {
	return ListedObject{Name: o.Name, ETag: o.ETag, Size: o.Size, Modified: o.Modified}
}

func (l ListedObject) object() blob.Object {
	return blob.Object{Name: l.Name, ETag: l.ETag, Size: l.Size, Modified: l.Modified}
}

func listingName(staging, listing string) string { return staging + "listing-" + listing }

func appendObject(record []byte, o blob.Object) []byte {
	record = segments.AppendCell(record, o.Name)
	record = segments.AppendCell(record, o.ETag)
	record = binary.AppendVarint(record, o.Size)
	return binary.AppendVarint(record, o.Modified.UnixNano())
}

func readObject(record []byte) (o blob.Object, err error) {
	rest, err := readCells(string(record), &o.Name, &o.ETag)
	if err != nil {
		return o, err
	}
	var modified int64
	if rest, err = readNumbers(rest, &o.Size, &modified); err != nil || rest != "" {
		return o, errors.Join(err, errDamaged)
	}
	o.Modified = time.Unix(0, modified)
	return o, nil
}

var errDamaged = fmt.Errorf("a staged record: %w", segments.ErrDamaged)

func readCells(rest string, cells ...*string) (_ string, err error) {
	for _, cell := range cells {
		if *cell, rest, err = segments.Cell(rest); err != nil {
			return "", err
		}
	}
	return rest, nil
}

func readNumbers(rest string, numbers ...*int64) (string, error) {
	for _, number := range numbers {
		value, size := binary.Varint([]byte(rest[:min(len(rest), binary.MaxVarintLen64)]))
		if size <= 0 {
			return "", errDamaged
		}
		*number, rest = value, rest[size:]
	}
	return rest, nil
}

// objectRead is what a scan counted of one telemetry object.
type objectRead struct {
	name, etag                     string
	bytes, lines, skipped, matched int64
}

func (o *objectRead) forReceipt() receipt.Object {
	return receipt.Object{Name: o.name, ETag: o.etag, Bytes: o.bytes, Lines: o.lines, Skipped: o.skipped, Matched: o.matched}
}

func (o *objectRead) append(record []byte) []byte {
	record = segments.AppendCell(record, o.name)
	record = segments.AppendCell(record, o.etag)
	for _, number := range []int64{o.bytes, o.lines, o.skipped, o.matched} {
		record = binary.AppendVarint(record, number)
	}
	return record
}

func readObjectRead(record []byte) (o objectRead, err error) {
	rest, err := readCells(string(record), &o.name, &o.etag)
	if err == nil {
		rest, err = readNumbers(rest, &o.bytes, &o.lines, &o.skipped, &o.matched)
	}
	if err == nil && rest != "" {
		err = errDamaged
	}
	return o, err
}

// eachListed calls each with the objects of a part, in their order, from the one with index first on.
func eachListed(ctx context.Context, store segments.Store, staging string, part Part, first int, each func(o blob.Object) error) error {
	for index, object := range part.Inline {
		if index >= first {
			if err := each(object.object()); err != nil {
				return err
			}
		}
	}
	index := 0
	for _, listing := range part.Listings {
		err := segments.Read(ctx, store, listingName(staging, listing), func(record []byte) error {
			index++
			if index <= first {
				return nil
			}
			object, err := readObject(record)
			if err != nil {
				return fmt.Errorf("list of telemetry %s: %w", listing, err)
			}
			return each(object)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
