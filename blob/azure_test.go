package blob

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
)

func TestReadingResumesWhereTheConnectionBroke(t *testing.T) {
	t.Parallel()
	for name, reset := range map[string]bool{"closed": false, "reset": true} {
		t.Run(name, func(t *testing.T) {
			proxy := newProxy(t, azurite(t).host)
			store, requests := recordedAzure(t, proxy.host, limits{})
			content := randomBytes(16 << 20)
			put(t, store, "day.json.gz", content)

			cuts := []int64{3 << 20, 5 << 20, 100, 7 << 20} // the third breaks within the headers of the answer
			proxy.cutDownloads(reset, cuts...)
			requests.forget()
			if got := get(t, store, "day.json.gz"); !bytes.Equal(got, content) {
				t.Errorf("read %d bytes, not the %d that were written", len(got), len(content))
			}
			if n := proxy.remaining(); n != 0 {
				t.Errorf("%d of the cuts never came", n)
			}

			sent := requests.list()
			if len(sent) != 5 {
				t.Fatalf("%d requests, want one and one for each cut: %v", len(sent), sent)
			}
			for i, request := range sent[1:] {
				if request.Get("If-Match") == "" {
					t.Errorf("request %d does not insist on the first ETag", i+1)
				}
			}
			if reset {
				return // what was on its way is lost
			}
			for i, cut := range cuts {
				const headers = 4096 // at most
				got := rangeStart(t, sent[i+1]) - rangeStart(t, sent[i])
				if got > cut || got < cut-headers {
					t.Errorf("after %d bytes (headers included) the next request begins %d bytes further", cut, got)
				}
			}
		})
	}
}

func TestReadingResumesWhenTheConnectionGivesNothing(t *testing.T) {
	t.Parallel()
	proxy := newProxy(t, azurite(t).host)
	store, _ := recordedAzure(t, proxy.host, limits{stall: 300 * time.Millisecond})
	content := randomBytes(8 << 20)
	put(t, store, "a.bin", content)
	proxy.stallDownloads(2<<20, 1<<20)
	if got := get(t, store, "a.bin"); !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, not the %d that were written", len(got), len(content))
	}
	if n := proxy.remaining(); n != 0 {
		t.Errorf("%d of the stalls never came", n)
	}
}

// No real server breaks every answer right after its headers, so here the transport does.
func TestReadingGivesUpWhenNoConnectionGivesAByte(t *testing.T) {
	t.Parallel()
	e := azurite(t)
	store, requests := recordedAzure(t, e.host, limits{})
	put(t, store, "a.bin", randomBytes(1000))
	requests.forget()
	requests.answer = func(response *http.Response) (*http.Response, error) {
		response.Body.Close()
		response.Body = io.NopCloser(strings.NewReader(""))
		return response, nil
	}
	reader, err := store.Open(t.Context(), "a.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	_, err = io.ReadAll(reader)
	if err == nil || !strings.Contains(err.Error(), "a.bin") || !strings.Contains(err.Error(), "at byte 0 of 1000: unexpected EOF") {
		t.Errorf("reading gave %v", err)
	}
	if n := len(requests.list()); n != maxBreaks {
		t.Errorf("%d requests, want %d", n, maxBreaks)
	}
}

func TestWritingSurvivesBrokenConnections(t *testing.T) {
	t.Parallel()
	proxy := newProxy(t, azurite(t).host)
	store, _ := recordedAzure(t, proxy.host, limits{})
	content := randomBytes(13 << 20)
	proxy.cutUploads(1<<20, 10, 3<<20, 6<<20)
	put(t, store, "report.csv", content)
	if n := proxy.remaining(); n != 0 {
		t.Errorf("%d of the cuts never came", n)
	}
	if got := get(t, store, "report.csv"); !bytes.Equal(got, content) {
		t.Errorf("%d bytes are stored, not the %d that were written", len(got), len(content))
	}
}

// What is written next does not wait for the blocks that are on their way, up to as many as may be.
func TestWritingGoesOnWhileBlocksAreOnTheirWay(t *testing.T) {
	t.Parallel()
	store, requests := recordedAzure(t, azurite(t).host, limits{})
	isFilled := make(chan struct{}) // the block behind those that are on their way
	requests.answer = func(response *http.Response) (*http.Response, error) {
		if response.Request.URL.Query().Get("comp") != "block" {
			return response, nil
		}
		select {
		case <-isFilled:
		case <-time.After(20 * time.Second):
			t.Error("writing waits for a block that is on its way")
		}
		return response, nil
	}
	content := randomBytes(parallelBlocks*firstBlock + firstBlock - 1)
	writer, err := written(t.Context(), store, "report.csv", content)
	if err != nil {
		t.Fatal(err)
	}
	close(isFilled)
	if err := writer.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, store, "report.csv"); !bytes.Equal(got, content) {
		t.Errorf("%d bytes are stored, not the %d that were written", len(got), len(content))
	}
}

func TestACommitWhoseAnswerIsLostIsCommitted(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1000, 9 << 20} {
		store, requests := recordedAzure(t, azurite(t).host, limits{})
		lost := 0
		requests.answer = func(response *http.Response) (*http.Response, error) {
			staging := response.Request.URL.Query().Get("comp") == "block"
			if response.Request.Method == http.MethodPut && !staging && lost == 0 {
				lost++
				response.Body.Close()
				return nil, errors.New("connection reset by peer")
			}
			return response, nil
		}
		content := randomBytes(size)
		put(t, store, "report.csv", content)
		if got := get(t, store, "report.csv"); !bytes.Equal(got, content) || lost != 1 {
			t.Errorf("%d bytes: read %d others, %d answers lost", size, len(got), lost)
		}
	}
}

func TestAnObjectWithAContentEncodingIsReadAsItIsStored(t *testing.T) {
	t.Parallel()
	store := azureByKey(t, limits{bytes: 1000})
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	writer.Write(randomBytes(5000))
	writer.Close()
	encoding := "gzip"
	_, err := store.container.NewBlockBlobClient("some/prefix/a.json.gz").Upload(t.Context(), streaming.NopCloser(bytes.NewReader(packed.Bytes())),
		&blockblob.UploadOptions{HTTPHeaders: &blob.HTTPHeaders{BlobContentEncoding: &encoding}})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, store, "a.json.gz"); !bytes.Equal(got, packed.Bytes()) {
		t.Errorf("read %d bytes, not the %d that are stored", len(got), packed.Len())
	}
}

func TestAPrefixHidesTheRestOfTheContainer(t *testing.T) {
	t.Parallel()
	e := azurite(t)
	name := e.newContainer(t)
	whole := openAzure(t, AzureOptions{ConnectionString: e.connection(e.host), Container: name})
	part := openAzure(t, AzureOptions{ConnectionString: e.connection(e.host), Container: name, Prefix: "/tele/metry/"})
	for _, name := range []string{"tele/metry-old", "tele/metry/a", "tele/metry/b/c", "tele/metry/", "tele/metry", "x"} {
		_, err := whole.container.NewBlockBlobClient(name).Upload(t.Context(), streaming.NopCloser(strings.NewReader("")), nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, object := range list(t, part, "", "") {
		got = append(got, object.Name)
	}
	if want := []string{"a", "b/c"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if len(list(t, whole, "", "")) != 5 { // all but the marker of a folder
		t.Errorf("the whole container lists %v", list(t, whole, "", ""))
	}
}

// Azurite has no hierarchical namespace. This server answers as such an account does: folders are listed, and a folder's
// content comes right after it (github.com/Azure/azure-sdk-for-go/issues/24210).
func TestAnAccountWithFoldersIsListedInByteOrder(t *testing.T) {
	t.Parallel()
	for name, tellsType := range map[string]bool{"with the type of each": true, "in a service version without types": false} {
		t.Run(name, func(t *testing.T) { listsFolders(t, tellsType) })
	}
}

func listsFolders(t *testing.T, tellsType bool) {
	pages := []string{"f:a! d:a f:a/1 f:a/2", "f:a-b d:a.c f:a.c/1 f:ab"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("marker"))
		next := ""
		if page+1 < len(pages) {
			next = strconv.Itoa(page + 1)
		}
		w.Header().Set("Content-Type", "application/xml")
		fmt.Fprint(w, "<EnumerationResults><Blobs>")
		for entry := range strings.FieldsSeq(pages[page]) {
			kind, name, _ := strings.Cut(entry, ":")
			kind, metadata := map[string]string{"d": "directory", "f": "file"}[kind], ""
			if kind == "directory" {
				metadata = "<hdi_isfolder>true</hdi_isfolder>"
			}
			if kind = "<ResourceType>" + kind + "</ResourceType>"; !tellsType {
				kind = ""
			}
			fmt.Fprintf(w, "<Blob><Name>%s</Name><Properties><Content-Length>1</Content-Length>%s</Properties>"+
				"<Metadata>%s</Metadata></Blob>", name, kind, metadata)
		}
		fmt.Fprintf(w, "</Blobs><NextMarker>%s</NextMarker></EnumerationResults>", next)
	}))
	defer server.Close()
	store := openAzure(t, AzureOptions{Container: "telemetry",
		ConnectionString: "AccountName=a;AccountKey=a2V5;BlobEndpoint=" + server.URL})
	var got []string
	for _, object := range list(t, store, "", "a") {
		got = append(got, object.Name)
	}
	if want := []string{"a!", "a-b", "a.c/1", "a/1", "a/2", "ab"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
}

func TestASharedAccessSignatureDoesAllButSign(t *testing.T) {
	t.Parallel()
	e := azurite(t)
	name := e.newContainer(t)
	token, err := sas.BlobSignatureValues{ContainerName: name, ExpiryTime: time.Now().Add(time.Hour).UTC(),
		Permissions: (&sas.ContainerPermissions{Read: true, List: true, Write: true, Delete: true}).String(),
	}.SignWithSharedKey(emulatorKey(t))
	if err != nil {
		t.Fatal(err)
	}
	store := openAzure(t, AzureOptions{Container: name,
		ConnectionString: "BlobEndpoint=" + e.endpoint + "/devstoreaccount1;SharedAccessSignature=" + token.Encode()})
	if err := store.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	content := randomBytes(5 << 20)
	put(t, store, "a/b.csv", content)
	if got := get(t, store, "a/b.csv"); !bytes.Equal(got, content) {
		t.Errorf("read %d bytes, not what was written", len(got))
	}
	if objects := list(t, store, "a", ""); len(objects) != 1 {
		t.Errorf("listed %v", objects)
	}
	signed, err := store.SignURL(t.Context(), "a/b.csv", time.Now().Add(time.Hour))
	if signed != "" || err == nil || !strings.Contains(err.Error(), "a/b.csv") || !strings.Contains(err.Error(), "use one with AccountKey") {
		t.Errorf("SignURL gave %q, %v", signed, err)
	}
	if err := store.Delete(t.Context(), "a/b.csv"); err != nil {
		t.Errorf("Delete: %v", err)
	}
}

func TestASignedURLIsToReadOneBlobForAsLongAsSaid(t *testing.T) {
	t.Parallel()
	expires := time.Now().Add(36 * time.Hour).UTC().Truncate(time.Second)
	for protocol, store := range map[string]*Azure{
		"https,http": azureByKey(t, limits{}), // the emulator's endpoint is http
		"https":      azureByIdentity(t, limits{}),
		// Nothing is asked of this account.
		"https ": openAzure(t, AzureOptions{ConnectionString: "AccountName=acct;AccountKey=a2V5", Container: "reports"}),
	} {
		query := queryOf(t, sign(t, store, "a/b.csv", expires))
		got := []string{query.Get("sp"), query.Get("sr"), query.Get("spr"), query.Get("se"), query.Get("rscd")}
		want := []string{"r", "b", strings.TrimSpace(protocol), expires.Format("2006-01-02T15:04:05Z"), "attachment; filename=b.csv"}
		if !slices.Equal(got, want) {
			t.Errorf("the query is %q, want %q", got, want)
		}
		start, err := time.Parse(time.RFC3339, query.Get("st"))
		if ago := time.Since(start); err != nil || ago < 14*time.Minute || ago > 17*time.Minute {
			t.Errorf("it begins %v ago (%v), want about 15 minutes for clocks that differ", ago, err)
		}
	}
}

func TestTheDelegationKeyIsAskedForOnceAndRenewedInTime(t *testing.T) {
	t.Parallel()
	e := azuriteOAuth(t)
	requests := &recorder{next: e.client().Transport}
	_, port, _ := net.SplitHostPort(e.host)
	store := openAzure(t, AzureOptions{Account: "https://devstoreaccount1.blob.localhost:" + port, Container: e.newContainer(t),
		credential: tokenSource{}, transport: &http.Client{Transport: requests}})
	for _, step := range []struct {
		name    string
		ttl     time.Duration
		want    int    // keys asked for until then
		wantErr string // "" for none
	}{
		{"the first", 24 * time.Hour, 1, ""},
		{"again", 24 * time.Hour, 1, ""},
		{"a day longer", 47 * time.Hour, 1, ""},
		{"beyond the key", 49 * time.Hour, 2, ""},
		{"the longest", 7 * 24 * time.Hour, 3, ""},
		{"too long", 7*24*time.Hour + time.Minute, 3, "seven days are the most"},
	} {
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				_, err := store.SignURL(t.Context(), "a.csv", time.Now().Add(step.ttl-time.Second))
				if step.wantErr == "" && err != nil || step.wantErr != "" && (err == nil || !strings.Contains(err.Error(), step.wantErr)) {
					t.Errorf("%s: %v", step.name, err)
				}
			})
		}
		group.Wait()
		if got := len(requests.list()); got != step.want {
			t.Errorf("%s: %d keys were asked for, want %d", step.name, got, step.want)
		}
	}
}

func TestNoErrorTellsASecret(t *testing.T) {
	t.Parallel()
	e := azurite(t)
	const secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ"
	token := "sv=2022-11-02&sr=c&sp=rlwd&se=2099-01-01T00%3A00%3A00Z&sig=" + secret + "%3D"
	closed := "127.0.0.1:1"
	for where, endpoint := range map[string]string{
		"refused":     e.endpoint + "/devstoreaccount1",
		"unreachable": "http://" + closed + "/devstoreaccount1",
	} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			store := openAzure(t, AzureOptions{Container: "reports",
				ConnectionString: "BlobEndpoint=" + endpoint + ";SharedAccessSignature=" + token})
			calls := map[string]func(context.Context) error{
				"open": func(ctx context.Context) error { _, err := store.Open(ctx, "a/b.csv"); return err },
				"open version": func(ctx context.Context) error {
					_, err := store.OpenVersion(ctx, Object{Name: "a/b.csv", Size: 1, ETag: "0x1"})
					return err
				},
				"stat": func(ctx context.Context) error { _, err := store.Stat(ctx, "a/b.csv"); return err },
				"list": func(ctx context.Context) error {
					for _, err := range store.List(ctx, "a/b.csv", "") {
						return err
					}
					return nil
				},
				"create":      func(ctx context.Context) error { return write(ctx, store, "a/b.csv", []byte("x")) },
				"create more": func(ctx context.Context) error { return write(ctx, store, "a/b.csv", randomBytes(5<<20)) },
				"create on a condition": func(ctx context.Context) error {
					_, err := commitIf(ctx, store, "a/b.csv", []byte("x"), "0x1")
					return err
				},
				"delete": func(ctx context.Context) error { return store.Delete(ctx, "a/b.csv") },
				"delete version": func(ctx context.Context) error {
					return store.DeleteVersion(ctx, Object{Name: "a/b.csv", ETag: "0x1"})
				},
				"sign": func(ctx context.Context) error { _, err := store.SignURL(ctx, "a/b.csv", time.Now()); return err },
				"ping": store.Ping,
			}
			var group sync.WaitGroup
			for name, call := range calls {
				group.Go(func() {
					err := call(t.Context())
					if err == nil {
						t.Errorf("%s gave no error", name)
						return
					}
					for ; err != nil; err = errors.Unwrap(err) {
						if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, secret) || strings.Contains(text, "sig=") {
							t.Errorf("%s tells the secret: %s", name, text)
						}
					}
				})
			}
			group.Wait()
			want := map[string]string{"refused": "HTTP 403", "unreachable": "connection refused"}[where]
			if err := calls["ping"](t.Context()); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "devstoreaccount1/reports") {
				t.Errorf("the error %q does not tell %q and the container", err, want)
			}
		})
	}
}

func TestAnErrorIsFlattenedToOneLineWithoutSecrets(t *testing.T) {
	cause := &url.Error{Op: "Get", URL: "https://a.example/?sig=secret", Err: errors.New("no\n  route: se=1&sig=secret%3D&sp=r; AccountKey=secret;X")}
	if got, want := redact(fmt.Errorf("wrapped: %w", cause)).Error(), "no route: se=1&sig=…&sp=r; AccountKey=…;X"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
		cause.Err = want
		if got := redact(cause); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestAMissingContainerIsNoMissingObject(t *testing.T) {
	t.Parallel()
	e := azurite(t)
	store := openAzure(t, AzureOptions{ConnectionString: e.connection(e.host), Container: "not-there"})
	_, openErr := store.Open(t.Context(), "a.csv")
	_, versionErr := store.OpenVersion(t.Context(), Object{Name: "a.csv", Size: 1, ETag: "0x1"})
	_, statErr := store.Stat(t.Context(), "a.csv")
	for call, err := range map[string]error{"Open": openErr, "OpenVersion": versionErr, "Stat": statErr, "Ping": store.Ping(t.Context()), "Create": write(t.Context(), store, "a.csv", nil),
		"Delete": store.Delete(t.Context(), "a.csv"), "DeleteVersion": store.DeleteVersion(t.Context(), Object{Name: "a.csv", ETag: "0x1"})} {
		if err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "not-there: the container does not exist") {
			t.Errorf("%s: %v", call, err)
		}
	}
}

func TestBlocksGrowSoThatTheyNeverRunOut(t *testing.T) {
	total := 0
	for i := range maxBlocks {
		total += blockSize(i)
	}
	if blockSize(0) != 4<<20 || blockSize(maxBlocks-1) > 4000<<20 || total < 1<<40 {
		t.Errorf("the first block has %d bytes, the last %d, all %d: want 4 MiB, at most 4,000 MiB, at least 1 TiB",
			blockSize(0), blockSize(maxBlocks-1), total)
	}
}

// recordedAzure is a store in a new container, reached by way of host. It records the headers of its requests.
func recordedAzure(t *testing.T, host string, limits limits) (*Azure, *recorder) {
	t.Helper()
	e := azurite(t)
	requests := &recorder{next: newTransport().Transport}
	store := openAzure(t, AzureOptions{ConnectionString: e.connection(host), Container: e.newContainer(t),
		transport: &http.Client{Transport: requests}})
	return limited(store, limits), requests
}

type recorder struct {
	next   http.RoundTripper
	answer func(*http.Response) (*http.Response, error) // may change what the store gets to see

	mu      sync.Mutex
	headers []http.Header
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	header := http.Header{}
	for name, values := range request.Header { // the SDK spells some in lower case
		header.Set(name, values[0])
	}
	r.mu.Lock()
	r.headers = append(r.headers, header)
	r.mu.Unlock()
	response, err := r.next.RoundTrip(request)
	if err == nil && r.answer != nil {
		return r.answer(response)
	}
	return response, err
}

func (r *recorder) list() []http.Header {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.headers)
}

func (r *recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers = nil
}

func rangeStart(t *testing.T, header http.Header) int64 {
	t.Helper()
	text, found := strings.CutPrefix(header.Get("X-Ms-Range"), "bytes=")
	if !found {
		t.Fatalf("no range in %v", header)
	}
	text, _, _ = strings.Cut(text, "-")
	start, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("the range %q: %v", header.Get("X-Ms-Range"), err)
	}
	return start
}

func queryOf(t *testing.T, signed string) url.Values {
	t.Helper()
	parsed, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Query()
}

// proxy passes connections on to a server, and breaks as many of the next ones as it is told.
type proxy struct {
	host string

	mu     sync.Mutex
	faults []fault
	conns  []net.Conn
}

// fault breaks a connection after so many bytes in one direction.
type fault struct {
	bytes  int64
	upload bool
	reset  bool
	stall  bool // does not close it either
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{host: listener.Addr().String()}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			p.keep(client, server)
			group.Go(func() { p.pass(server, client, true) })
			group.Go(func() { p.pass(client, server, false) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.closeAll()
		group.Wait()
	})
	return p
}

func (p *proxy) cutDownloads(reset bool, after ...int64) {
	p.plan(after, fault{reset: reset})
}
func (p *proxy) stallDownloads(after ...int64) { p.plan(after, fault{stall: true}) }
func (p *proxy) cutUploads(after ...int64)     { p.plan(after, fault{upload: true}) }

// plan breaks all connections there are, so that the faults meet the next ones.
func (p *proxy) plan(after []int64, kind fault) {
	p.closeAll()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, bytes := range after {
		kind.bytes = bytes
		p.faults = append(p.faults, kind)
	}
}

func (p *proxy) remaining() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.faults)
}

func (p *proxy) keep(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = append(p.conns, conns...)
}

func (p *proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		conn.Close()
	}
	p.conns = nil
}

// next takes the fault of the connection's first bytes in that direction.
func (p *proxy) next(upload bool) (fault, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.faults) == 0 || p.faults[0].upload != upload {
		return fault{}, false
	}
	f := p.faults[0]
	p.faults = p.faults[1:]
	return f, true
}

func (p *proxy) pass(to, from net.Conn, upload bool) {
	first := make([]byte, 1)
	if _, err := io.ReadFull(from, first); err != nil {
		to.Close()
		return
	}
	all := io.MultiReader(bytes.NewReader(first), from)
	f, faulty := p.next(upload)
	if !faulty {
		io.Copy(to, all)
		to.Close()
		return
	}
	io.CopyN(to, all, f.bytes)
	if f.stall {
		return
	}
	if f.reset {
		to.(*net.TCPConn).SetLinger(0)
	}
	to.Close()
	from.Close()
}
