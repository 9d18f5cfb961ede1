package blob

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"data-exhaust/internal/devstack"
)

// emulator is a running Azurite, which all tests share: each has a container of its own.
type emulator struct {
	endpoint string // http://127.0.0.1:port
	host     string // 127.0.0.1:port
	roots    *x509.CertPool
	stop     func() error
}

var emulators struct {
	sync.Mutex
	http, https *emulator
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, e := range []*emulator{emulators.http, emulators.https} {
		if e == nil {
			continue
		}
		if err := e.stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// azurite is the emulator as most use it, with an account key over http.
func azurite(t testing.TB) *emulator {
	t.Helper()
	emulators.Lock()
	defer emulators.Unlock()
	if emulators.http == nil {
		server, err := devstack.StartAzurite(context.Background(), devstack.AzuriteOptions{Log: os.Stderr})
		if err != nil {
			t.Fatal(err)
		}
		host := fmt.Sprintf("127.0.0.1:%d", server.Port)
		emulators.http = &emulator{endpoint: "http://" + host, host: host, stop: server.Stop}
	}
	return emulators.http
}

// azuriteOAuth takes bearer tokens over https. It looks at issuer, audience and times of a token, not at its signature.
func azuriteOAuth(t testing.TB) *emulator {
	t.Helper()
	emulators.Lock()
	defer emulators.Unlock()
	if emulators.https == nil {
		emulators.https = startAzuriteOAuth(t)
	}
	return emulators.https
}

func startAzuriteOAuth(t testing.TB) *emulator {
	t.Helper()
	dir, err := os.MkdirTemp("", "azurite-tls-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	roots := writeCertificate(t, dir)
	e := startAzurite(t, "--oauth", "basic", "--cert", filepath.Join(dir, "cert.pem"), "--key", filepath.Join(dir, "key.pem"))
	e.roots = roots
	return e
}

func startAzurite(t testing.TB, options ...string) *emulator {
	t.Helper()
	program, err := devstack.Tool(t.Context(), "azurite-blob", os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("node", append([]string{program, "--blobPort", "0", "--inMemoryPersistence", "--loose", "--silent",
		"--disableTelemetry"}, options...)...)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("start Azurite: %v", err)
	}
	stop := func() error {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			return fmt.Errorf("stop Azurite: %w", err)
		}
		return command.Wait()
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if _, endpoint, found := strings.Cut(lines.Text(), "successfully listens on "); found {
			go io.Copy(io.Discard, output)
			_, host, _ := strings.Cut(endpoint, "://")
			return &emulator{endpoint: endpoint, host: host, stop: stop}
		}
	}
	t.Fatalf("Azurite ended before it listened: %v", command.Wait())
	return nil
}

// connection is the connection string with the emulator's account key, by way of host (itself, or a proxy).
func (e *emulator) connection(host string) string {
	scheme, _, _ := strings.Cut(e.endpoint, "://")
	return strings.Replace(developmentStorage, "http://127.0.0.1:10000", scheme+"://"+host, 1)
}

// client trusts the emulator's certificate, and finds it by any name.
func (e *emulator) client() *http.Client {
	client := newTransport()
	transport := client.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{RootCAs: e.roots}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, e.host)
	}
	return client
}

// newContainer creates a container and gives its name.
func (e *emulator) newContainer(t testing.TB) string {
	t.Helper()
	name := "test-" + strings.ToLower(rand.Text())
	client, err := container.NewClientFromConnectionString(e.connection(e.host), name, &container.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Transport: e.client(), PerCallPolicies: []policy.Policy{versionPolicy(devstack.AzuriteAPIVersion)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return name
}

// tokenSource gives tokens as Microsoft Entra would give it, but for the signature.
type tokenSource struct{}

func (tokenSource) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/00000000-0000-4000-8000-000000000001/",
		"iat": now.Unix() - 60, "nbf": now.Unix() - 60, "exp": now.Unix() + 3600,
		"oid": "00000000-0000-4000-8000-000000000002", "tid": "00000000-0000-4000-8000-000000000001",
	})
	encode := base64.RawURLEncoding.EncodeToString
	token := encode([]byte(`{"typ":"JWT","alg":"RS256"}`)) + "." + encode(claims) + "." + encode([]byte("none"))
	return azcore.AccessToken{Token: token, ExpiresOn: now.Add(time.Hour)}, err
}

func writeCertificate(t testing.TB, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "Azurite"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"devstoreaccount1.blob.localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:         true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return roots
}

// azureByKey is a store in a new container, signed in with the account key.
func azureByKey(t testing.TB, limits limits) *Azure {
	t.Helper()
	return limited(openAzure(t, byKey(t, "")), limits)
}

// byKey are the options of azureByKey, in a service version; "" is the newest that Azurite knows.
func byKey(t testing.TB, apiVersion string) AzureOptions {
	t.Helper()
	e := azurite(t)
	return AzureOptions{
		ConnectionString: e.connection(e.host), Container: e.newContainer(t), Prefix: "some/prefix", APIVersion: apiVersion,
	}
}

// azureByIdentity is a store in a new container, signed in with a token.
func azureByIdentity(t testing.TB, limits limits) *Azure {
	t.Helper()
	return limited(openAzure(t, byIdentity(t, "")), limits)
}

// byIdentity are the options of azureByIdentity, in a service version; "" is the newest that Azurite knows.
func byIdentity(t testing.TB, apiVersion string) AzureOptions {
	t.Helper()
	e := azuriteOAuth(t)
	_, port, _ := net.SplitHostPort(e.host)
	return AzureOptions{
		Account: fmt.Sprintf("https://devstoreaccount1.blob.localhost:%s", port), Container: e.newContainer(t), APIVersion: apiVersion,
		credential: tokenSource{}, transport: e.client(),
	}
}

// limited gives a store these limits, where they are not zero.
func limited(azure *Azure, limits limits) *Azure {
	azure.limits.page = cmp.Or(limits.page, azure.limits.page)
	azure.limits.bytes = cmp.Or(limits.bytes, azure.limits.bytes)
	azure.limits.stall = cmp.Or(limits.stall, azure.limits.stall)
	return azure
}

// openAzure opens a store, in the newest service version that Azurite knows where the options name none.
func openAzure(t testing.TB, opts AzureOptions) *Azure {
	t.Helper()
	opts.APIVersion = cmp.Or(opts.APIVersion, devstack.AzuriteAPIVersion)
	azure, err := NewAzure(opts)
	if err != nil {
		t.Fatal(err)
	}
	return azure
}
