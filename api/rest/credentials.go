package rest

import (
	"net/http"
	"strings"

	"data-exhaust/access"
	"data-exhaust/exhaust"
)

const userTokenHeader = "X-Authenticated-User-Token"

// admit is who makes a request, if he may make one now.
func (s *Server) admit(r *http.Request) (access.Caller, error) { return s.door.Admit(r, s.readToken) }

var errNoCredentials = &access.CredentialsError{Fault: exhaust.NewFault(exhaust.CredentialsMissing), IsMissing: true}

// readToken reads the token that counts. Where it is there twice, what is in front of us may have looked at another one. An empty
// header is none.
func (s *Server) readToken(r *http.Request) (string, error) {
	bearer, err := oneHeader(r, "Authorization")
	if err != nil {
		return "", err
	}
	user, err := oneHeader(r, userTokenHeader)
	if err != nil {
		return "", err
	}
	if user != "" && (s.signIn.PrefersUser || bearer == "") {
		token, _ := cutScheme(user)
		return token, nil
	}
	if bearer == "" {
		return "", errNoCredentials
	}
	token, isBearer := cutScheme(bearer)
	if !isBearer {
		return "", &access.CredentialsError{Fault: exhaust.NewFault(exhaust.AuthorizationInvalid)}
	}
	return token, nil
}

func oneHeader(r *http.Request, name string) (string, error) {
	values := r.Header.Values(name)
	if len(values) > 1 {
		return "", &access.CredentialsError{Fault: exhaust.NewFault(exhaust.CredentialsTwice, name)}
	}
	return strings.TrimSpace(strings.Join(values, "")), nil
}

func cutScheme(value string) (token string, isBearer bool) {
	scheme, token, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return value, false
	}
	return strings.TrimSpace(token), true
}
