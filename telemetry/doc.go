// Package telemetry finds the events that belong to one exhaust in Sunbird v3 telemetry: it tells which objects of a
// store are a day's, decompresses an object, and makes a row of each event that belongs.
//
// It does no I/O of its own, but reads the io.Reader that it is given, and imports nothing of this project but exhaust.
// docs/telemetry.md has the rules.
package telemetry
