package access_test

import (
	"fmt"
	"testing"

	"data-exhaust/access"
)

func TestTheClientIsTheFirstThatIsNoTrustedProxy(t *testing.T) {
	const client, proxy = "203.0.113.9", "10.0.0.7:40000"
	for _, test := range []struct {
		name, remoteAddr string
		forwardedFor     []string
		want             string
	}{
		{"without a proxy", client + ":5000", nil, client},
		{"without a proxy, by IPv6", "[2001:db8:1::9]:5000", nil, "2001:db8:1::9"},
		{"with a proxy that tells nothing", proxy, nil, "10.0.0.7"},
		{"with one proxy", proxy, []string{client}, client},
		{"with two proxies", proxy, []string{client + ", 192.0.2.1"}, client},
		{"with a line from each proxy", proxy, []string{client, "192.0.2.1"}, client},
		{"with a proxy by IPv6", "[fd00::5]:443", []string{client}, client},
		{"with a proxy that is itself the client", proxy, []string{"192.0.2.1, 10.9.9.9"}, "192.0.2.1"},

		{"with a port", proxy, []string{client + ":61234"}, client},
		{"by IPv6", proxy, []string{"2001:db8:1::9"}, "2001:db8:1::9"},
		{"by IPv6 in brackets", proxy, []string{"[2001:db8:1::9]"}, "2001:db8:1::9"},
		{"by IPv6 with a port", proxy, []string{"[2001:db8:1::9]:61234"}, "2001:db8:1::9"},
		{"by IPv6 with a zone", proxy, []string{"fe80::9%eth0"}, "fe80::9"},
		{"by IPv6 with a zone and a port", proxy, []string{"[fe80::9%eth0]:61234"}, "fe80::9"},
		{"by IPv4 in the form of IPv6", proxy, []string{"::ffff:" + client}, client},
		{"by IPv4 in the form of IPv6 with a port", proxy, []string{"[::ffff:" + client + "]:61234"}, client},
		{"with spaces and tabs", proxy, []string{" \t" + client + " ,\t192.0.2.1 "}, client},
		{"with a proxy by IPv4 in the form of IPv6", "[::ffff:10.0.0.7]:40000", []string{client + ",::ffff:192.0.2.1"}, client},
		{"with a proxy that has a zone", "[fd00::5%eth0]:443", []string{client}, client},

		{"that writes the header itself", client + ":5000", []string{"198.51.100.1"}, client},
		{"that writes a trusted address", client + ":5000", []string{"10.0.0.7"}, client},
		{"that writes an address before the proxy adds its own", proxy, []string{"198.51.100.1, " + client}, client},
		{"that writes a line before the proxy adds one", proxy, []string{"198.51.100.1", client}, client},
		{"that writes a whole chain of trusted proxies", proxy, []string{"198.51.100.1, 10.0.0.7, 192.0.2.1", client + ", 192.0.2.1"}, client},
		{"that is a stranger's proxy", proxy, []string{"198.51.100.1, " + client + ", 10.0.0.8"}, client},
		{"next to a trusted address", proxy, []string{"198.51.100.1, 192.0.2.2"}, "192.0.2.2"},
		{"just beyond a trusted CIDR", "11.0.0.0:1", []string{"198.51.100.1"}, "11.0.0.0"},

		{"that no proxy knows", proxy, []string{"198.51.100.1, unknown"}, "10.0.0.7"},
		{"behind a hop that is no address", proxy, []string{client + ", _hidden, 192.0.2.1"}, "192.0.2.1"},
		{"behind an empty hop", proxy, []string{client + ",, 192.0.2.1"}, "192.0.2.1"},
		{"behind a proxy that writes nothing", proxy, []string{client + ","}, "10.0.0.7"},
		{"behind an empty line", proxy, []string{client, ""}, "10.0.0.7"},
		{"with a host name", proxy, []string{client + ", proxy.example"}, "10.0.0.7"},
		{"with a port that is none", proxy, []string{client + ", 192.0.2.1:http"}, "10.0.0.7"},
		{"with IPv4 in brackets", proxy, []string{client + ", [192.0.2.1]"}, "10.0.0.7"},
		{"with half a bracket", proxy, []string{client + ", 192.0.2.1]"}, "10.0.0.7"},
		{"with brackets around nothing", proxy, []string{client + ", []"}, "10.0.0.7"},
		{"with zeros in front, which some read as octal", proxy, []string{client + ", 192.000.002.001"}, "10.0.0.7"},
		{"with quotes, as only Forwarded has them", proxy, []string{`"[2001:db8:1::9]:61234"`}, "10.0.0.7"},

		{"over a Unix socket", "@", []string{client}, "invalid IP"},
		{"without an address", "", []string{client}, "invalid IP"},
	} {
		proxies, err := access.ParseTrustedProxies("10.0.0.0/8, 192.0.2.1, fd00::/8")
		if err != nil {
			t.Fatal(err)
		}
		if got := proxies.Client(test.remoteAddr, test.forwardedFor).String(); got != test.want {
			t.Errorf("a client %s is %s, want %s", test.name, got, test.want)
		}
	}
}

func TestNobodyIsATrustedProxyWhereNoneIsSet(t *testing.T) {
	for _, text := range []string{"", "  "} {
		proxies, err := access.ParseTrustedProxies(text)
		if proxies != nil || err != nil {
			t.Errorf("%q is %v, %v", text, proxies, err)
		}
		if got := proxies.Client("127.0.0.1:1", []string{"198.51.100.1"}).String(); got != "127.0.0.1" {
			t.Errorf("a client without a proxy is %s", got)
		}
	}
}

func TestTrustedProxiesAreAddressesAndCIDRs(t *testing.T) {
	const accepted = ": a trusted proxy is an address or a CIDR, such as 10.0.0.7, 10.0.0.0/8, 2001:db8::7 or 2001:db8::/32"
	for text, want := range map[string]string{
		"10.0.0.7":                         "10.0.0.7/32",
		"2001:db8::7":                      "2001:db8::7/128",
		" 10.0.0.0/8 ,2001:db8::/32,::1 ":  "10.0.0.0/8,2001:db8::/32,::1/128",
		"::ffff:10.0.0.7":                  "10.0.0.7/32",
		"::ffff:10.0.0.0/104":              "10.0.0.0/8",
		"::ffff:0.0.0.0/96":                "0.0.0.0/0",
		"0.0.0.0/0,::/0":                   "0.0.0.0/0,::/0",
		"::ffff:0.0.0.0/90":                `"::ffff:0.0.0.0/90" names an address within ::ffc0:0:0/90` + accepted,
		"10.0.0.0/8,10.1.2.3/8":            `"10.1.2.3/8" names an address within 10.0.0.0/8` + accepted,
		"10.0.0.7,proxy.example,10.0.0.8":  `"proxy.example" is neither` + accepted,
		"10.0.0.7:8080":                    `"10.0.0.7:8080" is neither` + accepted,
		"[2001:db8::7]":                    `"[2001:db8::7]" is neither` + accepted,
		"10.0.0.0/33":                      `"10.0.0.0/33" is neither` + accepted,
		"10.0.0.0/255.0.0.0":               `"10.0.0.0/255.0.0.0" is neither` + accepted,
		"010.0.0.7":                        `"010.0.0.7" is neither` + accepted,
		"10.0.0.7 10.0.0.8":                `"10.0.0.7 10.0.0.8" is neither` + accepted,
		"10.0.0.7,":                        `"" is neither` + accepted,
		"*":                                `"*" is neither` + accepted,
		"fe80::1%eth0":                     `"fe80::1%eth0" has a zone` + accepted,
		"fe80::%eth0/10":                   `"fe80::%eth0/10" has a zone` + accepted,
		"2001:db8::/32, 2001:db8::/32 # b": `"2001:db8::/32 # b" is neither` + accepted,
	} {
		proxies, err := access.ParseTrustedProxies(text)
		got := fmt.Sprint(proxies)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q is %s\nwant %s", text, got, want)
		}
	}
}
