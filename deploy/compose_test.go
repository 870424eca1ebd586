package deploy_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// composeFolder is a copy of compose/ in which secrets.sh was run.
func composeFolder(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("compose")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "secrets")); err != nil { // Those of whoever runs the test.
		t.Fatal(err)
	}
	secretsScript(t, dir, "", args...)
	return dir
}

func secretsScript(t *testing.T, dir, input string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "secrets.sh"), args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("secrets.sh: %v: %s", err, out)
	}
	return string(out)
}

// project reads compose.yaml as docker compose does.
func project(t *testing.T, dir string, options ...cli.ProjectOptionsFn) *types.Project {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join(dir, "compose.yaml")}, append([]cli.ProjectOptionsFn{
		cli.WithWorkingDirectory(dir), cli.WithDotEnv, cli.WithDefaultProfiles(), cli.WithConsistency(true)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withSim is docker compose --env-file sim.env.
func withSim(dir string) cli.ProjectOptionsFn {
	return func(o *cli.ProjectOptions) error {
		if err := cli.WithEnvFiles(filepath.Join(dir, "sim.env"))(o); err != nil {
			return err
		}
		if err := cli.WithDotEnv(o); err != nil {
			return err
		}
		return cli.WithDefaultProfiles()(o)
	}
}

// inCompose is the container of a service, with its secrets and configs.
func inCompose(t *testing.T, p *types.Project, name string) *container {
	t.Helper()
	s, c := p.Services[name], newContainer(t)
	for k, v := range s.Environment {
		c.env[k] = *v
	}
	for _, secret := range s.Secrets {
		target := secret.Target
		if target == "" {
			target = secret.Source
		}
		if !strings.HasPrefix(target, "/") {
			target = "/run/secrets/" + target
		}
		c.mount(t, target, read(t, p.Secrets[secret.Source].File))
	}
	for _, cfg := range s.Configs {
		c.mount(t, cfg.Target, read(t, p.Configs[cfg.Source].File))
	}
	return c
}

func TestComposeIsLockedDown(t *testing.T) {
	t.Parallel()
	dir := composeFolder(t, "sim")
	plain, sim := project(t, dir), project(t, dir, withSim(dir))
	if got := plain.ServiceNames(); !slices.Equal(got, []string{"postgres", "rollcall"}) {
		t.Errorf("got the services %q", got)
	}
	if got := sim.ServiceNames(); !slices.Equal(got, []string{"postgres", "rollcall", "sim"}) {
		t.Errorf("got the services %q with the simulator", got)
	}
	for name, s := range sim.Services {
		user, _, _ := strings.Cut(s.User, ":")
		if id, err := strconv.Atoi(user); err != nil || id == 0 {
			t.Errorf("%s runs as %q", name, s.User)
		}
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Privileged || len(s.CapAdd) > 0 {
			t.Errorf("%s is not locked down: %+v", name, s)
		}
		if s.Restart != "unless-stopped" {
			t.Errorf("%s: got the restart policy %q", name, s.Restart)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s on %q", name, port.Published, port.HostIP)
			}
		}
		for k, v := range s.Environment {
			if v == nil {
				t.Errorf("%s takes %s from whoever starts it", name, k)
			}
		}
		if check := s.HealthCheck; name != "sim" && (check == nil || check.Disable || len(check.Test) < 2 || check.Test[0] != "CMD") {
			t.Errorf("%s has no health check without a shell: %+v", name, check)
		}
	}
	if on := plain.Services["rollcall"].DependsOn["postgres"]; on.Condition != types.ServiceConditionHealthy {
		t.Errorf("Rollcall does not wait for PostgreSQL: %+v", on)
	}
	if !strings.Contains(read(t, "compose/.gitignore"), "/secrets/\n") {
		t.Error("git would take the secrets")
	}
}

func TestComposeConfigurationLoads(t *testing.T) {
	t.Parallel()
	p := project(t, composeFolder(t, "sim"))
	c := inCompose(t, p, "rollcall")
	cfg := c.load(t)
	if cfg.Clerk.APIURL != "https://api.clerk.com/v1" || cfg.Clerk.SecretKey.Reveal() != "sk_test_simulated" {
		t.Errorf("got %s %s", cfg.Clerk.APIURL, cfg.Clerk.SecretKey.Reveal())
	}
	// Every port that is published or exposed is one that Rollcall listens on, on every interface of the container.
	listens := map[string]bool{}
	for _, addr := range []string{cfg.Server.Admin, cfg.Server.Metrics, cfg.Server.Public} {
		host, port, err := net.SplitHostPort(addr)
		if err != nil || host != "" {
			t.Errorf("Rollcall listens on %q, where nobody outside of the container gets", addr)
		}
		listens[port] = true
	}
	s := p.Services["rollcall"]
	ports := slices.Clone(s.Expose)
	for _, port := range s.Ports {
		ports = append(ports, fmt.Sprint(port.Target))
	}
	for _, port := range ports {
		if !listens[port] {
			t.Errorf("nobody listens on port %s", port)
		}
		delete(listens, port)
	}
	if len(listens) > 0 {
		t.Errorf("nobody reaches the ports %v", listens)
	}
	if want := []string{"CMD", "/rollcall", "healthcheck"}; !slices.Equal(s.HealthCheck.Test, want) {
		t.Errorf("got the health check %q", s.HealthCheck.Test)
	}
	// Every variable is one that Rollcall reads.
	for name := range s.Environment {
		variable := strings.TrimSuffix(name, "_FILE")
		known := slices.Contains(config.Variables(), variable) || name == "ROLLCALL_CONFIG" || strings.Contains(read(t, "compose/config.yaml"), "${"+variable+":-}")
		if !known {
			t.Errorf("Rollcall does not know the variable %s", name)
		}
	}
}

// TestComposeRuns does what `docker compose --env-file sim.env up` does, in the test's own process: the simulator, the
// database as initdb makes it, the daemon, and its health check. Ports alone are others.
func TestComposeRuns(t *testing.T) {
	t.Parallel()
	dir := composeFolder(t, "sim")
	p := project(t, dir, withSim(dir))
	command := slices.Clone([]string(p.Services["sim"].Command))
	at := slices.Index(command, "--listen") + 1
	if command[at] != "0.0.0.0:9393" || *p.Services["rollcall"].Environment["CLERK_API_URL"] != "http://sim:9393/v1" {
		t.Fatalf("the simulator listens on %s, and Rollcall asks %s", command[at], *p.Services["rollcall"].Environment["CLERK_API_URL"])
	}
	command[at] = "127.0.0.1:0"
	url := strings.TrimPrefix(newContainer(t).start(t, command...).until(t, "listening on"), "listening on ")

	dbURL := pgtest.DB(t)
	pgtest.Exec(t, dbURL, read(t, filepath.Join(dir, "initdb/users.sql")))
	c := inCompose(t, p, "rollcall")
	c.env["CLERK_API_URL"] = url + "/v1"
	c.mount(t, "/run/secrets/database_url", dbURL)
	text := read(t, "compose/config.yaml")
	var metrics string
	for _, port := range []string{":8080", ":9090", ":8081"} {
		free := freePort(t)
		text = strings.Replace(text, " "+port+" ", " "+free+" ", 1)
		if port == ":9090" {
			metrics = free
		}
	}
	c.mount(t, "/etc/rollcall/config.yaml", text)
	daemon := c.start(t, p.Services["rollcall"].Command...)
	for range 3 {
		daemon.until(t, `"listening"`)
	}
	if code, _, stderr := c.rollcall(t, p.Services["rollcall"].HealthCheck.Test[2:]...); code != 0 {
		t.Errorf("the health check ends with %d: %s", code, stderr)
	}
	daemon.until(t, `"outcome":"repaired"`)
	response, err := http.Get("http://" + metrics + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("readyz answers %s", response.Status)
	}
	var rows int
	if err := pgtest.Pool(t, dbURL).QueryRow(t.Context(), "SELECT count(*) FROM users").Scan(&rows); err != nil || rows != 1000 {
		t.Errorf("got %d rows, %v", rows, err)
	}
}

// freePort is an address that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestSecretsScript(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("compose")); err != nil {
		t.Fatal(err)
	}
	_ = os.RemoveAll(filepath.Join(dir, "secrets"))
	secretsScript(t, dir, "sk_live_typed\n")
	secret := func(name string) string { return read(t, filepath.Join(dir, "secrets", name)) }
	if got := secret("clerk_secret_key"); got != "sk_live_typed" {
		t.Errorf("got the key %q", got)
	}
	password, token := secret("postgres_password"), secret("rollcall_admin_token")
	if len(password) != 64 || len(token) != 64 || password == token {
		t.Errorf("got the password %q and the token %q", password, token)
	}
	if got := secret("database_url"); got != "postgres://app:"+password+"@postgres:5432/app?sslmode=disable" {
		t.Errorf("got the URL %q", got)
	}
	if info, err := os.Stat(filepath.Join(dir, "secrets")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others get into the folder: %v %v", info.Mode(), err)
	}
	// Once more changes nothing, and asks for nothing.
	if out := secretsScript(t, dir, ""); out != "" || secret("postgres_password") != password || secret("clerk_secret_key") != "sk_live_typed" {
		t.Errorf("the second time it says %q", out)
	}
}
