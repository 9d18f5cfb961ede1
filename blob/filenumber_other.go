//go:build !unix

package blob

import "io/fs"

// fileNumber is 0 where files have no number that a FileInfo tells; there the time of the last write must do.
func fileNumber(fs.FileInfo) uint64 { return 0 }
