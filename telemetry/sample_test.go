package telemetry

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	sampleChannel      = "01309282781705830427"
	sampleConversation = "c63b6faa-11a9-4259-b941-11cd2f8446c6"
	samplePdata        = "prod.uci.diksha"
)

var sampleFilter = Filter{Channel: sampleChannel, ConversationIDs: []string{sampleConversation}}

// sampleTelemetry makes size bytes and a bit more of Sunbird v3 events as the pipeline writes them, one to a line.
// Of every hundred events, matching are the sample conversation's answers.
func sampleTelemetry(size, matching int) []byte {
	random := rand.New(rand.NewPCG(1, uint64(matching)))
	var b bytes.Buffer
	for b.Len() < size {
		if random.IntN(100) < matching {
			appendSampleEvent(&b, random, "ASSESS", sampleConversation)
			continue
		}
		kind := [...]string{"ASSESS", "START", "END", "INTERACT", "INTERACT"}[random.IntN(5)]
		appendSampleEvent(&b, random, kind, sampleUUID(random))
	}
	return b.Bytes()
}

func appendSampleEvent(b *bytes.Buffer, random *rand.Rand, eid, conversation string) {
	ets := 1646092800000 + random.Int64N(86_400_000)
	fmt.Fprintf(b, `{"eid":%q,"ets":%d,"ver":"3.0","mid":"%s:%s","actor":{"id":"%s","type":"User"},`,
		eid, ets, eid, sampleUUID(random), sampleUUID(random))
	fmt.Fprintf(b, `"context":{"channel":%q,"pdata":{"id":%q,"ver":"1.0.0","pid":"uci-transport"},"env":"prod",`+
		`"sid":%q,"did":%q,"cdata":[{"id":%q,"type":"Conversation"},{"id":%q,"type":"ConversationSession"}],`+
		`"rollup":{"l1":%q,"l2":"section-1","l3":"/data/group_matched_no/%d","l4":"false"}},`,
		sampleChannel, samplePdata, sampleUUID(random), sampleUUID(random), conversation, sampleUUID(random),
		conversation, random.IntN(1000))
	switch eid {
	case "ASSESS":
		fmt.Fprintf(b, `"edata":{"item":{"id":"%d","type":"MCQ","maxscore":0,"exlength":0,`+
			`"title":"Which of these would you like to do next?","desc":"",`+
			`"params":[{"1":{"text":"Read a story"}},{"2":{"text":"\u0915\u0939\u093e\u0928\u0940"}},{"answer":{"correct":["%d"]}}]},`+
			`"duration":%d.0,"score":%d,"pass":"No","resvalues":[{"%d":{"text":"Read a story"}}]},`,
			random.IntN(900), random.IntN(3), random.IntN(90), random.IntN(2), random.IntN(3))
	case "INTERACT":
		fmt.Fprintf(b, `"edata":{"type":"TOUCH","subtype":"","id":"button-%d","pageid":"chat-home",`+
			`"extra":{"pos":[{"x":%d.5,"y":%d.25,"z":0}],"values":[{"text":"said \"yes\", went on"}]}},`,
			random.IntN(100), random.IntN(1080), random.IntN(1920))
	default:
		fmt.Fprintf(b, `"edata":{"type":"session","mode":"play","pageid":"bot","duration":%d,`+
			`"uaspec":{"agent":"Chrome","ver":"98.0.4758.102","system":"Android","platform":"Linux","raw":"Mozilla/5.0 (Linux; Android 11)"}},`,
			random.IntN(900))
	}
	fmt.Fprintf(b, `"object":{"id":%q,"type":"Bot","ver":"1","rollup":{}},"tags":[],"flags":{"pp_duplicate_skipped":true,`+
		`"pp_validation_processed":true},"type":"events","syncts":%d,"@timestamp":"2022-03-01T%02d:%02d:%02d.%03dZ"}`+"\n",
		conversation, ets+412, random.IntN(24), random.IntN(60), random.IntN(60), random.IntN(1000))
}

func sampleUUID(random *rand.Rand) string {
	a, b := random.Uint64(), random.Uint64()
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
}

func compressGzip(data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func compressZstd(data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(data, nil)
}
