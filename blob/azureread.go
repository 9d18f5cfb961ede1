package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
)

// maxBreaks is how many requests in a row may break before they gave a byte.
const maxBreaks = 5

// Open streams the object in ranges, each on the condition that the object still has the ETag of the first.
func (a *Azure) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := checkListed(name); err != nil {
		return nil, a.wrap("open", name, err)
	}
	r := a.newReader(ctx, name)
	err := r.request()
	if isEmpty(err) {
		return r, nil
	}
	if err != nil {
		return nil, a.wrap("open", name, r.cause(err))
	}
	return r, nil
}

// OpenVersion streams the object in ranges, each on the condition that the object has the ETag that was listed, and reads
// ahead. Open does not: a merge opens many staged objects at a time.
func (a *Azure) OpenVersion(ctx context.Context, object Object) (io.ReadCloser, error) {
	if err := checkListed(object.Name); err != nil {
		return nil, a.wrap("open", object.Name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := a.newReader(ctx, object.Name)
	r.isKnown, r.etag, r.size = true, object.ETag, object.Size
	if err := r.request(); err != nil {
		err = a.wrap("open", object.Name, r.versionCause(err))
		cancel()
		return nil, err
	}
	if r.size == 0 {
		r.finish()
	}
	return readAhead(ctx, cancel, r), nil
}

func (a *Azure) newReader(ctx context.Context, name string) *azureReader {
	return &azureReader{ctx: ctx, store: a, name: name, blob: a.container.NewBlobClient(a.prefix + name)}
}

// isEmpty tells whether a request failed because an empty object has no range.
func isEmpty(err error) bool {
	response, ok := errors.AsType[*azcore.ResponseError](err)
	return ok && response.StatusCode == http.StatusRequestedRangeNotSatisfiable
}

type azureReader struct {
	ctx   context.Context
	store *Azure
	name  string
	blob  *blob.Client

	isKnown bool   // whether etag and size are: by a listing, or by the first answer
	etag    string // of the version that is read
	size    int64  // of the object
	offset  int64  // of the next byte

	body    io.ReadCloser // of the request under way, nil if there is none
	cancel  context.CancelFunc
	stall   *time.Timer // cancels the request
	bodyEnd int64       // offset after the last byte that the request will give
	breaks  int         // of requests since the last byte
}

// request asks for the next range; of an object that is known to be empty, for all of it.
func (r *azureReader) request() error {
	count := r.store.limits.bytes
	var isUnchanged *blob.ModifiedAccessConditions
	if r.isKnown {
		count = min(count, r.size-r.offset)
		isUnchanged = ifMatch(r.etag)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	response, err := r.blob.DownloadStream(ctx, &blob.DownloadStreamOptions{
		Range:            blob.HTTPRange{Offset: r.offset, Count: count},
		AccessConditions: accessConditions(isUnchanged),
	})
	if err != nil {
		cancel()
		return err
	}
	r.body, r.cancel = response.Body, cancel
	r.stall = time.AfterFunc(r.store.limits.stall, cancel)
	if err := r.checkVersion(response); err != nil {
		r.drop()
		return err
	}
	r.bodyEnd = min(r.offset+count, r.size)
	return nil
}

// checkVersion holds every answer to the version that is read, because not all that stands between here and Azure passes
// a condition on.
func (r *azureReader) checkVersion(response blob.DownloadStreamResponse) error {
	size, err := objectSize(response)
	etag := bareETag(response.ETag)
	if err != nil || etag == "" {
		return errors.Join(err, errors.New("the answer has no usable size or ETag"))
	}
	if r.isKnown && (size != r.size || etag != r.etag) {
		return ErrChanged
	}
	r.isKnown, r.etag, r.size = true, etag, size
	return nil
}

// objectSize reads "bytes 0-99/1234"; an answer without a range is the whole object.
func objectSize(response blob.DownloadStreamResponse) (int64, error) {
	if response.ContentRange != nil {
		_, total, _ := strings.Cut(*response.ContentRange, "/")
		return strconv.ParseInt(total, 10, 64)
	}
	if response.ContentLength == nil {
		return 0, errors.New("no length")
	}
	return *response.ContentLength, nil
}

// drop ends the request under way, together with its connection unless its body has been read.
func (r *azureReader) drop() {
	if r.body == nil {
		return
	}
	r.stall.Stop()
	r.cancel()
	r.body.Close()
	r.body = nil
}

func (r *azureReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.offset < r.size {
		if r.body == nil {
			if err := r.request(); err != nil {
				return 0, r.wrap(err)
			}
		}
		n, err := r.readBody(p)
		if n > 0 {
			r.breaks = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		if r.breaks++; r.breaks >= maxBreaks || r.ctx.Err() != nil {
			return 0, r.wrap(err)
		}
		r.pause()
	}
	return 0, io.EOF
}

// readBody reads from the request under way, and ends it where it is complete or broken. Only the latter is an error.
func (r *azureReader) readBody(p []byte) (int, error) {
	r.stall.Reset(r.store.limits.stall)
	n, err := r.body.Read(p[:min(int64(len(p)), r.bodyEnd-r.offset)])
	r.stall.Stop()
	r.offset += int64(n)
	switch {
	case r.offset == r.bodyEnd:
		r.finish()
		return n, nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		r.drop()
	}
	return n, err
}

// finish lets the connection be used again: the transport takes it back when it has seen the end of the body.
func (r *azureReader) finish() {
	var one [1]byte
	r.stall.Reset(r.store.limits.stall)
	_, _ = r.body.Read(one[:])
	r.drop()
}

func (r *azureReader) pause() {
	select {
	case <-time.After(100 * time.Millisecond << r.breaks):
	case <-r.ctx.Done():
	}
}

// wrap takes an object that is gone in the middle of reading for changed: what was read cannot be completed.
func (r *azureReader) wrap(err error) error {
	cause := r.cause(err)
	if errors.Is(cause, ErrNotFound) {
		cause = ErrChanged
	}
	return fmt.Errorf("read object %q in %s at byte %d of %d: %w", r.store.prefix+r.name, r.store.where, r.offset, r.size, cause)
}

// cause is the store's, but for a connection that was taken for dead, and for a blob that is being rehydrated: to Azure it
// is an archived one until it is back.
func (r *azureReader) cause(err error) error {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	if errors.Is(err, context.Canceled) {
		stalled := fmt.Errorf("no connection gave a byte within %v", r.store.limits.stall)
		return &reasonedError{err: stalled, reason: noAnswerInTime}
	}
	if bloberror.HasCode(err, bloberror.BlobArchived) {
		if properties, err := r.store.properties(r.ctx, r.name); err == nil && valueOf(properties.ArchiveStatus) != "" {
			rehydrated := errors.New("it is being rehydrated from the archive tier")
			return &reasonedError{err: rehydrated, reason: rehydrated.Error()}
		}
	}
	return r.store.cause(err)
}

// versionCause is why there is no version as it was listed.
func (r *azureReader) versionCause(err error) error {
	if isEmpty(err) {
		return ErrChanged // there was at least a byte
	}
	cause := r.cause(err)
	if errors.Is(cause, ErrChanged) && r.store.isGone(r.ctx, r.name) {
		return ErrNotFound
	}
	return cause
}

func (r *azureReader) Close() error {
	r.drop()
	r.size = 0 // nothing more is requested
	return nil
}
