// Package kube drives a deployment on Kubernetes from outside, through kubectl and the kubeconfig that kubectl uses. It
// changes nothing but what it is told to.
package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Namespace is where `make k8s-up` deploys.
const Namespace = "blindseq"

// Deployment is the deployment in one namespace.
type Deployment struct{ namespace string }

// Open finds the deployment.
func Open(ctx context.Context) (*Deployment, error) {
	d := &Deployment{namespace: Namespace}
	if _, err := d.Kubectl(ctx, "get", "service", "api-gw"); err != nil {
		return nil, fmt.Errorf("find the deployment (make k8s-up makes it): %w", err)
	}
	return d, nil
}

// Kubectl runs kubectl in the deployment's namespace and returns what it prints.
func (d *Deployment) Kubectl(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "kubectl", append([]string{"--namespace", d.namespace}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return out, nil
}

// get reads objects into a list or an object.
func (d *Deployment) get(ctx context.Context, into any, args ...string) error {
	out, err := d.Kubectl(ctx, append([]string{"get", "-o", "json"}, args...)...)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, into)
}

// Token is the gateway's.
func (d *Deployment) Token(ctx context.Context) (string, error) {
	var secret corev1.Secret
	err := d.get(ctx, &secret, "secret", "api-token")
	return strings.TrimSpace(string(secret.Data["token"])), err
}

// Pods are those of a workload that are not about to end.
func (d *Deployment) Pods(ctx context.Context, name string) (pods []corev1.Pod, err error) {
	var list corev1.PodList
	selector := "app.kubernetes.io/part-of=blindseq"
	if name != "" {
		selector = "app.kubernetes.io/name=" + name
	}
	if err := d.get(ctx, &list, "pods", "-l", selector); err != nil {
		return nil, err
	}
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil {
			pods = append(pods, p)
		}
	}
	return pods, nil
}

// Scale sets how many pods a workload ("deployment/api-gw") has, and waits until they are ready.
func (d *Deployment) Scale(ctx context.Context, workload string, replicas int) error {
	if _, err := d.Kubectl(ctx, "scale", workload, "--replicas", strconv.Itoa(replicas)); err != nil {
		return err
	}
	return d.AwaitRollout(ctx, workload)
}

// Restart replaces the pods of a workload one by one, as an upgrade does, and waits until all are new and ready.
func (d *Deployment) Restart(ctx context.Context, workload string) error {
	if _, err := d.Kubectl(ctx, "rollout", "restart", workload); err != nil {
		return err
	}
	return d.AwaitRollout(ctx, workload)
}

// AwaitRollout waits until the pods of a workload are those that are wanted, and ready.
func (d *Deployment) AwaitRollout(ctx context.Context, workload string) error {
	_, err := d.Kubectl(ctx, "rollout", "status", workload)
	return err
}

// Workloads are all deployments and stateful sets ("deployment.apps/api-gw").
func (d *Deployment) Workloads(ctx context.Context) ([]string, error) {
	out, err := d.Kubectl(ctx, "get", "deployment,statefulset", "-o", "name")
	return strings.Fields(string(out)), err
}

// Kill deletes a pod without letting it end by itself.
func (d *Deployment) Kill(ctx context.Context, pod string) error {
	_, err := d.Kubectl(ctx, "delete", "pod", pod, "--grace-period=0", "--force", "--wait=false")
	return err
}

// Metric is the sum over all series of a pod's metric, asked through the API server.
func (d *Deployment) Metric(ctx context.Context, pod corev1.Pod, name string) (sum float64, err error) {
	port := 0
	for _, p := range pod.Spec.Containers[0].Ports {
		if p.Name == "ops" {
			port = int(p.ContainerPort)
		}
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:%d/proxy/metrics", d.namespace, pod.Name, port)
	out, err := d.Kubectl(ctx, "get", "--raw", path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		value := strings.LastIndexByte(line, ' ') + 1 // labels may have spaces
		if base := line[:max(strings.IndexAny(line, "{ "), 0)]; base != name {
			continue
		}
		v, err := strconv.ParseFloat(line[value:], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s of %s: %w", name, pod.Name, err)
		}
		sum += v
	}
	return sum, nil
}

// Tails writes what the pods are and said last.
func (d *Deployment) Tails(ctx context.Context, w io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, args := range [][]string{
		{"get", "pods", "-o", "wide"},
		{"logs", "-l", "app.kubernetes.io/part-of=blindseq", "--prefix", "--tail=20", "--max-log-requests=50"},
	} {
		out, err := d.Kubectl(ctx, args...)
		fmt.Fprintf(w, "=== kubectl %s (%v)\n%s\n", strings.Join(args, " "), err, out)
	}
}
