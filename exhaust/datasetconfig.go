package exhaust

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// A datasetConfig is the client's own JSON. What it says is part of what an exhaust is, how it is spelt is not: readConfig
// spells it canonically for the requestId, keptConfig as it is kept and shown.

func emptyJSON(raw json.RawMessage) bool {
	switch compact := string(bytes.TrimSpace(raw)); compact {
	case "", "null", `""`:
		return true
	default:
		return compact[0] == '{' && len(strings.TrimSpace(strings.Trim(compact, "{}"))) == 0
	}
}

// readConfig reads datasetConfig and spells it canonically: members sorted by name, no white space,
// numbers as they stand, so that only a difference in content makes another exhaust.
func readConfig(raw json.RawMessage) (canonical []byte, config map[string]any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&config); err != nil {
		return nil, nil, Invalid(DatasetConfigNotObject)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, Invalid(DatasetConfigNotObject)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(config); err != nil {
		return nil, nil, Invalid(DatasetConfigNotObject)
	}
	canonical = unescapeSeparators(bytes.TrimSpace(out.Bytes()))
	if depth := depthOf(canonical); depth > maxDepth {
		return nil, nil, Invalid(DatasetConfigTooDeep, depth, maxDepth)
	}
	if len(canonical) > maxConfig {
		return nil, nil, Invalid(DatasetConfigTooLarge, len(canonical), maxConfig)
	}
	return canonical, config, nil
}

// keptConfig is a datasetConfig as it is kept and shown: as the client spelt it but for the white space. It is spelt
// canonically where it says something twice, of which the last counts, and where escapes make it larger than it may be.
func keptConfig(raw json.RawMessage, canonical []byte) json.RawMessage {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil || compact.Len() > maxConfig || tokens(raw) != tokens(canonical) {
		return canonical
	}
	return compact.Bytes()
}

// tokens counts those of JSON. JSON that says something twice has more of them than its canonical form.
func tokens(raw []byte) (n int) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	for {
		if _, err := decoder.Token(); err != nil {
			return n
		}
		n++
	}
}

// UnescapeHTML is JSON without the escapes of <, > and & that encoding/json writes, as Temporal's payloads have them: six bytes
// for one.
func UnescapeHTML(raw json.RawMessage) json.RawMessage {
	return unescape(unescape(unescape(raw, `\u003c`, "<"), `\u003e`, ">"), `\u0026`, "&")
}

const (
	// maxConfig is how large a datasetConfig may be, in bytes of canonical JSON.
	maxConfig = 64 << 10
	// maxDepth is how deep it may be nested: what reads the answers around it has limits of its own.
	maxDepth = 100
)

// depthOf is how deep JSON is nested.
func depthOf(canonical []byte) (deepest int) {
	depth, inText := 0, false
	for i := 0; i < len(canonical); i++ {
		switch c := canonical[i]; {
		case c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// unescapeSeparators writes U+2028 and U+2029 as they are. encoding/json escapes them, for the sake of old JavaScript.
func unescapeSeparators(canonical []byte) []byte {
	return unescape(unescape(canonical, `\u2028`, "\u2028"), `\u2029`, "\u2029")
}

// unescape replaces an escape of six characters wherever it stands in JSON as one.
func unescape(raw []byte, escaped, plain string) []byte {
	if !bytes.Contains(raw, []byte(escaped)) {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		switch {
		case raw[i] != '\\':
			out = append(out, raw[i])
		case bytes.HasPrefix(raw[i:], []byte(escaped)):
			out = append(out, plain...)
			i += len(escaped) - 1
		default: // an escape of two characters, or the beginning of one of six
			out = append(out, raw[i], raw[i+1])
			i++
		}
	}
	return out
}
