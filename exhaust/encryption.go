package exhaust

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/agnivade/levenshtein"
	"golang.org/x/text/unicode/norm"
)

// EncryptionKeyField is the member of a submission's request that asks for an encrypted file. It counts in no other place and
// no other spelling; but a file that was meant to be encrypted must not be written plain, nor its key kept and shown.
const EncryptionKeyField = "encryptionKey"

// CheckEncryption says in an *InvalidError that a submission's body, which is JSON, is meant to encrypt in another place or
// spelling than request.encryptionKey: also where a later member of the same name has no value. It never shows a value.
func CheckEncryption(body []byte) error { return checkEncryption(nil, body) }

// CheckParameter is CheckEncryption of a parameter in a query.
func CheckParameter(name string, values []string) error {
	if meansEncryption(name) && slices.ContainsFunc(values, func(value string) bool { return value != "" }) {
		return misplacedKey([]string{name})
	}
	return nil
}

// checkEncryption walks through JSON below a path. It keeps the names of the members that it is in, and writes them only for
// a sentence: a body of a MiB can nest ten thousand.
func checkEncryption(path []string, raw []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	w := walk{names: slices.Clone(path), above: len(path)}
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil // the end; what is no JSON is another fault
		}
		if w.isAtName() && token != json.Delim('}') {
			w.names = append(w.names, token.(string))
			continue
		}
		if w.isInObject() && !w.isAtName() && isMisplaced(w.names) && !isUnset(token) {
			return misplacedKey(w.names)
		}
		w.pass(token)
	}
}

// walk is where one is in JSON.
type walk struct {
	// names are those of the members around, above of them around all of it.
	names []string
	above int
	// ends are what closes the objects and arrays around, of which so many are objects.
	ends    []json.Delim
	objects int
}

func (w *walk) isInObject() bool { return len(w.ends) > 0 && w.ends[len(w.ends)-1] == '}' }

// isAtName tells whether a member's name comes next, or the object's end.
func (w *walk) isAtName() bool { return w.isInObject() && len(w.names)-w.above < w.objects }

// pass goes over a token that is no name.
func (w *walk) pass(token json.Token) {
	switch token {
	case json.Delim('{'):
		w.ends = append(w.ends, '}')
		w.objects++
		return
	case json.Delim('['):
		w.ends = append(w.ends, ']')
		return
	case json.Delim('}'):
		w.objects--
		w.ends = w.ends[:len(w.ends)-1]
	case json.Delim(']'):
		w.ends = w.ends[:len(w.ends)-1]
	}
	if w.isInObject() {
		w.names = w.names[:len(w.names)-1] // its value is over
	}
}

func isMisplaced(names []string) bool {
	isPlace := len(names) == 2 && names[0] == "request" && names[1] == EncryptionKeyField
	return !isPlace && meansEncryption(names[len(names)-1])
}

func misplacedKey(names []string) error {
	inRequest := len(names) > 1 && names[0] == "request"
	if inRequest && len(names) > 2 {
		names = names[1:] // as other sentences call the members of datasetConfig
	}
	path := strings.Join(names, ".")
	if inRequest && len(names) == 2 && names[0] == "request" {
		return Invalid(EncryptionMisspelt, path, []string{EncryptionKeyField})
	}
	return Invalid(EncryptionMisplaced, path)
}

func isPlainPath(path string) bool {
	const most = 120
	return len(path) <= most && strings.IndexFunc(path, func(c rune) bool {
		return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("._-", c)
	}) < 0
}

// isUnset tells whether a member has a value that asks for nothing. Forms send empty ones.
func isUnset(value json.Token) bool { return value == nil || value == "" || value == false }

// meansEncryption tells whether a name is, or was probably meant to be, that of a key or password to encrypt with.
func meansEncryption(name string) bool {
	const typos, longest = 2, 200
	letters := strings.Map(func(c rune) rune {
		if !unicode.IsLetter(c) {
			return -1
		}
		return unicode.ToLower(c)
	}, norm.NFKC.String(name[:min(len(name), longest)]))
	for _, word := range []string{"crypt", "password", "passphrase"} {
		if strings.Contains(letters, word) {
			return true
		}
	}
	return len(letters) <= len(EncryptionKeyField)+typos &&
		levenshtein.ComputeDistance(letters, strings.ToLower(EncryptionKeyField)) <= typos
}
