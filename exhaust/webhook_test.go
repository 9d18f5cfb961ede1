package exhaust

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// webhookKeys are for tests only.
var webhookKeys = WebhookKeys{Signing: "a-secret-for-tests-only", Sealing: "a-sealing-key-for-tests-only"}

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

func TestAWebhooksURLIsReadWithTheSealingKeyOnly(t *testing.T) {
	const target = "https://hooks.example.org:8443/T0KEN?key=T0KEN"
	sealed := *sealWebhook(t, target)
	if sealed.Host != "hooks.example.org:8443" || strings.Contains(sealed.Sealed, "T0KEN") {
		t.Errorf("got %+v", sealed)
	}
	if got, err := webhookKeys.Open(sealed, "s"); got != target || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if again := *sealWebhook(t, target); again.Sealed == sealed.Sealed {
		t.Error("the same URL is sealed to the same text twice")
	}
	secret, err := webhookKeys.Secret(webhookKeys.NewSalt("0130", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	const want = "EXHAUST_SEALING_KEY is not the one of when the webhook was set: set the webhook again"
	for _, c := range []struct {
		name, key, previous, schedule, sealed string
	}{
		{"another key", "another-key-for-tests", "", "s", sealed.Sealed},
		{"other keys", "another-key-for-tests", "yet-another-key-for-tests", "s", sealed.Sealed},
		{"the key that signs", webhookKeys.Signing, "", "s", sealed.Sealed},
		{"a channel's secret", secret.Reveal(), string(secret.key), "s", sealed.Sealed},
		{"another schedule", webhookKeys.Sealing, "", "t", sealed.Sealed},
		{"cut off", webhookKeys.Sealing, "", "s", sealed.Sealed[:8]},
		{"no base64", webhookKeys.Sealing, "", "s", "%"},
	} {
		keys := WebhookKeys{Signing: webhookKeys.Signing, Sealing: c.key, SealingPrevious: c.previous}
		if got, err := keys.Open(SealedWebhook{Sealed: c.sealed}, c.schedule); got != "" || err == nil || err.Error() != want {
			t.Errorf("%s: got %q, %v", c.name, got, err)
		}
	}
}

// TestAWebhooksURLIsReadWithThePreviousSealingKey: this one was sealed when EXHAUST_WEBHOOK_SECRET also sealed.
func TestAWebhooksURLIsReadWithThePreviousSealingKey(t *testing.T) {
	sealed := SealedWebhook{Sealed: "y0XfVM9jgTAq0ScPpvKczoQYfauXSqfzBR1iruBqbdPIN/HaVx+MxgsYwK3ne9r7rvGHwpVZDz1XirI="}
	keys := WebhookKeys{Signing: "a-new-secret-for-tests", Sealing: "a-new-key-for-tests", SealingPrevious: "a-secret-for-tests-only"}
	if got, err := keys.Open(sealed, "s"); got != "https://hooks.example.org/T0KEN" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	unchanged := WebhookKeys{Signing: "a-secret-for-tests-only", Sealing: "a-new-key-for-tests"}
	if got, err := unchanged.Open(sealed, "s"); err == nil {
		t.Errorf("the key that signs opens it: %s", got)
	}
	again, err := keys.Seal("s", mustParse(t, "https://hooks.example.org/T0KEN"))
	if err != nil {
		t.Fatal(err)
	}
	keys.SealingPrevious = ""
	if got, err := keys.Open(*again, "s"); got != "https://hooks.example.org/T0KEN" || err != nil {
		t.Errorf("what is sealed now is sealed under the former key: %s, %v", got, err)
	}
}

func sealWebhook(t *testing.T, target string) *SealedWebhook {
	t.Helper()
	sealed, err := webhookKeys.Seal("s", mustParse(t, target))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func mustParse(t *testing.T, target string) *url.URL {
	t.Helper()
	parsed, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
