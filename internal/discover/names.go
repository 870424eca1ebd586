package discover

import (
	"slices"
	"strings"
	"unicode"
)

// fold takes a name to its letters and digits in lower case: clerk_user_id,
// clerkUserId and ClerkUserID are the same name to people.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// words splits a name where people see its words: at signs, and at capitals.
func words(name string) []string {
	var out []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(string(word)))
			word = nil
		}
	}
	lower := false
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
		case unicode.IsUpper(r) && lower:
			flush()
			word = append(word, r)
		default:
			word = append(word, r)
		}
		lower = unicode.IsLower(r)
	}
	flush()
	return out
}

// keyNames are how apps call the column of Clerk's ids, with how much the name says.
var keyNames = map[string]int{
	"clerkid": 60, "clerkuserid": 60, "clerkuser": 50, "userclerkid": 60, "clerk": 45, "clerksub": 50,
	"authid": 30, "authuserid": 30, "authproviderid": 30, "authsub": 30, "authsubject": 30,
	"externalid": 25, "externaluserid": 25, "externalauthid": 30, "provideruserid": 25, "providerid": 20, "provideruid": 20,
	"identityid": 25, "identityproviderid": 25, "idpid": 20, "idpuserid": 25, "subject": 25, "sub": 25,
	"uid": 15, "userid": 15, "oauthid": 15, "ssoid": 15, "id": 5,
}

// keyName returns how much the name of a column says that Clerk's ids are in it.
func keyName(column string) int {
	folded := fold(column)
	if n, ok := keyNames[folded]; ok {
		return n
	}
	if w := words(column); slices.Contains(w, "clerk") || strings.HasPrefix(folded, "clerk") {
		if strings.HasSuffix(folded, "id") {
			return 50
		}
		return 10
	}
	return 0
}

// userTables are the words by which a table of users goes, with how much each says.
var userTables = map[string]int{
	"users": 30, "user": 30, "appusers": 30, "appuser": 30, "accounts": 20, "account": 20, "profiles": 15, "profile": 15,
	"members": 18, "member": 18, "people": 18, "person": 18, "persons": 18, "customers": 15, "customer": 15, "students": 12, "student": 12,
	"userprofiles": 18, "userprofile": 18, "identities": 10,
}

// copies are words that say that a table is not the one in use.
var copies = []string{"old", "backup", "bak", "tmp", "temp", "archive", "archived", "copy", "legacy", "audit", "log", "logs", "history", "deleted", "import", "staging", "view"}

// tableName returns how much a table's name says that it holds the app's users.
func tableName(name string) int {
	w := words(name)
	if len(w) == 0 {
		return 0
	}
	score := userTables[fold(name)]
	if score == 0 {
		// myapp_users is a table of users, user_settings is one of settings.
		score = userTables[w[len(w)-1]] * 4 / 5
		if last := w[len(w)-1]; score == 0 && len(w) > 1 && (last == "table" || last == "tbl" || last == "t") {
			score = userTables[w[len(w)-2]] * 4 / 5
		}
	}
	if slices.ContainsFunc(w, func(s string) bool { return slices.Contains(copies, s) }) {
		score -= 40
	}
	return score
}
