package console

import "data-exhaust/exhaust"

// daysForm is the form of the sentence that an exhaust ends with whose days are none to ask for: those that the request left open are
// the conversation's own. Which of them are wrong is a clause of rangeGroup.
const (
	daysForm   = "cause.days"
	rangeGroup = "range"
)

// Plainly is why something came to nothing, in plainer words than the program's where there are some.
func (r reader) Plainly(sentence string) wording {
	if form, values := r.wrongDays(sentence); form != "" {
		return wording{Text: r.T("days."+form, values...)}
	}
	f, values, _ := r.match(sentence, ungrouped, causeGroup)
	if key := "reason." + f.name; r.Has(key) {
		return wording{Text: r.T(key, values...)}
	}
	return r.Say(sentence)
}

// wrongDays is the form of what a sentence says is wrong with days, with what stands in it, in turns of name and value; "" of any other
// sentence.
func (r reader) wrongDays(sentence string) (form string, values []any) {
	f, _, isKnown := r.match(sentence, causeGroup)
	if !isKnown || f.name != daysForm {
		return "", nil
	}
	clause, values, _ := r.match(f.pattern.FindStringSubmatch(sentence)[1], rangeGroup)
	return clause.name, values
}

// isOfNobody reports whether an exhaust of everybody who is registered comes to nothing because nobody is. The program says the same of
// one that finds no telemetry.
func (r reader) isOfNobody(message string, request exhaust.Request) bool {
	return !request.UsesTelemetry() && r.FormOf(message) == "cause.nodata"
}
