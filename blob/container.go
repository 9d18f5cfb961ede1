package blob

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// CreateContainer makes the store's container where there is none, and tells whether it did. Any number may do so at
// once. Where the container is there, it needs no permission but to list it, so an identity that may only use it will
// do; to make one it needs Storage Blob Data Contributor on the account, or the account's key.
func (a *Azure) CreateContainer(ctx context.Context) (created bool, err error) {
	one := int32(1)
	_, err = a.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &a.prefix, MaxResults: &one}).NextPage(ctx)
	switch {
	case err == nil:
		return false, nil
	case !bloberror.HasCode(err, bloberror.ContainerNotFound):
		return false, fmt.Errorf("list %s: %w", a.where, a.cause(err))
	}
	_, err = a.container.Create(ctx, nil)
	switch {
	case err == nil:
		return true, nil
	case bloberror.HasCode(err, bloberror.ContainerAlreadyExists):
		return false, nil
	}
	return false, fmt.Errorf("create container %s: %w", a.where, a.cause(err))
}
