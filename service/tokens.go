package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/jobs"
)

// Tokens are the tokens in the database (EXHAUST_AUTH=tokens). A nil one is that of a service whose callers have none of these.
type Tokens struct{ rows tokenRows }

// tokenRows keeps tokens: *jobs.Jobs.
type tokenRows interface {
	SaveToken(ctx context.Context, t access.Token) error
	SaveFirstToken(ctx context.Context, t access.Token) (isFirst bool, err error)
	TokenLine(ctx context.Context, hash string) ([]access.Token, error)
	Tokens(ctx context.Context, id string) ([]access.Token, error)
	CountTokens(ctx context.Context, id string) (int, error)
	RevokeToken(ctx context.Context, id string, at time.Time) error
}

// NewTokens makes the service of the tokens that are kept in these rows.
func NewTokens(rows tokenRows) *Tokens { return &Tokens{rows: rows} }

// TokenDraft is what somebody sends to make a token, before it is checked.
type TokenDraft struct {
	Name             string
	Channels, Rights []string
	// Life is for how long the token is to count; 0 is for 720 h, or for as long as that with which it is made.
	Life time.Duration
}

// DefaultTokenLife is for how long a token counts where that is not said.
const DefaultTokenLife = 30 * 24 * time.Hour

const (
	// maxTokenLine is how many tokens may have been made one with another: each is read when the last one is shown.
	maxTokenLine = 4
	// maxTokensOfRoot is how many tokens may have been made from one that was made in the database.
	maxTokensOfRoot = 1000
)

var (
	// ErrNoToken says that the caller has no such token.
	ErrNoToken  = errors.New(exhaust.NoSuchToken.Template())
	errNoTokens = exhaust.Invalid(exhaust.TokensUnused)
)

// Authenticate is who calls with a secret.
func (t *Tokens) Authenticate(ctx context.Context, secret string) (access.Caller, error) {
	if !access.IsSecret(secret) {
		return access.Caller{}, access.ErrUnknownToken
	}
	line, err := t.rows.TokenLine(ctx, access.HashSecret(secret))
	switch {
	case errors.Is(err, jobs.ErrNoToken), err == nil && slices.ContainsFunc(line, isRevoked):
		return access.Caller{}, access.ErrUnknownToken
	case err != nil:
		return access.Caller{}, databaseFailure(err)
	}
	caller := line[0].Caller()
	caller.RootID, caller.MayMakeTokens = line[len(line)-1].ID, len(line) < maxTokenLine
	return caller, line[0].CheckTime(time.Now())
}

func isRevoked(t access.Token) bool { return !t.RevokedAt.IsZero() }

// Create makes a token for whoever has the database itself, and returns its secret too, which nothing keeps.
func (t *Tokens) Create(ctx context.Context, draft TokenDraft) (access.Token, string, error) {
	token, secret, err := NewToken(draft, time.Now())
	if err != nil {
		return access.Token{}, "", err
	}
	return token, secret, t.save(ctx, token)
}

// NewToken makes a token of a draft without keeping it anywhere, or says in an *exhaust.InvalidError what is wrong with the
// draft.
func NewToken(draft TokenDraft, now time.Time) (token access.Token, secret string, err error) {
	rights, err := access.ParseRights(draft.Channels, draft.Rights)
	if err != nil {
		return access.Token{}, "", err
	}
	life := cmp.Or(draft.Life, DefaultTokenLife)
	if err := access.CheckToken(draft.Name, rights, life); err != nil {
		return access.Token{}, "", err
	}
	secret, now = access.NewSecret(), now.Truncate(time.Millisecond)
	return access.Token{
		ID: newID(), Name: draft.Name, Hash: access.HashSecret(secret), Rights: rights, MadeAt: now, ExpiresAt: now.Add(life),
	}, secret, nil
}

// CreateFirst makes an operator's token of that name where there is no token yet, not even a revoked one. The secret is "" where
// there is.
func (t *Tokens) CreateFirst(ctx context.Context, name string, life time.Duration) (secret string, err error) {
	token, secret, err := NewToken(TokenDraft{Name: name, Rights: []string{access.OperatorRight}, Life: life}, time.Now())
	if err != nil {
		return "", err
	}
	isFirst, err := t.rows.SaveFirstToken(ctx, token)
	switch {
	case err != nil:
		return "", databaseFailure(err)
	case !isFirst:
		return "", nil
	}
	return secret, nil
}

// List are all tokens, the newest first.
func (t *Tokens) List(ctx context.Context) ([]access.Token, error) { return t.list(ctx, "") }

func (t *Tokens) list(ctx context.Context, id string) ([]access.Token, error) {
	tokens, err := t.rows.Tokens(ctx, id)
	if err != nil {
		return nil, databaseFailure(err)
	}
	return tokens, nil
}

// Revoke ends a token, by its id, its name or itself, and what was made with it.
func (t *Tokens) Revoke(ctx context.Context, which string) (access.Token, error) {
	all, err := t.List(ctx)
	if err != nil {
		return access.Token{}, err
	}
	return t.revoke(ctx, all, which)
}

// createBy is Create for a caller: nobody gives what he has not, nor for longer.
func (t *Tokens) createBy(ctx context.Context, c access.Caller, draft TokenDraft) (access.Token, string, error) {
	if t == nil {
		return access.Token{}, "", errNoTokens
	}
	now := time.Now()
	if draft.Life == 0 {
		draft.Life = min(DefaultTokenLife, c.ExpiresAt.Sub(now).Truncate(time.Second))
	}
	token, secret, err := NewToken(draft, now)
	switch {
	case err != nil:
		return access.Token{}, "", err
	case !c.MayMakeTokens:
		return access.Token{}, "", forbid(exhaust.TokenLineTooLong, maxTokenLine)
	case !c.Covers(token.Rights):
		return access.Token{}, "", forbid(exhaust.TokenExceedsCredentials)
	case token.ExpiresAt.After(c.ExpiresAt):
		return access.Token{}, "", forbid(exhaust.TokenOutlivesCredentials, c.ExpiresAt.UTC().Format(time.RFC3339))
	}
	switch count, err := t.rows.CountTokens(ctx, c.RootID); {
	case err != nil:
		return access.Token{}, "", databaseFailure(err)
	case count >= maxTokensOfRoot:
		return access.Token{}, "", forbid(exhaust.TokenTooMany, maxTokensOfRoot)
	}
	token.MadeBy = c.TokenID
	return token, secret, t.save(ctx, token)
}

func (t *Tokens) save(ctx context.Context, token access.Token) error {
	err := t.rows.SaveToken(ctx, token)
	switch {
	case errors.Is(err, jobs.ErrTokenName):
		return exhaust.Invalid(exhaust.TokenNameTaken, token.Name)
	case err != nil:
		return databaseFailure(err)
	}
	return nil
}

// listBy are the tokens that a caller may revoke: his own and what was made with it, an operator's all. With which his own was
// made is not his to know.
func (t *Tokens) listBy(ctx context.Context, c access.Caller) ([]access.Token, error) {
	switch {
	case t == nil:
		return nil, errNoTokens
	case c.Operator:
		return t.List(ctx)
	}
	tokens, err := t.list(ctx, c.TokenID)
	for i := range tokens {
		if tokens[i].ID == c.TokenID {
			tokens[i].MadeBy = ""
		}
	}
	return tokens, err
}

// revokeBy is Revoke of a token that listBy gives.
func (t *Tokens) revokeBy(ctx context.Context, c access.Caller, which string) (access.Token, error) {
	own, err := t.listBy(ctx, c)
	if err != nil {
		return access.Token{}, err
	}
	return t.revoke(ctx, own, which)
}

func (t *Tokens) revoke(ctx context.Context, of []access.Token, which string) (access.Token, error) {
	token, err := findToken(of, which)
	if err != nil || isRevoked(token) {
		return token, err
	}
	token.RevokedAt = time.Now().Truncate(time.Millisecond)
	if err := t.rows.RevokeToken(ctx, token.ID, token.RevokedAt); err != nil {
		return access.Token{}, databaseFailure(err)
	}
	return token, nil
}

// findToken finds a token by its id, by itself (who has found a leaked one has nothing else), or by its name, which must be that
// of one that is not revoked.
func findToken(of []access.Token, which string) (access.Token, error) {
	hash := access.HashSecret(which)
	var named []access.Token
	for _, token := range of {
		if token.ID == which || token.Hash == hash {
			return token, nil
		}
		if token.Name == which && !isRevoked(token) {
			named = append(named, token)
		}
	}
	switch len(named) {
	case 0:
		return access.Token{}, ErrNoToken
	case 1:
		return named[0], nil
	}
	return access.Token{}, exhaust.Invalid(exhaust.TokenNameAmbiguous, which, len(named))
}
