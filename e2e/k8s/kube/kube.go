// Package kube drives a deployment on Kubernetes from outside, through kubectl and the kubeconfig that kubectl uses. It
// changes only what its callers ask for.
package kube

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Deployment is the deployment in one namespace.
type Deployment struct {
	namespace string
	killer    []string
}

// Open finds the deployment of a namespace. killer is a command that ends the processes of a container with SIGKILL, given its id, on the
// cluster's node; with none Kill can only delete pods, which gives their processes two seconds.
func Open(ctx context.Context, namespace, killer string) (*Deployment, error) {
	d := &Deployment{namespace: namespace, killer: strings.Fields(killer)}
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

// Get reads objects into a list or an object.
func (d *Deployment) Get(ctx context.Context, into any, args ...string) error {
	out, err := d.Kubectl(ctx, append([]string{"get", "-o", "json"}, args...)...)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, into)
}

// Token is the gateway's.
func (d *Deployment) Token(ctx context.Context) (string, error) {
	var secret corev1.Secret
	err := d.Get(ctx, &secret, "secret", "api-token")
	return strings.TrimSpace(string(secret.Data["token"])), err
}

// Pods are those of a workload that are not about to end.
func (d *Deployment) Pods(ctx context.Context, name string) (pods []corev1.Pod, err error) {
	var list corev1.PodList
	selector := "app.kubernetes.io/part-of=blindseq"
	if name != "" {
		selector = "app.kubernetes.io/name=" + name
	}
	if err := d.Get(ctx, &list, "pods", "-l", selector); err != nil {
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

// Replicas is how many pods a workload is to have.
func (d *Deployment) Replicas(ctx context.Context, workload string) (int, error) {
	out, err := d.Kubectl(ctx, "get", workload, "-o", "jsonpath={.spec.replicas}")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(out))
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

// Kill ends a pod's process without letting it do anything more. The pod starts it again, or is replaced.
func (d *Deployment) Kill(ctx context.Context, pod corev1.Pod) error {
	if len(d.killer) == 0 {
		return d.Delete(ctx, pod.Name)
	}
	_, id, _ := strings.Cut(pod.Status.ContainerStatuses[0].ContainerID, "://")
	args := append(slices.Clone(d.killer[1:]), id)
	if out, err := exec.CommandContext(ctx, d.killer[0], args...).CombinedOutput(); err != nil {
		return fmt.Errorf("kill %s: %w: %s", pod.Name, err, out)
	}
	return nil
}

// Delete deletes pods and gives them no more time than the node's least.
func (d *Deployment) Delete(ctx context.Context, pods ...string) error {
	_, err := d.Kubectl(ctx, append([]string{"delete", "pod", "--grace-period=0", "--force", "--wait=false"}, pods...)...)
	return err
}

// DeleteWithVolume deletes a pod of a StatefulSet and the claim of its volume: the next pod of that name begins with nothing.
func (d *Deployment) DeleteWithVolume(ctx context.Context, pod string) error {
	_, err := d.Kubectl(ctx, "delete", "pvc/data-"+pod, "pod/"+pod, "--grace-period=0", "--force", "--wait=false")
	return err
}

// Ready says whether a pod is.
func Ready(pod corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// Address is host:port of a pod's port.
func Address(pod corev1.Pod, port string) string {
	return net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(portOf(pod, port)))
}

func portOf(pod corev1.Pod, name string) int {
	for _, p := range pod.Spec.Containers[0].Ports {
		if p.Name == name {
			return int(p.ContainerPort)
		}
	}
	return 0
}

// Metric is the sum over all series of a pod's metric, asked through the API server.
func (d *Deployment) Metric(ctx context.Context, pod corev1.Pod, name string) (float64, error) {
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:%d/proxy/metrics", d.namespace, pod.Name, portOf(pod, "ops"))
	out, err := d.Kubectl(ctx, "get", "--raw", path)
	if err != nil {
		return 0, err
	}
	return Sum(bytes.NewReader(out), name)
}

// Sum adds up all series of a metric.
func Sum(metrics io.Reader, name string) (sum float64, err error) {
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		value := strings.LastIndexByte(line, ' ') + 1 // labels may have spaces
		if base := line[:max(strings.IndexAny(line, "{ "), 0)]; base != name {
			continue
		}
		v, err := strconv.ParseFloat(line[value:], 64)
		if err != nil {
			return 0, fmt.Errorf("metric %s: %w", name, err)
		}
		sum += v
	}
	return sum, lines.Err()
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
