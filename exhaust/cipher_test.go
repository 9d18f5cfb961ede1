package exhaust

import (
	"strings"
	"sync"
	"testing"
)

// The vectors below were made with OpenSSL 3.0, KEY being the text of the key:
//
//	secret:     printf %s "$KEY" | base64
//	username:   printf %s "$TEXT" | openssl enc -aes-128-ecb -K $(printf %s "$KEY" | xxd -p -c 99) -a -A
//	            (-aes-192-ecb and -aes-256-ecb for the longer keys)
//	bad padding: the same with -nopad and the whole block written out, such as '999990000100000\x00'
const (
	secret128 = "c2l4dGVlbiBieXRlIGtleQ=="                     // sixteen byte key
	secret192 = "dHdlbnR5LWZvdXIgYnl0ZSBrZXkgMTky"             // twenty-four byte key 192
	secret256 = "dGhpcnR5LXR3byBieXRlcyBvZiBrZXksIDI1NiBiaXQ=" // thirty-two bytes of key, 256 bit
)

func TestCipherReadsAndWritesWhatOpenSSLWrote(t *testing.T) {
	for _, c := range []struct{ secret, phone, username string }{
		{secret128, "phone:9999900001", "1YoYoLrwoykm07MLBNQArTIDT1tW18Pgu40EZCCeNzI="},
		{secret128, "9999900001", "K7e+KHsSE1Ojg1tM5lhccQ=="},
		{secret128, "दूरभाष 9999900004", "zon9NhNFSCqI6akSJ1I/Y0taULToGjhp76sMVOj+7+I="},
		{secret192, "phone:9999900002", "PuXCiQD48i4ImmxfMsnuD+RPa0aDzom0pXSB9vzXjnU="},
		{secret256, "phone:9999900003", "thdY/zLsBweRvNxV69WWLx4mfXxYhOo9nY5cdAsUAg0="},
	} {
		cipher := newCipher(t, c.secret)
		if got := cipher.Encrypt(c.phone); got != c.username {
			t.Errorf("Encrypt(%q) = %s, want %s", c.phone, got, c.username)
		}
		if got, ok := cipher.Decrypt(c.username); got != c.phone || !ok {
			t.Errorf("Decrypt(%s) = %q, %v, want %q", c.username, got, ok, c.phone)
		}
	}
}

func TestCipherTakesBase64WithoutItsPaddingAsJavaDoes(t *testing.T) {
	cipher := newCipher(t, strings.TrimRight(secret128, "="))
	if got, ok := cipher.Decrypt("K7e+KHsSE1Ojg1tM5lhccQ"); got != "9999900001" || !ok {
		t.Errorf("got %q, %v", got, ok)
	}
}

func TestCipherTakesASecretThatEndsInALineBreak(t *testing.T) {
	cipher := newCipher(t, " "+secret128+" \n")
	if got, ok := cipher.Decrypt("K7e+KHsSE1Ojg1tM5lhccQ=="); got != "9999900001" || !ok {
		t.Errorf("got %q, %v", got, ok)
	}
}

func TestDecryptRefusesWhatTheCipherCannotHaveMade(t *testing.T) {
	for what, username := range map[string]string{
		"nothing":                          "",
		"a plain phone number":             "9999900001",
		"no base64":                        "K7e+KHsSE1Ojg1tM5lhcc!==",
		"base64 of the URL alphabet":       "K7e-KHsSE1Ojg1tM5lhccQ==",
		"too much base64 padding":          "K7e+KHsSE1Ojg1tM5lhccQ===",
		"15 bytes":                         "AAAAAAAAAAAAAAAAAAAA",
		"17 bytes":                         "K7e+KHsSE1Ojg1tM5lhccQA=",
		"a padding byte of 0":              "QTK0zk5utA5Nd1Fgawqpaw==",
		"a padding byte of 17":             "tUWNdJYzaJxK2TmZsoDGjg==",
		"a padding byte of 2 after a 3":    "Q7q1Asb7l5DbxIGBZyLhsw==",
		"a padding byte of 2 after a 1":    "sxoztBM3AZrhmnZz1iO7sg==",
		"padding of 2, 3, 3":               "c4MFQQEbFeZd1sfSvP5kaQ==",
		"an empty text, nothing but pad":   "MgNPW1bXw+C7jQRkIJ43Mg==",
		"a text with a line break":         "68a+01J8uE9wdpihyAO7JQ==",
		"a text that is not valid UTF-8":   "YwXnZAdZxoQRFanjR23wSw==",
		"a username of the 192 bit secret": "PuXCiQD48i4ImmxfMsnuD+RPa0aDzom0pXSB9vzXjnU=",
	} {
		if got, ok := newCipher(t, secret128).Decrypt(username); ok || got != "" {
			t.Errorf("%s: got %q, %v", what, got, ok)
		}
	}
}

func TestNewCipherSaysWhatItAcceptsAndNeverShowsTheSecret(t *testing.T) {
	for secret, want := range map[string]string{
		"":                     "the encryption secret decodes to 0 bytes: it must be the standard base64 of an AES key of 16, 24 or 32 bytes",
		"hunter2!":             "the encryption secret is not base64: it must be the standard base64 of an AES key of 16, 24 or 32 bytes",
		"aHVudGVyMg==":         "the encryption secret decodes to 7 bytes: it must be the standard base64 of an AES key of 16, 24 or 32 bytes",
		"c2l4dGVlbiBieXRlIGtl": "the encryption secret decodes to 15 bytes: it must be the standard base64 of an AES key of 16, 24 or 32 bytes",
	} {
		if _, err := NewCipher(secret); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", secret, err, want)
		}
	}
}

func TestCipherMayBeUsedByManyAtOnce(t *testing.T) {
	cipher := newCipher(t, secret256)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				if got, ok := cipher.Decrypt("thdY/zLsBweRvNxV69WWLx4mfXxYhOo9nY5cdAsUAg0="); got != "phone:9999900003" || !ok {
					t.Errorf("got %q, %v", got, ok)
					return
				}
			}
		})
	}
	wg.Wait()
}

func FuzzDecryptNeverPanics(f *testing.F) {
	for _, username := range []string{"", "=", "K7e+KHsSE1Ojg1tM5lhccQ==", "68a+01J8uE9wdpihyAO7JQ==", "9999900001"} {
		f.Add(username)
	}
	cipher, err := NewCipher(secret128)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, username string) {
		phone, ok := cipher.Decrypt(username)
		if ok == (phone == "") {
			t.Errorf("Decrypt(%q) = %q, %v", username, phone, ok)
		}
		// Taken as a phone number, any text without control characters comes back.
		if ok {
			if again, ok := cipher.Decrypt(cipher.Encrypt(phone)); again != phone || !ok {
				t.Errorf("%q came back as %q, %v", phone, again, ok)
			}
		}
	})
}

func BenchmarkDecrypt(b *testing.B) {
	cipher, err := NewCipher(secret128)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		cipher.Decrypt("1YoYoLrwoykm07MLBNQArTIDT1tW18Pgu40EZCCeNzI=")
	}
}

func newCipher(t *testing.T, secret string) *Cipher {
	t.Helper()
	cipher, err := NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	return cipher
}
