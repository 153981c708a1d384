package k8s

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"blindseq/k8s/render"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Peers that are no workload.
const (
	outside   = "(outside the cluster)"
	everybody = "(everybody)"
	dns       = "(the cluster's DNS)"
	metrics   = "(Prometheus)"
)

// flow is who connects to whom, at which port.
type flow struct {
	from, to string
	port     int32
}

func (f flow) String() string { return fmt.Sprintf("%s → %s:%d", f.from, f.to, f.port) }

// targets are the flags that name somebody a program connects to.
func targets() []string {
	return []string{
		"BLINDSEQ_PROPOSER", "BLINDSEQ_MONITOR", "BLINDSEQ_DSN", "BLINDSEQ_KEYHOLDERS", "BLINDSEQ_ROLLUP_RPC", "BLINDSEQ_OBSERVER_RPC",
		"BLINDSEQ_REDIS_URL", "BLINDSEQ_OTLP_ENDPOINT", "BLINDSEQ_PEERS",
	}
}

// policiesNameEveryNeededFlowAndNoOther holds where there are policies at all, that is where the default is to deny.
func policiesNameEveryNeededFlowAndNoOther(t *testing.T, o *render.Objects) {
	if !slices.ContainsFunc(o.Policies, func(p networkingv1.NetworkPolicy) bool { return p.Name == "default-deny" }) {
		return
	}
	needed, allowed := needs(o), allows(t, o)
	for f := range needed {
		if !allowed[f] {
			t.Errorf("needed and not allowed: %s", f)
		}
	}
	for f := range allowed {
		if !needed[f] {
			t.Errorf("allowed and not needed: %s", f)
		}
	}
	if len(needed) < 10 && len(o.Workloads) > 1 {
		t.Errorf("only %d flows were found: %v", len(needed), slices.Collect(maps.Keys(needed)))
	}
}

// everyPolicyIsOfSomePod: one that selects nothing hides a wrong label.
func everyPolicyIsOfSomePod(t *testing.T, o *render.Objects) {
	for _, p := range o.Policies {
		if !slices.ContainsFunc(o.Workloads, func(w render.Workload) bool { return matches(t, &p.Spec.PodSelector, w.Labels()) }) {
			t.Errorf("policy %s is of no pod", p.Name)
		}
	}
}

// needs derives the flows from what the programs are told.
func needs(o *render.Objects) map[flow]bool {
	needed := map[flow]bool{}
	for _, w := range o.Workloads {
		env := environment(o, w.Template.Spec.Containers[0])
		calls := strings.HasPrefix(w.Name, "redis-") || // by the names in their arguments
			w.Name == "sequencer" // the keyholders that an overlay names
		for _, name := range targets() {
			calls = calls || env[name] != ""
			for _, f := range dialled(o, w.Name, env[name]) {
				needed[f] = true
			}
		}
		leased(o, w, env, needed)
		redis(o, w, needed)
		public(o, w, needed)
		if calls {
			needed[flow{w.Name, dns, 53}] = true
		}
		if slices.ContainsFunc(o.Policies, func(p networkingv1.NetworkPolicy) bool { return p.Name == "metrics" }) {
			if port := containerPort(w, "ops"); port != 0 {
				needed[flow{metrics, w.Name, port}] = true
			}
		}
	}
	return needed
}

// dialled are the flows of one value: host:port or name=host:port, several of them, a gRPC target or a URL.
func dialled(o *render.Objects, from, value string) (out []flow) {
	if _, rest, ok := strings.Cut(value, "://"); ok {
		value = rest
	}
	value = strings.TrimPrefix(value, "/")
	value, _, _ = strings.Cut(value, "/")
	for address := range strings.SplitSeq(value, ",") {
		if _, named, ok := strings.Cut(address, "="); ok {
			address = named
		}
		host, text, err := net.SplitHostPort(address)
		port, errPort := strconv.ParseInt(text, 10, 32)
		if err != nil || errPort != nil {
			continue
		}
		if strings.Contains(host, ".") && !strings.HasSuffix(host, ".svc") {
			out = append(out, flow{from, outside, int32(port)})
			continue
		}
		for _, s := range o.Services {
			if s.Name != host {
				continue
			}
			for _, w := range behind(o, s) {
				out = append(out, flow{from, w.Name, int32(port)})
			}
		}
	}
	return out
}

// leased are flows to whom the leases and rosters in Redis name, which are those that advertise themselves: everyone who
// coordinates follows the leading producer, and gateways read from every replica.
func leased(o *render.Objects, w render.Workload, env map[string]string, needed map[flow]bool) {
	if w.Name == "monitor-svc" || env["BLINDSEQ_REDIS_URL"] == "" {
		return
	}
	for _, to := range o.Workloads {
		if imageName(to.Template.Spec.Containers[0].Image) != "producer-svc" {
			continue
		}
		leads := to.Name == "producer-svc"
		if leads {
			needed[flow{w.Name, to.Name, containerPort(to, "grpc")}] = true
		}
		if w.Name == "api-gw" {
			needed[flow{w.Name, to.Name, containerPort(to, "rpc")}] = true
		}
	}
}

// redis are the flows among Redis and its sentinels, and from whoever asks a sentinel to the Redis it names.
func redis(o *render.Objects, w render.Workload, needed map[flow]bool) {
	const redisPort, sentinelPort = 6379, 26379
	url := environment(o, w.Template.Spec.Containers[0])["BLINDSEQ_REDIS_URL"]
	replicated := strings.HasPrefix(w.Name, "redis-")
	for _, to := range o.Workloads {
		switch {
		case to.Name == "redis-sentinel" && w.Name == "redis-sentinel":
			needed[flow{w.Name, to.Name, sentinelPort}] = true
		case to.Labels()["app.kubernetes.io/name"] == "redis" && (replicated || strings.Contains(url, "+sentinel")):
			needed[flow{w.Name, to.Name, redisPort}] = true
		}
	}
}

// public are the ports that wallets, dapps and operators use.
func public(o *render.Objects, w render.Workload, needed map[flow]bool) {
	ports := map[string][]string{"api-gw": {"grpc", "rest", "rpc"}, "bundler": {"rpc"}}
	if w.Name == "keyholder" && len(o.Workloads) == 1 {
		needed[flow{outside, w.Name, containerPort(w, "grpc")}] = true // on its own it is asked from elsewhere
	}
	for _, name := range ports[w.Name] {
		needed[flow{everybody, w.Name, containerPort(w, name)}] = true
	}
}

// allows reads the policies: between workloads a flow is allowed when one side may send it and the other may take it.
func allows(t *testing.T, o *render.Objects) map[flow]bool {
	t.Helper()
	sent, taken := map[flow]bool{}, map[flow]bool{}
	for _, p := range o.Policies {
		for _, w := range o.Workloads {
			if !matches(t, &p.Spec.PodSelector, w.Labels()) {
				continue
			}
			for _, rule := range p.Spec.Egress {
				for _, peer := range peers(t, o, rule.To) {
					for _, port := range numbers(w, rule.Ports) {
						sent[flow{w.Name, peer, port}] = true
					}
				}
			}
			for _, rule := range p.Spec.Ingress {
				for _, peer := range peers(t, o, rule.From) {
					for _, port := range numbers(w, rule.Ports) {
						taken[flow{peer, w.Name, port}] = true
					}
				}
			}
		}
	}
	return meet(t, sent, taken)
}

// meet keeps what both sides allow, and complains of what one side alone does.
func meet(t *testing.T, sent, taken map[flow]bool) map[flow]bool {
	t.Helper()
	out := map[flow]bool{}
	for f := range sent {
		if f.to == outside || f.to == dns || taken[f] || taken[flow{everybody, f.to, f.port}] {
			out[f] = true
			continue
		}
		t.Errorf("may be sent and not taken: %s", f)
	}
	for f := range taken {
		if f.from == everybody || f.from == outside || f.from == metrics || sent[f] {
			out[f] = true
			continue
		}
		t.Errorf("may be taken and not sent: %s", f)
	}
	return out
}

// peers are the workloads, or the names of what is not one, that a rule speaks of.
func peers(t *testing.T, o *render.Objects, named []networkingv1.NetworkPolicyPeer) (out []string) {
	t.Helper()
	if len(named) == 0 {
		return []string{everybody}
	}
	for _, p := range named {
		switch {
		case p.IPBlock != nil && p.IPBlock.CIDR == "169.254.20.10/32":
			out = append(out, dns) // NodeLocal DNSCache
		case p.IPBlock != nil:
			out = append(out, outside)
		case p.NamespaceSelector != nil:
			out = append(out, elsewhere(t, p))
		default:
			for _, w := range o.Workloads {
				if matches(t, p.PodSelector, w.Labels()) {
					out = append(out, w.Name)
				}
			}
		}
	}
	return out
}

func elsewhere(t *testing.T, p networkingv1.NetworkPolicyPeer) string {
	t.Helper()
	namespace := p.NamespaceSelector.MatchLabels[corev1.LabelMetadataName]
	switch {
	case namespace == "kube-system" && p.PodSelector != nil && p.PodSelector.MatchLabels["k8s-app"] == "kube-dns":
		return dns
	case namespace == "monitoring":
		return metrics
	}
	t.Errorf("a policy speaks of pods elsewhere: %s", metav1.FormatLabelSelector(p.NamespaceSelector))
	return ""
}

// numbers are the ports of a rule; those given by name are looked up in w.
func numbers(w render.Workload, ports []networkingv1.NetworkPolicyPort) (out []int32) {
	for _, p := range ports {
		n := p.Port.IntVal
		if p.Port.StrVal != "" {
			n = containerPort(w, p.Port.StrVal)
		}
		if n != 0 {
			out = append(out, n)
		}
	}
	return out
}
