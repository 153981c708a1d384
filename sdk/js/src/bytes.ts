import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import { SealError } from './errors.js';

export { concatBytes as concat };

export type Hex = `0x${string}`;

/** Quantity is a whole number: as such, or as decimal or 0x text. */
export type Quantity = bigint | number | string;

export const hex = (b: Uint8Array): Hex => `0x${bytesToHex(b)}`;

export const toNumber = (b: Uint8Array): bigint => BigInt('0x0' + bytesToHex(b));

/** bytes reads hex, with or without 0x, and copies bytes. */
export function bytes(of: string | Uint8Array, what: string, size?: number): Uint8Array {
  let out: Uint8Array;
  try {
    out = typeof of === 'string' ? hexToBytes(of.replace(/^0x/, '')) : Uint8Array.from(of);
  } catch {
    throw new SealError(`${what} is not hex`);
  }
  if (size !== undefined && out.length !== size) throw new SealError(`${what} has ${out.length} bytes, must be ${size}`);
  return out;
}

/** uint64 reads a number that eight bytes hold. */
export function uint64(of: Quantity, what: string): bigint {
  let n = -1n;
  try {
    if (of !== '') n = BigInt(of);
  } catch {
    // refused below
  }
  if (n < 0n || n >= 1n << 64n) throw new SealError(`${what} is ${of}, must be a whole number of at most 64 bits`);
  return n;
}

/** uint is minimal big-endian; 0 is empty. */
export function uint(n: bigint): Uint8Array {
  const digits = n.toString(16);
  return n === 0n ? new Uint8Array() : hexToBytes(digits.length % 2 ? '0' + digits : digits);
}

export const fixed = (n: bigint | number, size: number): Uint8Array => hexToBytes(n.toString(16).padStart(2 * size, '0'));

export const equal = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((x, i) => x === b[i]);
