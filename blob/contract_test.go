package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
)

// TestEveryStoreKeepsTheContract is what Store promises, on each kind of store.
func TestEveryStoreKeepsTheContract(t *testing.T) {
	small := limits{page: 100, bytes: 1 << 20}
	for name, open := range map[string]func(*testing.T) (Store, *http.Client){
		"folder": func(t *testing.T) (Store, *http.Client) {
			local, _ := servedLocal(t)
			return local, http.DefaultClient
		},
		"Azure with an account key": func(t *testing.T) (Store, *http.Client) {
			return azureByKey(t, small), http.DefaultClient
		},
		"Azure with an identity, in the oldest service version": func(t *testing.T) (Store, *http.Client) {
			return limited(openAzure(t, byIdentity(t, OldestAPIVersion)), small), azuriteOAuth(t).client()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, test := range contract {
				t.Run(name, func(t *testing.T) {
					store, client := open(t)
					test(t, store, client)
				})
			}
		})
	}
}

var contract = map[string]func(*testing.T, Store, *http.Client){
	"what is committed is read back":                           readsBack,
	"a commit replaces":                                        replaces,
	"nothing is there before the commit or after an abort":     appearsAtCommit,
	"a listing is in byte order of the names":                  listsInOrder,
	"a listing of many objects is whole":                       listsMany,
	"any valid name works":                                     takesUnusualNames,
	"an invalid name is refused by everything":                 refusesInvalidNames,
	"what is not there is not found, and deleting it is fine":  notFound,
	"a signed URL reads its object":                            signedURLReads,
	"a signed URL does nothing else":                           signedURLDoesNothingElse,
	"of two writers the content of one wins whole":             oneWriterWins,
	"what two writers write at the same time does not mix":     interleavedWritersDoNotMix,
	"a listed version is read, and no other one":               readsListedVersion,
	"stat tells what a listing tells":                          statsAsListed,
	"whatever a listing yields can be read":                    readsWhatIsListed,
	"an object replaced while it is read has changed":          noticesChange,
	"a cancelled context ends everything, and nothing appears": obeysContext,
	"ping answers":                                                      pings,
	"a commit over nothing replaces nothing":                            commitsOverNothing,
	"a commit over a version replaces that one only":                    commitsOverVersion,
	"a commit over a version makes no object where it is gone":          commitsOverNoDeletedVersion,
	"of commits over the same one succeeds":                             oneCommitOverTheSameSucceeds,
	"a writer that has not committed hinders no commit over nothing":    uncommittedWriterHindersNobody,
	"after a commit on a condition, whatever came of it, there is none": commitsOnceOnCondition,
	"a version is deleted, and no other one":                            deletesVersion,
}

func readsBack(t *testing.T, store Store, _ *http.Client) {
	for _, size := range []int{0, 1, firstBlock, firstBlock + 1, 20 << 20} {
		name := fmt.Sprintf("sizes/%d.bin", size)
		want := randomBytes(size)
		before := time.Now().Add(-2 * time.Second)
		put(t, store, name, want)
		if got := get(t, store, name); !bytes.Equal(got, want) {
			t.Errorf("%s: read %d bytes, which are not the %d that were written", name, len(got), size)
		}
		objects := list(t, store, name, "")
		if len(objects) != 1 {
			t.Fatalf("%s: listed %v", name, objects)
		}
		o := objects[0]
		if o.Name != name || o.Size != int64(size) || o.ETag == "" || o.Modified.Before(before) || o.Modified.After(time.Now().Add(time.Second)) {
			t.Errorf("%s: listed as %+v", name, o)
		}
	}
}

func replaces(t *testing.T, store Store, _ *http.Client) {
	put(t, store, "a.csv", randomBytes(5<<20))
	first := list(t, store, "", "")
	put(t, store, "a.csv", []byte("second"))
	second := list(t, store, "", "")
	if got := get(t, store, "a.csv"); string(got) != "second" {
		t.Errorf("read %d bytes, want the second content", len(got))
	}
	if len(first) != 1 || len(second) != 1 || first[0].ETag == second[0].ETag {
		t.Errorf("listed %v, then %v: want one object with another ETag", first, second)
	}
}

func appearsAtCommit(t *testing.T, store Store, _ *http.Client) {
	ctx := t.Context()
	for _, size := range []int{10, 9 << 20} {
		writer, err := store.Create(ctx, "folder/report.csv", "text/csv")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Write(randomBytes(size)); err != nil {
			t.Fatal(err)
		}
		wantNothing := func(when string) {
			t.Helper()
			if objects := list(t, store, "", ""); len(objects) != 0 {
				t.Errorf("%s %s: listed %v", when, fmt.Sprint(size), objects)
			}
			if _, err := store.Open(ctx, "folder/report.csv"); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: Open gave %v, want ErrNotFound", when, err)
			}
		}
		wantNothing("before the commit")
		for range 2 {
			if err := writer.Abort(); err != nil {
				t.Errorf("Abort: %v", err)
			}
		}
		wantNothing("after the abort")
		if err := writer.Commit(); err == nil {
			t.Error("a commit after an abort gave no error")
		}
		if _, err := writer.Write([]byte("x")); err == nil {
			t.Error("a write after an abort gave no error")
		}
		wantNothing("after all")
	}
	writer, err := store.Create(ctx, "folder/report.csv", "text/csv")
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Abort()
	io.WriteString(writer, "kept")
	if err := writer.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := writer.Abort(); err != nil {
		t.Errorf("Abort after Commit: %v", err)
	}
	if got := get(t, store, "folder/report.csv"); string(got) != "kept" {
		t.Errorf("read %q", got)
	}
}

func listsInOrder(t *testing.T, store Store, _ *http.Client) {
	// In byte order: space ! + , - . come before /, which comes before 0.
	all := []string{"2022-02-28/z.gz", "2022-03-01-0-1646092800000.json.gz", "2022-03-01-1.json", "2022-03-01.log",
		"2022-03-01/part-0.json.gz", "2022-03-01/part-1/x", "2022-03-010", "2022-03-02/a",
		"a b", "a!/z", "a+", "a,b/c", "a-b", "a-b-c/d", "a.b/c.d", "a/b", "a/b-c", "a/b.c/d", "a/b0/c", "a0", "z/ä", "z/ä-/1", "z/ä/1"}
	if !slices.IsSorted(all) {
		t.Fatal("the test's own order is wrong")
	}
	all = slices.DeleteFunc(all, func(name string) bool { return name == "z/ä" || name == "a/b" }) // a folder's name too
	for _, i := range rand.Perm(len(all)) {
		put(t, store, all[i], []byte(all[i]))
	}
	for _, prefix := range []string{"", "2022-03-01", "2022-03-01/", "2022-03-01/part", "2022-03-01/part-1/", "a", "a-", "a/", "a/b", "a.b/c.d",
		"z/ä", "nothing", "a/b.c/d/", "../", "/", "a//", ".", "./"} {
		for _, after := range []string{"", "2022-03-01", "2022-03-01/part-0.json.gz", "a/", "a/b", "a/b.c", "zz"} {
			want := []string{}
			for _, name := range all {
				if strings.HasPrefix(name, prefix) && name > after {
					want = append(want, name)
				}
			}
			got := []string{}
			for _, object := range list(t, store, prefix, after) {
				got = append(got, object.Name)
			}
			if !slices.Equal(got, want) {
				t.Errorf("List(%q, %q) = %q, want %q", prefix, after, got, want)
			}
		}
	}
	for object, err := range store.List(t.Context(), "a", "") {
		if err != nil || object.Name != "a b" {
			t.Errorf("first is %v, %v", object, err)
		}
		break // must not be called again
	}
}

func listsMany(t *testing.T, store Store, _ *http.Client) {
	const many = 1520
	var want []string
	for i := range many {
		want = append(want, fmt.Sprintf("day/%04d-part.json", i))
	}
	var group sync.WaitGroup
	for chunk := range slices.Chunk(want, many/16) {
		group.Go(func() {
			for _, name := range chunk {
				put(t, store, name, []byte("{}"))
			}
		})
	}
	group.Wait()
	var got []string
	for _, object := range list(t, store, "day/", "") {
		got = append(got, object.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %d objects, want %d in order", len(got), len(want))
	}
	if rest := list(t, store, "day/", want[many-3]); len(rest) != 2 || rest[0].Name != want[many-2] {
		t.Errorf("after all but two: %v", rest)
	}
}

var unusualNames = []string{"a file.csv", "हिन्दी/रिपोर्ट १.json", "100%.csv", "%2e%2e/%2F.csv", "a+b.csv", "c#d.csv", "e?f=g&h.csv",
	"quote\"'.csv", "semi;colon,comma.csv", "~$@!*()[]{}|^`.csv", "e\u0301.csv", "🙂.csv", ".hidden", "trailing.", "..a/b..", "<x>.csv",
	strings.Repeat("long", 50) + "/" + strings.Repeat("name", 50)}

func takesUnusualNames(t *testing.T, store Store, client *http.Client) {
	want := slices.Sorted(slices.Values(unusualNames))
	for _, name := range unusualNames {
		put(t, store, name, []byte("content of "+name))
	}
	var got []string
	for _, object := range list(t, store, "", "") {
		got = append(got, object.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %q\nwant   %q", got, want)
	}
	for _, name := range unusualNames {
		if got := get(t, store, name); string(got) != "content of "+name {
			t.Errorf("%q holds %q", name, got)
		}
		response, body := fetch(t, client, http.MethodGet, sign(t, store, name, time.Now().Add(time.Hour)), nil)
		if response.StatusCode != 200 || string(body) != "content of "+name {
			t.Errorf("the signed URL of %q answers %d %q", name, response.StatusCode, body)
		}
		if err := store.Delete(t.Context(), name); err != nil {
			t.Errorf("delete %q: %v", name, err)
		}
	}
	if objects := list(t, store, "", ""); len(objects) != 0 {
		t.Errorf("after deleting all: %v", objects)
	}
}

func refusesInvalidNames(t *testing.T, store Store, _ *http.Client) {
	ctx := t.Context()
	for _, name := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/../b", "../a", "a\\b", "a\nb", "a\x00b", "a\x7f",
		"a\u0085b", "a\xffb", strings.Repeat("a", 1025)} {
		writer, createErr := store.Create(ctx, name, "text/csv")
		signed, signErr := store.SignURL(ctx, name, time.Now().Add(time.Hour))
		deleteErr := store.Delete(ctx, name)
		versionErr := store.DeleteVersion(ctx, Object{Name: name, ETag: "0x1"})
		for call, err := range map[string]error{"Create": createErr, "SignURL": signErr, "Delete": deleteErr, "DeleteVersion": versionErr} {
			if err == nil || !strings.Contains(err.Error(), "object name") || errors.Is(err, ErrNotFound) {
				t.Errorf("%s(%q): %v", call, name, err)
			}
		}
		if writer != nil || signed != "" {
			t.Errorf("%q: got something besides the error", name)
		}
	}
	for _, name := range []string{"", "a\xffb/c"} {
		if _, isLocal := store.(*Local); isLocal && name != "" {
			continue // a folder holds it
		}
		wantPermanent(t, store, name, "cannot hold an object of that name")
	}
}

// wantPermanent checks that every way to read the object says for good that it cannot be read.
func wantPermanent(t *testing.T, store Store, name, reason string) {
	t.Helper()
	reader, openErr := store.Open(t.Context(), name)
	version, versionErr := store.OpenVersion(t.Context(), Object{Name: name, Size: 1, ETag: "1"})
	object, statErr := store.Stat(t.Context(), name)
	for call, err := range map[string]error{"Open": openErr, "OpenVersion": versionErr, "Stat": statErr} {
		wantReason(t, call, err, name, reason)
	}
	if reader != nil || version != nil || object != (Object{}) {
		t.Errorf("%q: got something besides the error", name)
	}
}

// wantReason checks that err names the object and holds a PermanentError whose reason ends so.
func wantReason(t *testing.T, call string, err error, name, reason string) {
	t.Helper()
	permanent, ok := errors.AsType[*PermanentError](err)
	if !ok || !strings.HasSuffix(permanent.Reason, reason) {
		t.Errorf("%s(%q) gave %v, want a PermanentError that ends in %q", call, name, err, reason)
		return
	}
	quoted := fmt.Sprintf("%q", name)
	if !strings.Contains(err.Error(), strings.Trim(quoted, `"`)) || !strings.HasSuffix(err.Error(), ": "+permanent.Reason) {
		t.Errorf("%s: %v, want the name %s and the reason %q", call, err, quoted, permanent.Reason)
	}
}

func notFound(t *testing.T, store Store, _ *http.Client) {
	ctx := t.Context()
	put(t, store, "folder/there.csv", []byte("x"))
	for _, name := range []string{"missing", "folder", "folder/missing", "folder/there.csv/below", "no/such/folder/x"} {
		_, openErr := store.Open(ctx, name)
		_, versionErr := store.OpenVersion(ctx, Object{Name: name, Size: 1, ETag: "0x1"})
		_, emptyErr := store.OpenVersion(ctx, Object{Name: name, ETag: "0x1"})
		_, statErr := store.Stat(ctx, name)
		for call, err := range map[string]error{"Open": openErr, "OpenVersion": versionErr, "OpenVersion, empty": emptyErr, "Stat": statErr} {
			if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s(%q): %v, want ErrNotFound with the name", call, name, err)
			}
		}
		if err := store.Delete(ctx, name); err != nil {
			t.Errorf("Delete(%q): %v", name, err)
		}
		if err := store.DeleteVersion(ctx, Object{Name: name, Size: 1, ETag: "0x1"}); err != nil {
			t.Errorf("DeleteVersion(%q): %v", name, err)
		}
	}
	for range 2 {
		if err := store.Delete(ctx, "folder/there.csv"); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	if objects := list(t, store, "", ""); len(objects) != 0 {
		t.Errorf("after the deletion: %v", objects)
	}
}

func signedURLReads(t *testing.T, store Store, client *http.Client) {
	content := randomBytes(3 << 20)
	const name = "uci-response-exhaust/1E2A/c63b_response_20220406.csv"
	put(t, store, name, content)
	signed := sign(t, store, name, time.Now().Add(time.Hour))

	response, body := fetch(t, client, http.MethodGet, signed, nil)
	if response.StatusCode != 200 || !bytes.Equal(body, content) {
		t.Errorf("GET answers %d with %d bytes", response.StatusCode, len(body))
	}
	wantHeaders(t, response, map[string]string{"Content-Type": "text/csv; charset=utf-8", "Content-Length": "3145728",
		"Content-Disposition": "attachment; filename=c63b_response_20220406.csv"})

	response, body = fetch(t, client, http.MethodHead, signed, nil)
	if response.StatusCode != 200 || len(body) != 0 {
		t.Errorf("HEAD answers %d with %d bytes", response.StatusCode, len(body))
	}
	wantHeaders(t, response, map[string]string{"Content-Length": "3145728"})

	response, body = fetch(t, client, http.MethodGet, signed, http.Header{"Range": {"bytes=1000-1999"}})
	if response.StatusCode != 206 || !bytes.Equal(body, content[1000:2000]) {
		t.Errorf("a range answers %d with %d bytes", response.StatusCode, len(body))
	}
	wantHeaders(t, response, map[string]string{"Content-Range": "bytes 1000-1999/3145728"})

	if err := store.Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if response, _ = fetch(t, client, http.MethodGet, signed, nil); response.StatusCode != 404 {
		t.Errorf("of a deleted object it answers %d, want 404", response.StatusCode)
	}
}

func signedURLDoesNothingElse(t *testing.T, store Store, client *http.Client) {
	put(t, store, "mine/a.csv", []byte("mine"))
	put(t, store, "theirs/b.csv", []byte("theirs"))
	signed := sign(t, store, "mine/a.csv", time.Now().Add(time.Hour))
	for _, test := range []struct {
		name, method, url string
	}{
		{"expired", http.MethodGet, sign(t, store, "mine/a.csv", time.Now().Add(-2*time.Second))},
		{"another object", http.MethodGet, strings.Replace(signed, "mine/a.csv", "theirs/b.csv", 1)},
		{"an object that is not there", http.MethodGet, strings.Replace(signed, "mine/a.csv", "mine/c.csv", 1)},
		{"no signature", http.MethodGet, strings.Split(signed, "?")[0]},
		{"a changed signature", http.MethodGet, changeSignature(t, signed)},
		{"a later expiry", http.MethodGet, changeExpiry(t, signed)},
		{"writing", http.MethodPut, signed},
		{"deleting", http.MethodDelete, signed},
	} {
		response, body := fetch(t, client, test.method, test.url, http.Header{"X-Ms-Blob-Type": {"BlockBlob"}})
		if response.StatusCode != 403 && (test.method == http.MethodGet || response.StatusCode != 405) {
			t.Errorf("%s: it answers %d %q", test.name, response.StatusCode, body)
		}
		if bytes.Contains(body, []byte("mine")) || bytes.Contains(body, []byte("theirs")) {
			t.Errorf("%s: the answer tells %q", test.name, body)
		}
	}
	for name, want := range map[string]string{"mine/a.csv": "mine", "theirs/b.csv": "theirs"} {
		if got := get(t, store, name); string(got) != want {
			t.Errorf("%s holds %q now", name, got)
		}
	}
}

func oneWriterWins(t *testing.T, store Store, _ *http.Client) {
	for _, size := range []int{1000, 9 << 20} {
		contents := [][]byte{randomBytes(size), randomBytes(size)}
		errs := make([]error, len(contents))
		var written, group sync.WaitGroup
		written.Add(len(contents))
		for i, content := range contents {
			group.Go(func() {
				writer, err := store.Create(t.Context(), "same.bin", "")
				if err == nil {
					defer writer.Abort()
					_, err = writer.Write(content)
				}
				written.Done()
				written.Wait() // both have written before one commits
				if err == nil {
					err = writer.Commit()
				}
				errs[i] = err
			})
		}
		group.Wait()
		got := get(t, store, "same.bin")
		won := false
		for i, content := range contents {
			if errs[i] != nil && !errors.Is(errs[i], ErrChanged) {
				t.Errorf("a writer failed: %v", errs[i])
			}
			won = won || errs[i] == nil && bytes.Equal(got, content)
		}
		if !won {
			t.Errorf("the object holds %d bytes that are not what a successful writer wrote (%v)", len(got), errs)
		}
	}
}

func interleavedWritersDoNotMix(t *testing.T, store Store, _ *http.Client) {
	contents := [][]byte{randomBytes(13 << 20), randomBytes(13 << 20)}
	var writers []Writer
	for _, content := range contents {
		writer, err := store.Create(t.Context(), "same.bin", "")
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Abort()
		if _, err := writer.Write(content); err != nil {
			t.Fatal(err)
		}
		writers = append(writers, writer)
	}
	if err := writers[0].Commit(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, store, "same.bin"); !bytes.Equal(got, contents[0]) {
		t.Errorf("after the first commit the object holds %d bytes that are not the first writer's", len(got))
	}
	want := contents[1]
	if err := writers[1].Commit(); errors.Is(err, ErrChanged) {
		want = contents[0]
	} else if err != nil {
		t.Errorf("the second commit: %v", err)
	}
	if got := get(t, store, "same.bin"); !bytes.Equal(got, want) {
		t.Errorf("in the end the object holds %d bytes that are not the winner's", len(got))
	}
}

// statOf is the object, which must be there.
func statOf(t testing.TB, store Store, name string) Object {
	t.Helper()
	object, err := store.Stat(t.Context(), name)
	if err != nil {
		t.Fatalf("Stat(%q): %v", name, err)
	}
	return object
}

// getVersion reads the version to its end.
func getVersion(t testing.TB, store Store, object Object) ([]byte, error) {
	t.Helper()
	reader, err := store.OpenVersion(t.Context(), object)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return io.ReadAll(reader)
}

func readsListedVersion(t *testing.T, store Store, _ *http.Client) {
	for _, size := range []int{0, 1, 1 << 20, 3<<20 + 7} {
		content := randomBytes(size)
		put(t, store, "2022-03-01/part.json", content)
		listed := list(t, store, "2022-03-01", "")[0]
		if got, err := getVersion(t, store, listed); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes: read %d, %v", size, len(got), err)
		}
		longer, shorter, unknown := listed, listed, listed
		longer.Size++
		shorter.Size--
		unknown.ETag = ""
		others := map[string]Object{"of another size": longer, "without an ETag": unknown}
		if size > 0 {
			others["of a smaller size"] = shorter
		}
		for which, other := range others {
			if got, err := getVersion(t, store, other); !errors.Is(err, ErrChanged) || len(got) != 0 {
				t.Errorf("%d bytes: a version %s gave %d bytes, %v, want ErrChanged", size, which, len(got), err)
			}
		}
		for which, newer := range map[string][]byte{"the same content": content, "more": randomBytes(size + 1), "nothing": nil} {
			put(t, store, "2022-03-01/part.json", newer)
			got, err := getVersion(t, store, listed)
			if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "2022-03-01/part.json") || len(got) != 0 {
				t.Errorf("%d bytes: after %s was written anew it gave %d bytes, %v, want ErrChanged with the name", size, which, len(got), err)
			}
		}
		if err := store.Delete(t.Context(), "2022-03-01/part.json"); err != nil {
			t.Fatal(err)
		}
		if _, err := getVersion(t, store, listed); !errors.Is(err, ErrNotFound) {
			t.Errorf("%d bytes: after the deletion it gave %v, want ErrNotFound", size, err)
		}
	}
}

func statsAsListed(t *testing.T, store Store, _ *http.Client) {
	for _, size := range []int{0, 1, firstBlock + 1} {
		name := fmt.Sprintf("sizes/%d.bin", size)
		for range 2 {
			put(t, store, name, randomBytes(size))
			got, listed := statOf(t, store, name), list(t, store, name, "")[0]
			if got != listed || got.Name != name || got.Size != int64(size) {
				t.Errorf("Stat tells %+v, the listing %+v: want the same, with %d bytes", got, listed, size)
			}
		}
	}
}

// oddNames are names that others gave their objects. No name is in it that the emulator of Azure changes or cannot list:
// it makes slashes of backslashes, and its listings fail at control characters that XML cannot hold.
var oddNames = map[string][]string{
	"every store": {"2022-03-01/tab\there.json.gz", "2022-03-01/line\nfeed.json", "2022-03-01/carriage\rreturn.json", "2022-03-01/\x7f.json",
		"2022-03-01/\u0085.json", "2022-03-01/ ", " 2022/x.json", "2022-03-01/trailing.json ", "2022-03-01/a&lt;<b>.json", "2022-03-01/%2F+.json",
		strings.Repeat("हिन्दी/", 60) + "x.json"}, // of more than 1,024 bytes, but fewer characters
	"Azure": {"2022-03-01//part-0.json.gz", "2022-03-01/./x.json.gz", "2022-03-01/../x.json.gz", "2022-03-01/folder/", "2022-03-01/.",
		"2022-03-01/..", "/2022-03-01/x.json", "//", ".", "..", "./x", "../x"},
	"a folder": {"2022-03-01/back\\slash.json", "2022-03-01/\x01\x1f.json", "2022-03-01/not\xffUTF-8\xc0.json", "\xff\xfe/x.json"},
}

func readsWhatIsListed(t *testing.T, store Store, _ *http.Client) {
	want := slices.Clone(oddNames["every store"])
	if _, isLocal := store.(*Local); isLocal {
		want = append(want, oddNames["a folder"]...)
	} else {
		want = append(want, oddNames["Azure"]...)
	}
	for _, name := range want {
		upload(t, store, name, "content of "+name)
	}
	slices.Sort(want)
	objects := list(t, store, "", "")
	var got []string
	for _, object := range objects {
		got = append(got, object.Name)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("listed %q\nwant   %q", got, want)
	}
	for _, object := range objects {
		content := "content of " + object.Name
		if stat := statOf(t, store, object.Name); stat != object {
			t.Errorf("%q: Stat tells %+v, the listing %+v", object.Name, stat, object)
		}
		if got := get(t, store, object.Name); string(got) != content {
			t.Errorf("%q: Open reads %q", object.Name, got)
		}
		if got, err := getVersion(t, store, object); err != nil || string(got) != content {
			t.Errorf("%q: OpenVersion reads %q, %v", object.Name, got, err)
		}
		folder := object.Name[:strings.LastIndexByte(object.Name, '/')+1]
		if !slices.Contains(list(t, store, folder, ""), object) {
			t.Errorf("%q is not listed by the prefix %q", object.Name, folder)
		}
	}
}

// upload puts an object of any name, as others do who write to the store.
func upload(t *testing.T, store Store, name, content string) {
	t.Helper()
	var err error
	switch store := store.(type) {
	case *Azure:
		_, err = store.container.NewBlockBlobClient(store.prefix+name).Upload(t.Context(), streaming.NopCloser(strings.NewReader(content)), nil)
	case *Local:
		path := store.root + "/" + name
		if err = os.MkdirAll(path[:strings.LastIndexByte(path, '/')], 0o700); err == nil {
			err = os.WriteFile(path, []byte(content), 0o600)
		}
	}
	if err != nil {
		t.Fatalf("upload %q: %v", name, err)
	}
}

func noticesChange(t *testing.T, store Store, _ *http.Client) {
	for call, open := range map[string]func(name string) (io.ReadCloser, error){
		"Open": func(name string) (io.ReadCloser, error) { return store.Open(t.Context(), name) },
		"OpenVersion": func(name string) (io.ReadCloser, error) {
			return store.OpenVersion(t.Context(), statOf(t, store, name))
		},
	} {
		for what, change := range map[string]func(name string){
			"replaced by more":         func(name string) { put(t, store, name, randomBytes(8<<20)) },
			"replaced by the same":     func(name string) { put(t, store, name, get(t, store, name)) },
			"replaced by what is less": func(name string) { put(t, store, name, randomBytes(10)) },
		} {
			first := randomBytes(3 << 20)
			put(t, store, "a/changing.bin", first)
			reader, err := open("a/changing.bin")
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			head := make([]byte, 100_000)
			if _, err := io.ReadFull(reader, head); err != nil {
				t.Fatal(err)
			}
			change("a/changing.bin")
			rest, err := io.ReadAll(reader)
			if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "a/changing.bin") {
				t.Errorf("%s, %s: reading on gave %v, want ErrChanged with the name", call, what, err)
			}
			if got := append(head, rest...); !bytes.HasPrefix(first, got) {
				t.Errorf("%s, %s: %d bytes were read that are not of the first content", call, what, len(got))
			}
		}
	}
}

func obeysContext(t *testing.T, store Store, _ *http.Client) {
	put(t, store, "a.bin", randomBytes(5<<20))
	ctx, cancel := context.WithCancel(t.Context())
	reader, err := store.Open(ctx, "a.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	small, err := store.Create(ctx, "small.bin", "")
	if err != nil {
		t.Fatal(err)
	}
	defer small.Abort()
	large, err := store.Create(ctx, "large.bin", "")
	if err != nil {
		t.Fatal(err)
	}
	defer large.Abort()
	conditional, err := store.Create(ctx, "conditional.bin", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conditional.Abort()
	if _, err := small.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := large.Write(randomBytes(firstBlock + 1)); err != nil {
		t.Fatal(err)
	}

	cancel()
	_, readErr := io.Copy(io.Discard, reader)
	_, writeErr := large.Write(randomBytes(firstBlock))
	_, conditionalErr := conditional.CommitIf("")
	var listErr error
	for _, err := range store.List(ctx, "", "") {
		listErr = err
	}
	for call, err := range map[string]error{"reading": readErr, "writing": writeErr, "the small commit": small.Commit(),
		"the large commit": large.Commit(), "the commit on a condition": conditionalErr, "listing": listErr} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s gave %v, want context.Canceled", call, err)
		}
	}
	if objects := list(t, store, "", ""); len(objects) != 1 {
		t.Errorf("listed %v, want only what was there before", objects)
	}
}

func pings(t *testing.T, store Store, _ *http.Client) {
	if err := store.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	put(t, store, "a", nil)
	if err := store.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// servedLocal is a folder store whose signed URLs are served.
func servedLocal(t testing.TB) (local *Local, root string) {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.StripPrefix("/files/reports", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
	})))
	t.Cleanup(server.Close)
	root = t.TempDir()
	local, err := NewLocal(root, LocalOptions{BaseURL: server.URL + "/files/reports", Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	handler = local.Handler()
	return local, root
}

var testKey = []byte("0123456789abcdef0123456789abcdef")

func put(t testing.TB, store Store, name string, content []byte) {
	t.Helper()
	if err := write(t.Context(), store, name, content); err != nil {
		t.Errorf("put %q: %v", name, err)
	}
}

func write(ctx context.Context, store Store, name string, content []byte) error {
	writer, err := written(ctx, store, name, content)
	if err != nil {
		return err
	}
	defer writer.Abort()
	return writer.Commit()
}

// written is a writer with all of the content, in odd pieces, as a CSV writer would write it.
func written(ctx context.Context, store Store, name string, content []byte) (Writer, error) {
	writer, err := store.Create(ctx, name, typeByName(name))
	if err != nil {
		return nil, err
	}
	for piece := range slices.Chunk(content, 70_001) {
		if n, err := writer.Write(piece); err != nil || n != len(piece) {
			return nil, errors.Join(fmt.Errorf("wrote %d of %d bytes: %w", n, len(piece), err), writer.Abort())
		}
	}
	return writer, nil
}

func get(t testing.TB, store Store, name string) []byte {
	t.Helper()
	reader, err := store.Open(t.Context(), name)
	if err != nil {
		t.Errorf("get %q: %v", name, err)
		return nil
	}
	defer reader.Close()
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Errorf("get %q: %v", name, err)
	}
	return content
}

func list(t testing.TB, store Store, prefix, after string) []Object {
	t.Helper()
	var objects []Object
	for object, err := range store.List(t.Context(), prefix, after) {
		if err != nil {
			t.Fatalf("List(%q, %q): %v", prefix, after, err)
		}
		objects = append(objects, object)
	}
	return objects
}

func sign(t testing.TB, store Store, name string, expires time.Time) string {
	t.Helper()
	signed, err := store.SignURL(t.Context(), name, expires)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func fetch(t testing.TB, client *http.Client, method, url string, header http.Header) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, body
}

func wantHeaders(t *testing.T, response *http.Response, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := response.Header.Get(name); got != value {
			t.Errorf("%s: %s is %q, want %q", path.Base(response.Request.URL.Path), name, got, value)
		}
	}
}

// changeSignature changes the first character of the signature to another one that it could have.
func changeSignature(t *testing.T, signed string) string {
	return changeQuery(t, signed, []string{"signature", "sig"}, func(value string) string {
		if value[0] == 'a' {
			return "b" + value[1:]
		}
		return "a" + value[1:]
	})
}

func changeExpiry(t *testing.T, signed string) string {
	return changeQuery(t, signed, []string{"expires", "se"}, func(value string) string {
		if expires, err := time.Parse(time.RFC3339, value); err == nil {
			return expires.Add(time.Hour).Format(time.RFC3339)
		}
		return "9" + value
	})
}

func changeQuery(t *testing.T, signed string, names []string, change func(string) string) string {
	t.Helper()
	parsed, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	query := parsed.Query()
	for _, name := range names {
		if value := query.Get(name); value != "" {
			query.Set(name, change(value))
			parsed.RawQuery = query.Encode()
			return parsed.String()
		}
	}
	t.Fatalf("a signed URL without %v", names)
	return ""
}

func randomBytes(size int) []byte {
	content := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32())})
	source.Read(content)
	return content
}
