package blob

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// maxSegmentBytes is the longest name of a file or folder that the usual file systems take.
	maxSegmentBytes = 255
	// maxAzureSegments is how many segments the name of a blob may have.
	maxAzureSegments = 254
)

// CheckNames tells why the store at a location can hold no object whose name begins with prefix: its error continues "names
// that begin so". A folder holds no empty segment, "." or ".."; Azure holds them all.
func (l Location) CheckNames(prefix string) error {
	if strings.ContainsRune(prefix, 0) {
		return errors.New("hold a zero byte, which no store takes")
	}
	if l.Folder == "" {
		return l.checkBlobNames(prefix)
	}
	return checkFileNames(prefix)
}

// checkBlobNames knows Azure's limits on what the store's own prefix and the name's beginning are together.
func (l Location) checkBlobNames(prefix string) error {
	name := prefix
	if own := strings.Trim(l.Prefix, "/"); own != "" {
		name = own + "/" + prefix
	}
	switch {
	case !utf8.ValidString(name):
		return errors.New("are not UTF-8, which Azure wants")
	case utf8.RuneCountInString(name) > maxNameBytes:
		return fmt.Errorf("are longer than the %d characters that Azure takes", maxNameBytes)
	case strings.Count(name, "/")+1 > maxAzureSegments:
		return fmt.Errorf("have more than the %d segments that Azure takes", maxAzureSegments)
	}
	return nil
}

func checkFileNames(prefix string) error {
	if isTemporary(prefix) {
		return fmt.Errorf("lie in %s, where the store keeps what is being written", tmpDir)
	}
	segments := strings.Split(prefix, "/")
	for i, segment := range segments {
		isWhole := i < len(segments)-1 // the last goes on
		switch {
		case isWhole && (segment == "" || segment == "." || segment == ".."):
			return fmt.Errorf("have the segment %q, which a folder cannot hold", segment)
		case len(segment) > maxSegmentBytes:
			return fmt.Errorf("have a segment of more than the %d bytes that a file's name may have", maxSegmentBytes)
		}
	}
	return nil
}
