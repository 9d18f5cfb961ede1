package console

import (
	"strings"
)

// verdict is what somebody at three in the morning wants to know first.
type verdict struct {
	// Look is how the worst of it looks: good, warn or bad.
	Look string
	// Sentence is the worst, More the rest.
	Sentence string
	More     []string
	// IsLate says that not all is known yet.
	IsLate bool
}

// judge is the verdict on the service, by what failed since last night and the other sections.
func (p *operationsPage) judge(recent section[failures]) verdict {
	v := verdict{IsLate: p.Night.IsLate || recent.IsLate || p.Workers.IsLate || p.Health.IsLate}
	p.judgeDependencies(&v)
	p.judgeNight(&v)
	p.judgeFailures(&v, recent)
	if absent := p.absentSections(recent); len(absent) > 0 {
		v.add("warn", p.T("verdict.unknown", "what", strings.Join(absent, ", ")))
	}
	switch {
	case v.Sentence != "":
	case v.IsLate:
		v.Look, v.Sentence = "busy", p.T("verdict.late")
	default:
		v.Look, v.Sentence = "good", p.T("verdict.good")
	}
	return v
}

// add adds a sentence, the worst first.
func (v *verdict) add(look, sentence string) {
	if v.Sentence != "" {
		v.More = append(v.More, sentence)
		return
	}
	v.Look, v.Sentence = look, sentence
}

// judgeDependencies says of what the service needs that it is away.
func (p *operationsPage) judgeDependencies(v *verdict) {
	if p.Workers.IsKnown() && len(p.Workers.Value) == 0 {
		v.add("bad", p.T("verdict.workers"))
	}
	var down []string
	for _, dependency := range p.Health.Value {
		if dependency.Err != nil {
			down = append(down, p.DependencyName(dependency))
		}
	}
	if len(down) > 0 {
		v.add("bad", p.T("verdict.down", "what", strings.Join(down, ", ")))
	}
}

// judgeNight says of last night that it came to nothing, or not to all that it should have.
func (p *operationsPage) judgeNight(v *verdict) {
	if !p.Night.IsKnown() {
		return
	}
	if p.NightLook() == "bad" {
		v.add("bad", p.T("verdict.night"))
	}
	if !p.HasNight() {
		v.add("warn", p.T("verdict.nonight"))
	}
	if summary := p.Night.Value.Summary; summary != nil && (len(summary.Problems) > 0 || summary.Unreleased > 0 || summary.Deleted.Failed > 0) {
		v.add("warn", p.T("verdict.problems"))
	}
	if p.Night.Value.Paused {
		v.add("warn", p.T("verdict.paused"))
	}
}

// judgeFailures counts what failed since last night.
func (p *operationsPage) judgeFailures(v *verdict, recent section[failures]) {
	switch found := recent.Value; {
	case found.Count > 0 && found.More > 0:
		v.add("warn", p.T("verdict.failures.more", "n", found.Count))
	case found.Count > 0:
		v.add("warn", p.T("verdict.failures", "n", found.Count))
	}
}

// absentSections are the titles of the sections that nothing is known of.
func (p *operationsPage) absentSections(recent section[failures]) (titles []string) {
	for _, section := range []struct{ name, absence string }{
		{nightSection, p.Night.Absence}, {failuresSection, recent.Absence}, {workersSection, p.Workers.Absence}, {healthSection, p.Health.Absence},
	} {
		if section.absence != "" {
			titles = append(titles, p.T("operations."+section.name))
		}
	}
	return titles
}
