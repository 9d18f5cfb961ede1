package exhaust

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestAReportOfAConversationIsFoundInAnyLetterCaseOfItsUUID(t *testing.T) {
	const upper = "C63B6FAA-11A9-4259-B941-11CD2F8446C6"
	lower := strings.ToLower(upper)
	for name, want := range map[string]bool{
		"uci-response-exhaust/1E2A/" + lower + "_response_20220406.csv":             true,
		"uci-response-exhaust/1E2A/" + upper + "_response_20220406.csv":             true,
		"uci-private-exhaust/1E2A/" + lower + "_userinfo_20220406.csv.receipt.json": true,
		"uci-response-exhaust/1E2A/" + lower + "_response_20220406.zip":             true,
		"uci-response-exhaust/1E2A/" + lower + "_response_20220406.csv.bak":         false,
		"uci-response-exhaust/1E2A/" + lower + "_response_2022040.csv":              false,
		"uci-response-exhaust/1E2A/x" + lower + "_response_20220406.csv":            false,
		"uci-response-exhaust/1E2A/" + lower + "_RESPONSE_20220406.csv":             false,
		"uci-response-exhaust/1E2A/" + lower + "_response_b_response_20220406.csv":  false,
	} {
		for _, id := range []string{lower, upper} {
			if got := IsReportOf(id)(name); got != want {
				t.Errorf("%s of %s: %v, want %v", name, id, got, want)
			}
		}
	}
	// What is no uuid has a letter case.
	if IsReportOf("Bot")("uci-response-exhaust/1E2A/bot_response_20220406.csv") {
		t.Error("bot was taken for Bot")
	}
}

func TestReceiptAndSummaryLieBesideTheirReportAndAreFoundWithIt(t *testing.T) {
	for dataset, want := range map[Dataset]string{
		ResponseExhaust: "uci-response-exhaust/1E2A/Bot.1_response_20220406.csv.receipt.json",
		PrivateExhaust:  "uci-private-exhaust/1E2A/Bot.1_userinfo_20220406.csv.receipt.json",
	} {
		report := Request{ID: "1E2A", Dataset: dataset}.ReportName("Bot.1", "2022-04-06")
		if got := ReceiptName(report); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		summary := strings.Replace(want, ".receipt.", ".summary.", 1)
		if got, want := FilesOf(report), []string{summary, want, report}; !slices.Equal(got, want) {
			t.Errorf("the files are %q, want %q", got, want)
		}
		for name, want := range map[string]bool{
			report: true, ReceiptName(report): true, SummaryName(report): true, ReceiptName(ReceiptName(report)): false, SummaryName(ReceiptName(report)): false,
		} {
			if got := IsReportOf("Bot.1")(name); got != want {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
			if IsReportOf("Botx1")(name) {
				t.Errorf("%s was taken for one of Botx1", name)
			}
		}
	}
}

func TestAUUIDsLetterCaseMakesAnotherRequestOfTheSameConversation(t *testing.T) {
	ask := func(id string) Request {
		r, err := check(Submission{Dataset: "uci-private-exhaust", Tag: "t", Channel: "ch", DatasetConfig: json.RawMessage(`{"conversationId":"` + id + `"}`)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	upper, lower := ask(strings.ToUpper(conversation)), ask(conversation)
	if upper.ConversationID != conversation || lower.ConversationID != conversation || upper.ID == lower.ID {
		t.Errorf("%s and %s, ids %s and %s", upper.ConversationID, lower.ConversationID, upper.ID, lower.ID)
	}
	if !strings.Contains(string(upper.Config), strings.ToUpper(conversation)) {
		t.Errorf("the config shows %s, not what was sent", upper.Config)
	}
	if got := ask("Bot").ConversationID; got != "Bot" {
		t.Errorf("Bot, which is no uuid, became %s", got)
	}
}

// Both are written raw, as contract section 1's canonical JSON is, and as no encoder of Go's writes them.
func TestTheCanonicalConfigEscapesNoSeparators(t *testing.T) {
	for spelling, note := range map[string]string{
		"raw":     "\\\\u2028 \u2028\u2029 \\\\\\\\u2029",
		"escaped": "\\\\u2028 \\u2028\\u2029 \\\\\\\\u2029",
	} {
		r, err := check(Submission{Dataset: "uci-private-exhaust", Tag: "t", Channel: "ch",
			DatasetConfig: json.RawMessage(`{"conversationId":"` + conversation + `","note":"` + note + `"}`)})
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%X", md5.Sum([]byte(`t|uci-private-exhaust||ch|2022-04-06|csv|{"conversationId":"`+conversation+`","note":"`+"\\\\u2028 \u2028\u2029 \\\\\\\\u2029"+`"}`)))
		if r.ID != want {
			t.Errorf("%s: %s, want %s", spelling, r.ID, want)
		}
	}
}

func TestADecryptedPhoneNumberIsNoText(t *testing.T) {
	const others = ColumnSet(1<<0 | 1<<1 | 1<<4) // Conversation ID and Name, Device UUID
	for visible, isText := range map[string]bool{"+919999900001": false, "+1": false, "+": true, "+91 99": true, "=1": true, "9999900001": true, "-1": true, "": true, "++1": true} {
		want := others
		if isText {
			want |= 1 << 2
		}
		if got := PrivateTexts([]byte(visible)); got != want {
			t.Errorf("%q: %b, want %b", visible, got, want)
		}
	}
}
