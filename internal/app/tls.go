package app

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	certificateSetting = "EXHAUST_TLS_CERTIFICATE"
	privateKeySetting  = "EXHAUST_TLS_PRIVATE_KEY"

	// lookInterval is how often the files are looked at, at the most: handshakes may come by the thousand.
	lookInterval = time.Second
	// expiryWarning is how long before its end a certificate that is read gets a warning.
	expiryWarning = 7 * 24 * time.Hour
	// maxPEMFile bounds what is read of a file that is no certificate.
	maxPEMFile = 1 << 20
)

// certificate is the one that the API shows its clients. It is in two files that may change at any time, in place, by
// rename or by a symbolic link that is turned; a handshake has them looked at. These must stay true:
//   - There is always a whole pair in use: one that cannot be read or does not fit leaves the one before.
//   - Only one handshake at a time reads the files. The others wait for none of it, even where the disk hangs.
//   - What the files hold is judged, and logged, once for as long as it stays the same.
type certificate struct {
	certificateFile, privateKeyFile string
	log                             *slog.Logger
	now                             func() time.Time

	inUse atomic.Pointer[tls.Certificate]

	looking sync.Mutex // guards what follows
	looked  time.Time
	found   pairFiles
}

// newCertificate reads the pair for the first time. Its error names the setting, the file and what is wrong.
func newCertificate(certificateFile, privateKeyFile string, log *slog.Logger) (*certificate, error) {
	c := &certificate{certificateFile: certificateFile, privateKeyFile: privateKeyFile, log: log, now: time.Now}
	c.looked = c.now()
	if err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// config is TLS as the API's server offers it.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(), nil },
	}
}

// current is the certificate in use, after a look at the files where it is time for one.
func (c *certificate) current() *tls.Certificate {
	if c.looking.TryLock() {
		c.look()
		c.looking.Unlock()
	}
	return c.inUse.Load()
}

func (c *certificate) look() {
	now := c.now()
	if now.Sub(c.looked) < lookInterval {
		return
	}
	c.looked = now
	if err := c.read(); err != nil {
		c.log.Warn("the TLS certificate cannot be renewed: the one before stays in use",
			"certificate", c.certificateFile, "privateKey", c.privateKeyFile, "error", err)
	}
}

// read puts the pair that the files hold in use. It does nothing, and returns nil, where they hold what they held before.
func (c *certificate) read() error {
	found, err := readPair(c.certificateFile, c.privateKeyFile)
	if found == c.found {
		return nil
	}
	c.found = found
	if err != nil {
		return err
	}
	pair, err := c.parse(found)
	if err != nil {
		return err
	}
	c.inUse.Store(pair)
	c.log.Info("the TLS certificate is in use", "file", c.certificateFile, "notAfter", pair.Leaf.NotAfter.UTC())
	c.warnOfDates(pair.Leaf)
	return nil
}

// warnOfDates tells of a certificate that clients refuse, or soon will. It is used all the same: none would serve nobody.
func (c *certificate) warnOfDates(leaf *x509.Certificate) {
	now, warning := c.now(), ""
	switch {
	case now.After(leaf.NotAfter):
		warning = "the TLS certificate has expired"
	case now.Before(leaf.NotBefore):
		warning = "the TLS certificate is not valid yet"
	case leaf.NotAfter.Sub(now) < expiryWarning:
		warning = "the TLS certificate expires soon"
	default:
		return
	}
	c.log.Warn(warning, "file", c.certificateFile, "notBefore", leaf.NotBefore.UTC(), "notAfter", leaf.NotAfter.UTC())
}

// pairFiles is what the two files hold, or the fault for which they cannot be read.
type pairFiles struct{ certificate, privateKey, fault string }

func readPair(certificateFile, privateKeyFile string) (pairFiles, error) {
	certificate, err := readPEM(certificateSetting, certificateFile)
	if err != nil {
		return pairFiles{fault: err.Error()}, err
	}
	privateKey, err := readPEM(privateKeySetting, privateKeyFile)
	if err != nil {
		return pairFiles{fault: err.Error()}, err
	}
	return pairFiles{certificate: certificate, privateKey: privateKey}, nil
}

// readPEM reads the file that a setting names.
func readPEM(setting, name string) (string, error) {
	text, err := readBounded(name)
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err // the name stands in front already
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("%s is %q, which cannot be read: %w", setting, name, err)
	case text == "":
		return "", fmt.Errorf("%s is %q, which is empty", setting, name)
	case len(text) > maxPEMFile:
		return "", fmt.Errorf("%s is %q, which has more than %d bytes", setting, name, maxPEMFile)
	}
	return text, nil
}

// readBounded reads a file, and of one that is too long a byte more than it may have.
func readBounded(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxPEMFile+1))
	return string(text), err
}

// parse makes of the text of two files the pair that they are. Its error quotes nothing of the private key.
func (c *certificate) parse(files pairFiles) (*tls.Certificate, error) {
	if err := checkChain([]byte(files.certificate)); err != nil {
		return nil, fmt.Errorf("%s is %q, which %w", certificateSetting, c.certificateFile, err)
	}
	pair, err := tls.X509KeyPair([]byte(files.certificate), []byte(files.privateKey))
	switch {
	case err == nil:
		return &pair, nil
	case strings.Contains(files.privateKey, "ENCRYPTED"):
		return nil, fmt.Errorf("%s is %q, which has a passphrase: the API takes a key without one", privateKeySetting, c.privateKeyFile)
	}
	return nil, fmt.Errorf("%s is %q, which is no key of the first certificate in %q: %w",
		privateKeySetting, c.privateKeyFile, c.certificateFile, err)
}

// checkChain demands at least one certificate, and that all of them are whole: of a file that was written by half, the
// blocks that are there would read as a shorter chain, which most clients refuse.
func checkChain(text []byte) error {
	blocks, certificates := 0, 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		blocks++
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Errorf("holds a certificate that cannot be read: %w", err)
		}
		certificates++
	}
	if blocks != bytes.Count(text, []byte("-----BEGIN ")) {
		return errors.New("holds a PEM block that is not whole")
	}
	if certificates == 0 {
		return errors.New("holds no certificate in PEM")
	}
	return nil
}

// strictTransport has browsers that once came by TLS come by nothing else for a year (HSTS, RFC 6797). It is for an API
// that itself has TLS: what a client hears by plain HTTP it has to ignore.
func strictTransport(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		next.ServeHTTP(w, r)
	})
}
