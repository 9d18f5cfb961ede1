package blob

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ParseKey reads a key for signing URLs: the standard base64 of at least 32 bytes. Its error never shows the key.
func ParseKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) < keyBytes {
		return nil, fmt.Errorf("it must be the standard base64 of at least %d bytes, as `openssl rand -base64 %d` writes it", keyBytes, keyBytes)
	}
	return key, nil
}

// KeyFile is a key of 32 random bytes, and the file that holds it.
type KeyFile struct {
	Key  []byte
	Path string
	Mode fs.FileMode
}

// IsExposed tells whether others than its owner may read the file. LoadOrCreateKey takes such a file only where that may be
// meant or cannot be helped.
func (k KeyFile) IsExposed() bool { return k.Mode.Perm()&0o077 != 0 }

// LoadOrCreateKey gives the key in the file at path, which it creates (for its owner only) if there is none. Processes that
// start at once agree on one key, also those on other machines that share the folder; a crash leaves the whole key or none.
//
// A file system without hard links gets a folder at path, with the key in it.
//
// A file that everybody may read is an error, unless the file system keeps no modes, as an SMB share does: there no file can
// be private. One that its group may read is taken: Kubernetes gives the files of a volume to the group of its fsGroup, each
// time that it mounts it, and that group is those who share the volume.
func LoadOrCreateKey(path string) (KeyFile, error) {
	return osVolume.loadOrCreateKey(path)
}

// volume is what not every file system does for a key.
type volume struct {
	link func(file, path string) error
	// newFileMode is the mode that a file gets there which is created for its owner only.
	newFileMode func(folder string) (fs.FileMode, error)
}

var osVolume = volume{link: os.Link, newFileMode: newFileMode}

func (v volume) loadOrCreateKey(path string) (KeyFile, error) {
	key, err := v.loadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	createErr := v.createKey(path)
	key, err = v.loadKey(path)
	if createErr != nil && errors.Is(err, fs.ErrNotExist) { // else somebody else was faster
		return KeyFile{}, fmt.Errorf("create key file %s: %w", path, createErr)
	}
	return key, err
}

// keyName is the key's name in a folder of its own.
const keyName = "key"

func (v volume) loadKey(path string) (KeyFile, error) {
	file, info, err := openKey(path)
	if err != nil {
		return KeyFile{}, fmt.Errorf("read key file %s: %w", path, cause(err))
	}
	defer file.Close()
	if err := v.checkMode(file.Name(), info.Mode()); err != nil {
		return KeyFile{}, err
	}
	if info.Size() != keyBytes {
		return KeyFile{}, fmt.Errorf("key file %s has %d bytes, a key has %d: remove it to get a new one", file.Name(), info.Size(), keyBytes)
	}
	key := make([]byte, keyBytes)
	if _, err := io.ReadFull(file, key); err != nil {
		return KeyFile{}, fmt.Errorf("read key file %s: %w", file.Name(), cause(err))
	}
	return KeyFile{Key: key, Path: file.Name(), Mode: info.Mode()}, nil
}

// openKey opens the file at path or, where that is a folder, the one in it.
func openKey(path string) (*os.File, fs.FileInfo, error) {
	file, info, err := openWithInfo(path)
	if err != nil || !info.IsDir() {
		return file, info, err
	}
	file.Close()
	return openWithInfo(filepath.Join(path, keyName))
}

func openWithInfo(path string) (*os.File, fs.FileInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// checkMode refuses a file that everybody may read though it could be private.
func (v volume) checkMode(path string, mode fs.FileMode) error {
	if !mode.IsRegular() {
		return fmt.Errorf("key file %s is no file", path)
	}
	if mode.Perm()&0o007 == 0 {
		return nil
	}
	// Where nothing can be created it is not known whether a file could be private there.
	if private, err := v.newFileMode(filepath.Dir(path)); err == nil && private.Perm()&0o007 != 0 {
		return nil
	}
	return fmt.Errorf("key file %s has the mode %s, so everybody may read it: after chmod 600 only its owner may; where "+
		"somebody has read it, remove it to get a new one", path, mode)
}

func newFileMode(folder string) (fs.FileMode, error) {
	file, err := os.CreateTemp(folder, ".mode-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Mode(), nil
}

// createKey writes the key in a folder of another name first. A hard link gives it its name, which fails if somebody else was
// faster; so does renaming the folder, where there are no hard links: no folder takes the place of one that holds something.
// (Renaming a file would replace the other's key, and what renames without replacing is not everywhere either.)
func (v volume) createKey(path string) error {
	parent := filepath.Dir(path)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	folder, err := os.MkdirTemp(parent, ".key-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file := filepath.Join(folder, keyName)
	if err := writeKey(file); err != nil {
		return err
	}
	if err := syncPath(folder); err != nil {
		return err
	}
	if linkErr := v.link(file, path); linkErr != nil {
		if errors.Is(linkErr, fs.ErrExist) {
			return linkErr
		}
		if err := os.Rename(folder, path); err != nil {
			return fmt.Errorf("%w (after %w)", err, linkErr)
		}
	}
	return syncPath(parent)
}

func writeKey(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	key := make([]byte, keyBytes)
	rand.Read(key)
	_, err = file.Write(key)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// syncPath makes what was created in a folder outlive a crash of the machine.
func syncPath(folder string) error {
	file, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
