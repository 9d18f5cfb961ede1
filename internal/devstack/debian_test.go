package devstack

import (
	"io"
	"testing"
)

func TestAPackageOfDebianThatIsMissingAndNotForUsToInstallIsAskedFor(t *testing.T) {
	elsewhere := t.TempDir()
	t.Setenv("PATH", elsewhere) // without apt-get
	_, err := debianPackage{name: "pgbouncer", title: "PgBouncer", path: elsewhere + "/pgbouncer"}.provide(t.Context(), io.Discard)
	want := "PgBouncer is not installed: there is no pgbouncer on PATH and none at " + elsewhere + "/pgbouncer; install it (Debian: apt-get install pgbouncer)"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
