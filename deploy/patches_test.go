package deploy_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// blocks are the code blocks of docs/operating.md in a language that hold a text, without the indentation of a list.
func blocks(t *testing.T, language, holds string) (found []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^ *```"+language+"\n(.*?)^ *```$").FindAllStringSubmatch(read(t, "../docs/operating.md"), -1) {
		if strings.Contains(m[1], holds) {
			found = append(found, regexp.MustCompile("(?m)^"+m[1][:len(m[1])-len(strings.TrimLeft(m[1], " "))]).ReplaceAllString(m[1], ""))
		}
	}
	if len(found) == 0 {
		t.Fatalf("docs/operating.md has no block of %s with %s", language, holds)
	}
	return found
}

// overlay is what kustomize builds of the example with something more.
func overlay(t *testing.T, more string) string {
	t.Helper()
	disk := filesys.MakeFsInMemory()
	if err := fs.WalkDir(os.DirFS("kubernetes"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return disk.WriteFile(path.Join("/kubernetes", name), []byte(read(t, path.Join("kubernetes", name))))
	}); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile("/kubernetes/mine/kustomization.yaml", []byte("resources: [../example]\n"+more)); err != nil {
		t.Fatal(err)
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, "/kubernetes/mine")
	if err != nil {
		t.Fatalf("%s: %v", more, err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPatchesOfThePage makes the overlays that docs/operating.md proposes.
func TestPatchesOfThePage(t *testing.T) {
	t.Parallel()
	const release = "release: kube-prometheus-stack"
	plain := overlay(t, "")
	if got := overlay(t, blocks(t, "yaml", "release")[0]); strings.Count(got, release) != 2 || strings.Contains(plain, release) {
		t.Errorf("%d objects get the operator's label", strings.Count(got, release))
	}
	if got := overlay(t, blocks(t, "yaml", "25060")[0]); strings.Count(got, "port: 25060") != 1 || strings.Contains(plain, "25060") {
		t.Error("the database's own port is not let out")
	}
	if got := overlay(t, blocks(t, "yaml", "lifecycle")[0]); strings.Contains(got, "preStop") || !strings.Contains(plain, "preStop") {
		t.Error("preStop cannot be left out")
	}
}

// TestReplicasEndInOrder: requests still come while the endpoints are withdrawn, and the run has its time after that.
func TestReplicasEndInOrder(t *testing.T) {
	t.Parallel()
	pod := one[appsv1.Deployment](t, build(t, "daemon"), "Deployment").Spec.Template.Spec
	hook := pod.Containers[0].Lifecycle
	if hook == nil || hook.PreStop == nil || hook.PreStop.Sleep == nil {
		t.Fatal("a replica closes its listeners before anybody knows")
	}
	const stops = 20 // seconds, of a run that is asked to
	if waits := hook.PreStop.Sleep.Seconds; waits < 5 || *pod.TerminationGracePeriodSeconds < waits+stops+5 {
		t.Errorf("of %d seconds a replica waits for %d", *pod.TerminationGracePeriodSeconds, waits)
	}
}
