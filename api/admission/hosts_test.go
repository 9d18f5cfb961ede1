package admission

import "testing"

func TestAServiceThatAsksNobodyIsCalledByItsOwnNames(t *testing.T) {
	hosts := &Hosts{PublicURL: "https://Exhaust.example.org:8443/prefix"}
	for host, want := range map[string]bool{
		"": true, "127.0.0.1": true, "127.0.0.1:8080": true, "127.8.9.1:8080": true, "[::1]:8080": true, "[::1]": true, "[::ffff:127.0.0.1]:80": true,
		"localhost": true, "LOCALHOST:8080": true, "a.localhost:8080": true, "localhost.": true,
		"exhaust.example.org": true, "exhaust.example.org:8080": true, "EXHAUST.example.org.:8443": true,
		"elsewhere.example": false, "elsewhere.example:8080": false, "10.0.0.1:8080": false, "[2001:db8::1]:8080": false, "127.0.0.1.elsewhere.example": false,
		"exhaust.example.org.elsewhere.example": false, "notlocalhost": false, "localhost.elsewhere.example:8080": false, "0x7f000001": false,
	} {
		if got := hosts.Accepts(host); got != want {
			t.Errorf("%q is accepted: %t, want %t", host, got, want)
		}
	}
	if all := (*Hosts)(nil); !all.Accepts("elsewhere.example") {
		t.Error("no hosts are not all")
	}
}
