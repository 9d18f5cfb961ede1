package sample

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"data-exhaust/blob"
	"data-exhaust/exhaust"
)

// WriteTelemetry writes every object of the set, gzipped, on all processors.
func WriteTelemetry(ctx context.Context, s *Set, create func(ctx context.Context, name string) (blob.Writer, error)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, d := range s.Days() {
		for object := range s.ObjectsPerDay {
			group.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				name := s.ObjectName(d, object)
				w, err := create(ctx, name)
				if err != nil {
					return fmt.Errorf("create %s: %w", name, err)
				}
				defer w.Abort()
				if err := s.writeObject(w, d, object); err != nil {
					return fmt.Errorf("write %s: %w", name, err)
				}
				return nil
			})
		}
	}
	return group.Wait()
}

func (s *Set) writeObject(w blob.Writer, d exhaust.Day, object int) error {
	z := gzip.NewWriter(w)
	if err := s.WriteDay(d, object, z); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return w.Commit()
}

// WriteDay writes the lines of one of a day's objects, from 0 on, as JSON of about 1,000 bytes each.
// They are nearly in the order of time, as Sunbird's are.
func (s *Set) WriteDay(d exhaust.Day, object int, w io.Writer) error {
	const bufferSize = 256 << 10
	buf := make([]byte, 0, bufferSize+16<<10)
	e := &encoder{Set: s, day: d.Time().UnixMilli()}
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
func makeMix(seed uint64) []kind {
	var mix []kind
	for _, share := range []struct {
		kind
		lines int
	}{
		{demoAnswer, 8}, {otherAnswer, 19}, {answerNamingDemo, 1}, {foreignAnswer, 7}, {foreignDemoAnswer, 1}, {repeated, 1},
		{start, 10}, {end, 10}, {interact, 27}, {interactWithDemo, 1}, {impression, 15},
	} {
		mix = append(mix, slices.Repeat([]kind{share.kind}, share.lines)...)
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
	day int64 // midnight UTC, in milliseconds
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
	last := strconv.FormatBool(question.last)
	resvalues := ""
	if answer.resvalues != "" {
		resvalues = `"resvalues":` + answer.resvalues + `,`
	}
	b = fill(b, `{"actor":{"type":"User","id":"%s"},"eid":"ASSESS","edata":{%s"duration":%s,"score":%s,"item":%s,"pass":"%s","index":1},"ver":"3.1","ets":%s,`,
		device, resvalues, duration(random), answer.score, question.item, answer.pass, e.millis(at.happened))
	b = fill(b, `"context":{"pdata":{"ver":"4.2.0","pid":"uci-transport","id":"%s"},"channel":"%s","env":"uci","did":"%s","sid":"%s",`,
		e.PdataID, channel, device, e.session(random, device))
	b = fill(b, `"cdata":[{"type":"Conversation","id":"%s"},{"id":"%s","type":"XPath"},{"id":"%s","type":"FormEnd"}],`, conversationID, question.xpath, last)
	b = fill(b, `"rollup":{"l1":"%s","l2":"%s","l3":"%s","l4":"%s"}},`, channel, conversationID, question.xpath, last)
	b = fill(b, `"mid":"ASSESS:%s","object":{"ver":"1","id":"%s","type":"Bot"},"tags":[],`, random.hex(), object)
	// One in forty has only ets to tell its time by.
	return e.tail(b, at, random.below(40) > 0)
}

// duration is seconds: whole ones, some with a fraction, some as Java prints a double.
func duration(random *random) string {
	seconds := strconv.Itoa(random.below(90))
	switch random.below(8) {
	case 0:
		return seconds + ".5"
	case 1:
		return seconds + ".0"
	default:
		return seconds
	}
}

// contentAnswer is an answer in a portal's content player.
func (e *encoder) contentAnswer(b []byte, random *random, at moment) []byte {
	channel := e.channels[random.below(len(e.channels))]
	device := e.portalDevices[random.below(len(e.portalDevices))]
	b = fill(b, `{"eid":"ASSESS","ets":%s,"ver":"3.1","mid":"ASSESS:%s","actor":{"id":"%s","type":"User"},`, e.millis(at.happened), random.hex(), random.uuid())
	b = fill(b, `"context":{"channel":"%s","pdata":{"id":"prod.sample.portal","ver":"4.7.1","pid":"sunbird-portal.contentplayer"},"env":"contentplayer","sid":"%s","did":"%s",`,
		channel, e.session(random, device), device)
	b = fill(b, `"cdata":[{"id":"sample_do_9200","type":"course"},{"type":"batch","id":"09990000000009200"},{"id":"%s","type":"ContentSession"}],"rollup":{"l1":"%s"}},`,
		random.hex(), channel)
	b = fill(b, `"object":{"id":"sample_do_9201","type":"Content","ver":"2"},"tags":[],"edata":{"item":{"id":"sample_do_9202","maxscore":1,"type":"ftb","exlength":0,"params":[{"eval":"order"}],"uri":"","title":"5 + 7 = ?","mmc":[],"mc":[],"desc":""},"index":1,"pass":"Yes","score":1,"resvalues":[{"1":"{\"text\":\"12\"}"}],"duration":%s},`,
		duration(random))
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
	b = fill(b, `{"eid":"%s","ets":%s,"ver":"3.0","mid":"%s:%s","actor":{"id":"%s","type":"User"},`,
		event.eid, e.millis(at.happened), event.eid, random.hex(), random.uuid())
	b = fill(b, `"context":{"channel":"%s","pdata":{"id":"prod.sample.portal","ver":"4.7.1","pid":"sunbird-portal"},"env":"content","sid":"%s","did":"%s",`,
		channel, e.session(random, device), device)
	subject, subjectType := e.conversations[0].ID, "Conversation"
	if k != interactWithDemo {
		subject, subjectType = random.hex(), "PlaySession"
	}
	b = fill(b, `"cdata":[{"id":"%s","type":"%s"}],"rollup":{"l1":"%s"}},"object":{"id":"sample_do_9301","type":"Content","ver":"3"},"tags":[],"edata":%s,`,
		subject, subjectType, channel, event.edata)
	return e.tail(b, at, true)
}

// tail ends an event as Sunbird's pipeline does.
func (e *encoder) tail(b []byte, at moment, timestamp bool) []byte {
	b = fill(b, `"syncts":%s,`, e.millis(at.received))
	if timestamp {
		b = append(b, `"@timestamp":"`...)
		b = time.UnixMilli(e.day+int64(at.received)).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
		b = append(b, `",`...)
	}
	return append(b, `"flags":{"tv_skipped":true,"dd_processed":true},"type":"events"}`...)
}

// fill adds a template to b, with values in place of its %s, as fmt.Appendf does in more than twice the
// time. An event draws its random values in the order in which they are passed here, so that order
// belongs to the sample's bytes.
func fill(b []byte, template string, values ...string) []byte {
	for _, value := range values {
		before, after, _ := strings.Cut(template, "%s")
		b = append(append(b, before...), value...)
		template = after
	}
	return append(b, template...)
}

// millis is a time of the day as epoch milliseconds.
func (e *encoder) millis(sinceMidnight int) string {
	return strconv.FormatInt(e.day+int64(sinceMidnight), 10)
}

// session is one of the device's four of the day.
func (e *encoder) session(r *random, device string) string {
	first := uint64(len(device))
	for i := range 8 {
		first = first<<8 ^ uint64(device[i])
	}
	return newRandom(e.Seed, seedSession, uint64(e.day), first, uint64(r.below(4))).uuid()
}
