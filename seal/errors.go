package seal

import "errors"

// The reasons to refuse a sealed transaction, in the order in which they are examined: the first one wins. Each error's
// text is the reason that APIs show.
var (
	// ErrType: the first byte is missing or not Type.
	ErrType = errors.New("type")
	// ErrEncoding: not the one strict RLP encoding of fourteen strings of their sizes.
	ErrEncoding = errors.New("encoding")
	// ErrSize: the payload's length is that of no size class.
	ErrSize = errors.New("size")
	// ErrChain: sealed for another chain.
	ErrChain = errors.New("chain")
	// ErrKey: sealed to a key that is unknown or not in force.
	ErrKey = errors.New("key")
	// ErrPoint: a field is no canonical point or scalar, or is the identity.
	ErrPoint = errors.New("point")
	// ErrProof: the proof does not hold, so the sender need not know what is inside.
	ErrProof = errors.New("proof")
	// ErrSignature: not signed by the submitter, or not in the one accepted form.
	ErrSignature = errors.New("signature")
)

// The reasons why a checked transaction is unopenable.
var (
	// ErrPayload: the payload does not decrypt.
	ErrPayload = errors.New("payload")
	// ErrPadding: the payload decrypts to bytes that are no padded transaction.
	ErrPadding = errors.New("padding")
	// ErrSeed: sealing again with the seed inside gives other bytes.
	ErrSeed = errors.New("seed")
)

// What else can be wrong.
var (
	// ErrTx: a transaction to seal is empty or too long.
	ErrTx = errors.New("transaction length out of range")
	// ErrKeys: public keys or a threshold that cannot work, or contradict each other.
	ErrKeys = errors.New("inconsistent keys")
	// ErrSecret: bytes that are no secret, or not the secret of the public key beside them.
	ErrSecret = errors.New("invalid secret")
	// ErrErased: the secret was erased.
	ErrErased = errors.New("secret erased")
	// ErrShare: a share is no point, or its proof does not hold.
	ErrShare = errors.New("share does not hold")
	// ErrTooFewShares, ErrDuplicateShare and ErrUnknownAuthority: the shares cannot be combined.
	ErrTooFewShares     = errors.New("not enough shares")
	ErrDuplicateShare   = errors.New("two shares of one authority")
	ErrUnknownAuthority = errors.New("unknown authority")
	// ErrOpening: sealing again with an opening gives other bytes.
	ErrOpening = errors.New("opening does not hold")
)
