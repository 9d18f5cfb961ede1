// Package sample invents telemetry and a registry for trials, tests and benchmarks; it may hold
// nothing of real people, and may not read a clock or the machine: the same options give the same
// bytes everywhere.
//
// Each hundred lines of an object are of a mix, in an order that depends on the seed. This one is [Mixed]:
//
//	 8  answers to the first conversation, the demo's
//	20  answers to the other conversations (to the demo's where there is no other); in one of them
//	    the demo's id stands elsewhere in the event
//	 8  answers in other channels, one of them naming the demo's conversation
//	 3  deliver an answer to the demo's again: from another object of the day, received later; with the same
//	    bytes, in the same object; from another object, with did in capitals and ets as a double, received later
//	61  START, END, INTERACT and IMPRESSION events of portals, one of them about the demo's conversation
//
// [Chatbot] has no line but answers to conversations of the channel: 11 of the demo's, three of them delivered again, and
// 89 of the others'. In [Hot] the demo's are 50, again with three, and the rest is as in Mixed.
//
// Of an answer's devices a few are unknown to the registry; the known ones have given consent,
// refused it, or never been asked.
//
// Answers to conversations are as UCI writes them: mid is made from the clock's second, sid is empty and the session
// is rollup.l5. Other releases of UCI, told apart by pdata.ver, write a quarter of the 28: four have the
// message's own id for mid, three have a sid, and all seven have an ets that is a float. In other mixes it is a quarter, too. Of every four hundred lines the
// second hundred holds a burst: five of the demo's answers are of three devices within one second.
package sample

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"data-exhaust/exhaust"
)

// Options say what to make. A zero field takes its default.
type Options struct {
	Seed uint64
	// Mix is [Mixed].
	Mix Mix
	// Until is the last day. There is no default.
	Until exhaust.Day
	// Days are counted back from Until; 7.
	Days int
	// EventsPerDay are the lines of a day, over all its objects; 2,000.
	EventsPerDay int
	// ObjectsPerDay is 2.
	ObjectsPerDay int
	// Conversations is 3, all in one channel.
	Conversations int
	// Devices that the registry knows, over all conversations; 60.
	Devices int
	// Channel owns the conversations; "01309282781705830427". It and PdataID stand in the JSON as
	// they are.
	Channel string
	// PdataID is the producer of the conversations' answers; "prod.UCI.sunbird".
	PdataID string
	// Layout is what the names of a day's objects begin with; the day as yyyy-MM-dd.
	Layout func(exhaust.Day) string
	// Cipher encrypts the phone numbers. Without it nobody has any.
	Cipher *exhaust.Cipher
}

// Set is sample telemetry and its registry. It may be used from many goroutines at once.
type Set struct {
	Options
	conversations []exhaust.Conversation
	mix           []slot
	banks         [][]question
	channels      []string
	portalDevices []string
	devices       []string
}

// New makes a set. It panics where Until is no day: there is nothing to count back from, and where there is no such mix.
func New(o Options) *Set {
	if _, err := exhaust.ParseDay(string(o.Until)); err != nil {
		panic("sample: Until " + err.Error())
	}
	if _, err := ParseMix(string(o.Mix)); err != nil && o.Mix != "" {
		panic("sample: " + err.Error())
	}
	orDefault(&o.Mix, Mixed)
	orDefault(&o.Days, 7)
	orDefault(&o.EventsPerDay, 2000)
	orDefault(&o.ObjectsPerDay, 2)
	orDefault(&o.Conversations, 3)
	orDefault(&o.Devices, 60)
	orDefault(&o.Channel, "01309282781705830427")
	orDefault(&o.PdataID, "prod.UCI.sunbird")
	if o.Layout == nil {
		o.Layout = func(d exhaust.Day) string { return string(d) }
	}
	s := &Set{Options: o, banks: questionBanks()}
	s.conversations = s.makeConversations()
	s.mix = makeMix(o.Mix, o.Seed)
	for i := range 6 {
		s.channels = append(s.channels, fmt.Sprintf("0999%016d", i))
	}
	random := newRandom(o.Seed, seedPortalDevices)
	for range 500 {
		s.portalDevices = append(s.portalDevices, random.hex())
	}
	for device := range o.Devices {
		s.devices = append(s.devices, newRandom(o.Seed, seedDevice, uint64(device)).uuid())
	}
	return s
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Conversations lists them, the demo's first. Their ids depend on the seed only.
func (s *Set) Conversations() []exhaust.Conversation { return s.conversations }

// Days lists the days in their order.
func (s *Set) Days() []exhaust.Day {
	days := make([]exhaust.Day, s.Options.Days)
	for i := range days {
		days[i] = s.Until.Add(i + 1 - len(days))
	}
	return days
}

// ObjectName is the name of one of a day's objects, such as 2022-03-01-0-1646092800000.json.gz:
// the day's prefix, the object's number, the day's midnight in UTC.
func (s *Set) ObjectName(d exhaust.Day, object int) string {
	prefix := s.Layout(d)
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "-"
	}
	return fmt.Sprintf("%s%d-%d.json.gz", prefix, object, d.Time().UnixMilli())
}

var conversationNames = []string{
	"Vaccination Helpdesk (sample)",
	`Farmers' Advice, "Kisan Mitra" (sample)`,
	"पढ़ो और बढ़ो (sample)",
	"மாணவர் உதவி (sample)",
	"Teacher Attendance (sample)",
}

// makeConversations gives the demo's conversation dates, and leaves some without.
func (s *Set) makeConversations() []exhaust.Conversation {
	random := newRandom(s.Seed, seedConversations)
	all := make([]exhaust.Conversation, s.Options.Conversations)
	for i := range all {
		name := fmt.Sprintf("Survey No. %d (sample)", i+1)
		if i < len(conversationNames) {
			name = conversationNames[i]
		}
		all[i] = exhaust.Conversation{ID: random.uuid(), Name: name, Channel: s.Channel}
		if i%3 != 2 {
			all[i].StartDate, all[i].EndDate = s.Until.Add(1-s.Options.Days), s.Until
		}
	}
	return all
}

// What a random sequence is for, so that no two are the same.
const (
	seedConversations = iota + 1
	seedPortalDevices
	seedMix
	seedDevice
	seedSession
	seedEvent
)

// random is SplitMix64: a few instructions a number, the same numbers forever.
type random uint64

// newRandom makes the sequence of a seed for a purpose.
func newRandom(seed uint64, purpose ...uint64) *random {
	r := random(seed)
	for _, p := range purpose {
		r = random(r.next() ^ p*0x9e3779b97f4a7c15)
	}
	return &r
}

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number from 0 to n-1; its bias does not matter to a sample.
func (r *random) below(n int) int { return int(r.next() >> 1 % uint64(n)) }

// hex is 128 bits.
func (r *random) hex() string { return hexDigits(r.next(), r.next()) }

// uuid is of version 4.
func (r *random) uuid() string {
	h := hexDigits(r.next()&^0xf000|0x4000, r.next()&^(3<<62)|2<<62)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func hexDigits(high, low uint64) string {
	var bytes [16]byte
	binary.BigEndian.PutUint64(bytes[:8], high)
	binary.BigEndian.PutUint64(bytes[8:], low)
	var digits [32]byte
	hex.Encode(digits[:], bytes[:])
	return string(digits[:])
}
