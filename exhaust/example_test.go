package exhaust_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/google/uuid"

	"data-exhaust/exhaust"
)

// A submission becomes a request. The request's ID is the MD5 of what was asked for and of the day, so the same submission
// is the same exhaust for as long as that day lasts.
func ExampleSubmission_Check() {
	submission := exhaust.Submission{
		Dataset:       "uci-response-exhaust",
		Tag:           "march-answers",
		Channel:       "0130",
		RequestedBy:   "asker",
		DatasetConfig: []byte(`{"conversationId": "helpdesk", "startDate": "2022-03-01", "endDate": "2022-03-31"}`),
	}
	morning := time.Date(2022, 4, 6, 9, 30, 0, 0, mustLocation("Asia/Kolkata"))

	request, err := submission.Check(exhaust.Rules{Now: morning, MaxDays: 366})
	if err != nil {
		log.Fatal(err)
	}
	// printf %s 'march-answers|uci-response-exhaust|asker|0130|2022-04-06|csv|{"conversationId":"helpdesk","endDate":"2022-03-31","startDate":"2022-03-01"}' | md5sum | tr a-f A-F
	fmt.Println(request.ChannelTag(), "is", request.ID)
	fmt.Println(request.StartDate.DaysTo(request.EndDate), "days of", request.ConversationID, "as", request.OutputFormat)

	// In the evening somebody sends it again, with the keys of the config in another order.
	submission.DatasetConfig = []byte(`{"endDate":"2022-03-31","startDate":"2022-03-01","conversationId":"helpdesk"}`)
	for _, hours := range []time.Duration{12, 24} {
		again, err := submission.Check(exhaust.Rules{Now: morning.Add(hours * time.Hour), MaxDays: 366})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("after %d hours it is the same exhaust: %t\n", hours, again.ID == request.ID)
	}
	// Output:
	// march-answers:0130 is 2E7991711EEE45E23E9C8968FDCDE64A
	// 31 days of helpdesk as csv
	// after 12 hours it is the same exhaust: true
	// after 24 hours it is the same exhaust: false
}

// What is wrong with a submission is a sentence for the client, and any other error is none of the client's business.
func ExampleInvalidError() {
	rules := exhaust.Rules{Now: time.Date(2022, 4, 6, 9, 30, 0, 0, time.UTC), MaxDays: 366}
	for _, submission := range []exhaust.Submission{
		{Dataset: "uci-response-exhaust"},
		{Dataset: "uci-response-exhaust", Tag: "march-answers"},
		{Dataset: "uci-response-exhaust", Tag: "march-answers", DatasetConfig: []byte(`{"conversationId":"helpdesk"}`)},
		{Dataset: "uci-response-exhaust", Tag: "march-answers", Channel: "0130", DatasetConfig: []byte(`{"conversationId":"helpdesk","startDate":"2022-02-30"}`)},
	} {
		_, err := submission.Check(rules)
		var invalid *exhaust.InvalidError
		if errors.As(err, &invalid) {
			fmt.Println("400", invalid.Sentence)
		}
	}
	// Output:
	// 400 tag is empty
	// 400 datasetConfig is empty
	// 400 X-Channel-ID is missing in request header
	// 400 datasetConfig.startDate "2022-02-30" is not a day: a real day as yyyy-MM-dd is accepted
}

// The file's name holds the day on which it was completed, which may be another than the day of the request.
func ExampleRequest_ReportName() {
	request := exhaust.Request{
		ID:             "2E7991711EEE45E23E9C8968FDCDE64A",
		Dataset:        exhaust.ResponseExhaust,
		ConversationID: "helpdesk",
	}
	fmt.Println(request.ReportName(request.ConversationID, "2022-04-06"))
	request.Dataset = exhaust.PrivateExhaust
	fmt.Println(request.ReportName(request.ConversationID, "2022-04-07"))
	// Output:
	// uci-response-exhaust/2E7991711EEE45E23E9C8968FDCDE64A/helpdesk_response_20220406.csv
	// uci-private-exhaust/2E7991711EEE45E23E9C8968FDCDE64A/helpdesk_userinfo_20220407.csv
}

// Consent stands in one of two places of users.data. One refusal is enough.
func ExampleReadConsent() {
	for _, data := range []string{
		`{"device": {"consent": true}}`,
		`{"data": {"device": {"consent": true}}}`,
		`{"data": {"device": {"consent": true}}, "device": {"consent": false}}`,
		`{"device": {"language": "hi"}}`,
	} {
		consent, _ := exhaust.ReadConsent([]byte(data))
		switch consent {
		case exhaust.ConsentGiven:
			fmt.Println("given:     ", data)
		case exhaust.ConsentRefused:
			fmt.Println("refused:   ", data)
		case exhaust.ConsentUnrecorded:
			fmt.Println("unrecorded:", data)
		}
	}
	// Output:
	// given:      {"device": {"consent": true}}
	// given:      {"data": {"device": {"consent": true}}}
	// refused:    {"data": {"device": {"consent": true}}, "device": {"consent": false}}
	// unrecorded: {"device": {"language": "hi"}}
}

// The phone number is shown only where the device gave consent and the number decrypts. Everywhere else the device's id
// takes its place, so that each device has a row.
func ExampleDevice_Reveal() {
	const secret = "bWFkZS11cC1rZXktMDAwMQ==" // base64 of "made-up-key-0001", an AES-128 key
	cipher, err := exhaust.NewCipher(secret)
	if err != nil {
		log.Fatal(err)
	}
	// printf %s '+910000000000' | openssl enc -aes-128-ecb -K $(printf %s 'made-up-key-0001' | xxd -p) -base64
	const encrypted = "3w+Bel3y3fM9MRYkNOqZbA=="

	const assumeConsent = false // EXHAUST_ASSUME_CONSENT
	id := uuid.MustParse("11111111-1111-4111-8111-111111111111")
	for _, device := range []exhaust.Device{
		{ID: id, Username: encrypted, Consent: exhaust.ConsentGiven},
		{ID: id, Username: encrypted, Consent: exhaust.ConsentRefused},
		{ID: id, Username: encrypted, Consent: exhaust.ConsentUnrecorded},
		{ID: id, Username: "no cipher made this", Consent: exhaust.ConsentGiven},
	} {
		phone, isShown, undecryptable := device.Reveal(cipher, assumeConsent)
		if !isShown {
			phone = "hidden: " + string(device.AppendUUID(nil))
		}
		fmt.Println(phone, undecryptable)
	}
	// Output:
	// +910000000000 false
	// hidden: 11111111-1111-4111-8111-111111111111 false
	// hidden: 11111111-1111-4111-8111-111111111111 false
	// hidden: 11111111-1111-4111-8111-111111111111 true
}

// A range holds both its first and its last day.
func ExampleDay_DaysTo() {
	fmt.Println(exhaust.Day("2022-03-01").DaysTo("2022-03-01"))
	fmt.Println(exhaust.Day("2022-03-01").DaysTo("2022-04-01"))
	// Output:
	// 1
	// 32
}

// Each firing of a recurring exhaust covers the days that have ended since the firing before it. A day is in one window,
// and in one only.
func ExampleSchedule_Windows() {
	kolkata := mustLocation("Asia/Kolkata")
	schedule := exhaust.Schedule{Cron: "0 6 * * 1", Zone: "Asia/Kolkata"} // Mondays at six
	calendar := mondaysAtSix(kolkata)

	march := time.Date(2022, 3, 1, 0, 0, 0, 0, kolkata)
	windows, err := schedule.Windows(context.Background(), calendar, kolkata, march, march.AddDate(0, 0, 21))
	if err != nil {
		log.Fatal(err)
	}
	for _, window := range windows {
		fmt.Println(window.Firing.Format("Mon 2 Jan 15:04"), "covers", window.From, "to", window.To)
	}
	// Output:
	// Mon 7 Mar 06:00 covers 2022-02-28 to 2022-03-06
	// Mon 14 Mar 06:00 covers 2022-03-07 to 2022-03-13
	// Mon 21 Mar 06:00 covers 2022-03-14 to 2022-03-20
}

// Whoever asks between two firings gets the days so far. The next firing covers them again, together with the rest.
func ExampleSchedule_WindowAt() {
	kolkata := mustLocation("Asia/Kolkata")
	schedule := exhaust.Schedule{
		Dataset: exhaust.ResponseExhaust, Tag: "weekly", Channel: "0130",
		Config: []byte(`{"conversationId":"helpdesk"}`),
		Cron:   "0 6 * * 1", Zone: "Asia/Kolkata",
	}
	thursday := time.Date(2022, 3, 17, 15, 0, 0, 0, kolkata)

	window, err := schedule.WindowAt(context.Background(), mondaysAtSix(kolkata), kolkata, thursday)
	if err != nil {
		log.Fatal(err)
	}
	submission, err := schedule.Submission(window)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(window.From, "to", window.To)
	fmt.Printf("%s\n", submission.DatasetConfig)
	// Output:
	// 2022-03-14 to 2022-03-16
	// {"conversationId":"helpdesk","endDate":"2022-03-16","startDate":"2022-03-14"}
}

// timetable is an exhaust.Calendar of one cron expression, whose times it holds. A service asks Temporal instead.
type timetable []time.Time

func (all timetable) Times(_ context.Context, _, _ string, after, until time.Time) ([]time.Time, error) {
	var found []time.Time
	for _, t := range all {
		if t.After(after) && !t.After(until) && len(found) < exhaust.CalendarPage {
			found = append(found, t)
		}
	}
	return found, nil
}

// mondaysAtSix are those from 21 February to 28 March 2022.
func mondaysAtSix(zone *time.Location) timetable {
	var mondays timetable
	for week := range 6 {
		mondays = append(mondays, time.Date(2022, 2, 21+7*week, 6, 0, 0, 0, zone))
	}
	return mondays
}

// Reading telemetry is 80 of 100. Whatever the counts say later, the percentage never goes back.
func ExampleProgress_RaisePercent() {
	progress := exhaust.Progress{Phase: exhaust.Fetching, BytesTotal: 4000}

	progress.Add(exhaust.Heartbeat{BytesRead: 1000})
	progress.RaisePercent()
	fmt.Println(progress.Phase, progress.Percent)

	// The worker died, and another one begins with the same objects.
	progress.BytesRead = 0
	progress.RaisePercent()
	fmt.Println(progress.Phase, progress.Percent)

	progress.Phase = exhaust.Done
	progress.RaisePercent()
	fmt.Println(progress.Phase, progress.Percent)
	// Output:
	// FETCHING 20
	// FETCHING 20
	// DONE 100
}

func mustLocation(name string) *time.Location {
	location, err := time.LoadLocation(name)
	if err != nil {
		log.Fatal(err)
	}
	return location
}
