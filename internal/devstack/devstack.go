// Package devstack starts and stops the servers that development and tests need (Temporal, PostgreSQL, PgBouncer,
// Azurite) as child processes on free ports of 127.0.0.1; it may know nothing of exhausts, and the
// API and the worker may not use it.
//
// Every child ends on Stop, when the context that it was started with ends, and when this process
// dies, even by SIGKILL. No child shares this process's process group, so a Ctrl-C reaches only this
// process, which stops its children in the order that it likes.
//
// The programs come from [Tool] (built or installed from what tools/ pins) or, PostgreSQL and PgBouncer, from the
// machine. The package works on Linux and macOS.
package devstack
