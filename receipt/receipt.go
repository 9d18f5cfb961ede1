package receipt

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"time"
)

// Version is that of the form of receipts.
const Version = 1

// Receipt is what a receipt says. Times are UTC.
type Receipt struct {
	Version      int          `json:"version"`
	Request      Request      `json:"request"`
	Conversation Conversation `json:"conversation"`
	// StartDate and EndDate are the days that the exhaust covers, both included; "" where it lists who is registered.
	StartDate string `json:"startDate,omitempty"`
	EndDate   string `json:"endDate,omitempty"`
	// Code is the version of the program that made the file.
	Code string `json:"code"`
	// CompleteAsOf is when the telemetry was listed, or who is registered was asked for: the file holds what was there then.
	CompleteAsOf time.Time `json:"completeAsOf"`
	CreatedAt    time.Time `json:"createdAt"`
	File         File      `json:"file"`
	// Summary is the file's summary, of as many rows; nil in receipts of releases that wrote none.
	Summary   *File     `json:"summary,omitempty"`
	Losses    Losses    `json:"losses"`
	Telemetry Telemetry `json:"telemetry"`
	// Objects are the telemetry objects that were read, in the order of their days and names.
	Objects []Object `json:"objects"`
}

// Request is what was asked for.
type Request struct {
	ID          string `json:"requestId"`
	Dataset     string `json:"dataset"`
	Tag         string `json:"tag"`
	Channel     string `json:"channel"`
	RequestedBy string `json:"requestedBy"`
	// Purpose is what the exhaust was asked for; left out where that was not said.
	Purpose       string          `json:"purpose,omitempty"`
	DatasetConfig json.RawMessage `json:"datasetConfig"`
	SubmittedAt   time.Time       `json:"submittedAt"`
	// Attempts counts the attempts before the one that made the file.
	Attempts int `json:"attempts"`
}

// Conversation is the one that was asked for, as the registry has it.
type Conversation struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// File is the file that the receipt is of.
type File struct {
	// Name is the file's in the reports store.
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	// SHA256 is lower-case hexadecimal.
	SHA256 string `json:"sha256"`
}

// Losses is everything that the file does not hold, or does not show, by its reason.
type Losses struct {
	// LinesSkipped counts lines of telemetry that were no JSON object or longer than 16 MiB.
	LinesSkipped int64 `json:"linesSkipped"`
	// Repeats counts events that were delivered before.
	Repeats int64 `json:"repeats"`
	// RowsUnknownDevice counts rows whose device the registry does not know.
	RowsUnknownDevice int64 `json:"rowsUnknownDevice"`
	// AnswersWithheld counts answers of devices that refused consent.
	AnswersWithheld int64 `json:"answersWithheld"`
	// NumbersHidden counts phone numbers that are not shown because consent was not given, or there is no secret.
	NumbersHidden int64 `json:"numbersHidden"`
	// ConsentUnreadable counts devices whose consent could not be read and counts as refused.
	ConsentUnreadable int64 `json:"consentUnreadable"`
	// Undecryptable counts devices whose phone number was due and did not decrypt.
	Undecryptable int64 `json:"undecryptable"`
}

// Telemetry is what was read, summed up. Bytes are those of the objects as stored.
type Telemetry struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	Lines   int64 `json:"lines"`
	Skipped int64 `json:"skipped"`
	Matched int64 `json:"matched"`
}

// Object is one telemetry object: the version that was read, and what was counted in it.
type Object struct {
	Name string `json:"name"`
	ETag string `json:"etag"`
	// Bytes are those of the object as stored.
	Bytes int64 `json:"bytes"`
	// Lines are those that are not empty, Skipped those of them that were no JSON object or too long, Matched those that
	// are events of the exhaust.
	Lines   int64 `json:"lines"`
	Skipped int64 `json:"skipped"`
	Matched int64 `json:"matched"`
}

// signed is a receipt with its signature, as a file holds it.
type signed struct {
	Receipt   json.RawMessage `json:"receipt"`
	KeyID     string          `json:"keyId"`
	PublicKey string          `json:"publicKey"`
	Signature string          `json:"signature"`
}

// The signature is over a text that names what it is for and the SHA-256 of the receipt's JSON without white space. So a
// receipt of many thousand objects is written and signed as a stream, and survives being pretty-printed.
func message(digest []byte) []byte {
	return []byte("data-exhaust receipt v1\nsha256:" + hex.EncodeToString(digest) + "\n")
}

// Write writes the receipt that head begins, with these objects, and its signature. Of head.Objects it takes no notice.
func Write(w io.Writer, head Receipt, objects iter.Seq2[Object, error], key ed25519.PrivateKey) error {
	head.Version, head.Objects = Version, []Object{}
	begin, err := marshal(head)
	if err != nil {
		return fmt.Errorf("write the receipt: %w", err)
	}
	begin, isOpen := bytes.CutSuffix(begin, []byte("]}"))
	if !isOpen {
		return errors.New("write the receipt: its objects do not come last")
	}
	s := &stream{w: w, digest: sha256.New()}
	s.space(`{"receipt":`)
	s.write(begin)
	isFirst := true
	for object, err := range objects {
		if err != nil {
			return fmt.Errorf("write the receipt: %w", err)
		}
		line, err := marshal(object)
		if err != nil {
			return fmt.Errorf("write the receipt: %w", err)
		}
		if !isFirst {
			s.write([]byte(","))
		}
		isFirst = false
		s.space("\n")
		s.write(line)
	}
	s.write([]byte("]}"))
	public := Public(key)
	end, err := json.Marshal(signed{
		KeyID: public.ID, PublicKey: public.Key, Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(key, message(s.digest.Sum(nil)))),
	})
	if err != nil {
		return fmt.Errorf("write the receipt: %w", err)
	}
	s.space(string(bytes.TrimPrefix(end, []byte(`{"receipt":null`))) + "\n")
	if s.err != nil {
		return fmt.Errorf("write the receipt: %w", s.err)
	}
	return nil
}

// Objects gives the objects that a receipt names, one after the other. It holds none of the others in memory, and does not check the
// signature: it is for receipts of one's own. An error ends it.
func Objects(r io.Reader) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		decoder := json.NewDecoder(r)
		err := cmp.Or(enter(decoder, "receipt"), enter(decoder, "objects"), expect(decoder, json.Delim('[')))
		for err == nil && decoder.More() {
			var object Object
			if err = decoder.Decode(&object); err == nil && !yield(object, nil) {
				return
			}
		}
		if err = cmp.Or(err, expect(decoder, json.Delim(']'))); err != nil {
			yield(Object{}, fmt.Errorf("read the receipt: %w", err))
		}
	}
}

// enter reads the beginning of an object, up to the value of the member of that name.
func enter(decoder *json.Decoder, name string) error {
	if err := expect(decoder, json.Delim('{')); err != nil {
		return err
	}
	for {
		switch token, err := decoder.Token(); {
		case err != nil:
			return err
		case token == name:
			return nil
		case token == json.Delim('}'):
			return fmt.Errorf("it has no %s", name)
		}
		var other json.RawMessage
		if err := decoder.Decode(&other); err != nil {
			return err
		}
	}
}

func expect(decoder *json.Decoder, want json.Delim) error {
	token, err := decoder.Token()
	if err == nil && token != want {
		err = fmt.Errorf("%v stands in place of %v", token, want)
	}
	return err
}

// marshal is json.Marshal without the escapes for HTML, which make a receipt hard to read.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// stream writes a receipt. What is the receipt's own JSON goes into the digest, what stands around it does not.
type stream struct {
	w      io.Writer
	digest hash.Hash
	err    error
}

func (s *stream) write(p []byte) {
	s.digest.Write(p)
	s.space(string(p))
}

func (s *stream) space(text string) {
	if s.err == nil {
		_, s.err = io.WriteString(s.w, text)
	}
}

// FileWriter writes a file that gets a receipt.
type FileWriter struct {
	w      io.Writer
	digest hash.Hash
	bytes  int64
}

// NewFileWriter writes to w.
func NewFileWriter(w io.Writer) *FileWriter { return &FileWriter{w: w, digest: sha256.New()} }

// Write writes to the file and counts.
func (f *FileWriter) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.digest.Write(p[:n])
	f.bytes += int64(n)
	return n, err
}

// File is what was written so far.
func (f *FileWriter) File(name string, rows int64) File {
	return File{Name: name, Rows: rows, Bytes: f.bytes, SHA256: hex.EncodeToString(f.digest.Sum(nil))}
}
