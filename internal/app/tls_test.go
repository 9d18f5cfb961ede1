package app

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"data-exhaust/api/rest"
	"data-exhaust/internal/logtest"
)

const publicName = "exhaust.example"

// authority is a CA that clients of a test trust.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	certificate, err := x509.ParseCertificate(der)
	must(t, err)
	a := &authority{t: t, certificate: certificate, key: key, pool: x509.NewCertPool()}
	a.pool.AddCert(certificate)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

// issue makes a certificate of that serial number, and the authority's after it as the rest of the chain.
func (a *authority) issue(serial int64, notBefore, notAfter time.Time) pairFiles {
	a.t.Helper()
	key := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{publicName}, NotBefore: notBefore, NotAfter: notAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	must(a.t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(a.t, err)
	return pairFiles{
		certificate: pemOf("CERTIFICATE", der) + pemOf("CERTIFICATE", a.certificate.Raw),
		privateKey:  pemOf("PRIVATE KEY", keyDER),
	}
}

// validUntil is when the certificates of issueValid end.
var validUntil = time.Now().Add(90 * 24 * time.Hour).UTC().Truncate(time.Second)

func (a *authority) issueValid(serial int64) pairFiles {
	a.t.Helper()
	return a.issue(serial, time.Now().Add(-time.Hour), validUntil)
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// clock is one that a test moves on.
type clock struct{ now atomic.Int64 }

func (c *clock) read() time.Time        { return time.Unix(0, c.now.Load()) }
func (c *clock) moveOn(d time.Duration) { c.now.Add(int64(d)) }

// secureAPI is a server with a certificate in files, as the api's is put together.
type secureAPI struct {
	*authority
	certificateFile, privateKeyFile string
	certificate                     *certificate
	clock                           clock
	log                             logtest.Buffer
	addr                            string
}

// newSecureAPI writes the files of a pair and loads them; no time passes for it unless the test lets it.
func newSecureAPI(t *testing.T, first func(*authority) pairFiles) *secureAPI {
	t.Helper()
	folder := t.TempDir()
	a := &secureAPI{
		authority:       newAuthority(t),
		certificateFile: filepath.Join(folder, "tls.crt"), privateKeyFile: filepath.Join(folder, "tls.key"),
	}
	pair := first(a.authority)
	a.write(a.certificateFile, pair.certificate)
	a.write(a.privateKeyFile, pair.privateKey)
	a.load()
	return a
}

func (a *secureAPI) load() {
	a.t.Helper()
	log := slog.New(slog.NewTextHandler(&a.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}}))
	var err error
	a.certificate, err = newCertificate(a.certificateFile, a.privateKeyFile, log)
	must(a.t, err)
	a.clock.now.Store(time.Now().UnixNano())
	a.certificate.now, a.certificate.looked = a.clock.read, a.clock.read()
}

// serve serves as the api does. What the server itself logs, such as of clients that are gone, is not looked at.
func (a *secureAPI) serve() {
	a.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(a.t, err)
	server := rest.NewHTTPServer(strictTransport(http.NotFoundHandler()), slog.New(slog.DiscardHandler))
	server.TLSConfig = a.certificate.config()
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(listener, "", "") }()
	a.t.Cleanup(func() {
		must(a.t, server.Close())
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			a.t.Error(err)
		}
	})
	a.addr = listener.Addr().String()
}

func (a *secureAPI) write(file, text string) {
	a.t.Helper()
	must(a.t, os.WriteFile(file, []byte(text), 0o600))
}

// replace puts another file in the place of one, as certbot does.
func (a *secureAPI) replace(file, text string) {
	a.t.Helper()
	a.write(file+".new", text)
	must(a.t, os.Rename(file+".new", file))
}

// serial is the serial number of the certificate that a client gets to see and verifies.
func (a *secureAPI) serial() int64 {
	a.t.Helper()
	conn, err := tls.Dial("tcp", a.addr, &tls.Config{RootCAs: a.pool, ServerName: publicName})
	must(a.t, err)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// wants fails the test where clients see another certificate a second later, and the log does not say these lines and no
// others meanwhile.
func (a *secureAPI) wants(serial int64, lines ...string) {
	a.t.Helper()
	before := len(a.log.String())
	a.clock.moveOn(lookInterval)
	if got := a.serial(); got != serial {
		a.t.Errorf("clients see certificate %d, want %d", got, serial)
	}
	if got, want := a.log.String()[before:], strings.Join(lines, ""); got != want {
		a.t.Errorf("the log says\n%swant\n%s", got, want)
	}
}

// renewed is what the log says of a new certificate.
func (a *secureAPI) renewed() string {
	return fmt.Sprintf("level=INFO msg=\"the TLS certificate is in use\" file=%s notAfter=%s\n",
		a.certificateFile, validUntil.Format("2006-01-02T15:04:05.000Z"))
}

// kept is what the log says of a pair that is wrong.
func (a *secureAPI) kept(fault string) string {
	return fmt.Sprintf("level=WARN msg=\"the TLS certificate cannot be renewed: the one before stays in use\" certificate=%s privateKey=%s error=%q\n",
		a.certificateFile, a.privateKeyFile, fault)
}

func firstValid(a *authority) pairFiles { return a.issueValid(1) }

func TestTLSOffersHTTP2AndHTTP1AndAsksForTLSNextTime(t *testing.T) {
	a := newSecureAPI(t, firstValid)
	a.serve()
	for major, protocols := range map[int][]string{2: {"h2", "http/1.1"}, 1: {"http/1.1"}} {
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: a.pool, ServerName: publicName, NextProtos: protocols},
			ForceAttemptHTTP2: major == 2,
		}}
		response, err := client.Get("https://" + a.addr + "/")
		must(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		must(t, errors.Join(err, response.Body.Close()))
		client.CloseIdleConnections()
		if response.ProtoMajor != major || response.StatusCode != http.StatusNotFound {
			t.Errorf("a client that offers %s gets %s %s", protocols, response.Proto, response.Status)
		}
		if got := response.Header.Values("Strict-Transport-Security"); !slices.Equal(got, []string{"max-age=31536000"}) {
			t.Errorf("Strict-Transport-Security is %q", got)
		}
	}
}

func TestTLSIsNoOlderThan12AndNoPlainText(t *testing.T) {
	a := newSecureAPI(t, firstValid)
	a.serve()
	for version, isTaken := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", a.addr, &tls.Config{RootCAs: a.pool, ServerName: publicName, MinVersion: version, MaxVersion: version})
		if (err == nil) != isTaken {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			must(t, conn.Close())
		}
	}
	conn, err := net.Dial("tcp", a.addr)
	must(t, err)
	defer conn.Close()
	_, err = fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: "+publicName+"\r\n\r\n")
	must(t, err)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	defer response.Body.Close()
	if response.StatusCode != http.StatusBadRequest {
		t.Errorf("plain HTTP gets %s", response.Status)
	}
}

func TestTheTLSCertificateIsReadAgainWhenItsFilesAreReplaced(t *testing.T) {
	a := newSecureAPI(t, firstValid)
	a.serve()
	a.wants(1)
	second := a.issueValid(2)
	a.replace(a.privateKeyFile, second.privateKey)
	a.replace(a.certificateFile, second.certificate)
	a.wants(2, a.renewed())
	a.wants(2)
	third := a.issueValid(3) // written in place
	a.write(a.certificateFile, third.certificate)
	a.write(a.privateKeyFile, third.privateKey)
	a.wants(3, a.renewed())
}

func TestTheTLSCertificateIsReadAgainWhenKubernetesTurnsItsLink(t *testing.T) {
	folder := t.TempDir()
	a := &secureAPI{
		authority:       newAuthority(t),
		certificateFile: filepath.Join(folder, "tls.crt"), privateKeyFile: filepath.Join(folder, "tls.key"),
	}
	// As kubelet does: files are links through ..data, which is a link to a folder and is replaced by rename.
	turn := func(version string, pair pairFiles) {
		must(t, os.Mkdir(filepath.Join(folder, version), 0o700))
		a.write(filepath.Join(folder, version, "tls.crt"), pair.certificate)
		a.write(filepath.Join(folder, version, "tls.key"), pair.privateKey)
		must(t, os.Symlink(version, filepath.Join(folder, "..data_tmp")))
		must(t, os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")))
	}
	turn("..2026_01_01", a.issueValid(1))
	must(t, os.Symlink("..data/tls.crt", a.certificateFile))
	must(t, os.Symlink("..data/tls.key", a.privateKeyFile))
	a.load()
	a.serve()
	a.wants(1)
	turn("..2026_03_01", a.issueValid(2))
	must(t, os.RemoveAll(filepath.Join(folder, "..2026_01_01")))
	a.wants(2, a.renewed())
}

func TestAWrongTLSCertificateLeavesTheOneBefore(t *testing.T) {
	a := newSecureAPI(t, firstValid)
	a.serve()
	next := a.issueValid(2)
	chain := strings.SplitAfter(next.certificate, "-----END CERTIFICATE-----\n")
	const notWhole = ", which holds a PEM block that is not whole"
	inCertificate := func(fault string) string {
		return fmt.Sprintf("EXHAUST_TLS_CERTIFICATE is %q%s", a.certificateFile, fault)
	}
	inKey := func(fault string) string {
		return fmt.Sprintf("EXHAUST_TLS_PRIVATE_KEY is %q%s", a.privateKeyFile, fault)
	}
	noKey := func(fault string) string {
		return inKey(fmt.Sprintf(", which is no key of the first certificate in %q: tls: %s", a.certificateFile, fault))
	}
	for _, test := range []struct {
		pair  pairFiles
		fault string
	}{
		{pairFiles{certificate: next.certificate, privateKey: a.issueValid(3).privateKey}, noKey("private key does not match public key")},
		{pairFiles{certificate: next.certificate[:300], privateKey: next.privateKey}, inCertificate(notWhole)},
		{pairFiles{certificate: chain[0] + chain[1][:300], privateKey: next.privateKey}, inCertificate(notWhole)},
		{pairFiles{certificate: chain[1] + chain[0], privateKey: next.privateKey}, noKey("private key does not match public key")},
		{pairFiles{certificate: next.privateKey, privateKey: next.privateKey}, inCertificate(", which holds no certificate in PEM")},
		{pairFiles{certificate: pemOf("CERTIFICATE", []byte("no certificate")), privateKey: next.privateKey},
			inCertificate(", which holds a certificate that cannot be read: x509: malformed certificate")},
		{pairFiles{certificate: "", privateKey: next.privateKey}, inCertificate(", which is empty")},
		{pairFiles{certificate: strings.Repeat("\n", maxPEMFile+1), privateKey: next.privateKey}, inCertificate(", which has more than 1048576 bytes")},
		{pairFiles{certificate: next.certificate, privateKey: next.privateKey[:100]}, noKey("failed to find any PEM data in key input")},
		{pairFiles{certificate: next.certificate, privateKey: pemOf("PRIVATE KEY", []byte("secret"))}, noKey("failed to parse private key")},
		{pairFiles{certificate: next.certificate, privateKey: pemOf("ENCRYPTED PRIVATE KEY", []byte("secret"))},
			inKey(", which has a passphrase: the API takes a key without one")},
	} {
		a.replace(a.certificateFile, test.pair.certificate)
		a.replace(a.privateKeyFile, test.pair.privateKey)
		a.wants(1, a.kept(test.fault))
		a.wants(1) // which is said once
	}
	must(t, os.Remove(a.privateKeyFile))
	a.replace(a.certificateFile, next.certificate)
	a.wants(1, a.kept(inKey(", which cannot be read: no such file or directory")))
	a.wants(1)
	a.replace(a.privateKeyFile, next.privateKey)
	a.wants(2, a.renewed())
}

func TestTheFilesOfTheTLSCertificateAreReadOnceASecond(t *testing.T) {
	a := newSecureAPI(t, firstValid)
	a.serve()
	a.clock.moveOn(lookInterval - 1)
	second := a.issueValid(2)
	a.replace(a.certificateFile, second.certificate)
	a.replace(a.privateKeyFile, second.privateKey)
	if got := a.serial(); got != 1 {
		t.Errorf("clients see certificate %d before a second has passed", got)
	}
	a.clock.moveOn(1)
	if got := a.serial(); got != 2 {
		t.Errorf("clients see certificate %d after a second", got)
	}
}

func TestAnAPIWithoutATLSCertificateSaysWhichSettingIsWrong(t *testing.T) {
	folder := t.TempDir()
	pair := newAuthority(t).issueValid(1)
	certificateFile, privateKeyFile := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	missing := filepath.Join(folder, "missing")
	must(t, os.WriteFile(certificateFile, []byte(pair.certificate), 0o600))
	must(t, os.WriteFile(privateKeyFile, []byte(pair.privateKey), 0o600))
	for _, test := range []struct{ certificate, privateKey, want string }{
		{missing, privateKeyFile, fmt.Sprintf("EXHAUST_TLS_CERTIFICATE is %q, which cannot be read: no such file or directory", missing)},
		{certificateFile, missing, fmt.Sprintf("EXHAUST_TLS_PRIVATE_KEY is %q, which cannot be read: no such file or directory", missing)},
		{folder, privateKeyFile, fmt.Sprintf("EXHAUST_TLS_CERTIFICATE is %q, which cannot be read: is a directory", folder)},
		{os.DevNull, os.DevNull, fmt.Sprintf("EXHAUST_TLS_CERTIFICATE is %q, which is empty", os.DevNull)},
		{privateKeyFile, certificateFile, fmt.Sprintf("EXHAUST_TLS_CERTIFICATE is %q, which holds no certificate in PEM", privateKeyFile)},
		{certificateFile, certificateFile, fmt.Sprintf("EXHAUST_TLS_PRIVATE_KEY is %q, which is no key of the first certificate in %q: "+
			`tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [CERTIFICATE CERTIFICATE]`,
			certificateFile, certificateFile)},
	} {
		c, err := newCertificate(test.certificate, test.privateKey, slog.New(slog.DiscardHandler))
		if c != nil || err == nil || err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

func TestATLSCertificateThatClientsRefuseIsWarnedOf(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		begins, ends time.Duration
		want         string
	}{
		{-90 * day, -time.Hour, "the TLS certificate has expired"},
		{-90 * day, 7*day - time.Hour, "the TLS certificate expires soon"},
		{-90 * day, 7*day + time.Hour, ""},
		{time.Hour, 90 * day, "the TLS certificate is not valid yet"},
	} {
		notBefore := time.Now().Add(test.begins).UTC().Truncate(time.Second)
		notAfter := time.Now().Add(test.ends).UTC().Truncate(time.Second)
		a := newSecureAPI(t, func(a *authority) pairFiles { return a.issue(1, notBefore, notAfter) })
		const layout = "2006-01-02T15:04:05.000Z"
		want := fmt.Sprintf("level=INFO msg=\"the TLS certificate is in use\" file=%s notAfter=%s\n", a.certificateFile, notAfter.Format(layout))
		if test.want != "" {
			want += fmt.Sprintf("level=WARN msg=%q file=%s notBefore=%s notAfter=%s\n",
				test.want, a.certificateFile, notBefore.Format(layout), notAfter.Format(layout))
		}
		if got := a.log.String(); got != want {
			t.Errorf("the log says\n%swant\n%s", got, want)
		}
	}
}

func TestEveryTLSHandshakeGetsAWholeCertificateWhileItIsRenewed(t *testing.T) {
	const renewals, clients = 20, 4
	a := newSecureAPI(t, firstValid)
	a.serve()
	var handshakes sync.WaitGroup
	ended := make(chan struct{})
	for range clients {
		handshakes.Go(func() {
			for last := int64(0); ; {
				select {
				case <-ended:
					return
				default:
				}
				conn, err := tls.Dial("tcp", a.addr, &tls.Config{RootCAs: a.pool, ServerName: publicName})
				if err != nil {
					t.Error(err)
					return
				}
				serial := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
				_ = conn.Close() // the server may have closed it
				if serial < last {
					t.Errorf("after certificate %d a client sees %d", last, serial)
				}
				last = serial
			}
		})
	}
	for i := range int64(renewals) {
		next := a.issueValid(i + 2)
		a.replace(a.privateKeyFile, next.privateKey)
		a.clock.moveOn(lookInterval)
		a.replace(a.certificateFile, next.certificate)
		a.clock.moveOn(lookInterval)
	}
	close(ended)
	handshakes.Wait()
	a.clock.moveOn(lookInterval)
	if got := a.serial(); got != renewals+1 {
		t.Errorf("clients see certificate %d in the end, want %d", got, renewals+1)
	}
}
