package k8s

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// findings are the complaints of checkov that stay.
func findings() []accepted {
	return []accepted{
		{check: "CKV_K8S_43", why: "the digest is the operator's: image.tag of the chart, digest of the overlay (docs/operations.md, Images)"},
		{check: "CKV_K8S_15", why: "a version is pushed once, production deploys it by digest, and a pod that restarts needs no registry"},
		{check: "CKV_K8S_11", why: "processor time has requests and no limit: a service that is throttled in the middle of a block holds up all others"},
		{check: "CKV_K8S_35", why: "the address of Redis, which may hold its password, is read from the environment once; all keys and tokens are files"},
	}
}

func TestCheckovComplainsOfNothingElse(t *testing.T) {
	program := linter(t, "BLINDSEQ_CHECKOV")
	dir, names := folder(t)
	// Its exit code says that it complains, which is read from what it prints.
	text, _ := exec.CommandContext(t.Context(), program, "--directory", dir, "--framework", "kubernetes", "--compact", "--quiet",
		"--skip-download", "--output", "json").Output()
	var report struct {
		Summary struct{ Passed int }
		Results struct {
			Failed []struct {
				ID       string `json:"check_id"`
				Name     string `json:"check_name"`
				File     string `json:"file_path"`
				Resource string
			} `json:"failed_checks"`
		}
	}
	if err := json.Unmarshal(text, &report); err != nil || report.Summary.Passed < 1000 {
		t.Fatalf("%d passed, %v", report.Summary.Passed, err)
	}
	used := map[string]bool{}
	for _, f := range report.Results.Failed {
		object := f.Resource[strings.LastIndexByte(f.Resource, '.')+1:]
		if name := names[filepath.Base(f.File)]; unexplained(findings(), used, f.ID, object, name) {
			t.Errorf("%s: %s: %s %s", name, f.Resource, f.ID, f.Name)
		}
	}
	checkUsed(t, findings(), used)
}
