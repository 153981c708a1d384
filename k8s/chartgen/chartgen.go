// Package chartgen makes the templates of the Helm chart (k8s/chart) from the kustomizations, which are the source: it renders the
// overlays dev and prod with tokens where a value of the operator stands, and puts template expressions in the place of the tokens.
// Nothing of an object is written down twice (docs/adr/029).
package chartgen

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"blindseq/k8s/render"

	"sigs.k8s.io/yaml"
)

// intro stands at the top of every template.
const intro = "{{- /* Made from k8s/overlays/%s by `make chart`. Do not edit it. */ -}}\n"

// Templates are the files of the chart's folder templates that are made, by name.
func Templates(root string) (map[string]string, error) {
	out := map[string]string{}
	for profile, overlay := range map[string]string{"development": "dev", "production": "prod"} {
		text, err := template(root, profile, overlay)
		if err != nil {
			return nil, fmt.Errorf("make templates of %s: %w", overlay, err)
		}
		out[profile+".yaml"] = text
	}
	return out, nil
}

func template(root, profile, overlay string) (string, error) {
	g := &generator{release: "zzz0zzz", exprs: []string{".Release.Name"}, profile: profile}
	objects, err := g.rendered(root, overlay)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	fmt.Fprintf(&out, intro, overlay)
	fmt.Fprintf(&out, "{{- if eq .Values.profile %q }}\n", profile)
	for _, o := range objects {
		g.adapt(o)
		text, err := yaml.Marshal(o)
		if err != nil {
			return "", err
		}
		out.WriteString(g.document(o, string(text)))
	}
	out.WriteString("{{- end }}\n")
	return out.String(), nil
}

// generator makes the templates of one profile. A token stands for the expression with its number; it is a word of small letters and
// digits, which kustomize takes for a name, a host or a path alike.
type generator struct {
	profile string
	release string // the token of the release's name
	exprs   []string
}

// instance is the value of the label instance: also of a release whose name is a number.
func (g *generator) instance() string { return g.token(".Release.Name | quote") }

func (g *generator) token(expr string) string {
	i := slices.Index(g.exprs, expr)
	if i < 0 {
		i = len(g.exprs)
		g.exprs = append(g.exprs, expr)
	}
	return fmt.Sprintf("zzz%dzzz", i)
}

var token = regexp.MustCompile(`zzz(\d+)zzz`)

// document is an object as a part of a template, with what decides whether it is there.
func (g *generator) document(o map[string]any, text string) string {
	text = strings.ReplaceAll(text, "{{", `{{ "{{" }}`) // those of alerts are not Helm's
	text = token.ReplaceAllStringFunc(text, func(t string) string {
		i, err := strconv.Atoi(token.FindStringSubmatch(t)[1])
		if err != nil {
			panic(err) // the pattern has digits only
		}
		return "{{ " + g.exprs[i] + " }}"
	})
	if condition := cmp.Or(optional()[kind(o)+"/"+g.name(o)], optional()[kind(o)]); condition != "" {
		return "{{- if " + condition + " }}\n---\n" + text + "{{- end }}\n"
	}
	return "---\n" + text
}

// name is an object's name without the release's.
func (g *generator) name(o map[string]any) string {
	return strings.TrimPrefix(text(at(o, "metadata")["name"]), g.release+"-")
}

// optional are the kinds, or objects, that a value switches on.
func optional() map[string]string {
	return map[string]string{
		"HTTPRoute":                ".Values.gatewayApi.enabled",
		"GRPCRoute":                "and .Values.gatewayApi.enabled .Values.ingress.hosts.grpc",
		"TLSRoute":                 "and .Values.gatewayApi.enabled .Values.ingress.hosts.grpc",
		"Certificate":              ".Values.certManager.enabled",
		"Issuer":                   "and .Values.certManager.enabled (not .Values.certManager.issuer.name)",
		"ExternalSecret":           ".Values.externalSecrets.enabled",
		"ExternalSecret/redis-url": "and .Values.externalSecrets.enabled .Values.externalSecrets.redisUrl",
		"ConfigMap/dashboard":      ".Values.monitoring.dashboard",
		"Ingress":                  ".Values.ingress.enabled",
		"HorizontalPodAutoscaler":  ".Values.autoscaling.enabled",
		"PrometheusRule":           ".Values.monitoring.prometheusOperator",
		"ServiceMonitor":           ".Values.monitoring.prometheusOperator",
	}
}

// rendered are the objects of an overlay, with tokens as values, in an order that does not change.
func (g *generator) rendered(root, overlay string) ([]map[string]any, error) {
	dir, err := os.MkdirTemp("", "blindseq-chart-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c := render.Combination{
		Name: overlay, Root: root, Resources: []string{filepath.Join(root, "overlays", overlay)},
		NamePrefix: g.release + "-", Instance: g.instance(), Namespace: g.token(".Release.Namespace | quote"),
	}
	components := []string{"monitoring", "prometheus-operator", "gateway-api", "gateway-api-grpc", "dashboard"}
	if g.profile == "production" {
		c.Files = g.values()
		components = []string{"prometheus-operator", "gateway-api", "gateway-api-tls", "cert-manager", "external-secrets", "dashboard"}
	}
	for _, name := range components {
		c.Components = append(c.Components, filepath.Join(root, "components", name))
	}
	text, err := c.YAML(dir)
	if err != nil {
		return nil, err
	}
	var objects []map[string]any
	for document := range strings.SplitSeq(unhashed(string(text)), "\n---\n") {
		var o map[string]any
		if err := yaml.Unmarshal([]byte(document), &o); err != nil {
			return nil, err
		}
		if kind(o) != "Namespace" { // helm install --create-namespace
			objects = append(objects, o)
		}
	}
	return objects, nil
}

// values are the files of an operator's copy of overlays/prod, with tokens.
func (g *generator) values() map[string]string {
	var env strings.Builder
	for name, expr := range map[string]string{
		"CHAIN_ID": "int64 .Values.chainId", "REDIS_URL": ".Values.redis.url | quote", "REDIS_NETWORK": ".Values.redis.network | quote",
		"KEYHOLDERS": `join "," .Values.keyholders.addresses | quote`, "KEYHOLDERS_NETWORK": ".Values.keyholders.network | quote",
		"API_TOKEN_SECRET": ".Values.apiTokenSecret | quote", "INGRESS_NETWORK": ".Values.ingress.network | quote",
		"API_HOST": ".Values.ingress.hosts.api | quote", "RPC_HOST": ".Values.ingress.hosts.rpc | quote", "WALLETS_HOST": ".Values.ingress.hosts.wallets | quote",
		"REGISTRY": ".Values.image.registry", "VERSION": ".Values.image.tag", "RUNBOOKS_URL": ".Values.monitoring.runbooksUrl",
	} {
		fmt.Fprintf(&env, "%s=%s\n", name, g.token(expr))
	}
	return map[string]string{"overlays/prod/production.env": env.String(), "overlays/prod/genesis.json": g.token(".Values.genesis | quote")}
}

// hashed is a generated ConfigMap's name where it is used or given. The chart has a checksum instead (checksum/config of the pods).
var hashed = regexp.MustCompile(`(name: zzz0zzz-(?:settings|coordination|genesis))-[a-z0-9]{10}\b`)

func unhashed(text string) string { return hashed.ReplaceAllString(text, "$1") }

func kind(o map[string]any) string { return text(o["kind"]) }

func text(v any) string {
	s, _ := v.(string)
	return s
}

// at is the object at a path of fields; it makes those that are not there.
func at(o map[string]any, path ...string) map[string]any {
	for _, field := range path {
		next, ok := o[field].(map[string]any)
		if !ok {
			next = map[string]any{}
			o[field] = next
		}
		o = next
	}
	return o
}

func each(v any) (out []map[string]any) {
	list, _ := v.([]any)
	for _, one := range list {
		if o, ok := one.(map[string]any); ok {
			out = append(out, o)
		}
	}
	return out
}

// instance is the label that tells one release's pods from another's.
const instance = "app.kubernetes.io/instance"

// adapt puts tokens where values of the chart stand that the overlays do not have.
func (g *generator) adapt(o map[string]any) {
	labels := at(o, "metadata", "labels")
	labels["app.kubernetes.io/managed-by"] = g.token(".Release.Service | quote")
	labels["app.kubernetes.io/version"] = g.token(`.Values.image.tag | default "dev" | splitList "@" | first | quote`) // without a digest
	labels["helm.sh/chart"] = g.token(`printf "%s-%s" .Chart.Name .Chart.Version`)
	switch kind(o) {
	case "Deployment", "StatefulSet":
		g.workload(o)
	case "NetworkPolicy":
		at(o, "spec", "podSelector", "matchLabels")[instance] = g.instance()
		for _, direction := range []struct{ rules, peers string }{{"ingress", "from"}, {"egress", "to"}} {
			for _, rule := range each(at(o, "spec")[direction.rules]) {
				for _, peer := range each(rule[direction.peers]) {
					g.peer(peer)
				}
			}
		}
	case "PrometheusRule":
		for _, group := range each(at(o, "spec")["groups"]) {
			for _, rule := range each(group["rules"]) {
				_, heading, _ := strings.Cut(text(at(rule, "annotations")["runbook_url"]), "#")
				at(rule, "annotations")["runbook_url"] = g.token(`.Values.monitoring.runbooksUrl | default "https://blindseq.example.org/docs/operations.md"`) + "#" + heading
			}
		}
	case "HTTPRoute", "GRPCRoute", "TLSRoute":
		g.route(o)
	case "Certificate", "Issuer":
		g.certificate(o)
	case "ExternalSecret":
		g.stored(o)
	case "ServiceMonitor":
		at(o, "spec", "selector", "matchLabels")[instance] = g.instance()
	}
}

// route is at the operator's Gateway, of the host that the Ingress would have.
func (g *generator) route(o map[string]any) {
	at(o, "spec")["parentRefs"] = g.token("list .Values.gatewayApi.gateway | toJson")
	at(o, "spec")["hostnames"] = []any{g.token(".Values.ingress.hosts." + g.name(o) + " | quote")}
}

// certificate is for the names of the release's Services, of the operator's issuer or the release's own.
func (g *generator) certificate(o map[string]any) {
	spec := at(o, "spec")
	g.owned(spec, "ca", "secretName")
	if kind(o) == "Issuer" {
		return
	}
	spec["secretName"] = g.release + "-" + text(spec["secretName"])
	service := g.release + "-" + g.name(o)
	names := []any{service, "*." + service}
	if g.name(o) == "bundler" { // each has a Service of its own
		names = append(names, service+"-0", service+"-1")
	}
	spec["dnsNames"] = names
	spec["issuerRef"] = map[string]any{
		"name":  g.token(`.Values.certManager.issuer.name | default (printf "%s-blindseq-ca" .Release.Name) | quote`),
		"kind":  g.token(".Values.certManager.issuer.kind | quote"),
		"group": g.token(".Values.certManager.issuer.group | quote"),
	}
}

// stored is a Secret that comes from the operator's store: under a path there, with the name that pods mount here.
func (g *generator) stored(o map[string]any) {
	spec, name := at(o, "spec"), g.name(o)
	at(spec, "target")["name"] = g.release + "-" + name
	if name == "api-token" {
		at(spec, "target")["name"] = g.token(".Values.apiTokenSecret | quote")
	}
	spec["secretStoreRef"] = g.token("toJson .Values.externalSecrets.store")
	for _, d := range each(spec["data"]) {
		at(d, "remoteRef")["key"] = g.token(`.Values.externalSecrets.path | default .Release.Name`) + "/" + name
	}
}

// peer has a policy speak of the pods of this release, or of all where they are of another namespace.
func (g *generator) peer(peer map[string]any) {
	if peer["podSelector"] == nil {
		return
	}
	if peer["namespaceSelector"] != nil {
		delete(at(peer, "podSelector", "matchLabels"), instance)
		return
	}
	at(peer, "podSelector", "matchLabels")[instance] = g.instance()
}

func (g *generator) workload(o map[string]any) {
	spec, name := at(o, "spec"), g.name(o)
	pod := at(spec, "template", "spec")
	g.replicas(spec, name)
	at(spec, "template", "metadata", "annotations")["checksum/config"] = g.token("list .Values.chainId .Values.redis .Values.genesis | toJson | sha256sum | quote")
	pod["imagePullSecrets"] = g.token("toJson .Values.image.pullSecrets")
	pod["nodeSelector"] = g.token("toJson .Values.nodeSelector")
	pod["tolerations"] = g.token("toJson .Values.tolerations")
	pod["priorityClassName"] = g.token(".Values.priorityClassName | quote")
	for _, c := range slices.Concat(each(pod["initContainers"]), each(pod["containers"])) {
		g.container(c, name)
	}
	for _, v := range each(pod["volumes"]) {
		g.owned(v, "secret", "secretName")
		g.owned(v, "configMap", "name")
	}
	for _, s := range each(pod["topologySpreadConstraints"]) {
		at(s, "labelSelector", "matchLabels")[instance] = g.instance()
	}
}

// replicas are a value where more than one pod makes sense.
func (g *generator) replicas(spec map[string]any, name string) {
	if !slices.Contains([]string{"api-gw", "bundler", "monitor-svc", "producer-observer", "producer-svc", "proposer-svc"}, name) {
		return
	}
	of := func(fallback any) string {
		return fmt.Sprintf("index .Values.replicas %q | default %v", name, fallback)
	}
	if n, ok := spec["replicas"]; ok {
		spec["replicas"] = g.token(of(n))
		return
	}
	spec[g.token("if .Values.autoscaling.enabled }}# {{ end")+"replicas"] = g.token(of(2)) // a comment where the autoscaler says it
}

func (g *generator) container(c map[string]any, workload string) {
	program, _, _ := strings.Cut(text(c["image"]), ":")
	program = program[strings.LastIndexByte(program, '/')+1:]
	registry, tag := `.Values.image.registry`, `.Values.image.tag`
	if g.profile == "development" {
		registry, tag = registry+` | default "blindseq"`, tag+` | default "dev"`
	}
	c["image"] = g.token(registry) + "/" + program + ":" + g.token(tag)
	if text(c["name"]) == "blindseq" {
		fallback, err := json.Marshal(c["resources"])
		if err != nil {
			panic(err) // it was read from YAML
		}
		c["resources"] = g.token(fmt.Sprintf("index .Values.resources %q | default (fromJson `%s`) | toJson", workload, fallback))
	}
	for _, v := range each(c["env"]) {
		switch text(v["name"]) {
		case "BLINDSEQ_TRUSTED_PROXIES":
			v["value"] = g.token(`.Values.ingress.network | default "127.0.0.1/32" | quote`) // without a network: nobody outside the pod
		case "BLINDSEQ_PAGE_RPC_HOST":
			v["value"] = g.token(`.Values.ingress.hosts.rpc | quote`) // without one: at the page's own host
		}
	}
	for _, from := range each(c["envFrom"]) {
		g.owned(from, "secretRef", "name")
		g.owned(from, "configMapRef", "name")
	}
}

// owned gives the release's name to a Secret or ConfigMap that the operator makes, as to all objects.
func (g *generator) owned(holder map[string]any, field, name string) {
	if holder[field] == nil {
		return
	}
	ref := at(holder, field)
	if is := text(ref[name]); is != "" && !token.MatchString(is) {
		ref[name] = g.release + "-" + is
	}
}

// Write writes the templates into a chart's folder.
func Write(root, chart string) error {
	made, err := Templates(root)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(made)) {
		if err := os.WriteFile(filepath.Join(chart, "templates", name), []byte(made[name]), 0o644); err != nil {
			return err
		}
	}
	return nil
}
