package e2e

import (
	"bufio"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")
	codeBlock  = regexp.MustCompile("(?s)```js\n(.*?)```")
	localURL   = regexp.MustCompile(`http://localhost:\d+/`)
)

// The tutorial's commands, as they stand on the page, in a fresh copy of the folders that it uses; then its dapp in a real browser. Only the
// chain is on other ports than make run's.
func TestTheTutorialFromNothingToASealedSwapInABrowser(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/tutorial.md")
	must(t, err)
	var commands []string
	for _, block := range shellBlock.FindAllStringSubmatch(string(page), -1) {
		commands = append(commands, block[1])
	}
	if len(commands) < 4 || commands[0] != "make run\n" || !strings.Contains(commands[len(commands)-1], "npm test") {
		t.Fatalf("the tutorial has other commands than this test runs: %q", commands)
	}
	root := t.TempDir()
	for _, folder := range []string{"sdk/js", "examples/swap", "e2e/demo/contracts"} {
		copyFolder(t, "../"+folder, filepath.Join(root, folder))
	}
	env := runDevnet(t, filepath.Join(root, "data"))
	for _, one := range env {
		if url, ok := strings.CutPrefix(one, "BLINDSEQ_E2E_RPC="); ok {
			env = append(env, "BLINDSEQ_RPC="+url)
		}
	}
	last := len(commands) - 1
	served := serveTutorial(t, root, strings.Join(commands[1:last], ""), env)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	test := exec.CommandContext(ctx, "bash", "-ec", commands[last])
	test.Dir = root
	test.Env = append(test.Environ(), append(env, "BLINDSEQ_E2E_PAGE="+served)...)
	if out, err := test.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", commands[last], err, out)
	}
}

// serveTutorial runs commands, the last of which serves the dapp until the test ends, and returns the address that it prints.
func serveTutorial(t *testing.T, root, commands string, env []string) (url string) {
	t.Helper()
	run := exec.CommandContext(t.Context(), "bash", "-ec", commands)
	run.Dir = root
	run.Env = append(run.Environ(), append(env, "NO_COLOR=1")...)
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // npm does not hand a signal on
	run.Cancel = func() error { return syscall.Kill(-run.Process.Pid, syscall.SIGTERM) }
	run.WaitDelay = 10 * time.Second
	run.Stderr = t.Output()
	out, err := run.StdoutPipe()
	must(t, err)
	must(t, run.Start())
	t.Cleanup(func() { _ = run.Wait() }) // it is killed
	var said []string
	for lines := bufio.NewScanner(out); url == "" && lines.Scan(); {
		said = append(said, lines.Text())
		url = localURL.FindString(lines.Text())
	}
	if url == "" {
		t.Fatalf("the dapp is not served:\n%s", strings.Join(said, "\n"))
	}
	return url
}

// copyFolder copies what a fresh clone has of a folder.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	must(t, filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains([]string{"node_modules", "dist", "committee.json", "deployed.json"}, entry.Name()) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, relative), 0o700)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, relative), content, 0o600)
	}))
}

func TestTheTutorialShowsTheCodeThatRuns(t *testing.T) {
	page, err := os.ReadFile("../docs/tutorial.md")
	must(t, err)
	var code strings.Builder
	files, err := filepath.Glob("../examples/swap/*.mjs")
	must(t, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		must(t, err)
		code.Write(text)
	}
	blocks := codeBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 4 {
		t.Fatalf("%d blocks of code", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(code.String(), block[1]) {
			t.Errorf("examples/swap has no such code:\n%s", block[1])
		}
	}
}
