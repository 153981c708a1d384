package seal

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Key is what transactions are sealed to: a committee's public key on a chain.
type Key struct {
	chainID uint64
	point   Point // Y
	y       *element
	table   *table
	id      KeyID
}

// NewKey decodes a public key. A wallet that has only this much can seal; it trusts whoever it has the key from.
func NewKey(chainID uint64, point Point) (*Key, error) {
	y, err := decodePoint(point[:])
	if err != nil {
		return nil, fmt.Errorf("decode public key: %w: %w", ErrKeys, err)
	}
	wide := hash("key-id", minimal(chainID), point[:])
	return &Key{chainID: chainID, point: point, y: y, table: newTable(y), id: KeyID(wide[:KeyIDSize])}, nil
}

// ChainID is the chain the key belongs to.
func (k *Key) ChainID() uint64 { return k.chainID }

// ID names the key in headers: the first eight bytes of H("key-id", uint(chain_id), Y).
func (k *Key) ID() KeyID { return k.id }

// Point is the encoded key.
func (k *Key) Point() Point { return k.point }

// minimal is the number big-endian without leading zeros; zero is empty.
func minimal(n uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, n)
	return slices.Clip(b[leadingZeros(b):])
}

func leadingZeros(b []byte) int {
	for i, x := range b {
		if x != 0 {
			return i
		}
	}
	return len(b)
}

// Ring is the keys of a chain that are in force. They never change; other keys in force are another ring. It remembers public keys
// of submitters, which changes what a check costs and never its result.
type Ring struct {
	chainID    uint64
	keys       map[KeyID]*Key
	submitters submitters
}

// NewRing puts keys together. It refuses a key of another chain, and two keys with the same id: a transaction would name
// both, and they open it to different things.
func NewRing(chainID uint64, keys ...*Key) (*Ring, error) {
	r := &Ring{chainID, make(map[KeyID]*Key, len(keys)), newSubmitters()}
	for _, k := range keys {
		other, taken := r.keys[k.id]
		switch {
		case k.chainID != chainID:
			return nil, fmt.Errorf("make key ring: %w: key %v is of chain %d, not %d", ErrKeys, k.id, k.chainID, chainID)
		case taken && other.point != k.point:
			return nil, fmt.Errorf("make key ring: %w: two keys have the id %v", ErrKeys, k.id)
		}
		r.keys[k.id] = k
	}
	return r, nil
}
