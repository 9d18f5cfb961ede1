package report_test

import (
	"encoding/json"
	"math/big"
	"testing"

	"data-exhaust/report"
)

func TestAMeanIsRoundedHalfUpToTwoDecimals(t *testing.T) {
	for _, c := range []struct {
		sum, count int64
		want       string
	}{
		{0, 0, "null"}, {0, 7, "0"}, {1, 3, "0.33"}, {2, 3, "0.67"}, {85, 13, "6.54"}, {14, 5, "2.8"}, {7, 7, "1"},
		{1, 8, "0.13"}, {-1, 8, "-0.12"}, {-3, 8, "-0.37"}, {-1, 200, "0"}, {1, 200, "0.01"}, {1, 201, "0"}, {-1, 199, "-0.01"}, {-7, 2, "-3.5"},
		{199_999, 1000, "200"},
	} {
		got, err := json.Marshal(report.MeanOf(big.NewInt(c.sum), c.count))
		if err != nil || string(got) != c.want {
			t.Errorf("%d by %d: %s, %v; want %s", c.sum, c.count, got, err, c.want)
		}
	}
}
