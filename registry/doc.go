// Package registry reads UCI's own tables (contract section 7) on PostgreSQL and on SQLite, never writes them, and never
// reads one whole.
//
// Errors say what was being done and to which table; they never hold a row's values, because those are phone numbers.
package registry
