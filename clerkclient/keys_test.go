package clerkclient_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/clerkclient"
)

const rsaKey = `{"use":"sig","kty":"RSA","kid":"ins_%s","alg":"RS256","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"}`

func TestJWKS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		ids    string // of the keys; "" is an error
	}{
		"keys":                                {200, fmt.Sprintf(`{"keys":[`+rsaKey+`,`+rsaKey+`]}`, "a", "b"), "ins_a ins_b"},
		"a kind of key that nobody knows yet": {200, fmt.Sprintf(`{"keys":[{"kty":"PQ","kid":"ins_pq","alg":"ML-DSA-65"},`+rsaKey+`]}`, "a"), "ins_a"},
		"no keys at all":                      {200, `{}`, ""},
		"a list, and not an object":           {200, `[]`, ""},
		"a page of somebody else's":           {200, `<html></html>`, ""},
		"the secret key is refused":           {401, `{"errors":[{"code":"clerk_key_invalid","message":"m"}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/v1/jwks" || r.Header.Get("Authorization") != "Bearer "+testKey {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.body)
			}))
			t.Cleanup(server.Close)
			client, err := clerkclient.New(clerkclient.Config{SecretKey: testKey, BaseURL: server.URL + "/v1", MaxRetries: -1})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			keys, err := client.JWKS(t.Context())
			var ids []string
			for _, k := range keys {
				ids = append(ids, k.KeyID)
			}
			if strings.Join(ids, " ") != c.ids || (err != nil) != (c.ids == "") {
				t.Errorf("%v, %v", ids, err)
			}
		})
	}
}
