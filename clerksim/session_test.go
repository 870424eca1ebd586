package clerksim_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
	"github.com/clerk/clerk-sdk-go/v2/jwks"
	"github.com/clerk/clerk-sdk-go/v2/jwt"

	"github.com/rollcall-sync/rollcall/clerksim"
)

// verify holds a token against the key set, as Clerk's own SDK does it.
func (a *api) verify(token string) (*clerk.SessionClaims, error) {
	keys := jwks.NewClient(&clerk.ClientConfig{BackendConfig: clerk.BackendConfig{Key: clerk.String("sk_test_any"), URL: &a.base}})
	return jwt.Verify(context.Background(), &jwt.VerifyParams{Token: token, JWKSClient: keys})
}

func TestSessionTokensAreClerks(t *testing.T) {
	t.Parallel()
	a := start(t, clerksim.Config{Users: 1})
	defer http.DefaultClient.CloseIdleConnections()
	id := a.sim.ID(0)
	body := call(t, "POST", strings.TrimSuffix(a.base, "/v1")+"/sim/sessions", "", `{"user_id":"`+id+`","azp":"https://app.example.com"}`, 200)
	var issued struct {
		JWT       string `json:"jwt"`
		SessionID string `json:"session_id"`
	}
	if err := json.Unmarshal(body, &issued); err != nil {
		t.Fatal(err)
	}
	claims, err := a.verify(issued.JWT)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != id || claims.SessionID != issued.SessionID || claims.AuthorizedParty != "https://app.example.com" || claims.Issuer != a.sim.Issuer() ||
		claims.Version != 1 /* the SDK calls it so where there is no organization */ || claims.ID == "" {
		t.Errorf("claims %+v", claims)
	}
	if *claims.Expiry-*claims.IssuedAt != 60 || *claims.IssuedAt-*claims.NotBefore != 10 {
		t.Errorf("times %d %d %d", *claims.NotBefore, *claims.IssuedAt, *claims.Expiry)
	}
	call(t, "POST", strings.TrimSuffix(a.base, "/v1")+"/sim/sessions", "", `{"user_id":"x"}`, 422)
	call(t, "POST", strings.TrimSuffix(a.base, "/v1")+"/sim/sessions", "", `{`, 400)
}

func TestBadSessionTokensAreRefused(t *testing.T) {
	t.Parallel()
	a := start(t, clerksim.Config{Users: 1})
	for name, o := range map[string]clerksim.Session{
		"expired":       {ExpiresIn: -3600},
		"not yet valid": {ValidIn: 3600, ExpiresIn: 7200},
		"no signature":  {Sign: clerksim.SignNone},
		"public key":    {Sign: clerksim.SignHS256},
		"foreign key":   {Sign: clerksim.SignForeign},
		"unknown key":   {Sign: clerksim.SignUnknownKey},
		"no key named":  {Sign: clerksim.SignNoKeyID},
		"other issuer":  {Issuer: "https://example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			o.UserID = a.sim.ID(0)
			token, _ := a.sim.SessionToken(o)
			if claims, err := a.verify(token); err == nil {
				t.Errorf("it is accepted: %+v", claims)
			}
		})
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	a := start(t, clerksim.Config{Users: 1})
	old, _ := a.sim.SessionToken(clerksim.Session{UserID: a.sim.ID(0)})
	a.sim.RotateKey()
	young, _ := a.sim.SessionToken(clerksim.Session{UserID: a.sim.ID(0)})
	for _, token := range []string{old, young} {
		if _, err := a.verify(token); err != nil {
			t.Errorf("while both keys are served: %v", err)
		}
	}
	a.sim.RetireKeys()
	if _, err := a.verify(old); err == nil {
		t.Error("the retired key still verifies")
	}
	if _, err := a.verify(young); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(string(a.sim.PublicKey()), "-----BEGIN PUBLIC KEY-----") {
		t.Errorf("public key %s", a.sim.PublicKey())
	}
}

func TestKeySetIsPublicOnTheInstancesDomain(t *testing.T) {
	t.Parallel()
	a := start(t, clerksim.Config{})
	public := call(t, "GET", strings.TrimSuffix(a.base, "/v1")+"/.well-known/jwks.json", "", "", 200)
	if private := call(t, "GET", a.base+"/jwks", "sk_test_any", "", 200); string(private) != string(public) {
		t.Errorf("%s is not %s", private, public)
	}
	call(t, "GET", a.base+"/jwks", "", "", 401)
}
