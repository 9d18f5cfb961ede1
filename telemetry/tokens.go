package telemetry

// tokens are those of one line: brackets, commas and colons outside of strings, the opening quotes of strings, and the
// first bytes of what is neither, which are scalars if the line is JSON. Of a line that is none there may be others.
type tokens struct {
	count       int
	positions   [maxTokenized + blockBytes]uint16
	kinds       [maxTokenized + blockBytes]byte // the token's own byte, or scalarToken
	escapeCount int
	escapes     [maxTokenized/2 + 1]uint16 // the positions of the backslashes that begin an escape
}

const (
	scalarToken = 0
	// maxTokenized is how long a line can be, in bytes, to be tokenized.
	maxTokenized = 16 << 10
	// blockBytes is how many bytes are looked at together. As many may be read behind the line.
	blockBytes = 64
)
