package telemetry

// decimal is the value of a JSON number, exactly: 0.d1d2d3… times ten to the power of point, d1 being digits[0].
type decimal struct {
	isNegative bool
	digits     []byte // no zero first or last; none for zero
	point      int
}

// maxPlain is how many digits a number may take when it is written without its exponent. A longer one stays as it
// stands in the source, lest 1e999999999 fill the memory.
const maxPlain = 400

// appendShortest appends a JSON number in its shortest form without an exponent: 21 for 21.0 and 2.1e1. It is
// computed on the decimal text, so no digit is lost.
func appendShortest(dst, number []byte) []byte {
	if isPlainInteger(number) {
		return append(dst, number...)
	}
	var space [usualDigits]byte
	d := parseDecimal(number, space[:0])
	if d.countPlain() > max(maxPlain, len(number)) {
		return append(dst, number...)
	}
	return d.appendPlain(dst)
}

// appendRounded appends a JSON number rounded to a whole one, halves towards positive infinity.
func appendRounded(dst, number []byte) []byte {
	if isPlainInteger(number) {
		return append(dst, number...)
	}
	var space [usualDigits]byte
	d := parseDecimal(number, space[:0])
	if d.point > max(maxPlain, len(number)) {
		return append(dst, number...)
	}
	d.round()
	return d.appendPlain(dst)
}

// isPlainInteger tells whether a JSON number is already in its shortest form, for it consists of digits alone.
func isPlainInteger(number []byte) bool {
	for _, c := range number {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// usualDigits is room for the digits of nearly every number.
const usualDigits = 64

// parseDecimal reads a JSON number into digits, or more room if that lacks some.
func parseDecimal(number, digits []byte) decimal {
	d := decimal{digits: digits}
	i := 0
	if number[0] == '-' {
		d.isNegative = true
		i++
	}
	for i < len(number) && isDigit(number[i]) {
		d.digits = append(d.digits, number[i])
		i++
	}
	d.point = len(d.digits)
	if i < len(number) && number[i] == '.' {
		for i++; i < len(number) && isDigit(number[i]); i++ {
			d.digits = append(d.digits, number[i])
		}
	}
	if i < len(number) {
		d.point += parseExponent(number[i+1:])
	}
	d.trim()
	return d
}

// parseExponent reads what follows the e. Beyond 10^18 all exponents are alike: an int holds no more, and the digits of a
// line do not make up for it.
func parseExponent(text []byte) int {
	isNegative := text[0] == '-'
	if isNegative || text[0] == '+' {
		text = text[1:]
	}
	const most = 1_000_000_000_000_000_000
	exponent := 0
	for _, c := range text {
		if exponent = exponent*10 + int(c-'0'); exponent >= most {
			exponent = most
			break
		}
	}
	if isNegative {
		return -exponent
	}
	return exponent
}

// trim drops the zeros at both ends; zero has neither digits nor a sign.
func (d *decimal) trim() {
	for len(d.digits) > 0 && d.digits[0] == '0' {
		d.digits = d.digits[1:]
		d.point--
	}
	for len(d.digits) > 0 && d.digits[len(d.digits)-1] == '0' {
		d.digits = d.digits[:len(d.digits)-1]
	}
	if len(d.digits) == 0 {
		d.isNegative, d.point = false, 0
	}
}

// countPlain is how many digits d takes when it is written without its exponent.
func (d *decimal) countPlain() int {
	if d.point <= 0 {
		return 1 - d.point + len(d.digits)
	}
	return max(d.point, len(d.digits))
}

func (d *decimal) appendPlain(dst []byte) []byte {
	if d.isNegative {
		dst = append(dst, '-')
	}
	if d.point <= 0 {
		dst = append(dst, '0')
		if len(d.digits) == 0 {
			return dst
		}
		dst = append(dst, '.')
		dst = appendZeros(dst, -d.point)
		return append(dst, d.digits...)
	}
	if d.point >= len(d.digits) {
		dst = append(dst, d.digits...)
		return appendZeros(dst, d.point-len(d.digits))
	}
	dst = append(dst, d.digits[:d.point]...)
	dst = append(dst, '.')
	return append(dst, d.digits[d.point:]...)
}

func appendZeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, '0')
	}
	return dst
}

// round makes d whole. A half goes up, which is towards zero where d is negative.
func (d *decimal) round() {
	if d.point >= len(d.digits) {
		return
	}
	if d.point < 0 {
		*d = decimal{}
		return
	}
	fraction := d.digits[d.point:]
	isHalf := fraction[0] == '5' && len(fraction) == 1
	d.digits = d.digits[:d.point]
	if fraction[0] >= '5' && !(isHalf && d.isNegative) {
		d.increment()
	}
	d.trim()
}

// increment adds one to the magnitude of a d that has been cut to its whole digits.
func (d *decimal) increment() {
	for i := len(d.digits) - 1; i >= 0; i-- {
		if d.digits[i] < '9' {
			d.digits[i]++
			return
		}
		d.digits[i] = '0'
	}
	// All digits were nines: a one remains, without the zeros behind it. The fraction has left room for it.
	d.digits = d.digits[:1]
	d.digits[0] = '1'
	d.point++
}
