// Package postman makes a Postman collection of the service's OpenAPI document; it may not call the service.
//
// Why not Postman's own converter (openapi-to-postmanv2): what it makes has new ids each time, no scripts, and path variables
// of Postman's own, and cannot be run from its first request to its last, each with what the one before it answered.
package postman

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
)

// The names of the files that Generate makes.
const (
	CollectionFile  = "data-exhaust.postman_collection.json"
	EnvironmentFile = "data-exhaust.postman_environment.json"
)

// Generate makes the collection and the environment of an OpenAPI document in YAML or JSON. The same document gives the same
// bytes. Each call that answers an envelope has a place in the walkthrough, and the walkthrough has no other; else it is an
// error that names the call.
func Generate(document []byte) (collection, environment []byte, err error) {
	calls, err := readCalls(document)
	if err != nil {
		return nil, nil, err
	}
	c := newCollection()
	for _, s := range walkthrough {
		call, isThere := calls[s.call]
		if !isThere {
			return nil, nil, fmt.Errorf("the document has no %s, which the walkthrough makes", s.call)
		}
		call.isMade = true
		item, err := newItem(*call, s)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", s.call, err)
		}
		c.add(call.operation.Tags[0], item)
	}
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		if !calls[name].isMade {
			return nil, nil, fmt.Errorf("the walkthrough has no step that makes %s", name)
		}
	}
	if collection, err = encode(c); err != nil {
		return nil, nil, err
	}
	environment, err = encode(newEnvironment())
	return collection, environment, err
}

// call is an operation of the document.
type call struct {
	method, path string
	operation    *openapi3.Operation
	parameters   openapi3.Parameters
	// isSigned tells whether it wants credentials.
	isSigned bool
	isMade   bool
}

// readCalls finds the operations that answer an envelope, by their method and path.
func readCalls(document []byte) (map[string]*call, error) {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	calls := map[string]*call{}
	for path, item := range doc.Paths.Map() {
		if !strings.HasPrefix(path, "/dataset/") && !strings.HasPrefix(path, "/health") {
			continue
		}
		for method, operation := range item.Operations() {
			if method == http.MethodHead {
				continue // it answers no envelope
			}
			if len(operation.Tags) == 0 {
				return nil, fmt.Errorf("%s %s has no tag", method, path)
			}
			security := doc.Security
			if operation.Security != nil {
				security = *operation.Security
			}
			calls[method+" "+path] = &call{
				method: method, path: path, operation: operation,
				parameters: slices.Concat(item.Parameters, operation.Parameters),
				isSigned:   slices.ContainsFunc(security, func(scheme openapi3.SecurityRequirement) bool { return len(scheme) > 0 }),
			}
		}
	}
	return calls, nil
}

// collection is Postman's format 2.1.0, as far as it is used.
type collection struct {
	Info struct {
		ID          string `json:"_postman_id"`
		Name        string `json:"name"`
		Description string `json:"description"`
		Schema      string `json:"schema"`
	} `json:"info"`
	Item  []*folder `json:"item"`
	Event []event   `json:"event"`
}

type folder struct {
	Name string `json:"name"`
	Item []item `json:"item"`
}

type item struct {
	Name    string  `json:"name"`
	Event   []event `json:"event"`
	Request request `json:"request"`
}

type event struct {
	Listen string `json:"listen"`
	Script struct {
		Type string   `json:"type"`
		Exec []string `json:"exec"`
	} `json:"script"`
}

type request struct {
	Method      string  `json:"method"`
	Header      []field `json:"header"`
	Body        *body   `json:"body,omitempty"`
	URL         address `json:"url"`
	Description string  `json:"description,omitempty"`
}

type field struct {
	Key         string `json:"key"`
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
	Disabled    bool   `json:"disabled,omitempty"`
}

type body struct {
	Mode    string `json:"mode"`
	Raw     string `json:"raw"`
	Options struct {
		Raw struct {
			Language string `json:"language"`
		} `json:"raw"`
	} `json:"options"`
}

type address struct {
	Raw   string   `json:"raw"`
	Host  []string `json:"host"`
	Path  []string `json:"path"`
	Query []field  `json:"query,omitempty"`
}

// newID makes ids that are the same each time.
func newID(name string) string { return uuid.NewSHA1(namespace, []byte(name)).String() }

var namespace = uuid.MustParse("6d2b4b0e-2f3c-4b8e-9a0f-3f0f6f2d6f57")

func newCollection() *collection {
	c := &collection{Event: []event{newEvent("prerequest", beforeEach), newEvent("test", afterEach)}}
	c.Info.ID = newID("collection")
	c.Info.Name = "Data Exhaust"
	c.Info.Description = "Every call of the service, in an order in which the whole collection can be run. Made of the OpenAPI document: " +
		"change that, or the walkthrough, and run `make api-docs`."
	c.Info.Schema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
	return c
}

// add appends to the last folder where that has the name: requests run in the order of the walkthrough.
func (c *collection) add(name string, i item) {
	if len(c.Item) == 0 || c.Item[len(c.Item)-1].Name != name {
		c.Item = append(c.Item, &folder{Name: name})
	}
	last := c.Item[len(c.Item)-1]
	last.Item = append(last.Item, i)
}

func newEvent(listen, script string) (e event) {
	e.Listen, e.Script.Type = listen, "text/javascript"
	e.Script.Exec = strings.Split(strings.TrimSpace(script), "\n")
	return e
}

func newItem(c call, s step) (item, error) {
	i := item{Name: s.name, Request: request{Method: c.method, Header: []field{}, Description: c.operation.Summary}}
	if s.before != "" {
		i.Event = append(i.Event, newEvent("prerequest", s.before))
	}
	i.Event = append(i.Event, newEvent("test", s.script()))
	if c.isSigned {
		i.Request.Header = append(i.Request.Header, field{Key: "Authorization", Value: "Bearer {{token}}"})
	}
	path := c.path
	i.Request.URL.Host = []string{"{{host}}"}
	for _, ref := range c.parameters {
		p := ref.Value
		f := field{Key: p.Name, Value: s.value(p.Name), Description: p.Description}
		if f.Value == "" && p.Required {
			return item{}, fmt.Errorf("the walkthrough has no value for the parameter %s", p.Name)
		}
		f.Disabled = f.Value == ""
		switch p.In {
		case openapi3.ParameterInPath:
			path = strings.ReplaceAll(path, "{"+p.Name+"}", f.Value)
		case openapi3.ParameterInQuery:
			i.Request.URL.Query = append(i.Request.URL.Query, f)
		case openapi3.ParameterInHeader:
			i.Request.Header = append(i.Request.Header, f)
		}
	}
	i.Request.URL.Path = strings.Split(strings.TrimPrefix(path, "/"), "/")
	i.Request.URL.Raw = "{{host}}" + path + rawQuery(i.Request.URL.Query)
	if c.operation.RequestBody == nil {
		return i, nil
	}
	example, err := exampleOf(c.operation.RequestBody.Value)
	if err != nil {
		return item{}, err
	}
	content, err := encode(s.fill("", example))
	if err != nil {
		return item{}, err
	}
	i.Request.Header = append(i.Request.Header, field{Key: "Content-Type", Value: "application/json"})
	i.Request.Body = &body{Mode: "raw", Raw: strings.TrimSpace(string(content))}
	i.Request.Body.Options.Raw.Language = "json"
	return i, nil
}

// rawQuery is the part of the query that is sent.
func rawQuery(query []field) string {
	var sent []string
	for _, f := range query {
		if !f.Disabled {
			sent = append(sent, f.Key+"="+f.Value)
		}
	}
	if sent == nil {
		return ""
	}
	return "?" + strings.Join(sent, "&")
}

// exampleOf is the example of a body; of several it is the first by name.
func exampleOf(b *openapi3.RequestBody) (any, error) {
	media := b.Content.Get("application/json")
	if media == nil {
		return nil, fmt.Errorf("its body is no application/json")
	}
	if media.Example != nil {
		return media.Example, nil
	}
	names := make([]string, 0, len(media.Examples))
	for name := range media.Examples {
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("its body has no example")
	}
	return media.Examples[slices.Min(names)].Value.Value, nil
}

// fill puts the step's values and Postman's variables into the place of an example's own values; name is that of the value.
func (s step) fill(name string, example any) any {
	if value, isSet := s.values[name]; isSet {
		return value
	}
	switch example := example.(type) {
	case map[string]any:
		filled := map[string]any{}
		for name, value := range example {
			if !slices.Contains(s.without, name) {
				filled[name] = s.fill(name, value)
			}
		}
		for _, name := range s.with[name] {
			filled[name] = s.values[name]
		}
		return filled
	case []any:
		filled := make([]any, len(example))
		for i, value := range example {
			filled[i] = s.fill(name, value)
		}
		return filled
	}
	variable, isOne := variables[name]
	if _, isText := example.(string); isText && isOne {
		return variable
	}
	return example
}

// encode writes JSON for people: indented, with < and > as they are.
func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return out.Bytes(), err
}
