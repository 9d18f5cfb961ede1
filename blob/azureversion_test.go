package blob

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"data-exhaust/internal/devstack"
)

// bothSignIns are the ways to sign in to Azurite, which refuses the service versions that it does not know.
var bothSignIns = map[string]struct {
	options  func(t testing.TB, apiVersion string) AzureOptions
	emulator func(t testing.TB) *emulator
}{
	"with an account key": {byKey, azurite},
	"with an identity":    {byIdentity, azuriteOAuth},
}

// allCalls does everything that asks the store, and gives what each call said. The object a.json is there, b.json is not.
func allCalls(t *testing.T, store *Azure) map[string]error {
	ctx := t.Context()
	errs := map[string]error{}
	errs["Create, in one call"] = write(ctx, store, "a.json", []byte("content"))
	errs["Create, in blocks"] = write(ctx, store, "b.json", randomBytes(firstBlock+1))
	for _, err := range store.List(ctx, "b", "") {
		errs["List"] = err
	}
	object, err := store.Stat(ctx, "b.json")
	errs["Stat"] = err
	_, errs["Open"] = store.Open(ctx, "b.json")
	if object.ETag == "" {
		object = Object{Name: "b.json", Size: 1, ETag: "0x1"}
	}
	_, errs["OpenVersion"] = store.OpenVersion(ctx, object)
	_, errs["CommitIf"] = commitIf(ctx, store, "b.json", []byte("x"), object.ETag)
	if object, err = store.Stat(ctx, "b.json"); err != nil {
		object = Object{Name: "b.json", ETag: "0x1"}
	}
	errs["DeleteVersion"] = store.DeleteVersion(ctx, object)
	errs["Delete"] = store.Delete(ctx, "b.json")
	errs["Ping"] = store.Ping(ctx)
	_, errs["CreateContainer"] = store.CreateContainer(ctx)
	return errs
}

func TestEveryRequestIsInTheServiceVersionOfTheSettings(t *testing.T) {
	t.Parallel()
	for name, signIn := range bothSignIns {
		for _, version := range []string{OldestAPIVersion, "2020-10-02", devstack.AzuriteAPIVersion} {
			t.Run(name+" in "+version, func(t *testing.T) {
				t.Parallel()
				options := signIn.options(t, version)
				options.Container += "-new" // for CreateContainer
				requests := &recorder{next: signIn.emulator(t).client().Transport}
				options.transport = &http.Client{Transport: requests}
				store := openAzure(t, options)
				if isNew, err := store.CreateContainer(t.Context()); err != nil || !isNew {
					t.Fatalf("CreateContainer: %v, %v", isNew, err)
				}
				for call, err := range allCalls(t, store) {
					if err != nil {
						t.Errorf("%s: %v", call, err)
					}
				}
				signed := queryOf(t, sign(t, store, "a.json", time.Now().Add(time.Hour)))
				if got := signed.Get("sv"); got != version {
					t.Errorf("URLs are signed in version %s", got)
				}
				for _, sent := range requests.list() {
					if got := sent.Get("X-Ms-Version"); got != version {
						t.Errorf("a request is in version %q: %v", got, sent)
					}
				}
			})
		}
	}
}

// The SDK's own version is one that Azurite does not know.
func TestAServiceVersionThatTheAccountDoesNotKnowIsNamed(t *testing.T) {
	t.Parallel()
	const want = "the storage account does not know the service version 2026-12-06 that was sent in x-ms-version: " +
		"set EXHAUST_AZURE_API_VERSION to one that it knows"
	for name, signIn := range bothSignIns {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := openAzure(t, signIn.options(t, NewestAPIVersion))
			errs := allCalls(t, store)
			if name == "with an identity" { // a key signs without asking
				_, errs["SignURL"] = store.SignURL(t.Context(), "b.json", time.Now().Add(time.Hour))
			}
			for call, err := range errs {
				name := "b.json"
				switch call {
				case "Create, in one call":
					name = "a.json"
				case "List", "Ping", "CreateContainer":
					name = "" // a container's
				}
				wantReason(t, call, err, name, want)
				if got := Reason(err); got != want {
					t.Errorf("%s: the reason is %q", call, got)
				}
			}
		})
	}
}

// Azurite checks each signature in the form of its version, sv: before and after each version that brought another form.
func TestASignedURLReadsItsObjectAndNoMoreInEveryServiceVersion(t *testing.T) {
	t.Parallel()
	for name, signIn := range bothSignIns {
		for _, version := range []string{"2018-11-09", "2019-12-12", "2020-02-10", "2020-10-02", "2020-12-06",
			"2025-05-05", "2025-07-05", "2026-02-06", "2026-04-06", "2026-06-06"} {
			t.Run(name+" in "+version, func(t *testing.T) {
				t.Parallel()
				store, client := openAzure(t, signIn.options(t, version)), signIn.emulator(t).client()
				signedURLReads(t, store, client)
				signedURLDoesNothingElse(t, store, client)
			})
		}
	}
}

// An emulator may be reached by its address, with the account as the first segment of the path.
func TestTheAccountOfAnEndpointIsTheOneThatURLsAreSignedFor(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"https://exhaust.blob.core.windows.net":           "exhaust",
		"https://exhaust.blob.core.usgovcloudapi.net:443": "exhaust",
		"https://exhaust.blob.region.stack.example":       "exhaust",
		"https://127.0.0.1:10000/devstoreaccount1":        "devstoreaccount1",
	} {
		if got := accountOf(endpoint); got != want {
			t.Errorf("%s is of account %q, want %q", endpoint, got, want)
		}
	}
	options := byIdentity(t, "")
	options.Account = azuriteOAuth(t).endpoint + "/devstoreaccount1"
	store := openAzure(t, options)
	put(t, store, "a.csv", []byte("content"))
	response, body := fetch(t, options.transport, http.MethodGet, sign(t, store, "a.csv", time.Now().Add(time.Hour)), nil)
	if response.StatusCode != http.StatusOK || string(body) != "content" {
		t.Errorf("GET answered %s: %s", response.Status, body)
	}
}

// No emulator knows the SDK's version, so the SDK's signatures stand for the account's.
func TestASignatureOfTheNewestServiceVersionIsTheSDKs(t *testing.T) {
	t.Parallel()
	if NewestAPIVersion != sas.Version {
		t.Fatalf("the SDK speaks %s, NewestAPIVersion is %s: look up which lines its signatures have", sas.Version, NewestAPIVersion)
	}
	access := readAccess{
		version: NewestAPIVersion, container: "reports", blob: "a/b c.csv", protocol: sas.ProtocolHTTPS, disposition: attachment("b c.csv"),
		start: time.Unix(1649237520, 0), expiry: time.Unix(1649239320, 0),
	}
	values := sas.BlobSignatureValues{
		Protocol: access.protocol, StartTime: access.start, ExpiryTime: access.expiry, Permissions: "r",
		ContainerName: access.container, BlobName: access.blob, ContentDisposition: access.disposition,
	}
	wantSDKs := func(query url.Values, want sas.QueryParameters, err error) {
		t.Helper()
		if err != nil || query.Encode() != want.Encode() {
			t.Errorf("got  %s\nwant %s, %v", query.Encode(), want.Encode(), err)
		}
	}
	want, err := values.SignWithSharedKey(emulatorKey(t))
	wantSDKs(access.signedByAccount("devstoreaccount1", emulatorKeyBytes(t)), want, err)

	options := byIdentity(t, "")
	client, err := service.NewClient(options.Account, options.credential, &service.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: options.transport, PerCallPolicies: []policy.Policy{versionPolicy(devstack.AzuriteAPIVersion)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	start, expiry := access.start, access.start.Add(time.Hour)
	startText, expiryText := signedTime(start), signedTime(expiry)
	credential, err := client.GetUserDelegationCredential(t.Context(), service.KeyInfo{Start: &startText, Expiry: &expiryText}, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := (&delegation{client: client}).newKey(t.Context(), start, expiry)
	if err != nil {
		t.Fatal(err)
	}
	want, err = values.SignWithUserDelegation(credential)
	wantSDKs(access.signedByDelegation("devstoreaccount1", key), want, err)
}

func TestAnAnswerWithoutADelegationKeySignsNothing(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"none": "", "no base64": "!"} {
		options := byIdentity(t, "")
		answers := &recorder{next: options.transport.Transport, answer: func(response *http.Response) (*http.Response, error) {
			response.Body.Close()
			response.Body = http.NoBody
			if value != "" {
				response.Body = io.NopCloser(strings.NewReader("<UserDelegationKey><Value>" + value + "</Value></UserDelegationKey>"))
			}
			return response, nil
		}}
		options.transport = &http.Client{Transport: answers}
		signed, err := openAzure(t, options).SignURL(t.Context(), "a.csv", time.Now().Add(time.Hour))
		if signed != "" || err == nil || !strings.Contains(err.Error(), `"a.csv"`) || !strings.Contains(err.Error(), "the answer holds no key") {
			t.Errorf("%s: %q, %v", name, signed, err)
		}
	}
}

func TestAServiceVersionIsADayThatTheProgramSpeaks(t *testing.T) {
	for _, version := range []string{"2018-11-09", "2019-07-07", "2026-12-06"} {
		if err := CheckAPIVersion(version); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
	const want = "it must be a service version of Azure Storage, as yyyy-MM-dd, from 2018-11-09 to 2026-12-06, the newest that this program speaks"
	for _, version := range []string{"", "2018-11-08", "2017-11-09", "2026-12-07", "2027-02-06", "2023-02-30", "2023-1-3", "20230103", "2023-01-03 ", "newest"} {
		if err := CheckAPIVersion(version); err == nil || err.Error() != want {
			t.Errorf("%q: %v", version, err)
		}
	}
	_, err := NewAzure(AzureOptions{ConnectionString: developmentStorage, Container: "reports", APIVersion: "2017-11-09"})
	if err == nil || err.Error() != `service version "2017-11-09": `+want {
		t.Errorf("NewAzure: %v", err)
	}
	azure, err := NewAzure(AzureOptions{ConnectionString: developmentStorage, Container: "reports"})
	if err != nil || azure.version != NewestAPIVersion {
		t.Errorf("without one it is %v, %v", azure, err)
	}
}

func emulatorKey(t *testing.T) *container.SharedKeyCredential {
	t.Helper()
	key, err := container.NewSharedKeyCredential("devstoreaccount1", connectionPart(developmentStorage, "AccountKey"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func emulatorKeyBytes(t *testing.T) []byte {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(connectionPart(developmentStorage, "AccountKey"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
