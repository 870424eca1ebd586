package discover

import (
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"clerk_user_id": "clerk user id", "clerkUserId": "clerk user id", "ClerkUserID": "clerk user id", "users": "users", "": "",
		"notes-users_table": "notes users table", "e-mail": "e mail",
	} {
		if got := strings.Join(words(name), " "); got != want {
			t.Errorf("words(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestKeyNamesInOrder(t *testing.T) {
	t.Parallel()
	// Each says more than the next.
	names := []string{"clerkUserId", "clerk_ref_id", "auth_id", "external_id", "user_id", "clerk_note", "id", "title"}
	for i := range names[1:] {
		if keyName(names[i]) <= keyName(names[i+1]) {
			t.Errorf("%s (%d) says no more than %s (%d)", names[i], keyName(names[i]), names[i+1], keyName(names[i+1]))
		}
	}
}

func TestTableNames(t *testing.T) {
	t.Parallel()
	names := []string{"users", "myapp_users", "accounts", "profiles", "posts", "users_backup"}
	if !slices.IsSortedFunc(names, func(a, b string) int { return tableName(b) - tableName(a) }) {
		for _, n := range names {
			t.Logf("%s %d", n, tableName(n))
		}
		t.Error("out of order")
	}
	for name, users := range map[string]bool{"User": true, "users_table": true, "AppUser": true, "user_settings": false, "userSessions": false, "old_users": false} {
		if got := tableName(name) > 0; got != users {
			t.Errorf("tableName(%q) = %d", name, tableName(name))
		}
	}
}
