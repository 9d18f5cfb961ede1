package telemetry

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
)

// readInstant gives the milliseconds that value is read as, exactly.
func readInstant(r *instants, value string) (ms *big.Rat, ok bool) {
	d, ok := r.read([]byte(value))
	if !ok {
		return nil, false
	}
	text := string(d.digits)
	if text == "" {
		text = "0"
	}
	ms, _ = new(big.Rat).SetString(fmt.Sprintf("0.%se%d", text, d.point))
	if d.isNegative {
		ms.Neg(ms)
	}
	return ms, true
}

func TestATextIsReadAsAnInstant(t *testing.T) {
	utc := func(year int, month time.Month, day, hour, minute, second int) int64 {
		return time.Date(year, month, day, hour, minute, second, 0, time.UTC).Unix()
	}
	var r instants
	for text, want := range map[string]struct {
		seconds  int64
		fraction string
	}{
		"2022-03-01T10:20:30Z":                  {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01t10:20:30z":                  {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01 10:20:30Z":                  {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01T10:20:30":                   {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01T10:20:30.5":                 {utc(2022, 3, 1, 10, 20, 30), "5"},
		"2022-03-01T10:20:30.123Z":              {utc(2022, 3, 1, 10, 20, 30), "123"},
		"2022-03-01T10:20:30,123Z":              {utc(2022, 3, 1, 10, 20, 30), "123"},
		"2022-03-01T10:20:30.1234567899999Z":    {utc(2022, 3, 1, 10, 20, 30), "1234567899999"},
		"2022-03-01T10:20:30+05:30":             {utc(2022, 3, 1, 4, 50, 30), ""},
		"2022-03-01T10:20:30.000+0530":          {utc(2022, 3, 1, 4, 50, 30), ""},
		"2022-03-01T10:20:30+05":                {utc(2022, 3, 1, 5, 20, 30), ""},
		"2022-03-01T22:20:30-05:30":             {utc(2022, 3, 2, 3, 50, 30), ""},
		"2024-02-29T00:00:00Z":                  {utc(2024, 2, 29, 0, 0, 0), ""},
		"2022-12-31T23:59:60Z":                  {utc(2023, 1, 1, 0, 0, 0), ""},
		"1969-12-31T23:59:59.999999999Z":        {-1, "999999999"},
		"1969-12-31T23:59:58.10Z":               {-2, "1"},
		"9999-12-31T23:59:59Z":                  {253402300799, ""},
		"0001-01-01T00:00:00Z":                  {-62135596800, ""},
		"0000-01-01T00:00:00.99999999999+23:59": {-62167219200 - 23*3600 - 59*60, "99999999999"},

		"2022-03-01T10:20:30Z[UTC]":                       {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01T10:20:30.25[UTC]":                     {utc(2022, 3, 1, 10, 20, 30), "25"},
		"2022-03-01T10:20:30[Z]":                          {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01T10:20:30[GMT]":                        {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01T10:20:30[UT]":                         {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01T10:20:30[Etc/UTC]":                    {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01T10:20:30[Asia/Kolkata]":               {utc(2022, 3, 1, 4, 50, 30), ""},
		"2022-03-01T10:20:30+05:30[Asia/Kolkata]":         {utc(2022, 3, 1, 4, 50, 30), ""},
		"2022-03-01T10:20:30+01:00[Asia/Kolkata]":         {utc(2022, 3, 1, 9, 20, 30), ""},
		"2022-03-01T10:20:30Z[Asia/Kolkata]":              {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01T10:20:30Z[Nowhere]":                   {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01T10:20:30Z[../../etc/passwd]":          {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01T10:20:30Z[Local]":                     {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-01-15T10:20:30[America/New_York]":           {utc(2022, 1, 15, 15, 20, 30), ""},
		"2022-07-15T10:20:30[America/New_York]":           {utc(2022, 7, 15, 14, 20, 30), ""},
		"2022-03-01T10:20:30[UTC+5:30]":                   {utc(2022, 3, 1, 4, 50, 30), ""},
		"2022-03-01T10:20:30[UTC+05:30]":                  {utc(2022, 3, 1, 4, 50, 30), ""},
		"2022-03-01T10:20:30[GMT-8]":                      {utc(2022, 3, 1, 18, 20, 30), ""},
		"2022-03-01T10:20:30[UT+01]":                      {utc(2022, 3, 1, 9, 20, 30), ""},
		"2022-03-01T10:20:30[+05:30]":                     {utc(2022, 3, 1, 4, 50, 30), ""},
		"2022-03-01T10:20:30[GMT0]":                       {utc(2022, 3, 1, 10, 20, 30), ""},
		"2022-03-01T10:20:30Z[" + zoneOf(64) + "]":        {utc(2022, 3, 1, 10, 20, 30), ""},
		"1969-12-31T23:59:59.9[Etc/GMT+1]":                {3599, "9"},
		"2022-03-01T10:20:30.1234567890123[Asia/Kolkata]": {utc(2022, 3, 1, 4, 50, 30), "1234567890123"},
	} {
		ms, _ := new(big.Rat).SetString("0." + want.fraction + "0")
		ms.Add(ms, new(big.Rat).SetInt64(want.seconds)).Mul(ms, big.NewRat(1000, 1))
		got, ok := readInstant(&r, `"`+text+`"`)
		if !ok || got.Cmp(ms) != 0 {
			t.Errorf("%s is read as %v, %v; want %v", text, got, ok, ms)
		}
	}
}

func zoneOf(size int) string { return strings.Repeat("z", size) }

func TestWhatIsNoTimeIsNotReadAsOne(t *testing.T) {
	var r instants
	for _, text := range []string{
		"", "now", "2022-03-01", "2022-03-01T10:20", "2022-03-01T10:20Z", "2022-3-1T10:20:30Z", "20220301T102030Z",
		"2022-02-29T00:00:00Z", "2022-13-01T00:00:00Z", "2022-00-01T00:00:00Z", "2022-01-00T00:00:00Z", "2022-04-31T00:00:00Z",
		"2022-03-01T24:00:00Z", "2022-03-01T10:60:00Z", "2022-03-01T10:20:61Z", "2022-03-01T10:20:30.Z", "2022-03-01T10:20:30.",
		"2022-03-01T10:20:30X", "2022-03-01T10:20:30Zulu", "2022-03-01T10:20:30+", "2022-03-01T10:20:30+5", "2022-03-01T10:20:30+053",
		"2022-03-01T10:20:30+05:3", "2022-03-01T10:20:30+24:00", "2022-03-01T10:20:30+05:60", "2022-03-01T10:20:30+aa:bb",
		"2022-03-01T10:20:30 05:30", "-022-03-01T10:20:30Z", "2022-03-01T-1:20:30Z", " 2022-03-01T10:20:30Z", "2022-03-01T10:20:30Z ",
		"٢022-03-01T10:20:30Z", "Tue Mar  1 10:20:30 2022", "-5", "+5", "1.5", "1e3", " 5", "5 ", "٥",
		"2022-03-01T10:20:30[]", "2022-03-01T10:20:30Z[]", "2022-03-01T10:20:30Z[ ]", "2022-03-01T10:20:30Z[a\u00e9]", "2022-03-01T10:20:30Z[UTC",
		"2022-03-01T10:20:30ZUTC]", "2022-03-01T10:20:30Z[[UTC]]", "2022-03-01T10:20:30Z[UTC][UTC]", "2022-03-01T10:20:30Z[UTC] ",
		"2022-03-01T10:20:30Z[" + zoneOf(65) + "]", "2022-03-01T10:20:30X[UTC]", "2022-03-01T10:20:30+5[UTC]",
		"2022-03-01T10:20:30[Nowhere]", "2022-03-01T10:20:30[asia]", "2022-03-01T10:20:30[Local]", "2022-03-01T10:20:30[../UTC]", "2022-03-01T10:20:30[/etc/localtime]",
		"2022-03-01T10:20:30[UTCZ]", "2022-03-01T10:20:30[UTC+]", "2022-03-01T10:20:30[UTC+25]", "2022-03-01T10:20:30[UTC+5:60]", "2022-03-01T10:20:30[UTC 5]",
		"[UTC]", "1646092800000[UTC]",
	} {
		for range 2 { // the second time a zone is known to be none
			if got, ok := readInstant(&r, `"`+text+`"`); ok {
				t.Errorf("%q is read as the instant %v, want it unreadable", text, got)
			}
		}
	}
	for _, value := range []string{"", "null", "true", "false", "[1]", `{"a":1}`} {
		if got, ok := readInstant(&r, value); ok {
			t.Errorf("%s is read as the instant %v, want it unreadable", value, got)
		}
	}
}

func TestZonesThatDoNotExistDoNotFillTheMemory(t *testing.T) {
	var r instants
	for i := range 3 * maxZones {
		if _, ok := r.read(fmt.Appendf(nil, `"2022-03-01T10:20:30[Nowhere/%d]"`, i)); ok {
			t.Fatal("a zone that does not exist is read")
		}
	}
	if len(r.zones) > maxZones {
		t.Errorf("%d zones are kept", len(r.zones))
	}
}

func TestEtsIsShownAsUTCWithMilliseconds(t *testing.T) {
	var r instants
	for ets, want := range map[string]string{
		"0":                                "1970-01-01T00:00:00.000Z",
		"1646092800123":                    "2022-03-01T00:00:00.123Z",
		"1646092800123.0":                  "2022-03-01T00:00:00.123Z",
		"1.646092800123E12":                "2022-03-01T00:00:00.123Z",
		"1646092800123.9":                  "2022-03-01T00:00:00.123Z",
		"1646092800123.0000019":            "2022-03-01T00:00:00.123Z",
		"0.5":                              "1970-01-01T00:00:00.000Z",
		"1e-400":                           "1970-01-01T00:00:00.000Z",
		"-1":                               "1969-12-31T23:59:59.999Z",
		"-0.25":                            "1969-12-31T23:59:59.999Z",
		"-1e-400":                          "1969-12-31T23:59:59.999Z",
		"-1500":                            "1969-12-31T23:59:58.500Z",
		"-1500.0001":                       "1969-12-31T23:59:58.499Z",
		"253402300799999":                  "9999-12-31T23:59:59.999Z",
		"253402300799999.9":                "9999-12-31T23:59:59.999Z",
		"-62167219200000":                  "0000-01-01T00:00:00.000Z",
		"253402300800000":                  "",
		"-62167219200000.1":                "",
		"1e18":                             "",
		"-1e18":                            "",
		"1e99999999999":                    "",
		`"1646092800123"`:                  "2022-03-01T00:00:00.123Z",
		`"0001646092800123"`:               "2022-03-01T00:00:00.123Z",
		`"253402300800000"`:                "",
		`"2022-03-01T05:30:00.1239+05:30"`: "2022-03-01T00:00:00.123Z",
		`"1969-12-31T23:59:59.9999Z"`:      "1969-12-31T23:59:59.999Z",
		`"0000-01-01T00:00:00+00:01"`:      "",
		`"9999-12-31T23:59:59.9999-00:01"`: "",
		`"2022-03-01T00:00:00.123[Asia/Kolkata]"`: "2022-02-28T18:30:00.123Z",
		`"soon"`: "", "null": "", "true": "", "[1]": "", "": "",
	} {
		if text := r.appendUTC(nil, []byte(ets)); string(text) != want {
			t.Errorf("ets %s gives %q, want %q", ets, text, want)
		}
	}
}

func TestSortKeysCompareAsInstants(t *testing.T) {
	// Each row holds spellings of one instant; the rows are in the order of time.
	rows := [][]string{
		{`-1e999999999999`}, {`-9.99e999999999`, `-99.9e999999998`}, {`-1e999999999`}, {`-1e65`}, {`-1e64`}, {`-1e63`},
		{`-62167305540000`, `"0000-01-01T00:00:00+23:59"`},
		{`-1001`}, {`-1000`, `"1969-12-31T23:59:59Z"`}, {`-999.9999`, `"1969-12-31T23:59:59.0000001Z"`}, {`-999`}, {`-100.1`, `-1.001e2`}, {`-100`, `-1e2`, `-100.000`}, {`-99.9`},
		{`-12.3`}, {`-12`}, {`-1.0`, `-1`, `"1969-12-31T23:59:59.999Z"`}, {`-0.123`}, {`-0.12`}, {`-0.1`}, {`-1e-63`}, {`-1e-64`}, {`-1e-65`}, {`-1e-66`}, {`-1e-400`}, {`-1e-999999999`},
		{`0`, `-0`, `0.0e99`, `"0"`, `"000"`, `"1970-01-01T00:00:00Z"`, `"1969-12-31T23:59:60Z"`, `"1970-01-01T05:30:00[Asia/Kolkata]"`},
		{`1e-999999999`}, {`1e-400`, `0.1e-399`}, {`1e-66`}, {`1e-65`}, {`1e-64`}, {`1e-63`}, {`0.1`}, {`0.12`}, {`0.1201`}, {`0.123`}, {`0.5`}, {`1`}, {`1.00000000000000000001`}, {`9`}, {`10`, `1e1`, `"10"`}, {`11`}, {`99`}, {`100`, `"0100"`},
		{`1646092799999.99999999999999999999`, `"2022-02-28T23:59:59.99999999999999999999999Z"`},
		{`1646092800000`, `"1646092800000"`, `1.6460928e12`, `16460928E5`, `1646092800000.000`, `"2022-03-01T00:00:00Z"`, `"2022-03-01T05:30:00+05:30"`,
			`"2022-03-01 05:30:00.000[Asia/Kolkata]"`, `"2022-03-01T00:00:00\u005a"`},
		{`1646092800000.000000000000000001`, `"2022-03-01T00:00:00.000000000000000000001Z"`},
		{`1646092800000.5`, `"2022-03-01T00:00:00.0005Z"`}, {`1646092800001`},
		{`253402300799999`, `"9999-12-31T23:59:59.999Z"`}, {`253402300860000`, `"9999-12-31T23:59:60-00:01"`, `"9999-12-31T23:59:60,0-00:01"`},
		{`1e62`}, {`1e63`}, {`1e64`}, {`1e999999999`, `0.1e1000000000`, `10e999999998`}, {`1.1e999999999`}, {`1e1000000000`}, {`1e99999999999`},
	}
	var r instants
	var keys [][]byte
	for _, row := range rows {
		var first []byte
		for i, value := range row {
			key := r.appendKey(nil, []byte(value))
			if len(key) == 0 || len(key) > 64 {
				t.Errorf("%s has a key of %d bytes", value, len(key))
			}
			if i == 0 {
				first = key
			} else if !bytes.Equal(key, first) {
				t.Errorf("%s and %s are one instant, but have the keys % x and % x", row[0], value, first, key)
			}
		}
		keys = append(keys, first)
	}
	for i := range keys {
		for j := range i {
			if bytes.Compare(keys[j], keys[i]) >= 0 {
				t.Errorf("%s sorts behind %s", rows[j][0], rows[i][0])
			}
		}
	}
	if key := r.appendKey(nil, []byte(`"soon"`)); len(key) != 0 {
		t.Errorf("what is no instant has the key % x", key)
	}
}

func TestSortKeysOfRandomNumbersCompareAsTheNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	var r instants
	type pair struct {
		number string
		value  *big.Rat
		key    []byte
	}
	var pairs []pair
	for range 2_000 {
		number := fmt.Sprintf("%d.%0*de%d", random.IntN(3)-1, 1+random.IntN(5), random.IntN(100), random.IntN(140)-70)
		if random.IntN(2) == 0 {
			number = "-" + strings.TrimPrefix(number, "-")
		}
		value, _ := new(big.Rat).SetString(number)
		pairs = append(pairs, pair{number, value, r.appendKey(nil, []byte(number))})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return a.value.Cmp(b.value) })
	for i := range pairs[1:] {
		a, b := pairs[i], pairs[i+1]
		if bytes.Compare(a.key, b.key) != a.value.Cmp(b.value) {
			t.Errorf("%s and %s compare as %d, but their keys % x and % x as %d", a.number, b.number, a.value.Cmp(b.value), a.key, b.key, bytes.Compare(a.key, b.key))
		}
	}
}

// The instant of a row is that by which its event is ordered, whether or not it is of the minute of the one before.
func TestTheInstantOfARow(t *testing.T) {
	var (
		reader RowReader
		row    exhaust.ResponseRow
	)
	const minute = 1646128800000 // 2022-03-01T10:00:00Z
	for _, c := range []struct {
		event string
		ms    int64
		ok    bool
	}{
		{`{"@timestamp":"2022-03-01T10:00:00.000Z"}`, minute, true},
		{`{"@timestamp":"2022-03-01T10:00:59.999Z","ets":1}`, minute + 59_999, true},
		{`{"@timestamp":"2022-03-01T10:00:60.000Z"}`, minute + 60_000, true}, // a leap second is the second after it
		{`{"@timestamp":"2022-03-01T10:00:61.000Z"}`, 0, false},
		{`{"@timestamp":"2022-03-01T10:00:0x.000Z","ets":7}`, 7, true},
		{`{"@timestamp":"2022-03-01T10:00:01,500Z"}`, minute + 1500, true},
		{`{"@timestamp":"2022-03-01T10:00:02.500+00:30"}`, minute + 2500 - 1_800_000, true},
		{`{"@timestamp":"2022-03-01T10:01:00.001Z"}`, minute + 60_001, true},
		{`{"@timestamp":"2022-03-01T10:01:00.0019Z"}`, minute + 60_001, true},
		{`{"@timestamp":"2022-03-01T10:01:30.000Z"}`, minute + 90_000, true},
		{`{"@timestamp":"","ets":1646128800000.9}`, minute, true},
		{`{"@timestamp":"soon","ets":"-1"}`, 0, false},
		{`{"@timestamp":"soon","ets":-0.5}`, -1, true},
		{`{"ets":1e300}`, 0, false},
		{`{}`, 0, false},
	} {
		reader.Read([]byte(c.event), &row)
		if ms, ok := reader.Milliseconds(); ok != c.ok || ok && ms != c.ms {
			t.Errorf("%s: %d, %v; want %d, %v", c.event, ms, ok, c.ms, c.ok)
		}
	}
}
