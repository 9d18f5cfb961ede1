package exhaust

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Cipher is UCI's way of hiding phone numbers (contract section 5): the base64 of AES in ECB mode
// with PKCS#5 padding. It may be used from many goroutines at once.
type Cipher struct {
	block cipher.Block
}

// NewCipher makes the cipher of UCI_ENCRYPTION_SECRET, which is the base64 of an AES key. Its
// errors never show the secret.
func NewCipher(secret string) (*Cipher, error) {
	const accepted = "it must be the standard base64 of an AES key of 16, 24 or 32 bytes"
	key, err := decodeBase64(strings.TrimSpace(secret))
	if err != nil {
		return nil, errors.New("the encryption secret is not base64: " + accepted)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("the encryption secret decodes to %d bytes: %s", len(key), accepted)
	}
	return &Cipher{block: block}, nil
}

// Decrypt reveals a username. It reports false for anything that Encrypt cannot have made of a
// phone number with this secret. A wrong secret leaves valid padding behind once in 256 times,
// which is why control characters, broken UTF-8 and an empty text are no phone number either.
func (c *Cipher) Decrypt(username string) (string, bool) {
	data, err := decodeBase64(username)
	if err != nil || len(data) == 0 || len(data)%aes.BlockSize != 0 {
		return "", false
	}
	for block := data; len(block) > 0; block = block[aes.BlockSize:] {
		c.block.Decrypt(block, block)
	}
	text, ok := unpad(data)
	if !ok || len(text) == 0 || !utf8.Valid(text) {
		return "", false
	}
	phone := string(text)
	if strings.ContainsFunc(phone, unicode.IsControl) {
		return "", false
	}
	return phone, true
}

// Encrypt is how UCI stores a phone number in identities.username.
func (c *Cipher) Encrypt(phone string) string {
	pad := aes.BlockSize - len(phone)%aes.BlockSize
	data := make([]byte, 0, len(phone)+pad)
	data = append(data, phone...)
	for range pad {
		data = append(data, byte(pad))
	}
	for block := data; len(block) > 0; block = block[aes.BlockSize:] {
		c.block.Encrypt(block, block)
	}
	return base64.StdEncoding.EncodeToString(data)
}

// decodeBase64 takes standard base64 with or without its padding, as Java's decoder does, with
// which UCI and Sunbird read these values.
func decodeBase64(s string) ([]byte, error) {
	if strings.HasSuffix(s, "=") {
		return base64.StdEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}

// unpad takes PKCS#5 padding off whole blocks: n bytes of value n, from 1 to 16.
func unpad(data []byte) ([]byte, bool) {
	n := int(data[len(data)-1])
	if n < 1 || n > aes.BlockSize {
		return nil, false
	}
	text, padding := data[:len(data)-n], data[len(data)-n:]
	for _, b := range padding {
		if int(b) != n {
			return nil, false
		}
	}
	return text, true
}
