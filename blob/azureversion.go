package blob

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
)

// A service version is a day on which Azure Storage changed what requests and answers mean, such as 2021-12-02. Each request
// names one, and so does each signed URL. An account knows all up to its own newest.
const (
	// NewestAPIVersion is the SDK's: it sends and reads what that version says, and nobody can tell what a later one means.
	// It is sas.Version, which is no constant.
	NewestAPIVersion = "2026-12-06"

	// OldestAPIVersion is the first with user delegation keys, and with the form of signed URLs that names the kind of
	// resource. All else that Azure is asked for here is older: error codes of HEAD (2017-07-29), the archive tier
	// (2017-04-17), blocks of more than 4 MiB (2016-05-31).
	OldestAPIVersion = "2018-11-09"
)

const versionHeader = "x-ms-version"

// apiVersionSetting is named by errors, because only whoever sets it can mend them.
const apiVersionSetting = "EXHAUST_AZURE_API_VERSION"

// CheckAPIVersion tells what is wrong with AzureOptions.APIVersion. Which versions between the oldest and the newest exist,
// and which of them an account knows, only the account can tell.
func CheckAPIVersion(version string) error {
	if _, err := time.Parse(time.DateOnly, version); err != nil || version < OldestAPIVersion || version > NewestAPIVersion {
		return errors.New("it must be a service version of Azure Storage, as yyyy-MM-dd, from " + OldestAPIVersion + " to " +
			NewestAPIVersion + ", the newest that this program speaks")
	}
	return nil
}

// versionPolicy sends this service version in place of the SDK's. As a per-call policy it does so before a request is signed.
type versionPolicy string

func (v versionPolicy) Do(request *policy.Request) (*http.Response, error) {
	// As the SDK spells it, in lower case: spelt as Go does, the header would be sent twice.
	request.Raw().Header[versionHeader] = []string{string(v)}
	return request.Next()
}

// versionReason is why the account does not do what was asked in the service version that was sent, "" where that is not
// the reason.
func versionReason(response *azcore.ResponseError) string {
	version := sentVersion(response)
	switch {
	case version == "":
		return ""
	case response.ErrorCode == string(bloberror.InvalidHeaderValue) && namesVersion(response, version):
		return "the storage account does not know the service version " + version + " that was sent in " + versionHeader +
			": set " + apiVersionSetting + " to one that it knows"
	case response.ErrorCode == string(bloberror.FeatureVersionMismatch):
		return "it has a feature that the service version " + version + ", which was sent in " + versionHeader +
			", does not know: set " + apiVersionSetting + " to a newer one"
	case response.ErrorCode == string(bloberror.UnsupportedHeader):
		return "the service version " + version + " that was sent in " + versionHeader + " does not know another header of the request: set " +
			apiVersionSetting + " to a newer one"
	}
	return ""
}

// sentVersion is the service version of the request that the answer is to, "" where nobody knows.
func sentVersion(response *azcore.ResponseError) string {
	if response.RawResponse == nil || response.RawResponse.Request == nil {
		return ""
	}
	version := ""
	for name, values := range response.RawResponse.Request.Header { // in lower case, or as a transport has changed it
		if strings.EqualFold(name, versionHeader) && len(values) == 1 {
			version = values[0]
		}
	}
	return version
}

// namesVersion tells whether it is the service version that an answer refuses. Azure names the header; Azurite names only
// the version, in its message.
func namesVersion(response *azcore.ResponseError, version string) bool {
	body, err := runtime.Payload(response.RawResponse)
	if err != nil {
		return false
	}
	var refusal struct{ Message, HeaderName string }
	_ = xml.Unmarshal(body, &refusal) // what is no XML names no header
	return strings.EqualFold(refusal.HeaderName, versionHeader) || strings.Contains(refusal.Message, "API version "+version)
}
