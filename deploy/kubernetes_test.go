package deploy_test

import (
	"bytes"
	"flag"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/rollcall-sync/rollcall/clerksim"
	"github.com/rollcall-sync/rollcall/config"
	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

var update = flag.Bool("update", false, "write kubernetes/monitoring/prometheusrule.yaml from prometheus/rules.yaml")

// manifest is one object of what kustomize builds.
type manifest struct {
	kind, name string
	text       []byte
}

// build is kubectl kustomize.
func build(t *testing.T, folder string) []manifest {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), path.Join("kubernetes", folder))
	if err != nil {
		t.Fatal(err)
	}
	var all []manifest
	for _, r := range built.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, manifest{kind: r.GetKind(), name: r.GetName(), text: text})
	}
	return all
}

// one is the only object of the kind, as its type; unknown fields are errors.
func one[T any](t *testing.T, all []manifest, kind string) T {
	t.Helper()
	var found []manifest
	for _, m := range all {
		if m.kind == kind {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		t.Fatalf("got %d objects of the kind %s", len(found), kind)
	}
	return as[T](t, found[0])
}

func as[T any](t *testing.T, m manifest) (out T) {
	t.Helper()
	if err := yaml.UnmarshalStrict(m.text, &out); err != nil {
		t.Fatalf("%s %s: %v", m.kind, m.name, err)
	}
	return out
}

// podOf is the pod that a build makes, by its Deployment or CronJob.
func podOf(t *testing.T, all []manifest) corev1.PodTemplateSpec {
	t.Helper()
	for _, m := range all {
		switch m.kind {
		case "Deployment":
			return as[appsv1.Deployment](t, m).Spec.Template
		case "CronJob":
			return as[batchv1.CronJob](t, m).Spec.JobTemplate.Spec.Template
		}
	}
	t.Fatal("nothing makes pods")
	return corev1.PodTemplateSpec{}
}

// inPod is the container of a build, with its config map and the example's secret as the kubelet mounts them.
func inPod(t *testing.T, all []manifest) *container {
	t.Helper()
	pod := podOf(t, all).Spec
	if len(pod.Containers) != 1 || len(pod.InitContainers) > 0 {
		t.Fatalf("got %d containers", len(pod.Containers))
	}
	var secret corev1.Secret
	if err := yaml.UnmarshalStrict([]byte(read(t, "kubernetes/base/secret.example.yaml")), &secret); err != nil {
		t.Fatal(err)
	}
	configs := one[corev1.ConfigMap](t, all, "ConfigMap")
	c := newContainer(t)
	for _, m := range pod.Containers[0].VolumeMounts {
		at := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		if at < 0 {
			t.Fatalf("there is no volume %s", m.Name)
		}
		files := map[string]string{}
		switch v := pod.Volumes[at]; {
		case v.ConfigMap != nil && v.ConfigMap.Name == configs.Name:
			files = configs.Data
		case v.Secret != nil && v.Secret.SecretName == secret.Name:
			files = secret.StringData
		default:
			t.Errorf("the volume %s is neither the config map's nor the secret's", v.Name)
		}
		for name, content := range files {
			c.mount(t, path.Join(m.MountPath, name), content)
		}
	}
	for _, e := range pod.Containers[0].Env {
		c.env[e.Name] = e.Value
		if file, ok := strings.CutSuffix(e.Name, "_FILE"); ok {
			if _, known := secret.StringData[file]; !known || path.Base(e.Value) != file {
				t.Errorf("%s is %s, and the secret has no such key", e.Name, e.Value)
			}
			if !slices.Contains(config.Variables(), file) && !strings.Contains(configs.Data["config.yaml"], "${"+file+":-}") {
				t.Errorf("Rollcall does not know the variable %s", file)
			}
		}
	}
	for key := range secret.StringData {
		if c.env[key+"_FILE"] == "" {
			t.Errorf("nobody reads the secret's key %s", key)
		}
	}
	return c
}

func TestDaemonConfigurationAndPorts(t *testing.T) {
	t.Parallel()
	all := build(t, "daemon")
	cfg := inPod(t, all).load(t)
	pod := podOf(t, all).Spec.Containers[0]
	ports := map[string]int32{}
	for _, p := range pod.Ports {
		ports[p.Name] = p.ContainerPort
	}
	listens := map[string]string{"admin": cfg.Server.Admin, "public": cfg.Server.Public, "metrics": cfg.Server.Metrics}
	for name, addr := range listens {
		if addr != ":"+itoa(ports[name]) {
			t.Errorf("the port %s is %d, and Rollcall listens on %q", name, ports[name], addr)
		}
	}
	service := one[corev1.Service](t, all, "Service")
	if len(service.Spec.Ports) != len(listens) {
		t.Errorf("the service has %d ports", len(service.Spec.Ports))
	}
	for _, p := range service.Spec.Ports {
		if p.TargetPort.StrVal != p.Name || ports[p.Name] != p.Port {
			t.Errorf("the service's port %s leads to %s", p.Name, p.TargetPort.StrVal)
		}
	}
	for name, probe := range map[string]*corev1.Probe{"/healthz": pod.LivenessProbe, "/readyz": pod.ReadinessProbe} {
		if probe.HTTPGet.Path != name || probe.HTTPGet.Port.StrVal != "metrics" {
			t.Errorf("got the probe %+v, want %s", probe.HTTPGet, name)
		}
	}
	if pod.StartupProbe.HTTPGet.Path != "/healthz" {
		t.Errorf("got the probe %+v at start", pod.StartupProbe.HTTPGet)
	}
	if len(pod.Args) > 0 || len(pod.Command) > 0 {
		t.Errorf("the daemon is Rollcall without arguments, got %q %q", pod.Command, pod.Args)
	}
}

func TestDeployment(t *testing.T) {
	t.Parallel()
	all := build(t, "daemon")
	d := one[appsv1.Deployment](t, all, "Deployment")
	if *d.Spec.Replicas != 2 || d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue() != 0 || len(d.Spec.Template.Spec.TopologySpreadConstraints) != 2 {
		t.Errorf("got %+v", d.Spec)
	}
	// Whatever selects pods selects these.
	pods := labels.Set(d.Spec.Template.Labels)
	selects := func(what string, s *metav1.LabelSelector) {
		t.Helper()
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil || selector.Empty() || !selector.Matches(pods) {
			t.Errorf("%s selects %s, the pods are %s (%v)", what, selector, pods, err)
		}
	}
	selects("the Deployment", d.Spec.Selector)
	selects("the disruption budget", one[policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget").Spec.Selector)
	selects("the service", &metav1.LabelSelector{MatchLabels: one[corev1.Service](t, all, "Service").Spec.Selector})
	for _, c := range d.Spec.Template.Spec.TopologySpreadConstraints {
		selects("the spread by "+c.TopologyKey, c.LabelSelector)
	}
	ports := map[string]bool{}
	for _, m := range all {
		if m.kind == "NetworkPolicy" {
			p := as[networkingv1.NetworkPolicy](t, m)
			selects("the network policy "+m.name, &p.Spec.PodSelector)
			for _, rule := range p.Spec.Ingress {
				if len(rule.From) == 0 {
					t.Errorf("the network policy %s lets everybody in", m.name)
				}
				for _, port := range rule.Ports {
					ports[port.Port.StrVal] = true
				}
			}
		}
	}
	if len(ports) != 2 || !ports["metrics"] || !ports["public"] {
		t.Errorf("the network lets the ports %v through", ports)
	}
}

func TestMonitoring(t *testing.T) {
	t.Parallel()
	if *update {
		rule := "# Made from deploy/prometheus/rules.yaml: go test . -run TestMonitoring -update\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\n" +
			"metadata:\n  name: rollcall\n  labels: {app.kubernetes.io/name: rollcall}\nspec:\n"
		_, groups, _ := strings.Cut(read(t, "prometheus/rules.yaml"), "\ngroups:\n")
		for line := range strings.Lines("groups:\n" + groups) {
			if line != "\n" {
				line = "  " + line
			}
			rule += line
		}
		if err := os.WriteFile("kubernetes/monitoring/prometheusrule.yaml", []byte(rule), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all := build(t, "example")
	rule := one[monitoring.PrometheusRule](t, all, "PrometheusRule")
	var plain monitoring.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict([]byte(read(t, "prometheus/rules.yaml")), &plain); err != nil {
		t.Fatal(err)
	}
	if want, got := marshal(t, plain), marshal(t, rule.Spec); !bytes.Equal(want, got) {
		t.Error("the PrometheusRule is not prometheus/rules.yaml: go test . -run TestMonitoring -update")
	}
	m, service := one[monitoring.ServiceMonitor](t, all, "ServiceMonitor"), one[corev1.Service](t, all, "Service")
	selector, err := metav1.LabelSelectorAsSelector(&m.Spec.Selector)
	if err != nil || !selector.Matches(labels.Set(service.Labels)) || m.Spec.JobLabel != "" || service.Name != "rollcall" {
		t.Errorf("the monitor selects %s, the service %s has %v (%v)", selector, service.Name, service.Labels, err)
	}
	if e := m.Spec.Endpoints; len(e) != 1 || e[0].Port != "metrics" || e[0].Path != "/metrics" {
		t.Errorf("got the endpoints %+v", e)
	}
}

// TestCronJobRuns makes the CronJob's run, and those that must not be made again.
func TestCronJobRuns(t *testing.T) {
	t.Parallel()
	all := build(t, "cronjob")
	job := one[batchv1.CronJob](t, all, "CronJob").Spec
	if job.ConcurrencyPolicy != batchv1.ForbidConcurrent {
		t.Errorf("got the policy %s", job.ConcurrencyPolicy)
	}
	pod := job.JobTemplate.Spec.Template.Spec
	if pod.RestartPolicy != corev1.RestartPolicyNever || *job.JobTemplate.Spec.BackoffLimit < 1 {
		t.Errorf("got %s, and %d tries", pod.RestartPolicy, *job.JobTemplate.Spec.BackoffLimit)
	}
	rule := job.JobTemplate.Spec.PodFailurePolicy.Rules[0]
	if rule.Action != batchv1.PodFailurePolicyActionFailJob || *rule.OnExitCodes.ContainerName != pod.Containers[0].Name || rule.OnExitCodes.Operator != batchv1.PodFailurePolicyOnExitCodesOpIn {
		t.Errorf("got the rule %+v", rule)
	}
	final := rule.OnExitCodes.Values

	sim := clerksim.New(clerksim.Config{Users: 20, Key: "sk_test_example"})
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)
	dbURL := pgtest.DB(t)
	pgtest.Exec(t, dbURL, read(t, "compose/initdb/users.sql"))
	for _, c := range []struct {
		name, config, url string
		code              int32
	}{
		{"a guard stops it", "guard: {max_inserted: 1}", server.URL, 3},
		{"the configuration is wrong", "guard: {max_insertd: 1}", server.URL, 64},
		{"Clerk is out of reach", "clerk: {retries: 0}", "http://127.0.0.1:1", 1},
		{"all is well", "", server.URL, 0},
	} {
		in := inPod(t, all)
		in.env["CLERK_API_URL"] = c.url + "/v1"
		in.mount(t, "/run/secrets/rollcall/DATABASE_URL", dbURL)
		if c.config != "" {
			in.mount(t, "/etc/rollcall/config.yaml", c.config)
		}
		code, stdout, stderr := in.rollcall(t, pod.Containers[0].Args...)
		if int32(code) != c.code {
			t.Errorf("%s: it ends with %d, want %d: %s", c.name, code, c.code, stderr)
		}
		again := code != 0 && !slices.Contains(final, int32(code))
		if want := c.code == 1; again != want {
			t.Errorf("%s (%d): tried again %t, want %t", c.name, code, again, want)
		}
		if code == 0 && !strings.Contains(stdout, `"outcome":"repaired"`) && !strings.Contains(stdout, `"outcome": "repaired"`) {
			t.Errorf("%s: got the report %s", c.name, stdout)
		}
	}
	watched := func(paused, late bool) {
		t.Helper()
		var got [2]bool
		if err := pgtest.Pool(t, dbURL).QueryRow(t.Context(), blocks(t, "sql", "AS late")[0]).Scan(&got[0], &got[1]); err != nil || got != [2]bool{paused, late} {
			t.Errorf("what docs/operating.md asks the state instead of the job: paused and late are %v (%v)", got, err)
		}
	}
	watched(false, false)
	pgtest.Exec(t, dbURL, "UPDATE rollcall.runs SET started_at = started_at - interval '27 hours'; UPDATE rollcall.control SET paused_at = now(), quiet_full_at = NULL")
	watched(true, true)
	if len(final) != 2 {
		t.Errorf("more than a guard and a wrong configuration end the job for good: %v", final)
	}
}
