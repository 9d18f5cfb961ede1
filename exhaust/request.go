package exhaust

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Submission is what a client sends to ask for an exhaust, before it is checked.
type Submission struct {
	Dataset       string
	Tag           string
	Channel       string
	RequestedBy   string
	DatasetConfig json.RawMessage
	OutputFormat  string
	// RunAt is RunNow, RunNightly, or "" where the service decides (EXHAUST_MODE).
	RunAt string
	// Purpose is what the exhaust is for; "" where that is not said.
	Purpose string
}

// When an exhaust is to start. It is no part of what the exhaust is.
const (
	RunNow     = "now"
	RunNightly = "nightly"
)

// Rules bound what may be asked for.
type Rules struct {
	// Now is the time of submission, in the zone in which days begin (EXHAUST_TIMEZONE).
	Now time.Time
	// MaxDays is how many days one exhaust may cover (EXHAUST_MAX_DAYS).
	MaxDays int
	// PrivatePurpose demands a purpose of a private exhaust (EXHAUST_PRIVATE_PURPOSE).
	PrivatePurpose bool
}

// Check turns a submission into a request, or says in an *InvalidError what is wrong with it
// (contract section 1, "Validation").
func (s Submission) Check(rules Rules) (Request, error) {
	if s.Tag == "" {
		return Request{}, Invalid(TagEmpty)
	}
	if s.Dataset == "" {
		return Request{}, Invalid(DatasetEmpty)
	}
	if emptyJSON(s.DatasetConfig) {
		return Request{}, Invalid(DatasetConfigEmpty)
	}
	if s.Channel == "" {
		return Request{}, CheckChannel("")
	}
	r := Request{
		Dataset:      Dataset(s.Dataset),
		Tag:          s.Tag,
		Channel:      s.Channel,
		RequestedBy:  s.RequestedBy,
		OutputFormat: s.OutputFormat,
		Purpose:      s.Purpose,
		SubmittedAt:  rules.Now.Truncate(time.Millisecond),
	}
	if r.OutputFormat == "" {
		r.OutputFormat = "csv"
	}
	if err := checkEncryption([]string{"datasetConfig"}, s.DatasetConfig); err != nil {
		return Request{}, err
	}
	canonical, config, err := readConfig(s.DatasetConfig)
	if err != nil {
		return Request{}, err
	}
	r.Config = keptConfig(s.DatasetConfig, canonical)
	for _, check := range []func() error{
		func() error { return s.checkNames(&r) },
		func() error { return r.takeConfig(config) },
		func() error { return r.checkDays(rules) },
		func() error { return r.checkPurpose(rules) },
	} {
		if err := check(); err != nil {
			return Request{}, err
		}
	}
	r.ID = requestID(r, DayOf(rules.Now), canonical)
	return r, nil
}

// requestID is contract section 1's: the same request on the same day is the same exhaust.
func requestID(r Request, day Day, canonicalConfig []byte) string {
	sum := md5.Sum([]byte(strings.Join([]string{
		r.Tag, string(r.Dataset), r.RequestedBy, r.Channel, string(day), r.OutputFormat, string(canonicalConfig),
	}, "|")))
	return fmt.Sprintf("%X", sum)
}

var requestIDPattern = regexp.MustCompile(`^[0-9A-F]{32}$`)

// IsRequestID reports whether a text has the form of a requestId.
func IsRequestID(text string) bool { return requestIDPattern.MatchString(text) }

const (
	maxChannel     = 150 // with the tag it has to fit a Temporal keyword of 255 bytes
	maxRequestedBy = 255
	maxLookUp      = 255
)

func (s Submission) checkNames(r *Request) error {
	channelErr := CheckChannel(r.Channel)
	switch {
	case !validName(r.Tag):
		return Invalid(NameInvalid, "tag", r.Tag)
	case !slices.Contains(Datasets, r.Dataset):
		return Invalid(DatasetUnknown, "dataset", r.Dataset, Names(Datasets))
	case channelErr != nil:
		return channelErr
	case r.RequestedBy != "" && !printable(r.RequestedBy, maxRequestedBy):
		return Invalid(RequestedByInvalid, r.RequestedBy, maxRequestedBy)
	case s.RunAt != "" && s.RunAt != RunNow && s.RunAt != RunNightly:
		return Invalid(RunAtUnknown, s.RunAt, []string{RunNow, RunNightly})
	case r.OutputFormat != "csv":
		return Invalid(OutputFormatUnknown, r.OutputFormat, []string{"csv"})
	}
	return nil
}

// CheckChannel says in an *InvalidError what is wrong with a channel. The fields of a requestId are joined by |: with one in
// the channel, two tenants' requests could have the same.
func CheckChannel(channel string) error {
	switch {
	case channel == "": // clients match this sentence, whatever way the channel came
		return Invalid(ChannelMissing)
	case strings.Contains(channel, "|"):
		return Invalid(ChannelHoldsBar, channel, maxChannel)
	case !printable(channel, maxChannel):
		return Invalid(ChannelInvalid, channel, maxChannel)
	}
	return nil
}

// CheckText says in an *InvalidError that a text by which something is looked up cannot be one of ours. PostgreSQL takes neither
// U+0000 nor what is no UTF-8, and would answer as if it were not available. field names the text.
func CheckText(field, text string) error {
	if text != "" && !printable(text, maxLookUp) || strings.Contains(text, "|") {
		return Invalid(TextInvalid, field, text, maxLookUp)
	}
	return nil
}

// CheckSearchText says in an *InvalidError that a text that is searched for cannot stand in any name.
func CheckSearchText(field, text string) error {
	if text := WithoutJoiners(text); text != "" && !printableText(text, maxLookUp) {
		return Invalid(SearchTextInvalid, field, text, maxLookUp)
	}
	return nil
}

// takeConfig reads the members of datasetConfig that mean something; others are the client's own.
func (r *Request) takeConfig(config map[string]any) error {
	texts := map[string]string{}
	for _, field := range []string{"type", "conversationId", "startDate", "endDate"} {
		switch v := config[field].(type) {
		case nil:
		case string:
			if v == "" && field != "conversationId" {
				return Invalid(FieldEmpty, "datasetConfig."+field)
			}
			texts[field] = v
		default:
			return Invalid(FieldNotString, "datasetConfig."+field)
		}
	}
	if t := texts["type"]; t != "" && t != string(r.Dataset) {
		return Invalid(TypeNotDataset, t, r.Dataset)
	}
	// The letter case of a uuid makes no difference but to the requestId.
	r.ConversationID = foldUUID(texts["conversationId"])
	if r.ConversationID == "" {
		return Invalid(NameEmpty, "datasetConfig.conversationId")
	}
	if !validName(r.ConversationID) {
		return Invalid(NameInvalid, "datasetConfig.conversationId", r.ConversationID)
	}
	var err error
	if r.StartDate, err = configDay("startDate", texts); err != nil {
		return err
	}
	r.EndDate, err = configDay("endDate", texts)
	return err
}

func configDay(field string, texts map[string]string) (Day, error) {
	text := texts[field]
	if text == "" {
		return "", nil
	}
	day, err := ParseDay(text)
	if err != nil {
		return "", Invalid(DateInvalid, "datasetConfig."+field, text)
	}
	return day, nil
}

func (r *Request) checkDays(rules Rules) error {
	today := DayOf(rules.Now)
	if r.StartDate != "" && r.EndDate != "" && r.StartDate > r.EndDate {
		return Invalid(StartAfterEnd, r.StartDate, r.EndDate)
	}
	if r.EndDate > today {
		return Invalid(DateAfterToday, "datasetConfig.endDate", r.EndDate, today)
	}
	if r.StartDate > today {
		return Invalid(DateAfterToday, "datasetConfig.startDate", r.StartDate, today)
	}
	if r.StartDate == "" || r.EndDate == "" {
		return nil
	}
	return CheckSpan(r.StartDate, r.EndDate, rules.MaxDays)
}

const maxPurpose = 500

// WithoutJoiners is a text without what Indian scripts need within words, and what is no character by itself.
func WithoutJoiners(text string) string { return joiners.Replace(text) }

var joiners = strings.NewReplacer("\u200c", "", "\u200d", "")

func (r *Request) checkPurpose(rules Rules) error {
	if r.Dataset == PrivateExhaust && rules.PrivatePurpose && !strings.ContainsFunc(r.Purpose, unicode.IsLetter) {
		return Invalid(PurposeEmpty)
	}
	return CheckPurpose(r.Purpose)
}

// CheckPurpose says in an *InvalidError what is wrong with a purpose; an empty one is none.
func CheckPurpose(purpose string) error {
	if purpose != "" && !printableText(WithoutJoiners(purpose), maxPurpose) {
		return Invalid(PurposeInvalid, maxPurpose)
	}
	return nil
}

// CheckSpan says in an *InvalidError that the days from start to end are more than one exhaust may cover.
func CheckSpan(start, end Day, maxDays int) error {
	if days := start.DaysTo(end); days > maxDays {
		return Invalid(TooManyDays, start, end, days, maxDays)
	}
	return nil
}

// UsesTelemetry reports whether the exhaust is made from telemetry. A private exhaust that names no
// day lists who is registered to the conversation instead (contract section 5).
func (r Request) UsesTelemetry() bool {
	return r.Dataset == ResponseExhaust || r.StartDate != "" || r.EndDate != ""
}

// FirstPhase is the phase that the exhaust begins with.
func (r Request) FirstPhase() Phase {
	if r.UsesTelemetry() {
		return Fetching
	}
	return Joining
}

// MaxName is how many characters a tag or an id of a conversation has at the most.
const MaxName = 100

var namePattern = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,%d}$`, MaxName-1))

func validName(s string) bool { return namePattern.MatchString(s) }

func printable(s string, most int) bool {
	return len(s) <= 255 && printableText(s, most)
}

func printableText(s string, most int) bool {
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > most {
		return false
	}
	// U+FFFD is what is left of half a surrogate pair, whichever it was: two texts would be one.
	return strings.IndexFunc(s, func(c rune) bool { return !unicode.IsPrint(c) || c == utf8.RuneError }) < 0
}

// shorten is a client's own value as a sentence shows it, no longer than a person reads.
func shorten(s string) string {
	const most = 120
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
