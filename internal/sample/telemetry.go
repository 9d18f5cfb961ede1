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
	foreignDemoAnswer
	foreignAnswer // of another channel
	redelivery
	redeliveryAlike
	redeliveryInCapitals
	start
	end
	interact
	interactWithDemo
	impression
)

// slot is a place in each hundred lines.
type slot struct {
	kind    kind
	release release // of an answer to a conversation
}

const mixSize = 100

// Mix is what an object's lines are of.
type Mix string

const (
	// Mixed is a platform that logs everything: portals most of all.
	Mixed Mix = "mixed"
	// Chatbot is a deployment in which only bots log.
	Chatbot Mix = "chatbot"
	// Hot has one conversation, the demo's, in half of all lines.
	Hot Mix = "hot"
)

// ParseMix reads a mix's name.
func ParseMix(name string) (Mix, error) {
	if _, ok := dealt[Mix(name)]; !ok {
		return "", fmt.Errorf("%q is no mix: %s, %s and %s are", name, Mixed, Chatbot, Hot)
	}
	return Mix(name), nil
}

// The places in each hundred lines that do not depend on the seed: a line that belongs with another must
// find it in every object that is long enough to have both. The answers of a burst follow its first.
const (
	originalLine             = 3
	burstLine                = 5
	burstSize                = 5
	redeliveryLine           = 19
	redeliveryAlikeLine      = 23
	redeliveryInCapitalsLine = 29
)

// share is how many of each hundred lines are of a slot.
type share struct {
	slot
	lines int
}

// dealt are the shares of each mix but for the places that do not depend on the seed.
var dealt = map[Mix][]share{
	Mixed: {
		{slot{demoAnswer, numbered}, 1}, {slot{demoAnswer, withSession}, 1},
		{slot{otherAnswer, timed}, 14}, {slot{otherAnswer, numbered}, 3}, {slot{otherAnswer, withSession}, 2},
		{slot{kind: answerNamingDemo}, 1}, {slot{kind: foreignDemoAnswer}, 1}, {slot{kind: foreignAnswer}, 7},
		{slot{kind: start}, 10}, {slot{kind: end}, 10}, {slot{kind: interact}, 26}, {slot{kind: interactWithDemo}, 1}, {slot{kind: impression}, 14},
	},
	Chatbot: {
		{slot{demoAnswer, numbered}, 1}, {slot{demoAnswer, withSession}, 1},
		{slot{otherAnswer, timed}, 66}, {slot{otherAnswer, numbered}, 13}, {slot{otherAnswer, withSession}, 9}, {slot{kind: answerNamingDemo}, 1},
	},
	Hot: {
		{slot{demoAnswer, timed}, 30}, {slot{demoAnswer, numbered}, 6}, {slot{demoAnswer, withSession}, 5},
		{slot{otherAnswer, timed}, 6}, {slot{otherAnswer, numbered}, 2}, {slot{otherAnswer, withSession}, 1},
		{slot{kind: answerNamingDemo}, 1}, {slot{kind: foreignDemoAnswer}, 1}, {slot{kind: foreignAnswer}, 3},
		{slot{kind: start}, 6}, {slot{kind: end}, 6}, {slot{kind: interact}, 15}, {slot{kind: interactWithDemo}, 1}, {slot{kind: impression}, 8},
	},
}

// makeMix deals the slots of a hundred lines.
func makeMix(name Mix, seed uint64) []slot {
	var mix []slot
	for _, share := range dealt[name] {
		mix = append(mix, slices.Repeat([]slot{share.slot}, share.lines)...)
	}
	random := newRandom(seed, seedMix)
	for i := range mix {
		j := i + random.below(len(mix)-i)
		mix[i], mix[j] = mix[j], mix[i]
	}
	mix = slices.Insert(mix, originalLine, slot{kind: demoAnswer})
	mix = slices.Insert(mix, burstLine, slices.Repeat([]slot{{kind: demoAnswer}}, burstSize)...)
	mix = slices.Insert(mix, redeliveryLine, slot{kind: redelivery})
	mix = slices.Insert(mix, redeliveryAlikeLine, slot{kind: redeliveryAlike})
	return slices.Insert(mix, redeliveryInCapitalsLine, slot{kind: redeliveryInCapitals})
}

// encoder writes the events of one object.
type encoder struct {
	*Set
	day int64 // midnight UTC, in milliseconds
}

const dayMillis = 24 * 60 * 60 * 1000

func (e *encoder) line(b []byte, object, line int) []byte {
	place := line % mixSize
	k := e.mix[place].kind
	otherObject := (object + e.ObjectsPerDay - 1) % e.ObjectsPerDay
	switch k {
	case demoAnswer, otherAnswer, answerNamingDemo, foreignDemoAnswer:
		a := e.drawAnswer(object, line)
		return e.answer(b, &a)
	case redelivery:
		a := e.drawAnswer(otherObject, line-place+originalLine)
		a.at = newMoment(a.at.happened, redeliveryLag)
		return e.answer(b, &a)
	case redeliveryAlike:
		a := e.drawAnswer(object, line-place+burstLine)
		return e.answer(b, &a)
	case redeliveryInCapitals:
		a := e.drawAnswer(otherObject, line-place+burstLine+sameInstant)
		a.at = newMoment(a.at.happened, redeliveryLag)
		a.inCapitals = true
		return e.answer(b, &a)
	}
	random, at := e.begin(object, line)
	if k == foreignAnswer {
		return e.contentAnswer(b, &random, at)
	}
	return e.portal(b, &random, at, k)
}

// redeliveryLag is longer than it takes any event to be received for the first time.
const redeliveryLag = 5 * 60 * 1000

// begin draws what comes first in every event: when it happened.
func (e *encoder) begin(object, line int) (random, moment) {
	random := newRandom(e.Seed, seedEvent, uint64(e.day), uint64(object), uint64(line))
	happened := int(int64(line)*dayMillis/int64(e.lines(object))) + random.below(60_000)
	return *random, newMoment(happened, 400+random.below(3000))
}

// moment is when an event happened and when it was received, in milliseconds since midnight.
type moment struct{ happened, received int }

// newMoment keeps both on their day.
func newMoment(happened, lag int) moment {
	happened = min(happened, dayMillis-1)
	return moment{happened, min(happened+lag, dayMillis-1)}
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
		channel, e.session(device, random.below(sessionsPerDay)), device)
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
		channel, e.session(device, random.below(sessionsPerDay)), device)
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
// time. A template holds no other %. An event draws its random values in the order in which they are passed
// here, or before: that order belongs to the sample's bytes.
func fill(b []byte, template string, values ...string) []byte {
	for _, value := range values {
		at := strings.IndexByte(template, '%')
		b = append(append(b, template[:at]...), value...)
		template = template[at+len("%s"):]
	}
	return append(b, template...)
}

// millis is a time of the day as epoch milliseconds.
func (e *encoder) millis(sinceMidnight int) string {
	return strconv.FormatInt(e.day+int64(sinceMidnight), 10)
}

// sessionsPerDay is how many a device has.
const sessionsPerDay = 4

// session is the id of one of the device's sessions of the day.
func (e *encoder) session(device string, number int) string {
	first := uint64(len(device))
	for i := range 8 {
		first = first<<8 ^ uint64(device[i])
	}
	return newRandom(e.Seed, seedSession, uint64(e.day), first, uint64(number)).uuid()
}
