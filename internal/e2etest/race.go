//go:build race

package e2etest

// HasRaceDetector tells whether the tests, and so the programs that they start, are built with -race.
const HasRaceDetector = true
