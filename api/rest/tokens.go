package rest

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// The ids of the answers about tokens.
const (
	tokenPrefix   = "ekstep.analytics.dataset.token"
	tokenCreateID = tokenPrefix + ".create"
	tokenListID   = tokenPrefix + ".list"
	tokenDeleteID = tokenPrefix + ".delete"
)

// routeTokens adds the calls about tokens.
func (s *Server) routeTokens(router *mux.Router) {
	const all, one = "/dataset/v1/token", "/dataset/v1/token/{id}"
	router.Handle(all, s.answer(tokenCreateID, s.createToken)).Methods(http.MethodPost)
	router.Handle(all, s.answer(tokenListID, s.listTokens)).Methods(http.MethodGet)
	router.Handle(one, s.answer(tokenDeleteID, s.revokeToken)).Methods(http.MethodDelete)
}

func (s *Server) createToken(r *http.Request, c access.Caller) (any, error) {
	draft, err := readTokenDraft(r)
	if err != nil {
		return nil, s.service.Refused(c, "token.create", err)
	}
	token, secret, err := s.service.CreateToken(r.Context(), c, draft)
	result := showToken(token)
	result.Token = secret
	return result, err
}

// readTokenDraft reads the body that makes a token. What it does not know is a mistake: a misspelt limit would make a token that
// allows more than was meant.
func readTokenDraft(r *http.Request) (service.TokenDraft, error) {
	body, err := readObject(r)
	if err != nil {
		return service.TokenDraft{}, err
	}
	request := body.object("request")
	draft := service.TokenDraft{Name: request.text("name"), Channels: request.texts("channels"), Rights: request.texts("rights")}
	expires := request.text("expires")
	request.checkKnown("name", "channels", "rights", "expires")
	if *body.fault != nil {
		return service.TokenDraft{}, *body.fault
	}
	if expires == "" {
		return draft, nil
	}
	if draft.Life, err = time.ParseDuration(expires); err != nil || draft.Life == 0 {
		return service.TokenDraft{}, exhaust.Invalid(exhaust.TokenExpiryInvalid, expires)
	}
	return draft, nil
}

func (s *Server) listTokens(r *http.Request, c access.Caller) (any, error) {
	tokens, err := s.service.ListTokens(r.Context(), c)
	results := make([]tokenResult, len(tokens))
	for i, token := range tokens {
		results[i] = showToken(token)
	}
	return map[string]any{"count": len(results), "tokens": results}, err
}

func (s *Server) revokeToken(r *http.Request, c access.Caller) (any, error) {
	token, err := s.service.RevokeToken(r.Context(), c, mux.Vars(r)["id"])
	return showToken(token), err
}

// tokenResult is a token as answers show it. Times are epoch milliseconds, null where there is none.
type tokenResult struct {
	TokenID  string   `json:"tokenId"`
	Name     string   `json:"name"`
	Channels []string `json:"channels"`
	Rights   []string `json:"rights"`
	// MadeBy is the tokenId of the token with which it was made.
	MadeBy  string `json:"madeBy"`
	Created *int64 `json:"created"`
	Expires *int64 `json:"expires"`
	Revoked *int64 `json:"revoked"`
	// Token is only in the answer of the call that made it.
	Token string `json:"token,omitempty"`
}

func showToken(t access.Token) tokenResult {
	return tokenResult{
		TokenID: t.ID, Name: t.Name, Channels: append([]string{}, t.Channels...), Rights: append([]string{}, t.Names()...), MadeBy: t.MadeBy,
		Created: millisecondsOf(t.MadeAt), Expires: millisecondsOf(t.ExpiresAt), Revoked: millisecondsOf(t.RevokedAt),
	}
}

// texts is a member that is a list of strings.
func (o object) texts(name string) []string {
	var texts []json.RawMessage
	o.read(name, &texts, exhaust.FieldNotList)
	values := make([]string, len(texts))
	for i, text := range texts {
		if (string(text) == "null" || json.Unmarshal(text, &values[i]) != nil) && *o.fault == nil {
			*o.fault = exhaust.Invalid(exhaust.FieldNotList, o.pathOf(name))
		}
	}
	return values
}
