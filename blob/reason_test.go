package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

func TestTheReasonOfAnErrorIsForEverybody(t *testing.T) {
	t.Parallel()
	answers := func(status int, code string) Store {
		return serveAzure(t, limits{}, func(w http.ResponseWriter, r *http.Request) { refusal(w, r, status, code, "") })
	}
	behind := func(transport http.RoundTripper) Store {
		e := azurite(t)
		return openAzure(t, AzureOptions{ConnectionString: e.connection(e.host), Container: "reports", transport: &http.Client{Transport: transport}})
	}
	ping := func(store Store) error { return store.Ping(t.Context()) }
	stat := func(store Store, name string) error { _, err := store.Stat(t.Context(), name); return err }

	e := azurite(t)
	_, port, _ := net.SplitHostPort(azuriteOAuth(t).host)
	byIdentity := func(credential azcore.TokenCredential, transport *http.Client) Store {
		return openAzure(t, AzureOptions{Account: "https://devstoreaccount1.blob.localhost:" + port, Container: "reports",
			credential: credential, transport: transport})
	}
	otherKey := strings.Replace(e.connection(e.host), "AccountKey=", "AccountKey=AAAA", 1)
	stopped := httptest.NewServer(nil)
	stopped.Close()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	resetting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}))
	t.Cleanup(resetting.Close)
	at := func(server *httptest.Server, transport *http.Client) Store {
		return openAzure(t, AzureOptions{Container: "reports", transport: transport,
			ConnectionString: "AccountName=account;AccountKey=a2V5;BlobEndpoint=" + server.URL + "/account"})
	}
	impatient := newTransport()
	impatient.Transport.(*http.Transport).ResponseHeaderTimeout = 50 * time.Millisecond
	expired, cancel := context.WithDeadline(t.Context(), time.Now())
	cancel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()

	folder := t.TempDir()
	local := openLocal(t, folder)
	put(t, local, "a.csv", nil)
	gone := openLocal(t, filepath.Join(folder, "gone"))
	if err := os.Remove(filepath.Join(folder, "gone")); err != nil {
		t.Fatal(err)
	}
	disk := func(errno syscall.Errno) error {
		return wrap("write", "a.csv", &fs.PathError{Op: "write", Path: folder + "/.tmp/x", Err: errno})
	}

	for _, test := range []struct {
		when string
		err  error
		want string
	}{
		{"nothing failed", nil, ""},
		{"anything", errors.New("secret.example refused /data/reports/a.csv"), "it failed"},
		{"an error of no store", fmt.Errorf("while saving: %w", io.ErrShortWrite), "it failed"},
		{"the object is not there", stat(local, "b.csv"), "there is no such object"},
		{"the object is not there in Azure", stat(azureByKey(t, limits{}), "b.csv"), "there is no such object"},
		{"the object was changed", local.DeleteVersion(t.Context(), Object{Name: "a.csv", ETag: "1"}), "the object was changed meanwhile"},
		{"the name is none for a folder", stat(local, "a//b"), "a folder cannot hold an object of that name"},
		{"wrapped by its caller", fmt.Errorf("the report of conversation c1: %w", disk(syscall.ENOSPC)), "no space left"},

		{"the context was cancelled", write(cancelled, local, "b.csv", nil), "it was cancelled"},
		{"Azure's context was cancelled", at(stopped, nil).Ping(cancelled), "it was cancelled"},
		{"the context's time is over", write(expired, local, "b.csv", nil), "no answer in time"},
		{"Azure's context's time is over", at(stopped, nil).Ping(expired), "no answer in time"},

		{"the folder is gone", ping(gone), "the folder is not there"},
		{"the folder is gone when it is written to", write(t.Context(), gone, "a.csv", nil), "the folder is not there"},
		{"the folder is another user's", disk(syscall.EACCES), "permission refused"},
		{"the disk is full", disk(syscall.ENOSPC), "no space left"},
		{"the user's share of the disk is full", disk(syscall.EDQUOT), "no space left"},
		{"the disk can only be read", disk(syscall.EROFS), "it can only be read"},
		{"the disk is broken", disk(syscall.EIO), "it failed"},

		{"Azurite has no such container", ping(openAzure(t, AzureOptions{ConnectionString: e.connection(e.host), Container: "not-there"})),
			"the container is not there (404)"},
		{"Azurite is told a wrong key", ping(openAzure(t, AzureOptions{ConnectionString: otherKey, Container: "reports"})), "permission refused (403)"},
		{"Azurite is shown no token it takes", ping(byIdentity(badToken{}, azuriteOAuth(t).client())), "permission refused (403)"},
		{"Azurite's certificate is nobody's", ping(byIdentity(tokenSource{}, newResolving(azuriteOAuth(t)))), "its certificate is not trusted"},
		{"sign-in is not answered as it should", ping(byIdentity(refusedToken{&azidentity.AuthenticationFailedError{
			RawResponse: &http.Response{StatusCode: 401, Body: http.NoBody}}}, azuriteOAuth(t).client())), "sign-in refused (401)"},
		{"there is nobody to sign in as", ping(byIdentity(refusedToken{azidentity.NewCredentialUnavailableError("no identity at 169.254.169.254")},
			azuriteOAuth(t).client())), "sign-in failed"},

		{"Azure answers 401", ping(answers(401, "NoAuthenticationInformation")), "sign-in refused (401)"},
		{"Azure answers 403", ping(answers(403, "AuthorizationPermissionMismatch")), "permission refused (403)"},
		{"Azure answers 403 to an open", func() error {
			_, err := answers(403, "AuthorizationFailure").Open(t.Context(), "a.csv")
			return err
		}(), "permission refused (403)"},
		{"Azure answers 403 without a code", ping(answers(403, "")), "permission refused (403)"},
		{"Azure answers 429", ping(answers(429, "")), "it is too busy (429)"},
		{"Azure answers 503", ping(answers(503, "ServerBusy")), "it is too busy (503)"},
		{"Azure answers 500", ping(answers(500, "InternalError")), "it failed (HTTP 500)"},
		{"Azure answers 409", ping(answers(409, "ContainerBeingDeleted")), "it failed (HTTP 409)"},
		{"Azure answers 409 to a change", answers(409, "BlobImmutableDueToPolicy").Delete(t.Context(), "a.csv"), "a policy protects it (409)"},
		{"Azure has it in its archive", func() error {
			_, err := answers(409, "BlobArchived").Open(t.Context(), "a.csv")
			return err
		}(), "it is in the archive tier: rehydrate it first"},

		{"nobody listens", ping(at(stopped, nil)), "no answer"},
		{"nobody listens when it is written to", write(t.Context(), at(stopped, nil), "a.csv", nil), "no answer"},
		{"the connection is reset", ping(at(resetting, nil)), "no answer"},
		{"the answer does not come", ping(at(silent, impatient)), "no answer in time"},
		{"the host has no address", ping(behind(refusingTransport{&net.DNSError{Err: "no such host", Name: "account.example", IsNotFound: true}})), "no answer"},
		{"the name server does not answer", ping(behind(refusingTransport{&net.DNSError{Err: "i/o timeout", Name: "account.example", IsTimeout: true}})),
			"no answer in time"},
		{"the answer ends early", ping(behind(refusingTransport{io.ErrUnexpectedEOF})), "no answer"},
	} {
		if got := Reason(test.err); got != test.want || (test.err == nil) != (test.want == "") {
			t.Errorf("%s: %q, want %q: %v", test.when, got, test.want, test.err)
		}
	}
}

func TestTheReasonOfAReadThatBreaksOffIsForEverybody(t *testing.T) {
	t.Parallel()
	for want, breakOff := range map[string]func(w http.ResponseWriter, r *http.Request){
		"no answer in time": func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"no answer": func(w http.ResponseWriter, _ *http.Request) {
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"it is being rehydrated from the archive tier": func(w http.ResponseWriter, r *http.Request) {
			refusal(w, r, http.StatusConflict, "BlobArchived", "")
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			store := serveAzure(t, limits{stall: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"0x1"`)
				w.Header().Set("Content-Length", "10")
				if r.Method == http.MethodHead {
					w.Header().Set("x-ms-archive-status", "rehydrate-pending-to-cold")
					return
				}
				if want == "it is being rehydrated from the archive tier" {
					w.Header().Del("Content-Length")
				}
				breakOff(w, r)
			})
			reader, err := store.Open(t.Context(), "a.csv")
			if err == nil {
				defer reader.Close()
				_, err = io.ReadAll(reader)
			}
			if got := Reason(err); got != want || errors.Is(err, context.Canceled) {
				t.Errorf("the reason of %v is %q, want %q", err, got, want)
			}
		})
	}
}

// refusingTransport fails every request, as a network does.
type refusingTransport struct{ err error }

func (t refusingTransport) RoundTrip(*http.Request) (*http.Response, error) { return nil, t.err }

type refusedToken struct{ err error }

func (t refusedToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, t.err
}

type badToken struct{}

func (badToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "none", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// newResolving finds the emulator by any name, and does not trust it.
func newResolving(e *emulator) *http.Client {
	client := e.client()
	client.Transport.(*http.Transport).TLSClientConfig = nil
	return client
}
