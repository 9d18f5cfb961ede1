package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"data-exhaust/exhaust"
	"data-exhaust/receipt"
)

func newVerify() *cobra.Command {
	var keyFile string
	var keys []string
	command := &cobra.Command{
		Use:   "verify FILE [RECEIPT]",
		Short: "Check a report against its receipt, offline",
		Long: `Check a report against its receipt, offline: that the file is the one that the receipt is of, byte
for byte, and that the receipt is as it was signed. One line says what the file holds and what it left out.

RECEIPT is FILE with .receipt.json behind it where it is not given. No secret, setting or connection is
needed. A receipt names the key that signed it; whose key that is, only a key that you trust can tell. Get
the service's keys once, and give them:

    curl -s $EXHAUST_PUBLIC_URL/dataset/v1/receipt-keys > keys.json
    starter verify --keys keys.json FILE RECEIPT

Without any the line says that the signer is not known. With keys, a receipt that none of them signed is
an error.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("keys") && keyFile == "" {
				return usage("--keys is empty: a file with the answer of GET %s is accepted", receiptKeysPath)
			}
			trusted, err := trustedKeys(keyFile, keys)
			if err != nil {
				return err
			}
			file, receiptFile := args[0], exhaust.ReceiptName(args[0])
			if len(args) == 2 {
				receiptFile = args[1]
			}
			verified, err := verify(file, receiptFile, trusted)
			if err != nil {
				return err
			}
			if len(trusted) > 0 && !verified.IsKeyKnown {
				return fmt.Errorf("%s: it was signed with key %s, which is none of the keys given", receiptFile, verified.Key.ID)
			}
			fmt.Fprintln(cmd.OutOrStdout(), describeReceipt(&verified))
			return nil
		},
	}
	command.Flags().StringVar(&keyFile, "keys", "", "a file with the answer of GET /dataset/v1/receipt-keys: the keys to trust")
	command.Flags().StringArrayVar(&keys, "key", nil, "a public key to trust, in base64; may be given several times")
	return command
}

// receiptKeysPath is where the API answers the keys that receipts are signed with.
const receiptKeysPath = "/dataset/v1/receipt-keys"

// keysOf reads the keys in the API's answer.
func keysOf(answer []byte) ([]receipt.PublicKey, error) {
	var e struct {
		Result struct {
			Keys []receipt.PublicKey `json:"keys"`
		} `json:"result"`
	}
	if json.Unmarshal(answer, &e) != nil || len(e.Result.Keys) == 0 {
		return nil, errors.New("it holds no keys: the answer of GET " + receiptKeysPath + " is accepted")
	}
	keys := make([]receipt.PublicKey, len(e.Result.Keys))
	for i, key := range e.Result.Keys {
		var err error
		// The id is worked out of the key, whatever the answer says.
		if keys[i], err = receipt.ParsePublicKey(key.Key); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func trustedKeys(keyFile string, keys []string) (trusted []receipt.PublicKey, err error) {
	if keyFile != "" {
		text, err := os.ReadFile(keyFile)
		if err != nil {
			return nil, fmt.Errorf("--keys: %w", err)
		}
		if trusted, err = keysOf(text); err != nil {
			return nil, usage("--keys %s: %w", keyFile, err)
		}
	}
	for _, text := range keys {
		key, err := receipt.ParsePublicKey(text)
		if err != nil {
			return nil, usage("public key %q: %w", text, err)
		}
		trusted = append(trusted, key)
	}
	return trusted, nil
}

func verify(file, receiptFile string, trusted []receipt.PublicKey) (receipt.Verified, error) {
	r, err := os.Open(receiptFile)
	if err != nil {
		return receipt.Verified{}, err
	}
	defer r.Close()
	verified, err := receipt.Read(r, trusted)
	if err != nil {
		return verified, fmt.Errorf("%s: %w", receiptFile, err)
	}
	f, err := os.Open(file)
	if err != nil {
		return verified, err
	}
	defer f.Close()
	if err := verified.CheckFile(f); err != nil {
		return verified, fmt.Errorf("%s: %w", file, err)
	}
	return verified, nil
}

// describeReceipt says in one line what the file holds and what it left out.
func describeReceipt(v *receipt.Verified) string {
	var line strings.Builder
	fmt.Fprintf(&line, "OK: %s of conversation %s", printable(v.Request.Dataset), printable(v.Conversation.ID))
	if v.StartDate != "" {
		fmt.Fprintf(&line, ", %s to %s", printable(v.StartDate), printable(v.EndDate))
	}
	fmt.Fprintf(&line, ": %s rows", humanize.Comma(v.File.Rows))
	if v.StartDate != "" {
		fmt.Fprintf(&line, " from %s events in %s telemetry objects", humanize.Comma(v.Telemetry.Matched), humanize.Comma(int64(v.Telemetry.Objects)))
	}
	fmt.Fprintf(&line, "; %s; complete as of %s; ", describeLosses(&v.Losses), v.CompleteAsOf.UTC().Format(time.RFC3339))
	if v.IsKeyKnown {
		fmt.Fprintf(&line, "signed with key %s, which you trust", v.Key.ID)
	} else {
		fmt.Fprintf(&line, "signed with key %s, which was not compared with any key that you trust (--keys)", v.Key.ID)
	}
	return line.String()
}

// printable keeps a text that anybody may have signed on its line.
func printable(text string) string {
	return strings.Trim(strconv.QuoteToGraphic(text), `"`)
}

func describeLosses(l *receipt.Losses) string {
	var losses []string
	for _, loss := range []struct {
		count int64
		what  string
	}{
		{l.Repeats, "repeats"},
		{l.RowsUnknownDevice, "rows of unknown devices"},
		{l.LinesSkipped, "lines of telemetry that could not be read"},
		{l.AnswersWithheld, "answers withheld for want of consent"},
		{l.NumbersHidden, "phone numbers hidden"},
		{l.ConsentUnreadable, "devices whose consent could not be read"},
		{l.Undecryptable, "phone numbers that did not decrypt"},
	} {
		if loss.count > 0 {
			losses = append(losses, humanize.Comma(loss.count)+" "+loss.what)
		}
	}
	if len(losses) == 0 {
		return "nothing was left out"
	}
	return "left out: " + strings.Join(losses, ", ")
}
