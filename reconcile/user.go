package reconcile

import (
	"slices"
	"strings"
	"time"
)

// User is a Clerk user as far as the mapping needs it.
type User struct {
	// ID is Clerk's id, user_...
	ID string
	// CreatedAt and UpdatedAt are in Unix milliseconds, by Clerk's clock.
	CreatedAt, UpdatedAt int64
	// EmailVerified says that the primary e-mail address is verified. It is only
	// known where the source was asked for it.
	EmailVerified bool
	// Values are in the order of Mapping.Attributes().
	Values []Value
}

// Clone returns a copy that shares no memory with u. The strings of a listed
// page may share one allocation: whoever keeps a few users of a page clones them.
func (u *User) Clone() User {
	c := *u
	c.ID = strings.Clone(u.ID)
	c.Values = slices.Clone(u.Values)
	for i := range c.Values {
		c.Values[i].Str = strings.Clone(c.Values[i].Str)
	}
	return c
}

// Created returns the moment at which the user was created in Clerk.
func (u *User) Created() time.Time { return time.UnixMilli(u.CreatedAt) }

// idPrefix begins every id of a Clerk user.
const idPrefix = "user_"

// IsUserID reports whether s has the form of a Clerk user id: user_ and then
// ASCII letters and digits. A row whose key has not is unlinked. The form also
// keeps operators such as a leading + or - out of lookups by id.
func IsUserID(s string) bool {
	rest, ok := strings.CutPrefix(s, idPrefix)
	if !ok || rest == "" || len(rest) > 200 {
		return false
	}
	for i := range len(rest) {
		c := rest[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' {
			return false
		}
	}
	return true
}
