package telemetry

import "golang.org/x/sys/cpu"

// hasAVX512 tells whether the processor has what tokenizeAVX512 needs, as those since Intel's Ice Lake and AMD's Zen 4 do.
var hasAVX512 = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VBMI2 &&
	cpu.X86.HasBMI1 && cpu.X86.HasBMI2 && cpu.X86.HasPOPCNT && cpu.X86.HasPCLMULQDQ

// read tokenizes b[:n], of at least one and at most maxTokenized bytes. At least blockBytes more can be read behind that.
// It gives false where a string does not end or holds a control character, and on processors that are not fast at it.
func (t *tokens) read(b []byte, n int) bool {
	if !hasAVX512 {
		return false
	}
	_, _ = b[n+blockBytes-1], t.positions[n+blockBytes-1]
	var isSound bool
	t.count, t.escapeCount, isSound = tokenizeAVX512(&b[0], n, &t.positions[0], &t.kinds[0], &t.escapes[0])
	return isSound
}

//go:noescape
func tokenizeAVX512(b *byte, n int, positions *uint16, kinds *byte, escapes *uint16) (count, escapeCount int, isSound bool)
