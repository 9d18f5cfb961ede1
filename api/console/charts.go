package console

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// routeCharts adds the page of an exhaust's charts, and each of them as a file.
func (c *Console) routeCharts(router *mux.Router, path string) {
	c.route(router, path, c.forReaders(c.showCharts), nil)
	c.route(router, path+"/{name}.svg", c.forReaders(c.saveChart), nil)
}

// chartsPage shows the numbers of an exhaust.
type chartsPage struct {
	oneExhaust
	Summary summary
	// Charts are those of the whole exhaust, on the first page only.
	Charts    []chart
	Questions []questionCharts
	// Fault is why there are no numbers.
	Fault string
	// Before and After lead to the questions before these and after; "" where there are none.
	Before, After string
}

// questionCharts is what is shown of a question.
type questionCharts struct {
	question
	Chart chart
}

// questionsPerPage is how many questions a page has.
const questionsPerPage = 20

func (c *Console) showCharts(v *visit) error {
	one, _, err := v.lookAtExhaust()
	if err != nil {
		return err
	}
	v.Title = v.T("charts.title", "name", isolate(one.Name))
	page, err := strconv.Atoi(cmp.Or(v.value("page"), "1"))
	if err != nil || page < 1 || page > maxPages {
		return errNoPage
	}
	p := chartsPage{oneExhaust: one}
	if p.Fault = one.absence(); p.Fault != "" {
		return v.show(http.StatusBadRequest, "charts", p)
	}
	p.Summary, err = p.read((page-1)*questionsPerPage+1, questionsPerPage)
	if p.Fault = v.faultOf(err); p.Fault != "" {
		return v.show(http.StatusBadRequest, "charts", p)
	}
	if err != nil {
		return err
	}
	if page > 1 && len(p.Summary.Questions) == 0 {
		return errNoPage
	}
	p.fill(page)
	return v.show(http.StatusOK, "charts", p)
}

// maxPages is more than there are questions for.
const maxPages = 1_000_000

// Draw is the picture of a chart. Whoever does not wait any more has none drawn.
func (p chartsPage) Draw(c chart) (template.HTML, error) {
	if err := p.ctx().Err(); err != nil {
		return "", err
	}
	return c.SVG(), nil
}

// fill makes the charts of a page, and links it to the others.
func (p *chartsPage) fill(page int) {
	if page == 1 {
		for _, chartOf := range p.makers() {
			p.Charts = append(p.Charts, chartOf(p.Summary))
		}
	}
	for _, q := range p.Summary.Questions {
		p.Questions = append(p.Questions, questionCharts{q, p.answersOf(q, p.Summary.MinDevices)})
	}
	if page == 2 {
		p.Before = p.URL("/charts")
	} else if page > 2 {
		p.Before = p.URL("/charts", "page", page-1)
	}
	if page*questionsPerPage < p.Summary.QuestionCount {
		p.After = p.URL("/charts", "page", page+1)
	}
}

// read reads the summary of the exhaust with some of its questions.
func (p oneExhaust) read(first, count int) (s summary, err error) {
	select {
	case p.summaries <- struct{}{}:
		defer func() { <-p.summaries }()
	case <-p.ctx().Done():
		return s, p.ctx().Err()
	}
	file, err := p.Service.Summary(p.ctx(), p.caller, p.Job.Tag, p.Job.Channel, p.Job.ID)
	if err != nil {
		return s, err
	}
	s, err = readSummary(p.ctx(), file, first, count)
	err = errors.Join(err, file.Close())
	if late := p.ctx().Err(); late != nil {
		return s, late
	}
	if err != nil {
		return s, &service.UnavailableError{Dependency: service.ReportsDependency, Err: err}
	}
	return s, nil
}

// saveChart answers a chart as a file.
func (c *Console) saveChart(v *visit) error {
	one, _, err := v.lookAtExhaust()
	if err != nil {
		return err
	}
	name := mux.Vars(v.r)["name"]
	number, err := strconv.Atoi(strings.TrimPrefix(name, questionPrefix))
	if err != nil || name == strconv.Itoa(number) {
		number = 0
	}
	s, err := one.read(number, 1)
	if err != nil {
		return err
	}
	for _, chartOf := range one.makers() {
		if c := chartOf(s); c.Name == name {
			return v.save(c, one.Job)
		}
	}
	if len(s.Questions) == 0 {
		return errNoPage
	}
	return v.save(one.answersOf(s.Questions[0], s.MinDevices), one.Job)
}

// save answers a chart of an exhaust as a file.
func (v *visit) save(c chart, job exhaust.Job) error {
	v.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", c.FileName(job)+".svg"))
	v.send(http.StatusOK, "image/svg+xml", c.File())
	return nil
}

// FileName is the name under which a chart of an exhaust is saved, without its extension: it tells the days, or of an exhaust that
// covers none the one on which its file was made, so that the charts of two lie side by side.
func (c chart) FileName(job exhaust.Job) string {
	if job.From == "" {
		return strings.TrimSuffix(path.Base(job.Report), ".csv") + "_" + c.Name
	}
	return fmt.Sprintf("%s_%s_%s_%s", job.ConversationID, job.From, job.To, c.Name)
}

// makers make the charts of the whole exhaust.
func (p oneExhaust) makers() []func(summary) chart {
	if p.Job.Dataset == exhaust.PrivateExhaust {
		return []func(summary) chart{p.consent}
	}
	return []func(summary) chart{p.days, p.hours, p.funnel}
}

// source is what every chart of the exhaust says that it is of.
func (p oneExhaust) source() string { return isolate(p.Name) + ", " + p.Covered(p.Job) }

// days are the rows of each day that the exhaust covers.
func (p oneExhaust) days(s summary) chart {
	c := chart{
		Name: "days", Title: p.T("charts.days"), Source: p.source(), IsUpright: true, write: p.N,
		Heads: []string{p.T("charts.day"), p.T("exhausts.rows")},
	}
	most := bar{Value: -1}
	for day := s.From; day != "" && day <= s.To; day = day.Add(1) {
		b := bar{Label: p.ShortDay(day), Value: s.Days[day], Note: p.T("charts.rows.n", "n", s.Days[day])}
		if b.Value > most.Value {
			most = bar{Label: p.Day(day), Value: b.Value}
		}
		c.Bars = append(c.Bars, b)
		c.Rows = append(c.Rows, []cell{{p.Day(day), string(day)}, p.numberCell(b.Value)})
	}
	c.Description = p.T("charts.days.description", "days", p.Days(s.From, s.To), "day", most.Label, "most", most.Value)
	return c
}

// hours are the rows of each hour of the day.
func (p oneExhaust) hours(s summary) chart {
	c := chart{
		Name: "hours", Title: p.T("charts.hours"), Source: p.source(), IsUpright: true, write: p.N,
		Heads: []string{p.T("charts.hour"), p.T("exhausts.rows")},
	}
	most := 0
	for hour, n := range s.Hours {
		if n > s.Hours[most] {
			most = hour
		}
		name := fmt.Sprintf("%d:00", hour)
		c.Bars = append(c.Bars, bar{Label: strconv.Itoa(hour), Value: n, Note: p.T("charts.rows.n", "n", n)})
		c.Rows = append(c.Rows, []cell{{name, name}, p.numberCell(n)})
	}
	c.Description = p.T("charts.hours.description", "zone", p.Zone(), "hour", fmt.Sprintf("%d:00", most), "most", s.Hours[most])
	return c
}

// funnel is how many sessions came to each question, in the usual order of the questions, and ended there.
func (p oneExhaust) funnel(s summary) chart {
	c := chart{
		Name: "funnel", Title: p.T("charts.funnel"), Source: p.source(), write: p.N,
		Heads:       []string{p.T("charts.question"), p.T("charts.sessions"), p.T("charts.ended"), p.T("charts.ended.share")},
		Description: p.T("charts.funnel.description", "n", s.Sessions),
		Whole:       s.Sessions,
	}
	for _, q := range s.Path {
		label := fmt.Sprintf("%s. %s", p.N(q.Number), p.titleOf(q))
		c.Bars = append(c.Bars, bar{
			Label: label, Value: q.Sessions, Part: q.SessionsEnded, Note: p.T("charts.funnel.note", "sessions", q.Sessions, "ended", q.SessionsEnded),
		})
		c.Rows = append(c.Rows, []cell{
			{Text: label}, p.numberCell(q.Sessions), p.numberCell(q.SessionsEnded), p.shareCell(q.SessionsEnded, q.Sessions),
		})
	}
	return c
}

// consent is how many people there are by their consent.
func (p oneExhaust) consent(s summary) chart {
	c := chart{
		Name: "consent", Title: p.T("charts.consent"), Source: p.source(), write: p.N,
		Heads:       []string{p.T("charts.consent.head"), p.T("charts.people"), p.T("charts.share")},
		Description: p.T("charts.consent.description", "n", s.Devices),
	}
	for _, of := range []struct {
		name string
		n    int64
	}{{"given", s.Consent.Given}, {"refused", s.Consent.Refused}, {"unrecorded", s.Consent.Unrecorded}} {
		label := p.T("charts.consent." + of.name)
		c.Bars = append(c.Bars, bar{Label: label, Value: of.n, Note: p.noteOf(of.n, s.Devices)})
		c.Rows = append(c.Rows, []cell{{Text: label}, p.numberCell(of.n), p.shareCell(of.n, s.Devices)})
	}
	return c
}

// questionPrefix begins the names of the charts of questions.
const questionPrefix = "question-"

// maxBars is how many answers to a question have a bar of their own. The table has all that are listed.
const maxBars = 12

// answersOf are the answers to a question.
func (p oneExhaust) answersOf(q question, minDevices int) chart {
	c := chart{
		Name: questionPrefix + strconv.Itoa(q.Number), Title: p.titleOf(q), Source: p.source(), write: p.N,
		Heads:       []string{p.T("charts.answer"), p.T("charts.count"), p.T("charts.share")},
		Description: p.T("charts.question.description", "n", q.Answers),
	}
	rare := q.More.Answers
	for i, listed := range q.Listed {
		label := cmp.Or(strings.TrimSpace(listed.Answer), p.T("charts.answer.empty"))
		c.Rows = append(c.Rows, []cell{{Text: label}, p.numberCell(listed.Answers), p.shareCell(listed.Answers, q.Answers)})
		if i >= maxBars {
			rare += listed.Answers
			continue
		}
		c.Bars = append(c.Bars, bar{Label: label, Value: listed.Answers, Note: p.noteOf(listed.Answers, q.Answers)})
	}
	rest := func(label string, drawn, told int64) {
		if drawn > 0 {
			c.Bars = append(c.Bars, bar{Label: label, Value: drawn, Note: p.noteOf(drawn, q.Answers), IsRest: true})
		}
		if told > 0 {
			c.Rows = append(c.Rows, []cell{{Text: label}, p.numberCell(told), p.shareCell(told, q.Answers)})
		}
	}
	rest(p.T("charts.answer.rare"), rare, q.More.Answers)
	rest(p.T("charts.answer.few", "n", minDevices), q.Other.Answers, q.Other.Answers)
	if q.Withheld > 0 {
		c.Rows = append(c.Rows, []cell{{Text: p.T("charts.answer.withheld")}, p.numberCell(q.Withheld), {Text: "–"}})
	}
	return c
}

// titleOf is a question's title; where it has none to show, its id.
func (p oneExhaust) titleOf(q question) string {
	if title := strings.TrimSpace(q.Title); title != "" {
		return title
	}
	return p.T("charts.question.untitled", "id", cmp.Or(q.ID, "–"))
}

// Headline is the title of a question on its card, behind its number.
func (p chartsPage) Headline(q questionCharts) string {
	const letters = 140
	return fmt.Sprintf("%s. %s", p.N(q.Number), cut(q.Chart.Title, letters))
}

// Mean is a mean duration.
func (p chartsPage) Mean(seconds *float64) string {
	if seconds == nil {
		return "–"
	}
	return p.T("charts.seconds", "seconds", p.Decimal(*seconds, 1))
}

// First and Last are the numbers of the first and the last question of the page.
func (p chartsPage) First() int { return p.Questions[0].Number }
func (p chartsPage) Last() int  { return p.Questions[len(p.Questions)-1].Number }

func (p oneExhaust) noteOf(n, of int64) string { return p.N(n) + " · " + p.Percent(n, of) }

func (p oneExhaust) numberCell(n int64) cell { return cell{p.N(n), strconv.FormatInt(n, 10)} }

// shareCell is a share: as whole percent for people, as a fraction with four decimals for programs.
func (p oneExhaust) shareCell(n, of int64) cell {
	if of == 0 {
		return cell{Text: "–"}
	}
	return cell{p.Percent(n, of), strconv.FormatFloat(float64(n)/float64(of), 'f', 4, 64)}
}
