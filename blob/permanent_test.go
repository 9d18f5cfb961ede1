package blob

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
)

func TestAnArchivedObjectIsListedButNotRead(t *testing.T) {
	t.Parallel()
	store := azureByKey(t, limits{bytes: 1000})
	content := randomBytes(5000)
	put(t, store, "2022-03-01.json.gz", content)
	reader, err := store.Open(t.Context(), "2022-03-01.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	setTier := func(tier blob.AccessTier) {
		t.Helper()
		if _, err := store.container.NewBlobClient("some/prefix/2022-03-01.json.gz").SetTier(t.Context(), tier, nil); err != nil {
			t.Fatal(err)
		}
	}
	setTier(blob.AccessTierArchive)

	const reason = "it is in the archive tier: rehydrate it first"
	listed := list(t, store, "", "")
	if len(listed) != 1 || statOf(t, store, "2022-03-01.json.gz") != listed[0] {
		t.Fatalf("listed %v", listed)
	}
	got, readErr := io.ReadAll(reader)
	_, openErr := store.Open(t.Context(), "2022-03-01.json.gz")
	_, versionErr := store.OpenVersion(t.Context(), listed[0])
	for call, err := range map[string]error{"reading on": readErr, "Open": openErr, "OpenVersion": versionErr} {
		wantReason(t, call, err, "2022-03-01.json.gz", reason)
	}
	if len(got) != 1000 {
		t.Errorf("%d bytes were read, want the 1000 that the first request gave", len(got))
	}

	setTier(blob.AccessTierHot)
	if got, err := getVersion(t, store, listed[0]); err != nil || string(got) != string(content) {
		t.Errorf("back in an online tier: %d bytes, %v", len(got), err)
	}
}

// refusal is an answer of Azure Blob Storage as its documentation describes it ("Status and error codes"): the code is in
// a header and, but for HEAD, in the body.
func refusal(w http.ResponseWriter, r *http.Request, status int, code, details string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("x-ms-error-code", code)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprintf(w, "\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>%s</Code><Message>What is wrong.\nRequestId:1\nTime:2</Message>%s</Error>", code, details)
	}
}

// serveAzure is a store in a container that handler serves as http://…/account/telemetry.
func serveAzure(t *testing.T, limits limits, handler http.HandlerFunc) *Azure {
	t.Helper()
	return serveAzureOf(t, "", limits, handler)
}

// serveAzureOf is serveAzure for a store that speaks that service version.
func serveAzureOf(t *testing.T, apiVersion string, limits limits, handler http.HandlerFunc) *Azure {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return limited(openAzure(t, AzureOptions{Container: "telemetry", APIVersion: apiVersion,
		ConnectionString: "AccountName=account;AccountKey=a2V5;BlobEndpoint=" + server.URL + "/account"}), limits)
}

// Azurite knows no customer-provided keys and no rehydration, so this server answers as Azure does.
func TestWhatNoWaitingHealsIsToldFromWhatHeals(t *testing.T) {
	t.Parallel()
	header := func(name string) string {
		return "<HeaderName>" + name + "</HeaderName><HeaderValue>2019-07-07</HeaderValue>"
	}
	for _, test := range []struct {
		status        int
		code, details string
		want          string // the reason, "" for an error that heals
	}{
		{409, "BlobArchived", "", "it is in the archive tier: rehydrate it first"},
		{409, "BlobUsesCustomerSpecifiedEncryption", "", "it is encrypted with a customer-provided key, which this service does not have"},
		{400, "InvalidHeaderValue", header("x-ms-version"),
			"the storage account does not know the service version 2019-07-07 that was sent in x-ms-version: " +
				"set EXHAUST_AZURE_API_VERSION to one that it knows"},
		{409, "FeatureVersionMismatch", "", "it has a feature that the service version 2019-07-07, which was sent in x-ms-version, does not know: " +
			"set EXHAUST_AZURE_API_VERSION to a newer one"},
		{400, "UnsupportedHeader", header("x-ms-new"), "the service version 2019-07-07 that was sent in x-ms-version does not know another header " +
			"of the request: set EXHAUST_AZURE_API_VERSION to a newer one"},
		{400, "InvalidHeaderValue", header("x-ms-date"), ""},
		{400, "InvalidHeaderValue", "", ""},
		{409, "BlobBeingRehydrated", "", ""},
		{403, "AuthorizationPermissionMismatch", "", ""},
		{403, "AuthenticationFailed", "", ""},
		{404, "ContainerNotFound", "", ""},
		{409, "ContainerBeingDeleted", "", ""},
		{412, "ConditionNotMet", "", ""},
	} {
		t.Run(test.code+test.details, func(t *testing.T) {
			t.Parallel()
			var isOpen atomic.Bool // whether the first request of a reader is answered
			store := serveAzureOf(t, "2019-07-07", limits{bytes: 1000}, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("If-Match") == "" && isOpen.Load() && r.Method == http.MethodGet && r.URL.Query().Get("comp") == "" {
					w.Header().Set("ETag", `"0x1"`)
					w.Header().Set("Content-Range", "bytes 0-999/5000")
					w.WriteHeader(http.StatusPartialContent)
					w.Write(make([]byte, 1000))
					return
				}
				refusal(w, r, test.status, test.code, test.details)
			})
			errs := map[string]error{}
			_, errs["Open"] = store.Open(t.Context(), "a/b.json")
			_, errs["OpenVersion"] = store.OpenVersion(t.Context(), Object{Name: "a/b.json", Size: 5000, ETag: "0x1"})
			_, errs["Stat"] = store.Stat(t.Context(), "a/b.json")
			for _, err := range store.List(t.Context(), "a/b.json", "") {
				errs["List"] = err
			}
			isOpen.Store(true)
			reader, err := store.Open(t.Context(), "a/b.json")
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			_, errs["reading on"] = io.ReadAll(reader)
			for call, err := range errs {
				if test.want != "" {
					wantReason(t, call, err, "a/b.json", test.want)
				} else if permanent, ok := errors.AsType[*PermanentError](err); err == nil || ok {
					t.Errorf("%s gave %v (%v), want an error that heals", call, err, permanent)
				}
			}
		})
	}
}

func TestAnObjectThatIsBeingRehydratedIsWaitedFor(t *testing.T) {
	t.Parallel()
	store := serveAzure(t, limits{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			refusal(w, r, http.StatusConflict, "BlobArchived", "")
			return
		}
		w.Header().Set("ETag", `"0x1"`)
		w.Header().Set("Content-Length", "5000")
		w.Header().Set("x-ms-access-tier", "Archive")
		w.Header().Set("x-ms-archive-status", "rehydrate-pending-to-cold")
	})
	_, openErr := store.Open(t.Context(), "a.json")
	_, versionErr := store.OpenVersion(t.Context(), Object{Name: "a.json", Size: 5000, ETag: "0x1"})
	for call, err := range map[string]error{"Open": openErr, "OpenVersion": versionErr} {
		permanent, isPermanent := errors.AsType[*PermanentError](err)
		if err == nil || isPermanent || !strings.HasSuffix(err.Error(), ": it is being rehydrated from the archive tier") {
			t.Errorf("%s gave %v (%v)", call, err, permanent)
		}
	}
}

// Azurite can neither list names that XML cannot hold nor keep a backslash, so this server does. It sees the requests as
// they were sent.
func TestNoNameIsTakenApartOnItsWay(t *testing.T) {
	t.Parallel()
	paths := map[string]string{ // by name, from the percent-encoding of RFC 3986
		"2022-03-01//part-0.json.gz":   "2022-03-01%2F%2Fpart-0.json.gz",
		"2022-03-01/./x.json.gz":       "2022-03-01%2F.%2Fx.json.gz",
		"2022-03-01/../x.json.gz":      "2022-03-01%2F..%2Fx.json.gz",
		"/2022-03-01/x.json.gz":        "%2F2022-03-01%2Fx.json.gz",
		"2022-03-01\\x.json.gz":        "2022-03-01%5Cx.json.gz",
		"2022-03-01/tab\tx.json.gz":    "2022-03-01%2Ftab%09x.json.gz",
		"2022-03-01/\x01.json.gz":      "2022-03-01%2F%01.json.gz",
		"2022-03-01/\ufffe + %.json":   "2022-03-01%2F%EF%BF%BE%20+%20%25.json",
		"2022-03-01/http://a?b#c.json": "2022-03-01%2Fhttp:%2F%2Fa%3Fb%23c.json",
	}
	store := serveAzure(t, limits{}, func(w http.ResponseWriter, r *http.Request) {
		const properties = "<Properties><Etag>0x1</Etag><Content-Length>7</Content-Length><Last-Modified>Tue, 01 Mar 2022 10:00:00 GMT</Last-Modified></Properties>"
		if r.URL.Query().Get("comp") == "list" {
			w.Header().Set("Content-Type", "application/xml")
			fmt.Fprint(w, "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>")
			for _, path := range paths {
				fmt.Fprintf(w, `<Blob><Name Encoded="true">%s</Name>%s</Blob>`, strings.ReplaceAll(path, "+", "%2B"), properties)
			}
			fmt.Fprint(w, "</Blobs><NextMarker/></EnumerationResults>")
			return
		}
		path := strings.TrimPrefix(r.RequestURI, "/account/telemetry/")
		for _, known := range paths {
			if path == known {
				w.Header().Set("ETag", `"0x1"`)
				w.Header().Set("Content-Length", "7")
				w.Header().Set("Last-Modified", "Tue, 01 Mar 2022 10:00:00 GMT")
				io.WriteString(w, "content")
				return
			}
		}
		t.Errorf("asked for %s", path)
		refusal(w, r, http.StatusNotFound, "BlobNotFound", "")
	})
	var names []string
	for _, object := range list(t, store, "", "") {
		names = append(names, object.Name)
		if got := get(t, store, object.Name); string(got) != "content" {
			t.Errorf("Open(%q) reads %q", object.Name, got)
		}
		if got, err := getVersion(t, store, object); err != nil || string(got) != "content" {
			t.Errorf("OpenVersion(%q) reads %q, %v", object.Name, got, err)
		}
		if got := statOf(t, store, object.Name); got != object {
			t.Errorf("Stat tells %+v, the listing %+v", got, object)
		}
	}
	slices.Sort(names)
	var want []string
	for name := range paths {
		want = append(want, name)
	}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("listed %q\nwant   %q", names, want)
	}
}

// A proxy that compresses spells an ETag as a weak one, which If-Match never matches.
func TestAWeakETagNamesTheSameVersion(t *testing.T) {
	t.Parallel()
	content := randomBytes(2500)
	store := serveAzure(t, limits{bytes: 1000}, func(w http.ResponseWriter, r *http.Request) {
		if condition := r.Header.Get("If-Match"); condition != "" && condition != `"0x1"` {
			refusal(w, r, http.StatusPreconditionFailed, "ConditionNotMet", "")
			return
		}
		w.Header().Set("ETag", `W/"0x1"`)
		var first, last int
		if _, err := fmt.Sscanf(r.Header.Get("x-ms-range"), "bytes=%d-%d", &first, &last); err != nil {
			w.Header().Set("Content-Length", "2500")
			return
		}
		last = min(last, 2499)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/2500", first, last))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(content[first : last+1])
	})
	if got := get(t, store, "a.json"); string(got) != string(content) {
		t.Errorf("Open reads %d bytes", len(got))
	}
	object := statOf(t, store, "a.json")
	if object.ETag != "0x1" {
		t.Errorf("Stat tells the ETag %s, want 0x1", object.ETag)
	}
	if got, err := getVersion(t, store, object); err != nil || string(got) != string(content) {
		t.Errorf("OpenVersion reads %d bytes, %v", len(got), err)
	}
}

// Servers do not agree on whether a condition on what is not there fails: Azurite answers 412, others 404.
func TestAVersionOfWhatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotFound, http.StatusPreconditionFailed} {
		store := serveAzure(t, limits{}, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead || status == http.StatusNotFound {
				refusal(w, r, http.StatusNotFound, "BlobNotFound", "")
			} else {
				refusal(w, r, status, "ConditionNotMet", "")
			}
		})
		if _, err := store.OpenVersion(t.Context(), Object{Name: "a.json", Size: 5, ETag: "0x1"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("after a %d: %v, want ErrNotFound", status, err)
		}
	}
}

func TestAnAnswerOfAnotherVersionIsNotRead(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct{ etag, contentRange string }{
		"another ETag": {`"0x2"`, "bytes 0-4/5"},
		"another size": {`"0x1"`, "bytes 0-4/6"},
	} {
		store := serveAzure(t, limits{}, func(w http.ResponseWriter, _ *http.Request) { // whatever the condition says
			w.Header().Set("ETag", test.etag)
			w.Header().Set("Content-Range", test.contentRange)
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, "12345")
		})
		if _, err := store.OpenVersion(t.Context(), Object{Name: "a.json", Size: 5, ETag: "0x1"}); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: %v, want ErrChanged", what, err)
		}
	}
}

// Azure has no range of an object that has become empty, whatever the condition says.
func TestAVersionThatHadBytesIsNotTheEmptyObject(t *testing.T) {
	t.Parallel()
	store := serveAzure(t, limits{}, func(w http.ResponseWriter, r *http.Request) {
		refusal(w, r, http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "")
	})
	if _, err := store.OpenVersion(t.Context(), Object{Name: "a.json", Size: 5, ETag: "0x1"}); !errors.Is(err, ErrChanged) {
		t.Errorf("OpenVersion gave %v, want ErrChanged", err)
	}
}

func TestAFolderMarkerIsNoObject(t *testing.T) {
	t.Parallel()
	store := azureByKey(t, limits{})
	upload(t, store, "folder/", "")
	_, err := store.container.NewBlockBlobClient("some/prefix/hierarchy").Upload(t.Context(), streaming.NopCloser(strings.NewReader("")),
		&blockblob.UploadOptions{Metadata: map[string]*string{"hdi_isfolder": new("true")}})
	if err != nil {
		t.Fatal(err)
	}
	if objects := list(t, store, "", ""); len(objects) != 0 {
		t.Errorf("listed %v", objects)
	}
	for _, name := range []string{"folder/", "hierarchy"} {
		if _, err := store.Stat(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("Stat(%q) gave %v, want ErrNotFound as it is not listed", name, err)
		}
	}
}
