// The group and the hashes of format 2. Group, hashes, cipher and curve are those of the @noble libraries.
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { concat, fixed, toNumber } from './bytes.js';

export const Point: typeof ristretto255.Point = ristretto255.Point;
export type Point = InstanceType<typeof ristretto255.Point>;

export const order: bigint = Point.Fn.ORDER;
export const mod = (n: bigint): bigint => ((n % order) + order) % order;
export const invert = (n: bigint): bigint => Point.Fn.inv(mod(n));

/** hash is H(tag, p1, …). The lengths make the input of every list of parts different. */
export function hash(tag: string, ...parts: Uint8Array[]): Uint8Array {
  const t = utf8ToBytes('blindseq/seal/v2/' + tag);
  return sha512(concat(fixed(t.length, 1), t, ...parts.flatMap((p) => [fixed(p.length, 8), p])));
}

const littleEndian = (b: Uint8Array): bigint => toNumber(Uint8Array.from(b).reverse());

export const hashScalar = (tag: string, ...parts: Uint8Array[]): bigint => mod(littleEndian(hash(tag, ...parts)));

export const scalarBytes = (n: bigint): Uint8Array => fixed(n, 32).reverse();

/** decodeScalar returns undefined for what is not below the group's order. */
export function decodeScalar(b: Uint8Array): bigint | undefined {
  const n = littleEndian(b);
  return n < order ? n : undefined;
}

/** decodePoint makes every check of RFC 9496, and refuses the identity: undefined. */
export function decodePoint(b: Uint8Array): Point | undefined {
  try {
    const p = Point.fromBytes(b);
    return p.is0() ? undefined : p;
  } catch {
    return undefined;
  }
}

export const G: Point = Point.BASE;

let second: Point | undefined;

/** secondG is Ḡ: nobody knows its logarithm. */
export function secondG(): Point {
  second ??= ristretto255_hasher.deriveToCurve!(hash('second-generator')) as Point;
  return second;
}
