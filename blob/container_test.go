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
	var made atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			created, err := store.CreateContainer(t.Context())
			if err != nil {
				t.Error(err)
			}
			if created {
				made.Add(1)
			}
		})
	}
	group.Wait()
	if made.Load() != 1 {
		t.Errorf("%d say that they made it, want 1", made.Load())
	}
	put(t, store, "a.csv", []byte("x"))
	if got := get(t, store, "a.csv"); string(got) != "x" {
		t.Errorf("read %q", got)
	}
}
