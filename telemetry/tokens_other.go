//go:build !amd64

package telemetry

const hasAVX512 = false

// read gives false on processors that are not fast at it.
func (t *tokens) read([]byte, int) bool { return false }
