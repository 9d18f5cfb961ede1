package telemetry_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"

	"data-exhaust/exhaust"
	"data-exhaust/telemetry"
)

// One object of the telemetry store: two answers to the bot "weather", one to another bot, and a line that was cut.
const object = `{"eid":"ASSESS","ets":1646092800123,"mid":"m-1","context":{"channel":"acme","did":"d-1","cdata":[{"type":"Conversation","id":"weather"}]},"edata":{"item":{"id":"q-1","title":"Will it rain?"},"duration":2.5,"resvalues":[{"1": {"text": "Yes"}}]}}
{"eid":"ASSESS","ets":1646092801000,"mid":"m-2","context":{"channel":"acme","did":"d-2","cdata":[{"type":"Conversation","id":"cricket"}]},"edata":{"item":{"id":"q-9"}}}
{"eid":"ASSESS","ets":1646092802000,"mid":"m-3","context":{"chan
{"eid":"ASSESS","ets":1646092803000,"mid":"m-4","context":{"channel":"acme","did":"d-2","cdata":[{"type":"Conversation","id":"weather"}]},"edata":{"item":{"id":"q-1","title":"Will it rain?"},"duration":4,"resvalues":[{"2": {"text": "No"}}]}}
`

func ExampleScanner_Scan() {
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	if _, err := io.WriteString(w, object); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	var rows telemetry.RowReader
	var row exhaust.ResponseRow
	scanner := telemetry.NewScanner(telemetry.Filter{Channel: "acme", ConversationIDs: []string{"weather"}})
	counts, err := scanner.Scan(context.Background(), "2022-03-01/part-0.json.gz", &compressed, func(event *telemetry.Event) error {
		rows.Read(event.Line, &row)
		for _, column := range []int{exhaust.MessageIDColumn, exhaust.DeviceIDColumn, exhaust.TitleColumn, exhaust.ResponseColumn} {
			fmt.Printf("%s: %s\n", exhaust.ResponseColumns[column], row.Cells[column])
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("lines:", counts.Lines, "skipped:", counts.Skipped, "events:", counts.Matched)
	// Output:
	// Message ID: m-1
	// Device ID: d-1
	// Question Title: Will it rain?
	// Question Response: [{"1":{"text":"Yes"}}]
	// Message ID: m-4
	// Device ID: d-2
	// Question Title: Will it rain?
	// Question Response: [{"2":{"text":"No"}}]
	// lines: 4 skipped: 1 events: 2
}

func ExampleParseLayout() {
	layout, err := telemetry.ParseLayout("{yyyy}/{MM}/{dd}/")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(layout.Prefix(exhaust.Day("2022-03-01")))

	_, err = telemetry.ParseLayout("{yyyy}/{MM}/")
	fmt.Println(err)
	// Output:
	// 2022/03/01/
	// telemetry layout "{yyyy}/{MM}/" lacks {dd}; a layout looks like {yyyy}-{MM}-{dd}
}

func ExampleIsTelemetry() {
	for _, name := range []string{"2022-03-01/part-0.json.gz", "2022-03-01/part-0.json.gz.md5", "2022-03-01/_SUCCESS"} {
		fmt.Println(name, telemetry.IsTelemetry(name))
	}
	// Output:
	// 2022-03-01/part-0.json.gz true
	// 2022-03-01/part-0.json.gz.md5 false
	// 2022-03-01/_SUCCESS false
}
