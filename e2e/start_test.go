package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"data-exhaust/internal/devstack"
	"data-exhaust/internal/e2etest"
)

// TestProcessesThatWaitForTheirServersEndInOrderWhenTheyAreToldTo: Terminate wants exit code 0. Nothing that they need is
// there, and so it would be for as long as they ran.
func TestProcessesThatWaitForTheirServersEndInOrderWhenTheyAreToldTo(t *testing.T) {
	t.Parallel()
	d := prepare(&e2etest.Stack{})
	port, err := devstack.FreePort()
	e2etest.Must(t, err)
	nobody := fmt.Sprintf("127.0.0.1:%d", port)
	listens, err := devstack.FreePort()
	e2etest.Must(t, err)
	for _, binary := range []string{"api", "worker"} {
		p := d.Launch(t, binary, "TEMPORAL_ADDRESS="+nobody, fmt.Sprintf("EXHAUST_ADDR=127.0.0.1:%d", listens),
			"EXHAUST_DATABASE_URL=postgres://u:p@"+nobody+"/exhaust?sslmode=disable")
		p.WaitForLog(t, `"msg":"waiting","what":"temporal"`)
		p.WaitForLog(t, `"msg":"waiting","what":"database"`)
		p.Terminate(t)
	}
}

func TestProcessesThatNoWaitingHealsEndAtOnceWithCode1(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	e2etest.Must(t, os.WriteFile(file, nil, 0o600))
	for _, binary := range []string{"api", "worker"} {
		p := prepare(&e2etest.Stack{}).Launch(t, binary, "EXHAUST_REPORTS_STORE=file://"+file+"/reports", "TEMPORAL_ADDRESS=127.0.0.1:1")
		if code, log := p.Wait(), p.Log(t); code != 1 || !strings.Contains(log, "EXHAUST_REPORTS_STORE: ") {
			t.Errorf("%s ended with %d:\n%s", binary, code, log)
		}
	}
}
