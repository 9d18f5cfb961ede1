package blob

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// Azure is a store in a container of Azure Blob Storage, with or without a hierarchical namespace. The container must
// exist.
//
// With a connection string that has the account's key, everything is allowed. An identity of the default credential
// chain needs the role Storage Blob Data Contributor on the container (list, read, write and delete blobs; Storage Blob
// Data Reader where it only reads), and to sign URLs also Storage Blob Delegator on the account (generate a user
// delegation key). A connection string with a shared access signature needs the permissions r, l, w and d, and cannot
// sign URLs.
type Azure struct {
	container *container.Client
	where     string // the container's URL without any credentials
	prefix    string // "" or ending in "/"
	version   string // of the service, in each request and signed URL
	sign      azureSigner
	limits    limits
}

var _ Store = (*Azure)(nil)

// AzureOptions names a container and how to sign in: with ConnectionString or else as Account.
type AzureOptions struct {
	// ConnectionString is Azure's, with AccountKey or SharedAccessSignature, or UseDevelopmentStorage=true.
	ConnectionString string

	// Account is a storage account's name, or its endpoint (https://…) where that is not in Azure's public cloud.
	Account string

	Container string
	Prefix    string // of all names, without the "/" that follows it; "" for the whole container

	// APIVersion is the service version of all requests and signed URLs, as yyyy-MM-dd; "" is NewestAPIVersion.
	APIVersion string

	credential azcore.TokenCredential // instead of the default chain
	transport  *http.Client           // instead of newTransport's
}

// limits are how much one request asks for, and how long it may take.
type limits struct {
	page  int32         // objects in a listing
	bytes int64         // of an object that is read
	stall time.Duration // after which a connection that gives nothing is taken for dead
}

// defaultLimits: Azure allows 5,000 objects. An object that is replaced while it is read slowly is noticed at the next
// 32 MiB; and no connection is held for hours.
var defaultLimits = limits{page: 5000, bytes: 32 << 20, stall: time.Minute}

// NewAzure opens the store. It asks Azure nothing: see Ping.
func NewAzure(opts AzureOptions) (*Azure, error) {
	if err := CheckContainer(opts.Container); err != nil {
		return nil, fmt.Errorf("%q is no container name: it has %w", opts.Container, err)
	}
	if err := CheckPrefix(opts.Prefix); err != nil {
		return nil, fmt.Errorf("prefix of the names in container %s: %w", opts.Container, err)
	}
	opts.APIVersion = cmp.Or(opts.APIVersion, NewestAPIVersion)
	if err := CheckAPIVersion(opts.APIVersion); err != nil {
		return nil, fmt.Errorf("service version %q: %w", opts.APIVersion, err)
	}
	azure, err := newAzureClient(opts)
	if err != nil {
		return nil, fmt.Errorf("Azure container %s: %w", opts.Container, err)
	}
	azure.version = opts.APIVersion
	if azure.prefix = strings.Trim(opts.Prefix, "/"); azure.prefix != "" {
		azure.prefix += "/"
	}
	azure.limits = defaultLimits
	azure.where, _, _ = strings.Cut(azure.container.URL(), "?")
	return azure, nil
}

func newAzureClient(opts AzureOptions) (*Azure, error) {
	options := azcore.ClientOptions{
		Transport: cmp.Or(opts.transport, newTransport()), Retry: retries,
		PerCallPolicies: []policy.Policy{versionPolicy(opts.APIVersion)},
	}
	switch {
	case opts.ConnectionString != "":
		return fromConnectionString(opts, options)
	case opts.Account != "":
		return fromAccount(opts, options)
	default:
		return nil, errors.New("set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT to sign in with " +
			"Azure's default credential chain")
	}
}

// retries bridge, for a few seconds, what passes by itself; longer trouble is for the caller, who can tell that it waits.
var retries = policy.RetryOptions{MaxRetries: 4, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 5 * time.Second}

// newTransport is Go's default one, but for three things: it keeps as many connections as there are readers; it never
// waits for an answer for ever; and it hands over an object whose Content-Encoding is gzip as it is stored, not unpacked
// behind the back of the reader, who counts bytes.
func newTransport() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	transport.ResponseHeaderTimeout = time.Minute
	transport.DisableCompression = true
	return &http.Client{Transport: transport}
}

func fromConnectionString(opts AzureOptions, options azcore.ClientOptions) (*Azure, error) {
	connection := strings.TrimSpace(opts.ConnectionString)
	if strings.TrimRight(connection, ";") == "UseDevelopmentStorage=true" {
		connection = developmentStorage
	}
	client, err := container.NewClientFromConnectionString(connection, opts.Container, &container.ClientOptions{ClientOptions: options})
	if err != nil {
		return nil, fmt.Errorf("the connection string is not valid: %w", redact(err))
	}
	account, key := connectionPart(connection, "AccountName"), connectionPart(connection, "AccountKey")
	if account == "" || key == "" {
		return &Azure{container: client, sign: refuseToSign}, nil
	}
	decoded, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return nil, fmt.Errorf("the connection string is not valid: AccountKey is no base64: %w", err)
	}
	return &Azure{container: client, sign: signByKey(account, decoded)}, nil
}

func fromAccount(opts AzureOptions, options azcore.ClientOptions) (*Azure, error) {
	endpoint, err := parseAccount(opts.Account)
	if err != nil {
		return nil, fmt.Errorf("%q is no storage account: %w", opts.Account, err)
	}
	credential := opts.credential
	if credential == nil {
		if credential, err = azidentity.NewDefaultAzureCredential(nil); err != nil {
			return nil, fmt.Errorf("sign in with the default credential chain: %w", redact(err))
		}
	}
	client, err := container.NewClient(endpoint+"/"+opts.Container, credential, &container.ClientOptions{ClientOptions: options})
	if err != nil {
		return nil, redact(err)
	}
	account, err := service.NewClient(endpoint, credential, &service.ClientOptions{ClientOptions: options})
	if err != nil {
		return nil, redact(err)
	}
	return &Azure{container: client, sign: (&delegation{client: account, account: accountOf(endpoint)}).sign}, nil
}

// List asks for one page of 5,000 objects after the other. Of an account with a hierarchical namespace it takes all pages
// (about 250 bytes an object) before it yields what comes behind the first folder: such an account lists a folder before its
// siblings, "a/b" before "a-b", which is not the order of names.
func (a *Azure) List(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		var hierarchy []Object
		isHierarchy := false
		pager := a.pager(a.prefix+prefix, a.limits.page)
		for pager.More() {
			page, err := pager.NextPage(ctx)
			if err != nil {
				yield(Object{}, fmt.Errorf("list %q in %s: %w", a.prefix+prefix, a.where, a.cause(err)))
				return
			}
			for _, item := range valueOf(page.Segment).BlobItems {
				isHierarchy = isHierarchy || isOfHierarchy(item)
				object, ok := a.object(item)
				if !ok || object.Name <= after {
					continue
				}
				if isHierarchy {
					hierarchy = append(hierarchy, object)
				} else if !yield(object, nil) {
					return
				}
			}
		}
		slices.SortFunc(hierarchy, func(a, b Object) int { return cmp.Compare(a.Name, b.Name) })
		for _, object := range hierarchy {
			if !yield(object, nil) {
				return
			}
		}
	}
}

// pager lists the blobs whose full name starts with prefix.
func (a *Azure) pager(prefix string, size int32) *runtime.Pager[container.ListBlobsFlatResponse] {
	return a.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: &prefix, MaxResults: &size, Include: container.ListBlobsInclude{Metadata: true},
	})
}

// isOfHierarchy tells whether a listed blob may be of an account with a hierarchical namespace, whose names are in order up
// to the first folder. Only such an account tells the type of a resource, and that not in older service versions; but folders
// are listed before their content and marked in all of them.
func isOfHierarchy(item *container.BlobItem) bool {
	return item.Properties != nil && item.Properties.ResourceType != nil || hasFolderMark(item.Metadata)
}

func hasFolderMark(metadata map[string]*string) bool {
	for name, value := range metadata {
		if strings.EqualFold(name, "hdi_isfolder") && valueOf(value) == "true" {
			return true
		}
	}
	return false
}

// object leaves out folders: those of a hierarchical namespace, and the empty blobs by which tools pretend some.
func (a *Azure) object(item *container.BlobItem) (Object, bool) {
	if item.Name == nil || item.Properties == nil {
		return Object{}, false
	}
	object := Object{
		Name:     strings.TrimPrefix(*item.Name, a.prefix),
		Size:     valueOf(item.Properties.ContentLength),
		ETag:     bareETag(item.Properties.ETag),
		Modified: valueOf(item.Properties.LastModified).UTC(),
	}
	isFolder := valueOf(item.Properties.ResourceType) == "directory" || hasFolderMark(item.Metadata) ||
		object.Size == 0 && strings.HasSuffix("/"+object.Name, "/")
	return object, !isFolder
}

// valueOf is the zero value of what Azure left out.
func valueOf[T any](p *T) (value T) {
	if p != nil {
		value = *p
	}
	return value
}

// bareETag is what stands between the quotes: listings leave them out, headers have them. A proxy that compresses spells
// an ETag as a weak one; Azure itself has only strong ones, and If-Match matches no others.
func bareETag(etag *azcore.ETag) string {
	return strings.Trim(strings.TrimPrefix(string(valueOf(etag)), "W/"), `"`)
}

// Stat asks for the blob's properties, which an archived blob tells too.
func (a *Azure) Stat(ctx context.Context, name string) (Object, error) {
	if err := checkListed(name); err != nil {
		return Object{}, a.wrap("stat", name, err)
	}
	properties, err := a.properties(ctx, name)
	if err != nil {
		return Object{}, a.wrap("stat", name, err)
	}
	fullName := a.prefix + name
	object, ok := a.object(&container.BlobItem{Name: &fullName, Metadata: properties.Metadata, Properties: &container.BlobProperties{
		ContentLength: properties.ContentLength, ETag: properties.ETag, LastModified: properties.LastModified,
	}})
	if !ok {
		return Object{}, a.wrap("stat", name, ErrNotFound)
	}
	return object, nil
}

// properties asks by HEAD, whose answer has no body that would name a header which Azure refuses. A listing names it.
func (a *Azure) properties(ctx context.Context, name string) (blob.GetPropertiesResponse, error) {
	properties, err := a.container.NewBlobClient(a.prefix+name).GetProperties(ctx, nil)
	if bloberror.HasCode(err, bloberror.InvalidHeaderValue) {
		if _, listErr := a.pager(a.prefix+name, 1).NextPage(ctx); listErr != nil {
			err = listErr
		}
	}
	return properties, err
}

// checkListed refuses the names that no listing yields. All others are Azure's to judge.
func checkListed(name string) error {
	if name == "" || !utf8.ValidString(name) {
		return &PermanentError{Reason: "a container cannot hold an object of that name"}
	}
	return nil
}

// Delete removes the blob.
func (a *Azure) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	_, err := a.container.NewBlobClient(a.prefix+name).Delete(ctx, nil)
	if err != nil && !bloberror.HasCode(err, bloberror.BlobNotFound) {
		return a.wrap("delete", name, err)
	}
	return nil
}

// DeleteVersion sends the ETag along. Where the answer to a first try is lost, the second one finds nothing there any more.
func (a *Azure) DeleteVersion(ctx context.Context, object Object) error {
	if err := checkName(object.Name); err != nil {
		return err
	}
	_, err := a.container.NewBlobClient(a.prefix+object.Name).Delete(ctx, &blob.DeleteOptions{
		AccessConditions: accessConditions(ifMatch(object.ETag)),
	})
	if err == nil || bloberror.HasCode(err, bloberror.BlobNotFound) || isConditionNotMet(err) && a.isGone(ctx, object.Name) {
		return nil
	}
	return a.wrap("delete", object.Name, err)
}

// ifMatch is the condition that the object is the version of that ETag.
func ifMatch(etag string) *blob.ModifiedAccessConditions {
	return &blob.ModifiedAccessConditions{IfMatch: new(azcore.ETag(`"` + etag + `"`))}
}

func accessConditions(condition *blob.ModifiedAccessConditions) *blob.AccessConditions {
	return &blob.AccessConditions{ModifiedAccessConditions: condition}
}

// isGone tells whether a condition was not met because there is no object: servers do not agree on whether a condition on
// what is not there fails, or the object is not found.
func (a *Azure) isGone(ctx context.Context, name string) bool {
	_, err := a.properties(ctx, name)
	return bloberror.HasCode(err, bloberror.BlobNotFound)
}

// Ping lists at most one object, for which it needs no permission that the store does not need anyway.
func (a *Azure) Ping(ctx context.Context) error {
	ctx = policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1})
	if _, err := a.pager(a.prefix, 1).NextPage(ctx); err != nil {
		return fmt.Errorf("list %s: %w", a.where, a.cause(err))
	}
	return nil
}

// CreateContainer makes the store's container where there is none, and tells whether it did. Any number may do so at
// once. Where the container is there, it needs no permission but to list it, so an identity that may only use it will
// do; to make one it needs Storage Blob Data Contributor on the account, or the account's key.
func (a *Azure) CreateContainer(ctx context.Context) (isNew bool, err error) {
	_, err = a.pager(a.prefix, 1).NextPage(ctx)
	if err == nil {
		return false, nil
	}
	if !bloberror.HasCode(err, bloberror.ContainerNotFound) {
		return false, fmt.Errorf("list %s: %w", a.where, a.cause(err))
	}
	_, err = a.container.Create(ctx, nil)
	if err == nil || bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return err == nil, nil
	}
	return false, fmt.Errorf("create container %s: %w", a.where, a.cause(err))
}

func (a *Azure) wrap(doing, name string, err error) error {
	return fmt.Errorf("%s object %q in %s: %w", doing, a.prefix+name, a.where, a.cause(err))
}

// cause is what an error of the SDK says, without the URL of the request, which may hold a signature. It does not wrap the
// error, because whoever walks the chain would find the URL again.
func (a *Azure) cause(err error) error {
	if permanent, ok := errors.AsType[*PermanentError](err); ok {
		return permanent
	}
	if reasoned, ok := errors.AsType[*reasonedError](err); ok {
		return reasoned
	}
	if answer, ok := errors.AsType[*azureError](err); ok {
		return answer
	}
	for _, known := range []error{ErrNotFound, ErrChanged} {
		if errors.Is(err, known) {
			return known
		}
	}
	response, isResponse := errors.AsType[*azcore.ResponseError](err)
	switch {
	case !isResponse:
		return withoutAnswer(err)
	case response.ErrorCode == string(bloberror.BlobNotFound):
		return ErrNotFound
	case isConditionNotMet(response) || response.ErrorCode == string(bloberror.BlobAlreadyExists):
		return ErrChanged
	}
	if reason := permanentReason(response); reason != "" {
		return &PermanentError{Reason: reason}
	}
	return &azureError{status: response.StatusCode, code: bloberror.Code(response.ErrorCode)}
}

// isConditionNotMet tells whether the object is not the version that the request is about. A lease is refused by the same
// status, and is another matter.
func isConditionNotMet(err error) bool {
	response, ok := errors.AsType[*azcore.ResponseError](err)
	return ok && response.StatusCode == http.StatusPreconditionFailed &&
		(response.ErrorCode == "" || bloberror.HasCode(err, bloberror.ConditionNotMet, bloberror.TargetConditionNotMet))
}

// permanentReason is why asking again would get the same answer, "" where it might get another one.
func permanentReason(response *azcore.ResponseError) string {
	switch bloberror.Code(response.ErrorCode) {
	case bloberror.BlobArchived:
		return "it is in the archive tier: rehydrate it first"
	case bloberror.BlobUsesCustomerSpecifiedEncryption:
		return "it is encrypted with a customer-provided key, which this service does not have"
	}
	return versionReason(response)
}

var signature = regexp.MustCompile(`(?i)\b(sig|signature|accountkey)=[^&;\s"']*`)

// redact keeps of an error what it says, on one line, and whether it comes from the context.
func redact(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	}
	if urlError, ok := errors.AsType[*url.Error](err); ok {
		err = urlError.Err
	}
	message := strings.Join(strings.Fields(err.Error()), " ")
	return errors.New(signature.ReplaceAllString(message, "$1=…"))
}
