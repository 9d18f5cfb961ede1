package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
)

// commitSizes are of an object without bytes, of one that Azure takes in one call, and of one in several blocks.
var commitSizes = []int{0, 1000, firstBlock + 5}

func commitIf(ctx context.Context, store Store, name string, content []byte, previous string) (Object, error) {
	writer, err := written(ctx, store, name, content)
	if err != nil {
		return Object{}, err
	}
	defer writer.Abort()
	return writer.CommitIf(previous)
}

// wantObject checks that the store holds the content, and that the object is what everything tells about it.
func wantObject(t *testing.T, store Store, object Object, content []byte) {
	t.Helper()
	if got := statOf(t, store, object.Name); got != object {
		t.Errorf("Stat tells %+v, want %+v", got, object)
	}
	if listed := list(t, store, object.Name, ""); len(listed) != 1 || listed[0] != object {
		t.Errorf("the listing tells %+v, want %+v", listed, object)
	}
	if got, err := getVersion(t, store, object); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%s holds %d bytes (%v), not the %d that were written", object.Name, len(got), err, len(content))
	}
}

// wantChanged checks that a call tells nothing but ErrChanged and the name.
func wantChanged(t *testing.T, call string, object Object, err error, name string) {
	t.Helper()
	if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), name) || object != (Object{}) {
		t.Errorf("%s gave %+v, %v, want ErrChanged with the name %s", call, object, err, name)
	}
}

func commitsOverNothing(t *testing.T, store Store, _ *http.Client) {
	for _, size := range commitSizes {
		name := fmt.Sprintf("folder/%d.csv", size)
		content := randomBytes(size)
		first, err := commitIf(t.Context(), store, name, content, "")
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		wantObject(t, store, first, content)
		for _, other := range commitSizes {
			object, err := commitIf(t.Context(), store, name, randomBytes(other), "")
			wantChanged(t, "a commit over something", object, err, name)
			wantObject(t, store, first, content)
		}
	}
}

func commitsOverVersion(t *testing.T, store Store, _ *http.Client) {
	for _, size := range commitSizes {
		name := fmt.Sprintf("folder/%d.csv", size)
		put(t, store, name, randomBytes(size))
		first := statOf(t, store, name)
		content := randomBytes(size)
		second, err := commitIf(t.Context(), store, name, content, first.ETag)
		if err != nil || second.ETag == first.ETag {
			t.Fatalf("%d bytes: a commit over the version that is there gave %+v, %v, want another ETag than of %+v", size, second, err, first)
		}
		wantObject(t, store, second, content)
		for which, previous := range map[string]string{"over an older version": first.ETag, "over an unknown one": "0x1", "over nothing": ""} {
			object, err := commitIf(t.Context(), store, name, randomBytes(size), previous)
			wantChanged(t, which, object, err, name)
			wantObject(t, store, second, content)
		}
		put(t, store, name, content)
		object, err := commitIf(t.Context(), store, name, content, second.ETag)
		wantChanged(t, "over a version that was written anew with the same content", object, err, name)
	}
}

func commitsOverNoDeletedVersion(t *testing.T, store Store, _ *http.Client) {
	for _, size := range commitSizes {
		put(t, store, "folder/gone.csv", randomBytes(size))
		gone := statOf(t, store, "folder/gone.csv")
		if err := store.Delete(t.Context(), gone.Name); err != nil {
			t.Fatal(err)
		}
		object, err := commitIf(t.Context(), store, gone.Name, randomBytes(size), gone.ETag)
		wantChanged(t, "a commit over a deleted version", object, err, gone.Name)
		if objects := list(t, store, "", ""); len(objects) != 0 {
			t.Errorf("%d bytes: listed %v", size, objects)
		}
		content := randomBytes(size)
		again, err := commitIf(t.Context(), store, gone.Name, content, "")
		if err != nil {
			t.Fatalf("a commit over nothing: %v", err)
		}
		wantObject(t, store, again, content)
		if err := store.Delete(t.Context(), gone.Name); err != nil {
			t.Fatal(err)
		}
	}
}

func oneCommitOverTheSameSucceeds(t *testing.T, store Store, _ *http.Client) {
	for _, size := range commitSizes {
		previous := ""
		for _, over := range []string{"nothing", "a version"} {
			const writers = 4
			var contents [writers][]byte
			var objects [writers]Object
			var errs [writers]error
			var allWritten, group sync.WaitGroup
			allWritten.Add(writers)
			for i := range writers {
				contents[i] = randomBytes(size)
				group.Go(func() {
					writer, err := written(t.Context(), store, "same.bin", contents[i])
					allWritten.Done()
					if err != nil {
						errs[i] = err
						return
					}
					defer writer.Abort()
					allWritten.Wait()
					objects[i], errs[i] = writer.CommitIf(previous)
				})
			}
			group.Wait()
			winners := 0
			for i, err := range errs {
				if err == nil {
					winners++
					wantObject(t, store, objects[i], contents[i])
				} else {
					wantChanged(t, "a commit that another one overtook", objects[i], err, "same.bin")
				}
			}
			if winners != 1 {
				t.Errorf("%d bytes over %s: %d commits succeeded, want one", size, over, winners)
			}
			previous = statOf(t, store, "same.bin").ETag
		}
		if err := store.Delete(t.Context(), "same.bin"); err != nil {
			t.Fatal(err)
		}
	}
}

func uncommittedWriterHindersNobody(t *testing.T, store Store, _ *http.Client) {
	for _, size := range commitSizes {
		name := fmt.Sprintf("%d.bin", size)
		// The third block waits for one of the first two to be there.
		frozen, err := written(t.Context(), store, name, randomBytes((parallelBlocks+1)*firstBlock))
		if err != nil {
			t.Fatal(err)
		}
		defer frozen.Abort()
		content := randomBytes(size)
		object, err := commitIf(t.Context(), store, name, content, "")
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		late, err := frozen.CommitIf("")
		wantChanged(t, "the late commit", late, err, name)
		wantObject(t, store, object, content)
	}
}

func commitsOnceOnCondition(t *testing.T, store Store, _ *http.Client) {
	put(t, store, "there.bin", []byte("x"))
	for name, isExpected := range map[string]bool{"new.bin": true, "there.bin": false} {
		writer, err := written(t.Context(), store, name, []byte("y"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writer.CommitIf(""); (err == nil) != isExpected {
			t.Errorf("%s: CommitIf gave %v", name, err)
		}
		before := statOf(t, store, name)
		_, writeErr := writer.Write([]byte("z"))
		commitErr := writer.Commit()
		_, conditionalErr := writer.CommitIf(before.ETag)
		for call, err := range map[string]error{"Write": writeErr, "Commit": commitErr, "CommitIf": conditionalErr} {
			if err == nil {
				t.Errorf("%s: %s gave no error", name, call)
			}
		}
		for range 2 {
			if err := writer.Abort(); err != nil {
				t.Errorf("%s: Abort: %v", name, err)
			}
		}
		if got := statOf(t, store, name); got != before {
			t.Errorf("%s: in the end the store holds %+v, want %+v", name, got, before)
		}
	}
	if local, ok := store.(*Local); ok {
		if left := temporaryFiles(t, local.root); len(left) != 0 {
			t.Errorf("temporary files: %v", left)
		}
	}
}

func deletesVersion(t *testing.T, store Store, _ *http.Client) {
	content := []byte("the same content")
	const name = "folder/a.csv"
	put(t, store, name, content)
	first := statOf(t, store, name)
	second, err := commitIf(t.Context(), store, name, content, first.ETag)
	if err != nil {
		t.Fatal(err)
	}
	noETag := second
	noETag.ETag = ""
	for which, other := range map[string]Object{"an older version": first, "a version without an ETag": noETag} {
		err := store.DeleteVersion(t.Context(), other)
		wantChanged(t, "DeleteVersion of "+which, Object{}, err, name)
		wantObject(t, store, second, content)
	}
	for range 2 {
		if err := store.DeleteVersion(t.Context(), second); err != nil {
			t.Errorf("DeleteVersion: %v", err)
		}
		if objects := list(t, store, "", ""); len(objects) != 0 {
			t.Errorf("after the deletion: %v", objects)
		}
	}
	if local, ok := store.(*Local); ok {
		if left, err := os.ReadDir(local.root); err != nil || len(left) != 1 {
			t.Errorf("left are %v, %v: want no empty folder", left, err)
		}
	}
	third, err := commitIf(t.Context(), store, name, content, "")
	if err != nil {
		t.Fatal(err)
	}
	err = store.DeleteVersion(t.Context(), second)
	wantChanged(t, "DeleteVersion of what was deleted before", Object{}, err, name)
	wantObject(t, store, third, content)
}

// loseAnswer lets the first request of that kind through and drops its answer; then, instead of the answer, it calls then.
func loseAnswer(requests *recorder, isMeant func(*http.Request) bool, then func()) (lost *atomic.Int32) {
	lost = new(atomic.Int32)
	requests.answer = func(response *http.Response) (*http.Response, error) {
		if !isMeant(response.Request) || !lost.CompareAndSwap(0, 1) {
			return response, nil
		}
		response.Body.Close()
		then()
		return nil, errors.New("connection reset by peer")
	}
	return lost
}

func isCommit(request *http.Request) bool {
	return request.Method == http.MethodPut && request.URL.Query().Get("comp") != "block"
}

// eachCommit runs test for a small and a large object, over nothing and over a version.
func eachCommit(t *testing.T, test func(t *testing.T, store *Azure, requests *recorder, content []byte, previous string)) {
	for _, size := range commitSizes {
		for _, over := range []string{"nothing", "a version"} {
			t.Run(fmt.Sprintf("%d bytes over %s", size, over), func(t *testing.T) {
				t.Parallel()
				store, requests := recordedAzure(t, azurite(t).host, limits{})
				previous := ""
				if over != "nothing" {
					put(t, store, "report.csv", []byte("previous"))
					previous = statOf(t, store, "report.csv").ETag
				}
				test(t, store, requests, randomBytes(size), previous)
			})
		}
	}
}

func TestACommitOnAConditionWhoseAnswerIsLostIsCommitted(t *testing.T) {
	t.Parallel()
	eachCommit(t, func(t *testing.T, store *Azure, requests *recorder, content []byte, previous string) {
		lost := loseAnswer(requests, isCommit, func() {})
		object, err := commitIf(t.Context(), store, "report.csv", content, previous)
		if err != nil || lost.Load() != 1 {
			t.Fatalf("%v, %d answers lost", err, lost.Load())
		}
		wantObject(t, store, object, content)
		if err := store.DeleteVersion(t.Context(), object); err != nil {
			t.Errorf("the version that was told cannot be deleted: %v", err)
		}
	})
}

func TestACommitOnAConditionWhoseAnswerIsLostAndThatWasReplacedSinceHasChanged(t *testing.T) {
	t.Parallel()
	eachCommit(t, func(t *testing.T, store *Azure, requests *recorder, content []byte, previous string) {
		var theirs Object
		lost := loseAnswer(requests, isCommit, func() {
			current := statOf(t, store, "report.csv")
			var err error
			if theirs, err = commitIf(t.Context(), store, "report.csv", []byte("theirs"), current.ETag); err != nil {
				t.Errorf("the other writer: %v", err)
			}
		})
		object, err := commitIf(t.Context(), store, "report.csv", content, previous)
		wantChanged(t, "the commit", object, err, "report.csv")
		if lost.Load() != 1 {
			t.Errorf("%d answers lost", lost.Load())
		}
		wantObject(t, store, theirs, []byte("theirs"))
	})
}

// A heartbeat that tells an attempt that it was given up ended the request that made its receipt appear: the attempt, which
// did not know that it had, left the receipt behind.
func TestACommitOnAConditionIsNotInterruptedByItsContext(t *testing.T) {
	t.Parallel()
	eachCommit(t, func(t *testing.T, store *Azure, requests *recorder, content []byte, previous string) {
		ctx, cancel := context.WithCancel(t.Context())
		lost := loseAnswer(requests, isCommit, cancel)
		object, err := commitIf(ctx, store, "report.csv", content, previous)
		if err != nil || lost.Load() != 1 {
			t.Fatalf("%v, %d answers lost", err, lost.Load())
		}
		wantObject(t, store, object, content)

		writer, err := written(t.Context(), store, "report.csv", content)
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Abort()
		writer.(*azureWriter).ctx = ctx
		if late, err := writer.CommitIf(object.ETag); !errors.Is(err, context.Canceled) {
			t.Errorf("a commit behind the end of its context: %+v, %v", late, err)
		}
		wantObject(t, store, object, content)
	})
}

func TestDeletingAVersionWhoseAnswerIsLostIsDone(t *testing.T) {
	t.Parallel()
	store, requests := recordedAzure(t, azurite(t).host, limits{})
	put(t, store, "report.csv", []byte("x"))
	object := statOf(t, store, "report.csv")
	lost := loseAnswer(requests, func(r *http.Request) bool { return r.Method == http.MethodDelete }, func() {})
	if err := store.DeleteVersion(t.Context(), object); err != nil || lost.Load() != 1 {
		t.Errorf("DeleteVersion gave %v, %d answers lost", err, lost.Load())
	}
	if objects := list(t, store, "", ""); len(objects) != 0 {
		t.Errorf("listed %v", objects)
	}
}

func TestTheMarkOfAWriterIsNothingThatTheStoreShows(t *testing.T) {
	t.Parallel()
	store := azureByKey(t, limits{})
	put(t, store, "unconditional.csv", nil)
	object, err := commitIf(t.Context(), store, "conditional.csv", nil, "")
	if err != nil {
		t.Fatal(err)
	}
	wantObject(t, store, object, nil)
	for name, want := range map[string]int{"conditional.csv": 1, "unconditional.csv": 0} {
		properties, err := store.properties(t.Context(), name)
		if err != nil || len(properties.Metadata) != want {
			t.Errorf("%s has the metadata %v (%v), want %d", name, properties.Metadata, err, want)
		}
	}
}

// Azurite and Azure need not refuse alike, and Azurite never with the third and fourth code: this server does.
func TestWhoseVersionRefusesACommitIsToldByItsMark(t *testing.T) {
	t.Parallel()
	for _, refused := range []struct {
		status int
		code   string
	}{
		{412, "ConditionNotMet"}, {412, "TargetConditionNotMet"}, {412, ""}, {409, "BlobAlreadyExists"}, {404, "BlobNotFound"}, {400, "InvalidBlockList"},
	} {
		for _, there := range []string{"own", "another", "unmarked", "nothing", "forbidden"} {
			t.Run(refused.code+" "+there, func(t *testing.T) {
				t.Parallel()
				var mark atomic.Pointer[string]
				store := serveAzure(t, limits{}, func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPut {
						io.Copy(io.Discard, r.Body)
						if r.URL.Query().Get("comp") == "block" {
							w.WriteHeader(http.StatusCreated)
							return
						}
						sent := r.Header.Get("x-ms-meta-writer")
						if r.Header.Get("If-None-Match") != "*" || sent == "" {
							t.Errorf("a commit with the condition %q and the mark %q", r.Header.Get("If-None-Match"), sent)
						}
						mark.Store(&sent)
						refusal(w, r, refused.status, refused.code, "")
						return
					}
					switch there {
					case "nothing":
						refusal(w, r, http.StatusNotFound, "BlobNotFound", "")
						return
					case "forbidden":
						refusal(w, r, http.StatusForbidden, "AuthorizationPermissionMismatch", "")
						return
					case "own":
						w.Header().Set("x-ms-meta-Writer", *mark.Load())
					case "another":
						w.Header().Set("x-ms-meta-writer", "0123456789abcdef")
					}
					w.Header().Set("ETag", `"0x2"`)
					w.Header().Set("Last-Modified", "Tue, 01 Mar 2022 10:00:00 GMT")
				})
				for _, size := range []int{5, firstBlock + 1} {
					object, err := commitIf(t.Context(), store, "a.csv", randomBytes(size), "")
					switch there {
					case "own":
						want := fmt.Sprintf("{a.csv %d 0x2 2022-03-01 10:00:00 +0000 UTC}", size)
						if got := fmt.Sprint(object); err != nil || got != want {
							t.Errorf("%d bytes: %s, %v, want %s", size, got, err, want)
						}
					case "forbidden":
						if err == nil || errors.Is(err, ErrChanged) || Reason(err) != "permission refused (403)" {
							t.Errorf("%d bytes: %v, want that nobody knows", size, err)
						}
					default:
						wantChanged(t, "the commit", object, err, "a.csv")
					}
				}
			})
		}
	}
}

func TestALeasedObjectIsNeitherChangedNorReplacedNorDeleted(t *testing.T) {
	t.Parallel()
	store := azureByKey(t, limits{})
	put(t, store, "leased.csv", []byte("x"))
	object := statOf(t, store, "leased.csv")
	client, err := lease.NewBlobClient(store.container.NewBlobClient(store.prefix+"leased.csv"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.AcquireLease(t.Context(), -1, nil); err != nil {
		t.Fatal(err)
	}
	_, small := commitIf(t.Context(), store, "leased.csv", []byte("y"), object.ETag)
	_, large := commitIf(t.Context(), store, "leased.csv", randomBytes(firstBlock+1), object.ETag)
	for call, err := range map[string]error{"CommitIf": small, "CommitIf of much": large, "Delete": store.Delete(t.Context(), "leased.csv"),
		"DeleteVersion": store.DeleteVersion(t.Context(), object)} {
		if err == nil || errors.Is(err, ErrChanged) || errors.Is(err, ErrNotFound) || !strings.HasSuffix(err.Error(), "Azure answered LeaseIdMissing (HTTP 412)") {
			t.Errorf("%s gave %v, want that it is leased", call, err)
		}
		if got, want := Reason(err), "somebody else has leased it (412)"; got != want {
			t.Errorf("%s: the reason is %q, want %q", call, got, want)
		}
	}
	wantObject(t, store, object, []byte("x"))
}

// Azurite knows no policies, so this server answers as Azure does.
func TestAnObjectThatAPolicyProtectsIsAnErrorToDelete(t *testing.T) {
	t.Parallel()
	store := serveAzure(t, limits{}, func(w http.ResponseWriter, r *http.Request) {
		refusal(w, r, http.StatusConflict, "BlobImmutableDueToPolicy", "")
	})
	for call, err := range map[string]error{
		"Delete":        store.Delete(t.Context(), "a.csv"),
		"DeleteVersion": store.DeleteVersion(t.Context(), Object{Name: "a.csv", ETag: "0x1"}),
	} {
		if err == nil || errors.Is(err, ErrChanged) || !strings.HasSuffix(err.Error(), "Azure answered BlobImmutableDueToPolicy (HTTP 409)") {
			t.Errorf("%s gave %v", call, err)
		}
	}
}
