package summary_test

import (
	"cmp"
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// oracle makes the summary of a CSV file's records in the simplest way there is: it holds everything in memory, reads JSON with
// encoding/json, and shares no code with the program.
type oracle struct {
	timezone   *time.Location
	minDevices int
	// refused are the devices whose answers are withheld, raw their rows' answers, by the number of the row.
	refused map[string]bool
	raw     []string
}

// The columns of a response exhaust that it reads.
const (
	deviceCell, sessionCell, questionCell, typeCell, titleCell = 3, 4, 5, 6, 7
	durationCell, optionsCell, responseCell, timeCell          = 9, 12, 13, 16
)

type oracleQuestion struct {
	id, kind                string
	titles                  map[string]*oracleTitle
	rows, answers, withheld int64
	durations, positions    []*big.Int
	sessions                map[string]bool
	ended                   int64
	given                   map[string]*oracleAnswer
}

type oracleTitle struct {
	lastRow int
	devices map[string]bool
}

type oracleAnswer struct {
	count   int64
	devices map[string]bool
	option  string
}

type object = map[string]any

// summarize gives the JSON value of the summary, but for what it is of.
func (o oracle) summarize(records [][]string) object {
	var (
		questions       = map[string]*oracleQuestion{}
		days            = map[string]int64{}
		hours           [24]int64
		devices         = map[string]bool{}
		rowsOf          = map[string]int64{} // by session
		lastQuestion    = map[string]string{}
		durations       []*big.Int
		withoutTime     int64
		withoutSession  int64
		answeredInOrder = map[string]bool{}
	)
	for n, cells := range records {
		q := questions[cells[questionCell]]
		if q == nil {
			q = &oracleQuestion{
				id: cells[questionCell], titles: map[string]*oracleTitle{}, sessions: map[string]bool{},
				given: map[string]*oracleAnswer{},
			}
			questions[q.id] = q
		}
		q.rows++
		q.kind = cells[typeCell]
		device := strings.ToLower(cells[deviceCell])
		if q.titles[cells[titleCell]] == nil {
			q.titles[cells[titleCell]] = &oracleTitle{devices: map[string]bool{}}
		}
		q.titles[cells[titleCell]].lastRow, q.titles[cells[titleCell]].devices[device] = n, true
		devices[device] = true
		if at, err := time.Parse(time.RFC3339Nano, cells[timeCell]); err != nil {
			withoutTime++
		} else {
			at = at.In(o.timezone)
			days[at.Format("2006-01-02")]++
			hours[at.Hour()]++
		}
		if regexp.MustCompile(`^-?(0|[1-9][0-9]{0,17})$`).MatchString(cells[durationCell]) {
			d, _ := new(big.Int).SetString(cells[durationCell], 10)
			durations, q.durations = append(durations, d), append(q.durations, d)
		}
		entries := entriesOf(o.raw[n])
		if o.refused[device] {
			q.withheld += int64(len(entries))
		} else {
			if cells[responseCell] != o.raw[n] {
				panic("the file has other answers than the row")
			}
			o.count(q, cells, device, entries)
		}
		session := cells[sessionCell]
		if session == "" {
			withoutSession++
			continue
		}
		rowsOf[session]++
		q.positions = append(q.positions, big.NewInt(rowsOf[session]))
		if len(entries) > 0 {
			lastQuestion[session], answeredInOrder[session], q.sessions[session] = q.id, true, true
		}
	}
	for _, id := range lastQuestion {
		questions[id].ended++
	}
	dayList := []any{}
	for _, day := range slices.Sorted(mapsKeys(days)) {
		dayList = append(dayList, object{"day": day, "rows": days[day]})
	}
	all := []*oracleQuestion{}
	for _, q := range questions {
		all = append(all, q)
	}
	slices.SortFunc(all, func(x, y *oracleQuestion) int {
		xMean, yMean := exactMean(x.positions), exactMean(y.positions)
		switch {
		case xMean != nil && yMean != nil:
			return cmp.Or(xMean.Cmp(yMean), cmp.Compare(x.id, y.id))
		case xMean != nil:
			return -1
		case yMean != nil:
			return 1
		}
		return cmp.Compare(x.id, y.id)
	})
	questionList := []any{}
	for _, q := range all {
		questionList = append(questionList, o.question(q))
	}
	return object{
		"minDevices": o.minDevices, "rows": len(records), "rowsWithoutTime": withoutTime, "devices": len(devices),
		"sessions": len(rowsOf), "rowsWithoutSession": withoutSession, "sessionsWithoutAnswer": len(rowsOf) - len(answeredInOrder),
		"days": dayList, "hours": hours, "meanDuration": shownMean(durations), "questions": questionList,
	}
}

func mapsKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func exactMean(of []*big.Int) *big.Rat {
	if len(of) == 0 {
		return nil
	}
	sum := new(big.Int)
	for _, n := range of {
		sum.Add(sum, n)
	}
	return new(big.Rat).SetFrac(sum, big.NewInt(int64(len(of))))
}

// shownMean rounds half up to hundredths: the greatest that is not greater than the mean and half of one.
func shownMean(of []*big.Int) any {
	mean := exactMean(of)
	if mean == nil {
		return nil
	}
	mean.Mul(mean, big.NewRat(100, 1)).Add(mean, big.NewRat(1, 2))
	floor := new(big.Int).Div(mean.Num(), mean.Denom()) // Euclidean: towards minus infinity
	text := new(big.Rat).SetFrac(floor, big.NewInt(100)).FloatString(2)
	return json.Number(strings.TrimSuffix(strings.TrimRight(text, "0"), "."))
}

func (o oracle) question(q *oracleQuestion) object {
	type listed struct {
		label string
		*oracleAnswer
	}
	var common []listed
	other, more, distinct := int64(0), int64(0), 0
	for label, a := range q.given {
		if len(a.devices) < o.minDevices {
			other += a.count
		} else {
			common = append(common, listed{label, a})
		}
	}
	slices.SortFunc(common, func(x, y listed) int { return cmp.Or(cmp.Compare(y.count, x.count), cmp.Compare(x.label, y.label)) })
	list := []any{}
	for i, a := range common {
		if i >= 50 {
			more += a.count
			distinct++
			continue
		}
		entry := object{"answer": cutText(a.label), "answers": a.count}
		if a.option != "" {
			entry["option"] = cutText(a.option)
		}
		list = append(list, entry)
	}
	return object{
		"id": cutText(q.id), "type": cutText(q.kind), "title": cutText(o.title(q)),
		"rows": q.rows, "answers": q.answers, "withheld": q.withheld,
		"meanDuration": shownMean(q.durations), "meanPosition": shownMean(q.positions),
		"sessions": len(q.sessions), "sessionsEnded": q.ended, "listed": list,
		"other": object{"answers": other}, "more": object{"answers": more, "distinct": distinct},
	}
}

// title is the only title, else the last one that enough devices were shown.
func (o oracle) title(q *oracleQuestion) (title string) {
	last := -1
	for text, t := range q.titles {
		if (len(q.titles) == 1 || len(t.devices) >= o.minDevices) && t.lastRow > last {
			title, last = text, t.lastRow
		}
	}
	return title
}

func cutText(text string) string {
	if characters := []rune(text); len(characters) > 1000 {
		return string(characters[:1000]) + "…"
	}
	return text
}

func (o oracle) count(q *oracleQuestion, cells []string, device string, entries []any) {
	type option struct{ key, label string }
	var options []option
	if strings.EqualFold(cells[typeCell], "mcq") {
		for _, entry := range entriesOf(cells[optionsCell]) {
			text, key, isText := sayOf(entry)
			if isText && key != nil && *key != "answer" && *key != "eval" {
				options = append(options, option{*key, text})
			}
		}
	}
	for _, entry := range entries {
		label, key, isText := sayOf(entry)
		chosen := -1
		find := func(is func(option) bool) {
			if chosen < 0 && isText {
				chosen = slices.IndexFunc(options, is)
			}
		}
		if key != nil {
			find(func(o option) bool { return sameKey(o.key, *key) })
		}
		find(func(o option) bool { return sameKey(o.key, label) })
		find(func(o option) bool { return folded(o.label) == folded(label) })
		number := ""
		if chosen >= 0 {
			label, number = options[chosen].label, options[chosen].key
		}
		a := q.given[label]
		if a == nil {
			a = &oracleAnswer{devices: map[string]bool{}}
			q.given[label] = a
		}
		a.count++
		a.devices[device] = true
		if number != "" {
			a.option = number
		}
		q.answers++
	}
}

func folded(text string) string {
	text = strings.NewReplacer("\u200c", "", "\u200d", "").Replace(text)
	return norm.NFC.String(cases.Fold().String(norm.NFD.String(strings.TrimSpace(text))))
}

// sameKey knows the digits of the generator's scripts.
func sameKey(x, y string) bool {
	digits := strings.NewReplacer("०", "0", "१", "1", "२", "2", "३", "3", "٢", "2")
	return digits.Replace(folded(x)) == digits.Replace(folded(y))
}

func entriesOf(cell string) []any {
	if cell == "" {
		return nil
	}
	value := decode(cell)
	if list, isList := value.([]any); isList {
		return list
	}
	return []any{value}
}

func decode(text string) (value any) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		panic(err)
	}
	return value
}

// sayOf is what an entry says: its text, or its JSON, and the key of the option that it names.
func sayOf(entry any) (text string, key *string, isText bool) {
	if text, ok := scalarText(entry); ok {
		return text, nil, true
	}
	members, isObject := entry.(object)
	if text, ok := scalarText(members["text"]); isObject && ok {
		if key, ok := scalarText(members["key"]); ok {
			return text, &key, true
		}
		return text, nil, true
	}
	if isObject && len(members) == 1 {
		for key, value := range members {
			key = cleaned(key)
			if written, isString := value.(string); isString {
				var held object
				if json.Unmarshal([]byte(cleaned(written)), &held) == nil {
					decoded, _ := decode(cleaned(written)).(object)
					if text, ok := scalarText(decoded["text"]); ok {
						return text, &key, true
					}
				}
				return cleaned(written), &key, true
			}
			if text, ok := scalarText(value); ok {
				return text, &key, true
			}
			if held, isObject := value.(object); isObject {
				if text, ok := scalarText(held["text"]); ok {
					return text, &key, true
				}
			}
		}
	}
	var written strings.Builder
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(entry); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(written.String(), "\n"), nil, false
}

func scalarText(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return cleaned(v), true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			panic(err)
		}
		if f == 0 {
			return "0", true
		}
		return strconv.FormatFloat(f, 'f', -1, 64), true
	}
	return "", false
}

func cleaned(text string) string { return strings.ReplaceAll(text, "\x00", "\ufffd") }
