package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"data-exhaust/exhaust"
)

// makers are the functions that make a fault of a code and of the values that its sentence holds.
var makers = map[string]bool{"Invalid": true, "NewFault": true, "forbid": true, "refuse": true}

// TestEachFaultIsGivenTheValuesOfItsSentence finds what the compiler cannot: how many values a code wants stands in a text.
func TestEachFaultIsGivenTheValuesOfItsSentence(t *testing.T) {
	wants, uses := codesByVariable(t), map[string]int{}
	eachSource(t, func(path string, file *ast.File, at func(ast.Node) token.Position) {
		ast.Inspect(file, func(node ast.Node) bool {
			if name, isName := node.(*ast.Ident); isName && wants[name.Name] != nil && filepath.Base(path) != "fault.go" {
				uses[name.Name]++
			}
			call, isCall := node.(*ast.CallExpr)
			if !isCall || len(call.Args) == 0 || !makers[lastName(call.Fun)] || call.Ellipsis.IsValid() {
				return true
			}
			code := wants[lastName(call.Args[0])]
			if code == nil {
				return true // a variable: NewFault itself panics
			}
			if given := len(call.Args) - 1; given != len(code.Details()) {
				t.Errorf("%s: %s has the details %q, and %d values are given", at(call), code.Name(), code.Details(), given)
			}
			return true
		})
	})
	for variable := range wants {
		if uses[variable] == 0 {
			t.Errorf("nothing uses exhaust.%s", variable)
		}
	}
	if len(wants) < 100 {
		t.Errorf("found %d codes only", len(wants))
	}
}

// codesByVariable are the codes by the names of the variables that hold them, as fault.go declares them.
func codesByVariable(t *testing.T) map[string]*exhaust.Code {
	t.Helper()
	byName := map[string]*exhaust.Code{}
	for _, code := range exhaust.Codes() {
		byName[code.Name()] = code
	}
	found := map[string]*exhaust.Code{}
	eachSource(t, func(path string, file *ast.File, _ func(ast.Node) token.Position) {
		if !strings.HasSuffix(path, filepath.Join("exhaust", "fault.go")) {
			return
		}
		ast.Inspect(file, func(node ast.Node) bool {
			value, isValue := node.(*ast.ValueSpec)
			if !isValue || len(value.Values) != 1 {
				return true
			}
			call, isCall := value.Values[0].(*ast.CallExpr)
			if !isCall || lastName(call.Fun) != "newCode" {
				return true
			}
			name := strings.Trim(call.Args[0].(*ast.BasicLit).Value, `"`)
			found[value.Names[0].Name] = byName[name]
			return true
		})
	})
	return found
}

func lastName(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.Ident:
		return of.Name
	case *ast.SelectorExpr:
		return of.Sel.Name
	}
	return ""
}

// eachSource parses the module's own files but for tests.
func eachSource(t *testing.T, do func(path string, file *ast.File, at func(ast.Node) token.Position)) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && (entry.Name() == "tools" || strings.HasPrefix(entry.Name(), ".") && path != "../..") {
			if entry != nil && entry.IsDir() && err == nil {
				return filepath.SkipDir
			}
			return err
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		do(path, file, func(n ast.Node) token.Position { return files.Position(n.Pos()) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
