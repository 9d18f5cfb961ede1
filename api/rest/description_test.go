package rest_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"data-exhaust/api/rest"
	"data-exhaust/internal/apitest"
	"data-exhaust/report"
)

func TestTheDescriptionHasTheCallsOfTheRouterAndNoOthers(t *testing.T) {
	document, err := apitest.Document()
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, item := range document.Paths.Map() {
		for method := range item.Operations() {
			described[method+" "+path] = true
		}
	}
	routes, err := rest.Routes()
	if err != nil {
		t.Fatal(err)
	}
	routed := map[string]bool{}
	for _, route := range routes {
		methods, path, _ := strings.Cut(route, " ")
		if path == "/files/reports/" { // whatever is below it, by the methods that the store takes
			methods, path = "GET,HEAD", "/files/reports/{dataset}/{requestId}/{file}"
		}
		if strings.HasPrefix(path, "/docs/") {
			path = "/docs/{file}"
		}
		for method := range strings.SplitSeq(methods, ",") {
			routed[method+" "+path] = true
		}
	}
	for _, call := range slices.Sorted(maps.Keys(routed)) {
		if !described[call] {
			t.Errorf("the description lacks %s", call)
		}
	}
	for _, call := range slices.Sorted(maps.Keys(described)) {
		if !routed[call] {
			t.Errorf("the router lacks %s", call)
		}
	}
}

// TestTheDescriptionHasTheMembersOfEachResultAndNoOthers looks at those, too, that no answer of a test has.
func TestTheDescriptionHasTheMembersOfEachResultAndNoOthers(t *testing.T) {
	document, err := apitest.Document()
	if err != nil {
		t.Fatal(err)
	}
	results := maps.Clone(rest.Results)
	maps.Copy(results, map[string]any{"SummaryDay": report.DayRows{}, "SummaryQuestion": report.Question{}, "SummaryAnswer": report.ListedAnswer{}})
	for name, result := range results {
		schema := document.Components.Schemas[name].Value
		members := membersOf(reflect.TypeOf(result))
		for _, member := range slices.Sorted(maps.Keys(members)) {
			if schema.Properties[member] == nil {
				t.Errorf("%s lacks %s", name, member)
			}
			if isRequired := slices.Contains(schema.Required, member); isRequired == members[member] {
				t.Errorf("%s.%s is required: %v, and left out: %v", name, member, isRequired, members[member])
			}
		}
		for _, property := range slices.Sorted(maps.Keys(schema.Properties)) {
			if _, isThere := members[property]; !isThere {
				t.Errorf("%s has %s, which no answer has", name, property)
			}
		}
	}
}

// membersOf are the members of a struct's JSON, and whether they may be left out.
func membersOf(of reflect.Type) map[string]bool {
	members := map[string]bool{}
	for i := range of.NumField() {
		field := of.Field(i)
		if field.Anonymous {
			maps.Copy(members, membersOf(field.Type))
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		members[name] = strings.Contains(options, "omit")
	}
	return members
}
