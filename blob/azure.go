package blob

import "errors"

// AzureOptions names a container and how to sign in.
type AzureOptions struct {
	ConnectionString string
	Account          string
	Container        string
	Prefix           string
}

// NewAzure opens a store in a container.
func NewAzure(AzureOptions) (Store, error) {
	return nil, errors.New("azblob stores are not built yet")
}
