package summary

import (
	"bytes"
	"errors"
	"hash/maphash"
	"strings"
	"unicode"
	"unicode/utf8"

	"data-exhaust/exhaust"
	"data-exhaust/telemetry"
)

// item is what the cells of an edata.item, but for its title, say of its question.
type item struct {
	key key
	// number tells it from the items that had its place before.
	number uint64
	cells  [len(itemColumns)][]byte
	texts  *questionTexts
	// titles are those that it had last, in the order of nextTitle.
	titles    [recentTitles]recentTitle
	nextTitle int
	// byKey and byLabel are the options of an mcq by their keys and by their labels, both folded; nil of any other question.
	byKey, byLabel map[string]option
	// size is about how many bytes it takes, if it is kept at all.
	size   int
	isKept bool
	// visits is the number of the question among visits, if it hasNumber there.
	visits    uint16
	hasNumber bool
	// question is what is added up, in the epoch.
	question *question
	epoch    uint64
}

// questionTexts are a question's texts as they are shown.
type questionTexts struct{ id, kind string }

func (t *questionTexts) size() int { return len(t.id) + len(t.kind) }

// option is one of an mcq: its label as it stands, its key as the summary shows it.
type option struct {
	label []byte
	key   string
}

// A title is not among them: bots put names and answers into titles.
var itemColumns = [...]int{exhaust.QuestionIDColumn, exhaust.TypeColumn, exhaust.OptionsColumn}

const (
	// itemSets and maxResponses are powers of two.
	itemSets = 512
	itemWays = 4 // how many items can be in a set
	// maxItems is about how many bytes items take, maxItem how many one of them may take to be kept.
	maxItems = 4 << 20
	maxItem  = 1 << 20
	// itemSize and optionSize are what they take beside their texts.
	itemSize   = 400
	optionSize = 250

	maxResponses = 2048
	maxResponse  = 256
	// maxChoices and maxOptionKey bound what is kept of a response.
	maxChoices   = 32
	maxOptionKey = 64

	// maxParams and maxOptions bound what is read of the options of a question, which one row may have megabytes of.
	maxParams  = 64 << 10
	maxOptions = 1000
	// maxChoice is longer than any option. A longer answer is none.
	maxChoice = maxParams
)

// itemCache keeps what was made of items, and of what was answered to them: a conversation asks few questions.
type itemCache struct {
	seed  maphash.Seed
	items [itemSets][itemWays]*item
	// size is about how many bytes they take.
	size      int
	responses []response
	numbers   uint64
	reader    telemetry.AnswerReader
}

// response is a cell of ResponseColumn and the answers in it, of an epoch.
type response struct {
	item    uint64
	cell    []byte
	choices []choice
	epoch   uint64
}

// choice is an answer and the key of the option by which it was given; "" where it is none. Of one label, options of several
// keys are one answer.
type choice struct {
	answer *answer
	option string
}

// find gives the item of a row.
func (c *itemCache) find(row *exhaust.ResponseRow) *item {
	set := &c.items[maphash.Bytes(c.seed, row.Cells[exhaust.QuestionIDColumn])%itemSets]
	for _, i := range set {
		if i != nil && i.isOf(row) {
			return i
		}
	}
	c.numbers++
	i := c.read(row)
	if i.size <= maxItem {
		c.keep(i, &set[c.numbers%itemWays])
	}
	return i
}

func (i *item) isOf(row *exhaust.ResponseRow) bool {
	for n, column := range itemColumns {
		if !bytes.Equal(i.cells[n], row.Cells[column]) {
			return false
		}
	}
	return true
}

// keep puts an item into a place, whose item makes room. All do where there is too little.
func (c *itemCache) keep(i *item, place **item) {
	for n, cell := range i.cells {
		i.cells[n] = bytes.Clone(cell)
	}
	if *place != nil {
		c.size -= (*place).size
	}
	*place, i.isKept = i, true
	if c.size += i.size; c.size > maxItems {
		c.clear()
		*place, c.size = i, i.size
	}
}

func (c *itemCache) clear() {
	clear(c.items[:])
	c.size = 0
}

// read makes the item of a row, with the row's own cells.
func (c *itemCache) read(row *exhaust.ResponseRow) *item {
	i := &item{number: c.numbers, size: itemSize}
	for n, column := range itemColumns {
		i.cells[n] = row.Cells[column]
		i.size += len(i.cells[n])
	}
	id, kind, params := i.cells[0], i.cells[1], i.cells[2]
	i.key = keyOf(id)
	i.texts = &questionTexts{id: cut(id), kind: cut(kind)}
	i.size += i.texts.size()
	if bytes.EqualFold(kind, []byte("mcq")) {
		c.readOptions(i, params)
	}
	return i
}

// readOptions reads the options of an mcq. One that has too many has none.
func (c *itemCache) readOptions(i *item, params []byte) {
	if len(params) > maxParams {
		return
	}
	i.byKey, i.byLabel = map[string]option{}, map[string]option{}
	options := 0
	err := c.reader.Read(params, func(entry *telemetry.Answer) error {
		if !isOption(entry) {
			return nil
		}
		if options++; options > maxOptions {
			return errTooManyOptions
		}
		i.addOption(entry)
		return nil
	})
	if err != nil {
		i.byKey, i.byLabel = nil, nil
	}
}

var errTooManyOptions = errors.New("too many options")

// isOption tells whether an entry of params is an option.
func isOption(entry *telemetry.Answer) bool {
	return entry.Key != nil && entry.IsText && string(entry.Key) != "answer" && string(entry.Key) != "eval"
}

// addOption adds an option. Of two with one key or one label the first counts.
func (i *item) addOption(entry *telemetry.Answer) {
	o := option{bytes.Clone(entry.Text), cut(entry.Key)}
	i.size += 2*(len(entry.Key)+len(entry.Text)) + optionSize
	if key := foldDigits(fold(entry.Key)); !hasKey(i.byKey, key) {
		i.byKey[key] = o
	}
	if label := fold(entry.Text); !hasKey(i.byLabel, label) {
		i.byLabel[label] = o
	}
}

func hasKey(options map[string]option, key string) bool {
	_, ok := options[key]
	return ok
}

func fold(text []byte) string { return exhaust.FoldText(string(text)) }

// foldDigits makes the decimal digits of any script ASCII's, in a text that is compared with the key of an option.
func foldDigits(folded string) string {
	return strings.Map(func(c rune) rune {
		if c < utf8.RuneSelf || !unicode.Is(unicode.Nd, c) {
			return c
		}
		return '0' + digitValue(c)
	}, folded)
}

// digitValue is that of a decimal digit. Those of a script come in tens, from zero on.
func digitValue(digit rune) rune {
	for _, tens := range unicode.Nd.R16 {
		if rune(tens.Lo) <= digit && digit <= rune(tens.Hi) {
			return (digit - rune(tens.Lo)) % 10
		}
	}
	for _, tens := range unicode.Nd.R32 {
		if rune(tens.Lo) <= digit && digit <= rune(tens.Hi) {
			return (digit - rune(tens.Lo)) % 10
		}
	}
	return 0
}

// choose gives the label under which an entry counts, and the key of the option that it is; "" where it is none.
func (i *item) choose(entry *telemetry.Answer) (label []byte, key string) {
	if i.byKey == nil || !entry.IsText || len(entry.Text)+len(entry.Key) > maxChoice {
		return entry.Text, ""
	}
	if entry.Key != nil {
		if o, ok := i.byKey[foldDigits(fold(entry.Key))]; ok {
			return o.label, o.key
		}
	}
	text := fold(entry.Text)
	o, ok := i.byKey[foldDigits(text)]
	if !ok {
		o, ok = i.byLabel[text]
	}
	if ok {
		return o.label, o.key
	}
	return entry.Text, ""
}

// response gives the place for the answers in a cell; nil where that is not worth keeping.
func (c *itemCache) response(i *item, cell []byte) *response {
	if len(cell) > maxResponse {
		return nil
	}
	if c.responses == nil {
		c.responses = make([]response, maxResponses)
	}
	return &c.responses[(maphash.Bytes(c.seed, cell)^i.number*0x9e3779b97f4a7c15)%maxResponses]
}

func (r *response) isOf(i *item, cell []byte) bool {
	return r.item == i.number && bytes.Equal(r.cell, cell)
}

func (r *response) begin(i *item, cell []byte, epoch uint64) {
	*r = response{item: i.number, cell: append(r.cell[:0], cell...), choices: r.choices[:0], epoch: epoch}
}

// add adds the next answer in the cell. It is false where that would take too much memory, and nothing is kept of the cell.
func (r *response) add(next choice) bool {
	if len(r.choices) == maxChoices || len(next.option) > maxOptionKey {
		r.forget()
		return false
	}
	r.choices = append(r.choices, next)
	return true
}

func (r *response) forget() {
	clear(r.choices)
	r.choices, r.epoch = r.choices[:0], 0
}

// forget drops the answers and the titles that were added up.
func (c *itemCache) forget() {
	for s := range c.items {
		for _, i := range c.items[s] {
			if i != nil {
				for n := range i.titles {
					i.titles[n].title = nil
				}
			}
		}
	}
	for i := range c.responses {
		c.responses[i].forget()
	}
}

// countEntries counts the answers in a cell.
func (c *itemCache) countEntries(cell []byte) (entries int64, err error) {
	err = c.reader.Read(cell, func(*telemetry.Answer) error {
		entries++
		return nil
	})
	return entries, err
}
