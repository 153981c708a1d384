package requestid

import (
	"errors"
	"strings"
	"testing"
)

func TestNewIsValidAndNeverRepeats(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		id := New()
		if err := Valid(id); err != nil {
			t.Fatal(err)
		}
		if seen[id] {
			t.Fatalf("%s was made twice", id)
		}
		seen[id] = true
	}
}

func TestValid(t *testing.T) {
	for _, id := range []string{"a", "A-1_b.c", "6f9619ff-8b86-d011-b42d-00c04fc964ff", strings.Repeat("x", MaxLength)} {
		if err := Valid(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, id := range []string{"", " ", "a b", "a\n", "a:b", "{a}", "é", "a\x00", strings.Repeat("x", MaxLength+1)} {
		if err := Valid(id); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: got %v, want ErrInvalid", id, err)
		}
	}
}

func FuzzValid(f *testing.F) {
	f.Add("abc")
	f.Add("a\r\nb")
	f.Fuzz(func(t *testing.T, id string) {
		if Valid(id) != nil {
			return
		}
		if id == "" || len(id) > MaxLength || strings.ContainsAny(id, "{}:* \r\n\t\x00\"'\\/") {
			t.Fatalf("%q was let through", id)
		}
	})
}
