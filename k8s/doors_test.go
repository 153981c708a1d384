package k8s

import (
	"strings"
	"testing"

	"blindseq/k8s/render"
)

// TestEveryPodHasACertificateOrIsSaidToBeInsecure: without either its program does not start. With the component mtls all have one.
func TestEveryPodHasACertificateOrIsSaidToBeInsecure(t *testing.T) {
	for _, c := range render.Combinations(".") {
		secure := strings.HasPrefix(c.Name, "prod") || strings.Contains(c.Name, "mtls") || strings.HasSuffix(c.Name, "with all")
		if !secure && !strings.HasPrefix(c.Name, "dev") {
			continue // the base has no way of its own: an overlay chooses
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			o := rendered(t, c)
			for _, w := range o.Workloads {
				if strings.HasPrefix(w.Name, "redis") {
					continue
				}
				env := environment(o, w.Template.Spec.Containers[0])
				if got := env["BLINDSEQ_TLS_CERT"] != ""; got != secure {
					t.Errorf("%s has a certificate: %v", w.Name, got)
				}
				if got := env["BLINDSEQ_INSECURE"] == "true"; got == secure {
					t.Errorf("%s is insecure: %v", w.Name, got)
				}
			}
		})
	}
}
