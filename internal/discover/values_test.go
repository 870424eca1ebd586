package discover

import "testing"

func TestForms(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]form{
		"user_2abcDEF": clerkID, "ann@example.com": email, "": emptyish, "  ": emptyish, "user_": anything, "user_a b": anything,
		"7f1b5b1e-93e5-4a0a-9f6c-1d2e3f4a5b6c": uuidV4, "01890a5d-ac96-774b-bcce-b302099a8057": uuidV7, "12": digits,
		"clh2k3v9x0000qz8r5b1c7d2e": cuid1, "tz4a98xxat96iws9zmbrgj3a": cuid2, "01ARZ3NDEKTSV4RRFFQ69G5FAV": ulid,
		"V1StGXR8_Z5jdHi6B-myT": nanoid, "auth0|5f7c8ec7c33c6c004bbafe82": pipe, "Ann": anything,
	} {
		if got := formOf(value); got != want {
			t.Errorf("formOf(%q) = %s, want %s", value, got, want)
		}
	}
}

func TestMost(t *testing.T) {
	t.Parallel()
	if f, n := most([]string{"", "a@b.example", "c@d.example", "user_1"}); f != email || n != 2 {
		t.Errorf("%s %d", f, n)
	}
	if f, n := most(nil); f != anything || n != 0 {
		t.Errorf("%s %d", f, n)
	}
}

func TestCommon(t *testing.T) {
	t.Parallel()
	sample := []string{"ADMIN", "ADMIN", "Member", "Member", "guest"}
	if got := common(sample, func(s string) bool { return !isProud(s) }); got != "Member" {
		t.Errorf("common = %q", got)
	}
	if got := common(sample, func(string) bool { return false }); got != "" {
		t.Errorf("common = %q", got)
	}
}

// TestProud knows the values that give a new user more than the others.
func TestProud(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"admin": true, "ADMIN": true, "super_admin": true, "Administrator": true, "owner": true, "pro": true, "PRO_PLUS": true,
		"member": false, "product": false, "profile": false, "free": false, "basic": false,
	} {
		if got := isProud(value); got != want {
			t.Errorf("isProud(%q) = %v", value, got)
		}
	}
}
