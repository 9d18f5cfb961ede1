package blob

import (
	"cmp"
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
)

var containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)

// CheckContainer holds the name of a container to Azure's rules. Its error tells what such a name has.
func CheckContainer(name string) error {
	if len(name) < 3 || len(name) > 63 || !containerName.MatchString(name) {
		return errors.New("3 to 63 characters a-z, 0-9 and single hyphens between them")
	}
	return nil
}

// CheckPrefix tells what is wrong with the prefix of all names in a container: slashes around it do not count, and "" is
// none.
func CheckPrefix(prefix string) error {
	prefix = strings.Trim(prefix, "/")
	switch {
	case prefix == "":
		return nil
	case strings.ContainsAny(prefix, "?#"):
		return errors.New("the prefix after the container must hold neither ? nor #; credentials go into AZURE_STORAGE_CONNECTION_STRING")
	}
	return checkName(prefix)
}

// CheckAccount tells what is wrong with AzureOptions.Account.
func CheckAccount(account string) error {
	_, err := parseAccount(account)
	return err
}

var accountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

func parseAccount(account string) (endpoint string, err error) {
	account = strings.TrimSuffix(account, "/")
	if accountName.MatchString(account) {
		return "https://" + account + ".blob.core.windows.net", nil
	}
	u, err := url.Parse(account)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" {
		return "", errors.New("it must be the account's name, 3 to 24 characters a-z and 0-9, or its https:// endpoint")
	}
	return account, nil
}

// accountOf is the name of the account at an endpoint: the first label of its host, or the path where the host is an
// address, as an emulator's.
func accountOf(endpoint string) string {
	parts, err := sas.ParseURL(endpoint)
	if err != nil {
		return ""
	}
	label, _, _ := strings.Cut(parts.Host, ".")
	return cmp.Or(parts.IPEndpointStyleInfo.AccountName, label)
}

// CheckConnectionString tells what is wrong with a connection string for production, and never shows it: it names the
// account and holds what signs in to it, which is the account's key where the store signs URLs. NewAzure takes others
// too: the emulator's, and a BlobEndpoint with a shared access signature.
func CheckConnectionString(connection string, signs bool) error {
	hasKey := connectionPart(connection, "AccountKey") != ""
	switch {
	case connectionPart(connection, "AccountName") == "" || !hasKey && connectionPart(connection, "SharedAccessSignature") == "":
		return errors.New("it must hold AccountName=…;AccountKey=…, as the Azure portal shows it under Access keys")
	case signs && !hasKey:
		return errors.New("it must hold AccountKey=…, because the reports' download URLs are signed with it")
	}
	return nil
}

// developmentStorage is what UseDevelopmentStorage=true stands for: the emulator's account, whose key Microsoft published.
const developmentStorage = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
	"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
	"BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1"

func connectionPart(connection, name string) string {
	for part := range strings.SplitSeq(connection, ";") {
		if value, ok := strings.CutPrefix(part, name+"="); ok {
			return value
		}
	}
	return ""
}
