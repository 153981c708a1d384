package k8s

import (
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"blindseq/k8s/render"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func everyPodKeepsToTheRestrictedStandard(t *testing.T, o *render.Objects) {
	one := ""
	for name, namespace := range o.Namespaced {
		if strings.HasPrefix(name, "Namespace/") {
			namespace = strings.TrimPrefix(name, "Namespace/")
		}
		if one == "" {
			one = namespace
		}
		if namespace == "" || namespace != one {
			t.Errorf("%s is in namespace %q, another object in %q", name, namespace, one)
		}
	}
	for _, n := range o.Namespaces {
		if n.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
			t.Errorf("namespace %s does not enforce the restricted standard", n.Name)
		}
	}
	for _, w := range o.Workloads {
		report(t, w.Name, restricted(w.Template.Spec))
	}
}

func restricted(p corev1.PodSpec) (out list) {
	s := p.SecurityContext
	out.unless(s != nil && s.RunAsNonRoot != nil && *s.RunAsNonRoot, "the pod may run as root")
	out.unless(s != nil && s.RunAsUser != nil && *s.RunAsUser == 65532, "the pod does not run as 65532")
	out.unless(s != nil && s.SeccompProfile != nil && s.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault, "no seccomp profile")
	out.unless(!p.HostNetwork && !p.HostPID && !p.HostIPC, "the pod is in a namespace of the host")
	out.unless(p.AutomountServiceAccountToken != nil && !*p.AutomountServiceAccountToken, "a token of the API server is mounted")
	for _, v := range p.Volumes {
		out.unless(v.HostPath == nil, "volume %s is a folder of the host", v.Name)
	}
	for _, c := range slices.Concat(p.InitContainers, p.Containers) {
		s := c.SecurityContext
		if s == nil || s.Capabilities == nil || s.ReadOnlyRootFilesystem == nil || s.AllowPrivilegeEscalation == nil {
			out.unless(false, "container %s does not say what it may do", c.Name)
			continue
		}
		out.unless(*s.ReadOnlyRootFilesystem, "container %s can write its own files", c.Name)
		out.unless(!*s.AllowPrivilegeEscalation, "container %s may become more than it is", c.Name)
		out.unless(s.Privileged == nil || !*s.Privileged, "container %s is privileged", c.Name)
		out.unless(slices.Contains(s.Capabilities.Drop, "ALL") && len(s.Capabilities.Add) == 0, "container %s keeps capabilities", c.Name)
		for _, port := range c.Ports {
			out.unless(port.HostPort == 0, "container %s takes port %d of the host", c.Name, port.HostPort)
		}
	}
	return out
}

func everyContainerHasProbesOfItsOwnPortsAndLimits(t *testing.T, o *render.Objects) {
	for _, w := range o.Workloads {
		for _, c := range w.Template.Spec.Containers {
			report(t, w.Name, probed(c))
		}
		for _, c := range slices.Concat(w.Template.Spec.InitContainers, w.Template.Spec.Containers) {
			var out list
			out.unless(!c.Resources.Requests.Cpu().IsZero() && !c.Resources.Requests.Memory().IsZero(), "%s requests no processor or memory", c.Name)
			out.unless(!c.Resources.Limits.Memory().IsZero(), "%s has no limit of memory", c.Name)
			out.unless(!c.Resources.Requests.StorageEphemeral().IsZero() && !c.Resources.Limits.StorageEphemeral().IsZero(),
				"%s has no request or limit of storage on the node", c.Name)
			report(t, w.Name, out)
		}
	}
}

func probed(c corev1.Container) (out list) {
	for want, p := range map[string]*corev1.Probe{"/livez": c.LivenessProbe, "/livez ": c.StartupProbe, "/readyz": c.ReadinessProbe} {
		switch {
		case p == nil:
			out.unless(false, "a probe is missing (%s)", want)
		case p.HTTPGet != nil:
			out.unless(p.HTTPGet.Path == strings.TrimSpace(want), "a probe asks %s, not %s", p.HTTPGet.Path, want)
			out.unless(p.HTTPGet.Port.StrVal == "ops" && hasPort(c, "ops"), "a probe asks port %s", p.HTTPGet.Port.String())
		default:
			out.unless(p.Exec != nil && p.Exec.Command[0] == "redis-cli" && c.Image[:len("blindseq/redis")] == "blindseq/redis", "a probe is of an unknown kind")
		}
	}
	return out
}

func hasPort(c corev1.Container, name string) bool {
	return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == name })
}

// An image's tag that is a version, or `dev`, which make k8s-up replaces by one.
var pinned = regexp.MustCompile(`^[a-z0-9./:-]*blindseq/[a-z-]+:(dev|v[0-9]+\.[0-9]+\.[0-9]+)(@sha256:[0-9a-f]{64})?$`)

func imagesArePinnedAndOurs(t *testing.T, o *render.Objects) {
	for _, w := range o.Workloads {
		for _, c := range slices.Concat(w.Template.Spec.InitContainers, w.Template.Spec.Containers) {
			if !pinned.MatchString(c.Image) {
				t.Errorf("%s: image %s", w.Name, c.Image)
			}
		}
	}
}

func TestTheProductionOverlayHasNoDevelopmentImage(t *testing.T) {
	o := rendered(t, render.Production("."))
	for _, w := range o.Workloads {
		for _, c := range w.Template.Spec.Containers {
			if strings.HasSuffix(c.Image, ":dev") {
				t.Errorf("%s: image %s", w.Name, c.Image)
			}
			if c.Resources.Limits.Cpu().IsZero() {
				t.Errorf("%s: no limit of processor time", w.Name)
			}
		}
		if lone := w.Replicas != nil && *w.Replicas == 1; !lone {
			report(t, w.Name, spread(t, w))
		}
	}
}

// spread says what is wrong with how the pods of a workload come to nodes: over as many as there are, and never hanging.
func spread(t *testing.T, w render.Workload) (out list) {
	t.Helper()
	keys := map[string]bool{}
	for _, c := range w.Template.Spec.TopologySpreadConstraints {
		keys[c.TopologyKey] = true
		out.unless(c.WhenUnsatisfiable == corev1.ScheduleAnyway, "a full node keeps a pod from starting")
		out.unless(matches(t, c.LabelSelector, w.Labels()), "it counts other pods than its own")
	}
	out.unless(keys[corev1.LabelHostname] && keys[corev1.LabelTopologyZone], "its pods may all be on one node, or in one zone")
	out.unless(w.Template.Spec.Affinity == nil, "it has an affinity besides")
	return out
}

const trustedProxies = "BLINDSEQ_TRUSTED_PROXIES"

func areNetworks(list string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if _, err := netip.ParsePrefix(one); err != nil {
			return false
		}
	}
	return true
}

// Programs that an ingress leads to believe its X-Forwarded-For: else all its clients would share one budget. Others believe nobody.
func clientsBehindAnIngressAreToldApart(t *testing.T, o *render.Objects) {
	behind := map[string]bool{}
	for _, in := range o.Ingresses {
		for _, rule := range in.Spec.Rules {
			for _, p := range rule.HTTP.Paths {
				behind[p.Backend.Service.Name] = true
			}
		}
	}
	for _, r := range o.Custom {
		rules, _, _ := unstructured.NestedSlice(r.Object, "spec", "rules")
		for _, to := range backends(rules) {
			behind[to.name] = true
		}
	}
	for _, w := range o.Workloads {
		networks, named := environment(o, w.Template.Spec.Containers[0])[trustedProxies]
		if named != behind[w.Name] || named && !areNetworks(networks) {
			t.Errorf("%s: behind an ingress: %t; it trusts the proxies %q", w.Name, behind[w.Name], networks)
		}
	}
}

// flagRow is a row of docs/configuration.md: flag, variables, default.
var flagRow = regexp.MustCompile("(?m)^\\| `--[a-z-]+` \\| (.*?) \\|")

func everyVariableIsAFlagOfTheProgramThatGetsIt(t *testing.T, o *render.Objects) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{} // by program, the rows of its flags
	for section := range strings.SplitSeq(string(text), "\n## ") {
		name, rows, _ := strings.Cut(section, "\n")
		for _, row := range flagRow.FindAllStringSubmatch(rows, -1) {
			known[name] += row[1]
		}
	}
	for _, w := range o.Workloads {
		c := w.Template.Spec.Containers[0]
		if c.Name != "blindseq" {
			continue
		}
		program := strings.Join(append([]string{imageName(c.Image)}, c.Args...), " ")
		for name := range environment(o, c) {
			if strings.HasPrefix(name, "BLINDSEQ_") && !strings.Contains(known[program], "`"+name+"`") {
				t.Errorf("%s: %s is no flag of %s", w.Name, name, program)
			}
		}
	}
}

func imageName(image string) string {
	name, _, _ := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
	return name
}

// environment is what a container is told, as far as the manifests say it.
func environment(o *render.Objects, c corev1.Container) map[string]string {
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		for _, m := range o.ConfigMaps {
			if from.ConfigMapRef != nil && from.ConfigMapRef.Name == m.Name {
				for k, v := range m.Data {
					env[k] = v
				}
			}
		}
	}
	for _, e := range c.Env {
		env[e.Name] = reference.ReplaceAllStringFunc(e.Value, func(r string) string {
			if value, ok := env[r[2:len(r)-1]]; ok && value != "" {
				return value
			}
			return r // of the pod itself, or defined later: Kubernetes leaves it as it is
		})
	}
	return env
}

// reference is the value of a variable that is defined before.
var reference = regexp.MustCompile(`\$\([A-Z0-9_]+\)`)

// theseAreKnownWhenThePodStarts are variables that only the pod itself has.
func theseAreKnownWhenThePodStarts() []string { return []string{"$(POD_NAME)", "$(POD_IP)"} }

func everyReferenceInAVariableIsToOneBefore(t *testing.T, o *render.Objects) {
	for _, w := range o.Workloads {
		for name, value := range environment(o, w.Template.Spec.Containers[0]) {
			for _, r := range reference.FindAllString(value, -1) {
				if !slices.Contains(theseAreKnownWhenThePodStarts(), r) {
					t.Errorf("%s: %s refers to %s, which is not defined before it", w.Name, name, r)
				}
			}
		}
	}
}
