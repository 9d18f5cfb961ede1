package summary

import (
	"crypto/sha256"
	"unicode/utf8"
)

// key stands for a text: a short one is part of it, of any other it is the beginning of a SHA-256, in which no two meet.
type key [16]byte

const longText = 0xff

func keyOf(text []byte) (k key) {
	if len(text) < len(k) {
		k[0] = byte(len(text))
		copy(k[1:], text)
		return k
	}
	sum := sha256.Sum256(text)
	copy(k[1:], sum[:])
	k[0] = longText
	return k
}

// maxShown is how many characters of a text a summary shows.
const maxShown = 1000

// cut gives a text as the summary shows it.
func cut(text []byte) string {
	if len(text) <= maxShown {
		return string(text)
	}
	at := 0
	for range maxShown {
		if at == len(text) {
			return string(text)
		}
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	if at == len(text) {
		return string(text)
	}
	return string(text[:at]) + "…"
}
