package sample

import (
	"crypto/md5"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// release is a release of UCI: they write the same answer differently.
type release uint8

const (
	// timed makes mid from the clock's second and leaves sid empty: the session is rollup.l5.
	timed release = iota
	// numbered takes the message's own id for mid, leaves sid empty and writes ets as 1646092800000.0.
	numbered
	// withSession makes mid from the clock's second, fills sid and writes ets as Java prints a double, 1.6460928E12.
	withSession
)

var releaseVersions = [...]string{timed: "4.2.0", numbered: "4.1.0", withSession: "4.0.0"}

// The answers of a burst, counted from its first. All are of one second and one mid. The last three share everything
// with the first but one part of what tells two events apart: the device, what was answered, the millisecond.
const (
	sameSecond   = 1 // another device
	sameInstant  = 2 // another device at the first's millisecond, with the first's answer
	secondAnswer = 3 // the first's device at the first's millisecond, with another answer
	sameAnswer   = 4 // the first's device with the first's answer, at another millisecond
)

// isBurst tells whether a line's hundred has a burst. It is the second of every four, so that a file of the demo does
// not begin with rows that look alike. In the other hundreds the lines of a burst are answers like any other.
func isBurst(line int) bool { return line/mixSize%4 == 1 }

// answerEvent is an answer that a device gave to a conversation, before it is written.
type answerEvent struct {
	at           moment
	release      release
	channel      string
	conversation int
	object       string
	question     *question
	answer       *answer
	duration     string
	device       string
	// deviceNumber counts the conversation's devices. Where the device is not one of them it is any of their numbers.
	deviceNumber int
	session      int
	// messageID is drawn for the release that uses it.
	messageID    string
	hasTimestamp bool
	// inCapitals is an answer delivered by a producer that writes did in capitals and ets as a double.
	inCapitals bool
}

// drawAnswer draws the answer of a line. One within a burst is drawn from the burst's first answer.
func (e *encoder) drawAnswer(object, line int) answerEvent {
	a, random := e.drawSingleAnswer(object, line)
	member := line%mixSize - burstLine
	if !isBurst(line) || member <= 0 || member >= burstSize {
		return a
	}
	first, _ := e.drawSingleAnswer(object, line-member)
	millisecond := first.at.happened % 1000
	second := first.at.happened - millisecond
	anotherMillisecond := second + (millisecond+1+random.below(999))%1000
	switch member {
	case sameSecond:
		a.at = newMoment(anotherMillisecond, a.at.received-a.at.happened)
		a.device = e.device(first.conversation, first.deviceNumber+1)
		return a
	case sameInstant:
		first.device = e.device(first.conversation, first.deviceNumber+2)
	case secondAnswer:
		bank := e.bank(first.conversation)
		for first.question == a.question {
			a.question = &bank[random.below(len(bank))]
		}
		first.question = a.question
		first.answer = &a.question.answers[random.below(len(a.question.answers))]
	case sameAnswer:
		first.at = newMoment(anotherMillisecond, first.at.received-first.at.happened)
	}
	return first
}

// drawSingleAnswer draws an answer as if there were no bursts. What it returns draws on.
func (e *encoder) drawSingleAnswer(object, line int) (answerEvent, random) {
	random, at := e.begin(object, line)
	slot := e.mix[line%mixSize]
	a := answerEvent{at: at, release: slot.release, channel: e.Channel}
	switch slot.kind {
	case otherAnswer, answerNamingDemo:
		if n := len(e.conversations); n > 1 {
			a.conversation = 1 + random.below(n-1)
		}
	case foreignDemoAnswer:
		a.channel = e.channels[random.below(len(e.channels))]
	}
	a.object = e.conversations[a.conversation].ID
	if slot.kind == answerNamingDemo {
		a.object = e.conversations[0].ID
	}
	bank := e.bank(a.conversation)
	a.question = &bank[random.below(len(bank))]
	a.answer = &a.question.answers[random.below(len(a.question.answers))]
	a.duration = duration(&random)
	a.device, a.deviceNumber = e.pickDevice(&random, a.conversation)
	a.session = random.below(sessionsPerDay)
	if a.release == numbered {
		a.messageID = random.hex()
	}
	// One in forty has only ets to tell its time by.
	a.hasTimestamp = random.below(40) > 0
	return a, random
}

// bank holds the questions of a conversation.
func (e *encoder) bank(conversation int) []question {
	return e.banks[min(conversation, len(e.banks)-1)]
}

// answer writes an answer as its release does.
func (e *encoder) answer(b []byte, a *answerEvent) []byte {
	device, ets := a.device, e.millis(a.at.happened)
	switch {
	case a.inCapitals:
		device, ets = strings.ToUpper(device), e.millisAsDouble(a.at.happened)
	case a.release == numbered:
		ets += ".0"
	case a.release == withSession:
		ets = e.millisAsDouble(a.at.happened)
	}
	mid := a.messageID
	if a.release != numbered {
		mid = e.secondID(a.at.happened)
	}
	sid, session := "", e.session(a.device, a.session)
	if a.release == withSession {
		sid, session = session, ""
	}
	resvalues := ""
	if a.answer.resvalues != "" {
		resvalues = `"resvalues":` + a.answer.resvalues + `,`
	}
	conversationID := e.conversations[a.conversation].ID
	last := strconv.FormatBool(a.question.last)

	b = fill(b, `{"actor":{"type":"User","id":"%s"},"eid":"ASSESS","edata":{%s"duration":%s,"score":%s,"item":%s,"pass":"%s","index":1},"ver":"3.1","ets":%s,`,
		device, resvalues, a.duration, a.answer.score, a.question.item, a.answer.pass, ets)
	b = fill(b, `"context":{"pdata":{"ver":"%s","pid":"uci-transport","id":"%s"},"channel":"%s","env":"uci","did":"%s","sid":"%s",`,
		releaseVersions[a.release], e.PdataID, a.channel, device, sid)
	b = fill(b, `"cdata":[{"type":"Conversation","id":"%s"},{"id":"%s","type":"XPath"},{"id":"%s","type":"FormEnd"}],`, conversationID, a.question.xpath, last)
	b = fill(b, `"rollup":{"l1":"%s","l2":"%s","l3":"%s","l4":"%s"`, a.channel, conversationID, a.question.xpath, last)
	if session != "" {
		b = fill(b, `,"l5":"%s"`, session)
	}
	b = fill(b, `}},"mid":"ASSESS:%s","object":{"ver":"1","id":"%s","type":"Bot"},"tags":[],`, mid, a.object)
	return e.tail(b, a.at, a.hasTimestamp)
}

// secondID is what UCI puts into mid: the MD5 of the second, so that all who answer within it share it.
func (e *encoder) secondID(sinceMidnight int) string {
	var second [len("2022-03-01T10:00:00Z")]byte
	sum := md5.Sum(time.UnixMilli(e.day+int64(sinceMidnight)).UTC().AppendFormat(second[:0], "2006-01-02T15:04:05Z"))
	return hexDigits(binary.BigEndian.Uint64(sum[:8]), binary.BigEndian.Uint64(sum[8:]))
}

// millisAsDouble is millis as Java prints a double: 1.6460928E12.
func (e *encoder) millisAsDouble(sinceMidnight int) string {
	digits, exponent, _ := strings.Cut(strconv.FormatFloat(float64(e.day+int64(sinceMidnight)), 'E', -1, 64), "E+")
	if !strings.Contains(digits, ".") {
		digits += ".0"
	}
	return digits + "E" + exponent
}
