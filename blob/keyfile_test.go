package blob

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// keyFolder is a folder on a file system of some kind.
type keyFolder struct {
	name   string
	path   string
	volume volume
	// keyPath is where the key called signing.key is.
	keyPath string
	// mode is that of each file, whatever it was created with; 0 where the file system keeps modes.
	mode fs.FileMode
}

// keyFolders are an ordinary folder, and one where there are neither hard links nor modes. Where such a file system cannot
// be mounted, it is an ordinary one that fails in the same way.
func keyFolders(t *testing.T) []keyFolder {
	t.Helper()
	ordinary := keyFolder{name: "ordinary", path: t.TempDir(), volume: osVolume, keyPath: "signing.key"}
	poor := keyFolder{name: "that fails as on exFAT", keyPath: "signing.key/key", mode: 0o777}
	if path, ok := mountExFAT(t); ok {
		poor.name, poor.path, poor.volume = "exFAT", path, osVolume
		return []keyFolder{ordinary, poor}
	}
	poor.path = t.TempDir()
	poor.volume = volume{
		link: func(file, path string) error {
			return &os.LinkError{Op: "link", Old: file, New: path, Err: syscall.EPERM}
		},
		newFileMode: func(string) (fs.FileMode, error) { return poor.mode, nil },
	}
	return []keyFolder{ordinary, poor}
}

// mountExFAT mounts an empty exFAT image, where the machine has its programs and lets this process mount.
func mountExFAT(t *testing.T) (path string, ok bool) {
	t.Helper()
	image, path := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, make([]byte, 16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if exec.Command("mkfs.exfat", image).Run() != nil {
		return "", false
	}
	device, err := exec.Command("losetup", "--find", "--show", image).Output()
	if err != nil {
		return "", false
	}
	loop := strings.TrimSpace(string(device))
	t.Cleanup(func() { exec.Command("losetup", "--detach", loop).Run() })
	if exec.Command("mount.exfat-fuse", "-o", "umask=0", loop, path).Run() != nil {
		return "", false
	}
	t.Cleanup(func() {
		if output, err := exec.Command("umount", path).CombinedOutput(); err != nil {
			t.Errorf("unmount: %v: %s", err, output)
		}
	})
	return path, true
}

func TestProcessesThatStartAtOnceAgreeOnOneKey(t *testing.T) {
	for _, folder := range keyFolders(t) {
		t.Run(folder.name, func(t *testing.T) {
			for range 5 {
				dir, err := os.MkdirTemp(folder.path, "")
				if err != nil {
					t.Fatal(err)
				}
				folder.wantOneKey(t, filepath.Join(dir, "data"))
			}
		})
	}
}

// wantOneKey makes a key in dir many times at once.
func (f keyFolder) wantOneKey(t *testing.T, dir string) {
	t.Helper()
	keys := make([]KeyFile, 20)
	var group sync.WaitGroup
	for i := range keys {
		group.Go(func() {
			key, err := f.volume.loadOrCreateKey(filepath.Join(dir, "signing.key"))
			if err != nil {
				t.Error(err)
			}
			keys[i] = key
		})
	}
	group.Wait()
	again, err := f.volume.loadOrCreateKey(filepath.Join(dir, "signing.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range append(keys, again) {
		if len(key.Key) != 32 || !bytes.Equal(key.Key, keys[0].Key) || bytes.Equal(key.Key, make([]byte, 32)) {
			t.Fatalf("keys differ or are none: %x", keys)
		}
		if want := filepath.Join(dir, f.keyPath); key.Path != want {
			t.Errorf("the key is in %s, want %s", key.Path, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("left are %v, %v", entries, err)
	}
	if f.mode == 0 && (again.Mode != 0o600 || again.IsExposed()) {
		t.Errorf("the mode is %s, exposed %t", again.Mode, again.IsExposed())
	}
}

func TestAKeyFileThatCannotBePrivateIsTakenAndSaysSo(t *testing.T) {
	for _, folder := range keyFolders(t) {
		if folder.mode == 0 {
			continue
		}
		path := filepath.Join(folder.path, "signing.key")
		first, err := folder.volume.loadOrCreateKey(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(first.Path, folder.mode); err != nil { // where the file system is an ordinary one
			t.Fatal(err)
		}
		key, err := folder.volume.loadOrCreateKey(path)
		if err != nil || !bytes.Equal(key.Key, first.Key) || !key.IsExposed() || key.Mode != 0o777 {
			t.Errorf("got %+v, %v", key, err)
		}
	}
}

// Kubernetes gives each file of a volume that has an fsGroup to that group, with 0660; of one mounted read-only, with 0440.
func TestAKeyFileOfItsGroupIsTakenAsItIsAndSaysSo(t *testing.T) {
	for _, mode := range []fs.FileMode{0o660, 0o440, 0o640} {
		path := filepath.Join(t.TempDir(), "signing.key")
		writeFile(t, path, strings.Repeat("k", 32))
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		key, err := LoadOrCreateKey(path)
		if err != nil || string(key.Key) != strings.Repeat("k", 32) || key.Path != path || key.Mode != mode || !key.IsExposed() {
			t.Errorf("%o: got %+v, %v", mode, key, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%o: the mode is %v afterwards, %v", mode, info.Mode(), err)
		}
	}
}

func TestADoubtfulKeyFileIsRefused(t *testing.T) {
	for _, test := range []struct {
		content string
		mode    os.FileMode
		want    string
	}{
		{strings.Repeat("k", 32), 0o604, "has the mode -rw----r--, so everybody may read it: after chmod 600 only its owner may"},
		{strings.Repeat("k", 32), 0o644, "has the mode -rw-r--r--, so everybody may read it"},
		{strings.Repeat("k", 32), 0o777, "has the mode -rwxrwxrwx, so everybody may read it"},
		{strings.Repeat("k", 31), 0o600, "has 31 bytes, a key has 32: remove it to get a new one"},
		{strings.Repeat("k", 33), 0o600, "has 33 bytes, a key has 32"},
		{"", 0o600, "has 0 bytes, a key has 32"},
	} {
		path := filepath.Join(t.TempDir(), "signing.key")
		writeFile(t, path, test.content)
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		key, err := LoadOrCreateKey(path)
		if key.Key != nil || err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%d bytes with mode %o: %q, %v", len(test.content), test.mode, key.Key, err)
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
			t.Errorf("left are %v, %v", entries, err)
		}
	}
}

// A process may die between any two of its steps: what it leaves has a name of its own.
func TestWhatADeadProcessLeftOfAKeyIsNoKey(t *testing.T) {
	for _, folder := range keyFolders(t) {
		path := filepath.Join(folder.path, "signing.key")
		writeBelow(t, folder.path, ".key-1/key", "half a key")
		key, err := folder.volume.loadOrCreateKey(path)
		if err != nil || len(key.Key) != 32 {
			t.Errorf("%s: %d bytes, %v", folder.name, len(key.Key), err)
		}
	}
}

// Where there are no hard links the name of a key that is there must not be given to another one either.
func TestMakingAKeyReplacesNone(t *testing.T) {
	for _, folder := range keyFolders(t) {
		for _, there := range []string{"signing.key", "signing.key/key"} {
			dir := filepath.Join(folder.path, strings.ReplaceAll(there, "/", "-"))
			writeBelow(t, dir, there, "of another process")
			if err := folder.volume.createKey(filepath.Join(dir, "signing.key")); err == nil {
				t.Errorf("%s: it says that it made a key where %s was", folder.name, there)
			}
			content, err := os.ReadFile(filepath.Join(dir, there))
			if err != nil || string(content) != "of another process" {
				t.Errorf("%s: %s holds %q, %v", folder.name, there, content, err)
			}
		}
	}
}

func writeBelow(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, content)
}

func TestAKeyOfASettingIsTheBase64OfAtLeast32Bytes(t *testing.T) {
	for _, length := range []int{32, 64} {
		want := bytes.Repeat([]byte{0xfb}, length)
		if key, err := ParseKey(base64.StdEncoding.EncodeToString(want)); err != nil || !bytes.Equal(key, want) {
			t.Errorf("%d bytes: %x, %v", length, key, err)
		}
	}
	want := "it must be the standard base64 of at least 32 bytes, as `openssl rand -base64 32` writes it"
	for _, text := range []string{"", "hunter2", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 31)),
		base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, 32)), strings.Repeat("k", 32) + "\x00"} {
		if key, err := ParseKey(text); key != nil || err == nil || err.Error() != want {
			t.Errorf("%q: %x, %v", text, key, err)
		}
	}
}
