package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync"
	"time"
)

// TokenFile is tokens in a file, for those who keep them in a vault: a JSON object a line, as FileEntry writes it, without the
// secrets. A file that has changed is read again.
type TokenFile struct {
	path string

	mu sync.Mutex
	// looked is when the file was read last, content what it held.
	looked  time.Time
	content []byte
	byHash  map[string]Token
	failure error
}

// fileEntry is a line of a file of tokens.
type fileEntry struct {
	Name     string    `json:"name"`
	SHA256   string    `json:"sha256"`
	Channels []string  `json:"channels,omitempty"`
	Rights   []string  `json:"rights"`
	Expires  time.Time `json:"expires"`
}

// FileEntry is the line of a file of tokens that stands for a token.
func FileEntry(t Token) (string, error) {
	line, err := json.Marshal(fileEntry{Name: t.Name, SHA256: t.Hash, Channels: t.Channels, Rights: t.Names(), Expires: t.ExpiresAt.UTC()})
	return string(line), err
}

// OpenTokenFile reads a file of tokens. The error names the line that is wrong.
func OpenTokenFile(path string) (*TokenFile, error) {
	f := &TokenFile{path: path}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refresh(time.Now())
	return f, f.failure
}

// tokenFileAge is for how long a file counts as it was read.
const tokenFileAge = time.Second

// Authenticate is who calls with a secret. While the file cannot be read, or holds what is no token, nobody is let in: it might
// be the one that was to be revoked.
func (f *TokenFile) Authenticate(_ context.Context, secret string) (Caller, error) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.looked) >= tokenFileAge {
		f.refresh(now)
	}
	if f.failure != nil {
		return Caller{}, &AwayError{What: "file of tokens", Err: f.failure}
	}
	token, isKnown := f.byHash[HashSecret(secret)]
	if !isKnown {
		return Caller{}, ErrUnknownToken
	}
	return token.Caller(), token.CheckTime(now)
}

// refresh compares what the file holds, not its time: a vault may keep that.
func (f *TokenFile) refresh(now time.Time) {
	f.looked = now
	content, err := os.ReadFile(f.path)
	if err == nil && f.failure == nil && f.byHash != nil && bytes.Equal(content, f.content) {
		return
	}
	f.content, f.failure = content, err
	if err == nil {
		f.byHash, f.failure = parseTokenFile(content)
	}
	if f.failure != nil {
		f.failure = fmt.Errorf("tokens in %s: %w", f.path, f.failure)
	}
}

var hashPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

func parseTokenFile(content []byte) (map[string]Token, error) {
	byHash, names := map[string]Token{}, map[string]bool{}
	for i, line := range bytes.Split(content, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		token, err := parseFileEntry(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if _, isThere := byHash[token.Hash]; isThere || names[token.Name] {
			return nil, fmt.Errorf("line %d: name or sha256 stands there twice", i+1)
		}
		byHash[token.Hash], names[token.Name] = token, true
	}
	return byHash, nil
}

func parseFileEntry(line []byte) (Token, error) {
	entry, ok := decodeFileEntry(line)
	if !ok {
		// Why not may quote what somebody took for the place of a secret.
		return Token{}, errors.New("it is no JSON object with name, sha256, channels, rights and expires")
	}
	if !hashPattern.MatchString(entry.SHA256) {
		return Token{}, errors.New("sha256 is not 64 digits 0-9 a-f")
	}
	rights, err := ParseRights(entry.Channels, entry.Rights)
	if err != nil {
		return Token{}, err
	}
	if err := CheckToken(entry.Name, rights, minTokenLife); err != nil {
		return Token{}, err
	}
	if entry.Expires.IsZero() {
		return Token{}, errors.New("expires is missing: a time such as 2027-01-31T00:00:00Z is accepted")
	}
	return Token{ID: entry.SHA256[:16], Name: entry.Name, Hash: entry.SHA256, Rights: rights, ExpiresAt: entry.Expires}, nil
}

// decodeFileEntry takes nothing behind the object: it might be a remark that the token is revoked.
func decodeFileEntry(line []byte) (entry fileEntry, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&entry) != nil {
		return fileEntry{}, false
	}
	_, err := decoder.Token()
	return entry, err == io.EOF
}
