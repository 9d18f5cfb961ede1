package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"data-exhaust/config"
	"data-exhaust/internal/app"
	"data-exhaust/service"
)

func newHealth() *cobra.Command {
	var (
		worker, alive, ready bool
		timeout              time.Duration
	)
	command := &cobra.Command{
		Use:   "health",
		Short: "Tell by the exit code whether the API or the worker on this machine is healthy",
		Long: `Tell by the exit code whether the API or the worker on this machine is healthy.

The API is asked for GET /health at EXHAUST_ADDR: exit code 0 where all that it depends on answers.
With --ready it is asked for GET /health/ready: exit code 0 where all answers that the API itself needs.
With --alive any answer of it is good enough: a restart does not heal what it depends on.

An API with TLS is asked over https, and its certificate is not verified: it is not for this machine's
address. Without --ready and --alive it has to be the one that EXHAUST_TLS_CERTIFICATE begins with.

With --worker Temporal is asked whether a worker of this host name has polled the task queue within
the last 90 s. A worker that hangs is noticed no sooner than that.`,
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if worker {
				host, err := os.Hostname()
				if err != nil {
					return err
				}
				return app.WorkerPolls(ctx, cfg, host, service.PollInterval)
			}
			certificate := cfg.TLSCertificate
			switch {
			case alive:
				return checkAlive(ctx, cfg.Addr, certificate != "")
			case ready:
				return checkAPI(ctx, cfg.Addr, "/health/ready", certificate != "")
			}
			return checkHealth(ctx, cfg.Addr, certificate)
		}),
	}
	f := command.Flags()
	f.BoolVar(&worker, "worker", false, "look at the worker instead of the API")
	f.BoolVar(&alive, "alive", false, "whether the API answers, not whether what it depends on does")
	f.BoolVar(&ready, "ready", false, "whether what the API itself needs answers, not what only workers need")
	f.DurationVar(&timeout, "timeout", 4*time.Second, "how long to wait for the answer at the most")
	command.MarkFlagsMutuallyExclusive("worker", "alive", "ready")
	return command
}

// checkAlive asks the API that listens on addr for any answer.
func checkAlive(ctx context.Context, addr string, isTLS bool) error {
	err := checkAPI(ctx, addr, "/health/live", isTLS)
	if _, ok := errors.AsType[*apiError](err); ok {
		return nil // of a release that does not know the path
	}
	return err
}

// checkAPI asks the API that listens on addr how it is.
func checkAPI(ctx context.Context, addr, path string, isTLS bool) error {
	api := apiClient{base: "http://" + reachableAddr(addr), isAnonymous: true}
	if isTLS {
		api.base, api.client = "https://"+reachableAddr(addr), anyCertificateClient()
		defer api.client.CloseIdleConnections()
	}
	_, err := api.call(ctx, http.MethodGet, path, nil, nil)
	if unreachable, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("the API does not answer at EXHAUST_ADDR: %w", unreachable.Err)
	}
	if foreign, ok := errors.AsType[*foreignError](err); ok {
		return fmt.Errorf("what answers at EXHAUST_ADDR (%s) is not this API", foreign.status)
	}
	return err
}

// checkHealth asks the API that listens on addr how all is that it depends on, and has its TLS certificate compared with the
// one in the file, where it has any.
func checkHealth(ctx context.Context, addr, certificate string) error {
	err := checkAPI(ctx, addr, "/health", certificate != "")
	if err != nil || certificate == "" {
		return err
	}
	return checkCertificate(ctx, addr, certificate)
}

// anyCertificate takes whatever certificate a server shows. It is for health alone, which asks this machine, sends no secret,
// and over plain HTTP believes as much. The certificate is for the API's public name, and not for 127.0.0.1. The probes do not
// demand the one in EXHAUST_TLS_CERTIFICATE either: after a renewal that went wrong the API serves on with the certificate
// before, and a probe that failed would have it restarted, when it could no longer start. checkCertificate compares the two
// for operators.
func anyCertificate() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
}

// anyCertificateClient asks a server on this machine, and no other: no proxy, and nowhere that the answer points to.
func anyCertificateClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: anyCertificate(), ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// renewalTime is after how long an API whose files were replaced shows the new certificate: it looks at them once a second.
const renewalTime = 1500 * time.Millisecond

// checkCertificate demands that the API on addr shows the very certificate that the file begins with.
func checkCertificate(ctx context.Context, addr, file string) error {
	err := compareCertificate(ctx, addr, file)
	if err == nil {
		return nil
	}
	select { // the files may just have been replaced
	case <-ctx.Done():
		return err
	case <-time.After(renewalTime):
		return compareCertificate(ctx, addr, file)
	}
}

func compareCertificate(ctx context.Context, addr, file string) error {
	want, err := firstCertificate(file)
	if err != nil {
		return fmt.Errorf("EXHAUST_TLS_CERTIFICATE: %w", err)
	}
	dialer := tls.Dialer{Config: anyCertificate()}
	conn, err := dialer.DialContext(ctx, "tcp", reachableAddr(addr))
	if err != nil {
		return fmt.Errorf("the API does not answer at EXHAUST_ADDR: %w", err)
	}
	defer conn.Close()
	if got := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]; !bytes.Equal(got.Raw, want) {
		return fmt.Errorf("the API shows a certificate that ends on %s, and not the one in %s (EXHAUST_TLS_CERTIFICATE): its log says why",
			got.NotAfter.UTC().Format(time.RFC3339), file)
	}
	return nil
}

// firstCertificate is the one that begins a chain in PEM, which is the API's own.
func firstCertificate(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return block.Bytes, nil
		}
	}
	return nil, fmt.Errorf("%s holds no certificate in PEM", file)
}

// reachableAddr is where a process on this machine reaches what listens on addr.
func reachableAddr(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
