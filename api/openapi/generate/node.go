package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// node is YAML whose mappings keep their order.
type node = yaml.Node

// resolved is a copy of a node in which aliases and merged mappings (<<) stand where they count.
func resolved(n *node) *node {
	if n.Kind == yaml.AliasNode {
		return resolved(n.Alias)
	}
	c := *n
	c.Content, c.Anchor = nil, ""
	if n.Kind != yaml.MappingNode {
		for _, child := range n.Content {
			c.Content = append(c.Content, resolved(child))
		}
		return &c
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == "<<" {
			c.Content = append(c.Content, resolved(n.Content[i+1]).Content...)
			continue
		}
		set(&c, n.Content[i].Value, resolved(n.Content[i+1]))
	}
	return &c
}

// get is the member of a mapping; nil where there is none.
func get(n *node, names ...string) *node {
	for _, name := range names {
		at := -1
		if n != nil && n.Kind == yaml.MappingNode {
			at = index(n, name)
		}
		if at < 0 {
			return nil
		}
		n = n.Content[at+1]
	}
	return n
}

func index(n *node, name string) int {
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// text is the member of a mapping that is a text; "" where there is none.
func text(n *node, names ...string) string {
	if found := get(n, names...); found != nil {
		return found.Value
	}
	return ""
}

// texts are the elements of a list of texts.
func texts(n *node) (values []string) {
	if n == nil {
		return nil
	}
	for _, child := range n.Content {
		values = append(values, child.Value)
	}
	return values
}

func set(n *node, name string, value *node) {
	if at := index(n, name); at >= 0 {
		n.Content[at+1] = value
		return
	}
	n.Content = append(n.Content, scalar(name), value)
}

func remove(n *node, name string) {
	if at := index(n, name); at >= 0 {
		n.Content = slices.Delete(n.Content, at, at+2)
	}
}

func scalar(value string) *node {
	return &node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

func list(values ...string) *node {
	n := &node{Kind: yaml.SequenceNode}
	for _, value := range values {
		n.Content = append(n.Content, scalar(value))
	}
	return n
}

// parsed is YAML text as a node. The texts are this program's own.
func parsed(format string, args ...any) *node {
	var document node
	if err := yaml.Unmarshal([]byte(fmt.Sprintf(format, args...)), &document); err != nil {
		panic(err)
	}
	return resolved(document.Content[0])
}

// appendJSON writes a node as JSON on one line.
func appendJSON(out []byte, n *node) []byte {
	switch n.Kind {
	case yaml.MappingNode:
		out = append(out, '{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendText(out, n.Content[i].Value), ':')
			out = appendJSON(out, n.Content[i+1])
		}
		return append(out, '}')
	case yaml.SequenceNode:
		out = append(out, '[')
		for i, child := range n.Content {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendJSON(out, child)
		}
		return append(out, ']')
	}
	switch n.ShortTag() {
	case "!!str":
		return appendText(out, n.Value)
	case "!!int", "!!float", "!!bool":
		return append(out, n.Value...)
	case "!!null":
		return append(out, "null"...)
	}
	panic(fmt.Sprintf("line %d: %q is %s: put it in quotes", n.Line, n.Value, n.ShortTag()))
}

func appendText(out []byte, text string) []byte {
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a text is always JSON
	return append(out, bytes.TrimSpace(quoted.Bytes())...)
}

// lines writes a node as JSON that people read: what fits stands on one line.
func lines(n *node, indent string) string {
	const widest = 118
	short := string(appendJSON(nil, n))
	if len(indent)+len(short) <= widest || len(n.Content) == 0 {
		return short
	}
	var out strings.Builder
	inner := indent + " "
	step, open, end := 1, "[", "]"
	if n.Kind == yaml.MappingNode {
		step, open, end = 2, "{", "}"
	}
	out.WriteString(open)
	width := len(indent) + 1
	for i := 0; i < len(n.Content); i += step {
		name := ""
		if step == 2 {
			name = string(appendText(nil, n.Content[i].Value)) + ":"
		}
		value := lines(n.Content[i+step-1], inner)
		if i > 0 {
			out.WriteByte(',')
			width++
		}
		first, _, isBroken := strings.Cut(value, "\n")
		if i > 0 && (width+len(name)+len(first) > widest) {
			out.WriteString("\n" + inner)
			width = len(inner)
		}
		out.WriteString(name + value)
		width += len(name) + len(first)
		if isBroken {
			width = widest
		}
	}
	out.WriteString(end)
	return out.String()
}
