package console

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template/parse"
)

// sentenceFields are the names of fields that hold sentences of the program.
var sentenceFields = []string{"CronReason", "Lack", "Message", "Note", "Problems", "Reason", "Refusals", "Sentence", "Waiting", "Webhook"}

// otherFields have such a name, and a template shows them as they are, and why.
var otherFields = map[string]string{
	"failure: .Sentence":            "it is of the console's texts",
	"verdict: .Verdict.Sentence":    "it is of the console's texts",
	"days: .Presets.Reason":         "it is of the console's texts",
	"night: .Night.Value.Note":      "whoever paused the night wrote it",
	"recurringone: .Schedule.Note":  "whoever made the schedule wrote it",
	"note: .Times.Note":             "the reader writes it",
	"webhook: .Page.Times.Webhook":  "the reader writes it",
	"times: .CronReason":            "the slot that it is handed to says it",
	"replay-fields: .Group.Message": "the form sends it back",
}

func TestPagesShowSentencesOfTheProgramInTheLanguageOfTheirReader(t *testing.T) {
	files, err := filepath.Glob("pages/*.html")
	if err != nil {
		t.Fatal(err)
	}
	isShown := map[string]bool{}
	for _, file := range files {
		for name, tree := range templatesOf(t, file) {
			for _, field := range fieldsShownBy(tree) {
				shown := name + ": " + field
				isSentence := slices.Contains(sentenceFields, field[strings.LastIndex(field, ".")+1:])
				if isShown[shown] = true; isSentence && otherFields[shown] == "" {
					t.Errorf("%s: %s is shown as the program says it, not as Say does", file, shown)
				}
			}
		}
	}
	for _, field := range slices.Sorted(maps.Keys(otherFields)) {
		if !isShown[field] {
			t.Errorf("no page shows %s any more", field)
		}
	}
}

// templatesOf are those of a file: main is named as the file is.
func templatesOf(t *testing.T, file string) map[string]*parse.Tree {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tree, trees := parse.New("layout"), map[string]*parse.Tree{}
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(string(text), "", "", trees); err != nil {
		t.Fatal(err)
	}
	if main := trees["main"]; main != nil {
		delete(trees, "main")
		trees[strings.TrimSuffix(filepath.Base(file), ".html")] = main
	}
	return trees
}

// fieldsShownBy are the fields that a template shows or hands to another, but for those that stand behind Say.
func fieldsShownBy(tree *parse.Tree) []string {
	s := scope{variables: map[string]string{}}
	s.walk(tree.Root, "")
	return s.fields
}

// scope is what is known within a template: the fields that it shows, and those that its variables hold.
type scope struct {
	fields    []string
	variables map[string]string
}

// walk looks at nodes whose dot is a field, or an element of it; "" of what is none.
func (s *scope) walk(list *parse.ListNode, dot string) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		switch node := node.(type) {
		case *parse.ActionNode:
			if s.assign(node.Pipe, dot); len(node.Pipe.Decl) == 0 {
				s.show(node.Pipe, dot)
			}
		case *parse.TemplateNode:
			if node.Pipe != nil {
				s.show(node.Pipe, dot)
			}
		case *parse.IfNode:
			s.walkBranches(node.BranchNode, dot, dot)
		case *parse.WithNode:
			s.walkBranches(node.BranchNode, s.fieldOf(node.Pipe, dot), dot)
		case *parse.RangeNode:
			s.walkBranches(node.BranchNode, s.fieldOf(node.Pipe, dot), dot)
		}
	}
}

func (s *scope) walkBranches(branch parse.BranchNode, within, otherwise string) {
	s.assign(branch.Pipe, otherwise)
	s.walk(branch.List, within)
	s.walk(branch.ElseList, otherwise)
}

func (s *scope) assign(pipe *parse.PipeNode, dot string) {
	for _, variable := range pipe.Decl {
		s.variables[variable.Ident[0]] = s.fieldOf(pipe, dot)
	}
}

// show keeps the fields of a pipe, in whichever call they are, but for those of Say.
func (s *scope) show(pipe *parse.PipeNode, dot string) {
	for _, command := range pipe.Cmds {
		if strings.HasSuffix(command.Args[0].String(), ".Say") {
			continue
		}
		for _, argument := range command.Args {
			if inner, isPipe := argument.(*parse.PipeNode); isPipe {
				s.show(inner, dot)
			} else if field := s.fieldOf(argument, dot); field != "" {
				s.fields = append(s.fields, field)
			}
		}
	}
}

// fieldOf is the field that a node holds, with those that it is within; "" of a call or a constant.
func (s *scope) fieldOf(node parse.Node, dot string) string {
	switch node := node.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		return dot + "." + strings.Join(node.Ident, ".")
	case *parse.VariableNode:
		return strings.Join(append([]string{s.variables[node.Ident[0]]}, node.Ident[1:]...), ".")
	case *parse.ChainNode:
		return s.fieldOf(node.Node, dot) + "." + strings.Join(node.Field, ".")
	case *parse.PipeNode:
		if len(node.Cmds) == 1 && len(node.Cmds[0].Args) == 1 {
			return s.fieldOf(node.Cmds[0].Args[0], dot)
		}
	}
	return ""
}
