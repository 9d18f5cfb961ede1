// Package registry reads UCI's own tables (contract section 7) and keeps job_request, the table
// of what stays of an exhaust for good. Both work on PostgreSQL and on SQLite.
//
// Errors tell what was being done and to which table; they never hold a row's values, because
// those are phone numbers and signed URLs.
package registry
