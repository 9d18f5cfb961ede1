// Package receipt says what a report holds and what it left out (a receipt), signs that with Ed25519 and verifies it, and
// knows no store: it writes to the io.Writer and reads from the io.Reader that it is given.
package receipt
