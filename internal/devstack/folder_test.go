package devstack

import (
	"os"
	"testing"
	"time"
)

func TestTheTemporaryFolderOfAKilledProcessIsRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	abandoned, err := os.MkdirTemp("", "devstack-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	used, remove, err := temporaryFolder("postgres")
	if err != nil {
		t.Fatal(err)
	}
	if !exists(abandoned) {
		t.Errorf("%s was removed the moment it was made", abandoned)
	}
	removeAbandoned(time.Now().Add(time.Minute))
	if exists(abandoned) || !exists(used) {
		t.Errorf("abandoned folder there: %v, want false; used folder there: %v, want true", exists(abandoned), exists(used))
	}
	if err := remove(); err != nil || exists(used) {
		t.Errorf("the used folder was not removed (%v)", err)
	}
}
