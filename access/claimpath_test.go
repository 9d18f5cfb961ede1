package access_test

import (
	"reflect"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"data-exhaust/access"
)

func TestAClaimIsFoundByItsPath(t *testing.T) {
	i := newIssuer(t)
	for _, c := range []struct {
		path   string
		claims map[string]any
	}{
		{"channels", map[string]any{"channels": "a"}},
		{"/channels", map[string]any{"channels": "a"}},
		{"realm.of.channels", map[string]any{"realm": map[string]any{"of": map[string]any{"channels": "a"}}}},
		{"/resource_access/my.client/channels", map[string]any{"resource_access": map[string]any{"my.client": map[string]any{"channels": "a"}}}},
		{"/https:~1~1example.org~1channels", map[string]any{"https://example.org/channels": "a"}},
		{"/a~01", map[string]any{"a~1": "a"}},
		{"~0", map[string]any{"~0": "a"}},
	} {
		t.Run(c.path, func(t *testing.T) {
			path := claimPath(t, c.path)
			if path.String() != c.path {
				t.Errorf("its text is %q", path)
			}
			j, err := access.NewJWT(t.Context(), access.JWTOptions{
				Issuer: i.URL, JWKSURL: i.URL, Audience: audience, Algorithms: []string{"ES256"}, ChannelsClaim: path,
			})
			if err != nil {
				t.Fatal(err)
			}
			caller, err := j.Authenticate(t.Context(), sign(jwt.SigningMethodES256, ecKey(), "ec", i.claims(c.claims)))
			if want := (access.Rights{Channels: []string{"a"}}); err != nil || !reflect.DeepEqual(caller.Rights, want) {
				t.Errorf("the rights are %+v, %v; want %+v", caller.Rights, err, want)
			}
		})
	}
}

func TestAPathThatFindsNothingIsAnError(t *testing.T) {
	const (
		empty   = "a name of the claim's path is empty: names joined by dots or a JSON Pointer are accepted"
		tilde   = "a ~ in a JSON Pointer is written as ~0, a / within a name as ~1"
		pointer = "a claim's name that holds a / is written as a JSON Pointer, for example /https:~1~1example.org~1roles"
	)
	for text, want := range map[string]string{
		"": empty, ".": empty, "a..b": empty, ".a": empty, "a.": empty, "/": empty, "/a/": empty, "//a": empty,
		"/a~": tilde, "/a~2": tilde, "/~0~": tilde,
		"https://example.org/roles": pointer, "a/b": pointer,
	} {
		path, err := access.ParseClaimPath(text)
		if err == nil || err.Error() != want || !reflect.DeepEqual(path, access.ClaimPath{}) {
			t.Errorf("%q: it is %v, %v; want %s", text, path, err, want)
		}
	}
}
