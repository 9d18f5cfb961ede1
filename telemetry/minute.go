package telemetry

// minute reads a time in the usual form, "2022-03-01T10:00:00.123Z" with its quotes, if it is of the same minute as one
// before: rows are in the order of their times.
type minute struct {
	beginning [len(`"2022-03-01T10:00:`)]byte
	ms        int64 // at which the minute begins
}

func (m *minute) read(value []byte) (ms int64, ok bool) {
	const at = len(m.beginning)
	if len(value) != at+len(`00.123Z"`) || string(value[:at]) != string(m.beginning[:]) {
		return 0, false
	}
	rest := value[at:]
	for _, i := range [...]int{0, 1, 3, 4, 5} {
		if !isDigit(rest[i]) {
			return 0, false
		}
	}
	if rest[0] > '5' || rest[2] != '.' || string(rest[6:]) != `Z"` {
		return 0, false
	}
	second := int64(rest[0]-'0')*10 + int64(rest[1]-'0')
	fraction := int64(rest[3]-'0')*100 + int64(rest[4]-'0')*10 + int64(rest[5]-'0')
	return m.ms + second*1000 + fraction, true
}

// keep keeps the minute of a time whose instant is known.
func (m *minute) keep(value []byte, ms int64) {
	if len(value) != len(m.beginning)+len(`00.123Z"`) || !isString(value) {
		return
	}
	beginning := m.beginning
	copy(m.beginning[:], value)
	m.ms = 0
	if offset, ok := m.read(value); ok {
		m.ms = ms - offset
		return
	}
	m.beginning = beginning
}
