package redisx_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"blindseq/kit/redistest"
	"blindseq/kit/redisx"

	"github.com/redis/go-redis/v9"
)

func TestAMemoryKnowsAnIDForItsLifeAndIsBounded(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redistest.Redis) {
		const life, most = time.Second, 10
		keys := []string{"newer", "older"}
		remember := redis.NewScript(redisx.MemoryLua + `remember(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4])`)
		recall := redis.NewScript(redisx.MemoryLua + `return recall(KEYS[1], KEYS[2], ARGV[1]) or ''`)
		put := func(id string) {
			t.Helper()
			if err := remember.Run(t.Context(), r.Client, keys, id, "of "+id, life.Milliseconds(), most).Err(); err != nil && !errors.Is(err, redis.Nil) {
				t.Fatal(err)
			}
		}
		known := func(id string) bool {
			t.Helper()
			value, err := recall.Run(t.Context(), r.Client, keys, id).Text()
			if err != nil || value != "" && value != "of "+id {
				t.Fatalf("%s: %q, %v", id, value, err)
			}
			return value != ""
		}
		for n := range 100 {
			put(fmt.Sprint(n))
			for last := n; last >= 0 && last > n-most; last-- {
				if !known(fmt.Sprint(last)) {
					t.Fatalf("after %d, %d is forgotten", n, last)
				}
			}
		}
		if size := r.Client.HLen(t.Context(), "newer").Val() + r.Client.HLen(t.Context(), "older").Val(); size > 2*most {
			t.Errorf("%d ids are remembered", size)
		}
		if n := r.Client.DBSize(t.Context()).Val(); n != 2 {
			t.Errorf("there are %d keys", n)
		}

		for last := 'a'; last < 'f'; last++ {
			put(string(last))
			r.FastForward(life * 3 / 4) // a quarter of its life is left when the next one comes
			put(string(last + 1))
			if !known(string(last)) {
				t.Errorf("%c was forgotten before its time", last)
			}
		}
		r.FastForward(2*life + life/10)
		if known("f") {
			t.Error("an id is remembered for ever")
		}
	})
}
