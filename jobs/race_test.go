//go:build race

package jobs

// The race detector makes SQLite, which is Go code, some forty times slower. Plans race with nothing.
const slowdown = 40
