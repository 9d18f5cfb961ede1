package blob

import (
	"context"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
)

// CreateContainer makes the store's container where there is none, and tells whether it did. Any number may do so at
// once. Where the container is there, it needs no permission but to list it, so an identity that may only use it will
// do; to make one it needs Storage Blob Data Contributor on the account, or the account's key.
func (a *Azure) CreateContainer(ctx context.Context) (isNew bool, err error) {
	err = a.listOne(ctx)
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
