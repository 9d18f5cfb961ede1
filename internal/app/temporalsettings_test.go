package app

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// listenForKeys is a server that refuses every call and keeps what came as its authorization. Temporal's own server, as the
// tests start it, asks for no key.
func listenForKeys(t *testing.T) (addr string, authorizations <-chan []string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan []string, 1)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		sent, _ := metadata.FromIncomingContext(stream.Context())
		select {
		case seen <- sent.Get("authorization"):
		default: // one is enough
		}
		return status.Error(codes.PermissionDenied, "no")
	}))
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return listener.Addr().String(), seen
}

func TestTemporalsAPIKeyIsReadFromAFile(t *testing.T) {
	addr, authorizations := listenForKeys(t)
	file := filepath.Join(t.TempDir(), "api-key")
	if err := os.WriteFile(file, []byte("key-of-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"TEMPORAL_ADDRESS": addr, "TEMPORAL_TLS": "false", "TEMPORAL_API_KEY": "", "TEMPORAL_API_KEY_FILE": file} {
		t.Setenv(name, value)
	}
	c, _, err := DialTemporal(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.CheckHealth(context.Background(), &client.CheckHealthRequest{}); err == nil {
		t.Error("a call was not refused")
	}
	if got, want := <-authorizations, []string{"Bearer key-of-a-file"}; !slices.Equal(got, want) {
		t.Errorf("the server got %q, want %q", got, want)
	}
	if got := os.Getenv("TEMPORAL_API_KEY"); got != "" {
		t.Errorf("child processes would inherit %q", got)
	}
}

func TestAFileOfTemporalsAPIKeyThatIsNoneIsAnError(t *testing.T) {
	for _, test := range []struct{ key, file, want string }{
		{"", "/none", `the TEMPORAL_ settings: TEMPORAL_API_KEY_FILE is "/none", which cannot be read: no such file or directory`},
		{"hunter2", "/none", `the TEMPORAL_ settings: TEMPORAL_API_KEY and TEMPORAL_API_KEY_FILE are both set: set one of them`},
	} {
		t.Setenv("TEMPORAL_API_KEY", test.key)
		t.Setenv("TEMPORAL_API_KEY_FILE", test.file)
		if _, _, err := DialTemporal(slog.New(slog.DiscardHandler)); err == nil || err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}
