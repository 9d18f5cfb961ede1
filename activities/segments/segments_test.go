package segments_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"data-exhaust/activities/segments"
	"data-exhaust/blob"
	"data-exhaust/internal/heaptest"
)

func newStore(t testing.TB) *blob.Local {
	t.Helper()
	store, err := blob.NewLocal(t.TempDir(), blob.LocalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// collect gives a function that keeps copies of the records it is called with.
func collect(into *[][]byte) func([]byte) error {
	return func(record []byte) error {
		*into = append(*into, bytes.Clone(record))
		return nil
	}
}

// randomRecords are of few different bytes, so that many are equal or begin another.
func randomRecords(r *rand.Rand, most int) [][]byte {
	records := make([][]byte, r.IntN(most))
	for i := range records {
		record := make([]byte, 1+r.IntN(12))
		for j := range record {
			record[j] = "\x00\x01a\xff"[r.IntN(4)]
		}
		records[i] = record
	}
	return records
}

func stored(t *testing.T, store segments.Store, name string, records [][]byte) {
	t.Helper()
	var buffer segments.Buffer
	for _, record := range records {
		buffer.Add(record)
	}
	if buffer.Len() != len(records) {
		t.Fatalf("the buffer counts %d records of %d", buffer.Len(), len(records))
	}
	if err := buffer.Store(context.Background(), store, name); err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("record %d is %q, want %q", i, got[i], want[i])
		}
	}
}

func TestMergingSegmentsIsSortingAllTheirRecords(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		store := memory{}
		var (
			names []string
			all   [][]byte
		)
		for i := range r.IntN(12) {
			records := randomRecords(r, 40)
			name := fmt.Sprintf("segment-%d", i)
			stored(t, store, name, records)
			names = append(names, name)
			all = append(all, records...)
		}
		slices.SortFunc(all, bytes.Compare)
		var got [][]byte
		if err := segments.Merge(context.Background(), store, names, "scratch-", collect(&got)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		equal(t, got, all)
	}
}

func TestMoreSegmentsThanAreReadAtATimeAreMergedInLevels(t *testing.T) {
	for _, count := range []int{255, 256, 257, 256*3 + 1} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(count), 2))
			store := &countingStore{Store: memory{}}
			var (
				names []string
				all   [][]byte
			)
			for i := range count {
				records := append(randomRecords(r, 6), fmt.Appendf(nil, "b%d", r.IntN(9)))
				name := fmt.Sprintf("segment-%04d", i)
				stored(t, store, name, records)
				names = append(names, name)
				all = append(all, records...)
			}
			slices.SortFunc(all, bytes.Compare)
			for range 2 { // another attempt finds the scratch of the first
				var got [][]byte
				if err := segments.Merge(context.Background(), store, names, "scratch-", collect(&got)); err != nil {
					t.Fatal(err)
				}
				equal(t, got, all)
			}
			if most := store.most.Load(); most > 256 {
				t.Errorf("%d segments were open at a time, want at most 256", most)
			}
			if left := store.open.Load(); left != 0 {
				t.Errorf("%d segments were never closed", left)
			}
		})
	}
}

// countingStore counts the objects that are open.
type countingStore struct {
	segments.Store
	open, most atomic.Int64
}

func (s *countingStore) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := s.Store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	s.most.Store(max(s.most.Load(), s.open.Add(1)))
	return &countedReader{ReadCloser: r, open: &s.open}, nil
}

type countedReader struct {
	io.ReadCloser
	open *atomic.Int64
}

func (r *countedReader) Close() error {
	r.open.Add(-1)
	return r.ReadCloser.Close()
}

func TestABufferIsUsedAgainAfterReset(t *testing.T) {
	store := newStore(t)
	var buffer segments.Buffer
	for round, records := range [][]string{{"b", "a", "a", "ab"}, {"zz", "y"}, {}} {
		for _, record := range records {
			buffer.Add([]byte(record))
		}
		if err := buffer.Store(context.Background(), store, "segment"); err != nil {
			t.Fatal(err)
		}
		buffer.Reset()
		if buffer.Len() != 0 || buffer.Size() != 0 {
			t.Fatalf("after Reset it holds %d records of %d bytes", buffer.Len(), buffer.Size())
		}
		var got [][]byte
		if err := segments.Read(context.Background(), store, "segment", collect(&got)); err != nil {
			t.Fatal(err)
		}
		want := [][]string{{"a", "a", "ab", "b"}, {"y", "zz"}, nil}[round]
		if text := string(bytes.Join(got, []byte(" "))); text != strings.Join(want, " ") {
			t.Errorf("round %d: got %q, want %q", round, text, want)
		}
	}
}

func TestARecordOfAnySizeUpToSixtyFourMebibytesIsStaged(t *testing.T) {
	store := newStore(t)
	for size, fits := range map[int]bool{0: false, 1: true, 64<<10 + 1: true, 20 << 20: true, 64<<20 + 1: false} {
		record := bytes.Repeat([]byte("z"), size)
		err := segments.Write(context.Background(), store, "segment", func(add func([]byte) error) error { return add(record) })
		if !fits {
			if want := fmt.Sprintf("staging segment: a record of %d bytes cannot be staged", size); err == nil || err.Error() != want {
				t.Errorf("%d bytes: error %v, want %q", size, err, want)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		var got [][]byte
		if err := segments.Read(context.Background(), store, "segment", collect(&got)); err != nil {
			t.Fatal(err)
		}
		equal(t, got, [][]byte{record})
	}
}

func TestAnAbortedSegmentDoesNotAppear(t *testing.T) {
	store := newStore(t)
	broken := errors.New("broken")
	err := segments.Write(context.Background(), store, "segment", func(add func([]byte) error) error {
		return errors.Join(add([]byte("a")), broken)
	})
	if !errors.Is(err, broken) || err.Error() != "staging segment: broken" {
		t.Errorf("error %v", err)
	}
	if err := segments.Read(context.Background(), store, "segment", collect(new([][]byte))); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("reading it: %v, want blob.ErrNotFound", err)
	}
}

func TestMergeEndsWithTheErrorOfWhoReads(t *testing.T) {
	store := &countingStore{Store: newStore(t)}
	stored(t, store, "one", [][]byte{[]byte("a"), []byte("c")})
	stored(t, store, "two", [][]byte{[]byte("b")})
	enough := errors.New("enough")
	var got [][]byte
	err := segments.Merge(context.Background(), store, []string{"one", "two"}, "scratch-", func(record []byte) error {
		got = append(got, bytes.Clone(record))
		if string(record) == "b" {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || len(got) != 2 {
		t.Errorf("error %v after %q", err, got)
	}
	if left := store.open.Load(); left != 0 {
		t.Errorf("%d segments were never closed", left)
	}
	err = segments.Merge(context.Background(), store, []string{"one", "gone", "two"}, "scratch-", collect(&got))
	if !errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), "reading staged gone:") {
		t.Errorf("a segment that is gone: %v", err)
	}
	if left := store.open.Load(); left != 0 {
		t.Errorf("%d segments were never closed when one was gone", left)
	}
}

// memory is a store without a disk: for many segments, and for damaged ones.
type memory map[string][]byte

func (m memory) Open(_ context.Context, name string) (io.ReadCloser, error) {
	data, ok := m[name]
	if !ok {
		return nil, blob.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (m memory) Create(_ context.Context, name, _ string) (blob.Writer, error) {
	return &memoryWriter{store: m, name: name}, nil
}

type memoryWriter struct {
	bytes.Buffer
	store memory
	name  string
}

func (w *memoryWriter) Commit() error { w.store[w.name] = w.Bytes(); return nil }
func (w *memoryWriter) Abort() error  { return nil }
func (w *memoryWriter) CommitIf(string) (blob.Object, error) {
	return blob.Object{}, errors.ErrUnsupported
}

func TestADamagedSegmentIsAnErrorAndNeverFewerRecords(t *testing.T) {
	store := newStore(t)
	r := rand.New(rand.NewPCG(4, 4))
	var records [][]byte
	for range 3000 {
		record := make([]byte, 1+r.IntN(60))
		for i := range record {
			record[i] = byte(r.UintN(256))
		}
		records = append(records, record)
	}
	slices.SortFunc(records, bytes.Compare)
	stored(t, store, "segment", records)
	source, err := store.Open(context.Background(), "segment")
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	whole, err := io.ReadAll(source)
	if err != nil {
		t.Fatal(err)
	}
	read := func(data []byte) ([][]byte, error) {
		var got [][]byte
		err := segments.Read(context.Background(), memory{"segment": data}, "segment", collect(&got))
		return got, err
	}
	got, err := read(whole)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, records)

	for cut := 0; cut < len(whole); cut += 1 + r.IntN(97) {
		if got, err := read(whole[:cut]); err == nil {
			t.Fatalf("the first %d bytes of %d are read as %d records without an error", cut, len(whole), len(got))
		}
	}
	if _, err := read(nil); err == nil || err.Error() != "reading staged segment: it is damaged: unexpected EOF" {
		t.Errorf("an empty object: error %v", err)
	}
	if got, err := read(whole[:len(whole)-1]); err == nil {
		t.Errorf("without its last byte it is read as %d records without an error", len(got))
	}
	for range 2000 {
		at, bit := r.IntN(len(whole)), byte(1)<<r.IntN(8)
		damaged := bytes.Clone(whole)
		damaged[at] ^= bit
		got, err := read(damaged)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "reading staged segment: ") {
				t.Fatalf("byte %d damaged: the error does not name the segment: %v", at, err)
			}
			continue
		}
		// A flag of the format that means nothing here may change without a word; a record may not.
		equal(t, got, records)
	}
}

func TestASegmentThatLacksABlockOfRecordsIsAnError(t *testing.T) {
	store := newStore(t)
	err := segments.Write(context.Background(), store, "segment", func(add func([]byte) error) error {
		for n := range 5 * 1024 {
			if err := add(fmt.Appendf(nil, "%063d", n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	source, err := store.Open(context.Background(), "segment")
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	whole, err := io.ReadAll(source)
	if err != nil {
		t.Fatal(err)
	}
	var blocks int
	for at := 4; binary.LittleEndian.Uint32(whole[at:]) > 0; {
		end := at + 12 + int(binary.LittleEndian.Uint32(whole[at+4:]))
		blocks++
		without := append(bytes.Clone(whole[:at]), whole[end:]...)
		var got [][]byte
		err := segments.Read(context.Background(), memory{"segment": without}, "segment", collect(&got))
		if !errors.Is(err, segments.ErrDamaged) {
			t.Errorf("without block %d it is read as %d records of 5120 and %v", blocks, len(got), err)
		}
		at = end
	}
	// With its length a record takes 64 bytes; a few in each block of 64 KiB are left out.
	if blocks != 6 {
		t.Errorf("the segment has %d blocks of records, want 6", blocks)
	}
}

func TestMemoryIsBoundedWhereSegmentsAreMerged(t *testing.T) {
	// 120 segments of 2 MiB each, 240 MiB in all, of bytes that do not compress.
	store := newStore(t)
	r := rand.NewChaCha8([32]byte{1})
	var names []string
	record := make([]byte, 1024)
	for i := range 120 {
		name := fmt.Sprintf("segment-%03d", i)
		err := segments.Write(context.Background(), store, name, func(add func([]byte) error) error {
			for n := range 2048 {
				_, _ = r.Read(record)
				record[0], record[1] = byte(n>>8), byte(n)
				if err := add(record); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	stop := heaptest.Watch()
	var count int
	if err := segments.Merge(context.Background(), store, names, "scratch-", func([]byte) error { count++; return nil }); err != nil {
		t.Fatal(err)
	}
	_, peak := stop()
	if count != 120*2048 {
		t.Errorf("%d records", count)
	}
	// 120 open segments at about 70 KiB, and what the garbage collector has not taken yet.
	if peak > 24<<20 {
		t.Errorf("the heap grew by %d MiB, want at most 24", peak>>20)
	}
}

func TestABufferTakesTheRecordsOfAnother(t *testing.T) {
	store := newStore(t)
	var own, other segments.Buffer
	for _, record := range []string{"d", "a", "long enough for no prefix 2"} {
		own.Add([]byte(record))
	}
	for _, record := range []string{"c", "long enough for no prefix 1", "a", "b"} {
		other.Add([]byte(record))
	}
	size := own.Size() + other.Size()
	own.Append(&other)
	if own.Len() != 7 || own.Size() != size || other.Len() != 0 || other.Size() != 0 {
		t.Errorf("%d records in %d bytes, and %d in %d are left; want 7 in %d and none", own.Len(), own.Size(), other.Len(), other.Size(), size)
	}
	// What the other gathers next is no concern of this one.
	other.Add([]byte("x"))
	if err := own.Store(t.Context(), store, "a"); err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	if err := segments.Read(t.Context(), store, "a", collect(&got)); err != nil {
		t.Fatal(err)
	}
	if want := "a a b c d long enough for no prefix 1 long enough for no prefix 2"; string(bytes.Join(got, []byte(" "))) != want {
		t.Errorf("stored %q, want %q", got, want)
	}
}

// What the store itself fails with says nothing of the segment: reading it again may succeed.
func TestAStoreThatFailsIsNoDamage(t *testing.T) {
	records := memory{}
	stored(t, records, "segment", [][]byte{[]byte("a"), []byte("b")})
	away := errors.New("the network is away")
	for size := range len(records["segment"]) {
		store := failingStore{memory: records, size: size, err: away}
		var got [][]byte
		err := segments.Read(context.Background(), store, "segment", collect(&got))
		if !errors.Is(err, away) || errors.Is(err, segments.ErrDamaged) {
			t.Errorf("after %d bytes: %v", size, err)
		}
	}
}

// failingStore fails once so many bytes were read.
type failingStore struct {
	memory
	size int
	err  error
}

func (s failingStore) Open(_ context.Context, name string) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(bytes.NewReader(s.memory[name][:s.size]), iotest.ErrReader(s.err))), nil
}

func TestAStoreThatPanicsDoesSoInTheCallersGoroutine(t *testing.T) {
	defer func() {
		if value := recover(); value != "of the store" {
			t.Errorf("recovered from %v", value)
		}
	}()
	err := segments.Merge(context.Background(), panickingStore{}, []string{"a", "b"}, "scratch-", func([]byte) error { return nil })
	t.Errorf("merging ended with %v", err)
}

type panickingStore struct{ memory }

func (panickingStore) Open(context.Context, string) (io.ReadCloser, error) { panic("of the store") }

// Segments of records that are so long that a few fill the memory of a merge are merged a few at a time.
func TestMemoryIsBoundedWhereLongRecordsAreMerged(t *testing.T) {
	store := newStore(t)
	const count, size = 60, 6 << 20
	var names []string
	for i := range count {
		// The long record is the last: the segment's beginning tells of it.
		var buffer segments.Buffer
		buffer.Add(fmt.Appendf(nil, "a%02d", i))
		buffer.Add(append(fmt.Appendf(nil, "b%02d", (i*7)%count), make([]byte, size)...))
		name := fmt.Sprintf("segment-%02d", i)
		if err := buffer.Store(context.Background(), store, name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	stop := heaptest.Watch()
	var got []string
	err := segments.Merge(context.Background(), store, names, "scratch-", func(record []byte) error {
		got = append(got, string(record[:3]))
		return nil
	})
	_, peak := stop()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, kind := range []string{"a", "b"} {
		for i := range count {
			want = append(want, fmt.Sprintf("%s%02d", kind, i))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	// Five of them at a time, the two of the writer, and what the garbage collector has not taken yet.
	if peak > 120<<20 {
		t.Errorf("the heap grew by %d MiB for %d records of %d MiB, want at most 120", peak>>20, count, size>>20)
	}
}
