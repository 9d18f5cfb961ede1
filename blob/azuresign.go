package blob

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// clockSkew is how far Azure's clock may be behind ours before it finds a URL not valid yet.
const clockSkew = 15 * time.Minute

// SignURL gives the blob's URL with a shared access signature: to read this blob, over HTTPS (but for an endpoint that is
// itself http, as the emulator's), until expires. Signed in by the default credential chain, expires may be at most
// seven days away.
func (a *Azure) SignURL(ctx context.Context, name string, expires time.Time) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	parts, err := sas.ParseURL(a.where)
	if err != nil {
		return "", a.wrap("sign a URL for", name, err)
	}
	protocol := sas.ProtocolHTTPS
	if parts.Scheme == "http" {
		protocol = sas.ProtocolHTTPSandHTTP
	}
	start := time.Now()
	if expires.Before(start) {
		start = expires
	}
	query, err := a.sign(ctx, readAccess{
		version:     a.version,
		container:   parts.ContainerName,
		blob:        a.prefix + name,
		start:       start.Add(-clockSkew),
		expiry:      expires,
		protocol:    protocol,
		disposition: attachment(name),
	})
	if err != nil {
		return "", a.wrap("sign a URL for", name, err)
	}
	return a.where + "/" + escapeName(a.prefix+name) + "?" + query.Encode(), nil
}

// azureSigner signs with what the store was signed in with, and gives the query of the URL.
type azureSigner func(ctx context.Context, access readAccess) (url.Values, error)

// refuseToSign is what a connection string with a shared access signature can do.
func refuseToSign(context.Context, readAccess) (url.Values, error) {
	return nil, errors.New("AZURE_STORAGE_CONNECTION_STRING has a shared access signature, which " +
		"cannot sign URLs: use one with AccountKey, or AZURE_STORAGE_ACCOUNT")
}

// signByKey signs without asking Azure.
func signByKey(account string, key []byte) azureSigner {
	return func(_ context.Context, access readAccess) (url.Values, error) {
		return access.signedByAccount(account, key), nil
	}
}

// readAccess is what a signed URL allows: to read one blob for some time.
//
// A shared access signature is an HMAC-SHA256 over lines whose order and number its service version decides ("Create a
// service SAS" and "Create a user delegation SAS" in the REST API's reference). They are put together here, because the SDK
// knows only its own version's. A line of what is not asked for is empty.
type readAccess struct {
	version         string
	container, blob string
	start, expiry   time.Time
	protocol        sas.Protocol
	disposition     string // the Content-Disposition of the download
}

// signedByAccount makes it a service SAS, signed with the account's key.
func (r readAccess) signedByAccount(account string, key []byte) url.Values {
	const noPolicy = "" // signedIdentifier
	return r.signed(account, key, []string{noPolicy}, nil)
}

// signedByDelegation makes it a user delegation SAS.
func (r readAccess) signedByDelegation(account string, key delegationKey) url.Values {
	signedFor := slices.Concat(key.lines(),
		r.emptySince("2020-02-10", 3), // signedAuthorizedUserObjectId, signedUnauthorizedUserObjectId, signedCorrelationId
		r.emptySince("2025-07-05", 2), // signedKeyDelegatedUserTenantId, signedDelegatedUserObjectId
	)
	signedRequest := r.emptySince("2026-04-06", 2) // headers and query parameters that a request must have
	query := r.signed(account, key.value, signedFor, signedRequest)
	for i, name := range []string{"skoid", "sktid", "skt", "ske", "sks", "skv"} {
		query.Set(name, key.lines()[i])
	}
	return query
}

// signed is the query of the URL; signedFor and signedRequest are the lines in which the two kinds of signature differ.
func (r readAccess) signed(account string, key []byte, signedFor, signedRequest []string) url.Values {
	const permissions, resource = "r", "b"
	start, expiry, protocol := signedTime(r.start), signedTime(r.expiry), string(r.protocol)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join(slices.Concat(
		[]string{permissions, start, expiry, "/blob/" + account + "/" + r.container + "/" + r.blob},
		signedFor,
		[]string{"", protocol, r.version, resource, ""}, // the first is signedIP, the last signedSnapshotTime
		r.emptySince("2020-12-06", 1),                   // signedEncryptionScope
		signedRequest,
		[]string{"", r.disposition, "", "", ""}, // rscc, rscd, rsce, rscl, rsct
	), "\n")))
	return url.Values{
		"sv": {r.version}, "sr": {resource}, "sp": {permissions}, "spr": {protocol}, "st": {start}, "se": {expiry},
		"rscd": {r.disposition}, "sig": {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}

// emptySince is so many empty lines where the service version is at least this one, which brought them.
func (r readAccess) emptySince(version string, lines int) []string {
	if r.version < version {
		return nil
	}
	return make([]string, lines)
}

func signedTime(t time.Time) string { return t.UTC().Format(sas.TimeFormat) }

const (
	// keyLife is how long a user delegation key is used at least, so that Azure is asked about once a day.
	keyLife = 24 * time.Hour

	// maxKeyLife is Azure's limit, and so that of the URLs.
	maxKeyLife = 7 * 24 * time.Hour
)

// delegation signs with a user delegation key, which Azure gives to an identity for some days. A URL cannot outlive it.
type delegation struct {
	client  *service.Client
	account string

	mu  sync.Mutex
	key delegationKey
}

// delegationKey is a user delegation key. It is no secret but for its value.
type delegationKey struct {
	object, tenant   string // whom Azure gave it to
	start, expiry    time.Time
	service, version string
	value            []byte // nil for no key
}

func (k delegationKey) lines() []string {
	return []string{k.object, k.tenant, signedTime(k.start), signedTime(k.expiry), k.service, k.version}
}

func (d *delegation) sign(ctx context.Context, access readAccess) (url.Values, error) {
	key, err := d.keyUntil(ctx, access.expiry)
	if err != nil {
		return nil, err
	}
	return access.signedByDelegation(d.account, key), nil
}

// keyUntil is a key that outlives a URL which is valid until expires.
func (d *delegation) keyUntil(ctx context.Context, expires time.Time) (delegationKey, error) {
	now := time.Now().UTC()
	if expires.After(now.Add(maxKeyLife)) {
		return delegationKey{}, fmt.Errorf("the URL would be valid until %s: without an account key seven days are the most that Azure allows",
			expires.UTC().Format(time.RFC3339))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.key.value != nil && !expires.After(d.key.expiry) && now.Before(d.key.expiry) {
		return d.key, nil
	}
	life := min(max(expires.Sub(now), 0)+keyLife, maxKeyLife)
	key, err := d.newKey(ctx, now.Add(-min(clockSkew, maxKeyLife-life)), now.Add(life))
	if err != nil {
		return delegationKey{}, fmt.Errorf("get a user delegation key: %w", err)
	}
	d.key = key
	return key, nil
}

// newKey asks Azure for a key. The SDK keeps the key's value to itself, so the answer is read once more.
func (d *delegation) newKey(ctx context.Context, start, expiry time.Time) (delegationKey, error) {
	var response *http.Response
	startText, expiryText := signedTime(start), signedTime(expiry)
	_, err := d.client.GetUserDelegationCredential(policy.WithCaptureResponse(ctx, &response),
		service.KeyInfo{Start: &startText, Expiry: &expiryText}, nil)
	if err != nil {
		return delegationKey{}, err
	}
	var answer service.UserDelegationKey
	if err := runtime.UnmarshalAsXML(response, &answer); err != nil {
		return delegationKey{}, err
	}
	value, err := base64.StdEncoding.DecodeString(valueOf(answer.Value))
	if err != nil || len(value) == 0 {
		return delegationKey{}, errors.New("the answer holds no key")
	}
	return delegationKey{
		object: valueOf(answer.SignedOID), tenant: valueOf(answer.SignedTID),
		start: valueOf(answer.SignedStart), expiry: valueOf(answer.SignedExpiry),
		service: valueOf(answer.SignedService), version: valueOf(answer.SignedVersion),
		value: value,
	}, nil
}
