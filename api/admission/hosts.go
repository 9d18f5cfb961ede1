package admission

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Hosts are the names by which a service may be called that asks nobody who he is. A site can have a name of its own lead to this
// machine (DNS rebinding): a browser would then let its pages read all that there is. A nil Hosts is all names.
type Hosts struct {
	// PublicURL is where people reach the service; its name is accepted beside those of this machine.
	PublicURL string
}

// Accepts reports whether a request may be for a host, with its port or without. No host is that of a client that is no browser.
func (h *Hosts) Accepts(host string) bool {
	if h == nil || host == "" {
		return true
	}
	name := nameOf(host)
	if address, err := netip.ParseAddr(name); err == nil && address.Unmap().IsLoopback() {
		return true
	}
	public, err := url.Parse(h.PublicURL)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || err == nil && name == nameOf(public.Host)
}

// nameOf is the name or address of a host, without its port, as names are compared.
func nameOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
