package devstack

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
)

// Azurite is an emulator of Azure Blob Storage that serves.
type Azurite struct {
	*Child
	Port int
}

// AzuriteOptions are those of [StartAzurite]. The zero value keeps blobs in memory and serves on a
// free port.
type AzuriteOptions struct {
	// Port on 127.0.0.1, 0 for a free one.
	Port int
	// DataDir keeps the blobs; "" keeps them in memory. Azurite writes its index of them every few
	// seconds and when it stops, so Kill loses the latest.
	DataDir string
	// Dir is where the log, azurite.log, goes; "" is a temporary folder removed on Stop.
	Dir string
	// Log is where StartAzurite says that it installs Azurite first; nil is nowhere.
	Log io.Writer
}

// StartAzurite runs the blob service of Azurite on Node.js. It lives until Stop or the end of ctx.
func StartAzurite(ctx context.Context, opts AzuriteOptions) (*Azurite, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("azurite runs on Node.js: %w: install Node.js 20 or newer", err)
	}
	program, err := Tool(ctx, "azurite-blob", opts.Log)
	if err != nil {
		return nil, err
	}
	a := &Azurite{}
	plan := func(dir string) (daemon, error) { return a.plan(node, program, dir, opts) }
	a.Child, err = startChild(ctx, "azurite", opts.Dir, plan)
	if err != nil {
		return nil, err
	}
	return a, nil
}

// AzuriteAPIVersion is the newest service version that the pinned Azurite knows, which the SDK's is not. Azurite says so in
// the x-ms-version of its answers.
const AzuriteAPIVersion = "2026-06-06"

// Settings point the services at it.
func (a *Azurite) Settings() []string {
	return []string{"AZURE_STORAGE_CONNECTION_STRING=" + a.ConnectionString(), "EXHAUST_AZURE_API_VERSION=" + AzuriteAPIVersion}
}

// Client is a client of the SDK that speaks AzuriteAPIVersion.
func (a *Azurite) Client() (*azblob.Client, error) {
	return azblob.NewClientFromConnectionString(a.ConnectionString(), &azblob.ClientOptions{
		ClientOptions: azcore.ClientOptions{PerCallPolicies: []policy.Policy{ownVersion{}}},
	})
}

// ownVersion sends AzuriteAPIVersion in place of the SDK's version.
type ownVersion struct{}

func (ownVersion) Do(request *policy.Request) (*http.Response, error) {
	request.Raw().Header["x-ms-version"] = []string{AzuriteAPIVersion} // as the SDK spells it
	return request.Next()
}

// ConnectionString is what AZURE_STORAGE_CONNECTION_STRING takes. Its account and key are those
// that Microsoft publishes for every Azurite; they are no secret.
func (a *Azurite) ConnectionString() string {
	return "DefaultEndpointsProtocol=http;AccountName=" + azuriteAccount + ";AccountKey=" + azuriteKey +
		";BlobEndpoint=http://" + address(a.Port) + "/" + azuriteAccount + ";"
}

const (
	azuriteAccount = "devstoreaccount1"
	azuriteKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// plan describes a server and fills in where a serves.
func (a *Azurite) plan(node, program, dir string, opts AzuriteOptions) (daemon, error) {
	port, err := takePort("azurite", opts.Port)
	if err != nil {
		return daemon{}, err
	}
	a.Port = port
	command := []string{node, program, "--blobHost", localhost, "--blobPort", strconv.Itoa(port),
		"--loose", "--silent", "--disableTelemetry"}
	if opts.DataDir == "" {
		command = append(command, "--inMemoryPersistence")
	} else {
		data, err := filepath.Abs(opts.DataDir)
		if err != nil {
			return daemon{}, fmt.Errorf("start azurite: %w", err)
		}
		command = append(command, "--location", data)
	}
	return daemon{
		serves: address(port), command: command, dir: dir,
		stop: syscall.SIGTERM, crash: syscall.SIGKILL,
		ready: a.probe,
	}, nil
}

// probe asks for anything: every answer of Azurite names it.
func (a *Azurite) probe(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address(a.Port)+"/", nil)
	if err != nil {
		return err
	}
	request.Close = true // an idle connection would hold up Azurite's end
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if server := answer.Header.Get("Server"); !strings.HasPrefix(server, "Azurite") {
		return fmt.Errorf("%s is served by %q, not by Azurite", address(a.Port), server)
	}
	return nil
}
