package sample

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// user is a device as the registry knows it.
type user struct {
	// ID is a uuid: the device's id.
	ID string
	// Data is the JSON of users.data.
	Data string
	// Identities are usernames: one for most, none for some, two for a few. One in ten users has
	// one that does not decrypt.
	Identities []string
	// Registrations are the ids of the user's conversations.
	Registrations []string
}

// users lists the devices that the registry knows. Device n is of conversation n modulo their
// number; every twentieth is registered to the demo's too, without ever having talked to it.
func (s *Set) users() iter.Seq[user] {
	return func(yield func(user) bool) {
		for device := range s.Devices {
			if !yield(user{ID: s.devices[device], Data: s.userData(device), Identities: s.identities(device), Registrations: s.registrations(device)}) {
				return
			}
		}
	}
}

// pickDevice picks a device that talks to the conversation, and the number of one of the conversation's own, which it
// is where the registry knows it. One in thirty-three is unknown to the registry, and may be no uuid at all.
func (e *encoder) pickDevice(r *random, conversation int) (device string, number int) {
	number = r.below(e.Devices)
	switch r.below(66) {
	case 0:
		return r.uuid(), number
	case 1:
		return e.portalDevices[r.below(len(e.portalDevices))], number
	}
	return e.device(conversation, number), number
}

// device is one of the conversation's own. Numbers beyond the last begin again with the first.
func (e *encoder) device(conversation, number int) string {
	n := len(e.conversations)
	own := (e.Devices - conversation%e.Devices + n - 1) / n
	return e.devices[(conversation+n*(number%own))%e.Devices]
}

func (s *Set) registrations(device int) []string {
	var ids []string
	// Where there are more conversations than devices, each device has several.
	for c := device % len(s.conversations); c < len(s.conversations); c += s.Devices {
		ids = append(ids, s.conversations[c].ID)
	}
	if demo := s.conversations[0].ID; device%20 == 19 && !slices.Contains(ids, demo) {
		ids = append(ids, demo)
	}
	return ids
}

// turn counts a conversation's devices, so that each conversation has some of every sort.
func (s *Set) turn(device int) int { return device / len(s.conversations) % 10 }

// userData holds consent in its three states and two places: of ten devices of a conversation six
// have given it, two have refused it, two have never been asked.
func (s *Set) userData(device int) string {
	consent, nested := "", false
	switch s.turn(device) {
	case 0, 2, 4, 8:
		consent = `,"consent":true`
	case 1, 6:
		consent, nested = `,"consent":true`, true
	case 3:
		consent = `,"consent":false`
	case 7:
		consent, nested = `,"consent":false`, true
	}
	name := fmt.Sprintf(`"firstName":"Sample","lastName":"User %d"`, device+1)
	holder := fmt.Sprintf(`"device":{"id":"%s","type":"phone"%s}`, s.devices[device], consent)
	if nested {
		return `{` + name + `,"data":{` + holder + `}}`
	}
	return `{` + name + `,` + holder + `}`
}

// identities are made-up phone numbers of the range 99999 0xxxx.
func (s *Set) identities(device int) []string {
	if s.Cipher == nil {
		return nil
	}
	username := s.Cipher.Encrypt(fmt.Sprintf("phone:%d", 9_999_900_000+device%10_000))
	switch s.turn(device) {
	case 6:
		return nil
	case 8:
		return []string{fmt.Sprintf("sample-user-%d", device+1)}
	case 2:
		return []string{username, s.Cipher.Encrypt(fmt.Sprintf("sample-login:%d", device+1))}
	}
	return []string{username}
}

// insertRows is how many users one statement takes: few enough for the parameters that SQLite and
// PostgreSQL allow, and for drivers that look each one up.
const insertRows = 50

// Insert writes the registry into UCI's tables bot, users, user_registrations and identities with
// exec, which executes one statement. Rows of the same ids are replaced, so a second Insert changes
// nothing; a transaction around it is the caller's.
func (s *Set) Insert(ctx context.Context, exec func(ctx context.Context, query string, args ...any) error) error {
	insert := inserter{ctx: ctx, exec: exec}
	for batch := range slices.Chunk(s.conversations, insertRows) {
		var ids, rows []any
		for _, c := range batch {
			ids = append(ids, c.ID)
			rows = append(rows, c.ID, c.Name, c.Channel, orNull(string(c.StartDate)), orNull(string(c.EndDate)))
		}
		insert.replace("bot", "id", ids, "id, name, ownerorgid, startdate, enddate", rows)
	}
	for batch := range slices.Chunk(slices.Collect(s.users()), insertRows) {
		var ids, users, registrations, identities []any
		for _, u := range batch {
			ids = append(ids, u.ID)
			users = append(users, u.ID, u.Data)
			for _, conversation := range u.Registrations {
				registrations = append(registrations, u.ID, conversation)
			}
			for _, username := range u.Identities {
				identities = append(identities, u.ID, username)
			}
		}
		insert.replace("users", "id", ids, "id, data", users)
		insert.replace("user_registrations", "users_id", ids, "users_id, applications_id", registrations)
		insert.replace("identities", "users_id", ids, "users_id, username", identities)
	}
	return insert.err
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// inserter keeps the first error.
type inserter struct {
	ctx  context.Context
	exec func(ctx context.Context, query string, args ...any) error
	err  error
}

// replace deletes the rows of the ids and inserts rows, which are cells one after the other. Its
// parameters are $1, $2 …, which SQLite and PostgreSQL both know.
func (i *inserter) replace(table, key string, ids []any, columns string, cells []any) {
	i.execute(table, "DELETE FROM "+table+" WHERE "+key+" IN "+placeholders(len(ids), len(ids)), ids)
	if len(cells) > 0 {
		width := strings.Count(columns, ",") + 1
		i.execute(table, "INSERT INTO "+table+" ("+columns+") VALUES "+placeholders(len(cells), width), cells)
	}
}

func (i *inserter) execute(table, query string, args []any) {
	if i.err != nil {
		return
	}
	if err := i.exec(i.ctx, query, args...); err != nil {
		i.err = fmt.Errorf("insert the sample into %s: %w", table, err)
	}
}

// placeholders numbers n parameters in groups of width: ($1, $2), ($3, $4).
func placeholders(n, width int) string {
	var b strings.Builder
	for p := range n {
		switch {
		case p == 0:
			b.WriteString("(")
		case p%width == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", p+1)
	}
	b.WriteString(")")
	return b.String()
}
