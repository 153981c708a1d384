package leak

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blindseq/kit/redistest"

	"github.com/redis/go-redis/v9"
)

var secret = []byte("\x00\xffsecret \"bytes\"\r\n\\\x80")

func search(t *testing.T) *Search {
	t.Helper()
	s, err := NewSearch(Needle{"the secret", secret})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASecretIsFoundInEveryForm(t *testing.T) {
	s := search(t)
	inJSON, err := json.Marshal(map[string][]byte{"a": append([]byte("some before "), secret...)})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"as it is":         "before" + string(secret) + "after",
		"hex":              fmt.Sprintf("0x01%x02", secret),
		"upper case hex":   fmt.Sprintf("%X", secret),
		"decimal":          new(big.Int).SetBytes(secret).String(),
		"JSON of bytes":    string(inJSON),
		"base64 at 1":      base64.StdEncoding.EncodeToString(append([]byte("1"), secret...)),
		"base64 at 2":      base64.StdEncoding.EncodeToString(append([]byte("12"), secret...)),
		"base64 for a URL": base64.URLEncoding.EncodeToString(secret),
	} {
		if len(s.In([]byte(text))) == 0 {
			t.Errorf("%s: not found in %q", name, text)
		}
	}
	if found := s.In(append(bytes.Clone(secret[:len(secret)-1]), 'x')); len(found) != 0 {
		t.Errorf("found %v in what differs", found)
	}
	if _, err := NewSearch(Needle{"short", secret[:4]}); err == nil {
		t.Error("four bytes are looked for")
	}
}

func TestASecretIsFoundInAFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "file")
	for i, content := range []string{"nothing", "a" + string(secret)} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		scan, err := search(t).Files(dir)
		if err != nil || scan.Files != 1 || len(scan.Found) != i {
			t.Fatalf("got %+v, %v", scan, err)
		}
	}
}

func TestASecretIsFoundInARequest(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "answer") }))
	defer server.Close()
	r := Record(strings.TrimPrefix(server.URL, "http://"))
	defer r.Close()
	resp, err := http.Post("http://"+r.Address()+"/path", "text/plain", bytes.NewReader(secret))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() // only its status matters
	if all := r.All(); resp.StatusCode != http.StatusOK || len(all) != 1 || len(search(t).In(all[0])) == 0 {
		t.Fatalf("status %d, kept %q", resp.StatusCode, all)
	}
}

func TestASecretIsFoundInRedisWhateverItsType(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		for name, put := range map[string]func(key string) error{
			"string": func(k string) error { return r.Client.Set(t.Context(), k, secret, 0).Err() },
			"hash":   func(k string) error { return r.Client.HSet(t.Context(), k, "field", secret).Err() },
			"list":   func(k string) error { return r.Client.RPush(t.Context(), k, "a", secret).Err() },
			"set":    func(k string) error { return r.Client.SAdd(t.Context(), k, secret).Err() },
			"zset":   func(k string) error { return r.Client.ZAdd(t.Context(), k, redis.Z{Member: secret}).Err() },
			"stream": func(k string) error {
				return r.Client.XAdd(t.Context(), &redis.XAddArgs{Stream: k, Values: map[string]any{"a": secret}}).Err()
			},
			"key": func(k string) error { return r.Client.Set(t.Context(), k+string(secret), 1, 0).Err() },
		} {
			if err := put("k"); err != nil {
				t.Fatal(err)
			}
			values, err := Values(t.Context(), r.Client)
			if err != nil || len(search(t).In(values)) == 0 {
				t.Errorf("%s: not found in %q (%v)", name, values, err)
			}
			if err := r.Client.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		}
		values, err := Values(t.Context(), r.Client)
		if err != nil || len(values) != 0 {
			t.Errorf("in an empty one: %q, %v", values, err)
		}
	})
}

func TestASecretIsFoundInACommand(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		if !strings.Contains(t.Name(), "/redis") {
			return // the other one has no MONITOR
		}
		options, err := redis.ParseURL(r.URL)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Monitor(t.Context(), options.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() // only read
		if err := r.Client.Publish(t.Context(), "channel", secret).Err(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.After(10 * time.Second); len(search(t).In(c.All())) == 0; {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-deadline:
				t.Fatalf("not found in %q", c.All())
			}
		}
	})
}
