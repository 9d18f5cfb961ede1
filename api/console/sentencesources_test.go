package console

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"data-exhaust/exhaust"
)

// The sentences that reach a page stand in these packages, as constants and formats. They are found only where this file names what
// holds them, a call, a literal, a function, a field or a variable: a sentence that is made elsewhere has to be named here, too.
var sourceFolders = []string{
	"activities", "activities/night", "activities/recurring", "activities/summary", "blob", "database", "exhaust", "internal/app", "registry", "service", "telemetry", "workflows",
}

// gap is where a sentence has a value.
const gap = "…"

// textAt is a text in the source: an argument, an element or a result, with what comes behind it, and the group of forms that it is of.
type textAt struct {
	group  string
	at     int
	behind string
}

// Where the sentences are. What stands there and is no text of its own, such as another error's, has been found where it was made.
var (
	textsOfCalls = map[string]textAt{
		"NonRetryable": {causeGroup, 1, ""}, "ClientMistake": {causeGroup, 1, ""},
		"NewNonRetryableApplicationError": {causeGroup, 0, ""}, "NewApplicationErrorWithOptions": {causeGroup, 0, ""},
		"failedOf": {causeGroup, 2, ": " + gap}, "unbalanced": {"balance", 0, ""}, "askForBoth": {"range", 0, ""},
		"finalJob": {ungrouped, 2, ""}, "addProblem": {ungrouped, 0, ": " + gap}, "addFailures": {ungrouped, 0, ""},
	}
	textsOfLiterals = map[string]struct{ field, group string }{
		"CorruptError": {"Problem", "problem"}, "ImbalanceError": {"Counts", "balance"}, "Lack": {"Sentence", ungrouped},
		"PermanentError": {"Reason", "reason"}, "reasonedError": {"reason", "reason"},
	}
	textsOfResults = map[string]textAt{
		"blob.Reason": {"reason", 0, ""}, "blob.reason": {"reason", 0, ""}, "blob.requestReason": {"reason", 0, ""},
		"blob.permanentReason": {"reason", 0, ""}, "blob.versionReason": {"reason", 0, ""},
		"database.reasonOfSQLState": {"reason", 0, ""}, "database.reasonOfSQLite": {"reason", 0, ""}, "database.reasonOfConnection": {"reason", 0, ""},
		"exhaust.ExpiryMessage": {ungrouped, 0, ""}, "exhaust.ErasureMessage": {ungrouped, 0, ""}, "exhaust.askForBoth": {causeGroup, 0, ""},
		"exhaust.Open": {"webhook", 1, ""}, "exhaust.Secret": {"webhook", 1, ""}, "recurring.DeliverWebhook": {"webhook", 0, ""},
		"recurring.findSecrets": {"webhook", 1, ""}, "recurring.undelivered": {"unreached", 0, ""}, "recurring.certificateFault": {"unreached", 0, ""},
		"service.waitingFor": {ungrouped, 0, ""}, "service.times": {"times", 0, ""}, "registry.Error": {"range", 0, ""},
		"workflows.sentence": {ungrouped, 0, ""}, "workflows.rootMessage": {causeGroup, 0, ""}, "workflows.sendWebhook": {ungrouped, 0, ""},
	}
	textsOfFields = map[string]string{"Message": ungrouped, "Note": ungrouped, "refusal": causeGroup}
	// textsOfVariables are assigned within a function, textsOfRows stand in its tables.
	textsOfVariables = map[string]string{"service.waitingFor.what": causeGroup, "workflows.addUnreleased.why": "standing"}
	textsOfRows      = map[string]textAt{"blob.Reason": {"reason", 1, ""}, "workflows.cleanUp": {"cleaning", 0, ""}}
	textsOfConstants = map[string]string{
		"activities.telemetryStore": "dependency", "activities.reportsStore": "dependency", "activities.uciRegistry": "dependency", "activities.jobsDatabase": "dependency",
		"activities.stillWritten": "found", "activities.gone": "found",
		"exhaust.Fetching": "phase", "exhaust.Joining": "phase", "exhaust.Building": "phase", "exhaust.Signing": "phase",
	}
	// textsOfMaps are the values of a package's maps.
	textsOfMaps = map[string]string{"activities.does": "step"}
)

// onNoPage are sentences that no page shows, and why.
var onNoPage = map[string]string{
	"schedule …: …: change or delete it":                           "the firing fails before it has more to show than its state",
	"exhaust … is gone: neither Temporal nor job_request knows it": "the firing fails, and shows the state of its exhaust",
	"exhaust … is …":                "the firing looks again later, for as long as it takes",
	"exhaust … of … to … FAILED: …": "the firing shows the exhaust's own sentence",
	"the channel's webhook secret is of another EXHAUST_WEBHOOK_SECRET than the service has": "findSecrets adds what to do",
}

// elsewhere are the texts of sentences that are made in another way, and where.
var elsewhere = map[string]string{
	"sentence.failures.one":  "night.addFailure",
	"sentence.failures.more": "Summary.addFailures joins them",
	"sentence.range.long":    "exhaust.TooManyDays",
	"sentence.step.other":    "activities.Doing",
	"sentence.webhook.late":  "rootMessage, of the step that delivers",
	"sentence.badcron":       "Temporal's frontend",
}

func TestTheFormsOfSentencesAreThoseThatTheProgramSays(t *testing.T) {
	sentences, forms := sentencesInSource(t), map[string][]string{} // the keys of equal forms
	for key, texts := range readTexts(t, "en") {
		if name, isForm := strings.CutPrefix(key, "sentence."); isForm {
			form := keyOf(groupOf(name), valueInText.ReplaceAllString(texts[0], gap))
			forms[form] = append(forms[form], key)
		}
	}
	isExempt := map[string]bool{}
	for _, sentence := range slices.Sorted(maps.Keys(sentences)) {
		_, text, _ := strings.Cut(sentence, ": ")
		if isExempt[text] = onNoPage[text] != ""; forms[sentence] == nil && !isExempt[text] {
			t.Errorf("%s: no text of the console has the form %q", sentences[sentence], sentence)
		}
	}
	for text := range onNoPage {
		if !isExempt[text] {
			t.Errorf("nothing says %q any more", text)
		}
	}
	for _, sentence := range slices.Sorted(maps.Keys(forms)) {
		for _, key := range forms[sentence] {
			isOfTemporal := strings.HasPrefix(key, "sentence.cron.") || strings.HasPrefix(key, "sentence.field.")
			if sentences[sentence] == "" && elsewhere[key] == "" && !isOfTemporal {
				t.Errorf("nothing says %s: %q", key, sentence)
			}
		}
	}
	template := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(exhaust.TooManyDays.Template(), gap)
	if !slices.Contains(forms[keyOf("range", template)], "sentence.range.long") {
		t.Errorf("no text of the console has the form %q", template)
	}
}

// keyOf is a sentence with its group. Causes stand by themselves, too, and so are of no group here.
func keyOf(group, text string) string {
	if group == causeGroup {
		group = ungrouped
	}
	return group + ": " + text
}

// sentencesInSource are those that the program says, with where.
func sentencesInSource(t *testing.T) map[string]string {
	t.Helper()
	s := source{files: token.NewFileSet(), named: map[string]ast.Expr{}, sentences: map[string]string{}}
	parsed := map[string][]*ast.File{}
	for _, folder := range sourceFolders {
		names, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.DeleteFunc(names, isTest) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			file, err := parser.ParseFile(s.files, name, text, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			parsed[folder] = append(parsed[folder], file)
		}
	}
	for _, folder := range sourceFolders {
		s.at(filepath.Base(folder), parsed[folder], s.name)
	}
	for _, folder := range sourceFolders {
		s.at(filepath.Base(folder), parsed[folder], s.find)
	}
	return s.sentences
}

// source is what is known of the program's source.
type source struct {
	files *token.FileSet
	// named are the texts that constants and variables hold, by package and name.
	named map[string]ast.Expr
	// sentences are those it has found, with where.
	sentences map[string]string
	// folder and function are where it looks: assigned is what the function's variables are assigned.
	folder, function string
	assigned         map[string][]ast.Expr
}

// at looks at every node of a package.
func (s *source) at(folder string, files []*ast.File, look func(ast.Node)) {
	for _, file := range files {
		for _, declaration := range file.Decls {
			s.folder, s.function, s.assigned = folder, "", map[string][]ast.Expr{}
			if function, isFunction := declaration.(*ast.FuncDecl); isFunction {
				s.function = function.Name.Name
				ast.Inspect(function, s.assign)
			}
			ast.Inspect(declaration, func(node ast.Node) bool {
				look(node)
				return true
			})
		}
	}
}

func (s *source) assign(node ast.Node) bool {
	assignment, isAssignment := node.(*ast.AssignStmt)
	if !isAssignment {
		return true
	}
	for i, left := range assignment.Lhs {
		if name, isName := left.(*ast.Ident); isName && len(assignment.Lhs) == len(assignment.Rhs) {
			s.assigned[name.Name] = append(s.assigned[name.Name], assignment.Rhs[i])
		}
	}
	return true
}

// name keeps what constants and variables of packages hold.
func (s *source) name(node ast.Node) {
	declaration, isDeclaration := node.(*ast.ValueSpec)
	if !isDeclaration {
		return
	}
	for i, name := range declaration.Names {
		if i < len(declaration.Values) {
			s.named[s.folder+"."+name.Name] = declaration.Values[i]
		}
	}
}

// find keeps the sentences of a node.
func (s *source) find(node ast.Node) {
	here := s.folder + "." + s.function
	switch node := node.(type) {
	case *ast.CallExpr:
		s.findInCall(node)
	case *ast.CompositeLit:
		s.findInLiteral(node)
	case *ast.ReturnStmt:
		if text, isOne := textsOfResults[here]; isOne && text.at < len(node.Results) {
			s.keep(text.group, s.text(node.Results[text.at]), node)
		}
	case *ast.AssignStmt:
		s.findInAssignment(node)
	case *ast.ValueSpec:
		for i, name := range node.Names {
			if group, isOne := textsOfConstants[s.folder+"."+name.Name]; isOne {
				s.keep(group, s.text(node.Values[i]), node)
			}
			if group, isOne := textsOfMaps[s.folder+"."+name.Name]; isOne {
				for _, element := range node.Values[i].(*ast.CompositeLit).Elts {
					s.keep(group, s.text(element.(*ast.KeyValueExpr).Value), element)
				}
			}
		}
	}
}

func (s *source) findInCall(call *ast.CallExpr) {
	name := lastNameOf(call.Fun)
	if text, isOne := textsOfCalls[name]; isOne && text.at < len(call.Args) {
		group := text.group
		if name == "ClientMistake" && s.function == "DeliverWebhook" {
			group = "webhook"
		}
		if sentence := s.textOfFormat(call.Args[text.at:]); sentence != gap {
			s.keep(group, sentence+text.behind, call)
		}
	}
	if name == "append" && lastNameOf(call.Args[0]) == "Problems" {
		s.keep(ungrouped, s.text(call.Args[1]), call)
	}
}

func (s *source) findInLiteral(literal *ast.CompositeLit) {
	if row, isOne := textsOfRows[s.folder+"."+s.function]; isOne && literal.Type == nil && row.at < len(literal.Elts) {
		s.keep(row.group, s.text(literal.Elts[row.at]), literal)
	}
	text, isOne := textsOfLiterals[lastNameOf(literal.Type)]
	if !isOne {
		return
	}
	for _, element := range literal.Elts {
		value, isNamed := element.(*ast.KeyValueExpr)
		switch {
		case !isNamed:
			s.keep(text.group, s.text(element), literal)
		case lastNameOf(value.Key) == text.field:
			s.keep(text.group, s.text(value.Value), literal)
		}
	}
}

func (s *source) findInAssignment(assignment *ast.AssignStmt) {
	if len(assignment.Lhs) != len(assignment.Rhs) {
		return
	}
	for i, left := range assignment.Lhs {
		group, isOne := textsOfFields[lastNameOf(left)]
		if _, isField := left.(*ast.SelectorExpr); !isField {
			group, isOne = textsOfVariables[s.folder+"."+s.function+"."+lastNameOf(left)]
		}
		if !isOne {
			continue
		}
		text := s.text(assignment.Rhs[i])
		if assignment.Tok == token.ADD_ASSIGN {
			text = gap + text
		}
		s.keep(group, text, assignment)
	}
}

func (s *source) keep(group, text string, at ast.Node) {
	if text != "" && text != gap {
		s.sentences[keyOf(group, text)] = s.files.Position(at.Pos()).String()
	}
}

var verbs = regexp.MustCompile(`%[a-z]`)

// text is what an expression says, with a gap for each value that stands in it.
func (s *source) text(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(of.Value); err == nil {
			return text
		}
	case *ast.BinaryExpr:
		if of.Op == token.ADD {
			return s.text(of.X) + s.text(of.Y)
		}
	case *ast.Ident:
		return s.textOfName(of.Name)
	case *ast.SelectorExpr:
		if folder, isName := of.X.(*ast.Ident); isName && s.named[folder.Name+"."+of.Sel.Name] != nil {
			return s.text(s.named[folder.Name+"."+of.Sel.Name])
		}
	case *ast.CallExpr:
		return s.textOfCall(of)
	}
	return gap
}

func (s *source) textOfName(name string) string {
	if assigned := s.assigned[name]; len(assigned) == 1 {
		return s.text(assigned[0])
	}
	if named := s.named[s.folder+"."+name]; named != nil && s.assigned[name] == nil {
		return s.text(named)
	}
	return gap
}

func (s *source) textOfCall(call *ast.CallExpr) string {
	switch name := lastNameOf(call.Fun); {
	case name == "Error" && len(call.Args) == 0:
		return s.text(call.Fun.(*ast.SelectorExpr).X)
	case name == "New" && len(call.Args) == 1:
		return s.text(call.Args[0])
	case name == "Sprintf" || name == "Errorf":
		return s.textOfFormat(call.Args)
	}
	return gap
}

// textOfFormat is the text of a format and of what stands in it, as fmt takes them.
func (s *source) textOfFormat(args []ast.Expr) string {
	at := 0
	return verbs.ReplaceAllStringFunc(s.text(args[0]), func(verb string) string {
		if at++; at >= len(args) || verb == "%d" || verb == "%q" {
			return gap
		}
		return s.text(args[at])
	})
}

func lastNameOf(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.Ident:
		return of.Name
	case *ast.SelectorExpr:
		return of.Sel.Name
	}
	return ""
}
