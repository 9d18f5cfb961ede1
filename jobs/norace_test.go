//go:build !race

package jobs

const slowdown = 1
