package render

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Objects are what a combination consists of.
type Objects struct {
	Namespaces      []corev1.Namespace
	ServiceAccounts []corev1.ServiceAccount
	ConfigMaps      []corev1.ConfigMap
	Services        []corev1.Service
	Workloads       []Workload
	Policies        []networkingv1.NetworkPolicy
	Budgets         []policyv1.PodDisruptionBudget
	Scalers         []autoscalingv2.HorizontalPodAutoscaler
	Ingresses       []networkingv1.Ingress
	Rules           []monitoringv1.PrometheusRule
	Monitors        []monitoringv1.ServiceMonitor
	Custom          []unstructured.Unstructured // of kinds of others, which the package crds knows

	Namespaced map[string]string // "kind/name" to its namespace
}

// Workload is what a Deployment and a StatefulSet have in common.
type Workload struct {
	Kind, Name string
	Replicas   *int32
	Selector   *metav1.LabelSelector
	Template   corev1.PodTemplateSpec
	Service    string // that governs a StatefulSet
	Claims     []corev1.PersistentVolumeClaim
}

// Labels are those of its pods.
func (w Workload) Labels() map[string]string { return w.Template.Labels }

// Read reads rendered YAML.
func Read(text []byte) (*Objects, error) {
	o := &Objects{Namespaced: map[string]string{}}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return o, nil
		}
		if err == nil && len(bytes.TrimSpace(document)) > 0 {
			err = o.read(document)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (o *Objects) read(document []byte) error {
	var is metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(document, &is); err != nil {
		return err
	}
	o.Namespaced[is.Kind+"/"+is.Name] = is.Namespace
	err := o.take(document, is)
	if err != nil {
		return fmt.Errorf("%s %s: %w", is.Kind, is.Name, err)
	}
	return nil
}

func (o *Objects) take(document []byte, is metav1.PartialObjectMetadata) error {
	switch is.Kind {
	case "Namespace":
		return add(document, &o.Namespaces)
	case "ServiceAccount":
		return add(document, &o.ServiceAccounts)
	case "ConfigMap":
		return add(document, &o.ConfigMaps)
	case "Service":
		return add(document, &o.Services)
	case "NetworkPolicy":
		return add(document, &o.Policies)
	case "PodDisruptionBudget":
		return add(document, &o.Budgets)
	case "HorizontalPodAutoscaler":
		return add(document, &o.Scalers)
	case "Ingress":
		return add(document, &o.Ingresses)
	case monitoringv1.PrometheusRuleKind:
		return add(document, &o.Rules)
	case monitoringv1.ServiceMonitorsKind:
		return add(document, &o.Monitors)
	case "HTTPRoute", "GRPCRoute", "TLSRoute", "Certificate", "Issuer", "ExternalSecret":
		one, err := Custom(document)
		o.Custom = append(o.Custom, one)
		return err
	case "Deployment":
		var d appsv1.Deployment
		err := yaml.UnmarshalStrict(document, &d)
		o.Workloads = append(o.Workloads, Workload{Kind: is.Kind, Name: is.Name, Replicas: d.Spec.Replicas, Selector: d.Spec.Selector, Template: d.Spec.Template})
		return err
	case "StatefulSet":
		var s appsv1.StatefulSet
		err := yaml.UnmarshalStrict(document, &s)
		o.Workloads = append(o.Workloads, Workload{
			Kind: is.Kind, Name: is.Name, Replicas: s.Spec.Replicas, Selector: s.Spec.Selector, Template: s.Spec.Template,
			Service: s.Spec.ServiceName, Claims: s.Spec.VolumeClaimTemplates,
		})
		return err
	}
	return errors.New("kind of an object that these tests do not know")
}

// Custom reads an object of a kind of others, with whole numbers as such.
func Custom(document []byte) (o unstructured.Unstructured, err error) {
	text, err := yaml.YAMLToJSON(document)
	if err == nil {
		err = o.UnmarshalJSON(text)
	}
	return o, err
}

func add[T any](document []byte, to *[]T) error {
	var one T
	err := yaml.UnmarshalStrict(document, &one)
	*to = append(*to, one)
	return err
}
