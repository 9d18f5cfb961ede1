package exhaust

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

const webhookSecret = "a-secret-for-tests-only"

func TestPublicAddressesAreThoseOfTheInternet(t *testing.T) {
	for addr, want := range map[string]bool{
		"1.1.1.1": true, "93.184.215.14": true, "2606:4700:4700::1111": true, "::ffff:1.1.1.1": true,
		"100.63.255.255": true, "100.128.0.0": true, "172.15.0.1": true, "172.32.0.1": true, "223.255.255.255": true,
		"0.0.0.0": false, "10.0.0.1": false, "100.64.0.1": false, "100.100.100.200": false, "127.0.0.1": false, "127.255.255.254": false,
		"169.254.169.254": false, "168.63.129.16": false, "172.16.0.1": false, "172.31.255.255": false, "192.0.0.192": false,
		"192.168.1.1": false, "198.18.0.1": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::ffff:10.0.0.1": false, "::7f00:1": false, "64:ff9b::7f00:1": false, "64:ff9b:1::1": false,
		"fc00::1": false, "fd00:ec2::254": false, "fe80::1": false, "fec0::1": false, "ff02::1": false, "2001::1": false,
		"192.31.196.1": false, "192.52.193.1": false, "192.175.48.1": false, "2620:4f:8000::1": false,
		"2001:db8::1": false, "2002:7f00:1::": false, "fe80::1%eth0": false,
	} {
		if got := IsPublicAddress(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %t", addr, got)
		}
	}
	if IsPublicAddress(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestAWebhooksURLIsReadWithTheSecretOnly(t *testing.T) {
	const target = "https://hooks.example.org:8443/T0KEN?key=T0KEN"
	sealed := *sealWebhook(t, target)
	if sealed.Host != "hooks.example.org:8443" || strings.Contains(sealed.Sealed, "T0KEN") {
		t.Errorf("got %+v", sealed)
	}
	if got, err := sealed.Open(webhookSecret, "s"); got != target || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if again := *sealWebhook(t, target); again.Sealed == sealed.Sealed {
		t.Error("the same URL is sealed to the same text twice")
	}
	const want = "EXHAUST_WEBHOOK_SECRET is not the one of when the webhook was set: set the webhook again"
	for _, c := range []struct {
		name, secret, schedule, sealed string
	}{
		{"another secret", "another-secret-for-tests", "s", sealed.Sealed},
		{"another schedule", webhookSecret, "t", sealed.Sealed},
		{"cut off", webhookSecret, "s", sealed.Sealed[:8]},
		{"no base64", webhookSecret, "s", "%"},
	} {
		if got, err := (SealedWebhook{Sealed: c.sealed}).Open(c.secret, c.schedule); got != "" || err == nil || err.Error() != want {
			t.Errorf("%s: got %q, %v", c.name, got, err)
		}
	}
}

func sealWebhook(t *testing.T, target string) *SealedWebhook {
	t.Helper()
	parsed, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := SealWebhook(webhookSecret, "s", parsed)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}
