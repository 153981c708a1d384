package sequencer

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"blindseq/kit/config"
	"blindseq/kit/content"
)

func TestDefaultsAreThoseOfTheOriginAndTheLimits(t *testing.T) {
	var c Config
	if err := config.Defaults(&c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.RPCAddress != "" || c.GRPCAddress != "127.0.0.1:7105" || c.HTTPAddress != "127.0.0.1:7205" ||
		c.FirstNumber != 1 || c.PreblockTime != 0 || c.MaxContentBytes != content.MaxBlueprintBytes {
		t.Fatalf("defaults %+v", c)
	}
}

func TestPreblockTimeIsADurationOrMilliseconds(t *testing.T) {
	for arg, want := range map[string]time.Duration{"500": 500 * time.Millisecond, "0": 0, "2s": 2 * time.Second, "1m30s": 90 * time.Second} {
		var c Config
		if _, _, err := config.Parse("dsn-node", "", &c, []string{"--preblock-time", arg}, &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
		if got := time.Duration(c.PreblockTime); got != want {
			t.Errorf("%s is %s", arg, got)
		}
	}
}

func TestConfigurationThatCannotWorkIsRefused(t *testing.T) {
	for _, args := range []string{
		"--preblock-time=soon", "--preblock-time=-1s", "--preblock-time=2h", "--first-number=0", "--first-number=18446744073709551615",
		"--max-content-bytes=0", "--max-content-bytes=506497", "--max-subscribers=0", "--keyholders=127.0.0.1:1", "--committee-file=c.json", "--keyholder-timeout=1ms", "--tls-cert=a.pem",
	} {
		flag, _, _ := strings.Cut(args, "=")
		_, _, err := config.Parse("dsn-node", "", &Config{}, []string{args}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", args, err)
		}
	}
	with := []string{"--keyholders=127.0.0.1:1", "--committee-file=c.json"}
	_, _, err := config.Parse("dsn-node", "", &Config{}, with, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "--identity-file is required") {
		t.Errorf("without a key: %v", err)
	}
	if _, _, err = config.Parse("dsn-node", "", &Config{}, append(with, "--identity-file=k"), &bytes.Buffer{}); err != nil {
		t.Errorf("with a key: %v", err)
	}
}
