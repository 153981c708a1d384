package k8s

import (
	"maps"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"blindseq/k8s/render"
	"blindseq/k8s/secrets"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// files are the entries of each Secret and ConfigMap, by its name.
type files map[string][]string

// made is what `make k8s-secrets` makes, and what those make who deploy a keyholder alone.
func made(t *testing.T) files {
	t.Helper()
	everything, err := secrets.Make(secrets.Options{Namespace: "blindseq", Keyholders: 4, ChainID: 1337, TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	out := files{}
	for _, item := range everything.Items {
		switch o := item.Object.(type) {
		case *corev1.Secret:
			for entry := range o.Data {
				out[o.Name] = append(out[o.Name], entry)
			}
		case *corev1.ConfigMap:
			for entry := range o.Data {
				out[o.Name] = append(out[o.Name], entry)
			}
		default:
			t.Errorf("an unknown object is made: %T", o)
		}
	}
	maps.Copy(out, byTheirHolder())
	return out
}

// byTheirHolder are Secrets that the one who deploys a keyholder alone makes under these names.
func byTheirHolder() files {
	return files{"keyholder-keys": {"share.json", "identity.key"}, "keyholder-tls": {"tls.crt", "tls.key", "ca.crt"}}
}

func (there files) everyFileIsMountedFromWhatIsMade(t *testing.T, o *render.Objects) {
	for _, w := range o.Workloads {
		c := w.Template.Spec.Containers[0]
		for name, value := range environment(o, c) {
			from := source(w, c, path.Dir(value))
			if strings.HasPrefix(value, "/etc/blindseq/") && !slices.Contains(there[from], path.Base(value)) && !renders(o, from, path.Base(value)) {
				t.Errorf("%s: %s is %s, which nothing made is mounted at", w.Name, name, value)
			}
		}
	}
}

// renders says that a ConfigMap is among the objects, with an entry.
func renders(o *render.Objects, name, entry string) bool {
	return slices.ContainsFunc(o.ConfigMaps, func(m corev1.ConfigMap) bool { return m.Name == name && m.Data[entry] != "" })
}

// source is the Secret or ConfigMap mounted at a folder.
func source(w render.Workload, c corev1.Container, folder string) string {
	for _, m := range c.VolumeMounts {
		if m.MountPath != folder {
			continue
		}
		for _, v := range w.Template.Spec.Volumes {
			switch {
			case v.Name != m.Name:
			case v.Secret != nil:
				return v.Secret.SecretName
			case v.ConfigMap != nil:
				return v.ConfigMap.Name
			}
		}
	}
	return ""
}

// everyAddressIsOneOfAService: a name without a dot is one of the same namespace.
func everyAddressIsOneOfAService(t *testing.T, o *render.Objects) {
	if !slices.ContainsFunc(o.Services, func(s corev1.Service) bool { return strings.HasSuffix(s.Name, "redis") || s.Name == "redis-sentinel" }) {
		return // not whole: an overlay has to add the rest
	}
	for _, w := range o.Workloads {
		env := environment(o, w.Template.Spec.Containers[0])
		for _, name := range targets() {
			for _, host := range hosts(env[name]) {
				if !slices.ContainsFunc(o.Services, func(s corev1.Service) bool { return s.Name == host }) {
					t.Errorf("%s: %s names %s, which is no service", w.Name, name, host)
				}
			}
		}
	}
}

// everyAddressStays: a name that is looked up gives the addresses of pods that have gone, for as long as a DNS caches them. A Service with
// an address of its own follows its pods at once. Sentinels are several, and their clients go on to the next.
func everyAddressStays(t *testing.T, o *render.Objects) {
	for _, w := range o.Workloads {
		env := environment(o, w.Template.Spec.Containers[0])
		for _, name := range targets() {
			for _, host := range hosts(env[name]) {
				for _, s := range o.Services {
					if s.Name == host && s.Spec.ClusterIP == corev1.ClusterIPNone && !strings.HasSuffix(host, "redis-sentinel") {
						t.Errorf("%s: %s names %s, which has no address of its own", w.Name, name, host)
					}
				}
			}
		}
	}
}

// hosts are the names without a dot in a target.
func hosts(target string) (out []string) {
	if _, rest, ok := strings.Cut(target, "://"); ok {
		target = rest
	}
	target, _, _ = strings.Cut(strings.TrimPrefix(target, "/"), "/")
	for address := range strings.SplitSeq(target, ",") {
		if host, _, err := net.SplitHostPort(address); err == nil && !strings.Contains(host, ".") {
			out = append(out, host)
		}
	}
	return out
}

// TestANamePrefixReachesEveryAddress: several deployments in one namespace differ by it.
func TestANamePrefixReachesEveryAddress(t *testing.T) {
	o := rendered(t, render.Combination{Name: "prefixed", Resources: []string{"overlays/dev"}, NamePrefix: "a-"})
	everyAddressIsOneOfAService(t, o)
	everyReferenceInAVariableIsToOneBefore(t, o)
	servicesFindPodsAndTheirPorts(t, o)
	addresses := 0
	for _, w := range o.Workloads {
		env := environment(o, w.Template.Spec.Containers[0])
		for _, name := range targets() {
			addresses += len(hosts(env[name]))
		}
		if name := env["BLINDSEQ_ADVERTISE_NAME"]; name != "" && !strings.HasSuffix(name, "."+w.Service) {
			t.Errorf("%s is called %s, its service %s", w.Name, name, w.Service)
		}
	}
	if addresses < 15 {
		t.Errorf("only %d addresses were found", addresses)
	}
}

func noSecretIsInAManifest(t *testing.T, o *render.Objects) {
	for _, w := range o.Workloads {
		for name, value := range environment(o, w.Template.Spec.Containers[0]) {
			for _, word := range []string{"TOKEN", "KEY", "PASSPHRASE", "SHARE"} {
				if strings.Contains(name, word) && strings.HasPrefix(name, "BLINDSEQ_") && !strings.HasPrefix(value, "/") && name != "BLINDSEQ_KEYHOLDERS" {
					t.Errorf("%s: %s is %q, no file", w.Name, name, value)
				}
			}
			if _, rest, ok := strings.Cut(value, "://"); ok && strings.Contains(rest, "@") {
				t.Errorf("%s: %s has a password in it", w.Name, name)
			}
		}
	}
}

func servicesFindPodsAndTheirPorts(t *testing.T, o *render.Objects) {
	for _, s := range o.Services {
		found := behind(o, s)
		if len(found) == 0 {
			t.Errorf("service %s finds no pod", s.Name)
		}
		for _, w := range found {
			for _, p := range s.Spec.Ports {
				if containerPort(w, p.TargetPort.StrVal) != p.Port {
					t.Errorf("service %s: port %d is not %s of %s", s.Name, p.Port, p.TargetPort.StrVal, w.Name)
				}
			}
		}
	}
	for _, w := range o.Workloads {
		governed := slices.ContainsFunc(o.Services, func(s corev1.Service) bool {
			return s.Name == w.Service && s.Spec.ClusterIP == corev1.ClusterIPNone
		})
		if w.Kind == "StatefulSet" && !governed {
			t.Errorf("%s: there is no headless service %s", w.Name, w.Service)
		}
		if !slices.ContainsFunc(o.ServiceAccounts, func(a corev1.ServiceAccount) bool { return a.Name == w.Template.Spec.ServiceAccountName }) {
			t.Errorf("%s: there is no service account %s", w.Name, w.Template.Spec.ServiceAccountName)
		}
		if !matches(t, w.Selector, w.Labels()) {
			t.Errorf("%s does not select its own pods", w.Name)
		}
	}
}

// behind are the workloads whose pods a Service finds. Kubernetes gives each pod of a StatefulSet its number as a label.
func behind(o *render.Objects, s corev1.Service) (out []render.Workload) {
	by := maps.Clone(s.Spec.Selector)
	index, one := by[appsv1.PodIndexLabel]
	delete(by, appsv1.PodIndexLabel)
	for _, w := range selected(o, labels.SelectorFromSet(by)) {
		n, err := strconv.Atoi(index)
		if !one || w.Kind == "StatefulSet" && err == nil && w.Replicas != nil && n < int(*w.Replicas) {
			out = append(out, w)
		}
	}
	return out
}

func selected(o *render.Objects, by labels.Selector) (out []render.Workload) {
	for _, w := range o.Workloads {
		if by.Matches(labels.Set(w.Labels())) {
			out = append(out, w)
		}
	}
	return out
}

func matches(t *testing.T, by *metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(by)
	if err != nil {
		t.Fatal(err)
	}
	return s.Matches(labels.Set(set))
}

// containerPort is the number of a port by name, 0 when there is none.
func containerPort(w render.Workload, name string) int32 {
	for _, c := range w.Template.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == name {
				return p.ContainerPort
			}
		}
	}
	return 0
}

func budgetsScalersAndIngressesAreOfWhatThereIs(t *testing.T, o *render.Objects) {
	for _, b := range o.Budgets {
		if !slices.ContainsFunc(o.Workloads, func(w render.Workload) bool { return matches(t, b.Spec.Selector, w.Labels()) }) {
			t.Errorf("budget %s is of no pod", b.Name)
		}
	}
	for _, h := range o.Scalers {
		to := h.Spec.ScaleTargetRef
		i := slices.IndexFunc(o.Workloads, func(w render.Workload) bool { return w.Kind == to.Kind && w.Name == to.Name })
		switch {
		case i < 0:
			t.Errorf("scaler %s: there is no %s %s", h.Name, to.Kind, to.Name)
		case o.Workloads[i].Replicas != nil:
			t.Errorf("scaler %s: %s says its replicas too", h.Name, to.Name)
		}
	}
	for _, in := range o.Ingresses {
		for _, rule := range in.Spec.Rules {
			for _, p := range rule.HTTP.Paths {
				checkBackend(t, o, in.Name, p.Backend)
			}
		}
	}
}

func checkBackend(t *testing.T, o *render.Objects, ingress string, b networkingv1.IngressBackend) {
	t.Helper()
	for _, s := range o.Services {
		for _, port := range s.Spec.Ports {
			if s.Name == b.Service.Name && port.Name == b.Service.Port.Name {
				return
			}
		}
	}
	t.Errorf("ingress %s: service %s has no port %s", ingress, b.Service.Name, b.Service.Port.Name)
}
