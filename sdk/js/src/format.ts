// Sealed transactions of format 2: what is encrypted, what everybody reads, and what is checked.
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { bytes, concat, equal, fixed, hex, toNumber, uint, type Hex } from './bytes.js';
import { InvalidSealed, SealError } from './errors.js';
import { decodePoint, decodeScalar, G, hash, hashScalar, mod, scalarBytes, secondG, type Point } from './group.js';
import { decode, encode } from './rlp.js';
import { keccak, recover } from './signature.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';

/** sealedType is the first byte of a sealed transaction. */
export const sealedType = 0x5e;

/** Header is what everybody can read of a sealed transaction. */
export interface Header {
  chainId: bigint;
  keyId: Hex;
  submitter: Hex;
  /** It counts the submitter's sealed transactions. */
  seq: bigint;
  /** An upper bound of the transaction's gas limit. */
  gas: bigint;
  /** A lower bound of the transaction's fee cap, in wei for a unit of gas. */
  fee: bigint;
  /** The last block number at which the transaction may be ordered. */
  expiry: bigint;
}

const classes = [256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 98304, 131072, 163840];

/** maxTxBytes is the largest transaction that can be sealed. */
export const maxTxBytes = 131072;

export const classOf = (n: number): number => classes.find((c) => c >= n) ?? 0;

function pad(tx: Uint8Array): Uint8Array {
  if (tx.length === 0 || tx.length > maxTxBytes) {
    throw new SealError(`the transaction has ${tx.length} bytes, must be 1 to ${maxTxBytes}`);
  }
  const p = new Uint8Array(classOf(4 + tx.length));
  p.set(fixed(tx.length, 4));
  p.set(tx, 4);
  return p;
}

export const keyIdOf = (chainId: bigint, key: Uint8Array): Uint8Array => hash('key-id', uint(chainId), key).subarray(0, 8);

const headerFields = (h: Header): Uint8Array[] => [
  uint(h.chainId), bytes(h.keyId, 'the key id', 8), bytes(h.submitter, 'the submitter', 20),
  uint(h.seq), uint(h.gas), uint(h.fee), uint(h.expiry),
];

export const cipher = (K: Uint8Array, h: Uint8Array) => chacha20poly1305(K, new Uint8Array(12), h);

/** points keeps the decoded keys: a committee's is used many times. */
const points = new Map<string, Point>();

export function keyPoint(key: Uint8Array): Point {
  const name = hex(key);
  let point = points.get(name);
  if (!point) {
    point = decodePoint(key);
    if (!point) throw new SealError(`${name} is no key`);
    if (points.size >= 16) points.clear(); // keys change rarely
    points.set(name, point);
  }
  return point;
}

/** sealBound returns the first thirteen fields: all but the signature. */
export function sealBound(header: Header, key: Uint8Array, seed: Uint8Array, tx: Uint8Array): Uint8Array[] {
  const fields = headerFields(header);
  const h = encode(fields);
  const p = pad(tx);
  const r = hashScalar('r', h, key, seed, p);
  if (r === 0n) throw new SealError('this seed gives a zero, take another one');
  const u = G.multiply(r).toBytes();
  const uBar = secondG().multiply(r).toBytes();
  const z = keyPoint(key).multiply(r).toBytes();
  const c = cipher(hash('key', h, key, u, z).subarray(0, 32), h).encrypt(concat(seed, p));
  const s = hashScalar('s', h, key, seed, u, c);
  if (s === 0n) throw new SealError('this seed gives a zero, take another one');
  const w = G.multiply(s).toBytes();
  const wBar = secondG().multiply(s).toBytes();
  const e = hashScalar('e', h, key, u, uBar, w, wBar, c);
  const f = mod(s + r * e);
  if (e === 0n || f === 0n) throw new SealError('this seed gives a zero, take another one');
  return [...fields, u, uBar, w, wBar, scalarBytes(f), c];
}

/** typed returns the bytes of a sealed transaction with these fields. */
export const typed = (fields: Uint8Array[]): Uint8Array => concat(fixed(sealedType, 1), encode(fields));

export const idOf = (bound: Uint8Array[]): Uint8Array => keccak(typed(bound));

/** digestOf is what the submitter signs. */
export const digestOf = (id: Uint8Array): Uint8Array => keccak(utf8ToBytes('blindseq/seal/v2/submit'), id);

const sizes = [undefined, 8, 20, undefined, undefined, undefined, undefined, 32, 32, 32, 32, 32, undefined, 65];
const payload = 12;
const overhead = 48; // seed and tag

/** parseFields reads the fourteen fields of a sealed transaction. */
export function parseFields(b: Uint8Array): Uint8Array[] {
  if (b[0] !== sealedType) throw new InvalidSealed('type');
  const fields = stringsOf(b.subarray(1));
  if (fields.length !== 14) throw new InvalidSealed('encoding', `${fields.length} fields`);
  for (const [i, field] of fields.entries()) {
    const size = sizes[i];
    const right = size !== undefined ? field.length === size : i === payload || (field.length <= 8 && field[0] !== 0);
    if (!right) throw new InvalidSealed('encoding', `field ${i}`);
  }
  const padded = fields[payload]!.length - overhead;
  if (padded <= 0 || classOf(padded) !== padded) throw new InvalidSealed('size');
  return fields;
}

function stringsOf(b: Uint8Array): Uint8Array[] {
  let list;
  try {
    list = decode(b);
  } catch (err) {
    throw new InvalidSealed('encoding', (err as Error).message);
  }
  if (list instanceof Uint8Array || !list.every((item) => item instanceof Uint8Array)) throw new InvalidSealed('encoding', 'not a list of strings');
  return list as Uint8Array[];
}

export function headerOf(fields: Uint8Array[]): Header {
  const [chainId, , , seq, gas, fee, expiry] = fields.slice(0, 7).map(toNumber) as [bigint, bigint, bigint, bigint, bigint, bigint, bigint];
  return { chainId, keyId: hex(fields[1]!), submitter: hex(fields[2]!), seq, gas, fee, expiry };
}

/** Parsed is a sealed transaction whose encoding is in order. Nothing else of it is known to be right. */
export interface Parsed {
  id: Hex;
  header: Header;
}

/** parse reads a sealed transaction. */
export function parse(raw: string | Uint8Array): Parsed {
  const fields = parseFields(bytes(raw, 'the sealed transaction'));
  return { id: hex(idOf(fields.slice(0, 13))), header: headerOf(fields) };
}

/** check examines a sealed transaction as anybody can, without a keyholder's share. It throws InvalidSealed with the first reason. */
export function check(raw: string | Uint8Array, key: { chainId: bigint; key: Hex }): Parsed {
  const fields = parseFields(bytes(raw, 'the sealed transaction'));
  const Y = bytes(key.key, 'the key', 32);
  const header = headerOf(fields);
  if (header.chainId !== key.chainId) throw new InvalidSealed('chain');
  if (!equal(fields[1]!, keyIdOf(key.chainId, Y))) throw new InvalidSealed('key');
  checkProof(fields, Y);
  const id = idOf(fields.slice(0, 13));
  const signer = recover(digestOf(id), fields[13]!);
  if (!signer || !equal(signer, fields[2]!)) throw new InvalidSealed('signature');
  return { id: hex(id), header };
}

/** checkProof checks f·G = w + e·u and f·Ḡ = w̄ + e·ū. */
function checkProof(fields: Uint8Array[], Y: Uint8Array): void {
  const [u, uBar, w, wBar] = fields.slice(7, 11).map(decodePoint);
  const f = decodeScalar(fields[11]!);
  if (!u || !uBar || !w || !wBar || f === undefined) throw new InvalidSealed('point');
  const e = hashScalar('e', encode(fields.slice(0, 7)), Y, ...fields.slice(7, 11), fields[payload]!);
  if (f === 0n || e === 0n) throw new InvalidSealed('proof');
  if (!G.multiplyUnsafe(f).equals(w.add(u.multiplyUnsafe(e)))) throw new InvalidSealed('proof');
  if (!secondG().multiplyUnsafe(f).equals(wBar.add(uBar.multiplyUnsafe(e)))) throw new InvalidSealed('proof');
}
