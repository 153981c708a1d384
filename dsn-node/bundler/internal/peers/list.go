package peers

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// member is a bundler of a list.
type member struct {
	name    string
	address string // of its gRPC
	leaving bool   // it is no account's home
}

// List are the bundlers of one operator, this one among them.
type List struct {
	members []member // by name
	self    int
	hash    common.Hash
}

// Parse reads a list: "name=host:port" for each bundler, and the names of those that are leaving. self is the name of this one.
func Parse(chain uint64, self string, peers, leaving []string) (*List, error) {
	l := &List{self: -1}
	for _, peer := range peers {
		name, address, ok := strings.Cut(peer, "=")
		if _, _, err := net.SplitHostPort(address); !ok || name == "" || err != nil {
			return nil, fmt.Errorf("peer %q is not like bundler-0=bundler-0:7107", peer)
		}
		l.members = append(l.members, member{name: name, address: address})
	}
	slices.SortFunc(l.members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	for i, m := range l.members {
		if i > 0 && l.members[i-1].name == m.name {
			return nil, fmt.Errorf("peer %q is named twice", m.name)
		}
		if m.name == self {
			l.self = i
		}
	}
	if l.self < 0 {
		return nil, fmt.Errorf("this bundler, %q, is not among the peers", self)
	}
	if err := l.leave(leaving); err != nil {
		return nil, err
	}
	l.hash = l.sum(chain)
	return l, nil
}

func (l *List) leave(names []string) error {
	for _, name := range names {
		i := slices.IndexFunc(l.members, func(m member) bool { return m.name == name })
		if i < 0 {
			return fmt.Errorf("%q, which is leaving, is not among the peers", name)
		}
		l.members[i].leaving = true
	}
	if !slices.ContainsFunc(l.members, func(m member) bool { return !m.leaving }) {
		return errors.New("all peers are leaving")
	}
	return nil
}

// sum is the same for bundlers whose lists give each account the same home.
func (l *List) sum(chain uint64) common.Hash {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, chain))
	for _, m := range l.members {
		fmt.Fprintf(h, "%q %t ", m.name, m.leaving)
	}
	return common.Hash(h.Sum(nil))
}

// home is the member that keeps an account's transactions: that with the highest hash of both (rendezvous hashing), so that another
// member takes over accounts from each of the others alike, and moves no other.
func (l *List) home(account common.Address) (home int) {
	var highest [sha256.Size]byte
	home = -1
	for i, m := range l.members {
		if m.leaving {
			continue
		}
		weight := sha256.Sum256(append([]byte(m.name), account[:]...))
		if home < 0 || slices.Compare(weight[:], highest[:]) > 0 {
			home, highest = i, weight
		}
	}
	return home
}

// others are the members besides this one.
func (l *List) others() (all []int) {
	for i := range l.members {
		if i != l.self {
			all = append(all, i)
		}
	}
	return all
}
