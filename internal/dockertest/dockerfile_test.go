package dockertest_test

import (
	"debug/elf"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the module's folder, which is the context of the image's build.
const root = "../.."

// instruction is one line of the Dockerfile: its word, and the rest with its --flags taken out.
type instruction struct {
	word, args string
	flags      []string
}

// stage is what stands between one FROM and the next.
type stage struct {
	base, name   string
	instructions []instruction
}

// stages reads the Dockerfile, which has no continued lines, here documents or other finery.
func stages(t *testing.T) []stage {
	t.Helper()
	var all []stage
	for _, line := range strings.Split(readFile(t, filepath.Join(root, "Dockerfile")), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		in := instruction{word: fields[0]}
		rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), in.word))
		for strings.HasPrefix(rest, "--") {
			flag, after, _ := strings.Cut(rest, " ")
			in.flags, rest = append(in.flags, flag), strings.TrimSpace(after)
		}
		in.args = rest
		if in.word == "FROM" {
			base, name, _ := strings.Cut(rest, " AS ")
			all = append(all, stage{base: base, name: name})
			continue
		}
		if len(all) == 0 || strings.HasSuffix(rest, "\\") {
			t.Fatalf("this test cannot read: %s", line)
		}
		last := &all[len(all)-1]
		last.instructions = append(last.instructions, in)
	}
	if len(all) != 2 {
		t.Fatalf("got %d stages, want a build and the image", len(all))
	}
	return all
}

// args returns the arguments of every instruction of the word.
func (s stage) args(word string) []string {
	var all []string
	for _, in := range s.instructions {
		if in.word == word {
			all = append(all, in.args)
		}
	}
	return all
}

func TestImageHoldsOneProgramAndNoShell(t *testing.T) {
	t.Parallel()
	all := stages(t)
	build, image := all[0], all[1]
	if build.name != "build" || image.base != "scratch" {
		t.Errorf("got the stages %q and %q", build.name, image.base)
	}
	for _, in := range image.instructions {
		if !slices.Contains([]string{"COPY", "USER", "HEALTHCHECK", "ENTRYPOINT"}, in.word) {
			t.Errorf("%s %s: the image is nothing but what is copied into it", in.word, in.args)
		}
		if in.word == "COPY" && !slices.Equal(in.flags, []string{"--from=build"}) {
			t.Errorf("COPY %v %s: not from the build", in.flags, in.args)
		}
	}
	if got := image.args("COPY"); !slices.Equal(got, []string{"/out/ /"}) {
		t.Errorf("got COPY %q", got)
	}
	if got := image.args("USER"); len(got) != 1 || !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(got[0]) {
		t.Errorf("got USER %q, want numbers that are not root's", got)
	}
	wantExec(t, image.args("ENTRYPOINT"), "", "/rollcall")
	wantExec(t, image.args("HEALTHCHECK"), "CMD ", "/rollcall", "healthcheck")
}

// wantExec checks an instruction in its exec form, which alone works without a shell.
func wantExec(t *testing.T, got []string, prefix string, want ...string) {
	t.Helper()
	if len(got) != 1 {
		t.Fatalf("got %q, want one instruction", got)
	}
	var words []string
	if err := json.Unmarshal([]byte(strings.TrimPrefix(got[0], prefix)), &words); err != nil || !slices.Equal(words, want) {
		t.Errorf("got %s, want %s%q", got[0], prefix, want)
	}
}

// TestImageBuilds does what the build stage does, in a copy of the context that a container engine would be sent.
func TestImageBuilds(t *testing.T) {
	t.Parallel()
	build := stages(t)[0]
	src, out := dockerContext(t), t.TempDir()
	for _, copied := range build.args("COPY") {
		words := strings.Fields(copied)
		for _, name := range words[:len(words)-1] {
			if _, err := os.Stat(filepath.Join(src, name)); err != nil {
				t.Errorf("COPY %s: %v", copied, err)
			}
		}
	}
	const certificates = "/etc/ssl/certs/ca-certificates.crt"
	fake := filepath.Join(t.TempDir(), "ca-certificates.crt")
	if err := os.WriteFile(fake, []byte("certificates"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, command := range build.args("RUN") {
		if command == "go mod download" {
			continue // The modules are here: this test was built with them.
		}
		command = strings.ReplaceAll(command, "cp "+certificates, "cp "+fake)
		cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(command, "/out", out))
		cmd.Dir = src
		cmd.Env = append(os.Environ(), "VERSION=v1.2.3-test")
		if got, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("RUN %s: %v: %s", command, err, got)
		}
	}
	if got := readFile(t, filepath.Join(out, certificates)); got != "certificates" {
		t.Errorf("got %q for the certificates", got)
	}
	if info, err := os.Stat(filepath.Join(out, "tmp")); err != nil || info.Mode() != fs.ModeDir|fs.ModeSticky|0o777 {
		t.Errorf("got /tmp as %v, %v", info, err)
	}
	program := filepath.Join(out, "rollcall")
	wantStatic(t, program)
	cmd := exec.CommandContext(t.Context(), program, "version")
	cmd.Env, cmd.Dir = []string{}, t.TempDir() // An empty environment, as in an empty image.
	if got, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(got), "v1.2.3-test") {
		t.Errorf("rollcall version: got %q, %v", got, err)
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", ".")
	list.Dir = root
	deps, err := list.Output()
	if err != nil || !slices.Contains(strings.Fields(string(deps)), "time/tzdata") {
		t.Errorf("the program does not import time/tzdata, so schedules in a time zone fail in the image (%v)", err)
	}
}

// wantStatic checks that the program needs no dynamic linker and no library, which an empty image does not have.
func wantStatic(t *testing.T, program string) {
	t.Helper()
	file, err := elf.Open(program)
	if err != nil {
		t.Logf("not an ELF file, so not looked at for libraries: %v", err) // The tests run on macOS, too.
		return
	}
	defer func() { _ = file.Close() }()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Error("the program needs a dynamic linker")
		}
	}
	if libraries, err := file.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("the program needs %v", libraries)
	}
}

// dockerContext copies the files that .dockerignore leaves.
func dockerContext(t *testing.T) string {
	t.Helper()
	var ignored []string
	for _, line := range strings.Split(readFile(t, filepath.Join(root, ".dockerignore")), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			ignored = append(ignored, line)
		}
	}
	for _, secret := range []string{".env", "config/.env", "app.db", ".git"} {
		if !matches(ignored, secret) {
			t.Errorf("%s would be sent to the container engine", secret)
		}
	}
	dir := t.TempDir()
	files := os.DirFS(root)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case matches(ignored, name) && entry.IsDir():
			return filepath.SkipDir
		case matches(ignored, name):
			return nil
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(dir, name), 0o755)
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// matches reports whether one of the patterns, of the plain kinds that .dockerignore has, covers the path.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		against := name
		if rest, anywhere := strings.CutPrefix(pattern, "**/"); anywhere {
			pattern, against = rest, path.Base(name)
		}
		ok, err := path.Match(pattern, against)
		return err == nil && ok
	})
}

// readFile returns the text of a file.
func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
