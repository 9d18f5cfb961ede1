package blob

import (
	"crypto/rand"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestOfManyThatCreateTheContainerOneDoes(t *testing.T) {
	t.Parallel()
	e := azurite(t)
	store := openAzure(t, AzureOptions{ConnectionString: e.connection(e.host), Container: "created-" + strings.ToLower(rand.Text()), Prefix: "some/prefix"})
	var creators atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			created, err := store.CreateContainer(t.Context())
			if err != nil {
				t.Error(err)
			}
			if created {
				creators.Add(1)
			}
		})
	}
	group.Wait()
	if creators.Load() != 1 {
		t.Errorf("%d say that they created it, want 1", creators.Load())
	}
	put(t, store, "a.csv", []byte("x"))
	if got := get(t, store, "a.csv"); string(got) != "x" {
		t.Errorf("read %q", got)
	}
}
