package devstack

import (
	"io"
	"net"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
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

// The SDK's own service version is a later one.
func TestAzuriteKnowsTheVersionThatClientsSpeakAndNoLaterOne(t *testing.T) {
	t.Parallel()
	a, err := StartAzurite(t.Context(), AzuriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, a.Child)
	answer, err := blobs(t, a).CreateContainer(t.Context(), "box", nil)
	if err != nil || answer.Version == nil || *answer.Version != AzuriteAPIVersion {
		t.Errorf("in version %s it answers %+v, %v: want the same version", AzuriteAPIVersion, answer, err)
	}
	sdks, err := azblob.NewClientFromConnectionString(a.ConnectionString(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sdks.CreateContainer(t.Context(), "box2", nil); !bloberror.HasCode(err, bloberror.InvalidHeaderValue) {
		t.Errorf("in the SDK's version it answers %v, want InvalidHeaderValue", err)
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
	c, err := a.Client()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
