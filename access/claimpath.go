package access

import (
	"errors"
	"slices"
	"strings"

	"data-exhaust/exhaust"
)

// ClaimPath is where a token has a claim: the names of objects within each other, the outermost first. The zero path finds
// nothing.
type ClaimPath struct {
	text  string
	names []string
}

// ParseClaimPath takes names joined by dots ("realm_access.roles") or, for names that hold a dot or a slash, a JSON Pointer
// (RFC 6901), which begins with one: "/resource_access/my.client/roles", "/https:~1~1example.org~1roles".
func ParseClaimPath(text string) (ClaimPath, error) {
	pointer, isPointer := strings.CutPrefix(text, "/")
	names := strings.Split(text, ".")
	switch {
	case isPointer:
		names = strings.Split(pointer, "/")
		for i, name := range names {
			rest := strings.NewReplacer("~0", "", "~1", "").Replace(name)
			if strings.Contains(rest, "~") {
				return ClaimPath{}, errors.New("a ~ in a JSON Pointer is written as ~0, a / within a name as ~1")
			}
			names[i] = strings.NewReplacer("~0", "~", "~1", "/").Replace(name)
		}
	case strings.Contains(text, "/"):
		return ClaimPath{}, errors.New("a claim's name that holds a / is written as a JSON Pointer, for example /https:~1~1example.org~1roles")
	}
	if slices.Contains(names, "") {
		return ClaimPath{}, errors.New("a name of the claim's path is empty: names joined by dots or a JSON Pointer are accepted")
	}
	return ClaimPath{text: text, names: names}, nil
}

// String is the path as ParseClaimPath takes it.
func (p ClaimPath) String() string { return p.text }

// texts are the claim's list of strings, or what split makes of its one string; none where there is no such claim. The
// error is a *CredentialsError.
func (p ClaimPath) texts(claims map[string]any, split func(string) []string) ([]string, error) {
	value, ok := p.find(claims)
	switch value := value.(type) {
	case nil:
		if ok {
			return nil, nil
		}
	case string:
		return split(value), nil
	case []any:
		if texts, ok := allTexts(value); ok {
			return texts, nil
		}
	}
	return nil, refuse(exhaust.JWTClaimNotList, p)
}

// find is the claim's value; nil where it is missing. It is not ok where a name is looked for in something else than an object.
func (p ClaimPath) find(claims map[string]any) (value any, ok bool) {
	if len(p.names) == 0 {
		return nil, true
	}
	value = claims
	for _, name := range p.names {
		object, isObject := value.(map[string]any)
		if !isObject {
			return nil, value == nil
		}
		value = object[name]
	}
	return value, true
}

func allTexts(values []any) (texts []string, ok bool) {
	for _, value := range values {
		text, isText := value.(string)
		if !isText {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}
