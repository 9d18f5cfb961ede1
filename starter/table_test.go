package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"data-exhaust/exhaust"
)

const responses = `Device ID,Question Title,Question Response,Timestamp
440b031a-d18c-44c4-a09c-1cac330f901c,"What did the doctor say?
In your own words, please: ""…""","[{""text"":""Rest,\nwater,\nno work for a day""}]",2022-03-01T00:00:54.248Z
67a72410-5e2f-4d1c-9b43-0f6a1d2c3b4a,आपको टीका कहाँ लगा?,"[{""3"":{""text"":""\u0928\u093f\u091c\u0940 \u0915\u094d\u0932\u093f\u0928\u093f\u0915""}}]",2022-03-01T23:59:59+05:30
9e5adda3-4712-44d4-8d49-3dcf16b97c52,😀 or 😞?,"[{""5"":""😀""}]",2022-03-02T00:00:00Z
anonymous,Which?,"[{""1"":{""text"":""Yes""}},{""2"":{""text"":""No""}},7]",someday
d679cafd-c6e1-4fcd-96c3-68f652425142,"Are you, or is anyone in your family, vaccinated?",,2022-03-11T00:00:00Z
5b8f3c3d-0e74-4caa-a479-e753de66d6ee,And?,[],2022-03-11T00:00:01Z
5b8f3c3d-0e74-4caa-a479-e753de66d6ee,And?,"[{""text"":""seventh""}]",2022-03-11T00:00:02Z
5b8f3c3d-0e74-4caa-a479-e753de66d6ee,And?,"[{""text"":""eighth""}]",2022-03-11T00:00:03Z
5b8f3c3d-0e74-4caa-a479-e753de66d6ee,And?,"[{""text"":""ninth""}]",2022-03-11T00:00:04Z
`

func TestTheDemoShowsQuestionsAndAnswersWhole(t *testing.T) {
	wantReport(t, responses, exhaust.ResponseExhaust, `The first 8 of 9 rows, times in Asia/Kolkata:

When             Who        Question                                  Answer
───────────────  ─────────  ────────────────────────────────────────  ──────────────────────────────
1 Mar 05:30:54   440b031a…  What did the doctor say? In your own      Rest, water, no work for a day
                            words, please: "…"
1 Mar 23:59:59   67a72410…  आपको टीका कहाँ लगा?                        निजी क्लिनिक
2 Mar 05:30:00   9e5adda3…  😀 or 😞?                                 😀
someday          anonymous  Which?                                    Yes; No; 7
11 Mar 05:30:00  d679cafd…  Are you, or is anyone in your family,     –
                            vaccinated?
11 Mar 05:30:01  5b8f3c3d…  And?                                      –
11 Mar 05:30:02  5b8f3c3d…  And?                                      seventh
11 Mar 05:30:03  5b8f3c3d…  And?                                      eighth

– is no answer, or one of a device that refused consent. The file has 17 columns.
`)
}

func TestTheDemoShowsAPhoneNumberOnlyWhereTheFileHasOne(t *testing.T) {
	wantReport(t, `Conversation ID,Conversation Name,Decrypted Device ID,Encrypted Device ID,Device UUID
29e49b19-9086-48d3-8f5a-dcbbdc9fae9c,Vaccination Helpdesk,02a472db-785b-44b2-a8b9-f4c7f0ffe291,iYfP7sof,02a472db-785b-44b2-a8b9-f4c7f0ffe291
29e49b19-9086-48d3-8f5a-dcbbdc9fae9c,Vaccination Helpdesk,phone:9999900762,t0R5lORy,07ac17f4-29c9-45b9-b6ca-41d3bf077622
`, exhaust.PrivateExhaust, `The first 2 of 2 rows, times in Asia/Kolkata:

Who        Phone number or login  Conversation
─────────  ─────────────────────  ────────────────────
02a472db…  –                      Vaccination Helpdesk
07ac17f4…  phone:9999900762       Vaccination Helpdesk

– is a device that has not given consent, or has no phone number that decrypts: the file has its id there.
`)
}

func wantReport(t *testing.T, content string, dataset exhaust.Dataset, want string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.csv")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	if err := showReport(file, dataset, zone, &got); err != nil || got.String() != want {
		t.Errorf("%v\ngot\n%s\nwant\n%s", err, got.String(), want)
	}
}

func TestATableIsAsWideAsItMayBeAndLeavesNothingOut(t *testing.T) {
	letters := table{header: []string{"A", "B"}, rows: [][]string{
		{"abcdefghijklmnop", "😀😀😀😀 हिन्दी"},
		{"हिन्दी", "x"},
		{"😀 ", " y  z\n"},
		{"", ""},
	}}
	for width, want := range map[int]string{
		// 16 + 2 + 14: as much as it needs
		100: `A                 B
────────────────  ──────────────
abcdefghijklmnop  😀😀😀😀 हिन्दी
हिन्दी             x
😀                y z

`,
		20: `A          B
─────────  ─────────
abcdefghi  😀😀😀😀
jklmnop    हिन्दी
हिन्दी      x
😀         y z

`,
	} {
		var got strings.Builder
		if err := letters.write(&got, width); err != nil || got.String() != want {
			t.Errorf("%d columns: %v\ngot\n%s\nwant\n%s", width, err, got.String(), want)
		}
	}
	var got strings.Builder
	if err := (table{header: []string{"A", "B"}, rows: [][]string{{"xy", "😀"}}}).write(&got, 0); err != nil || got.String() != "A  B\n─  ─\nx  😀\ny\n" {
		t.Errorf("without room: %v, %q", err, got.String())
	}
}
