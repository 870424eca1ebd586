package clerkclient

import (
	"strings"
	"testing"
	"time"
)

// TestHostileAnswersTakeNoLongerThanTheirSize decodes answers that a
// quadratic decoder would take hours for.
func TestHostileAnswersTakeNoLongerThanTheirSize(t *testing.T) {
	t.Parallel()
	const n = 200_000
	p := newPlan(parse(t, fuzzed...))
	user := func(fields string) string { return `[{"id":"user_1","created_at":1,` + fields + `}]` }
	for name, body := range map[string]string{
		"one key over and over":       user(strings.Repeat(`"public_metadata":{"plan":"x"},`, n) + `"x":1`),
		"escapes":                     user(`"first_name":"` + strings.Repeat(`\ud800`, n) + `"`),
		"many entries":                user(`"primary_email_address_id":"no","email_addresses":[` + strings.Repeat(`{"id":"x"},`, n) + `0]`),
		"one member over and over":    user(`"public_metadata":{` + strings.Repeat(`"a":{"b":1},`, n) + `"b":1}`),
		"deep metadata":               user(`"public_metadata":{"a":` + strings.Repeat(`{"a":`, 9000) + `1` + strings.Repeat(`}`, 9001)),
		"deep entries":                user(`"primary_email_address_id":"i","email_addresses":` + strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000)),
		"a long number":               user(`"last_sign_in_at":` + strings.Repeat("9", n)),
		"bytes that are not UTF-8":    user(`"first_name":"` + strings.Repeat("\xff", n) + `"`),
		"data over and over":          `{` + strings.Repeat(`"data":[{"id":"user_1","created_at":1}],`, n) + `"data":[{"id":"user_1","created_at":1}]}`,
		"users without anything else": `[` + strings.Repeat(`{"id":"user_1","created_at":1},`, n) + `{"id":"user_1","created_at":1}]`,
	} {
		start := time.Now()
		got, err := decodeUsers(p, []byte(body))
		if err != nil || len(got.users) == 0 {
			t.Errorf("%s: %v", name, err)
		}
		if d := time.Since(start); d > time.Minute {
			t.Errorf("%s took %v", name, d)
		} else {
			t.Logf("%s: %v", name, d)
		}
	}
}
