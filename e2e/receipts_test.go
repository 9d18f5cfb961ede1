package e2e

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"data-exhaust/internal/e2etest"
	"data-exhaust/receipt"
)

// keysFile keeps the answer of receipt-keys in a file.
func (d deployment) keysFile(t *testing.T) string {
	t.Helper()
	answer := e2etest.Call(t, http.MethodGet, d.URL+"/dataset/v1/receipt-keys", "", "")
	if answer.Status != http.StatusOK {
		t.Fatalf("receipt-keys answered %d: %s", answer.Status, answer.Body)
	}
	file := filepath.Join(t.TempDir(), "keys.json")
	e2etest.Must(t, os.WriteFile(file, answer.Body, 0o600))
	return file
}

func TestAReportIsVerifiedOfflineByItsReceipt(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		conversation := d.addBot(t, "Receipts")
		first, _ := simpleEvent("ASSESS:1", conversation, "2022-03-01T10:00:00Z")
		second, _ := simpleEvent("ASSESS:2", conversation, "2022-03-01T10:00:01Z")
		d.Telemetry.Put(t, "2022-03-01-0.json.gz", packGzip(t, 1, []byte(first+"no JSON\n"+second)))
		d.Telemetry.Put(t, "2022-03-01-1.json", []byte(first+strings.Replace(second, device("1"), device("e"), 1)))
		o := orderOf(response, conversation, "2022-03-01", "2022-03-01")
		j, _ := d.produce(t, o)
		if listed := d.Get(t, "list/"+o.Tag, channel).Page(t).Jobs; len(listed) != 1 || j.ReceiptURL == nil || listed[0].ReceiptURL == nil || *listed[0].ReceiptURL != *j.ReceiptURL {
			t.Fatalf("receiptUrl in read: %v; in list: %+v", j.ReceiptURL, listed)
		}

		folder := t.TempDir()
		saved := e2etest.ExecStarter(t, d.Env, "download", "--channel", channel, "--out", folder, o.Tag, j.RequestID)
		report := filepath.Join(folder, filepath.Base(o.ReportName(j.RequestID, j.Completed())))
		receipt := report + ".receipt.json"
		if saved.Code != 0 || !strings.Contains(saved.Stderr, receipt) {
			t.Fatalf("download: %+v", saved)
		}
		keys := d.keysFile(t)
		// On another machine: no settings, nothing that could be connected to.
		verify := func(args ...string) e2etest.Output {
			return e2etest.ExecStarter(t, nil, append([]string{"verify"}, args...)...)
		}
		out := verify("--keys", keys, report, receipt)
		const says = "2 rows from 4 events in 2 telemetry objects; left out: 1 repeats, 1 rows of unknown devices, 1 lines of telemetry that could not be read; complete as of "
		if out.Code != 0 || strings.Count(out.Stdout, "\n") != 1 || !strings.HasPrefix(out.Stdout, "OK: uci-response-exhaust of conversation "+conversation+", 2022-03-01 to 2022-03-01: "+says) ||
			!strings.HasSuffix(out.Stdout, ", which you trust\n") {
			t.Errorf("verify: %+v", out)
		}
		if out := verify(report); out.Code != 0 || !strings.Contains(out.Stdout, "was not compared with any key that you trust") {
			t.Errorf("verify without keys: %+v", out)
		}

		// A byte of the report, then one of the receipt.
		for name, want := range map[string]string{report: "is not the one of the receipt", receipt: "the signature does not match"} {
			content, err := os.ReadFile(name)
			e2etest.Must(t, err)
			changed := slices.Clone(content)
			if at := strings.Index(string(changed), `"rows":2`); at >= 0 {
				changed[at+len(`"rows":`)] = '3'
			} else {
				changed[len(changed)-2] ^= 1
			}
			e2etest.Must(t, os.WriteFile(name, changed, 0o600))
			if out := verify("--keys", keys, report); out.Code != 1 || out.Stdout != "" || !strings.Contains(out.Stderr, want) {
				t.Errorf("verify of a changed %s: %+v", filepath.Base(name), out)
			}
			e2etest.Must(t, os.WriteFile(name, content, 0o600))
		}
		// Everybody can make a key; it is not one of the service's.
		other := "oCq4h6g2zTOEGaqcyAnmVdcQAiFYkbbTJ2tVjcQEAfI="
		if out := verify("--key", other, report); out.Code != 1 || !strings.Contains(out.Stderr, "which is none of the keys given") {
			t.Errorf("verify with another key: %+v", out)
		}
	})
}

// Everybody can sign a receipt with a key of their own, and write into it what a terminal obeys.
func TestWhatAReceiptSaysIsOneLineOfPlainText(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.csv")
	e2etest.Must(t, os.WriteFile(file, []byte("Message ID\n"), 0o600))
	hash := receipt.NewFileWriter(io.Discard)
	_, err := hash.Write([]byte("Message ID\n"))
	e2etest.Must(t, err)
	key := ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes, made"))
	var signed bytes.Buffer
	e2etest.Must(t, receipt.Write(&signed, receipt.Receipt{
		Version:      receipt.Version,
		Request:      receipt.Request{Dataset: "uci-response-exhaust", DatasetConfig: json.RawMessage(`{}`)},
		Conversation: receipt.Conversation{ID: "c\x1b[2K\nOK: another"},
		File:         hash.File("report.csv", 0),
	}, func(func(receipt.Object, error) bool) {}, key))
	e2etest.Must(t, os.WriteFile(file+".receipt.json", signed.Bytes(), 0o600))
	out := e2etest.ExecStarter(t, nil, "verify", "--key", receipt.Public(key).Key, file)
	if want := `OK: uci-response-exhaust of conversation c\x1b[2K\nOK: another: 0 rows`; out.Code != 0 || !strings.HasPrefix(out.Stdout, want) || strings.Count(out.Stdout, "\n") != 1 {
		t.Errorf("verify: %+v, want %s", out, want)
	}
	// A variable that is empty by mistake must not make the signer anybody's.
	if out := e2etest.ExecStarter(t, nil, "verify", "--keys", "", file); out.Code != 2 || out.Stdout != "" || !strings.Contains(out.Stderr, "--keys is empty") {
		t.Errorf("verify with --keys of nothing: %+v", out)
	}
}

func TestAReceiptSharesTheLifeOfItsReport(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		conversation := d.addBot(t, "Receipts")
		event, _ := simpleEvent("ASSESS:1", conversation, "2022-03-01T10:00:00Z")
		d.Telemetry.Put(t, "2022-03-01-0.json", []byte(event))
		o := orderOf(response, conversation, "2022-03-01", "2022-03-01")
		// Letter case makes no difference to whose the report is.
		o.Conversation = strings.ToUpper(conversation)
		j := d.submitAndWatch(t, o).End(t, time.Minute)
		o.Conversation = conversation
		d.download(t, o, j)
		d.workflowStatus(t, j.RequestID) // it cleans up after it has succeeded
		if out := e2etest.ExecStarter(t, d.Env, "erase", "--conversation", strings.ToUpper(conversation)); out.Code != 0 || strings.Count(out.Stdout, "removed ") != 3 {
			t.Fatalf("erase: %+v", out)
		}
		if left := d.Reports.Names(t); len(left) != 0 {
			t.Errorf("%q are left", left)
		}
		read := d.Read(t, o, j.RequestID)
		if read.ReceiptURL != nil || len(read.DownloadURLs) != 0 || !strings.HasPrefix(read.StatusMessage, "report erased on ") {
			t.Errorf("read: %+v", read)
		}
		if answer := d.Post(t, o.Path("retry", j.RequestID), channel, ""); answer.Status != http.StatusOK {
			t.Fatalf("retry: %d %s", answer.Status, answer.Body)
		}
		again := d.Watch(o, j.RequestID).End(t, time.Minute)
		d.download(t, o, again)
	})
}

func TestTheLetterCaseOfAConversationMakesNoDifference(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		conversation := d.addBot(t, "Capitals")
		register(t, d.Registry, device("1"), conversation)
		event, row := simpleEvent("ASSESS:1", conversation, "2022-03-01T10:00:00Z")
		d.Telemetry.Put(t, "2022-03-01-0.json", []byte(event))
		for dataset, want := range map[string]string{
			response: responseHeader + fmt.Sprintf(row, "Capitals"),
			private: "Conversation ID,Conversation Name,Decrypted Device ID,Encrypted Device ID,Device UUID\n" +
				conversation + ",Capitals,phone:9999900001,X2FiP0lzef89k1PFlvsaiHjoWZKpd4n2ZFmXXu3Ayz8=," + device("1") + "\n",
		} {
			o := orderOf(dataset, strings.ToUpper(conversation), "2022-03-01", "2022-03-01")
			if dataset == private {
				o.Start, o.End = "", ""
			}
			j := d.submitAndWatch(t, o).End(t, time.Minute)
			o.Conversation = conversation
			sameFile(t, dataset, d.download(t, o, j), []byte(want))
		}
	})
}

func TestAnObjectThatIsStillBeingWrittenIsWaitedFor(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		conversation := d.addBot(t, "Unfinished")
		event, row := simpleEvent("ASSESS:1", conversation, "2022-03-01T10:00:00Z")
		whole := packGzip(t, 1, []byte(event))
		d.Telemetry.Put(t, "2022-03-01-0.json.gz", whole[:len(whole)-8])
		w := d.submitAndWatch(t, orderOf(response, conversation, "2022-03-01", "2022-03-01"))
		const waiting = `telemetry object "2022-03-01-0.json.gz" is still being written; tried `
		until(t, w, 30*time.Second, "it says what it waits for", func(j e2etest.Job) bool { return strings.HasPrefix(j.Progress.Waiting, waiting) })
		d.Telemetry.Put(t, "2022-03-01-0.json.gz", whole)
		j := w.End(t, time.Minute)
		if j.Progress.Waiting != "" {
			t.Errorf("it still waits: %s", j.Progress.Waiting)
		}
		sameFile(t, "the file", d.download(t, w.Order, j), []byte(responseHeader+fmt.Sprintf(row, "Unfinished")))
	})
}

func TestAnObjectThatStillChangesAfterTheSettleTimeFailsTheExhaust(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s, "EXHAUST_SETTLE_TIME=3s")
		conversation := d.addBot(t, "Appended")
		event, _ := simpleEvent("ASSESS:1", conversation, "2022-03-01T10:00:00Z")
		content := packGzip(t, 1, []byte(event))
		d.Telemetry.Put(t, "2022-03-01-0.json.gz", content[:len(content)-8])
		w := d.submitAndWatch(t, orderOf(response, conversation, "2022-03-01", "2022-03-01"))
		e2etest.Eventually(t, time.Minute, "the exhaust ends", func() bool {
			content = append(content, content[:20]...) // whoever reads it meets the beginning of another member
			d.Telemetry.Put(t, "2022-03-01-0.json.gz", content)
			return w.Read(t).IsEnded()
		})
		const want = `telemetry object "2022-03-01-0.json.gz" is still being written: end before today, or retry later`
		if w.Last.Status != "FAILED" || w.Last.StatusMessage != want {
			t.Errorf("%s: %s\nwant %s", w.Last.Status, w.Last.StatusMessage, want)
		}
	})
}

func TestReceiptKeysAreInAnEnvelope(t *testing.T) {
	onEveryStack(t, func(t *testing.T, s *e2etest.Stack) {
		d := deploy(t, s)
		conversation := d.addBot(t, "Keys")
		event, _ := simpleEvent("ASSESS:1", conversation, "2022-03-01T10:00:00Z")
		d.Telemetry.Put(t, "2022-03-01-0.json", []byte(event))
		d.produce(t, orderOf(response, conversation, "2022-03-01", "2022-03-01"))
		content, err := os.ReadFile(d.keysFile(t))
		e2etest.Must(t, err)
		var answer struct {
			ID, Ver, ResponseCode string
			Result                struct {
				Count int
				Keys  []struct {
					KeyID, Algorithm string
					PublicKey        []byte
					AddedAt          int64
				}
			}
		}
		e2etest.Must(t, json.Unmarshal(content, &answer))
		if answer.ID != "ekstep.analytics.dataset.receipt-keys" || answer.ResponseCode != "OK" || answer.Result.Count < 1 || answer.Result.Count != len(answer.Result.Keys) {
			t.Fatalf("answer %s", content)
		}
		for _, key := range answer.Result.Keys {
			if len(key.KeyID) != 16 || key.Algorithm != "Ed25519" || len(key.PublicKey) != 32 || time.Since(time.UnixMilli(key.AddedAt)) > time.Hour {
				t.Errorf("key %+v", key)
			}
		}
	})
}
