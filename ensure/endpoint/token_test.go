package endpoint_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/ensure/endpoint"
)

func TestTokensThatAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct {
		cfg    endpoint.Config
		change func(*clerksim.Session)
	}{
		"as Clerk makes it":                    {change: nil},
		"for a party of ours":                  {cfg: endpoint.Config{AuthorizedParties: []string{"https://b.example.com", party}}},
		"without a party, as native apps have": {cfg: endpoint.Config{AuthorizedParties: []string{party}}, change: func(s *clerksim.Session) { s.AuthorizedParty = "" }},
		"from a production instance":           {change: func(s *clerksim.Session) { s.Issuer = "https://clerk.example.com" }},
		"from the proxy that is configured":    {cfg: endpoint.Config{Issuer: "https://app.example.com/__clerk"}, change: func(s *clerksim.Session) { s.Issuer = "https://app.example.com/__clerk" }},
		"older, without a status":              {change: func(s *clerksim.Session) { s.Claims = map[string]any{"sts": nil, "v": nil, "fva": nil} }},
		"in an organization": {change: func(s *clerksim.Session) {
			s.Claims = map[string]any{"o": map[string]any{"id": "org_1", "slg": "a", "rol": "admin"}}
		}},
		"with claims of the application's own":     {change: func(s *clerksim.Session) { s.Claims = map[string]any{"metadata": map[string]any{"plan": "pro"}} }},
		"expired, within what clocks may be apart": {change: func(s *clerksim.Session) { s.ExpiresIn = -1 }},
	} {
		t.Run(name, func(t *testing.T) {
			response, _ := post(t, w.handler(c.cfg), "Bearer "+w.token(c.change), "")
			if response.Code != 200 {
				t.Errorf("%d %s", response.Code, response.Body)
			}
		})
	}
	if response, _ := post(t, w.handler(endpoint.Config{}), "bearer  "+w.token(nil)+" ", ""); response.Code != 200 {
		t.Errorf("the scheme in another case: %d", response.Code)
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.token(nil)
	parts := strings.Split(good, ".")
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	session := func(change func(*clerksim.Session)) string { return "Bearer " + w.token(change) }
	claims := func(c map[string]any) string {
		return session(func(s *clerksim.Session) { s.Claims = c })
	}
	for name, c := range map[string]struct {
		authorization string
		says          string // in the message
		cfg           endpoint.Config
	}{
		"none":                            {authorization: ""},
		"no bearer":                       {authorization: "Basic " + good},
		"no token":                        {authorization: "Bearer "},
		"no scheme":                       {authorization: good},
		"a secret key":                    {authorization: "Bearer sk_live_0123456789"},
		"no JWT":                          {authorization: "Bearer a.b.c"},
		"two parts":                       {authorization: "Bearer " + parts[0] + "." + parts[1]},
		"four parts":                      {authorization: "Bearer " + good + ".x"},
		"JSON, which the parser knows":    {authorization: `Bearer {"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`},
		"larger than any":                 {authorization: "Bearer " + parts[0] + "." + strings.Repeat("A", 9000) + "." + parts[2]},
		"expired":                         {authorization: session(func(s *clerksim.Session) { s.ExpiresIn = -10 }), says: "expired"},
		"not valid yet":                   {authorization: session(func(s *clerksim.Session) { s.ValidIn, s.ExpiresIn = 3600, 7200 }), says: "not valid yet"},
		"issued in the future":            {authorization: claims(map[string]any{"iat": time.Now().Add(time.Hour).Unix()})},
		"for ever":                        {authorization: claims(map[string]any{"exp": nil})},
		"without a signature":             {authorization: session(func(s *clerksim.Session) { s.Sign = clerksim.SignNone })},
		"signed with the public key":      {authorization: session(func(s *clerksim.Session) { s.Sign = clerksim.SignHS256 })},
		"signed with a foreign key":       {authorization: session(func(s *clerksim.Session) { s.Sign = clerksim.SignForeign })},
		"of a key that nobody has":        {authorization: session(func(s *clerksim.Session) { s.Sign = clerksim.SignUnknownKey })},
		"that does not name its key":      {authorization: session(func(s *clerksim.Session) { s.Sign = clerksim.SignNoKeyID })},
		"with another's claims":           {authorization: "Bearer " + parts[0] + "." + part(`{"sub":"user_other","sid":"sess_1","exp":9999999999}`) + "." + parts[2]},
		"with its signature cut off":      {authorization: "Bearer " + parts[0] + "." + parts[1] + "."},
		"of another issuer":               {authorization: session(func(s *clerksim.Session) { s.Issuer = "https://evil.example.com" })},
		"of an issuer that looks alike":   {authorization: session(func(s *clerksim.Session) { s.Issuer = "https://evil.example.com/.clerk.accounts.dev" })},
		"of an issuer without TLS":        {authorization: session(func(s *clerksim.Session) { s.Issuer = "http://x.clerk.accounts.dev" })},
		"not of the issuer configured":    {authorization: "Bearer " + good, cfg: endpoint.Config{Issuer: "https://app.example.com/__clerk"}},
		"for another application":         {authorization: "Bearer " + good, cfg: endpoint.Config{AuthorizedParties: []string{"https://other.example.com"}}},
		"of a pending session":            {authorization: session(func(s *clerksim.Session) { s.Pending = true })},
		"of a JWT template":               {authorization: claims(map[string]any{"sid": nil})},
		"of a machine":                    {authorization: session(func(s *clerksim.Session) { s.UserID = "mch_2abc" })},
		"of nobody":                       {authorization: claims(map[string]any{"sub": nil})},
		"of somebody who is not a text":   {authorization: claims(map[string]any{"sub": 7})},
		"of a user who is an SQL command": {authorization: session(func(s *clerksim.Session) { s.UserID = "user_'; DROP TABLE users" })},
	} {
		t.Run(name, func(t *testing.T) {
			response, code := post(t, w.handler(c.cfg), c.authorization, "")
			challenge := response.Header().Get("WWW-Authenticate")
			if response.Code != 401 || code != "invalid_token" || !strings.HasPrefix(challenge, "Bearer ") || !strings.Contains(response.Body.String(), c.says) {
				t.Errorf("%d %s, %q", response.Code, response.Body, challenge)
			}
			observed, asked := w.seen()
			if len(asked) != 0 || len(observed) != 1 || observed[0] != "invalid_token" {
				t.Errorf("it came as far as %v, observed %v", asked, observed)
			}
		})
	}
}
