// Package telemetry finds the events that belong to one exhaust in Sunbird v3 telemetry (which objects of a store are a
// day's, what they hold unpacked, the row of each event that belongs), does no I/O of its own but reads the io.Reader
// that it is given, and imports nothing of this project but exhaust.
//
// docs/telemetry.md has the rules.
package telemetry
