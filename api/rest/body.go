package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"data-exhaust/exhaust"
)

// object is a JSON object of a body. Its members count by their exact names: encoding/json would fill the fields of a struct
// from names in any letter case, and what inspects a request before us may look at another member than we take.
type object struct {
	// path names the object in errors; "" is the body itself.
	path    string
	members map[string]json.RawMessage
	// raw is the whole body.
	raw []byte
	// fault is the first thing that is wrong with what was read of the whole body.
	fault *error
}

// readObject reads a body that is one JSON object. Its errors say where, never what stands there. Of a name that stands
// there twice the last counts.
func readObject(r *http.Request) (object, error) {
	body, err := readBody(r)
	if err != nil {
		return object{}, err
	}
	o := object{raw: body, fault: new(error)}
	err = json.Unmarshal(body, &o.members)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		line, column := place(body, syntax.Offset)
		return object{}, exhaust.Invalid(exhaust.BodyNotJSON, line, column)
	case err != nil || o.members == nil:
		return object{}, exhaust.Invalid(exhaust.BodyNotObject)
	}
	return o, nil
}

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, err
	case err != nil:
		return nil, exhaust.Invalid(exhaust.BodyBroken)
	case len(bytes.TrimSpace(body)) == 0:
		return nil, exhaust.Invalid(exhaust.BodyEmpty)
	case !utf8.Valid(body):
		return nil, exhaust.Invalid(exhaust.BodyNotUTF8)
	}
	return body, nil
}

// place is the line and column (from 1, in bytes) of the byte that ends at an offset.
func place(body []byte, offset int64) (line, column int) {
	before := body[:min(max(offset-1, 0), int64(len(body)))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

// object, text and boolean are the member of a name. One that is missing or null is empty; one of another kind is a fault.
func (o object) object(name string) object {
	inner := object{path: o.pathOf(name), fault: o.fault}
	o.read(name, &inner.members, exhaust.FieldNotObject)
	return inner
}

func (o object) text(name string) (text string) {
	o.read(name, &text, exhaust.FieldNotString)
	return text
}

func (o object) boolean(name string) (is bool) {
	o.read(name, &is, exhaust.FieldNotBoolean)
	return is
}

func (o object) read(name string, into any, ifAnother *exhaust.Code) {
	raw, ok := o.members[name]
	if ok && json.Unmarshal(raw, into) != nil && *o.fault == nil {
		*o.fault = exhaust.Invalid(ifAnother, o.pathOf(name))
	}
}

func (o object) pathOf(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// hasValue reports whether a member has a value: one that is missing, null or empty has none.
func (o object) hasValue(name string) bool {
	switch string(o.members[name]) {
	case "", "null", `""`:
		return false
	}
	return true
}

// checkEncryption refuses a body or query that is meant to encrypt in another place or spelling than request.encryptionKey.
func (o object) checkEncryption(r *http.Request) error {
	if err := exhaust.CheckEncryption(o.raw); err != nil {
		return err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return exhaust.Invalid(exhaust.QueryUnreadable)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if err := exhaust.CheckParameter(name, query[name]); err != nil {
			return err
		}
	}
	return nil
}

// checkKnown refuses a member that is none of these.
func (o object) checkKnown(known ...string) {
	for _, name := range slices.Sorted(maps.Keys(o.members)) {
		if !slices.Contains(known, name) && *o.fault == nil {
			*o.fault = exhaust.Invalid(exhaust.FieldUnknown, o.pathOf(name), known)
		}
	}
}

// checkSpelling refuses a member that is one of these but for its letter case, where ignoring it would do more than was asked for.
func (o object) checkSpelling(known ...string) {
	for _, name := range slices.Sorted(maps.Keys(o.members)) {
		for _, right := range known {
			if name != right && strings.EqualFold(name, right) && *o.fault == nil {
				*o.fault = exhaust.Invalid(exhaust.FieldMisspelt, o.pathOf(name), []string{right})
			}
		}
	}
}
