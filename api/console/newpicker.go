package console

import (
	"errors"
	"strings"
	"unicode"

	"data-exhaust/exhaust"
	"data-exhaust/registry"
	"data-exhaust/service"
)

// picker finds conversations by what their names hold.
type picker struct {
	Text string
	// Choice is the conversation that was chosen, with its id alone where the channel owns none of that id.
	Choice exhaust.Conversation
	// IsKnown says that the channel owns the choice.
	IsKnown bool
	// IsChoiceFound says that the choice is among what was found, Found are the others.
	IsChoiceFound bool
	Found         []exhaust.Conversation
	// After is where these begin and Next where further ones do; "" is the beginning and the end.
	After, Next string
	// IsAway says that the registry does not answer: the id is typed.
	IsAway bool
}

const (
	// conversationsPart is the id of the part of the page that holds what was found.
	conversationsPart = "conversations"
	// conversationsPerPage are as many as one looks through without searching.
	conversationsPerPage = 8
)

// find looks for what the reader typed, and for the conversation that he chose.
func (p *orderPage) find() error {
	p.Picker = picker{Text: p.value("q"), After: p.value("after"), Choice: exhaust.Conversation{ID: p.Form.Conversation}}
	if p.value("do") == "find" {
		p.Picker.After = ""
	}
	err := p.findChoice()
	if err == nil {
		err = p.findOthers()
	}
	if p.isRegistryAway(err) {
		p.Picker.IsAway = true
		return nil
	}
	return err
}

// findChoice looks for the conversation that was chosen.
func (p *orderPage) findChoice() error {
	id := p.Form.Conversation
	if id == "" {
		return nil
	}
	found, _, err := p.Service.SearchConversations(p.ctx(), p.caller, registry.ConversationSearch{Channel: p.Channel, Text: id, Limit: 1})
	if p.faultOf(err) != "" {
		return nil // what is no id is said when the exhaust is asked for
	}
	if len(found) == 1 && exhaust.FoldText(found[0].ID) == exhaust.FoldText(id) {
		p.Picker.Choice, p.Form.Conversation, p.Picker.IsKnown = found[0], found[0].ID, true
	}
	return err
}

func (p *orderPage) findOthers() error {
	found, next, err := p.Service.SearchConversations(p.ctx(), p.caller, registry.ConversationSearch{
		Channel: p.Channel, Text: p.Picker.Text, After: p.Picker.After, Limit: conversationsPerPage,
	})
	if fault := p.faultOf(err); fault != "" {
		p.Faults["q"] = fault
		return nil
	}
	for _, conversation := range found {
		if conversation.ID == p.Picker.Choice.ID {
			p.Picker.IsChoiceFound = true
			continue
		}
		p.Picker.Found = append(p.Picker.Found, conversation)
	}
	p.Picker.Next = next
	return err
}

// isRegistryAway reports whether an error is that the registry does not answer, and notes it.
func (p *orderPage) isRegistryAway(err error) bool {
	unavailable, isUnavailable := errors.AsType[*service.UnavailableError](err)
	if !isUnavailable || unavailable.Dependency != service.UCIDependency {
		return false
	}
	p.Log.Warn("conversations cannot be looked for", "dependency", unavailable.Dependency, "error", unavailable.Err)
	return true
}

// NameOf is a conversation's name; its id where nobody could read the name.
func (v *visit) NameOf(c exhaust.Conversation) string {
	if isBlank(c.Name) {
		return c.ID
	}
	return c.Name
}

// isBlank reports whether nothing of a text can be seen.
func isBlank(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return unicode.IsGraphic(c) && !unicode.IsSpace(c) })
}

// OwnDays are the days of a conversation's own, in the reader's words.
func (v *visit) OwnDays(c exhaust.Conversation) string {
	switch {
	case c.StartDate != "" && c.EndDate != "":
		return v.Days(c.StartDate, c.EndDate)
	case c.StartDate != "":
		return v.T("days.from", "day", v.Day(c.StartDate))
	case c.EndDate != "":
		return v.T("days.until", "day", v.Day(c.EndDate))
	}
	return v.T("new.bot.nodays")
}
