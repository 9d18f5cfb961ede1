package access

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// TestALineThatIsWrittenInPartIsAnError: the limit of a file's size stands for a disk that fills up within a line.
func TestALineThatIsWrittenInPartIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a := openAudit(t, path)
	mustWrite(t, a, event(1))
	allow := limitFileSize(t, uint64(len(line(1))+10))
	err := a.Write(event(2))
	allow()
	if want := "audit log: write " + path + ": file too large"; !errors.Is(err, syscall.EFBIG) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	wantFile(t, path, line(1)+line(2)[:10])
	mustWrite(t, a, event(3))
	mustWrite(t, a, event(4))
	wantFile(t, path, line(1)+line(2)[:10]+"\n"+line(3)+line(4))
}

// limitFileSize bounds the files that this process writes until allow is called.
func limitFileSize(t *testing.T, bytes uint64) (allow func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	t.Cleanup(func() { signal.Reset(syscall.SIGXFSZ) })
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}
}

// TestALineIsOneWrite: a reader of a pipe that keeps the bounds of writes gets one line at a time.
func TestALineIsOneWrite(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET, 0)
	if err != nil {
		t.Fatal(err)
	}
	reader, writer := os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "writer")
	defer reader.Close()
	path := filepath.Join(t.TempDir(), "audit.log")
	a := openAudit(t, path)
	a.file.drop()
	a.file.file, a.file.info = writer, must(os.Stat(path))
	for i := range 3 {
		mustWrite(t, a, event(i))
		packet := make([]byte, 1000)
		if n, err := reader.Read(packet); err != nil || string(packet[:n]) != line(i) {
			t.Errorf("got %s, %v", packet[:n], err)
		}
	}
}

func must(info os.FileInfo, err error) os.FileInfo {
	if err != nil {
		panic(err)
	}
	return info
}
