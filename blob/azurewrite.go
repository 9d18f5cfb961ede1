package blob

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io/fs"
	"time"

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
	stageRetries := retries
	stageRetries.TryTimeout = stageTimeout
	w.staging, w.cancel = context.WithCancel(policy.WithRetryOptions(ctx, stageRetries))
	w.stages, w.staging = errgroup.WithContext(w.staging)
	w.stages.SetLimit(parallelBlocks)
	return w, nil
}

type azureWriter struct {
	ctx         context.Context
	store       *Azure
	name        string
	contentType string
	blob        *blockblob.Client

	id     [8]byte // random: two writers to one name must not overwrite each other's blocks
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
	if err := w.check("commit"); err != nil {
		return err
	}
	if err := w.commit(); err != nil {
		if w.err == nil {
			w.err = w.store.wrap("commit", w.name, err)
		}
		return w.err
	}
	w.isClosed = true
	w.cancel()
	return nil
}

func (w *azureWriter) commit() error {
	headers := &blob.HTTPHeaders{BlobContentType: &w.contentType}
	if len(w.blocks) == 0 {
		body := streaming.NopCloser(bytes.NewReader(w.buffer))
		_, err := w.blob.Upload(w.staging, body, &blockblob.UploadOptions{HTTPHeaders: headers})
		return err
	}
	if len(w.buffer) > 0 {
		if err := w.stage(); err != nil {
			return err
		}
	}
	if err := w.stages.Wait(); err != nil {
		return err
	}
	_, err := w.blob.CommitBlockList(w.ctx, w.blocks, &blockblob.CommitBlockListOptions{HTTPHeaders: headers})
	if bloberror.HasCode(err, bloberror.InvalidBlockList) {
		// Azure drops all blocks of a name that are not committed when somebody commits others.
		w.err = fmt.Errorf("commit object %q: another writer committed it first: %w", w.name, ErrChanged)
	}
	return err
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
