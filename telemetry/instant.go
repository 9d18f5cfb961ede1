package telemetry

import (
	"math"
	"time"
)

// parseInstant reads a time as RFC 3339 has it, and as loggers vary it: any fraction, behind a point or a comma; a
// space or t for the T; the offset as +05:30, +0530, +05, Z or z. A time without an offset counts as UTC. The
// fraction counts to the nanosecond; a leap second is the second after it.
func parseInstant(b []byte) (ns int64, ok bool) {
	if len(b) < len("2006-01-02T15:04:05") ||
		b[4] != '-' || b[7] != '-' || b[10] != 'T' && b[10] != 't' && b[10] != ' ' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	year := parseTwoDigits(b[0:2])*100 + parseTwoDigits(b[2:4])
	month, day := parseTwoDigits(b[5:7]), parseTwoDigits(b[8:10])
	hour, minute, second := parseTwoDigits(b[11:13]), parseTwoDigits(b[14:16]), parseTwoDigits(b[17:19])
	if year < 0 || month < 1 || month > 12 || day < 1 || day > countDays(year, month) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return 0, false
	}
	nanos, rest, ok := parseFraction(b[19:])
	if !ok {
		return 0, false
	}
	offset, ok := parseOffset(rest)
	if !ok {
		return 0, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	return clampNanoseconds(t.Unix()-int64(offset), nanos), true
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

// parseFraction reads the fraction of a second that may stand at the beginning of b.
func parseFraction(b []byte) (nanos int64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' && b[0] != ',' {
		return 0, b, true
	}
	i, unit := 1, int64(100_000_000)
	for ; i < len(b) && isDigit(b[i]); i++ {
		nanos += unit * int64(b[i]-'0')
		unit /= 10
	}
	return nanos, b[i:], i > 1
}

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

// appendEpoch appends ets, the milliseconds since the epoch, as UTC with milliseconds and Z, and gives its instant.
// It appends nothing where ets is no number or falls outside of the years 0 to 9999. What is finer than a
// millisecond is cut from the text, and finer than a nanosecond from the instant.
func appendEpoch(dst, ets []byte) ([]byte, int64) {
	ms, nanos, ok := parseEpoch(ets)
	if !ok || ms < firstMilli || ms > lastMilli {
		return dst, noTime
	}
	t := time.UnixMilli(ms).UTC()
	dst = t.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	return dst, clampNanoseconds(t.Unix(), int64(t.Nanosecond())+nanos)
}

var (
	firstMilli = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	lastMilli  = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() - 1
)

// parseEpoch splits a JSON number of milliseconds into whole ones, rounded down, and the nanoseconds above them.
func parseEpoch(number []byte) (ms, nanos int64, ok bool) {
	if !isNumber(number) {
		return 0, 0, false
	}
	const most = 18 // decimal digits that surely fit an int64
	var space [usualDigits]byte
	d := parseDecimal(number, space[:0])
	if d.point > most {
		return 0, 0, false
	}
	for i := range max(d.point, 0) {
		ms *= 10
		if i < len(d.digits) {
			ms += int64(d.digits[i] - '0')
		}
	}
	for i := range 6 {
		nanos *= 10
		if at := d.point + i; at >= 0 && at < len(d.digits) {
			nanos += int64(d.digits[at] - '0')
		}
	}
	if d.isNegative {
		ms, nanos = -ms, -nanos
		// A negative value with anything behind its last nanosecond lies below it.
		if d.point+6 < len(d.digits) {
			nanos--
		}
		if nanos < 0 {
			ms, nanos = ms-1, nanos+1_000_000
		}
	}
	return ms, nanos, true
}

// clampNanoseconds is an instant in nanoseconds since the epoch, kept within what an int64 holds and above noTime.
func clampNanoseconds(seconds, nanos int64) int64 {
	const most = math.MaxInt64 / 1_000_000_000
	if seconds >= most {
		return math.MaxInt64
	}
	if seconds < -most {
		return noTime + 1
	}
	return seconds*1_000_000_000 + nanos
}
