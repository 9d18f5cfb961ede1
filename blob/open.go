package blob

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// Env is what opening a store needs besides its URL.
type Env struct {
	// For azblob stores: the connection string, or else the account's name (or https:// endpoint), for which Azure's
	// default credential chain signs in.
	AzureConnectionString string
	AzureAccount          string
	AzureAPIVersion       string // see AzureOptions

	// For file stores, see LocalOptions.
	BaseURL string
	Key     []byte
}

// OpenURL opens the store that a URL names, see ParseURL. It is an error of the settings when it fails: it does not ask
// whether the store answers, see Ping.
func OpenURL(_ context.Context, rawURL string, env Env) (Store, error) {
	location, ok := ParseURL(rawURL)
	if !ok {
		return nil, fmt.Errorf("store %q: it must begin with file:// or azblob://, as file:///absolute/folder, "+
			"file://relative/folder or azblob://container/prefix", rawURL)
	}
	var store Store
	var err error
	if location.Folder != "" {
		store, err = NewLocal(location.Folder, LocalOptions{BaseURL: env.BaseURL, Key: env.Key})
	} else {
		store, err = NewAzure(AzureOptions{
			ConnectionString: env.AzureConnectionString,
			Account:          env.AzureAccount,
			Container:        location.Container,
			Prefix:           location.Prefix,
			APIVersion:       env.AzureAPIVersion,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", rawURL, err)
	}
	return store, nil
}

// Location is where the URL of a store leads: to a folder, or to a container of Azure Blob Storage.
type Location struct {
	Folder            string // absolute, or relative to the working directory; "" for a container
	Container, Prefix string // see AzureOptions
}

// ParseURL takes the URL of a store apart, and reports whether it is one:
//
//	file:///var/lib/exhaust/reports    a folder, absolute
//	file://data/reports                a folder, relative to the working directory
//	azblob://container/prefix          a container of Azure Blob Storage; all names begin with prefix/
//
// CheckContainer and CheckPrefix tell whether Azure takes the latter two.
func ParseURL(rawURL string) (Location, bool) {
	scheme, rest, _ := strings.Cut(rawURL, "://")
	switch scheme {
	case "file":
		folder, err := url.PathUnescape(rest)
		return Location{Folder: folder}, err == nil && folder != ""
	case "azblob":
		container, prefix, _ := strings.Cut(rest, "/")
		return Location{Container: container, Prefix: prefix}, true
	}
	return Location{}, false
}
