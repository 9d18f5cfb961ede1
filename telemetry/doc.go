// Package telemetry reads Sunbird v3 telemetry: it says where a day's objects lie, decompresses them, and finds
// the events that belong to one exhaust. The rules are sections 3 and 4 of the contract.
package telemetry
