package database

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lib/pq"
)

// defaultSSLMode is the sslmode where neither the URL nor libpq's environment nor a service file has one. Plain text stays
// within this machine.
func defaultSSLMode(config pq.Config) pq.SSLMode {
	isDirect := config.SSLNegotiation == pq.SSLNegotiationDirect // which cannot fall back to plain text
	if isDirect || !isLocal(config.Host, config.Hostaddr) || slices.ContainsFunc(config.Multi, isRemote) {
		return pq.SSLModeRequire
	}
	return pq.SSLModePrefer
}

// checkSocket refuses other machines behind a socket: lib/pq turns TLS off for all hosts where the first is a socket,
// whatever sslmode says.
func checkSocket(config pq.Config) error {
	if isSocket(config.Host) && !config.Hostaddr.IsValid() && slices.ContainsFunc(config.Multi, isRemote) {
		return errors.New("its first host is a socket, for which there is no TLS, and then there is none for the other hosts either: leave out the socket")
	}
	return nil
}

func isRemote(other pq.ConfigMultihost) bool { return !isLocal(other.Host, other.Hostaddr) }

// isLocal reports whether what is sent to a host stays on this machine: an address of loopback, localhost, a socket. The names
// below localhost do not count: Go's resolver asks DNS for them. An address counts in place of the name. The driver takes a host without a name for this
// machine.
func isLocal(host string, address netip.Addr) bool {
	if !address.IsValid() {
		var err error
		if address, err = netip.ParseAddr(host); err != nil {
			name := strings.ToLower(strings.TrimSuffix(host, "."))
			return name == "" || name == "localhost" || isSocket(host)
		}
	}
	return address.Unmap().IsLoopback()
}

// isSocket reports whether the driver takes a host for the folder or the abstract name of a Unix socket.
func isSocket(host string) bool { return filepath.IsAbs(host) || strings.HasPrefix(host, "@") }

// withTLSAdvice says what to do about a server without TLS.
func withTLSAdvice(err error, mode pq.SSLMode) error {
	if !errors.Is(err, pq.ErrSSLNotSupported) {
		return err
	}
	return fmt.Errorf("%w, and sslmode is %s, the default being require for a host that is not this machine: "+
		"turn TLS on at the server, or set sslmode=disable in the database URL, which sends everything over the network unencrypted", err, mode)
}
