package console

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"data-exhaust/access"
	"data-exhaust/exhaust"
	"data-exhaust/service"
)

// routeTokens adds the pages of tokens. The service says what a reader may do with them.
func (c *Console) routeTokens(router *mux.Router) {
	c.route(router, "/tokens", c.forReaders(c.showTokens), c.forReaders(c.createToken))
	c.route(router, "/tokens/{id}/revoke", c.forReaders(c.showRevocation), c.forReaders(c.revokeToken))
}

// tokensPage lists the tokens that the reader may revoke, and has the form of a new one.
type tokensPage struct {
	*visit
	Tokens []tokenRow
	// ShowsAll says that those that have ended are among them; Ended counts them.
	ShowsAll bool
	Ended    int
	// Revoked is the name of the token that the reader has just revoked; "" of none.
	Revoked string
	Draft   tokenDraft
	// Faults are what is wrong with the draft, by its fields; tokenNotice is none of them.
	Faults map[string]string
}

// tokenRow is a token of the list.
type tokenRow struct {
	access.Token
	// Maker is the name of the token with which it was made; "" where that is not the reader's to know, or none.
	Maker string
	// State is the key of the text that says whether it counts: valid, expired or revoked.
	State string
	IsOwn bool
}

// tokenDraft is the form of a new token, as it was typed.
type tokenDraft struct {
	Name, Channels, Life string
	Rights               []string
}

// Has reports whether a right is ticked.
func (d tokenDraft) Has(right string) bool { return slices.Contains(d.Rights, right) }

// tokenNotice is where stands what is wrong with no field of the form.
const tokenNotice = "notice"

func (c *Console) showTokens(v *visit) error {
	draft := tokenDraft{Life: v.usualLife()}
	if !v.caller.Operator {
		draft.Channels = strings.Join(v.caller.Channels, "\n")
	}
	return v.listTokens(http.StatusOK, draft, nil)
}

// listTokens shows the list and the form as it is filled in.
func (v *visit) listTokens(status int, draft tokenDraft, faults map[string]string) error {
	all, err := v.Service.ListTokens(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	v.Title, v.Here = v.T("tokens.title"), tokensPlace
	p := tokensPage{visit: v, ShowsAll: v.value("show") == "all", Draft: draft, Faults: faults}
	for _, token := range all {
		row := v.tokenRow(token, all)
		if token.ID == v.value("revoked") {
			p.Revoked = token.Name
		}
		if row.State != tokenValid {
			p.Ended++
		}
		if row.State == tokenValid || p.ShowsAll {
			p.Tokens = append(p.Tokens, row)
		}
	}
	return v.show(status, "tokens", p)
}

// The states of a token.
const (
	tokenValid   = "valid"
	tokenExpired = "expired"
	tokenRevoked = "revoked"
)

func (v *visit) tokenRow(token access.Token, all []access.Token) tokenRow {
	row := tokenRow{Token: token, State: tokenValid, IsOwn: token.ID == v.caller.TokenID}
	if at := slices.IndexFunc(all, func(other access.Token) bool { return other.ID == token.MadeBy }); at >= 0 {
		row.Maker = all[at].Name
	}
	switch {
	case !token.RevokedAt.IsZero():
		row.State = tokenRevoked
	case !time.Now().Before(token.ExpiresAt):
		row.State = tokenExpired
	}
	return row
}

// life is for how long a token may be made.
type life struct {
	Name string
	// Days is how many days it is; 0 is for as long as the reader's own counts.
	Days int
	// IsTooLong says that the reader's own ends before.
	IsTooLong bool
}

// lifeOfOwn is the name of the life that ends with the reader's own.
const lifeOfOwn = "own"

// Lives are those to choose from.
func (v *visit) Lives() []life {
	lives := []life{{Name: "1", Days: 1}, {Name: "7", Days: 7}, {Name: "30", Days: 30}, {Name: "90", Days: 90}, {Name: "365", Days: 365}, {Name: lifeOfOwn}}
	for i := range lives {
		lives[i].IsTooLong = lives[i].duration() > time.Until(v.caller.ExpiresAt)
	}
	return lives
}

func (l life) duration() time.Duration { return time.Duration(l.Days) * 24 * time.Hour }

// usualLife is the life that a token has where nothing else is said, by its name.
func (v *visit) usualLife() string {
	usual := slices.IndexFunc(v.Lives(), func(l life) bool { return l.duration() == service.DefaultTokenLife && !l.IsTooLong })
	if usual < 0 {
		return lifeOfOwn
	}
	return v.Lives()[usual].Name
}

// lifeOf is the length of a life by its name. One that there is not is none, and the service says so.
func (v *visit) lifeOf(name string) time.Duration {
	if name == lifeOfOwn {
		return time.Until(v.caller.ExpiresAt).Truncate(time.Second)
	}
	if at := slices.IndexFunc(v.Lives(), func(l life) bool { return l.Name == name }); at >= 0 {
		return v.Lives()[at].duration()
	}
	return -1
}

// Datasets are those that a token may be for.
func (p tokensPage) Datasets() []exhaust.Dataset { return exhaust.Datasets }

// MayGive reports whether the reader has a right to a dataset that he could give.
func (p tokensPage) MayGive(dataset exhaust.Dataset) bool {
	return slices.ContainsFunc(p.caller.Datasets, func(d access.DatasetRight) bool { return d.Dataset == dataset })
}

// OperatorRight is the operator's right by its name.
func (p tokensPage) OperatorRight() string { return access.OperatorRight }

// tokenSecretPage shows the secret of a token, once.
type tokenSecretPage struct {
	*visit
	Token  access.Token
	Secret string
}

func (c *Console) createToken(v *visit) error {
	draft := tokenDraft{Name: v.value("name"), Channels: v.r.PostForm.Get("channels"), Life: v.value("life"), Rights: v.r.PostForm["right"]}
	token, secret, err := v.Service.CreateToken(v.ctx(), v.caller, service.TokenDraft{
		Name: draft.Name, Channels: linesOf(draft.Channels), Rights: draft.Rights, Life: v.lifeOf(draft.Life),
	})
	if fault := tokenFaultOf(err); fault != nil {
		return v.listTokens(http.StatusUnprocessableEntity, draft, map[string]string{fieldOfToken(fault.Code): v.Fault(*fault)})
	}
	if err != nil {
		return err
	}
	v.Title, v.Here = v.T("tokens.created"), tokensPlace
	return v.show(http.StatusOK, "tokensecret", tokenSecretPage{visit: v, Token: token, Secret: secret})
}

// linesOf are the lines of a text that are not empty.
func linesOf(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// tokenFaultOf is what is wrong with a draft; nil where the error is of something else, or none.
func tokenFaultOf(err error) *exhaust.Fault {
	if invalid, isInvalid := errors.AsType[*exhaust.InvalidError](err); isInvalid {
		return &invalid.Fault
	}
	if lack, isLack := errors.AsType[*service.ForbiddenError](err); isLack {
		return &lack.Fault
	}
	return nil
}

// tokenFields are the fields of the form that faults are of.
var tokenFields = map[*exhaust.Code]string{
	exhaust.TokenNameEmpty: "name", exhaust.TokenNameInvalid: "name", exhaust.TokenNameLikeID: "name", exhaust.TokenNameTaken: "name",
	exhaust.TokenChannelsEmpty: "channels", exhaust.TokenChannelInvalid: "channels", exhaust.TokenTooManyChannels: "channels",
	exhaust.TokenRightsEmpty: "rights", exhaust.TokenRightUnknown: "rights", exhaust.TokenExceedsCredentials: "rights",
	exhaust.TokenExpiryRange: "life", exhaust.TokenOutlivesCredentials: "life",
}

func fieldOfToken(code *exhaust.Code) string { return cmp.Or(tokenFields[code], tokenNotice) }

// revocationPage says what ends when a token is revoked.
type revocationPage struct {
	*visit
	Token access.Token
	// Others are the tokens that end with it.
	Others []access.Token
	// EndsOwn says that the reader's own is one of them.
	EndsOwn bool
}

func (c *Console) showRevocation(v *visit) error {
	all, err := v.Service.ListTokens(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	id := mux.Vars(v.r)["id"]
	at := slices.IndexFunc(all, func(t access.Token) bool { return t.ID == id })
	if at < 0 {
		return service.ErrNoToken
	}
	v.Title, v.Here = v.T("tokens.revoke.title", "name", all[at].Name), tokensPlace
	p := revocationPage{visit: v, Token: all[at], Others: v.endsWith(id, all), EndsOwn: id == v.caller.TokenID}
	p.EndsOwn = p.EndsOwn || slices.ContainsFunc(p.Others, func(t access.Token) bool { return t.ID == v.caller.TokenID })
	return v.show(http.StatusOK, "revocation", p)
}

// endsWith are the tokens that were made with one, or with one of these, and still count.
func (v *visit) endsWith(id string, all []access.Token) (others []access.Token) {
	for _, token := range all {
		if token.MadeBy == id && v.tokenRow(token, nil).State == tokenValid {
			others = append(append(others, token), v.endsWith(token.ID, all)...)
		}
	}
	return others
}

func (c *Console) revokeToken(v *visit) error {
	token, err := v.Service.RevokeToken(v.ctx(), v.caller, mux.Vars(v.r)["id"])
	if err != nil {
		return err
	}
	return v.redirect(v.Link("/tokens", "revoked", token.ID))
}
