package blob

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

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
	query, err := a.sign(ctx, sas.BlobSignatureValues{
		Protocol:           protocol,
		StartTime:          start.Add(-clockSkew).UTC(),
		ExpiryTime:         expires.UTC(),
		Permissions:        (&sas.BlobPermissions{Read: true}).String(),
		ContainerName:      parts.ContainerName,
		BlobName:           a.prefix + name,
		ContentDisposition: attachment(name),
	})
	if err != nil {
		return "", a.wrap("sign a URL for", name, err)
	}
	return a.where + "/" + escapeName(a.prefix+name) + "?" + query.Encode(), nil
}

// azureSigner signs with what the store was signed in with.
type azureSigner func(ctx context.Context, values sas.BlobSignatureValues) (sas.QueryParameters, error)

// refuseToSign is what a connection string with a shared access signature can do.
func refuseToSign(context.Context, sas.BlobSignatureValues) (sas.QueryParameters, error) {
	return sas.QueryParameters{}, errors.New("AZURE_STORAGE_CONNECTION_STRING has a shared access signature, which " +
		"cannot sign URLs: use one with AccountKey, or AZURE_STORAGE_ACCOUNT")
}

const (
	// keyLife is how long a user delegation key is used at least, so that Azure is asked about once a day.
	keyLife = 24 * time.Hour

	// maxKeyLife is Azure's limit, and so that of the URLs.
	maxKeyLife = 7 * 24 * time.Hour
)

// delegation signs with a user delegation key, which Azure gives to an identity for some days. A URL cannot outlive it.
type delegation struct {
	account *service.Client

	mu     sync.Mutex
	key    *service.UserDelegationCredential
	expiry time.Time // of the key
}

func (d *delegation) sign(ctx context.Context, values sas.BlobSignatureValues) (sas.QueryParameters, error) {
	key, err := d.keyUntil(ctx, values.ExpiryTime)
	if err != nil {
		return sas.QueryParameters{}, err
	}
	return values.SignWithUserDelegation(key)
}

// keyUntil is a key that outlives a URL which is valid until expires.
func (d *delegation) keyUntil(ctx context.Context, expires time.Time) (*service.UserDelegationCredential, error) {
	now := time.Now().UTC()
	if expires.After(now.Add(maxKeyLife)) {
		return nil, fmt.Errorf("the URL would be valid until %s: without an account key seven days are the most that Azure allows",
			expires.UTC().Format(time.RFC3339))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.key != nil && !expires.After(d.expiry) && now.Before(d.expiry) {
		return d.key, nil
	}
	life := min(max(expires.Sub(now), 0)+keyLife, maxKeyLife)
	start, expiry := now.Add(-min(clockSkew, maxKeyLife-life)), now.Add(life)
	startText, expiryText := start.Format(sas.TimeFormat), expiry.Format(sas.TimeFormat)
	key, err := d.account.GetUserDelegationCredential(ctx, service.KeyInfo{Start: &startText, Expiry: &expiryText}, nil)
	if err != nil {
		return nil, fmt.Errorf("get a user delegation key: %w", err)
	}
	d.key, d.expiry = key, expiry.Truncate(time.Second)
	return key, nil
}
