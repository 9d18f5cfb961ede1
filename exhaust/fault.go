package exhaust

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Fault is what an answer tells of what went wrong: a code that stays as it is from release to release, its details, by which a
// client or another language says it, and the sentence in English. None of them holds a secret.
type Fault struct {
	Code     *Code
	Sentence string
	// Details are the values that the sentence holds, by their names: strings, whole numbers and lists of strings.
	Details map[string]any
}

// NewFault is a fault of a code, with the values that its sentence holds, in their order there.
func NewFault(code *Code, values ...any) Fault {
	if len(values) != len(code.details) {
		panic(fmt.Sprintf("%s has the details %q, and %d values are given", code.name, code.details, len(values)))
	}
	f := Fault{Code: code, Details: make(map[string]any, len(values))}
	for i, value := range values {
		f.Details[code.details[i]] = detail(value)
	}
	f.Sentence = code.Sentence(f.Details)
	return f
}

func (f Fault) Error() string { return f.Sentence }

// detail is a value as JSON has it, no longer than a person reads.
func detail(value any) any {
	switch v := value.(type) {
	case int, int64, []string:
		return v
	}
	return shorten(strings.ToValidUTF8(fmt.Sprint(value), "\uFFFD")) // JSON has no other text
}

// InvalidError is a fault in what the client sent.
type InvalidError struct{ Fault }

// Invalid is an *InvalidError of a code, with the values that its sentence holds, in their order there.
func Invalid(code *Code, values ...any) error { return &InvalidError{NewFault(code, values...)} }

// Code is the stable name of a fault, such as DATE_AFTER_TODAY, and the sentence that says it.
type Code struct {
	name, sentence string
	// details are the names of the values that the sentence holds.
	details []string
}

// Name is the code as answers have it in params.code.
func (c *Code) Name() string { return c.name }

// Template is the sentence with the names of its details in braces. Behind a colon stands how a value is written: quoted (in
// double quotes, with the escapes of Go's %q), as a path (quoted where it is more than letters, digits and . _ -), and a list
// with commas, or with or or and between its last two.
func (c *Code) Template() string { return c.sentence }

// The kinds of details.
const (
	NumberDetail = "integer"
	ListDetail   = "array of strings"
	TextDetail   = "string"
)

// DetailKind is the kind of all details of a name: what is one in some faults is one in all.
func DetailKind(name string) string {
	switch name {
	case "most", "bytes", "levels", "days", "line", "column", "times", "count":
		return NumberDetail
	case "accepted", "down", "up":
		return ListDetail
	}
	return TextDetail
}

// Details are the names of the values that the sentence holds, in their order there.
func (c *Code) Details() []string { return slices.Clone(c.details) }

var placeholder = regexp.MustCompile(`\{([a-zA-Z]+)(?::(quoted|path|or|and|list))?\}`)

// Sentence says the fault with these details.
func (c *Code) Sentence(details map[string]any) string {
	return placeholder.ReplaceAllStringFunc(c.sentence, func(found string) string {
		parts := placeholder.FindStringSubmatch(found)
		value := details[parts[1]]
		switch parts[2] {
		case "quoted":
			return fmt.Sprintf("%q", value)
		case "path":
			if path := fmt.Sprint(value); !isPlainPath(path) {
				return fmt.Sprintf("%q", path)
			}
		case "or", "and":
			return enumerate(value.([]string), " "+parts[2]+" ")
		case "list":
			return strings.Join(value.([]string), ", ")
		}
		return fmt.Sprint(value)
	})
}

// enumerate puts commas between names, and another word between the last two.
func enumerate(names []string, last string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + last + names[len(names)-1]
}

// Names are texts of a kind as plain texts, such as those of all datasets.
func Names[T ~string](of []T) []string {
	names := make([]string, len(of))
	for i, name := range of {
		names[i] = string(name)
	}
	return names
}

var codes []*Code

// Codes are those of all faults, by their names.
func Codes() []*Code { return slices.Clone(codes) }

func newCode(name, sentence string) *Code {
	c := &Code{name: name, sentence: sentence}
	for _, found := range placeholder.FindAllStringSubmatch(sentence, -1) {
		if !slices.Contains(c.details, found[1]) {
			c.details = append(c.details, found[1])
		}
	}
	at, _ := slices.BinarySearchFunc(codes, c, func(x, y *Code) int { return strings.Compare(x.name, y.name) })
	codes = slices.Insert(codes, at, c)
	return c
}

const (
	nameRule = "1 to 100 characters of A-Z a-z 0-9 . _ - that do not start with a dot are accepted"
	dayRule  = "a real day as yyyy-MM-dd is accepted"
	cronRule = "five fields (minute, hour, day of month, month, day of week), such as 0 6 * * 1, are accepted"
	listRule = "{accepted:and} are accepted"
)

// The codes of what is wrong with a request to submit, estimate or repeat an exhaust.
var (
	TagEmpty               = newCode("TAG_EMPTY", "tag is empty")
	DatasetEmpty           = newCode("DATASET_EMPTY", "dataset is empty")
	DatasetConfigEmpty     = newCode("DATASET_CONFIG_EMPTY", "datasetConfig is empty")
	DatasetConfigNotObject = newCode("DATASET_CONFIG_NOT_OBJECT", "datasetConfig is not a JSON object")
	DatasetConfigTooDeep   = newCode("DATASET_CONFIG_TOO_DEEP", "datasetConfig is nested {levels} levels deep: at most {most} are accepted")
	DatasetConfigTooLarge  = newCode("DATASET_CONFIG_TOO_LARGE", "datasetConfig is {bytes} bytes of JSON without white space: at most {most} are accepted")
	DatasetUnknown         = newCode("DATASET_UNKNOWN", "{field} {value:quoted} is unknown: {accepted:or} is accepted")
	TypeNotDataset         = newCode("TYPE_NOT_DATASET", "datasetConfig.type {value:quoted} is not the dataset: {dataset:quoted} is accepted")
	NameEmpty              = newCode("NAME_EMPTY", "{field} is empty: "+nameRule)
	NameInvalid            = newCode("NAME_INVALID", "{field} {value:quoted} is not valid: "+nameRule)
	RequestedByInvalid     = newCode("REQUESTED_BY_INVALID", "requestedBy {value:quoted} is not valid: at most {most} printable characters are accepted")
	RunAtUnknown           = newCode("RUN_AT_UNKNOWN", "runAt {value:quoted} is unknown: {accepted:or} is accepted")
	OutputFormatUnknown    = newCode("OUTPUT_FORMAT_UNKNOWN", "output_format {value:quoted} is not supported: {accepted:or} is accepted")
	DateInvalid            = newCode("DATE_INVALID", "{field} {value:quoted} is not a day: "+dayRule)
	DateEmpty              = newCode("DATE_EMPTY", "{field} is empty: a day as yyyy-MM-dd is accepted")
	StartAfterEnd          = newCode("START_AFTER_END", "datasetConfig.startDate {start} is after endDate {end}: a start on or before the end is accepted")
	DateAfterToday         = newCode("DATE_AFTER_TODAY", "{field} {value} is after today ({today}): a day up to today is accepted")
	TooManyDays            = newCode("TOO_MANY_DAYS", "{start} to {end} are {days} days: at most {most} days are accepted")
	PurposeEmpty           = newCode("PURPOSE_EMPTY", "purpose is empty: for a private exhaust this service wants to know, in a sentence, what the file is for")
	PurposeInvalid         = newCode("PURPOSE_INVALID", "purpose is not valid: at most {most} printable characters are accepted")
	EncryptionUnsupported  = newCode("ENCRYPTION_UNSUPPORTED", "encryptionKey is not supported yet: leave it out, and the file is a CSV without encryption")
	EncryptionMisspelt     = newCode("ENCRYPTION_MISSPELT", "{field:path} is no field: {accepted:or} is accepted, spelt exactly so")
	EncryptionMisplaced    = newCode("ENCRYPTION_MISPLACED", "{field:path} is in the wrong place: it belongs to request, where it is kept nowhere")
	RequestIDTaken         = newCode("REQUEST_ID_TAKEN", "the requestId of this request is that of another exhaust: send another tag or requestedBy")
)

// The codes of what is wrong with the names by which things are looked up, and with their channel.
var (
	ChannelMissing      = newCode("CHANNEL_MISSING", "X-Channel-ID is missing in request header")
	ChannelTwice        = newCode("CHANNEL_TWICE", "X-Channel-ID is in the request header {times} times: one is accepted")
	ChannelHoldsBar     = newCode("CHANNEL_HOLDS_BAR", "channel {value:quoted} holds a |: 1 to {most} printable characters other than | are accepted")
	ChannelInvalid      = newCode("CHANNEL_INVALID", "channel {value:quoted} is not valid: 1 to {most} printable characters are accepted")
	TextInvalid         = newCode("TEXT_INVALID", "{field} {value:quoted} is not valid: at most {most} printable characters other than | are accepted")
	SearchTextInvalid   = newCode("SEARCH_TEXT_INVALID", "{field} {value:quoted} is not valid: at most {most} printable characters are accepted")
	AfterInvalid        = newCode("AFTER_INVALID", "after {value:quoted} is not valid: the next of the page before is accepted")
	RequestIDEmpty      = newCode("REQUEST_ID_EMPTY", "requestId is empty: the requestId that submit answered is accepted")
	LimitInvalid        = newCode("LIMIT_INVALID", "limit {value:quoted} is not valid: a whole number from 1 to {most} is accepted")
	FilterUnknown       = newCode("FILTER_UNKNOWN", "{field} is unknown: "+listRule)
	FieldNotString      = newCode("FIELD_NOT_STRING", "{field} is not a string")
	FieldEmpty          = newCode("FIELD_EMPTY", "{field} is empty: give it a value or leave it out")
	StatusUnknown       = newCode("STATUS_UNKNOWN", "filters.status {value:quoted} is unknown: {accepted:list} are accepted")
	StatusNotReplayable = newCode("STATUS_NOT_REPLAYABLE", "filters.status {value:quoted} cannot be replayed: {accepted:list} are accepted")
	NoSummaryYet        = newCode("NO_SUMMARY_YET", "the exhaust is {status}: only a SUCCESS has a summary")
	SummaryGone         = newCode("SUMMARY_GONE", "there is no summary any more: {why}")
	SummaryNeverWritten = newCode("SUMMARY_NEVER_WRITTEN", "the exhaust was made by a release that wrote no summaries: the same request submitted on another day has one, and so has a retry once the report has expired")
	NoFileYet           = newCode("NO_FILE_YET", "the exhaust is {status}: only a SUCCESS has a file")
	FileGone            = newCode("FILE_GONE", "there is no file any more: {why}")
	NotCancellable      = newCode("NOT_CANCELLABLE", "the exhaust is {status}: only one that has not ended can be cancelled")
	NotRetryable        = newCode("NOT_RETRYABLE", "the exhaust is {status}: only a FAILED or CANCELLED one, or one whose report has expired, can be retried")
)

// The codes of what is wrong with a body or query.
var (
	BodyEmpty       = newCode("BODY_EMPTY", "the request body is empty: a JSON object is accepted")
	BodyNotUTF8     = newCode("BODY_NOT_UTF8", "the request body is not UTF-8")
	BodyNotJSON     = newCode("BODY_NOT_JSON", "the request body is not JSON: line {line}, column {column}")
	BodyNotObject   = newCode("BODY_NOT_OBJECT", "the request body is not a JSON object")
	BodyBroken      = newCode("BODY_BROKEN", "the request body could not be read whole")
	BodyTooLarge    = newCode("BODY_TOO_LARGE", "the request body is larger than 1 MiB: at most {most} bytes are accepted")
	FieldNotObject  = newCode("FIELD_NOT_OBJECT", "{field} is not an object")
	FieldNotBoolean = newCode("FIELD_NOT_BOOLEAN", "{field} is not a boolean: true or false is accepted")
	FieldNotList    = newCode("FIELD_NOT_LIST", "{field} is not a list of strings")
	FieldUnknown    = newCode("FIELD_UNKNOWN", "{field:quoted} is no field: {accepted:list} are accepted")
	FieldMisspelt   = newCode("FIELD_MISSPELT", "{field:quoted} is no field: {accepted:or} is accepted, spelt exactly so")
	QueryUnreadable = newCode("QUERY_UNREADABLE", "the query cannot be read: it needs no parameters")
)

// The codes of what is wrong with a recurring exhaust.
var (
	ScheduleHasDays       = newCode("SCHEDULE_HAS_DAYS", "datasetConfig.startDate and endDate have no place in a schedule: each firing covers the days since the one before it")
	ScheduleHasEncryption = newCode("SCHEDULE_HAS_ENCRYPTION", "encryptionKey has no place in a schedule: it is kept nowhere, so a firing could not use it")
	CronEmpty             = newCode("CRON_EMPTY", "cron is empty: "+cronRule)
	CronInvalid           = newCode("CRON_INVALID", "cron {value:quoted} is not valid: "+cronRule)
	CronRefused           = newCode("CRON_REFUSED", "cron {value:quoted} in zone {zone} is not valid: {reason}")
	CronNeverFires        = newCode("CRON_NEVER_FIRES", "cron {value:quoted} never fires")
	CronTooRare           = newCode("CRON_TOO_RARE", "cron {value:quoted} leaves {start} to {end} to one firing, which are {days} days: at most {most} days are accepted")
	ZoneUnknown           = newCode("ZONE_UNKNOWN", "zone {value:quoted} is unknown: an IANA name such as Asia/Kolkata is accepted")
	JitterInvalid         = newCode("JITTER_INVALID", "jitter {value:quoted} is not valid: a duration from 0s to 24h, such as 10m, is accepted")
	NoteInvalid           = newCode("NOTE_INVALID", "note is not valid: at most {most} characters are accepted")
	ChangeEmpty           = newCode("CHANGE_EMPTY", "request is empty: "+listRule)
	ChangeUnknown         = newCode("CHANGE_UNKNOWN", "{field} cannot be changed: "+listRule)
	BackfillTooEarly      = newCode("BACKFILL_TOO_EARLY", "from {value} is too early: a day from {earliest} on is accepted")
	BackfillReversed      = newCode("BACKFILL_REVERSED", "from {start} is after to {end}: a day on or before it is accepted")
	BackfillNotOver       = newCode("BACKFILL_NOT_OVER", "to {value} is not over: a day up to yesterday ({yesterday}) is accepted")
	BackfillEmpty         = newCode("BACKFILL_EMPTY", "the schedule has no window from {start} to {end} whose firing was")
	BackfillTooLong       = newCode("BACKFILL_TOO_LONG", "the schedule fires more than {most} times from {start} to {end}: ask for fewer days")
	WebhookInvalid        = newCode("WEBHOOK_INVALID", "webhook is not valid: an https or http URL with a host is accepted")
	WebhookHasUser        = newCode("WEBHOOK_HAS_USER", "webhook holds a user or password before its host: a URL without is accepted")
	WebhookPrivate        = newCode("WEBHOOK_PRIVATE", "webhook goes to {host}: only public addresses are accepted, unless EXHAUST_WEBHOOK_ALLOW_PRIVATE is true")
	WebhookUnsigned       = newCode("WEBHOOK_UNSIGNED", "webhook cannot be used: the service has no EXHAUST_WEBHOOK_SECRET to sign it with")
	WebhookSecretTaken    = newCode("WEBHOOK_SECRET_TAKEN", "the channel's webhook secret was made by somebody else just now: ask them for it, or make another")
	WebhookSecretOfBoth   = newCode("WEBHOOK_SECRET_OF_BOTH", "webhook needs a secret that the channel does not have yet, and that signs the webhooks of both datasets: "+
		"somebody with the rights to both makes it first")
)

// The codes of what is wrong with a token that is to be made, listed or revoked.
var (
	TokensUnused             = newCode("TOKENS_UNUSED", "this service keeps no tokens in its database: EXHAUST_AUTH and EXHAUST_TOKEN_STORE say what it asks for")
	TokenNameEmpty           = newCode("TOKEN_NAME_EMPTY", "name is empty: what the audit log is to call whoever has the token is accepted")
	TokenNameInvalid         = newCode("TOKEN_NAME_INVALID", "name {value:quoted} is not valid: 1 to 100 characters of A-Z a-z 0-9 . _ @ + - are accepted, the first a letter or digit")
	TokenNameLikeID          = newCode("TOKEN_NAME_LIKE_ID", "name {value:quoted} is not valid: it looks like the id of a token, which people would take it for")
	TokenNameTaken           = newCode("TOKEN_NAME_TAKEN", "name {value:quoted} is that of another token: revoke that one first, or take another name")
	TokenNameAmbiguous       = newCode("TOKEN_NAME_AMBIGUOUS", "name {value:quoted} is that of {count} tokens: the id of one is accepted")
	TokenChannelsEmpty       = newCode("TOKEN_CHANNELS_EMPTY", "channels are missing: at least one channel, or the right {right}, is accepted")
	TokenChannelInvalid      = newCode("TOKEN_CHANNEL_INVALID", "channel {value:quoted} is not valid: 1 to 150 printable characters other than | are accepted")
	TokenTooManyChannels     = newCode("TOKEN_TOO_MANY_CHANNELS", "{count} channels are too many: at most {most} are accepted, or the right {right}, which is for all")
	TokenRightsEmpty         = newCode("TOKEN_RIGHTS_EMPTY", "rights are missing: {accepted:and} are accepted")
	TokenRightUnknown        = newCode("TOKEN_RIGHT_UNKNOWN", "right {value:quoted} is unknown: {accepted:list}, each perhaps with @ and a channel, and {right} are accepted")
	TokenExpiryInvalid       = newCode("TOKEN_EXPIRY_INVALID", "expires {value:quoted} is not valid: a duration such as 720h is accepted")
	TokenExpiryRange         = newCode("TOKEN_EXPIRY_RANGE", "expires is not valid: a duration from {shortest} to {longest}, such as 720h, is accepted")
	TokenLineTooLong         = newCode("TOKEN_LINE_TOO_LONG", "these credentials were made with others, and those with others: at most {most} in a line are accepted")
	TokenExceedsCredentials  = newCode("TOKEN_EXCEEDS_CREDENTIALS", "the token would allow more than these credentials do: their own channels and rights are accepted")
	TokenOutlivesCredentials = newCode("TOKEN_OUTLIVES_CREDENTIALS", "the token would outlive these credentials, which expire at {expires}: a shorter time is accepted")
	TokenTooMany             = newCode("TOKEN_TOO_MANY", "too many tokens were made with these credentials, or with those that they were made with: "+
		"at most {most} are accepted, with those that have ended within a month")
)

// The codes of who calls, and of what he may do.
var (
	CredentialsMissing    = newCode("CREDENTIALS_MISSING", "credentials are missing: the request header Authorization: Bearer and a token is accepted")
	AuthorizationInvalid  = newCode("AUTHORIZATION_INVALID", "Authorization is not valid: Bearer and a token is accepted")
	CredentialsTwice      = newCode("CREDENTIALS_TWICE", "{header} is in the request header more than once: one is accepted")
	TokenUnknown          = newCode("TOKEN_UNKNOWN", "the token is not known, or was revoked")
	TokenExpired          = newCode("TOKEN_EXPIRED", "the token has expired")
	JWTTooLong            = newCode("JWT_TOO_LONG", "the token is longer than {most} bytes")
	JWTMalformed          = newCode("JWT_MALFORMED", "the token is no JSON Web Token")
	JWTHasCrit            = newCode("JWT_HAS_CRIT", "the token's crit header is not supported")
	JWTHasNoKid           = newCode("JWT_HAS_NO_KID", "the token has no kid header")
	JWTAlgorithmRefused   = newCode("JWT_ALGORITHM_REFUSED", "the token's algorithm is not accepted")
	JWTKeyUnknown         = newCode("JWT_KEY_UNKNOWN", "the token's key is not known")
	JWTSignatureInvalid   = newCode("JWT_SIGNATURE_INVALID", "the token's signature is not valid")
	JWTClaimTypeInvalid   = newCode("JWT_CLAIM_TYPE_INVALID", "the token's exp, nbf or iss claim is not valid")
	JWTNotValidYet        = newCode("JWT_NOT_VALID_YET", "the token is not valid yet")
	JWTOfAnotherIssuer    = newCode("JWT_OF_ANOTHER_ISSUER", "the token is of another issuer")
	JWTForAnotherAudience = newCode("JWT_FOR_ANOTHER_AUDIENCE", "the token is for another audience")
	JWTClaimMissing       = newCode("JWT_CLAIM_MISSING", "the token has no {claim} claim")
	JWTClaimNotList       = newCode("JWT_CLAIM_NOT_LIST", "the token's claim {claim} is neither a string nor a list of strings")
	JWTSubjectInvalid     = newCode("JWT_SUBJECT_INVALID", "the token's sub claim is not valid: 1 to {most} printable characters are accepted")
	JWTExpiryInvalid      = newCode("JWT_EXPIRY_INVALID", "the token's exp claim is not valid: seconds since 1970 are accepted")
	JWTChannelsInvalid    = newCode("JWT_CHANNELS_INVALID", "the token's claim {claim} is not valid: at most {most} channels of 1 to 150 printable characters other than | are accepted")
	JWTRightsInvalid      = newCode("JWT_RIGHTS_INVALID", "the token's claim {claim} is not valid: a right is for a channel that is none, or there are more than {most} channels")
	RightMissing          = newCode("RIGHT_MISSING", "the right {right} is needed in this channel, and these credentials do not have it")
	OperatorRightMissing  = newCode("OPERATOR_RIGHT_MISSING", "the right {right} is needed here, and these credentials do not have it")
	MetricsRefused        = newCode("METRICS_REFUSED", "the metrics are for EXHAUST_METRICS_TOKEN and for the right {right}")
	HostRefused           = newCode("HOST_REFUSED", "nobody is asked who he is here, so requests are accepted only for this machine and for the host of EXHAUST_PUBLIC_URL, not for {host:quoted}")
	TooManyRequests       = newCode("TOO_MANY_REQUESTS", "too many requests: fewer a second are accepted of one caller")
	ChannelLimitReached   = newCode("CHANNEL_LIMIT_REACHED", "channel {channel:quoted} has {count} exhausts under way: at most {most} are accepted at a time; try again when one has ended")
)

// The codes of what there is not, and of what does not answer now.
var (
	NoSuchExhaust         = newCode("NO_SUCH_EXHAUST", "no job available with the given request_id and tag")
	NoSuchSchedule        = newCode("NO_SUCH_SCHEDULE", "no schedule available with the given id")
	NoSuchToken           = newCode("NO_SUCH_TOKEN", "no token available with the given id")
	NoSuchChannel         = newCode("NO_SUCH_CHANNEL", "no channel available with the given X-Channel-ID")
	NoSuchCall            = newCode("NO_SUCH_CALL", "there is no {method} {path} here")
	MethodNotAllowed      = newCode("METHOD_NOT_ALLOWED", "{path} does not take {method}")
	PreviousAttemptEnding = newCode("PREVIOUS_ATTEMPT_ENDING", "the attempt before is still being wound up: try again in a few seconds")
	NotAvailable          = newCode("NOT_AVAILABLE", "{dependency} is not available: try again later")
	DependenciesDown      = newCode("DEPENDENCIES_DOWN", "down: {down:list}; up: {up:list}")
	AllDependenciesDown   = newCode("ALL_DEPENDENCIES_DOWN", "down: {down:list}")
	InternalError         = newCode("INTERNAL_ERROR", "the request could not be answered: the service's log says why")
)
