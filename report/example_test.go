package report_test

import (
	"fmt"
	"log"
	"os"

	"data-exhaust/report"
)

// answers are three made-up rows: a cell with a comma, one with quotes, one with a line break and one with nothing in it.
var answers = [][]string{
	{"Device ID", "Question Response", "Eof"},
	{"d-1", "yes, please", "false"},
	{"d-2", `the sign says "closed"`, ""},
	{"d-3", "first line\nsecond line", "true"},
}

// By RFC 4180 a quote inside a cell is doubled. A cell without a special character has no quotes around it.
func ExampleCSVWriter() {
	writer := report.NewCSVWriter(os.Stdout, report.RFC4180)
	for _, row := range answers {
		if err := writer.Write(row); err != nil {
			log.Fatal(err)
		}
	}
	if err := writer.Flush(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// Device ID,Question Response,Eof
	// d-1,"yes, please",false
	// d-2,"the sign says ""closed""",
	// d-3,"first line
	// second line",true
}

// The same rows as Sunbird's Spark jobs wrote them: EXHAUST_CSV_DIALECT=spark.
func ExampleCSVWriter_spark() {
	dialect, err := report.ParseDialect("spark")
	if err != nil {
		log.Fatal(err)
	}
	writer := report.NewCSVWriter(os.Stdout, dialect)
	for _, row := range answers {
		if err := writer.Write(row); err != nil {
			log.Fatal(err)
		}
	}
	if err := writer.Flush(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// Device ID,Question Response,Eof
	// d-1,"yes, please",false
	// d-2,"the sign says \"closed\"",
	// d-3,"first line
	// second line",true
}

// A dialect that is misspelt is an error that names those there are.
func ExampleParseDialect() {
	_, err := report.ParseDialect("excel")
	fmt.Println(err)
	// Output: "excel" is no CSV dialect: rfc4180 and spark are
}
