package testaddr_test

import (
	"net"
	"testing"

	"blindseq/kit/testaddr"
)

func TestEachAddressIsGivenOnceAndIsFree(t *testing.T) {
	s, given := testaddr.New(), map[string]bool{}
	for range 500 {
		address, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if given[address] {
			t.Fatalf("%s was given twice", address)
		}
		given[address] = true
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := testaddr.Next(t), testaddr.Next(t); a == b {
		t.Errorf("%s was given twice", a)
	}
}
