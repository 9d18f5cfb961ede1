package telemetry

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// instants reads values of @timestamp and ets as instants: milliseconds since the epoch, exactly. It keeps its buffers
// and the zones that it was asked for.
type instants struct {
	text   []byte
	digits []byte
	zones  map[string]*time.Location // nil for a name that no zone has
}

// appendKey appends the sort key of the instant that value gives, nothing where it gives none.
func (r *instants) appendKey(dst, value []byte) []byte {
	if d, ok := r.read(value); ok {
		return d.appendKey(dst)
	}
	return dst
}

// appendUTC appends the instant that value gives as UTC with milliseconds and Z, the time before that where it is finer.
// It appends nothing where value gives none, or one outside of the years 0 to 9999.
func (r *instants) appendUTC(dst, value []byte) []byte {
	if d, ok := r.read(value); ok {
		if ms, ok := d.milliseconds(); ok {
			return time.UnixMilli(ms).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
		}
	}
	return dst
}

// milliseconds is an instant in whole milliseconds, the last one before it; ok is false outside of the years 0 to 9999.
func (d decimal) milliseconds() (ms int64, ok bool) {
	const most = 15 // decimal digits that all those years can do with
	if d.point > most {
		return 0, false
	}
	for i := range max(d.point, 0) {
		ms *= 10
		if i < len(d.digits) {
			ms += int64(d.digits[i] - '0')
		}
	}
	if d.isNegative {
		ms = -ms
		if d.point < len(d.digits) {
			ms--
		}
	}
	return ms, ms >= firstMilli && ms <= lastMilli
}

var (
	firstMilli = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	lastMilli  = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() - 1
)

// read gives the instant in milliseconds since the epoch, valid until the next call. A number, and text of digits only,
// is such milliseconds; other text is a time.
func (r *instants) read(value []byte) (decimal, bool) {
	switch {
	case isNumber(value):
		r.digits = roomFor(r.digits, len(value))
		return parseDecimal(value, r.digits), true
	case !isString(value):
		return decimal{}, false
	}
	r.text = appendExact(r.text[:0], value[1:len(value)-1])
	r.digits = roomFor(r.digits, len(r.text)+20)
	if len(r.text) > 0 && isPlainInteger(r.text) {
		return parseDecimal(r.text, r.digits), true
	}
	seconds, fraction, ok := r.parseTime(r.text)
	if !ok {
		return decimal{}, false
	}
	return makeMilliseconds(seconds, fraction, r.digits), true
}

// roomFor is b emptied, or a larger one if b lacks room for size bytes.
func roomFor(b []byte, size int) []byte {
	if cap(b) < size {
		return make([]byte, 0, max(size, usualDigits))
	}
	return b[:0]
}

// release drops the buffers that a long text made larger.
func (r *instants) release() {
	if cap(r.text)+cap(r.digits) > keptBuffer {
		r.text, r.digits = nil, nil
	}
}

// makeMilliseconds is so many seconds and the fraction behind them, in milliseconds. It writes its digits to digits.
func makeMilliseconds(seconds int64, fraction, digits []byte) decimal {
	fraction = bytes.TrimRight(fraction, "0")
	d := decimal{isNegative: seconds < 0}
	if d.isNegative {
		seconds = -seconds
		if len(fraction) > 0 {
			seconds--
		}
	}
	d.digits = strconv.AppendInt(digits, seconds, 10)
	d.point = len(d.digits) + 3
	for i, c := range fraction {
		switch {
		case !d.isNegative:
		case i < len(fraction)-1:
			c = '0' + '9' - c
		default:
			c = '0' + '9' + 1 - c
		}
		d.digits = append(d.digits, c)
	}
	d.trim()
	return d
}

// parseTime reads a time as RFC 3339 has it, and as loggers vary it: any fraction, behind a point or a comma; a space
// or t for the T; the offset as +05:30, +0530, +05, Z or z; a zone's name in brackets behind all that, as Java writes
// it. The offset counts, and the name where there is no offset; a time without either is UTC. A leap second is the
// second after it.
func (r *instants) parseTime(b []byte) (seconds int64, fraction []byte, ok bool) {
	if len(b) < len("2006-01-02T15:04:05") ||
		b[4] != '-' || b[7] != '-' || b[10] != 'T' && b[10] != 't' && b[10] != ' ' || b[13] != ':' || b[16] != ':' {
		return 0, nil, false
	}
	year := parseTwoDigits(b[0:2])*100 + parseTwoDigits(b[2:4])
	month, day := parseTwoDigits(b[5:7]), parseTwoDigits(b[8:10])
	hour, minute, second := parseTwoDigits(b[11:13]), parseTwoDigits(b[14:16]), parseTwoDigits(b[17:19])
	if year < 0 || month < 1 || month > 12 || day < 1 || day > countDays(year, month) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return 0, nil, false
	}
	fraction, rest, ok := parseFraction(b[19:])
	if !ok {
		return 0, nil, false
	}
	offset, zone, ok := splitZone(rest)
	if !ok {
		return 0, nil, false
	}
	location := time.UTC
	if len(zone) > 0 && len(offset) == 0 {
		if location = r.findZone(zone); location == nil {
			return 0, nil, false
		}
	}
	east, ok := parseOffset(offset)
	if !ok {
		return 0, nil, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, 0, location).Unix() - int64(east), fraction, true
}

// parseTwoDigits is the value of two digits, far below zero if they are none.
func parseTwoDigits(b []byte) int {
	if !isDigit(b[0]) || !isDigit(b[1]) {
		return -1_000_000
	}
	return int(b[0]-'0')*10 + int(b[1]-'0')
}

func countDays(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// parseFraction gives the digits of the fraction of a second that may stand at the beginning of b.
func parseFraction(b []byte) (digits, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' && b[0] != ',' {
		return nil, b, true
	}
	i := 1
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return b[1:i], b[i:], i > 1
}

// splitZone splits what follows the seconds into an offset and the name of a zone, without its brackets. ok tells
// whether the name may be one.
func splitZone(b []byte) (offset, zone []byte, ok bool) {
	if len(b) == 0 || b[len(b)-1] != ']' {
		return b, nil, true
	}
	offset, zone, _ = bytes.Cut(b[:len(b)-1], []byte("["))
	if len(zone) == 0 || len(zone) > maxZone {
		return nil, nil, false
	}
	for _, c := range zone {
		if c <= ' ' || c >= 0x7f || c == '[' || c == ']' {
			return nil, nil, false
		}
	}
	return offset, zone, true
}

// maxZone is longer than the longest name of a zone.
const maxZone = 64

// parseOffset reads all of b as an offset from UTC, in seconds.
func parseOffset(b []byte) (seconds int, ok bool) {
	if len(b) == 0 || len(b) == 1 && b[0]|0x20 == 'z' {
		return 0, true
	}
	sign := 1
	switch b[0] {
	case '+':
	case '-':
		sign = -1
	default:
		return 0, false
	}
	hours, minutes := 0, 0
	switch {
	case len(b) == 3:
		hours = parseTwoDigits(b[1:3])
	case len(b) == 5:
		hours, minutes = parseTwoDigits(b[1:3]), parseTwoDigits(b[3:5])
	case len(b) == 6 && b[3] == ':':
		hours, minutes = parseTwoDigits(b[1:3]), parseTwoDigits(b[4:6])
	default:
		return 0, false
	}
	if hours < 0 || hours > 23 || minutes < 0 || minutes > 59 {
		return 0, false
	}
	return sign * (hours*3600 + minutes*60), true
}

// maxZones is how many names are kept. There are about 600 zones, and telemetry could name any number that do not exist.
const maxZones = 1000

// findZone gives the zone of that name, nil if there is none.
func (r *instants) findZone(name []byte) *time.Location {
	if zone, known := r.zones[string(name)]; known {
		return zone
	}
	zone := loadZone(string(name))
	if r.zones == nil || len(r.zones) == maxZones {
		r.zones = map[string]*time.Location{}
	}
	r.zones[string(name)] = zone
	return zone
}

// loadZone reads a name as Java's ZoneId has it: Z, an offset such as +05:30, one behind UTC, GMT or UT, or a zone of the
// time zone database.
func loadZone(name string) *time.Location {
	offset := name
	for _, prefix := range [...]string{"UTC", "GMT", "UT"} {
		if rest, found := strings.CutPrefix(name, prefix); found {
			if rest == "" {
				return time.UTC
			}
			offset = rest
			break
		}
	}
	if offset == "Z" && name != offset {
		return nil
	}
	if len(offset) >= 2 && (len(offset) == 2 || offset[2] == ':') {
		offset = offset[:1] + "0" + offset[1:] // UTC+5 and UTC+5:30
	}
	if seconds, ok := parseOffset([]byte(offset)); ok {
		return time.FixedZone("", seconds)
	}
	// Local is the zone of this machine, so it would give the same input different bytes elsewhere.
	if name == "Local" {
		return nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	return zone
}

// appendKey appends bytes that sort as the decimals do, and are equal for equal ones: a sign; the power of ten; two
// digits to a byte. Behind a minus all that is turned round, so that the larger magnitude comes first.
func (d decimal) appendKey(dst []byte) []byte {
	const minus, zero, plus = 1, 2, 3
	if len(d.digits) == 0 {
		return append(dst, zero)
	}
	if !d.isNegative {
		return d.appendMagnitude(append(dst, plus))
	}
	dst = append(dst, minus)
	start := len(dst)
	dst = d.appendMagnitude(dst)
	for i := start; i < len(dst); i++ {
		dst[i] = ^dst[i]
	}
	return append(dst, 0xff) // behind any further digit
}

// appendMagnitude appends the power of ten and the digits. A usual power is one byte; the others are that of their side,
// and then sort by their own bytes, negative ones in two's complement. No byte of the digits is 0
// or 255, so a magnitude with more of them is the larger one, also once it is turned round.
func (d decimal) appendMagnitude(dst []byte) []byte {
	const least, most = -0x40, 0x3f
	switch {
	case d.point < least:
		dst = append(dst, 0x80+least-1)
	case d.point > most:
		dst = append(dst, 0x80+most+1)
	default:
		dst = append(dst, byte(0x80+d.point))
	}
	if d.point < least || d.point > most {
		dst = binary.BigEndian.AppendUint64(dst, uint64(d.point))
	}
	for i := 0; i < len(d.digits); i += 2 {
		pair := (d.digits[i] - '0') * 10
		if i+1 < len(d.digits) {
			pair += d.digits[i+1] - '0'
		}
		dst = append(dst, pair+1)
	}
	return dst
}
