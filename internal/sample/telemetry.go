package sample

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"data-exhaust/exhaust"
)

// Writer is an object in the making: it appears at Commit, or never after Abort. Abort after
// Commit does nothing.
type Writer interface {
	io.Writer
	Commit() error
	Abort() error
}

// WriteTelemetry writes every object of the set, gzipped, on all processors.
func WriteTelemetry(ctx context.Context, s *Set, create func(ctx context.Context, name string) (Writer, error)) error {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for _, d := range s.Days() {
		for object := range s.ObjectsPerDay {
			work.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				name := s.ObjectName(d, object)
				w, err := create(ctx, name)
				if err != nil {
					return fmt.Errorf("create %s: %w", name, err)
				}
				defer w.Abort()
				if err := s.writeGzip(w, d, object); err != nil {
					return fmt.Errorf("write %s: %w", name, err)
				}
				if err := w.Commit(); err != nil {
					return fmt.Errorf("write %s: %w", name, err)
				}
				return nil
			})
		}
	}
	return work.Wait()
}

func (s *Set) writeGzip(w io.Writer, d exhaust.Day, object int) error {
	z := gzip.NewWriter(w)
	if err := s.WriteDay(d, object, z); err != nil {
		return err
	}
	return z.Close()
}

// WriteDay writes the lines of one of a day's objects, from 0 on, as JSON of about 1,000 bytes each.
// They are nearly in the order of time, as Sunbird's are.
func (s *Set) WriteDay(d exhaust.Day, object int, w io.Writer) error {
	const bufferSize = 256 << 10
	buf := make([]byte, 0, bufferSize+16<<10)
	e := &encoder{Set: s, day: d.Time().UnixMilli(), date: string(d)}
	for line := range s.lines(object) {
		buf = append(e.line(buf, object, line), '\n')
		if len(buf) >= bufferSize {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	_, err := w.Write(buf)
	return err
}

// lines counts an object's lines: the first objects take what a day's events leave over.
func (s *Set) lines(object int) int {
	n := s.EventsPerDay / s.ObjectsPerDay
	if object < s.EventsPerDay%s.ObjectsPerDay {
		n++
	}
	return n
}

// kind is what a line of an object is, see the package's mix.
type kind uint8

const (
	demoAnswer kind = iota
	otherAnswer
	answerNamingDemo // of another conversation, with the demo's id in object.id
	foreignAnswer    // of another channel
	foreignDemoAnswer
	repeated
	start
	end
	interact
	interactWithDemo
	impression
)

const mixSize = 100

// The places in each hundred lines that do not depend on the seed: a line that repeats another
// must find it in every object that is long enough to have the repeating line.
const (
	repeatedLine  = 3
	repeatingLine = 19
)

// makeMix deals the kinds of a hundred lines.
func makeMix(seed uint64) [mixSize]kind {
	var mix [mixSize]kind
	next := 0
	for _, share := range []struct {
		kind
		lines int
	}{
		{demoAnswer, 8}, {otherAnswer, 19}, {answerNamingDemo, 1}, {foreignAnswer, 7}, {foreignDemoAnswer, 1}, {repeated, 1},
		{start, 10}, {end, 10}, {interact, 27}, {interactWithDemo, 1}, {impression, 15},
	} {
		for range share.lines {
			mix[next] = share.kind
			next++
		}
	}
	random := newRandom(seed, seedMix)
	for i := range mix {
		j := i + random.below(mixSize-i)
		mix[i], mix[j] = mix[j], mix[i]
	}
	place := func(k kind, at int) {
		for i := range mix {
			if mix[i] == k && i != repeatedLine {
				mix[i], mix[at] = mix[at], mix[i]
				return
			}
		}
	}
	if mix[repeatedLine] != demoAnswer {
		place(demoAnswer, repeatedLine)
	}
	place(repeated, repeatingLine)
	return mix
}

// encoder writes the events of one object.
type encoder struct {
	*Set
	day  int64 // midnight UTC, in milliseconds
	date string
	uuid [36]byte
}

const dayMillis = 24 * 60 * 60 * 1000

func (e *encoder) line(b []byte, object, line int) []byte {
	k := e.mix[line%mixSize]
	received := 0
	if k == repeated {
		// What was delivered twice lies in another object and was received five minutes later.
		object = (object + e.ObjectsPerDay - 1) % e.ObjectsPerDay
		line += repeatedLine - repeatingLine
		k = e.mix[repeatedLine]
		received = 5 * 60 * 1000
	}
	random := newRandom(e.Seed, seedEvent, uint64(e.day), uint64(object), uint64(line))
	sinceMidnight := int(int64(line)*dayMillis/int64(e.lines(object))) + random.below(60_000)
	sinceMidnight = min(sinceMidnight, dayMillis-1)
	at := moment{sinceMidnight, min(sinceMidnight+400+random.below(3000)+received, dayMillis-1)}

	switch k {
	case demoAnswer:
		return e.answer(b, random, at, e.Channel, 0, e.conversations[0].ID)
	case otherAnswer, answerNamingDemo:
		conversation := 0
		if n := len(e.conversations); n > 1 {
			conversation = 1 + random.below(n-1)
		}
		object := e.conversations[conversation].ID
		if k == answerNamingDemo {
			object = e.conversations[0].ID
		}
		return e.answer(b, random, at, e.Channel, conversation, object)
	case foreignAnswer:
		return e.contentAnswer(b, random, at)
	case foreignDemoAnswer:
		return e.answer(b, random, at, e.channels[random.below(len(e.channels))], 0, e.conversations[0].ID)
	}
	return e.portal(b, random, at, k)
}

// moment is when an event happened and when it was received, in milliseconds since midnight.
type moment struct{ happened, received int }

// answer is an answer that a device gave to a conversation.
func (e *encoder) answer(b []byte, random *random, at moment, channel string, conversation int, object string) []byte {
	bank := e.banks[min(conversation, len(e.banks)-1)]
	question := &bank[random.below(len(bank))]
	answer := &question.answers[random.below(len(question.answers))]
	device := e.pickDevice(random, conversation)
	conversationID := e.conversations[conversation].ID
	last := "false"
	if question.last {
		last = "true"
	}

	b = append(b, `{"actor":{"type":"User","id":"`...)
	b = append(b, device...)
	b = append(b, `"},"eid":"ASSESS","edata":{`...)
	if answer.resvalues != "" {
		b = append(b, `"resvalues":`...)
		b = append(b, answer.resvalues...)
		b = append(b, ',')
	}
	b = append(b, `"duration":`...)
	b = appendDuration(b, random)
	b = append(b, `,"score":`...)
	b = append(b, answer.score...)
	b = append(b, `,"item":`...)
	b = append(b, question.item...)
	b = append(b, `,"pass":"`...)
	b = append(b, answer.pass...)
	b = append(b, `","index":1},"ver":"3.1","ets":`...)
	b = strconv.AppendInt(b, e.day+int64(at.happened), 10)
	b = append(b, `,"context":{"pdata":{"ver":"4.2.0","pid":"uci-transport","id":"`...)
	b = append(b, e.PdataID...)
	b = append(b, `"},"channel":"`...)
	b = append(b, channel...)
	b = append(b, `","env":"uci","did":"`...)
	b = append(b, device...)
	b = append(b, `","sid":"`...)
	b = append(b, e.session(random, device)...)
	b = append(b, `","cdata":[{"type":"Conversation","id":"`...)
	b = append(b, conversationID...)
	b = append(b, `"},{"id":"`...)
	b = append(b, question.xpath...)
	b = append(b, `","type":"XPath"},{"id":"`...)
	b = append(b, last...)
	b = append(b, `","type":"FormEnd"}],"rollup":{"l1":"`...)
	b = append(b, channel...)
	b = append(b, `","l2":"`...)
	b = append(b, conversationID...)
	b = append(b, `","l3":"`...)
	b = append(b, question.xpath...)
	b = append(b, `","l4":"`...)
	b = append(b, last...)
	b = append(b, `"}},"mid":"ASSESS:`...)
	b = appendMid(b, random)
	b = append(b, `","object":{"ver":"1","id":"`...)
	b = append(b, object...)
	b = append(b, `","type":"Bot"},"tags":[],`...)
	// One in forty has only ets to tell its time by.
	return e.tail(b, at, random.below(40) > 0)
}

// appendDuration adds seconds: whole ones, some with a fraction, some as Java prints a double.
func appendDuration(b []byte, random *random) []byte {
	switch seconds := random.below(90); random.below(8) {
	case 0:
		return append(strconv.AppendInt(b, int64(seconds), 10), ".5"...)
	case 1:
		return append(strconv.AppendInt(b, int64(seconds), 10), ".0"...)
	default:
		return strconv.AppendInt(b, int64(seconds), 10)
	}
}

// contentAnswer is an answer in a portal's content player.
func (e *encoder) contentAnswer(b []byte, random *random, at moment) []byte {
	channel := e.channels[random.below(len(e.channels))]
	device := e.portalDevices[random.below(len(e.portalDevices))]
	b = append(b, `{"eid":"ASSESS","ets":`...)
	b = strconv.AppendInt(b, e.day+int64(at.happened), 10)
	b = append(b, `,"ver":"3.1","mid":"ASSESS:`...)
	b = appendMid(b, random)
	b = append(b, `","actor":{"id":"`...)
	b = random.appendUUID(b)
	b = append(b, `","type":"User"},"context":{"channel":"`...)
	b = append(b, channel...)
	b = append(b, `","pdata":{"id":"prod.sample.portal","ver":"4.7.1","pid":"sunbird-portal.contentplayer"},"env":"contentplayer","sid":"`...)
	b = append(b, e.session(random, device)...)
	b = append(b, `","did":"`...)
	b = append(b, device...)
	b = append(b, `","cdata":[{"id":"sample_do_9200","type":"course"},{"type":"batch","id":"09990000000009200"},{"id":"`...)
	b = appendMid(b, random)
	b = append(b, `","type":"ContentSession"}],"rollup":{"l1":"`...)
	b = append(b, channel...)
	b = append(b, `"}},"object":{"id":"sample_do_9201","type":"Content","ver":"2"},"tags":[],"edata":{"item":{"id":"sample_do_9202","maxscore":1,"type":"ftb","exlength":0,"params":[{"eval":"order"}],"uri":"","title":"5 + 7 = ?","mmc":[],"mc":[],"desc":""},"index":1,"pass":"Yes","score":1,"resvalues":[{"1":"{\"text\":\"12\"}"}],"duration":`...)
	b = appendDuration(b, random)
	b = append(b, `},`...)
	return e.tail(b, at, true)
}

// portalEdata is what a portal's events say.
var portalEdata = [...]struct{ eid, edata string }{
	start:            {"START", `{"type":"session","mode":"play","pageid":"home","duration":2,"uaspec":{"agent":"Chrome","system":"Android"}}`},
	end:              {"END", `{"type":"content","mode":"play","pageid":"contentplayer","duration":184,"summary":[{"progress":100},{"endpageseen":true}]}`},
	interact:         {"INTERACT", `{"type":"TOUCH","subtype":"content-clicked","id":"content-card","pageid":"course-details","extra":{"values":[{"text":"said \"yes\", went on"},{"position":4}]}}`},
	interactWithDemo: {"INTERACT", `{"type":"TOUCH","subtype":"bot-opened","id":"bot-card","pageid":"uci-admin","extra":{"values":[{"text":"open \"conversation\""},{"position":1}]}}`},
	impression:       {"IMPRESSION", `{"type":"view","subtype":"paginate","pageid":"explore","uri":"/explore?board=sample","duration":0.4,"visits":[{"objid":"sample_do_9300","objtype":"Content","index":0}]}`},
}

// portal is an event of a portal that concerns no exhaust.
func (e *encoder) portal(b []byte, random *random, at moment, k kind) []byte {
	event := &portalEdata[k]
	channel := e.channels[random.below(len(e.channels))]
	if k == interactWithDemo || random.below(4) == 0 {
		channel = e.Channel
	}
	device := e.portalDevices[random.below(len(e.portalDevices))]
	b = append(b, `{"eid":"`...)
	b = append(b, event.eid...)
	b = append(b, `","ets":`...)
	b = strconv.AppendInt(b, e.day+int64(at.happened), 10)
	b = append(b, `,"ver":"3.0","mid":"`...)
	b = append(b, event.eid...)
	b = append(b, ':')
	b = appendMid(b, random)
	b = append(b, `","actor":{"id":"`...)
	b = random.appendUUID(b)
	b = append(b, `","type":"User"},"context":{"channel":"`...)
	b = append(b, channel...)
	b = append(b, `","pdata":{"id":"prod.sample.portal","ver":"4.7.1","pid":"sunbird-portal"},"env":"content","sid":"`...)
	b = append(b, e.session(random, device)...)
	b = append(b, `","did":"`...)
	b = append(b, device...)
	b = append(b, `","cdata":[{"id":"`...)
	if k == interactWithDemo {
		b = append(b, e.conversations[0].ID...)
		b = append(b, `","type":"Conversation"}`...)
	} else {
		b = appendMid(b, random)
		b = append(b, `","type":"PlaySession"}`...)
	}
	b = append(b, `],"rollup":{"l1":"`...)
	b = append(b, channel...)
	b = append(b, `"}},"object":{"id":"sample_do_9301","type":"Content","ver":"3"},"tags":[],"edata":`...)
	b = append(b, event.edata...)
	b = append(b, ',')
	return e.tail(b, at, true)
}

// tail ends an event as Sunbird's pipeline does.
func (e *encoder) tail(b []byte, at moment, timestamp bool) []byte {
	b = append(b, `"syncts":`...)
	b = strconv.AppendInt(b, e.day+int64(at.received), 10)
	if timestamp {
		b = append(b, `,"@timestamp":"`...)
		b = append(b, e.date...)
		b = appendClock(b, at.received)
		b = append(b, '"')
	}
	return append(b, `,"flags":{"tv_skipped":true,"dd_processed":true},"type":"events"}`...)
}

// appendClock adds the time of day as T15:04:05.000Z.
func appendClock(b []byte, millis int) []byte {
	d := time.Duration(millis) * time.Millisecond
	b = append(b, 'T')
	b = appendDigits(b, int(d/time.Hour), 2)
	b = append(b, ':')
	b = appendDigits(b, int(d/time.Minute)%60, 2)
	b = append(b, ':')
	b = appendDigits(b, int(d/time.Second)%60, 2)
	b = append(b, '.')
	b = appendDigits(b, millis%1000, 3)
	return append(b, 'Z')
}

func appendDigits(b []byte, n, digits int) []byte {
	if digits > 1 {
		b = appendDigits(b, n/10, digits-1)
	}
	return append(b, byte('0'+n%10))
}

func appendMid(b []byte, random *random) []byte {
	return appendHex(appendHex(b, random.next(), 16), random.next(), 16)
}

// session is one of the device's four of the day. The answer is good until the next call.
func (e *encoder) session(r *random, device string) []byte {
	first := uint64(len(device))
	for i := range 8 {
		first = first<<8 ^ uint64(device[i])
	}
	return newRandom(e.Seed, seedSession, uint64(e.day), first, uint64(r.below(4))).appendUUID(e.uuid[:0])
}
