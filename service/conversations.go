package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"data-exhaust/database"
	"data-exhaust/exhaust"
	"data-exhaust/registry"
)

// Registry is what the service asks of UCI's tables.
type Registry interface {
	Conversation(ctx context.Context, id, channel string) (exhaust.Conversation, error)
	Conversations(ctx context.Context, search registry.ConversationSearch) (found []exhaust.Conversation, next string, err error)
	ConversationNames(ctx context.Context, ids []string, isWanted func(channel string) bool) (map[string]string, error)
	Owners(ctx context.Context) ([]string, error)
	Registered(ctx context.Context, conversationID, after string, limit int) (ids []string, next string, err error)
}

// Conversations finds the conversations of a channel.
type Conversations struct{ registry Registry }

// NewConversations makes the service of conversations.
func NewConversations(registry Registry) *Conversations { return &Conversations{registry: registry} }

// Search is [registry.UCI.Conversations] for a text that a person has typed: blanks around it do not count.
func (c *Conversations) Search(ctx context.Context, search registry.ConversationSearch) (found []exhaust.Conversation, next string, err error) {
	if err := exhaust.CheckSearchText("q", search.Text); err != nil {
		return nil, "", err
	}
	after := search.After
	search.Text = strings.TrimSpace(search.Text)
	found, next, err = c.registry.Conversations(ctx, search)
	switch {
	case errors.Is(err, registry.ErrNoCursor):
		return nil, "", exhaust.Invalid(exhaust.AfterInvalid, after)
	case err != nil:
		return nil, "", registryFailure(UCIDependency, err)
	}
	return found, next, nil
}

// owners are some channels that have conversations.
func (c *Conversations) owners(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, namesTimeout)
	defer cancel()
	owners, err := c.registry.Owners(ctx)
	if err != nil {
		return nil, registryFailure(UCIDependency, err)
	}
	return owners, nil
}

const (
	// maxNames is how many names are looked up at a time.
	maxNames = 100
	// namesTimeout is how long the registry may take to tell names: they are shown beside what is known without it.
	namesTimeout = 2 * time.Second
)

// names are the names of conversations in channels that are wanted.
func (c *Conversations) names(ctx context.Context, ids []string, isWanted func(channel string) bool) (map[string]string, error) {
	if len(ids) > maxNames {
		return nil, fmt.Errorf("the names of %d conversations: at most %d are looked up at a time", len(ids), maxNames)
	}
	ctx, cancel := context.WithTimeout(ctx, namesTimeout)
	defer cancel()
	names, err := c.registry.ConversationNames(ctx, ids, isWanted)
	if err != nil {
		return nil, registryFailure(UCIDependency, err)
	}
	return names, nil
}

// registryFailure is databaseFailure of one of UCI's databases.
func registryFailure(dependency string, err error) error {
	if database.IsUnavailable(err) {
		return &UnavailableError{dependency, err}
	}
	return fmt.Errorf("asking the %s: %w", dependency, err)
}
