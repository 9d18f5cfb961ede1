package console

import (
	"cmp"
	"html/template"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nicksnyder/go-i18n/v2/i18n"

	"data-exhaust/exhaust"
)

// The rest of the program says in English why an exhaust failed, waits or was left out: these sentences are part of the API, and
// stand in job_request and in Temporal. The console knows each by its form: a text whose key begins with "sentence." is a form in
// English, and its translation in every other language. A value's name, without the digit at its end, tells its kind:
//
//   - that of a group, as reason is of sentence.reason.busy: a clause, which has one of the group's forms
//   - n: a whole number, and the one without a digit decides which plural a translation has
//   - span: a length of time as Go writes it
//   - day, from and to: days
//   - object and text: what Go has put in quotes
//   - file, host, id, status, version and column: names, which stay as they are
//
// A sentence is translated as a whole or not at all: a voice reads it in one language.

// sentenceForm is an English sentence with gaps for its values.
type sentenceForm struct {
	// name is what its text's key has behind "sentence.": the group, where it has one, and its own.
	name    string
	pattern *regexp.Regexp
	// values are the names of its values, in their order.
	values []string
	// literal is how many bytes of it are no value.
	literal int
}

// sentenceForms are those of a group, those first that leave the least to their values. The forms of no group are those of ungrouped.
type sentenceForms map[string][]sentenceForm

const (
	ungrouped = ""
	// causeGroup is that of the sentences which stand by themselves and within others.
	causeGroup = "cause"
)

var valueOfForm = regexp.MustCompile(`\{\{\.(\w+)\}\}`)

// readForms reads the forms among the texts of English.
func readForms(english []*i18n.Message) sentenceForms {
	all := sentenceForms{}
	for _, text := range english {
		if name, isForm := strings.CutPrefix(text.ID, "sentence."); isForm {
			all[groupOf(name)] = append(all[groupOf(name)], newSentenceForm(name, text.Other))
		}
	}
	for _, group := range all {
		slices.SortFunc(group, func(x, y sentenceForm) int {
			return cmp.Or(cmp.Compare(y.literal, x.literal), cmp.Compare(x.name, y.name))
		})
	}
	return all
}

// groupOf is the group of a form by its name.
func groupOf(name string) string {
	group, _, isGrouped := strings.Cut(name, ".")
	if !isGrouped {
		return ungrouped
	}
	return group
}

func newSentenceForm(name, text string) sentenceForm {
	f, pattern, end := sentenceForm{name: name}, `(?s)^`, 0
	add := func(literal string) {
		pattern += regexp.QuoteMeta(literal)
		f.literal += len(literal)
	}
	for _, at := range valueOfForm.FindAllStringSubmatchIndex(text, -1) {
		value := text[at[2]:at[3]]
		add(text[end:at[0]])
		pattern += "(" + cmp.Or(patterns[kindOf(value)], anything) + ")"
		f.values, end = append(f.values, value), at[1]
	}
	add(text[end:])
	f.pattern = regexp.MustCompile(pattern + `$`) // whatever the text, it is a pattern
	return f
}

// patterns are those of the values that are no clauses, by their kinds. What is quoted cannot pass for the rest of its sentence,
// whatever it is. A name without quotes can: one that reads as its sentence goes on is cut off there.
var patterns = map[string]string{
	"n": `\d+`, "span": `[0-9hmsµn.]+`, "day": date, "from": date, "to": date, "object": quoted, "text": quoted,
	"file": anything, "host": anything, "id": anything, "status": anything, "version": anything, "column": anything,
}

const (
	anything = `.+?`
	date     = `\d{4}-\d{2}-\d{2}`
	quoted   = `"(?:[^"\\]|\\.)*"`
)

// kindOf is the kind of a value by its name.
func kindOf(value string) string { return strings.TrimRight(value, "0123456789") }

// wording is a sentence as a page has it.
type wording struct {
	Text string
	// Lang is the attribute of the element that it stands in: "" where it is in the page's language.
	Lang template.HTMLAttr
}

// Say is what the program says in the reader's language; in English where it has none of the forms.
func (r reader) Say(sentence string) wording {
	if r.Language == "en" || sentence == "" {
		return wording{Text: sentence}
	}
	if text, isKnown := r.translate(sentence, ungrouped, causeGroup); isKnown {
		return wording{Text: text}
	}
	return wording{Text: sentence, Lang: ` lang="en"`}
}

// FormOf is the name of a sentence's form; "" of none.
func (r reader) FormOf(sentence string) string {
	f, _, _ := r.match(sentence, ungrouped, causeGroup)
	return f.name
}

// translate is a sentence that has one of the groups' forms in the reader's language, and whether it has one.
func (r reader) translate(sentence string, groups ...string) (string, bool) {
	f, pairs, isKnown := r.match(sentence, groups...)
	if !isKnown {
		return "", false
	}
	return r.T("sentence."+f.name, pairs...), true
}

// match finds the form that a sentence has, with what stands in it in turns of name and value, and whether there is one.
func (r reader) match(sentence string, groups ...string) (sentenceForm, []any, bool) {
	for _, group := range groups {
		for _, f := range r.forms[group] {
			if pairs, isKnown := r.pairsOf(f, sentence); isKnown {
				return f, pairs, true
			}
		}
	}
	return sentenceForm{}, nil, false
}

// pairsOf is what stands in a sentence of a form, in turns of name and value, and whether it has that form.
func (r reader) pairsOf(f sentenceForm, sentence string) ([]any, bool) {
	found := f.pattern.FindStringSubmatch(sentence)
	if found == nil {
		return nil, false
	}
	var pairs []any
	for i, name := range f.values {
		value, isKnown := r.valueOf(kindOf(name), found[i+1])
		if !isKnown {
			return nil, false
		}
		pairs = append(pairs, name, value)
	}
	return pairs, true
}

// valueOf is what stands in a sentence, as T takes it, and whether it is of its kind.
func (r reader) valueOf(kind, text string) (any, bool) {
	switch kind {
	case "n":
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil
	case "span":
		span, err := time.ParseDuration(text)
		return r.Span(span), err == nil
	case "day", "from", "to":
		return r.Day(exhaust.Day(text)), true
	}
	if r.forms[kind] != nil {
		return r.translate(text, kind)
	}
	return text, true
}
