package deploy_test

import (
	"encoding/json"
	"strconv"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install" // the versions of these groups, and their defaults
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	batchvalidation "k8s.io/kubernetes/pkg/apis/batch/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	networkingvalidation "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	policyvalidation "k8s.io/kubernetes/pkg/apis/policy/validation"
	"k8s.io/pod-security-admission/api"
	podsecurity "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// TestAPIServerAccepts lets the Kubernetes API server's own code read every object, strictly, fill its defaults in, and
// validate it.
func TestAPIServerAccepts(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"daemon", "cronjob", "example"} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			seen := 0
			for _, m := range build(t, folder) {
				if m.kind == "ServiceMonitor" || m.kind == "PrometheusRule" {
					continue // TestMonitoring reads them with the operator's types.
				}
				seen++
				for _, err := range accept(t, m.text) {
					t.Errorf("%s %s: %v", m.kind, m.name, err)
				}
			}
			if seen < 4 {
				t.Errorf("got %d objects", seen)
			}
		})
	}
	for _, err := range accept(t, []byte(read(t, "kubernetes/base/secret.example.yaml"))) {
		t.Error(err)
	}
}

// TestAPIServerRefuses shows that the check above can fail.
func TestAPIServerRefuses(t *testing.T) {
	t.Parallel()
	deployment := func(change func(*appsv1.Deployment)) []byte {
		d := one[appsv1.Deployment](t, build(t, "daemon"), "Deployment")
		change(&d)
		return marshal(t, d)
	}
	for name, text := range map[string][]byte{
		"an unknown field":             []byte("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\nautomountToken: false\n"),
		"pods that nobody selects":     deployment(func(d *appsv1.Deployment) { d.Spec.Template.Labels = nil }),
		"a volume that is not there":   deployment(func(d *appsv1.Deployment) { d.Spec.Template.Spec.Volumes = nil }),
		"a port that is no port":       deployment(func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Ports[0].ContainerPort = 80800 }),
		"retries of a job that cannot": []byte("apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {schedule: every night, jobTemplate: {spec: {template: {spec: {restartPolicy: Always, containers: [{name: a, image: a}]}}}}}\n"),
	} {
		if len(accept(t, text)) == 0 {
			t.Errorf("%s: it is accepted", name)
		}
	}
}

// accept is what the API server has against an object.
func accept(t *testing.T, text []byte) field.ErrorList {
	t.Helper()
	decoder := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict).UniversalDecoder()
	asJSON, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	object, _, err := decoder.Decode(asJSON, nil, nil)
	if err != nil {
		return field.ErrorList{field.InternalError(nil, err)}
	}
	if meta, ok := object.(metav1.Object); ok && meta.GetNamespace() == "" {
		if _, itself := object.(*core.Namespace); !itself {
			meta.SetNamespace("default") // as kubectl does
		}
	}
	switch o := object.(type) {
	case *core.Namespace:
		return corevalidation.ValidateNamespace(o)
	case *core.ConfigMap:
		return corevalidation.ValidateConfigMap(o)
	case *core.Secret:
		return corevalidation.ValidateSecret(o)
	case *core.Service:
		return corevalidation.ValidateServiceCreate(o)
	case *core.ServiceAccount:
		return corevalidation.ValidateServiceAccount(o)
	case *apps.Deployment:
		return appsvalidation.ValidateDeployment(o, corevalidation.PodValidationOptions{})
	case *batch.CronJob:
		return batchvalidation.ValidateCronJobCreate(o, corevalidation.PodValidationOptions{})
	case *networking.NetworkPolicy:
		return networkingvalidation.ValidateNetworkPolicy(o, networkingvalidation.NetworkPolicyValidationOptions{})
	case *networking.Ingress:
		return networkingvalidation.ValidateIngressCreate(o)
	case *policy.PodDisruptionBudget:
		return policyvalidation.ValidatePodDisruptionBudget(o, policyvalidation.PodDisruptionBudgetValidationOptions{})
	default:
		t.Fatalf("this test does not know how to validate %T", object)
		return nil
	}
}

// TestPodsAreRestricted holds every pod against the strictest of Kubernetes' own Pod Security Standards, and what it lacks.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	checks, err := podsecurity.NewEvaluator(podsecurity.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"daemon", "cronjob", "example"} {
		pod := podOf(t, build(t, folder))
		level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
		if got := podsecurity.AggregateCheckResults(checks.EvaluatePod(level, &pod.ObjectMeta, &pod.Spec)); !got.Allowed {
			t.Errorf("%s: %s", folder, got.ForbiddenDetail())
		}
		c := pod.Spec.Containers[0]
		if c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
			t.Errorf("%s: the file system can be written", folder)
		}
		if pod.Spec.AutomountServiceAccountToken == nil || *pod.Spec.AutomountServiceAccountToken {
			t.Errorf("%s: the pod gets a token", folder)
		}
		if c.Resources.Limits.Memory().IsZero() || c.Resources.Limits.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
			t.Errorf("%s: got the resources %+v", folder, c.Resources)
		}
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func itoa(n int32) string { return strconv.Itoa(int(n)) }
