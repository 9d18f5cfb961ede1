// Package exhaust is the domain: what an exhaust is, how it is asked for, and what its rows say.
// It does no I/O and imports nothing else of the project.
package exhaust
