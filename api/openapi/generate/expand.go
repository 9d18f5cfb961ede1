package main

import (
	"cmp"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"data-exhaust/exhaust"
)

// responseCodes are params.err of an error, by its HTTP status.
var responseCodes = map[string]string{
	"400": "CLIENT_ERROR", "401": "UNAUTHORIZED", "403": "FORBIDDEN", "404": "RESOURCE_NOT_FOUND", "405": "CLIENT_ERROR",
	"413": "CLIENT_ERROR", "429": "TOO_MANY_REQUESTS", "500": "SERVER_ERROR", "503": "SERVICE_UNAVAILABLE",
}

// statuses are those of errors, in their order.
var statuses = []string{"400", "401", "403", "404", "405", "413", "429", "500", "503"}

// expand makes the document of its source, or says what is wrong with that.
func expand(source []byte) (*node, error) {
	var file node
	if err := yaml.Unmarshal(source, &file); err != nil {
		return nil, err
	}
	document := resolved(file.Content[0])
	closeSchemas(document)
	groups := get(document, "x-faults")
	catalogue, err := faultCatalogue(groups)
	if err != nil {
		return nil, err
	}
	for path, methods := range members(get(document, "paths")) {
		for method, operation := range members(methods) {
			if err := expandOperation(operation, groups); err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			if get(operation, "x-head") != nil {
				remove(operation, "x-head")
				set(methods, "head", headOf(operation))
			}
		}
	}
	set(document, "x-faults", catalogue)
	set(document, "x-fault-groups", groups)
	components := get(document, "components")
	set(components, "headers", headers())
	for name, schema := range envelopeSchemas() {
		set(get(components, "schemas"), name, schema)
	}
	return document, nil
}

// members yields the members of a mapping as they stand when it begins.
func members(n *node) iter.Seq2[string, *node] {
	return func(yield func(string, *node) bool) {
		if n == nil {
			return
		}
		content := slices.Clone(n.Content)
		for i := 0; i < len(content); i += 2 {
			if !yield(content[i].Value, content[i+1]) {
				return
			}
		}
	}
}

// closeSchemas expands x-closed and x-optional.
func closeSchemas(n *node) {
	if n.Kind == yaml.MappingNode && get(n, "x-closed") != nil {
		remove(n, "x-closed")
		var required []string
		for name, property := range members(get(n, "properties")) {
			if get(property, "x-optional") == nil {
				required = append(required, name)
			}
			remove(property, "x-optional")
		}
		set(n, "required", list(required...))
		set(n, "additionalProperties", parsed("false"))
	}
	for _, child := range n.Content {
		closeSchemas(child)
	}
}

func expandOperation(operation, groups *node) error {
	responses := get(operation, "responses")
	if responses == nil {
		responses = &node{Kind: yaml.MappingNode}
	}
	id := cmp.Or(text(operation, "x-answer", "id"), "ekstep.analytics.dataset.request")
	if answer := get(operation, "x-answer"); answer != nil {
		set(responses, "200", success(answer, text(operation, "summary")))
		remove(operation, "x-answer")
	}
	names := get(operation, "x-faults")
	if names == nil {
		return fmt.Errorf("x-faults is missing")
	}
	for _, status := range statuses {
		var codes []string
		for _, name := range texts(names) {
			group := get(groups, name)
			if group == nil {
				return fmt.Errorf("there is no group of faults %q", name)
			}
			for _, code := range texts(get(group, status)) {
				if !slices.Contains(codes, code) {
					codes = append(codes, code)
				}
			}
		}
		if len(codes) > 0 {
			set(responses, status, failure(status, codes, id, get(responses, status)))
		}
	}
	remove(operation, "responses")
	set(operation, "responses", responses)
	set(operation, "x-fault-groups", names)
	remove(operation, "x-faults")
	return nil
}

const commonHeaders = `Cache-Control: {$ref: "#/components/headers/CacheControl"}, X-Content-Type-Options: {$ref: "#/components/headers/NoSniff"},
	Content-Security-Policy: {$ref: "#/components/headers/Policy"}`

func success(answer *node, summary string) *node {
	response := parsed(`{description: "", headers: {%s}, content: {application/json: {schema: {type: object, additionalProperties: false,
		required: [id, ver, ts, params, responseCode, result], properties: {
		id: {type: string, const: %s}, ver: {$ref: "#/components/schemas/Version"}, ts: {$ref: "#/components/schemas/Timestamp"},
		params: {$ref: "#/components/schemas/Success"}, responseCode: {type: string, const: OK}, result: 0}},
		example: {id: %[2]s, ver: "1.0", ts: "2026-11-25T03:08:35.936+00:00",
		params: {resmsgid: 8049ad08-577d-4f1e-9fdf-61050bbb88f7, status: successful, client_key: null}, responseCode: OK, result: 0}}}}`,
		commonHeaders, text(answer, "id"))
	set(response, "description", scalar(summary))
	media := get(response, "content", "application/json")
	set(get(media, "schema", "properties"), "result", get(answer, "result"))
	set(get(media, "example"), "result", get(answer, "example"))
	return response
}

// failure is the envelope of an error of some codes, beside what else is answered with the same status.
func failure(status string, codes []string, id string, beside *node) *node {
	more := ""
	switch status {
	case "401":
		more = `, WWW-Authenticate: {$ref: "#/components/headers/Challenge"}`
	case "429", "503":
		more = `, Retry-After: {$ref: "#/components/headers/RetryAfter"}`
	}
	response := parsed(`{description: "", headers: {%s%s}, content: {application/json: {schema: {$ref: "#/components/schemas/Failure"}}}}`, commonHeaders, more)
	set(response, "description", scalar(responseCodes[status]+": `"+strings.Join(codes, "`, `")+"`"))
	set(get(response, "content", "application/json"), "example", failureExample(status, codes, id))
	set(response, "x-codes", list(codes...))
	for kind, media := range members(get(beside, "content")) {
		set(get(response, "content"), kind, media)
	}
	return response
}

// exampleDetails are values for the details of the examples.
var exampleDetails = map[string]any{
	"accepted": []string{"status", "channel"}, "bytes": 70000, "channel": "01309282781705830427", "claim": "aud", "earliest": "1971-01-01", "end": "2026-11-24", "column": 12, "count": 2, "dataset": "uci-response-exhaust", "days": 400,
	"dependency": "temporal", "down": []string{"telemetry store"}, "field": "tag", "header": "Authorization", "line": 1, "method": "GET", "most": 366,
	"host": "127.0.0.1", "path": "/dataset/v1/nothing", "reason": "…", "start": "2026-11-22", "today": "2026-11-25", "why": "report expired on 2026-12-25", "yesterday": "2026-11-24", "zone": "Asia/Kolkata", "expires": "2026-12-25T00:00:00Z", "right": "uci-private-exhaust", "status": "PROCESSING", "up": []string{"temporal", "database"}, "value": "a b",
}

// failureExample is the envelope of an error: of the last code, which is most the call's own, or of missing credentials.
func failureExample(status string, codes []string, id string) *node {
	name := codes[len(codes)-1]
	if status == "401" {
		name = codes[0]
	}
	all := exhaust.Codes()
	code := all[slices.IndexFunc(all, func(c *exhaust.Code) bool { return c.Name() == name })]
	example := parsed(`{id: %[2]s, ver: "1.0", ts: "2026-11-25T03:08:35.936+00:00",
		params: {resmsgid: 8049ad08-577d-4f1e-9fdf-61050bbb88f7, status: failed, client_key: null, err: %[1]s}, responseCode: %[1]s, result: {}}`, responseCodes[status], id)
	params := get(example, "params")
	set(params, "errmsg", scalar(code.Sentence(exampleDetails)))
	set(params, "code", scalar(name))
	details := &node{Kind: yaml.MappingNode}
	for _, detail := range code.Details() {
		value := &node{}
		if err := value.Encode(exampleDetails[detail]); err != nil || exampleDetails[detail] == nil {
			panic(fmt.Sprintf("%s has no example of %s: %v", name, detail, err))
		}
		set(details, detail, value)
	}
	if len(details.Content) > 0 {
		set(params, "details", details)
	}
	return example
}

// withoutGroups takes out what only docs/api.md is made by.
func withoutGroups(n *node) {
	if n.Kind == yaml.MappingNode {
		remove(n, "x-fault-groups")
	}
	for _, child := range n.Content {
		withoutGroups(child)
	}
}

var link = regexp.MustCompile("\\[(`?[^\\]`]+`?)\\]\\(([^)]+)\\)")

// withoutLinks takes the links out of what the document says: those that docs/api.md has lead to its neighbours, and whoever has
// the document alone has none of these.
func withoutLinks(n *node) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		n.Value = link.ReplaceAllStringFunc(n.Value, func(found string) string {
			parts := link.FindStringSubmatch(found)
			switch name, target := parts[1], parts[2]; {
			case strings.HasPrefix(target, "#"):
				return name
			case name == target:
				return "docs/" + target
			default:
				return name + " (docs/" + target + ")"
			}
		})
	}
	for _, child := range n.Content {
		withoutLinks(child)
	}
}

// headOf is HEAD of an operation that answers GET.
func headOf(operation *node) *node {
	head := resolved(operation)
	set(head, "operationId", scalar(text(operation, "operationId")+"Head"))
	set(head, "summary", scalar("the same without the answer's body"))
	remove(head, "description")
	for _, response := range members(get(head, "responses")) {
		remove(response, "content")
		remove(response, "x-codes")
	}
	return head
}

// faultCatalogue lists all codes with their HTTP status and sentence. Each code that there is stands in some group, under one
// status, and no other does.
func faultCatalogue(groups *node) (*node, error) {
	statusOf := map[string]string{}
	for group, byStatus := range members(groups) {
		for status, codes := range members(byStatus) {
			for _, code := range texts(codes) {
				if other := statusOf[code]; other != "" && other != status {
					return nil, fmt.Errorf("x-faults: %s has the status %s, and %s in %s", code, other, status, group)
				}
				statusOf[code] = status
			}
		}
	}
	catalogue := &node{Kind: yaml.MappingNode}
	for _, code := range exhaust.Codes() {
		status := statusOf[code.Name()]
		if responseCodes[status] == "" {
			return nil, fmt.Errorf("x-faults: %s stands in no group, or under no status of an error", code.Name())
		}
		delete(statusOf, code.Name())
		entry := parsed("{status: %s}", status)
		set(entry, "sentence", scalar(code.Template()))
		kinds := &node{Kind: yaml.MappingNode}
		for _, name := range code.Details() {
			set(kinds, name, scalar(exhaust.DetailKind(name)))
		}
		set(entry, "details", kinds)
		set(catalogue, code.Name(), entry)
	}
	for code := range statusOf {
		return nil, fmt.Errorf("x-faults: there is no code %s", code)
	}
	return catalogue, nil
}

func headers() *node {
	return parsed(`
CacheControl: {required: true, description: answers are not kept, schema: {type: string, const: no-store}}
Policy: {required: true, description: an answer shown as a page loads nothing, schema: {type: string}}
NoSniff: {required: true, description: the type is as it says, schema: {type: string, const: nosniff}}
RetryAfter: {description: after how many seconds the same request may succeed, schema: {type: integer, minimum: 1}}
Challenge: {required: true, description: as RFC 6750 has it, schema: {type: string}}
`)
}

// envelopeSchemas are what all envelopes are made of.
func envelopeSchemas() iter.Seq2[string, *node] {
	schemas := parsed(`
Version: {type: string, const: "1.0"}
Timestamp: {type: string, pattern: '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$', description: UTC with milliseconds}
Success:
  type: object
  additionalProperties: false
  required: [resmsgid, status, client_key]
  properties:
    resmsgid: {type: string, format: uuid, description: new in every answer}
    status: {type: string, const: successful}
    client_key: {type: "null"}
Failure:
  type: object
  description: the envelope of an error
  additionalProperties: false
  required: [id, ver, ts, params, responseCode, result]
  properties:
    id: {type: string}
    ver: {$ref: "#/components/schemas/Version"}
    ts: {$ref: "#/components/schemas/Timestamp"}
    params:
      type: object
      additionalProperties: false
      required: [resmsgid, status, client_key, err, errmsg, code]
      properties:
        resmsgid: {type: string, format: uuid}
        status: {type: string, const: failed}
        client_key: {type: "null"}
        err: {$ref: "#/components/schemas/ResponseCode"}
        errmsg: {type: string, minLength: 1, description: one plain sentence}
        code: {type: string, description: the stable name of the fault}
        details: {type: object, minProperties: 1, description: "the values that errmsg names: texts, whole numbers and lists of texts"}
    responseCode: {$ref: "#/components/schemas/ResponseCode"}
    result: {type: object, maxProperties: 0}
ResponseCode: {type: string}
`)
	var names []string
	for _, status := range statuses {
		if name := responseCodes[status]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	set(get(schemas, "ResponseCode"), "enum", list(names...))
	set(get(schemas, "Failure", "properties", "params", "properties", "code"), "enum", list(codeNames()...))
	return members(schemas)
}

func codeNames() (names []string) {
	for _, code := range exhaust.Codes() {
		names = append(names, code.Name())
	}
	return names
}
