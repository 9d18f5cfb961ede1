package access

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// TrustedProxies are the addresses of the proxies in front of the API that write X-Forwarded-For as they should: each adds,
// at the right, the address that it was called from. The nil value trusts none.
type TrustedProxies []netip.Prefix

// ParseTrustedProxies reads addresses and CIDRs, IPv4 and IPv6, with commas between them; an empty text is none. Its error
// names the one that is wrong, and what is accepted.
func ParseTrustedProxies(text string) (TrustedProxies, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var proxies TrustedProxies
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		prefix, err := parsePrefix(entry)
		if err != nil {
			return nil, fmt.Errorf("%q %w: a trusted proxy is an address or a CIDR, such as 10.0.0.7, 10.0.0.0/8, 2001:db8::7 or 2001:db8::/32", entry, err)
		}
		proxies = append(proxies, prefix)
	}
	return proxies, nil
}

// parsePrefix reads a CIDR, or an address as the CIDR that has no other. IPv4 in the form of IPv6 (::ffff:10.0.0.0/104)
// becomes IPv4, as all addresses do that are looked up.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		if addr.Zone() != "" {
			return netip.Prefix{}, errors.New("has a zone")
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errors.New("is neither")
	}
	// Whoever wrote 10.1.2.3/8 may mean one address or 16 million: a guess would trust strangers.
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("names an address within %s", prefix.Masked())
	}
	if addr := prefix.Addr(); addr.Is4In6() {
		const mappedBits = 96 // of ::ffff:0:0/96: a shorter prefix would have cut the ffff off
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-mappedBits)
	}
	return prefix, nil
}

// String is what ParseTrustedProxies takes.
func (t TrustedProxies) String() string {
	texts := make([]string, len(t))
	for i, prefix := range t {
		texts[i] = prefix.String()
	}
	return strings.Join(texts, ",")
}

// Client is the address that a request comes from: remote, which called the API, or, where that is a trusted proxy, the one that
// called the proxy, and so on to the left through the lines of X-Forwarded-For, up to the first that is no trusted proxy. What
// stands left of that one it may have written itself, and does not count. What is no address ends the walk at the last one that is
// known to be right. It is the zero Addr where the request has no address at all, as one over a Unix socket has none. IPv4 is
// always in its own form, and an address has no zone, which means something on one machine only.
//
// Forwarded (RFC 7239) and X-Real-IP are not read. A proxy writes one of these headers and hands the others on as the client
// wrote them: an API that reads several believes the client. X-Forwarded-For is the one that all common proxies write, and
// X-Real-IP does not tell through whom it came.
func (t TrustedProxies) Client(remote string, forwarded []string) netip.Addr {
	client, ok := parseHop(remote)
	if !ok {
		return netip.Addr{}
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && t.contain(client); i-- {
		caller, ok := parseHop(hops[i])
		if !ok {
			break
		}
		client = caller
	}
	return client
}

func (t TrustedProxies) contain(addr netip.Addr) bool {
	return slices.ContainsFunc(t, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}

// parseHop reads an address as proxies write it: with or without a port, IPv6 with or without brackets.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.Trim(text, " \t")
	addr, err := netip.ParseAddr(text)
	if err != nil {
		if bare, ok := strings.CutSuffix(text, "]"); ok {
			text = bare + "]:0" // IPv6 in brackets without a port
		}
		var withPort netip.AddrPort
		if withPort, err = netip.ParseAddrPort(text); err == nil {
			addr = withPort.Addr()
		}
	}
	return addr.Unmap().WithZone(""), err == nil
}
