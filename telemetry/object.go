package telemetry

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
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
	layers [maxLayers]layer
	text   *bufio.Reader // what the last layer holds, when it is looked at for another one
}

// maxLayers is how often an object may be compressed. Some pipelines compress what is compressed already.
const maxLayers = 2

// layer is one compression of an object.
type layer struct {
	in   *bufio.Reader
	gzip gzipReader
	zstd zstdReader
	err  error // what reading the layer ended with, but io.EOF
}

const sourceBuffer = 64 << 10

func newOpener() opener {
	o := opener{text: bufio.NewReaderSize(nil, len(zstdMark))}
	for i := range o.layers {
		o.layers[i].in = bufio.NewReaderSize(nil, sourceBuffer)
	}
	return o
}

// open tells gzip, zstd and plain apart by the first bytes, of the object and of what it holds unpacked. It takes what
// holds no more than the beginning of gzip's or zstd's mark for gzip or zstd that was cut there, and what holds nothing
// at all for an empty object, unless its name says that it is compressed.
func (o *opener) open(name string, source io.Reader) (io.Reader, error) {
	for i := range o.layers {
		o.layers[i].err = nil
	}
	for i := range o.layers {
		l := &o.layers[i]
		l.in.Reset(source)
		first, err := l.in.Peek(len(zstdMark))
		if err != nil && err != io.EOF {
			return nil, err
		}
		if i == 0 && len(first) == 0 {
			return l.in, explainEmpty(name)
		}
		compression := tellCompression(first)
		if compression == nil {
			return l.in, nil
		}
		if source, err = compression(l); err != nil {
			return nil, err
		}
	}
	o.text.Reset(source)
	first, err := o.text.Peek(len(zstdMark))
	if err != nil && err != io.EOF {
		return nil, err
	}
	if tellCompression(first) != nil {
		return nil, &CorruptError{"it is compressed more than twice; what is compressed once or twice is accepted"}
	}
	return o.text, nil
}

// explainEmpty gives the problem of an object of no bytes: an upload that was broken off at once leaves one behind.
func explainEmpty(name string) error {
	switch {
	case strings.HasSuffix(name, ".gz"):
		return explainGzip(io.ErrUnexpectedEOF)
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
	for i := range o.layers {
		o.layers[i].in.Reset(nil)
		o.layers[i].zstd.release()
	}
	o.text.Reset(nil)
}

// tellCompression gives what opens a layer that begins with first, nil for plain text.
func tellCompression(first []byte) func(*layer) (io.Reader, error) {
	switch {
	case len(first) == 0:
		return nil
	case beginsWith(first, gzipMark):
		return (*layer).openGzip
	case beginsWith(first, zstdMark), isSkippableFrame(first):
		return (*layer).openZstd
	}
	return nil
}

func (l *layer) openGzip() (io.Reader, error) {
	l.gzip.reset(l.in)
	return layerReader{l, &l.gzip}, nil
}

func (l *layer) openZstd() (io.Reader, error) {
	err := l.zstd.reset(l.in)
	l.err = err
	return layerReader{l, &l.zstd}, err
}

// layerReader keeps the error of a layer's decoder.
type layerReader struct {
	layer   *layer
	decoder io.Reader
}

func (r layerReader) Read(p []byte) (int, error) {
	n, err := r.decoder.Read(p)
	if err != nil && err != io.EOF {
		r.layer.err = err
	}
	return n, err
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

// gzipReader reads all members of a gzip object. Zero bytes behind the last member are padding, as for gzip(1);
// anything else there is damage.
type gzipReader struct {
	in       *bufio.Reader
	decoder  gzip.Reader
	isInside bool // between a member's header and its end
	members  int
	err      error
}

func (g *gzipReader) reset(in *bufio.Reader) {
	g.in, g.isInside, g.members, g.err = in, false, 0, nil
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for g.err == nil {
		if !g.isInside {
			g.err = g.nextMember()
			continue
		}
		n, err := g.decoder.Read(p)
		switch {
		case err == io.EOF:
			g.isInside = false
		case err != nil:
			g.err = explainGzip(err)
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, g.err
}

// nextMember reads the header of the member that follows, io.EOF if none does.
func (g *gzipReader) nextMember() error {
	first, err := g.in.Peek(len(gzipMark))
	if err != nil && err != io.EOF {
		return err
	}
	switch {
	case len(first) == 0:
		return io.EOF
	case g.members > 0 && first[0] == 0:
		return g.skipPadding()
	case g.members > 0 && !beginsWith(first, gzipMark):
		return errAfterGzip
	}
	g.members++
	g.isInside = true
	err = g.decoder.Reset(g.in)
	if err == io.EOF {
		// The decoder says so of a header that is cut within the file's name.
		err = io.ErrUnexpectedEOF
	}
	g.decoder.Multistream(false)
	return explainGzip(err)
}

func (g *gzipReader) skipPadding() error {
	for {
		c, err := g.in.ReadByte()
		if err != nil {
			return err
		}
		if c != 0 {
			return errAfterGzip
		}
	}
}

var errAfterGzip = &CorruptError{"bytes that are neither gzip nor zero padding follow its last gzip member"}

// explainGzip turns a decoder's error into the problem that the object has, should the error not be the source's own.
func explainGzip(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &CorruptError{"its gzip data ends early"}
	case errors.Is(err, gzip.ErrChecksum):
		return &CorruptError{"its gzip data does not match its checksum"}
	case errors.Is(err, gzip.ErrHeader):
		return &CorruptError{"the header of a gzip member is damaged"}
	}
	return &CorruptError{"its gzip data is damaged"}
}

// zstdReader reads all frames of a zstd object.
type zstdReader struct{ decoder *zstd.Decoder }

func (z *zstdReader) reset(in *bufio.Reader) error {
	if z.decoder == nil {
		decoder, err := zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return err
		}
		z.decoder = decoder
	}
	return explainZstd(z.decoder.Reset(in))
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
