package devstack

import (
	"io"
	"net"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
)

func TestAzuriteKeepsBlobsInAFolderOverARestart(t *testing.T) {
	t.Parallel()
	a, err := StartAzurite(t.Context(), AzuriteOptions{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, a.Child)
	put(t, a, "kept over a restart")
	if err := a.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := get(t, a); got != "kept over a restart" {
		t.Errorf("got %q", got)
	}
}

func TestAzuriteServesBlobsFromMemoryUntilItStops(t *testing.T) {
	t.Parallel()
	a, err := StartAzurite(t.Context(), AzuriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, a, "in memory")
	if got := get(t, a); got != "in memory" {
		t.Errorf("got %q", got)
	}
	stop(t, a.Child)
	waitGone(t, a.PID())
	if conn, err := net.Dial("tcp", address(a.Port)); err == nil {
		conn.Close()
		t.Errorf("port %d still serves", a.Port)
	}
}

func put(t *testing.T, a *Azurite, content string) {
	t.Helper()
	c := blobs(t, a)
	if _, err := c.CreateContainer(t.Context(), "box", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadBuffer(t.Context(), "box", "note", []byte(content), nil); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, a *Azurite) string {
	t.Helper()
	answer, err := blobs(t, a).DownloadStream(t.Context(), "box", "note", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func blobs(t *testing.T, a *Azurite) *azblob.Client {
	t.Helper()
	c, err := azblob.NewClientFromConnectionString(a.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
