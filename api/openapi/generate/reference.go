package main

import (
	"fmt"
	"iter"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// page writes docs/api.md.
type page struct {
	document *node
	out      strings.Builder
	// listed are the calls that list what a reference refers to.
	listed map[string]string
}

// reference is the document as people read it.
func reference(document *node) []byte {
	p := page{document: document, listed: map[string]string{}}
	p.print("# The API\n\n<!-- made of api/openapi/openapi.yaml by `make api-docs` -->\n\n")
	introduction := strings.TrimSpace(text(document, "info", "description"))
	before, rest, _ := strings.Cut(introduction, "\n\n")
	p.print("%s\n\n%s\n\n%s\n\n", before, p.calls(), rest)
	for operation := range p.operations() {
		p.operation(operation)
	}
	p.objects()
	p.errors()
	return []byte(strings.TrimRight(p.out.String(), "\n") + "\n")
}

func (p *page) print(format string, args ...any) { fmt.Fprintf(&p.out, format, args...) }

// call is an operation with what it is called by.
type call struct {
	path, method string
	*node
}

// operations yields all but HEAD.
func (p *page) operations() iter.Seq[call] {
	return func(yield func(call) bool) {
		for path, methods := range members(get(p.document, "paths")) {
			for method, operation := range members(methods) {
				if method != "head" && !yield(call{path, strings.ToUpper(method), operation}) {
					return
				}
			}
		}
	}
}

// title is an operation's heading: createSchedule is Create schedule.
func title(operation *node) string {
	var words strings.Builder
	for i, c := range text(operation, "operationId") {
		switch {
		case i == 0:
			words.WriteRune(unicode.ToUpper(c))
		case unicode.IsUpper(c):
			words.WriteString(" " + string(unicode.ToLower(c)))
		default:
			words.WriteRune(c)
		}
	}
	return words.String()
}

func anchor(title string) string { return strings.ToLower(strings.ReplaceAll(title, " ", "-")) }

func (p *page) calls() string {
	var out strings.Builder
	out.WriteString("| call | what it does |\n|---|---|")
	for c := range p.operations() {
		fmt.Fprintf(&out, "\n| [`%s %s%s`](#%s) | %s |", c.method, c.path, p.query(c.node), anchor(title(c.node)), text(c.node, "summary"))
	}
	return out.String()
}

// query names the parameters of a call's query.
func (p *page) query(operation *node) string {
	var names []string
	for _, parameter := range p.parameters(operation) {
		if text(parameter, "in") == "query" {
			names = append(names, text(parameter, "name")+"=…")
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "?" + strings.Join(names, "&")
}

func (p *page) parameters(operation *node) (all []*node) {
	if found := get(operation, "parameters"); found != nil {
		for _, parameter := range found.Content {
			all = append(all, p.follow(parameter))
		}
	}
	return all
}

// follow is what a reference refers to, and a node that is none as it is.
func (p *page) follow(n *node) *node {
	if reference := text(n, "$ref"); reference != "" {
		return get(p.document, strings.Split(strings.TrimPrefix(reference, "#/"), "/")...)
	}
	return n
}

func (p *page) operation(c call) {
	operation := c.node
	p.print("## %s\n\n`%s %s`: %s.\n\n", title(operation), c.method, c.path, text(operation, "summary"))
	media := get(p.follow(get(operation, "requestBody")), "content", "application/json")
	answer := get(operation, "responses", "200", "content", "application/json")
	if text(operation, "operationId") != "download" { // its address has a signature
		p.print("```sh\n%s\n```\n\n", p.curl(c, media))
	}
	if example := get(answer, "example"); example != nil {
		p.print("```json\n%s\n```\n\n", lines(example, ""))
	}
	if description := strings.TrimSpace(text(operation, "description")); description != "" {
		p.print("%s\n\n", description)
	}
	p.parameterTable(operation)
	p.request(operation, media)
	if result := get(answer, "schema", "properties", "result"); result != nil {
		if name, isNamed := strings.CutPrefix(text(result, "$ref"), "#/components/schemas/"); isNamed {
			p.print("`result`: %s.\n\n", p.object(name))
		} else {
			p.table("field of `result`", result, "")
		}
	}
	p.codes(operation)
}

// request lists the members of a body's request, or says where they are listed already.
func (p *page) request(operation, media *node) {
	request := get(media, "schema", "properties", "request")
	if request == nil {
		return
	}
	if earlier := p.listed[text(request, "$ref")]; earlier != "" {
		p.print("`request` is that of [%s](#%s).\n\n", earlier, anchor(earlier))
		return
	}
	if reference := text(request, "$ref"); reference != "" {
		p.listed[reference] = title(operation)
	}
	p.table("field of `request`", p.follow(request), "")
}

// curl is a request as a shell sends it.
func (p *page) curl(c call, media *node) string {
	var query []string
	path, method := c.path, c.method
	headers := ""
	for _, parameter := range p.parameters(c.node) {
		name, value := text(parameter, "name"), text(parameter, "example")
		switch text(parameter, "in") {
		case "path":
			path = strings.ReplaceAll(path, "{"+name+"}", value)
		case "query":
			if value != "" {
				query = append(query, name+"="+url.QueryEscape(value))
			}
		case "header":
			headers += " -H '" + name + ": " + value + "'"
		}
	}
	target := "http://127.0.0.1:8080" + path
	if len(query) > 0 {
		target = "'" + target + "?" + strings.Join(query, "&") + "'"
	}
	command := "curl "
	if method != "GET" {
		command += "-X " + method + " "
	}
	command += target
	if headers != "" {
		command += " \\\n " + headers
	}
	if example := firstExample(media); example != nil {
		command += " -d '\n" + lines(example, "") + "'"
	}
	return command
}

// firstExample is the value of a media type's first example; nil where it has none.
func firstExample(media *node) *node {
	for _, example := range members(get(media, "examples")) {
		return get(example, "value")
	}
	return nil
}

func (p *page) parameterTable(operation *node) {
	parameters := p.parameters(operation)
	if len(parameters) == 0 {
		return
	}
	p.print("| parameter | in | what is accepted |\n|---|---|---|\n")
	for _, parameter := range parameters {
		p.print("| `%s` | %s | %s |\n", text(parameter, "name"), text(parameter, "in"), p.describe(parameter, get(parameter, "schema")))
	}
	p.print("\n")
}

// describe says what a value is, and its bounds.
func (p *page) describe(of, schema *node) string {
	said := text(of, "description")
	if least, most := text(schema, "minimum"), text(schema, "maximum"); text(of, "in") != "" && most != "" {
		said += fmt.Sprintf(", %s to %s", least, most)
	}
	if value := text(schema, "default"); text(of, "in") != "" && value != "" {
		said += ", default " + value
	}
	return said
}

// table lists the properties of a schema, and of the schemas in it.
func (p *page) table(heading string, schema *node, prefix string) {
	p.print("| %s | what it is |\n|---|---|\n", heading)
	p.rows(schema, prefix)
	p.print("\n")
}

func (p *page) rows(schema *node, prefix string) {
	for name, property := range members(get(schema, "properties")) {
		described := p.follow(property)
		said := text(described, "description")
		reference, isNamed := strings.CutPrefix(text(property, "$ref"), "#/components/schemas/")
		items, isListOfNamed := strings.CutPrefix(text(property, "items", "$ref"), "#/components/schemas/")
		switch isObject := get(described, "properties") != nil; {
		case isListOfNamed:
			said = strings.Trim("a list of "+p.object(items)+"; "+said, "; ")
		case isNamed && isObject && prefix == "":
			said = strings.Trim(p.object(reference)+"; "+said, "; ")
		case said == "" && get(described, "enum") != nil:
			said = strings.Join(slices.DeleteFunc(texts(get(described, "enum")), func(value string) bool { return value == "" || value == "null" }), ", ")
		case said == "":
			said = kind(described)
		}
		p.print("| `%s%s` | %s |\n", prefix, name, said)
		switch inner := get(described, "items"); {
		case isNamed || isListOfNamed:
		case get(described, "properties") != nil:
			p.rows(described, prefix+name+".")
		case get(inner, "properties") != nil:
			p.rows(inner, prefix+name+"[].")
		}
	}
}

// kind is the type of a value in a word.
func kind(schema *node) string {
	switch kinds := get(schema, "type"); {
	case kinds == nil:
		return ""
	case kinds.Kind == yaml.SequenceNode:
		return strings.Join(texts(kinds), " or ")
	default:
		return kinds.Value
	}
}

// everywhere are the groups of faults that are told of once.
var everywhere = []string{"caller", "body", "header"}

// objectTitle is the heading of an object, which is no call's.
func objectTitle(name string) string { return "The object " + name }

// object links to an object, or to those of which it is one.
func (p *page) object(name string) string {
	if several := get(p.document, "components", "schemas", name, "oneOf"); several != nil {
		var links []string
		for _, one := range several.Content {
			links = append(links, p.object(strings.TrimPrefix(text(one, "$ref"), "#/components/schemas/")))
		}
		return strings.Join(links, " or ")
	}
	return "[" + name + "](#" + anchor(objectTitle(name)) + ")"
}

// codes lists an operation's own faults.
func (p *page) codes(operation *node) {
	groups := texts(get(operation, "x-fault-groups"))
	if len(groups) == 0 {
		return
	}
	common := map[string]bool{}
	for _, group := range everywhere {
		for _, code := range p.group(group) {
			common[code] = true
		}
	}
	var all []string
	if slices.Contains(groups, "caller") {
		all = append(all, "[those of most calls](#errors)")
	}
	for status, response := range members(get(operation, "responses")) {
		own := slices.DeleteFunc(texts(get(response, "x-codes")), func(code string) bool { return common[code] })
		if len(own) > 0 {
			all = append(all, status+" `"+strings.Join(own, "`, `")+"`")
		}
	}
	p.print("**Errors**: %s.\n\n", strings.Join(all, "; "))
}

// group are the codes of a group of faults, which the document keeps as those of every call.
func (p *page) group(name string) []string {
	var codes []string
	for _, list := range members(get(p.document, "x-fault-groups", name)) {
		codes = append(codes, texts(list)...)
	}
	return codes
}

// objects lists the schemas that answers are made of.
func (p *page) objects() {
	p.print("## Objects\n\nWhat requests and results are made of.\n\n")
	for name, schema := range members(get(p.document, "components", "schemas")) {
		isRequest := p.listed["#/components/schemas/"+name] != ""
		if get(schema, "properties") != nil && !isRequest && name != "Failure" && name != "Success" {
			p.print("### %s\n\n", objectTitle(name))
			p.table("field", schema, "")
		}
	}
}

var placeholder = regexp.MustCompile(`\{([a-zA-Z]+)(:[a-z]+)?\}`)

// errors lists all codes.
func (p *page) errors() {
	p.print("## Errors\n\n")
	p.print("What stands in braces is a member of `params.details`. Five sentences are Sunbird's, word for word: `tag is empty`, `dataset is empty`,\n" +
		"`datasetConfig is empty`, `X-Channel-ID is missing in request header`, `no job available with the given request_id and tag`.\n\n" +
		"Most calls may answer any 401, `TOO_MANY_REQUESTS`, `INTERNAL_ERROR` and `NOT_AVAILABLE`; calls with a body what begins with\n" +
		"`BODY_`; those that take `X-Channel-ID` what begins with `CHANNEL_`. A 401 has `WWW-Authenticate`; a 429, and most 503, have\n" +
		"`Retry-After`.\n\n")
	p.print("| HTTP | `responseCode` | `code` | `errmsg` |\n|---|---|---|---|\n")
	for _, status := range statuses {
		for code, entry := range members(get(p.document, "x-faults")) {
			if text(entry, "status") == status {
				sentence := placeholder.ReplaceAllStringFunc(text(entry, "sentence"), func(found string) string {
					parts := placeholder.FindStringSubmatch(found)
					if parts[2] == ":quoted" {
						return `"{` + parts[1] + `}"`
					}
					return "{" + parts[1] + "}"
				})
				p.print("| %s | %s | `%s` | `%s` |\n", status, responseCodes[status], code, strings.ReplaceAll(sentence, "|", `\|`))
			}
		}
	}
}
