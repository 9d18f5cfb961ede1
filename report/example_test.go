package report_test

import (
	"bytes"
	"fmt"
	"log"
	"os"

	"data-exhaust/exhaust"
	"data-exhaust/report"
)

// answers are three made-up rows: a cell with a comma, one with quotes, one with a line break and one with nothing in it.
var (
	columns = []string{"Device ID", "Question Response", "Eof"}
	answers = [][][]byte{
		{[]byte("d-1"), []byte("yes, please"), []byte("false")},
		{[]byte("d-2"), []byte(`the sign says "closed"`), nil},
		{[]byte("d-3"), []byte("first line\nsecond line"), []byte("true")},
	}
)

// By RFC 4180 a quote inside a cell is doubled. A cell without a special character has no quotes around it.
func ExampleCSVWriter() {
	writer := report.NewCSVWriter(os.Stdout, report.Options{Dialect: report.RFC4180})
	if err := writer.WriteHeader(columns); err != nil {
		log.Fatal(err)
	}
	for _, row := range answers {
		if err := writer.Write(row, 0); err != nil {
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
	writer := report.NewCSVWriter(os.Stdout, report.Options{Dialect: dialect})
	if err := writer.WriteHeader(columns); err != nil {
		log.Fatal(err)
	}
	for _, row := range answers {
		if err := writer.Write(row, 0); err != nil {
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

// For spreadsheets: a byte order mark tells Excel that the file is UTF-8, and text that it would run as a formula gets a '
// in front (EXHAUST_CSV_BOM, EXHAUST_CSV_FORMULA_GUARD). Numbers are left alone.
func ExampleOptions() {
	var file bytes.Buffer
	writer := report.NewCSVWriter(&file, report.Options{Dialect: report.RFC4180, ByteOrderMark: true, FormulaGuard: true})
	const texts exhaust.ColumnSet = 1 << 0 // the first column
	if err := writer.WriteHeader([]string{"Question Title", "Question Score"}); err != nil {
		log.Fatal(err)
	}
	for _, row := range [][2]string{{"=1+1", "-1"}, {"आपका नाम?", "0.5"}} {
		if err := writer.Write([][]byte{[]byte(row[0]), []byte(row[1])}, texts); err != nil {
			log.Fatal(err)
		}
	}
	if err := writer.Flush(); err != nil {
		log.Fatal(err)
	}
	mark, rest, _ := bytes.Cut(file.Bytes(), []byte("Question Title"))
	fmt.Printf("% X\nQuestion Title%s%d records\n", mark, rest, writer.Records())
	// Output:
	// EF BB BF
	// Question Title,Question Score
	// '=1+1,-1
	// आपका नाम?,0.5
	// 3 records
}

// A dialect that is misspelt is an error that names those there are.
func ExampleParseDialect() {
	_, err := report.ParseDialect("excel")
	fmt.Println(err)
	// Output: "excel" is no CSV dialect: rfc4180 and spark are
}
