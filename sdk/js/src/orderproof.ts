import { utf8ToBytes } from '@noble/hashes/utils.js';
import { bytes, concat, equal, fixed, hex, uint64, type Hex } from './bytes.js';
import type { Committee } from './committee.js';
import { SealError } from './errors.js';
import { idOf, parseFields, sealedType } from './format.js';
import { encode } from './rlp.js';
import { keccak, recover } from './signature.js';

/** OrderProof is the answer of te_getOrderProof. */
export interface OrderProof {
  hash: string;
  number: string;
  position: string;
  previousBlockHash: string;
  timestamp: string;
  delayedTransactions: string[] | null;
  transactions: string[] | null;
  listHash: string;
  chainId: string;
  committeeHash: string;
  previousPayloadHash: string;
  baseFeePerGas: string;
  view: string;
  attestations: Signed[] | null;
  locks: Signed[] | null;
}

interface Signed {
  authority: string;
  signature: string;
}

/** Place is where a transaction stands in the order. */
export interface Place {
  /** The block's number. */
  number: bigint;
  position: number;
  /** What was ordered: the bytes, and the id if they are a sealed transaction. */
  raw: Hex;
  id?: Hex;
}

const lastSecond = 253402300799n; // of the year 9999

/**
 * verifyOrderProof returns the place that a proof shows, or throws. Nothing of who made the proof is believed: a quorum of the
 * committee attested and locked this list for this number. `of` is the id of a sealed transaction, or the hash of a plain one.
 */
export function verifyOrderProof(proof: OrderProof, committee: Committee, of: string): Place {
  try {
    return verify(proof, committee, of.toLowerCase());
  } catch (err) {
    throw new SealError(`verify order of ${of}: ${(err as Error).message}`, { cause: err });
  }
}

function verify(p: OrderProof, c: Committee, of: string): Place {
  const number = uint64(p.number, 'number');
  const position = Number(uint64(p.position, 'position'));
  const list = (p.transactions ?? []).map((t) => bytes(t, 'a transaction'));
  const raw = list[position];
  if (!raw || !equal(keccak(raw), bytes(p.hash, 'hash', 32))) throw new SealError('it is not in the list at this place');
  const id = raw[0] === sealedType ? hex(idOf(parseFields(raw).slice(0, 13))) : undefined;
  if (of !== (id ?? hex(keccak(raw)))) throw new SealError('another transaction stands at this place');
  const content = contentHash(p, number, list);
  if (!equal(content, bytes(p.listHash, 'listHash', 32))) throw new SealError("the list's hash is another one");
  checkQuorums(p, c, number, content);
  return { number, position, raw: hex(raw), ...(id && { id }) };
}

/** contentHash is keccak256(number ‖ base fee ‖ RLP [parent, [delayed hash, …], [transaction, …], timestamp]). */
function contentHash(p: OrderProof, number: bigint, list: Uint8Array[]): Uint8Array {
  const timestamp = uint64(p.timestamp, 'timestamp');
  if (timestamp > lastSecond) throw new SealError('the timestamp is after the year 9999');
  if (number === 0n || list.some((tx) => tx.length === 0)) throw new SealError('no content has number 0 or an empty transaction');
  const delayed = (p.delayedTransactions ?? []).map((d) => bytes(d, 'a delayed transaction', 32));
  const blueprint = encode([bytes(p.previousBlockHash, 'previousBlockHash', 32), delayed, list, fixed(timestamp, 8).reverse()]);
  return keccak(fixed(number, 8), fixed(uint64(p.baseFeePerGas, 'baseFeePerGas'), 8), blueprint);
}

function checkQuorums(p: OrderProof, c: Committee, number: bigint, content: Uint8Array): void {
  const own = bytes(c.hash, 'the committee hash', 32);
  const previous = bytes(p.previousPayloadHash, 'previousPayloadHash', 32);
  if (uint64(p.chainId, 'chainId') !== c.chainId || !equal(bytes(p.committeeHash, 'committeeHash', 32), own)) {
    throw new SealError('it is of another committee or chain');
  }
  if (number < c.firstNumber) throw new SealError(`the committee begins at ${c.firstNumber}`);
  if (number === c.firstNumber && previous.some((x) => x !== 0)) throw new SealError("the committee's first number has no predecessor");
  const payload = keccak(utf8ToBytes('blindseq/attestation/v1'), fixed(c.chainId, 8), own, fixed(number, 8), previous, content);
  const view = fixed(uint64(p.view, 'view'), 8);
  quorum(p.attestations ?? [], c, 'attestations', keccak(utf8ToBytes('blindseq/attestation/v2'), view, payload));
  quorum(p.locks ?? [], c, 'locks', keccak(utf8ToBytes('blindseq/lock/v2'), view, payload));
}

/** quorum checks that a quorum of members signed a digest, each once, by authority ascending. Signatures are v ‖ r ‖ s. */
function quorum(list: Signed[], c: Committee, what: string, digest: Uint8Array): void {
  if (list.length < c.quorum || list.length > c.members.length) throw new SealError(`${list.length} ${what}, the quorum is ${c.quorum}`);
  let last = -1n;
  for (const { authority, signature } of list) {
    const i = uint64(authority, 'authority');
    if (i <= last) throw new SealError(`authorities of ${what} are not ascending`);
    last = i;
    const member = c.members[Number(i)];
    const vrs = bytes(signature, 'a signature', 65);
    const by = recover(digest, concat(vrs.subarray(1), vrs.subarray(0, 1)));
    if (!member || !by || hex(by) !== member) throw new SealError(`${what}: not signed by authority ${i}`);
  }
}
