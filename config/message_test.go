package config_test

import (
	"errors"
	"testing"

	"github.com/rollcall-sync/rollcall/config"
)

func TestMessagesWithoutAFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		env  env
		want string
	}{
		{"nothing", env{}, "nothing is configured yet:\n" +
			"clerk.secret_key: CLERK_SECRET_KEY is not set: set it, or set CLERK_SECRET_KEY_FILE to the path of a file that holds it\n" +
			"database.url: DATABASE_URL is not set: set it, or set DATABASE_URL_FILE to the path of a file that holds it"},
		{"empty", base.with("CLERK_SECRET_KEY", ""), "clerk.secret_key (from CLERK_SECRET_KEY): the value is empty: set CLERK_SECRET_KEY, or write clerk.secret_key in the configuration file"},
		{"useless", base.with("CLERK_SECRET_KEY", "pk_live_x", "ROLLCALL_ADMIN_TOKEN", "short", "CLERK_API_URL", "verysecret"),
			"clerk.secret_key (from CLERK_SECRET_KEY): this is the publishable key (pk_...), which everybody may see: copy the secret key (sk_live_... or sk_test_...) from Clerk's dashboard, API keys\n" +
				"clerk.api_url (from CLERK_API_URL): the value is no http or https URL: write it like https://api.clerk.com/v1\n" +
				"server.admin_token (from ROLLCALL_ADMIN_TOKEN): the token is shorter than 16 characters: make one with: openssl rand -hex 32"},
	} {
		_, err := config.Load(config.Options{Env: c.env.lookup, ReadFile: files{}.read, Need: config.NeedAll})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
		}
	}
}

func TestMessageOfAnAbsentKey(t *testing.T) {
	t.Parallel()
	_, err := load("log: {level: info}", env{"CLERK_SECRET_KEY": testKey})
	const want = "config.yaml: database.url: DATABASE_URL is not set: set it, or set DATABASE_URL_FILE to the path of a file that holds it, or write database.url in the file"
	if err == nil || err.Error() != want {
		t.Error(err)
	}
}

func TestProblemsAreOneLineEach(t *testing.T) {
	t.Parallel()
	_, err := load("log: {level: \"a\\nb\"}\npolicy: {stale: \"x\\ny\", \"a\\nb\": 1}", base)
	var problems config.Errors
	if !errors.As(err, &problems) || len(problems) != 3 {
		t.Fatal(err)
	}
	lines := 1
	for _, r := range err.Error() {
		if r == '\n' {
			lines++
		}
	}
	if lines != 3 {
		t.Error(err)
	}
	var one config.Problem
	if !errors.As(err, &one) || one.File != "config.yaml" || one.Line == 0 {
		t.Errorf("%+v", one)
	}
}
