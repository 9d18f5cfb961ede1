package telemetry

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"data-exhaust/telemetry/gunzip"
)

// CorruptError says that a telemetry object ends early, fails its checksum, is damaged, or is in a form that is not read.
// It is not retryable: reading the same bytes again ends with it again. Problem is a sentence without the object's name
// and without anything of its content.
type CorruptError struct{ Problem string }

func (e *CorruptError) Error() string { return e.Problem }

// The zstd command, too, refuses windows beyond 128 MiB unless it is asked to take them.
const (
	maxWindow     = 128 << 20
	windowProblem = "its zstd window is larger than 128 MiB, as zstd --long makes it; compress it with --long=27 or less"
)

// opener decompresses one object after the other with the same decoders.
type opener struct {
	source *bufio.Reader
	layers [maxLayers]layer
	plain  readerChunks
}

// maxLayers is how often an object may be compressed. Some pipelines compress what is compressed already.
const maxLayers = 2

func newOpener() opener { return opener{source: bufio.NewReaderSize(nil, peekBuffer)} }

// peekBuffer is as small as bufio takes it: what reads more at a time reads past the buffer.
const peekBuffer = 16

// open tells gzip, zstd and plain apart by the first bytes, of the object and of what it holds unpacked, and gives the
// object's text and the first chunk of it. It takes what holds no more than the beginning of gzip's or zstd's mark for
// gzip or zstd that was cut there, and what holds nothing at all for an empty object, unless its name says that it is
// compressed.
func (o *opener) open(name string, source io.Reader) (text chunks, first []byte, err error) {
	o.source.Reset(source)
	mark, err := o.source.Peek(len(zstdMark))
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	o.plain.reset(o.source)
	text = &o.plain
	if len(mark) == 0 {
		return text, nil, explainEmpty(name)
	}
	packed := io.Reader(o.source)
	for i := range o.layers {
		compression := tellCompression(mark)
		if compression == uncompressed {
			return text, first, nil
		}
		l := &o.layers[i]
		if err := l.reset(compression, packed); err != nil {
			return nil, nil, err
		}
		if first, err = l.peek(len(zstdMark)); err != nil {
			return nil, nil, err
		}
		text, packed, mark = l, l, first[:min(len(first), len(zstdMark))]
	}
	if tellCompression(mark) != uncompressed {
		return nil, nil, &CorruptError{"it is compressed more than twice; what is compressed once or twice is accepted"}
	}
	return text, first, nil
}

// explainEmpty gives the problem of an object of no bytes: an upload that was broken off at once leaves one behind.
func explainEmpty(name string) error {
	switch {
	case strings.HasSuffix(name, ".gz"):
		return explainGzip(gunzip.ErrTruncated)
	case strings.HasSuffix(name, ".zst"):
		return explainZstd(io.ErrUnexpectedEOF)
	}
	return nil
}

// damage is what the outermost layer that could not be read ended with. The layer within may have taken that for
// something else.
func (o *opener) damage() error {
	for i := range o.layers {
		if err := o.layers[i].err; err != nil {
			return err
		}
	}
	return nil
}

// release drops the object.
func (o *opener) release() {
	o.source.Reset(nil)
	o.plain.release()
	for i := range o.layers {
		o.layers[i].release()
	}
}

type compression int

const (
	uncompressed compression = iota
	inGzip
	inZstd
)

// tellCompression tells how that is compressed which begins with first.
func tellCompression(first []byte) compression {
	switch {
	case len(first) == 0:
	case beginsWith(first, gzipMark):
		return inGzip
	case beginsWith(first, zstdMark), isSkippableFrame(first):
		return inZstd
	}
	return uncompressed
}

// layer is one compression of an object.
type layer struct {
	compression compression
	gzip        gunzip.Reader
	zstd        zstdReader
	unpacked    readerChunks // what zstd gives
	unread      []byte       // what Read has yet to give of the last chunk
	err         error        // what reading the layer ended with, but io.EOF
}

func (l *layer) reset(compression compression, packed io.Reader) error {
	l.compression, l.unread, l.err = compression, nil, nil
	if compression == inGzip {
		l.gzip.Reset(packed)
		return nil
	}
	l.unpacked.reset(&l.zstd)
	l.err = l.zstd.reset(packed)
	return l.err
}

func (l *layer) release() {
	l.gzip.Release()
	l.zstd.release()
	l.unpacked.release()
	l.unread, l.err = nil, nil
}

func (l *layer) Next(keep int) (chunk []byte, err error) {
	if l.compression == inGzip {
		chunk, err = l.gzip.Next(keep)
		err = explainGzip(err)
	} else {
		chunk, err = l.unpacked.Next(keep)
	}
	if err != nil && err != io.EOF {
		l.err = err
	}
	return chunk, err
}

// peek gives the first chunk, of at least so many bytes unless the layer holds less. Read will give them, too.
func (l *layer) peek(size int) ([]byte, error) {
	chunk, err := l.Next(0)
	for err == nil && len(chunk) < size {
		chunk, err = l.Next(len(chunk))
	}
	if err == io.EOF {
		err = nil
	}
	l.unread = chunk
	return chunk, err
}

// Read gives the layer's text to a layer within.
func (l *layer) Read(p []byte) (n int, err error) {
	if len(l.unread) == 0 {
		if l.unread, err = l.Next(0); err != nil {
			return 0, err
		}
	}
	n = copy(p, l.unread)
	l.unread = l.unread[n:]
	return n, nil
}

var (
	gzipMark = []byte{0x1f, 0x8b}
	zstdMark = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// beginsWith tells whether first begins with mark, or is all that there is of it.
func beginsWith(first, mark []byte) bool {
	return bytes.HasPrefix(first, mark) || bytes.HasPrefix(mark, first)
}

// isSkippableFrame tells whether first begins a frame without content. pzstd and some archivers put such frames before
// zstd's own.
func isSkippableFrame(first []byte) bool {
	return len(first) == 4 && first[0]&0xf0 == 0x50 && first[1] == 0x2a && first[2] == 0x4d && first[3] == 0x18
}

// explainGzip turns a decoder's error into the problem that the object has. The source's own error stays as it is.
func explainGzip(err error) error {
	switch err {
	case gunzip.ErrTruncated:
		return &CorruptError{"its gzip data ends early"}
	case gunzip.ErrChecksum:
		return &CorruptError{"its gzip data does not match its checksum"}
	case gunzip.ErrHeader:
		return &CorruptError{"the header of a gzip member is damaged"}
	case gunzip.ErrTrailing:
		return &CorruptError{"bytes that are neither gzip nor zero padding follow its last gzip member"}
	case gunzip.ErrData:
		return &CorruptError{"its gzip data is damaged"}
	}
	return err
}

// zstdReader reads all frames of a zstd object.
type zstdReader struct {
	decoder *zstd.Decoder
	in      *bufio.Reader // of which the decoder reads the head of each block by itself
}

const zstdBuffer = 64 << 10

func (z *zstdReader) reset(in io.Reader) error {
	if z.decoder == nil {
		z.in = bufio.NewReaderSize(nil, zstdBuffer)
		decoder, err := zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return err
		}
		z.decoder = decoder
	}
	z.in.Reset(in)
	return explainZstd(z.decoder.Reset(z.in))
}

func (z *zstdReader) release() {
	if z.decoder != nil {
		z.decoder.Reset(nil)
	}
}

func (z *zstdReader) Read(p []byte) (int, error) {
	n, err := z.decoder.Read(p)
	return n, explainZstd(err)
}

func explainZstd(err error) error {
	switch {
	case err == nil, err == io.EOF:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &CorruptError{"its zstd data ends early"}
	case errors.Is(err, zstd.ErrCRCMismatch):
		return &CorruptError{"its zstd data does not match its checksum"}
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return &CorruptError{windowProblem}
	case errors.Is(err, zstd.ErrMagicMismatch):
		return &CorruptError{"bytes that are no zstd follow its last zstd frame"}
	case errors.Is(err, zstd.ErrUnknownDictionary):
		return &CorruptError{"its zstd data needs a dictionary"}
	}
	return &CorruptError{"its zstd data is damaged"}
}

// sourceReader keeps the error of the object's own reader, so that Scan never takes a lost connection for a damaged
// object, whatever a decoder makes of that error.
type sourceReader struct {
	ctx        context.Context
	r          io.Reader
	err        error
	emptyReads int // how many reads in a row gave nothing
}

func (s *sourceReader) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	n, err := s.r.Read(p)
	if n > 0 || err != nil {
		s.emptyReads = 0
	} else if s.emptyReads++; s.emptyReads == maxEmptyReads {
		err = io.ErrNoProgress
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

const maxEmptyReads = 100
