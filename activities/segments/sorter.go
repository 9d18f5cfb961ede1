package segments

import (
	"context"
	"fmt"
)

// Sorter sorts any number of records: in memory as long as they are few, else by segments. After Each it begins anew, and
// the names of its segments go on.
type Sorter struct {
	// Store keeps the segments, whose names begin with Scratch, which nobody else uses; the caller removes them.
	Store   Store
	Scratch string
	// Memory is how many bytes of records are held in memory.
	Memory int

	buffer Buffer
	// staged counts the segments of the records that were too many for the memory, stagedBefore those of earlier ones.
	staged, stagedBefore int
}

// Add copies a record.
func (s *Sorter) Add(ctx context.Context, record []byte) error {
	return s.AddParts(ctx, record, nil, nil)
}

// AddParts adds the record that the parts are together.
func (s *Sorter) AddParts(ctx context.Context, first, second, third []byte) error {
	s.buffer.AddParts(first, second, third)
	if s.buffer.Size() < s.Memory {
		return nil
	}
	return s.stage(ctx)
}

// IsEmpty tells whether there are no records.
func (s *Sorter) IsEmpty() bool { return s.buffer.Len() == 0 && s.staged == 0 }

// Each calls do with the records in ascending order, and forgets them. A record is valid during the call only.
func (s *Sorter) Each(ctx context.Context, do func(record []byte) error) error {
	if s.staged == 0 {
		defer s.buffer.Reset()
		return s.buffer.Each(do)
	}
	if s.buffer.Len() > 0 {
		if err := s.stage(ctx); err != nil {
			return err
		}
	}
	var names []string
	for i := range s.staged {
		names = append(names, s.name(i))
	}
	s.staged, s.stagedBefore = 0, s.stagedBefore+s.staged
	return Merge(ctx, s.Store, names, names[0]+"-merge-", do)
}

func (s *Sorter) stage(ctx context.Context) error {
	defer s.buffer.Reset()
	s.staged++
	return s.buffer.Store(ctx, s.Store, s.name(s.staged-1))
}

func (s *Sorter) name(segment int) string {
	return fmt.Sprintf("%s%05d", s.Scratch, s.stagedBefore+segment)
}
