package console

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-playground/locales"
	"github.com/go-playground/locales/en"
	"github.com/go-playground/locales/en_AU"
	"github.com/go-playground/locales/en_CA"
	"github.com/go-playground/locales/en_GB"
	"github.com/go-playground/locales/en_IE"
	"github.com/go-playground/locales/en_IN"
	"github.com/go-playground/locales/en_KE"
	"github.com/go-playground/locales/en_NG"
	"github.com/go-playground/locales/en_NZ"
	"github.com/go-playground/locales/en_PK"
	"github.com/go-playground/locales/en_SG"
	"github.com/go-playground/locales/en_US"
	"github.com/go-playground/locales/en_ZA"
	"github.com/go-playground/locales/hi"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// texts holds what the pages say, one file a language, in the form of go-i18n: {{.name}} is a value, and a text that counts has
// one for each plural of its language. A language without a text has that of English.
//
//go:embed texts/*.json
var texts embed.FS

// countries are the ways to write numbers, days and times, by their CLDR names.
var countries = []locales.Translator{
	en.New(), en_AU.New(), en_CA.New(), en_GB.New(), en_IE.New(), en_IN.New(), en_KE.New(), en_NG.New(),
	en_NZ.New(), en_PK.New(), en_SG.New(), en_US.New(), en_ZA.New(), hi.New(),
}

// languages are those that the pages speak, English first.
type languages struct {
	bundle *i18n.Bundle
	names  []string
	match  language.Matcher
	forms  sentenceForms
}

func readLanguages() (*languages, error) {
	l := &languages{bundle: i18n.NewBundle(language.English)}
	l.bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	files, err := texts.ReadDir("texts")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		read, err := l.bundle.LoadMessageFileFS(texts, path.Join("texts", file.Name()))
		if err != nil {
			return nil, fmt.Errorf("texts/%s: %w", file.Name(), err)
		}
		if read.Tag == language.English {
			l.forms = readForms(read.Messages)
		}
		l.names = append(l.names, strings.TrimSuffix(file.Name(), ".json"))
	}
	slices.Sort(l.names) // en comes before hi
	var tags []language.Tag
	for _, name := range l.names {
		tags = append(tags, language.Make(name))
	}
	l.match = language.NewMatcher(tags)
	return l, nil
}

// nameOf is a language's name for itself.
func (l *languages) nameOf(name string) string {
	return reader{texts: i18n.NewLocalizer(l.bundle, name)}.T("language")
}

// reader speaks the language of whoever reads a page, and writes numbers, days and times as his country does.
type reader struct {
	Language string
	texts    *i18n.Localizer
	country  locales.Translator
	zone     *time.Location
	forms    sentenceForms
}

// readerOf is the reader who makes a request: in the language of his choice, "" where he made none, else in one that his browser asks
// for.
func (l *languages) readerOf(r *http.Request, choice string, zone *time.Location) reader {
	wanted, _, _ := language.ParseAcceptLanguage(r.Header.Get("Accept-Language")) // what cannot be read asks for nothing
	asked := slices.Clone(wanted)
	if slices.Contains(l.names, choice) {
		chosen := language.Make(choice)
		wanted = slices.DeleteFunc(wanted, func(tag language.Tag) bool { return !isSameLanguage(tag, chosen) })
		wanted = append(wanted, chosen)
	}
	_, at, confidence := l.match.Match(wanted...)
	if confidence == language.No {
		at = 0
	}
	name := l.names[at]
	return reader{Language: name, texts: i18n.NewLocalizer(l.bundle, name), country: countryOf(asked, wanted, name), zone: zone, forms: l.forms}
}

func isSameLanguage(x, y language.Tag) bool {
	a, _ := x.Base()
	b, _ := y.Base()
	return a == b
}

// countryOf is how a language is written in the reader's country. English is written in most of them, whatever else is spoken there: it
// is that of the first country that his browser names, asked being all languages that it asks for. Any other language is as the first
// of the wanted that is of it.
func countryOf(asked, wanted []language.Tag, name string) locales.Translator {
	if name == "en" {
		for _, tag := range asked {
			if region, confidence := tag.Region(); confidence == language.Exact {
				return cmp.Or(findCountry("en_"+region.String()), findCountry("en_GB"))
			}
		}
	}
	for _, tag := range wanted {
		if !isSameLanguage(tag, language.Make(name)) {
			continue
		}
		if found := findCountry(strings.ReplaceAll(tag.String(), "-", "_")); found != nil {
			return found
		}
	}
	return cmp.Or(findCountry(name), countries[0])
}

// findCountry is a way to write of this name; nil where there is none.
func findCountry(cldr string) locales.Translator {
	if at := slices.IndexFunc(countries, func(c locales.Translator) bool { return c.Locale() == cldr }); at >= 0 {
		return countries[at]
	}
	return nil
}

// T is the text of a key, with values by their names, in turns of name and value. Numbers are written as the reader writes them,
// and the one named n decides which plural it is.
func (r reader) T(key string, pairs ...any) string {
	config := &i18n.LocalizeConfig{MessageID: key}
	if len(pairs) > 0 {
		values := map[string]any{}
		for i := 0; i+1 < len(pairs); i += 2 {
			name, value := fmt.Sprint(pairs[i]), pairs[i+1]
			if n, isNumber := wholeNumber(value); isNumber {
				if name == "n" {
					config.PluralCount = n
				}
				value = r.N(n)
			}
			values[name] = value
		}
		config.TemplateData = values
	}
	text, err := r.texts.Localize(config)
	if err != nil && text == "" {
		return key // a test finds each key that has no text
	}
	return text
}

// isolate is a text that a stranger has named, such as the name of a bot, within one that holds no elements: whichever way it is
// written, and whatever signs that turn a line round are in it, what stands beside it stays as it is. In HTML the element bdi does that.
func isolate(text string) string {
	const first, pop = "\u2068", "\u2069"
	return first + isolates.Replace(text) + pop
}

// isolates are the signs that would end it, or keep it from ending.
var isolates = strings.NewReplacer("\u2066", "", "\u2067", "", "\u2068", "", "\u2069", "")

// Has reports whether a key has a text.
func (r reader) Has(key string) bool {
	text, err := r.texts.Localize(&i18n.LocalizeConfig{MessageID: key})
	return err == nil || text != ""
}

func wholeNumber(value any) (int64, bool) {
	switch v := value.(type) {
	case int:
		return int64(v), true
	case int64:
		return v, true
	}
	return 0, false
}

// N is a whole number.
func (r reader) N(n any) string {
	whole, _ := wholeNumber(n)
	return r.country.FmtNumber(float64(whole), 0)
}

// Decimal is a number with a few decimals.
func (r reader) Decimal(value float64, decimals int) string {
	return r.country.FmtNumber(value, uint64(decimals))
}

// Percent is a share of something, in whole percent; of nothing it is "–".
func (r reader) Percent(part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	return r.country.FmtPercent(100*float64(part)/float64(whole), 0)
}

// Bytes is a size.
func (r reader) Bytes(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	size, unit := float64(n), 0
	for size >= 999.5 && unit < len(units)-1 {
		size, unit = size/1000, unit+1
	}
	decimals := 0
	if unit > 0 && size < 99.95 {
		decimals = 1
	}
	return r.Decimal(size, decimals) + "\u00a0" + units[unit]
}

// Day is a day as people say it; "" of none.
func (r reader) Day(day exhaust.Day) string {
	at, err := time.Parse(time.DateOnly, string(day))
	if err != nil {
		return string(day)
	}
	return r.country.FmtDateMedium(at)
}

// Days are the first and the last day of a range as people say them.
func (r reader) Days(from, to exhaust.Day) string {
	if from == to {
		return r.Day(from)
	}
	return r.Day(from) + " – " + r.Day(to)
}

// Time is a point in time, to the minute, in the service's zone, which it names.
func (r reader) Time(at time.Time) string {
	if at.IsZero() {
		return "–"
	}
	at = at.In(r.zone)
	return r.country.FmtDateMedium(at) + ", " + r.Clock(at) + " " + at.Format("MST")
}

// Age is how long ago something was.
func (r reader) Age(at time.Time) string {
	if at.IsZero() {
		return "–"
	}
	return r.T("age.ago", "time", r.Span(max(time.Since(at), 0)))
}

// Span is a length of time, in its largest unit or two, rounded: of a week and more the hours do not matter.
func (r reader) Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d.Round(time.Second) < time.Minute:
		return r.T("span.seconds", "n", int64(d.Round(time.Second)/time.Second))
	case d.Round(time.Minute) < time.Hour:
		return r.T("span.minutes", "n", int64(d.Round(time.Minute)/time.Minute))
	case d.Round(time.Minute) < day:
		return r.twoUnits(d.Round(time.Minute), "hours", time.Hour, "minutes", time.Minute)
	case d.Round(time.Hour) < 7*day:
		return r.twoUnits(d.Round(time.Hour), "days", day, "hours", time.Hour)
	}
	return r.T("span.days", "n", int64(d.Round(day)/day))
}

// twoUnits is a length of time in two units; without the smaller one where none is left of it.
func (r reader) twoUnits(d time.Duration, largeName string, large time.Duration, smallName string, small time.Duration) string {
	text := r.T("span."+largeName, "n", int64(d/large))
	if remaining := int64(d % large / small); remaining > 0 {
		text += " " + r.T("span."+smallName, "n", remaining)
	}
	return text
}

// mostOf is the most that is accepted, where the sentence of a fault says it and no detail does: characters, and of jitter minutes.
var mostOf = map[*exhaust.Code]int{
	exhaust.NameInvalid: exhaust.MaxName, exhaust.TokenNameInvalid: access.MaxTokenName, exhaust.JitterInvalid: int(service.MaxJitter / time.Minute),
}

// Fault says in the reader's language what went wrong; in English where his language has no text for it.
func (r reader) Fault(f exhaust.Fault) string {
	key := "fault." + f.Code.Name()
	if !r.Has(key) {
		return f.Sentence
	}
	pairs := make([]any, 0, 2*len(f.Details)+2)
	if most, isBound := mostOf[f.Code]; isBound {
		pairs = append(pairs, "most", most)
	}
	for name, value := range f.Details {
		switch given := value.(type) {
		case []string:
			value = strings.Join(given, ", ")
		case string:
			if value = r.Day(exhaust.Day(given)); name == "right" { // other texts stay as they are
				value = r.rightName(given)
			}
		}
		pairs = append(pairs, name, value)
	}
	return cmp.Or(r.T(key, pairs...), f.Sentence)
}

// rightName is what the pages call a right.
func (r reader) rightName(right string) string {
	if right == access.OperatorRight {
		return r.T("tokens.operator")
	}
	return r.T("dataset." + right)
}

// Percent100 is a number of percent.
func (r reader) Percent100(percent int) string { return r.country.FmtPercent(float64(percent), 0) }

// Machine is a point in time as programs read it.
func (r reader) Machine(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// ShortDay is a day without its year, for where many stand side by side.
func (r reader) ShortDay(day exhaust.Day) string {
	at, err := time.Parse(time.DateOnly, string(day))
	if err != nil {
		return string(day)
	}
	return strconv.Itoa(at.Day()) + " " + r.country.MonthAbbreviated(at.Month())
}
