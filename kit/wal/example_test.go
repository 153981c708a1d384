package wal_test

import (
	"errors"
	"fmt"
	"os"

	"blindseq/kit/wal"
)

// A record is durable when Append returns, and the number after the last is the only one it takes.
func Example() {
	dir, err := os.MkdirTemp("", "wal")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	log, err := wal.Open(dir, wal.Options{})
	if err != nil {
		panic(err)
	}
	for _, record := range []string{"one", "two"} {
		if err := log.Append(log.Next(), []byte(record)); err != nil {
			panic(err)
		}
	}
	if err := log.Append(7, []byte("seven")); err != nil {
		fmt.Println("7 is refused, the next is", log.Next())
	}
	if err := log.Close(); err != nil {
		panic(err)
	}

	log, err = wal.Open(dir, wal.Options{}) // after a restart
	if err != nil {
		panic(err)
	}
	defer log.Close()
	record, err := log.Read(2)
	fmt.Println(string(record), err)
	_, err = log.Read(3)
	fmt.Println(errors.Is(err, wal.ErrNotFound))
	// Output:
	// 7 is refused, the next is 3
	// two <nil>
	// true
}
