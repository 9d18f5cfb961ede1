package receipt_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os/exec"
	"strings"
	"testing"
	"time"

	"data-exhaust/receipt"
)

// key is made of a fixed seed.
var key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

func objects(names ...string) iter.Seq2[receipt.Object, error] {
	return func(yield func(receipt.Object, error) bool) {
		for _, name := range names {
			if !yield(receipt.Object{Name: name, ETag: "e<&>", Bytes: 10, Lines: 3, Skipped: 1, Matched: 2}, nil) {
				return
			}
		}
	}
}

func head() receipt.Receipt {
	at := time.Date(2022, 4, 6, 9, 32, 0, 0, time.UTC)
	return receipt.Receipt{
		Request: receipt.Request{
			ID: "1E2A", Dataset: "uci-response-exhaust", Tag: "t", Channel: "c", RequestedBy: "u <&> \u2028",
			DatasetConfig: json.RawMessage(`{ "b": 1.0, "a": "<x>" }`), SubmittedAt: at,
		},
		Conversation: receipt.Conversation{ID: "bot", Name: "Helpdesk"},
		StartDate:    "2022-03-01", EndDate: "2022-04-01", Code: "v1", CompleteAsOf: at, CreatedAt: at,
		File:      receipt.File{Name: "f.csv", Rows: 2, Bytes: 3, SHA256: sumOf("abc")},
		Losses:    receipt.Losses{Repeats: 4},
		Telemetry: receipt.Telemetry{Objects: 2, Bytes: 20, Lines: 6, Skipped: 2, Matched: 4},
	}
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func write(t *testing.T, names ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := receipt.Write(&out, head(), objects(names...), key); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAReceiptIsReadAsItWasWritten(t *testing.T) {
	text := write(t, "2022-03-01/a.gz", "2022-03-01/b \"x\".gz")
	got, err := receipt.Read(strings.NewReader(text), []receipt.PublicKey{receipt.Public(key)})
	if err != nil {
		t.Fatal(err)
	}
	if !got.IsKeyKnown || got.Key != receipt.Public(key) || got.Version != 1 {
		t.Errorf("key %+v known %v version %d", got.Key, got.IsKeyKnown, got.Version)
	}
	if len(got.Objects) != 2 || got.Objects[1] != (receipt.Object{Name: "2022-03-01/b \"x\".gz", ETag: "e<&>", Bytes: 10, Lines: 3, Skipped: 1, Matched: 2}) {
		t.Errorf("objects %+v", got.Objects)
	}
	want := head()
	if got.File != want.File || got.Losses != want.Losses || got.Telemetry != want.Telemetry || got.Request.RequestedBy != want.Request.RequestedBy ||
		!got.CompleteAsOf.Equal(want.CompleteAsOf) || string(got.Request.DatasetConfig) != `{"b":1.0,"a":"<x>"}` {
		t.Errorf("got %+v", got.Receipt)
	}
	if got, err := receipt.Read(strings.NewReader(write(t)), nil); err != nil || got.IsKeyKnown || len(got.Objects) != 0 {
		t.Errorf("without objects and keys: %+v, %v", got, err)
	}
}

// The form is a promise: a receipt is verified by other programs too, and years later.
func TestTheObjectsOfAReceiptAreReadOneAfterTheOther(t *testing.T) {
	text := write(t, "a", "b", "c")
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(text), "", "\t"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"as it was written": {text, "a 3, b 3, c 3, "},
		"made pretty":       {pretty.String(), "a 3, b 3, c 3, "},
		"without any":       {write(t), ""},
		"cut off":           {text[:strings.Index(text, `"name":"c"`)], "a 3, b 3, read the receipt: unexpected EOF"},
		"of another form":   {`{"receipt":{"objects":{}}}`, "read the receipt: { stands in place of ["},
		"no receipt":        {`{}`, "read the receipt: it has no receipt"},
		"no JSON":           {"", "read the receipt: EOF"},
	} {
		got := ""
		for object, err := range receipt.Objects(strings.NewReader(c.text)) {
			if err != nil {
				got += err.Error()
				break
			}
			got += fmt.Sprintf("%s %d, ", object.Name, object.Lines)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTheSignatureIsOverTheSHA256OfTheReceiptWithoutWhiteSpace(t *testing.T) {
	var parts struct {
		Receipt                     json.RawMessage
		KeyID, PublicKey, Signature string
	}
	if err := json.Unmarshal([]byte(write(t, "a", "b")), &parts); err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, parts.Receipt); err != nil {
		t.Fatal(err)
	}
	signature, _ := base64.StdEncoding.DecodeString(parts.Signature)
	message := "data-exhaust receipt v1\nsha256:" + sumOf(compact.String()) + "\n"
	if !ed25519.Verify(key.Public().(ed25519.PublicKey), []byte(message), signature) {
		t.Error("the signature is not over that text")
	}
	public, _ := base64.StdEncoding.DecodeString(parts.PublicKey)
	if !bytes.Equal(public, key.Public().(ed25519.PublicKey)) || parts.KeyID != sumOf(string(public))[:16] {
		t.Errorf("key %s %s", parts.KeyID, parts.PublicKey)
	}
}

// Node is a stranger to this code.
func TestAnotherProgramVerifiesTheSignature(t *testing.T) {
	// It takes the receipt as a reader of this package's documentation would.
	const program = `
		const crypto = require('crypto'), signed = JSON.parse(require('fs').readFileSync(0, 'utf8'))
		const digest = crypto.createHash('sha256').update(JSON.stringify(signed.receipt)).digest('hex')
		const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(signed.publicKey, 'base64')]) // RFC 8410
		const key = crypto.createPublicKey({key: spki, format: 'der', type: 'spki'})
		const message = Buffer.from('data-exhaust receipt v1\nsha256:' + digest + '\n')
		console.log(crypto.verify(null, message, key, Buffer.from(signed.signature, 'base64')))`
	r := head()
	// What JSON.stringify writes in the same spelling: another one for 1.0, and for U+2028.
	r.Request.DatasetConfig, r.Request.RequestedBy = json.RawMessage(`{"a":"x"}`), "u <&>"
	var text bytes.Buffer
	if err := receipt.Write(&text, r, objects("a", "b"), key); err != nil {
		t.Fatal(err)
	}
	node := exec.Command("node", "-e", program)
	node.Stdin = &text
	out, err := node.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "true" {
		t.Errorf("node: %v: %s", err, out)
	}
}

func TestAReceiptSurvivesOtherWhiteSpace(t *testing.T) {
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(write(t, "a", "b")), "", "  "); err != nil {
		t.Fatal(err)
	}
	if _, err := receipt.Read(&pretty, nil); err != nil {
		t.Error(err)
	}
}

func TestAChangedReceiptIsRefused(t *testing.T) {
	text := write(t, "a", "b")
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	for name, change := range map[string]func(string) string{
		"a count":        func(s string) string { return strings.Replace(s, `"repeats":4`, `"repeats":3`, 1) },
		"an object less": func(s string) string { return strings.Replace(s, ",\n"+line("b"), "", 1) },
		"another sum":    func(s string) string { return strings.Replace(s, sumOf("abc"), sumOf("abd"), 1) },
		"another key": func(s string) string {
			return strings.Replace(s, receipt.Public(key).Key, receipt.Public(other).Key, 1)
		},
		"another key's id": func(s string) string {
			return strings.Replace(strings.Replace(s, receipt.Public(key).Key, receipt.Public(other).Key, 1), receipt.Public(key).ID, receipt.Public(other).ID, 1)
		},
		"a key over two lines": func(s string) string {
			return strings.Replace(s, `"publicKey":"`, `"publicKey":"\n`, 1)
		},
		"a signature over two lines": func(s string) string { return strings.Replace(s, `"signature":"`, `"signature":"\n`, 1) },
		"no signature's base64":      func(s string) string { return strings.Replace(s, `"signature":"`, `"signature":"!`, 1) },
	} {
		changed := change(text)
		if changed == text {
			t.Fatalf("%s: the test changed nothing", name)
		}
		if _, err := receipt.Read(strings.NewReader(changed), nil); !errors.Is(err, receipt.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, none := range []string{"", "{}", "null", "[]", `{"receipt":{}}`, "a,b\n1,2\n", text + "x", text[:len(text)/2]} {
		if _, err := receipt.Read(strings.NewReader(none), nil); err == nil {
			t.Errorf("%.20q… was read as a receipt", none)
		}
	}
}

// Programs differ in which member they take of several, and in whether letter case matters: what one verifies, another
// must not read otherwise.
func TestAFileThatHoldsTwoReceiptsIsNone(t *testing.T) {
	const forged = `{"version":1,"rows":7}`
	genuine := strings.TrimPrefix(write(t, "a", "b"), "{")
	end := strings.LastIndex(genuine, "}")
	for name, text := range map[string]string{
		"a forged one first":                      `{"receipt":` + forged + `,` + genuine,
		"a forged one first, the other capital":   `{"receipt":` + forged + `,` + strings.Replace(genuine, `"receipt"`, `"Receipt"`, 1),
		"a forged capital one first":              `{"Receipt":` + forged + `,` + genuine,
		"a forged capital one last":               `{` + genuine[:end] + `,"RECEIPT":` + forged + `}`,
		"a forged one last":                       `{` + genuine[:end] + `,"receipt":` + forged + `}`,
		"a capital one alone":                     `{` + strings.Replace(genuine, `"receipt"`, `"Receipt"`, 1),
		"a signature twice":                       `{"signature":"",` + genuine,
		"a key's id in capitals":                  `{` + strings.Replace(genuine, `"keyId"`, `"keyID"`, 1),
		"a member that is none":                   `{"note":"which you may trust",` + genuine,
		"a name with an escape, then the genuine": `{"\u0072eceipt":` + forged + `,` + genuine,
	} {
		if !json.Valid([]byte(text)) || !strings.Contains(text, `"signature"`) {
			t.Fatalf("%s: the test made no JSON: %s", name, text)
		}
		_, err := receipt.Read(strings.NewReader(text), nil)
		if err == nil || !strings.HasPrefix(err.Error(), "it is no receipt of Data Exhaust: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func line(name string) string {
	text, err := json.Marshal(receipt.Object{Name: name, ETag: "e<&>", Bytes: 10, Lines: 3, Skipped: 1, Matched: 2})
	if err != nil {
		panic(err)
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text))
}

func TestAFileIsComparedByteForByte(t *testing.T) {
	r := head()
	if err := r.CheckFile(strings.NewReader("abc")); err != nil {
		t.Error(err)
	}
	for _, other := range []string{"abd", "ab", "abcd", ""} {
		if err := r.CheckFile(strings.NewReader(other)); err == nil {
			t.Errorf("%q was taken for abc", other)
		}
	}
	w := receipt.NewFileWriter(io.Discard)
	_, _ = io.WriteString(w, "a")
	_, _ = io.WriteString(w, "bc")
	if got := w.File("f.csv", 2); got != r.File {
		t.Errorf("got %+v, want %+v", got, r.File)
	}
}

func TestAnErrorOfTheListOrTheWriterEndsTheReceipt(t *testing.T) {
	broken := errors.New("broken")
	err := receipt.Write(io.Discard, head(), func(yield func(receipt.Object, error) bool) { yield(receipt.Object{}, broken) }, key)
	if !errors.Is(err, broken) {
		t.Errorf("the list's error: %v", err)
	}
	if err := receipt.Write(failing{broken}, head(), objects("a"), key); !errors.Is(err, broken) {
		t.Errorf("the writer's error: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
