package clerkclient

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/reconcile"
)

func parse(tb testing.TB, names ...string) []reconcile.Attribute {
	tb.Helper()
	var all []reconcile.Attribute
	for _, name := range names {
		a, err := reconcile.ParseAttribute(name)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

func TestDecodeAttribute(t *testing.T) {
	t.Parallel()
	text, null, number := reconcile.TextValue, reconcile.Value{}, reconcile.NumberValue
	const emails = `"email_addresses":[{"id":"idn_1","email_address":"first@example.com","verification":{"status":"verified"}},
		{"id":"idn_2","email_address":"second@example.com","verification":{"status":"unverified"}},
		{"id":"idn_3","email_address":"","verification":null},{"id":"idn_4"},7]`
	for name, tt := range map[string]struct {
		attribute, fields string
		want              reconcile.Value
	}{
		"text":                              {"first_name", `"first_name":"Zoë"`, text("Zoë")},
		"empty text is kept":                {"first_name", `"first_name":""`, text("")},
		"null":                              {"first_name", `"first_name":null`, null},
		"absent":                            {"first_name", `"x":1`, null},
		"last of duplicate keys":            {"first_name", `"first_name":"a","first_name":"b"`, text("b")},
		"last of duplicate keys, null":      {"first_name", `"first_name":"a","first_name":null`, null},
		"escaped key":                       {"first_name", `"first\u005fname":"a"`, text("a")},
		"escapes":                           {"image_url", `"image_url":"\"\\\/\b\f\n\r\t\u0026\u00e9\ud83d\ude00"`, text("\"\\/\b\f\n\r\t&é😀")},
		"lone surrogates":                   {"username", `"username":"\ud800\ud800\udc00\udc00x\ud800\u0041"`, text("\ufffd\U00010000\ufffdx\ufffdA")},
		"invalid UTF-8":                     {"username", "\"username\":\"a\xff\xfeb\"", text("a\ufffd\ufffdb")},
		"NUL":                               {"username", `"username":"a\u0000"`, text("a\x00")},
		"true":                              {"banned", `"banned":true`, reconcile.BoolValue(true)},
		"false":                             {"banned", `"banned":false`, reconcile.BoolValue(false)},
		"number without loss":               {"create_organizations_limit", `"create_organizations_limit":12345678901234567890.10`, number("12345678901234567890.10")},
		"time in milliseconds":              {"last_sign_in_at", `"last_sign_in_at":1700000000123`, reconcile.TimeValue(1700000000123)},
		"time in seconds":                   {"last_sign_in_at", `"last_sign_in_at":1700000000`, reconcile.TimeValue(1700000000000)},
		"time with an exponent":             {"last_sign_in_at", `"last_sign_in_at":1.7e12`, reconcile.TimeValue(1700000000000)},
		"time that is null":                 {"last_sign_in_at", `"last_sign_in_at":null`, null},
		"time that is a text":               {"last_sign_in_at", `"last_sign_in_at":"now"`, text("now")},
		"time beyond measure":               {"last_sign_in_at", `"last_sign_in_at":1e400`, number("1e400")},
		"text that is a number":             {"username", `"username":-1.5e3`, number("-1.5e3")},
		"object as sent":                    {"public_metadata", `"public_metadata":{"a": [1,2]}`, reconcile.JSONValue(`{"a": [1,2]}`)},
		"path":                              {"public_metadata.a.b", `"public_metadata":{"x":{},"a":{"b":"deep"}}`, text("deep")},
		"path to a number":                  {"public_metadata.a", `"public_metadata":{"a":1.0}`, number("1.0")},
		"path to an object":                 {"public_metadata.a", `"public_metadata":{"a":{"b":1}}`, reconcile.JSONValue(`{"b":1}`)},
		"path to nowhere":                   {"public_metadata.b", `"public_metadata":{"a":1}`, null},
		"path through a text":               {"public_metadata.a.b", `"public_metadata":{"a":"b"}`, null},
		"path through an array":             {"public_metadata.a.b", `"public_metadata":{"a":[{"b":1}]}`, null},
		"path through null":                 {"private_metadata.a", `"private_metadata":null`, null},
		"path with duplicate keys":          {"public_metadata.a.b", `"public_metadata":{"a":{"b":1},"a":{"c":2}}`, null},
		"primary is not the first":          {"primary_email_address", `"primary_email_address_id":"idn_2",` + emails, text("second@example.com")},
		"primary after the list":            {"primary_email_address", emails + `,"primary_email_address_id":"idn_1"`, text("first@example.com")},
		"primary that is none":              {"primary_email_address", `"primary_email_address_id":null,` + emails, null},
		"primary that is not there":         {"primary_email_address", `"primary_email_address_id":"idn_9",` + emails, null},
		"primary without a list":            {"primary_email_address", `"primary_email_address_id":"idn_1","email_addresses":[]`, null},
		"primary that is empty":             {"primary_email_address", `"primary_email_address_id":"idn_3",` + emails, null},
		"primary without an address":        {"primary_email_address", `"primary_email_address_id":"idn_4",` + emails, null},
		"primary with an empty id":          {"primary_email_address", `"primary_email_address_id":"","email_addresses":[{"id":"","email_address":"x"}]`, null},
		"verified":                          {"email_verified", `"primary_email_address_id":"idn_1",` + emails, reconcile.BoolValue(true)},
		"not verified, though the first is": {"email_verified", `"primary_email_address_id":"idn_2",` + emails, reconcile.BoolValue(false)},
		"no verification":                   {"email_verified", `"primary_email_address_id":"idn_3",` + emails, reconcile.BoolValue(false)},
		"no primary, not verified":          {"email_verified", emails, reconcile.BoolValue(false)},
		"phone":                             {"primary_phone_number", `"primary_phone_number_id":"p","phone_numbers":[{"id":"p","phone_number":"+1"}]`, text("+1")},
		"wallet":                            {"primary_web3_wallet", `"primary_web3_wallet_id":"w","web3_wallets":[{"web3_wallet":"0x1","id":"w"}]`, text("0x1")},
		"full name":                         {"full_name", `"first_name":" Ada ","last_name":"Lovelace "`, text("Ada Lovelace")},
		"full name, first only":             {"full_name", `"first_name":"Ada","last_name":""`, text("Ada")},
		"full name, last only":              {"full_name", `"first_name":" ","last_name":" Lovelace"`, text("Lovelace")},
		"full name, none":                   {"full_name", `"first_name":"","last_name":null`, null},
		"list":                              {"external_accounts", `"external_accounts":[]`, reconcile.JSONValue(`[]`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlan(parse(t, tt.attribute))
			raw := `{` + tt.fields + `,"id":"user_1","created_at":1700000000000,"updated_at":1700000001}`
			u, err := decodeUser(p, []byte(raw))
			if err != nil {
				t.Fatal(err)
			}
			want := reconcile.User{ID: "user_1", CreatedAt: 1700000000000, UpdatedAt: 1700000001000, Values: []reconcile.Value{tt.want}}
			if !reflect.DeepEqual(u, want) {
				t.Errorf("got %+v, want %+v", u, want)
			}
			list, err := decodeUsers(p, []byte(`{"total_count":2,"data":[`+raw+","+raw+"]}\n"))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(list.users, []reconcile.User{want, want}) {
				t.Errorf("got %+v, want twice %+v", list.users, want)
			}
		})
	}
}

func TestDecodeRefusesWhatIsNotClerks(t *testing.T) {
	t.Parallel()
	const user = `{"id":"user_1","created_at":1700000000000}`
	for body, want := range map[string]string{
		`[` + user + `,{"created_at":1}]`:                   "user 2 of the answer: no id of Clerk's form",
		`[{"id":7,"created_at":1}]`:                         "user 1 of the answer: no id",
		`[{"id":"org_1","created_at":1}]`:                   "user 1 of the answer: no id",
		`[{"id":null,"created_at":1}]`:                      "user 1 of the answer: no id",
		`[{"id":"user_1"}]`:                                 "created_at is no number",
		`[{"id":"user_1","created_at":null}]`:               "created_at is no number",
		`[{"id":"user_1","created_at":"2020"}]`:             "created_at is no number",
		`[{"id":"user_1","created_at":1e300}]`:              "created_at is no number",
		`[{"id":"user_1","created_at":1,"updated_at":"x"}]`: "updated_at is no number",
		`[null]`:                  "null where a user belongs",
		`[[]]`:                    "an array where a user belongs",
		`null`:                    "null where a list of users belongs",
		`"users"`:                 "a text where a list of users belongs",
		`{}`:                      "without data",
		`{"data":{}}`:             "an object where a list of users belongs",
		`{"data":[],"data":null}`: "null where a list of users belongs",
		`[` + user + `] []`:       "something behind",
		`[` + user + `]x`:         "something behind",
		`[` + user + `,]`:         "user 2",
		`[` + user:                "EOF",
		`<html>`:                  "where a list of users belongs",
		``:                        "where a list of users belongs",
		`[{"id":"user_1","created_at":1,"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}]`: "nested too deeply",
	} {
		_, err := decodeUsers(newPlan(nil), []byte(body))
		if !errors.Is(err, errNotClerk) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: error %v, want one with %q", body, err, want)
		}
	}
}

func TestDecodedUsersKeepNothingOfTheBody(t *testing.T) {
	t.Parallel()
	body := []byte(`[{"id":"user_1","created_at":1700000000000,"first_name":"Ada","public_metadata":{"a":1}}]`)
	got, err := decodeUsers(newPlan(parse(t, "first_name", "public_metadata")), body)
	if err != nil {
		t.Fatal(err)
	}
	clear(body)
	if u := got.users[0]; u.ID != "user_1" || u.Values[0].Str != "Ada" || u.Values[1].Str != `{"a":1}` {
		t.Errorf("%+v", u)
	}
}
