package voter

import (
	"os"
	"testing"

	"blindseq/kit/wal"
	"blindseq/seal/attest"
	"blindseq/seal/committee/committeetest"

	"github.com/ethereum/go-ethereum/common"
)

// BenchmarkPlainBlock is what a block with nothing sealed costs one of four keyholders, without the disk.
func BenchmarkPlainBlock(b *testing.B) {
	l := loneOf(b, committeetest.New(b, 4, 3, 5))
	l.o.FS = unsynced{}
	h := l.restored()
	number, previous := uint64(4), common.Hash{}
	for b.Loop() {
		b.StopTimer()
		number++
		c := contentOf(number, 0)
		p := l.proposal(c, previous)
		final, hash := l.certify(c, previous)
		cert := attest.Final(final.GetCertificate(), nil)
		b.StartTimer()
		if a, err := h.Attest(b.Context(), p); err != nil || a.Refusal != 0 {
			b.Fatal(a, err)
		}
		if _, err := h.Lock(b.Context(), cert, nil); err != nil {
			b.Fatal(err)
		}
		previous = hash
	}
}

// unsynced is the operating system's file system without fsync.
type unsynced struct{}

func (unsynced) open(path string, flag int) (wal.File, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	return unsyncedFile{f}, err
}

func (u unsynced) Create(path string) (wal.File, error) {
	return u.open(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY)
}
func (u unsynced) Open(path string) (wal.File, error) { return u.open(path, os.O_WRONLY) }
func (unsynced) Rename(from, to string) error         { return os.Rename(from, to) }
func (unsynced) SyncDir(string) error                 { return nil }

type unsyncedFile struct{ *os.File }

func (unsyncedFile) Sync() error { return nil }
