import { utf8ToBytes } from '@noble/hashes/utils.js';
import { bytes, fixed, hex, uint, uint64, type Hex, type Quantity } from './bytes.js';
import { CommitteeChanged, SealError } from './errors.js';
import { keyIdOf } from './format.js';
import { decodePoint, hashScalar, invert, mod, Point } from './group.js';
import { encode } from './rlp.js';
import { keccak } from './signature.js';

/** Committee is the keyholders that a wallet trusts, their key, and the limits of the chain. It is plain data with text in it. */
export interface Committee {
  chainId: bigint;
  /** What transactions are sealed to: a point of ristretto255. */
  key: Hex;
  keyId: Hex;
  hash: Hex;
  threshold: number;
  quorum: number;
  /** The keyholders' addresses, by authority. */
  members: Hex[];
  firstNumber: bigint;
  /** For how many blocks a sealed transaction may be ordered. */
  lifetime: bigint;
  /** The gas of all sealed transactions in a block. */
  sealedGas: bigint;
}

/** CommitteeFile is committee.json. Its hash is computed, so whoever knows the hash may have it from anywhere. */
export interface CommitteeFile {
  chain_id: Quantity;
  first_number: Quantity;
  lifetime: Quantity;
  sealed_gas: Quantity;
  sequencers: string[];
  relays?: string[];
  threshold: number;
  key: string;
  members: { address: string; share: string }[];
}

/** EncryptionKey is the answer of te_getEncryptionKey. Nothing in it proves that it is right. */
export interface EncryptionKey {
  chainId: string;
  key: string;
  keyId: string;
  threshold: number;
  quorum: number;
  members: string[];
  committeeHash: string;
  firstNumber: string;
  lifetime: string;
  sealedGas: string;
  head: string;
  baseFeePerGas: string;
}

export const quorumOf = (n: number): number => n - Math.floor((n + 1) / 4);

/**
 * readCommittee reads committee.json: the keys must lie on one polynomial, and with `hash` given the file must have this hash. It is
 * the way to a committee that no server can forge.
 */
export function readCommittee(file: CommitteeFile | string, hash?: string): Committee {
  const c: CommitteeFile = typeof file === 'string' ? JSON.parse(file) : file;
  const shares = c.members.map((m, i) => bytes(m.share, `the key of member ${i}`, 32));
  const members = c.members.map((m, i) => bytes(m.address, `the address of member ${i}`, 20));
  const accounts = (list: string[] = []) => list.map((a) => bytes(a, 'an account', 20));
  const key = bytes(c.key, 'the key', 32);
  const [chainId, firstNumber, lifetime, sealedGas] = [
    uint64(c.chain_id, 'chain_id'), uint64(c.first_number, 'first_number'), uint64(c.lifetime, 'lifetime'), uint64(c.sealed_gas, 'sealed_gas'),
  ];
  const fields = [
    uint(chainId), uint(firstNumber), uint(lifetime), uint(sealedGas), uint(BigInt(c.threshold)), key,
    members.map((m, i) => [m, shares[i]!]), accounts(c.sequencers), accounts(c.relays),
  ];
  const own = hex(keccak(utf8ToBytes('blindseq/committee/v3'), encode(fields)));
  if (hash !== undefined && hash.toLowerCase() !== own) throw new SealError(`read committee: its hash is ${own}, not ${hash}`);
  const committee = made({ chainId, firstNumber, lifetime, sealedGas, key, threshold: c.threshold, members, hash: own });
  if (new Set(shares.map(hex)).size !== shares.length) throw new SealError('read committee: two members have the same key');
  if (!lieOn(key, shares, c.threshold - 1) || lieOn(key, shares, c.threshold - 2)) {
    throw new SealError(`read committee: the keys are not on one polynomial of degree ${c.threshold - 1}`);
  }
  return committee;
}

/**
 * trustCommittee takes the answer of te_getEncryptionKey for right, once: keep what it returns, and pin it from then on. Whoever
 * answered could have given a key of its own, so prefer readCommittee.
 */
export function trustCommittee(answer: EncryptionKey): Committee {
  const key = bytes(answer.key, 'the key', 32);
  const committee = made({
    chainId: uint64(answer.chainId, 'chainId'), firstNumber: uint64(answer.firstNumber, 'firstNumber'), key,
    lifetime: uint64(answer.lifetime, 'lifetime'), sealedGas: uint64(answer.sealedGas, 'sealedGas'), threshold: answer.threshold,
    members: answer.members.map((m) => bytes(m, 'a member', 20)), hash: hex(bytes(answer.committeeHash, 'the committee hash', 32)),
  });
  if (!decodePoint(key)) throw new SealError('read committee: the key is no point');
  checkPinned(committee, answer);
  return committee;
}

type Raw = Pick<Committee, 'chainId' | 'firstNumber' | 'lifetime' | 'sealedGas' | 'threshold' | 'hash'> & { key: Uint8Array; members: Uint8Array[] };

function made(c: Raw): Committee {
  const [n, members] = [c.members.length, c.members.map(hex)];
  const quorum = quorumOf(n);
  if (n < 1 || n > 255) throw new SealError(`read committee: ${n} members, must be 1 to 255`);
  if (!Number.isInteger(c.threshold) || c.threshold <= n - quorum || c.threshold > quorum) {
    throw new SealError(`read committee: threshold ${c.threshold} of ${n} members, must be over ${n - quorum} and at most ${quorum}`);
  }
  if (new Set(members).size !== n || members.some((m) => /^0x0*$/.test(m))) throw new SealError('read committee: an address is zero or occurs twice');
  if (c.firstNumber === 0n || c.lifetime === 0n || c.sealedGas < 21000n) throw new SealError('read committee: a limit is out of range');
  const { chainId, hash, threshold, firstNumber, lifetime, sealedGas } = c;
  return { chainId, key: hex(c.key), keyId: hex(keyIdOf(chainId, c.key)), hash, threshold, quorum, members, firstNumber, lifetime, sealedGas };
}

/** checkPinned throws CommitteeChanged unless a server names the pinned committee. */
export function checkPinned(pinned: Committee, offered: EncryptionKey): void {
  const quantity = (n: bigint): string => `0x${n.toString(16)}`;
  const want: [keyof EncryptionKey, string][] = [
    ['committeeHash', pinned.hash], ['key', pinned.key], ['keyId', pinned.keyId], ['chainId', quantity(pinned.chainId)],
    ['members', pinned.members.join()], ['threshold', String(pinned.threshold)], ['quorum', String(pinned.quorum)],
    ['firstNumber', quantity(pinned.firstNumber)], ['lifetime', quantity(pinned.lifetime)], ['sealedGas', quantity(pinned.sealedGas)],
  ];
  for (const [field, value] of want) {
    const got = String(offered[field]).toLowerCase();
    if (got !== value) throw new CommitteeChanged(field, value, got);
  }
}

/**
 * lieOn says whether the keys at 0, 1, …, n lie on a polynomial of at most this degree: the sum over all of key · m(j) / Π (j-l) is
 * the identity for every polynomial m of degree n - degree - 1. A random m finds others but for a chance of 1/ℓ.
 */
function lieOn(key: Uint8Array, shares: Uint8Array[], degree: number): boolean {
  if (degree < 0) return false;
  const n = shares.length;
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const m = Array.from({ length: n - degree }, (_, i) => hashScalar('random', seed, fixed(i, 2)));
  let sum = Point.ZERO;
  for (const [j, share] of [key, ...shares].entries()) {
    const point = decodePoint(share);
    if (!point) throw new SealError(`read committee: the key of ${j ? `member ${j - 1}` : 'all'} is no point`);
    const at = m.reduceRight((y, coefficient) => mod(y * BigInt(j) + coefficient), 0n);
    sum = sum.add(point.multiplyUnsafe(mod(at * weight(j, n))));
  }
  return sum.is0();
}

function weight(j: number, n: number): bigint {
  let product = 1n;
  for (let l = 0; l <= n; l++) if (l !== j) product = mod(product * BigInt(j - l));
  return invert(product);
}

/** toText writes a committee as JSON, to keep it. */
export const committeeToText = (c: Committee): string => JSON.stringify(c, (_, v) => (typeof v === 'bigint' ? v.toString() : v));

/** committeeFromText reads what committeeToText wrote. */
export function committeeFromText(text: string): Committee {
  const c = JSON.parse(text) as { [K in keyof Committee]: Committee[K] extends bigint ? string : Committee[K] };
  const key = bytes(c.key, 'the key', 32);
  if (!decodePoint(key)) throw new SealError('read committee: the key is no point');
  return made({
    chainId: uint64(c.chainId, 'chainId'), firstNumber: uint64(c.firstNumber, 'firstNumber'), lifetime: uint64(c.lifetime, 'lifetime'),
    sealedGas: uint64(c.sealedGas, 'sealedGas'), threshold: c.threshold, hash: hex(bytes(c.hash, 'the committee hash', 32)), key,
    members: c.members.map((m) => bytes(m, 'a member', 20)),
  });
}

