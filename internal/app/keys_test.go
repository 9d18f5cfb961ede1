package app

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/config"
)

// settings are those of an installation in an empty folder, with its tables.
func settings(t *testing.T, more ...string) config.Config {
	t.Helper()
	cfg, err := config.Load(append(more, "EXHAUST_DATA_DIR="+t.TempDir(), "EXHAUST_PUBLIC_URL=http://api.example"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Migrate(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// keyFiles are the names in the data dir that have to do with keys.
func keyFiles(t *testing.T, cfg config.Config) []string {
	t.Helper()
	entries, err := os.ReadDir(cfg.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, entry := range entries {
		if strings.Contains(entry.Name(), "key") {
			names = append(names, entry.Name())
		}
	}
	return names
}

// start makes what a worker makes before it asks Temporal for work; an API makes the first part of it.
func start(t *testing.T, cfg config.Config, log *slog.Logger) (c *connections, err error) {
	t.Helper()
	if c, err = connect(t.Context(), cfg, log); err != nil {
		return nil, err
	}
	t.Cleanup(c.Close)
	_, err = newActivities(cfg, c, log)
	return c, err
}

func TestAKeyIsMadeOnlyWhereOneIsNeeded(t *testing.T) {
	const (
		account      = "AZURE_STORAGE_CONNECTION_STRING=AccountName=a;AccountKey=a2V5"
		telemetry    = "EXHAUST_TELEMETRY_STORE=azblob://telemetry"
		reports      = "EXHAUST_REPORTS_STORE=azblob://reports"
		signingKey   = "EXHAUST_SIGNING_KEY=c2lnbmluZ2tleXNpZ25pbmdrZXlzaWduaW5na2V5MTI="
		privateKey   = "EXHAUST_RECEIPT_KEY=kF0y3Zb1mX7cQm0w9m0m1Yb8t3k2mJ5n6Q8r1s2T3u4="
		madeSigning  = "signing.key"
		madeReceipts = "receipt.key"
	)
	for _, test := range []struct {
		environ, want []string
	}{
		{nil, []string{madeReceipts, madeSigning}},
		{[]string{signingKey}, []string{madeReceipts}},
		{[]string{signingKey, privateKey}, []string{}},
		{[]string{account, telemetry}, []string{madeReceipts, madeSigning}},
		{[]string{account, reports}, []string{madeReceipts}},
		{[]string{account, telemetry, reports, privateKey}, []string{}},
	} {
		cfg := settings(t, test.environ...)
		if err := createContainersOfFolders(t, cfg); err != nil {
			t.Fatal(err)
		}
		if got := keyFiles(t, cfg); len(got) > 0 {
			t.Errorf("%s: setting up made %s", test.environ, got)
		}
		if _, err := start(t, cfg, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if got := keyFiles(t, cfg); !slices.Equal(got, test.want) {
			t.Errorf("%s: there are %q, want %q", test.environ, got, test.want)
		}
	}
}

// createContainersOfFolders is createContainers where that asks no Azure.
func createContainersOfFolders(t *testing.T, cfg config.Config) error {
	if strings.Contains(cfg.TelemetryStore+cfg.ReportsStore, "azblob://") {
		return nil
	}
	return createContainers(t.Context(), cfg, slog.New(slog.DiscardHandler))
}

// A file that others may read stands there: with Azure nobody looks at it.
func TestAKeyFileThatNobodyNeedsIsNotRead(t *testing.T) {
	cfg := settings(t, "AZURE_STORAGE_CONNECTION_STRING=AccountName=a;AccountKey=a2V5", "EXHAUST_REPORTS_STORE=azblob://reports")
	writeKeyFile(t, cfg, "signing.key", 0o644)
	if _, err := start(t, cfg, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

func TestURLsAreSignedWithTheKeyThatIsSet(t *testing.T) {
	key := bytes.Repeat([]byte{0xfb}, 40)
	cfg := settings(t, "EXHAUST_SIGNING_KEY="+base64.StdEncoding.EncodeToString(key))
	c, err := start(t, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.reports.SignURL(t.Context(), "a.csv", time.Unix(1649237520, 0))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("read\n/files/reports\na.csv\n1649237520"))
	if want := "http://api.example/files/reports/a.csv?expires=1649237520&signature=" + hex.EncodeToString(mac.Sum(nil)); err != nil || got != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestAKeyFileThatOthersMayReadIsWarnedOfOnce(t *testing.T) {
	cfg := settings(t)
	writeKeyFile(t, cfg, "signing.key", 0o660) // as Kubernetes makes the files of a volume with an fsGroup
	writeKeyFile(t, cfg, "receipt.key", 0o640)
	var log bytes.Buffer
	withoutTime := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	if _, err := start(t, cfg, slog.New(slog.NewTextHandler(&log, withoutTime))); err != nil {
		t.Fatal(err)
	}
	const warning = `level=WARN msg="a key file can be read by others than its owner: chmod 600 it or, where that cannot be, set the key" file=%s/%s mode=%s setting=%s` + "\n"
	want := fmt.Sprintf(warning, cfg.DataDir, "signing.key", "-rw-rw----", "EXHAUST_SIGNING_KEY") +
		fmt.Sprintf(warning, cfg.DataDir, "receipt.key", "-rw-r-----", "EXHAUST_RECEIPT_KEY")
	if log.String() != want {
		t.Errorf("got\n%s\nwant\n%s", log.String(), want)
	}
}

func TestAKeyFileThatEverybodyMayReadSaysWhichSettingCouldStandForIt(t *testing.T) {
	for file, setting := range map[string]string{"signing.key": "EXHAUST_SIGNING_KEY", "receipt.key": "EXHAUST_RECEIPT_KEY"} {
		cfg := settings(t)
		writeKeyFile(t, cfg, file, 0o644)
		_, err := start(t, cfg, slog.New(slog.DiscardHandler))
		want := setting + " is not set, and EXHAUST_DATA_DIR has no key for it: key file " + filepath.Join(cfg.DataDir, file) +
			" has the mode -rw-r--r--, so everybody may read it: after chmod 600 only its owner may; where somebody has read it, remove it to get a new one"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func writeKeyFile(t *testing.T, cfg config.Config, name string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(cfg.DataDir, name)
	if err := os.WriteFile(path, bytes.Repeat([]byte("k"), 32), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
