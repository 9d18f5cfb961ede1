package receipt

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
)

// ParseKey reads a private key: PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` writes it, or the standard base64 of
// the key's 32-byte seed. Its errors never show the key.
func ParseKey(text string) (ed25519.PrivateKey, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "-----BEGIN") {
		return parsePEM(text)
	}
	seed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, errors.New("it must be an Ed25519 key in PEM, as `openssl genpkey -algorithm ed25519` writes it, or the base64 of its 32-byte seed")
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func parsePEM(text string) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "PRIVATE KEY" || strings.TrimSpace(string(rest)) != "" {
		return nil, errors.New("its PEM must be one block, BEGIN PRIVATE KEY, without a password")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("its PEM holds no PKCS#8 private key")
	}
	ed25519Key, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("its PEM holds a key of another algorithm: Ed25519 is accepted")
	}
	return ed25519Key, nil
}
