package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// newPublicCertificate is one that nobody knows the issuer of, for a name that is not this machine's.
func newPublicCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{"exhaust.example"},
		NotBefore: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2125, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveHealth answers all requests with a body, over TLS where there is a certificate.
func serveHealth(t *testing.T, certificate *tls.Certificate, status int, body string) (addr string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status == http.StatusFound {
			w.Header().Set("Location", "https://elsewhere.example/")
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	server.Config.ErrorLog = log.New(t.Output(), "", 0)
	if certificate == nil {
		server.Start()
	} else {
		server.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}}
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// fileOf holds a certificate as EXHAUST_TLS_CERTIFICATE may: with something before it.
func fileOf(t *testing.T, certificate tls.Certificate) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tls.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8}})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const (
	healthyAnswer = `{"responseCode":"OK"}`
	downAnswer    = `{"responseCode":"SERVICE_UNAVAILABLE","params":{"errmsg":"down: temporal"}}`
)

func TestHealthAsksAnAPIOverTLSWhichShowsTheCertificateOfItsFile(t *testing.T) {
	certificate := newPublicCertificate(t)
	file, other := fileOf(t, certificate), fileOf(t, newPublicCertificate(t))
	secure := serveHealth(t, &certificate, http.StatusOK, healthyAnswer)
	plain := serveHealth(t, nil, http.StatusOK, healthyAnswer)
	down := serveHealth(t, &certificate, http.StatusServiceUnavailable, downAnswer)
	foreign := serveHealth(t, &certificate, http.StatusFound, "")
	missing := filepath.Join(t.TempDir(), "tls.crt")
	empty := filepath.Join(t.TempDir(), "empty.crt")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, addr, certificate, health, ready, alive string }{
		{"with TLS", secure, file, "", "", ""},
		{"without TLS", plain, "", "", "", ""},
		{"with TLS whose dependency is down", down, file, "down: temporal", "down: temporal", ""},
		{"with TLS and the certificate before", secure, other,
			"the API shows a certificate that ends on 2125-01-01T00:00:00Z, and not the one in " + other + " (EXHAUST_TLS_CERTIFICATE): its log says why", "", ""},
		{"with TLS whose file is away", secure, missing, "EXHAUST_TLS_CERTIFICATE: open " + missing + ": no such file or directory", "", ""},
		{"with TLS whose file is empty", secure, empty, "EXHAUST_TLS_CERTIFICATE: " + empty + " holds no certificate in PEM", "", ""},
		{"that is another program", foreign, file, "what answers at EXHAUST_ADDR (302 Found) is not this API",
			"what answers at EXHAUST_ADDR (302 Found) is not this API", "what answers at EXHAUST_ADDR (302 Found) is not this API"},
		{"that has no TLS though it is set", plain, file, "the API does not answer at EXHAUST_ADDR: http: server gave HTTP response to HTTPS client",
			"the API does not answer at EXHAUST_ADDR: http: server gave HTTP response to HTTPS client",
			"the API does not answer at EXHAUST_ADDR: http: server gave HTTP response to HTTPS client"},
	} {
		isTLS := test.certificate != ""
		got := [3]string{
			errorText(checkHealth(t.Context(), test.addr, test.certificate)),
			errorText(checkAPI(t.Context(), test.addr, "/health/ready", isTLS)),
			errorText(checkAlive(t.Context(), test.addr, isTLS)),
		}
		if want := [3]string{test.health, test.ready, test.alive}; got != want {
			t.Errorf("an API %s:\ngot  %q\nwant %q", test.name, got, want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestHealthWaitsForARenewalOfTheCertificate(t *testing.T) {
	certificate := newPublicCertificate(t)
	addr := serveHealth(t, &certificate, http.StatusOK, healthyAnswer)
	file := fileOf(t, newPublicCertificate(t))
	checked := make(chan error, 1)
	go func() { checked <- checkCertificate(t.Context(), addr, file) }()
	if err := os.Rename(fileOf(t, certificate), file); err != nil {
		t.Fatal(err)
	}
	if err := <-checked; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := checkCertificate(ctx, addr, fileOf(t, newPublicCertificate(t))); err == nil {
		t.Error("a check that was cancelled found the certificate")
	}
}

func TestOtherCommandsVerifyTheCertificateOfTheAPI(t *testing.T) {
	certificate := newPublicCertificate(t)
	client := apiClient{base: "https://" + serveHealth(t, &certificate, http.StatusOK, healthyAnswer)}
	_, err := client.read(t.Context(), "tag", "id")
	if err == nil || !strings.Contains(err.Error(), "tls: failed to verify certificate") {
		t.Errorf("a certificate of an unknown issuer: %v", err)
	}
}

func TestTheTokenGoesToTheAPIAloneAndNotWithProbes(t *testing.T) {
	const token = "exhaust_a-token-of-an-operator"
	t.Setenv("EXHAUST_TOKEN", token)
	var got []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, "elsewhere: "+r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.URL.Path+": "+r.Header.Get("Authorization"))
		if r.URL.Path == "/redirects" {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			return
		}
		_, _ = io.WriteString(w, healthyAnswer)
	}))
	defer api.Close()
	client := apiClient{base: api.URL}
	if _, err := client.call(t.Context(), http.MethodPost, "/answers", nil, nil); err != nil {
		t.Error(err)
	}
	if _, err := client.call(t.Context(), http.MethodPost, "/redirects", nil, []byte("{}")); err == nil || !strings.Contains(err.Error(), "answered 307 Temporary Redirect, which is not this API's answer") {
		t.Errorf("a redirect: %v", err)
	}
	if err := checkAPI(t.Context(), strings.TrimPrefix(api.URL, "http://"), "/health", false); err != nil {
		t.Error(err)
	}
	if want := []string{"/answers: Bearer " + token, "/redirects: Bearer " + token, "/health: "}; !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}
