package clerkclient

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/clerk/clerk-sdk-go/v2"
)

// benchPage is a page of 500 users of about 3.3 KB, in the shape that Clerk sends.
func benchPage() []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	for i := range 500 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"user_2NNEqL2nrIRdJ194%07d","object":"user","username":null,"first_name":"Ren\u00e9e","last_name":"O'Brien-%d",`+
			`"locale":"en-US","image_url":"https://img.clerk.com/eyJ0eXBlIjoicHJveHkiLCJzcmMiOiJodHRwczovL2ltYWdlcy5jbGVyay5kZXYvb2F1dGhfZ29vZ2xlL2ltZ18%d",`+
			`"has_image":true,"primary_email_address_id":"idn_2NNEqL2nrIRdJ194%07d","primary_phone_number_id":null,"primary_web3_wallet_id":null,`+
			`"password_enabled":true,"two_factor_enabled":false,"totp_enabled":false,"backup_code_enabled":false,"email_addresses":[`, i, i, i, i)
		for j := range 2 {
			fmt.Fprintf(&b, `{"id":"idn_2NNEqL2nrIRdJ194%07d","object":"email_address","email_address":"renee.obrien.%d@example.com","reserved":false,`+
				`"verification":{"object":"verification_from_oauth","status":"verified","strategy":"from_oauth_google","attempts":null,"expire_at":null},`+
				`"linked_to":[{"type":"oauth_google","id":"idn_2NNEqL2nrIRdJ194%07d"}],"matches_sso_connection":false,"created_at":1700000000000,"updated_at":1700000000000}%s`,
				i+j-1+(1-j)*1000, i, i, strings.Repeat(",", 1-j))
		}
		fmt.Fprintf(&b, `],"phone_numbers":[],"web3_wallets":[],"passkeys":[],"external_accounts":[{"object":"external_account","id":"eac_2NNEqL2nrIRdJ194%07d",`+
			`"provider":"oauth_google","identification_id":"idn_2NNEqL2nrIRdJ194%07d","provider_user_id":"1029384756%07d",`+
			`"approved_scopes":"email https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile openid profile",`+
			`"email_address":"renee.obrien.%d@example.com","first_name":"Ren\u00e9e","last_name":"O'Brien","avatar_url":"https://lh3.googleusercontent.com/a/%s",`+
			`"username":null,"public_metadata":{},"label":null,"created_at":1700000000000,"updated_at":1700000000000,`+
			`"verification":{"object":"verification_oauth","status":"verified","strategy":"oauth_google","attempts":null,"expire_at":1700000600000}}],`+
			`"saml_accounts":[],"enterprise_accounts":[],"public_metadata":{"plan":"pro","seats":5,"features":["a","b","c"]},`+
			`"private_metadata":{"stripe_customer_id":"cus_%07d","notes":"%s"},"unsafe_metadata":{"onboarding":{"done":true,"steps":[1,2,3]}},"external_id":null,`+
			`"last_sign_in_at":1700000000000,"banned":false,"locked":false,"lockout_expires_in_seconds":null,"verification_attempts_remaining":100,`+
			`"created_at":%d,"updated_at":1700000000000,"delete_self_enabled":true,"create_organization_enabled":true,"last_active_at":1700000000000,`+
			`"mfa_enabled_at":null,"mfa_disabled_at":null,"legal_accepted_at":null,"profile_image_url":"https://images.clerk.dev/oauth_google/img_%d"}`,
			i, i, i, i, strings.Repeat("ALm5wu0x", 10), i, strings.Repeat("lorem ipsum ", 20), 1700000000000+int64(i), i)
	}
	b.WriteByte(']')
	return b.Bytes()
}

var typical = []string{"primary_email_address", "full_name", "image_url", "public_metadata.plan", "created_at"}

func perUser(b *testing.B) {
	b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "users/s")
}

func BenchmarkDecode(b *testing.B) {
	body := benchPage()
	b.Run("ours", func(b *testing.B) {
		p := newPlan(parse(b, typical...))
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if got, err := decodeUsers(p, body); err != nil || len(got.users) != 500 || got.users[7].Values[0].IsNull() {
				b.Fatal(err, got.users[7])
			}
		}
		perUser(b)
	})
	b.Run("encoding-json slim struct", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var users []struct {
				ID        string  `json:"id"`
				First     *string `json:"first_name"`
				Last      *string `json:"last_name"`
				Image     string  `json:"image_url"`
				PrimaryID *string `json:"primary_email_address_id"`
				Emails    []struct {
					ID    string `json:"id"`
					Email string `json:"email_address"`
				} `json:"email_addresses"`
				Public    json.RawMessage `json:"public_metadata"`
				CreatedAt int64           `json:"created_at"`
			}
			if err := json.Unmarshal(body, &users); err != nil {
				b.Fatal(err)
			}
		}
		perUser(b)
	})
	b.Run("encoding-json SDK types", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var users []*clerk.User
			if err := json.Unmarshal(body, &users); err != nil {
				b.Fatal(err)
			}
		}
		perUser(b)
	})
	b.Run("encoding-json Valid", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			if !json.Valid(body) {
				b.Fatal()
			}
		}
		perUser(b)
	})
}

// BenchmarkList measures the client whole, over loopback, against a server that has its pages ready.
func BenchmarkList(b *testing.B) {
	body := benchPage()
	var zipped bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&zipped, gzip.BestSpeed)
	_, _ = zw.Write(body)
	_ = zw.Close()
	for _, mode := range []string{"plain", "gzip"} {
		b.Run(mode, func(b *testing.B) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Query().Get("starting_after") != "":
					_, _ = w.Write([]byte("[]"))
				case mode == "gzip":
					w.Header().Set("Content-Encoding", "gzip")
					_, _ = w.Write(zipped.Bytes())
				default:
					_, _ = w.Write(body)
				}
			}))
			defer server.Close()
			c, err := New(Config{SecretKey: "sk_test_x", BaseURL: server.URL, RateLimit: -1, Attributes: parse(b, typical...)})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			c.attempts.encoding = mode
			b.ReportAllocs()
			for b.Loop() {
				got, err := c.page(context.Background(), c.plan, pageValues(dawn, 500))
				if err != nil || len(got.users) != 500 {
					b.Fatal(err)
				}
			}
			perUser(b)
		})
	}
}
