package segments

import "bytes"

// A loser tree finds the smallest record of k readers with log k comparisons, one on each level: every inner node holds
// the reader that lost the match there, the one at the top the winner. When the winner goes on to its next record, only
// the matches on its way to the top are played again (Knuth, The Art of Computer Programming, volume 3, section 5.4.1).

type loserTree struct {
	readers []*reader
	// nodes are indexes of readers. That of nodes[0] is the winner; the children of node n are 2n and 2n+1, where
	// len(nodes)+i stands for reader i.
	nodes []int
}

func newLoserTree(readers []*reader) *loserTree {
	t := &loserTree{readers: readers, nodes: make([]int, len(readers))}
	winners := make([]int, 2*len(readers))
	for i := range readers {
		winners[len(readers)+i] = i
	}
	for n := len(readers) - 1; n > 0; n-- {
		winners[n], t.nodes[n] = t.play(winners[2*n], winners[2*n+1])
	}
	if len(readers) > 1 {
		t.nodes[0] = winners[1]
	}
	return t
}

func (t *loserTree) winner() *reader { return t.readers[t.nodes[0]] }

// replay is due once the winner has another record, or none.
func (t *loserTree) replay() {
	winner := t.nodes[0]
	for n := (len(t.nodes) + winner) / 2; n > 0; n /= 2 {
		winner, t.nodes[n] = t.play(winner, t.nodes[n])
	}
	t.nodes[0] = winner
}

// play is a match of two readers, which the smaller record wins. A reader at its end, whose prefix is the greatest there
// is, loses against any record.
func (t *loserTree) play(i, j int) (winner, loser int) {
	x, y := t.readers[i], t.readers[j]
	isLess := x.prefix < y.prefix
	if x.prefix == y.prefix {
		isLess = !x.isAtEnd && (y.isAtEnd || bytes.Compare(x.record, y.record) < 0)
	}
	if isLess {
		return i, j
	}
	return j, i
}
