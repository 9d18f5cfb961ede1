// Package exhaust is the domain (what an exhaust is, how it is asked for, what its rows say), does no I/O, and imports
// nothing else of the project.
package exhaust
