package clerkclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rollcall-sync/rollcall/reconcile"
)

var fuzzed = []string{
	"primary_email_address", "email_verified", "full_name", "first_name", "last_sign_in_at",
	"public_metadata", "public_metadata.plan", "public_metadata.a.b", "banned",
}

// FuzzDecodeUsers compares with encoding/json: the same users, or both an error.
func FuzzDecodeUsers(f *testing.F) {
	for _, seed := range []string{
		`[]`, `{"data":[]}`, `null`, `{"data":null}`, `[{}]`, "[]\x00", `[] `, ` [ ] `,
		`[{"id":"user_1","created_at":1700000000000}]`,
		`{"data":[{"id":"user_1","created_at":1700000000,"updated_at":1.7e9,"last_sign_in_at":-0}],"total_count":1}`,
		`[{"id":"user_1","created_at":1,"primary_email_address_id":"i","email_addresses":[{"id":"i","email_address":"a@b","verification":{"status":"verified"}}]}]`,
		`[{"id":"user_1","created_at":1,"first_name":"\ud800\ud800\udc00","last_name":" x "}]`,
		`[{"id":"user_1","created_at":1,"public_metadata":{"plan":"pro","a":{"b":[1, 2]},"a":{"b":null}}}]`,
		`[{"id":"user_1","created_at":1,"banned":true,"banned":1e400,"x":"\u00"}]`,
		`[{"id":"user_1","created_at":01}]`, `[{"id":"user_1","created_at":1}],`, `[{"id":"user_1","created_at":1,}]`,
		`{"data":[{"id":"user_1","created_at":1}],"data":[]}`, "[{\"id\":\"user_1\",\"created_at\":1,\"first_name\":\"\xff\"}]",
	} {
		f.Add([]byte(seed))
	}
	p := newPlan(parse(f, fuzzed...))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeUsers(p, body)
		want, wantErr := referenceUsers(body)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, encoding/json's %v", err, wantErr)
		}
		if err != nil {
			if !errors.Is(err, errNotClerk) {
				t.Fatalf("error %v does not wrap errNotClerk", err)
			}
			return
		}
		if len(got.users) != len(want) {
			t.Fatalf("%d users, want %d", len(got.users), len(want))
		}
		for i := range want {
			if !reflect.DeepEqual(got.users[i], want[i]) {
				t.Fatalf("user %d\n got %+v\nwant %+v", i, got.users[i], want[i])
			}
		}
	})
}

type object = map[string]json.RawMessage

func referenceUsers(body []byte) ([]reconcile.User, error) {
	if !json.Valid(body) {
		return nil, errors.New("not JSON")
	}
	list, err := referenceList(body)
	if err != nil {
		return nil, err
	}
	users := []reconcile.User{}
	for _, raw := range list {
		u, err := referenceUser(raw)
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, nil
}

// referenceList finds the users. Each "data" must be a list, also one that a later one replaces.
func referenceList(body []byte) (list []json.RawMessage, err error) {
	isList := func(raw []byte) error {
		if raw = bytes.TrimSpace(raw); raw[0] != '[' {
			return errors.New("no list")
		}
		return nil
	}
	if bytes.TrimSpace(body)[0] != '{' {
		if err := isList(body); err != nil {
			return nil, err
		}
		return list, json.Unmarshal(body, &list)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	_, _ = dec.Token()
	found := false
	for dec.More() {
		key, _ := dec.Token()
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		if key != "data" {
			continue
		}
		found = true
		if err := isList(raw); err != nil {
			return nil, err
		}
		list = nil
		_ = json.Unmarshal(raw, &list)
		for _, user := range list {
			if _, err := referenceUser(user); err != nil {
				return nil, err
			}
		}
	}
	if !found {
		return nil, errors.New("no data")
	}
	return list, nil
}

func referenceUser(raw json.RawMessage) (u reconcile.User, err error) {
	var fields object
	if json.Unmarshal(raw, &fields) != nil || fields == nil {
		return u, errors.New("no object")
	}
	if u.ID = str(fields["id"]); !reconcile.IsUserID(u.ID) {
		return u, errors.New("no id")
	}
	created, ok := integer(fields["created_at"])
	if !ok {
		return u, errors.New("no created_at")
	}
	u.CreatedAt = reconcile.Milliseconds(created)
	if raw := fields["updated_at"]; !isNull(raw) {
		updated, ok := integer(raw)
		if !ok {
			return u, errors.New("no updated_at")
		}
		u.UpdatedAt = reconcile.Milliseconds(updated)
	}
	var primary object
	var entries []json.RawMessage
	if id := str(fields["primary_email_address_id"]); id != "" && json.Unmarshal(fields["email_addresses"], &entries) == nil {
		for _, raw := range entries {
			if e := members(raw); str(e["id"]) == id {
				primary = e
				break
			}
		}
	}
	address := reference(primary["email_address"], false)
	if address.Kind == reconcile.Text && address.Str == "" {
		address = reconcile.Value{}
	}
	full := strings.TrimSpace(strings.TrimSpace(str(fields["first_name"])) + " " + strings.TrimSpace(str(fields["last_name"])))
	name := reconcile.TextValue(full)
	if full == "" {
		name = reconcile.Value{}
	}
	metadata := members(fields["public_metadata"])
	u.Values = []reconcile.Value{
		address,
		reconcile.BoolValue(str(members(primary["verification"])["status"]) == "verified"),
		name,
		reference(fields["first_name"], false),
		reference(fields["last_sign_in_at"], true),
		reference(fields["public_metadata"], false),
		reference(metadata["plan"], false),
		reference(members(metadata["a"])["b"], false),
		reference(fields["banned"], false),
	}
	return u, nil
}

func members(raw json.RawMessage) (o object) {
	_ = json.Unmarshal(raw, &o)
	return o
}

func str(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

func reference(raw json.RawMessage, isTime bool) reconcile.Value {
	if isNull(raw) {
		return reconcile.Value{}
	}
	switch raw[0] {
	case '"':
		return reconcile.TextValue(str(raw))
	case 't', 'f':
		return reconcile.BoolValue(raw[0] == 't')
	case '{', '[':
		s := string(raw)
		if !utf8.ValidString(s) {
			s = string([]rune(s))
		}
		return reconcile.JSONValue(s)
	}
	if n, ok := integer(raw); ok && isTime {
		return reconcile.TimeValue(reconcile.Milliseconds(n))
	}
	return reconcile.NumberValue(string(raw))
}
