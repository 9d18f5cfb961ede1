package summary

import (
	"encoding/binary"
	"math/big"
	"math/bits"

	"data-exhaust/report"
)

// sum adds up whole numbers of at most mostDigits digits, exactly: 128 bits hold more of them than there can be rows.
type sum struct {
	count int64
	// high and low are the total, as a two's complement of 128 bits.
	high, low uint64
}

// mostDigits is how many digits a number has at the most. Telemetry holds numbers of any length, and those of some megabytes
// would take minutes to add up.
const mostDigits = 18

// add adds the number in a cell, if that is a whole one.
func (s *sum) add(cell []byte) {
	digits := cell
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > mostDigits || digits[0] == '0' && len(digits) > 1 {
		return
	}
	n := int64(0)
	for _, c := range digits {
		if c < '0' || c > '9' {
			return
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) < len(cell) {
		n = -n
	}
	s.addSum(sum{1, uint64(n >> 63), uint64(n)})
}

func (s *sum) addSum(other sum) {
	s.count += other.count
	low, carry := bits.Add64(s.low, other.low, 0)
	s.low = low
	s.high, _ = bits.Add64(s.high, other.high, carry)
}

func (s *sum) mean() report.Mean {
	total := big.NewInt(int64(s.high))
	total.Lsh(total, 64)
	total.Add(total, new(big.Int).SetUint64(s.low))
	return report.MeanOf(total, s.count)
}

func (s *sum) append(record []byte) []byte {
	record = binary.AppendUvarint(record, uint64(s.count))
	return binary.AppendUvarint(binary.AppendUvarint(record, s.high), s.low)
}
