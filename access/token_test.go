package access_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"data-exhaust/access"
	"data-exhaust/internal/e2etest"
)

func TestASecretIsLongAndNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		secret := access.NewSecret()
		if seen[secret] || !access.IsSecret(secret) || len(secret) != len("exhaust_")+43 {
			t.Fatalf("made %q", secret)
		}
		seen[secret] = true
	}
	for _, text := range []string{"", "exhaust_", "exhaust_" + strings.Repeat("x", 42), "exhaust_" + strings.Repeat("x", 44), "exhaust_" + strings.Repeat("x", 42) + "\n",
		"Exhaust_" + strings.Repeat("x", 43), "exhaust_" + strings.Repeat("x", 42) + "=", " exhaust_" + strings.Repeat("x", 43)} {
		if access.IsSecret(text) {
			t.Errorf("%q counts as a secret", text)
		}
	}
}

// tokenFile is a file of tokens that a test changes.
type tokenFile struct {
	t    *testing.T
	path string
	file *access.TokenFile
}

func entry(name, secret, more string) string {
	return fmt.Sprintf(`{"name":%q,"sha256":"%x",%s}`, name, sha256.Sum256([]byte(secret)), more)
}

func newTokenFile(t *testing.T, lines ...string) (*tokenFile, error) {
	t.Helper()
	f := &tokenFile{t: t, path: filepath.Join(t.TempDir(), "tokens")}
	f.write(lines...)
	var err error
	f.file, err = access.OpenTokenFile(f.path)
	return f, err
}

// write puts another file in the place of the one that is there, as a vault's agent does.
func (f *tokenFile) write(lines ...string) {
	f.t.Helper()
	next := f.path + ".next"
	e2etest.Must(f.t, os.WriteFile(next, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	e2etest.Must(f.t, os.Rename(next, f.path))
}

// becomes waits until a secret is answered so: a caller by his name and channels, or an error.
func (f *tokenFile) becomes(secret, want string) {
	f.t.Helper()
	got := ""
	e2etest.Eventually(f.t, 10*time.Second, "the file answers "+want, func() bool {
		caller, err := f.file.Authenticate(context.Background(), secret)
		got = fmt.Sprint(caller.Name, caller.Channels, caller.Names())
		if err != nil {
			got = err.Error()
		}
		if strings.Contains(got, secret) {
			f.t.Fatalf("it repeats the secret: %s", got)
		}
		return got == want
	})
}

const soon = `"expires":"2199-01-31T00:00:00Z"`

func TestTokensOfAFileCountUntilTheyAreTakenOutOfIt(t *testing.T) {
	a, b := access.NewSecret(), access.NewSecret()
	f, err := newTokenFile(t, entry("a", a, `"channels":["0130"],"rights":["uci-response-exhaust"],`+soon), "", entry("b", b, `"rights":["operator"],`+soon))
	if err != nil {
		t.Fatal(err)
	}
	const isA, isB = "a[0130] [uci-response-exhaust]", "b[] [operator uci-response-exhaust uci-private-exhaust]"
	f.becomes(a, isA)
	f.becomes(b, isB)
	f.becomes(access.NewSecret(), "the token is not known, or was revoked")
	f.write(entry("b", b, `"rights":["operator"],`+soon))
	f.becomes(a, "the token is not known, or was revoked")
	f.becomes(b, isB)
	f.write(entry("b", b, `"rights":["operator"],"expires":"2020-01-31T00:00:00Z"`))
	f.becomes(b, "the token has expired")
	// While it is wrong or away, nobody is let in: it might be the change that takes a token away.
	f.write(entry("b", b, `"rights":["operator"],`+soon), `{"name":"c"}`)
	f.becomes(b, "file of tokens is not available: tokens in "+f.path+": line 2: sha256 is not 64 digits 0-9 a-f")
	_, err = f.file.Authenticate(t.Context(), b)
	if _, isAway := errors.AsType[*access.AwayError](err); !isAway {
		t.Errorf("a wrong file is %T", err)
	}
	e2etest.Must(t, os.Remove(f.path))
	f.becomes(b, "file of tokens is not available: tokens in "+f.path+": open "+f.path+": no such file or directory")
	f.write(entry("b", b, `"rights":["operator"],`+soon))
	f.becomes(b, isB)
	// What a vault writes into the same file, and says that it is as old as before.
	info, err := os.Stat(f.path)
	e2etest.Must(t, err)
	e2etest.Must(t, os.WriteFile(f.path, []byte(entry("c", a, `"rights":["operator"],`+soon)+"\n"), 0o600))
	e2etest.Must(t, os.Chtimes(f.path, info.ModTime(), info.ModTime()))
	f.becomes(b, "the token is not known, or was revoked")
}

func TestFaultsOfATokenFileNameTheLine(t *testing.T) {
	secret := access.NewSecret()
	good := entry("a", secret, `"channels":["0130"],"rights":["uci-response-exhaust"],`+soon)
	for line, want := range map[string]string{
		secret:               "line 2: it is no JSON object with name, sha256, channels, rights and expires",
		`["` + secret + `"]`: "line 2: it is no JSON object with name, sha256, channels, rights and expires",
		entry("b", "b", `"channel":"0130","rights":["uci-response-exhaust"],`+soon): "line 2: it is no JSON object with name, sha256, channels, rights and expires",
		entry("b", "b", `"rights":["uci-response-exhaust"],`+soon):                  "line 2: channels are missing: at least one channel, or the right operator, is accepted",
		entry("b", "b", `"channels":["0130"],"rights":[],`+soon):                    "line 2: rights are missing: uci-response-exhaust, uci-private-exhaust and operator are accepted",
		entry("b", "b", `"rights":["operator"]`):                                    "line 2: expires is missing: a time such as 2027-01-31T00:00:00Z is accepted",
		entry("b", "b", `"rights":["operator"],`+soon) + " # revoked":               "line 2: it is no JSON object with name, sha256, channels, rights and expires",
		entry("b", "b", `"rights":["operator"],`+soon) + "}":                        "line 2: it is no JSON object with name, sha256, channels, rights and expires",
		entry("b", "b", `"rights":["operator"],`+soon) + `{"name":"c"}`:             "line 2: it is no JSON object with name, sha256, channels, rights and expires",
		entry("b c", "b", `"rights":["operator"],`+soon):                            `line 2: name "b c" is not valid: 1 to 100 characters of A-Z a-z 0-9 . _ @ + - are accepted, the first a letter or digit`,
		entry("aaaaaaaaaaaaaaaa", "b", `"rights":["operator"],`+soon):               `line 2: name "aaaaaaaaaaaaaaaa" is not valid: it looks like the id of a token, which people would take it for`,
		entry("", "b", `"rights":["operator"],`+soon):                               "line 2: name is empty: what the audit log is to call whoever has the token is accepted",
		entry("a", "b", `"rights":["operator"],`+soon):                              "line 2: name or sha256 stands there twice",
		entry("b", secret, `"rights":["operator"],`+soon):                           "line 2: name or sha256 stands there twice",
	} {
		f, err := newTokenFile(t, good, line)
		if err == nil || err.Error() != "tokens in "+f.path+": "+want {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

func TestALineForAFileStandsForItsToken(t *testing.T) {
	secret := access.NewSecret()
	rights := rightsOf(t, "0130 0131", response, private+"@0132")
	line, err := access.FileEntry(access.Token{Name: "a", Hash: access.HashSecret(secret), Rights: rights, ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil || strings.Contains(line, secret) {
		t.Fatalf("the line is %s, %v", line, err)
	}
	f, err := newTokenFile(t, line)
	if err != nil {
		t.Fatal(err)
	}
	f.becomes(secret, "a[0130 0131 0132] [uci-response-exhaust uci-private-exhaust@0132]")
}
