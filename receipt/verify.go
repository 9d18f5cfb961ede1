package receipt

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// PublicKey is a key that receipts are verified with.
type PublicKey struct {
	// ID names the key: the first 16 hexadecimal digits of its SHA-256.
	ID string `json:"keyId"`
	// Key is the standard base64 of its 32 bytes.
	Key string `json:"publicKey"`
}

// Public is the public key of a private one.
func Public(key ed25519.PrivateKey) PublicKey {
	return publicKey(key.Public().(ed25519.PublicKey))
}

func publicKey(key ed25519.PublicKey) PublicKey {
	sum := sha256.Sum256(key)
	return PublicKey{ID: hex.EncodeToString(sum[:8]), Key: base64.StdEncoding.EncodeToString(key)}
}

// ParsePublicKey reads a public key in base64.
func ParsePublicKey(text string) (PublicKey, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return PublicKey{}, errors.New("it is no public key: the standard base64 of an Ed25519 key's 32 bytes is accepted")
	}
	return publicKey(key), nil
}

// Verified is a receipt whose signature is right.
type Verified struct {
	Receipt
	// Key is the one that signed it.
	Key PublicKey
	// IsKeyKnown tells whether the key is one of those that were trusted.
	IsKeyKnown bool
}

// ErrSignature says that a receipt is not what was signed.
var ErrSignature = errors.New("the signature does not match: the receipt was changed after it was signed")

// Read reads a receipt and checks its signature with the key that it names. Only a key that is one of the trusted says who
// signed it.
func Read(r io.Reader, trusted []PublicKey) (Verified, error) {
	s, err := readSigned(r)
	if err != nil {
		return Verified{}, fmt.Errorf("it is no receipt of Data Exhaust: %w", err)
	}
	key, err := ParsePublicKey(s.PublicKey)
	if err != nil {
		return Verified{}, fmt.Errorf("the receipt's publicKey: %w", err)
	}
	if key != (PublicKey{ID: s.KeyID, Key: s.PublicKey}) {
		return Verified{}, ErrSignature
	}
	signature, err := base64.StdEncoding.DecodeString(s.Signature)
	if err != nil || base64.StdEncoding.EncodeToString(signature) != s.Signature {
		return Verified{}, ErrSignature
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, s.Receipt); err != nil {
		return Verified{}, fmt.Errorf("it is no receipt of Data Exhaust: %w", err)
	}
	digest := sha256.Sum256(compact.Bytes())
	public, err := base64.StdEncoding.DecodeString(key.Key)
	if err != nil || !ed25519.Verify(public, message(digest[:]), signature) {
		return Verified{}, ErrSignature
	}
	v := Verified{Key: key}
	if err := json.Unmarshal(s.Receipt, &v.Receipt); err != nil {
		return Verified{}, errors.New("the receipt's fields cannot be read")
	}
	if v.Version != Version {
		return Verified{}, fmt.Errorf("the receipt is of version %d: this program reads version %d", v.Version, Version)
	}
	for _, t := range trusted {
		v.IsKeyKnown = v.IsKeyKnown || t.Key == key.Key
	}
	return v, nil
}

// readSigned reads the four members of a receipt's file. It takes them in this spelling only, each once, and no others:
// encoding/json takes a name in any letter case and the last of several, so that another program would read another receipt
// in the same file than the one whose signature was checked.
func readSigned(r io.Reader) (signed, error) {
	var s signed
	members := map[string]any{"receipt": &s.Receipt, "keyId": &s.KeyID, "publicKey": &s.PublicKey, "signature": &s.Signature}
	decoder := json.NewDecoder(r)
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return signed{}, errors.New("it is no JSON object")
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return signed{}, err
		}
		into, ok := members[name.(string)] // the decoder lets nothing else be a name
		if !ok {
			return signed{}, fmt.Errorf("member %q is none of a receipt, or stands there twice", name)
		}
		delete(members, name.(string))
		if err := decoder.Decode(into); err != nil {
			return signed{}, fmt.Errorf("member %q cannot be read", name)
		}
	}
	if _, err := decoder.Token(); err != nil {
		return signed{}, errors.New("it ends early")
	}
	if len(members) > 0 {
		return signed{}, errors.New("it has not the members receipt, keyId, publicKey and signature")
	}
	if _, err := decoder.Token(); err != io.EOF {
		return signed{}, errors.New("something follows it")
	}
	return s, nil
}

// CheckFile says how a file differs from the one that the receipt is of; nil where it is the same, byte for byte.
func (r *Receipt) CheckFile(file io.Reader) error {
	got := NewFileWriter(io.Discard)
	if _, err := io.Copy(got, file); err != nil {
		return fmt.Errorf("read the file: %w", err)
	}
	switch is := got.File(r.File.Name, r.File.Rows); {
	case is.Bytes != r.File.Bytes:
		return fmt.Errorf("the file has %d bytes, the receipt is of one of %d bytes", is.Bytes, r.File.Bytes)
	case is.SHA256 != r.File.SHA256:
		return fmt.Errorf("the file is not the one of the receipt: its SHA-256 is %s, not %s", is.SHA256, r.File.SHA256)
	}
	return nil
}
