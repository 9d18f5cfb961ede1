package blob

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"
)

const (
	// firstBlock is the size of the first blocks. With those being sent a writer holds three times as much: 12 MiB.
	firstBlock = 4 << 20

	// blocksPerSize is after how many blocks their size doubles, so that Azure's 50,000 blocks make 1.2 TiB.
	blocksPerSize = 10_000

	maxBlocks      = 50_000
	parallelBlocks = 2

	// stageTimeout is for one try to send a block.
	stageTimeout = 2 * time.Minute
)

// blockSize is the size in bytes of the block of that index.
func blockSize(index int) int { return firstBlock << (index / blocksPerSize) }

// Create stages blocks, two at a time, which Commit makes the object. An object that fits in one block is sent at Commit
// in one call. What is never committed Azure forgets after a week.
func (a *Azure) Create(ctx context.Context, name string, contentType string) (Writer, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	w := &azureWriter{
		ctx:         ctx,
		store:       a,
		name:        name,
		contentType: cmp.Or(contentType, typeByName(name)),
		blob:        a.container.NewBlockBlobClient(a.prefix + name),
		spare:       make(chan []byte, parallelBlocks),
	}
	rand.Read(w.id[:])
	w.staging, w.cancel = context.WithCancel(withStageRetries(ctx))
	w.stages, w.staging = errgroup.WithContext(w.staging)
	w.stages.SetLimit(parallelBlocks)
	return w, nil
}

func withStageRetries(ctx context.Context) context.Context {
	stageRetries := retries
	stageRetries.TryTimeout = stageTimeout
	return policy.WithRetryOptions(ctx, stageRetries)
}

type azureWriter struct {
	ctx         context.Context
	store       *Azure
	name        string
	contentType string
	blob        *blockblob.Client

	id     [8]byte // random: two writers to one name must not overwrite each other's blocks, and each knows its own commit by it
	size   int64   // bytes written
	blocks []string
	buffer []byte      // the block being filled
	spare  chan []byte // the buffers of blocks that have been sent

	stages   *errgroup.Group
	staging  context.Context // ends with the first block that fails
	cancel   context.CancelFunc
	err      error // the first failure; there is no commit after it
	isClosed bool
}

func (w *azureWriter) Write(p []byte) (int, error) {
	if err := w.check("write"); err != nil {
		return 0, err
	}
	written := 0
	for len(p) > 0 {
		size := blockSize(len(w.blocks))
		n := min(size-len(w.buffer), len(p))
		w.grow(len(w.buffer)+n, size)
		w.buffer = append(w.buffer, p[:n]...)
		p, written = p[n:], written+n
		w.size += int64(n)
		if len(w.buffer) < size {
			break
		}
		if err := w.stage(); err != nil {
			return written, err
		}
	}
	return written, nil
}

// grow makes room for need bytes, never for more than a block: thousands of small objects may be written at once.
func (w *azureWriter) grow(need, size int) {
	if need <= cap(w.buffer) {
		return
	}
	if w.buffer == nil {
		select {
		case w.buffer = <-w.spare:
		default:
		}
	}
	if need > cap(w.buffer) {
		room := min(max(need, 2*cap(w.buffer), 64<<10), size)
		if len(w.blocks) > 0 {
			room = size // it is no small object any more
		}
		w.buffer = append(make([]byte, 0, room), w.buffer...)
	}
}

// stage begins to send the buffer as the next block. It waits while two others are under way.
func (w *azureWriter) stage() error {
	if len(w.blocks) == maxBlocks {
		w.err = fmt.Errorf("write object %q: it is larger than the 1.2 TiB that are supported", w.name)
		return w.err
	}
	id := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(w.id[:], uint32(len(w.blocks))))
	w.blocks = append(w.blocks, id)
	block := w.buffer
	w.buffer = nil
	w.stages.Go(func() error {
		_, err := w.blob.StageBlock(w.staging, id, streaming.NopCloser(bytes.NewReader(block)), nil)
		select {
		case w.spare <- block[:0]:
		default:
		}
		return err
	})
	return w.check("write")
}

// check gives the error of an earlier call, of a block that could not be sent, or of the context.
func (w *azureWriter) check(doing string) error {
	switch {
	case w.isClosed:
		return fmt.Errorf("%s object %q: %w", doing, w.name, fs.ErrClosed)
	case w.err != nil:
	case w.ctx.Err() != nil:
		w.err = w.store.wrap(doing, w.name, w.ctx.Err())
	case w.staging.Err() != nil:
		w.err = w.store.wrap(doing, w.name, w.stages.Wait())
	}
	return w.err
}

func (w *azureWriter) Commit() error {
	_, err := w.finish(func() (Object, error) { return w.commit(w.ctx, nil) })
	return err
}

// CommitIf sends the condition with the one request that makes the object appear. It waits for the answer to that even
// where the context ends meanwhile: else nobody would know whether the object has appeared.
func (w *azureWriter) CommitIf(previous string) (Object, error) {
	condition := ifMatch(previous)
	if previous == "" {
		condition = &blob.ModifiedAccessConditions{IfNoneMatch: new(azcore.ETagAny)}
	}
	ctx, cancel := outlive(w.ctx, commitGrace)
	defer cancel()
	return w.finish(func() (Object, error) { return w.commitIf(ctx, condition) })
}

// commitGrace is how long a commit that is under way goes on when its context has ended.
const commitGrace = 10 * time.Second

// outlive is a context that ends some time after another one.
func outlive(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(by, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

func (w *azureWriter) finish(commit func() (Object, error)) (Object, error) {
	if err := w.check("commit"); err != nil {
		return Object{}, err
	}
	object, err := commit()
	if bloberror.HasCode(err, bloberror.InvalidBlockList) {
		// Azure drops all blocks of a name that are not committed when somebody commits others.
		w.err = fmt.Errorf("commit object %q: another writer committed it first: %w", w.name, ErrChanged)
	}
	if err != nil {
		if w.err == nil {
			w.err = w.store.wrap("commit", w.name, err)
		}
		return Object{}, w.err
	}
	w.isClosed = true
	w.cancel()
	return object, nil
}

// commitIf tells a version that somebody else wrote from this writer's own: the SDK repeats a request whose answer is
// lost, and where the first one committed, the condition of the second one fails. Only this writer's commit has its mark.
func (w *azureWriter) commitIf(ctx context.Context, condition *blob.ModifiedAccessConditions) (Object, error) {
	// The second way is for an object that is said to be there and is not: it is gone again, or to Azurite's one-call
	// upload, blocks that nobody committed are an object.
	for _, commit := range []func(context.Context, *blob.ModifiedAccessConditions) (Object, error){w.commit, w.commitBlocks} {
		object, err := commit(ctx, condition)
		if !isRefused(err) {
			return object, err
		}
		properties, propertiesErr := w.store.properties(ctx, w.name)
		switch {
		case propertiesErr == nil && w.hasMark(properties.Metadata):
			return w.object(properties.ETag, properties.LastModified), nil
		case propertiesErr == nil:
			return Object{}, ErrChanged
		case !bloberror.HasCode(propertiesErr, bloberror.BlobNotFound):
			return Object{}, propertiesErr
		case !bloberror.HasCode(err, bloberror.BlobAlreadyExists):
			return Object{}, ErrChanged
		}
	}
	return Object{}, ErrChanged
}

// isRefused tells whether a commit failed because of what the store holds by that name, or does not hold.
func isRefused(err error) bool {
	return isConditionNotMet(err) || bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.BlobNotFound, bloberror.InvalidBlockList)
}

// markName is the metadata that a commit on a condition has.
const markName = "writer"

func (w *azureWriter) mark() string { return hex.EncodeToString(w.id[:]) }

func (w *azureWriter) hasMark(metadata map[string]*string) bool {
	for name, value := range metadata { // the way here changes the case of names
		if strings.EqualFold(name, markName) && valueOf(value) == w.mark() {
			return true
		}
	}
	return false
}

// commit makes the object appear, on the condition where there is one.
func (w *azureWriter) commit(ctx context.Context, condition *blob.ModifiedAccessConditions) (Object, error) {
	if len(w.blocks) > 0 {
		return w.commitBlocks(ctx, condition)
	}
	body := streaming.NopCloser(bytes.NewReader(w.buffer))
	response, err := w.blob.Upload(withStageRetries(ctx), body, &blockblob.UploadOptions{
		HTTPHeaders: w.headers(), Metadata: w.metadata(condition), AccessConditions: accessConditions(condition),
	})
	return w.object(response.ETag, response.LastModified), err
}

func (w *azureWriter) commitBlocks(ctx context.Context, condition *blob.ModifiedAccessConditions) (Object, error) {
	if len(w.buffer) > 0 {
		if err := w.stage(); err != nil {
			return Object{}, err
		}
	}
	if err := w.stages.Wait(); err != nil {
		return Object{}, err
	}
	response, err := w.blob.CommitBlockList(ctx, w.blocks, &blockblob.CommitBlockListOptions{
		HTTPHeaders: w.headers(), Metadata: w.metadata(condition), AccessConditions: accessConditions(condition),
	})
	return w.object(response.ETag, response.LastModified), err
}

func (w *azureWriter) headers() *blob.HTTPHeaders {
	return &blob.HTTPHeaders{BlobContentType: &w.contentType}
}

// metadata is none for a commit without a condition, which nobody asks whose it was.
func (w *azureWriter) metadata(condition *blob.ModifiedAccessConditions) map[string]*string {
	if condition == nil {
		return nil
	}
	return map[string]*string{markName: new(w.mark())}
}

func (w *azureWriter) object(etag *azcore.ETag, modified *time.Time) Object {
	return Object{Name: w.name, Size: w.size, ETag: bareETag(etag), Modified: valueOf(modified).UTC()}
}

func (w *azureWriter) Abort() error {
	if !w.isClosed {
		w.isClosed = true
		w.cancel()
		_ = w.stages.Wait() // what was cancelled fails
		w.buffer, w.spare = nil, nil
	}
	return nil
}
