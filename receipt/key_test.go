package receipt_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"data-exhaust/receipt"
)

// opensslKey was written by openssl genpkey -algorithm ed25519; opensslPublic by openssl pkey -pubout -outform DER | tail -c 32 | base64.
const (
	opensslKey = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEICSjF65bVIAntEbkfJXNC7ZKoA2LnKFhvdShhb4XvIEu
-----END PRIVATE KEY-----
`
	opensslPublic = "jDyQp/qySqWTtqiIym23K+WNmZEwUPM3MKkZpVheN/g="
)

func TestAKeyIsReadAsOpenSSLWritesItOrAsItsSeed(t *testing.T) {
	seed := bytes.Repeat([]byte{7}, 32)
	for name, c := range map[string]struct{ text, public string }{
		"PEM":                    {opensslKey, opensslPublic},
		"PEM with space around":  {"\n " + opensslKey + "\n\n", opensslPublic},
		"a seed":                 {base64.StdEncoding.EncodeToString(seed), receipt.Public(ed25519.NewKeyFromSeed(seed)).Key},
		"a seed with a line end": {base64.StdEncoding.EncodeToString(seed) + "\n", receipt.Public(ed25519.NewKeyFromSeed(seed)).Key},
	} {
		key, err := receipt.ParseKey(c.text)
		if err != nil || receipt.Public(key).Key != c.public {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsNoKeyIsRefusedAndNotShown(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for name, c := range map[string]struct{ text, want string }{
		"words":               {"a-secret-that-is-no-key", "it must be an Ed25519 key in PEM"},
		"a seed too short":    {base64.StdEncoding.EncodeToString(make([]byte, 31)), "the base64 of its 32-byte seed"},
		"another algorithm":   {block("PRIVATE KEY", der), "another algorithm: Ed25519 is accepted"},
		"a public key":        {block("PUBLIC KEY", der), "must be one block, BEGIN PRIVATE KEY"},
		"a key with password": {block("ENCRYPTED PRIVATE KEY", der), "without a password"},
		"two keys":            {opensslKey + opensslKey, "must be one block"},
		"damaged":             {block("PRIVATE KEY", der[:20]), "no PKCS#8 private key"},
		"cut":                 {opensslKey[:60], "must be one block"},
	} {
		_, err := receipt.ParseKey(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) || len(c.text) > 40 && strings.Contains(err.Error(), c.text[30:40]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
