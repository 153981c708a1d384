package lock_test

import (
	"context"
	"fmt"

	"blindseq/kit/lock"
	"blindseq/kit/redisx"

	"github.com/alicebob/miniredis/v2"
)

// A holder works under the lock's context, and hands the token on to whatever decides: it refuses an older one.
func Example() {
	server, err := miniredis.Run()
	if err != nil {
		panic(err)
	}
	defer server.Close()
	rdb, err := redisx.Open(redisx.Config{URL: "redis://" + server.Addr(), Deployment: "example"})
	if err != nil {
		panic(err)
	}
	defer rdb.Close()

	locker := lock.New(rdb, lock.Options{Name: "consumption", Holder: "producer-0"})
	ctx := context.Background()
	for range 2 {
		held, err := locker.Acquire(ctx, lock.Request{Floor: 41}) // the token will be above the last one that was used
		if err != nil {
			panic(err)
		}
		fmt.Println("token", held.Token(), "held:", held.Check() == nil)
		if err := held.Release(ctx); err != nil {
			panic(err)
		}
	}
	// Output:
	// token 42 held: true
	// token 43 held: true
}
