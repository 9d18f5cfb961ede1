package blob

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Env is what opening a store needs besides its URL.
type Env struct {
	// For azblob stores: the connection string, or else the account's name (or https:// endpoint), for which Azure's
	// default credential chain signs in.
	AzureConnectionString string
	AzureAccount          string

	// For file stores, see LocalOptions.
	BaseURL string
	Key     []byte
}

// OpenURL opens the store that a URL names:
//
//	file:///var/lib/exhaust/reports    a folder, absolute
//	file://data/reports                a folder, relative to the working directory
//	azblob://container/prefix          a container of Azure Blob Storage; all names begin with prefix/
//
// It is an error of the settings when it fails: it does not ask whether the store answers, see Ping.
func OpenURL(_ context.Context, rawURL string, env Env) (Store, error) {
	scheme, rest, found := strings.Cut(rawURL, "://")
	switch {
	case found && scheme == "file":
		folder, err := url.PathUnescape(rest)
		if err != nil || folder == "" {
			return nil, fmt.Errorf("store %q: a folder is written file:///absolute/folder or file://relative/folder", rawURL)
		}
		local, err := NewLocal(folder, LocalOptions{BaseURL: env.BaseURL, Key: env.Key})
		if err != nil {
			return nil, fmt.Errorf("store %q: %w", rawURL, err)
		}
		return local, nil
	case found && scheme == "azblob":
		container, prefix, _ := strings.Cut(rest, "/")
		azure, err := NewAzure(AzureOptions{
			ConnectionString: env.AzureConnectionString,
			Account:          env.AzureAccount,
			Container:        container,
			Prefix:           prefix,
		})
		if err != nil {
			return nil, fmt.Errorf("store %q: %w", rawURL, err)
		}
		return azure, nil
	default:
		return nil, fmt.Errorf("store %q: it must begin with file:// or azblob://", rawURL)
	}
}

var containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)

// validContainer holds a name to Azure's rules for containers.
func validContainer(name string) error {
	if len(name) < 3 || len(name) > 63 || !containerName.MatchString(name) {
		return fmt.Errorf("%q is no container name: it has 3 to 63 characters a-z, 0-9 and single hyphens between them", name)
	}
	return nil
}
