import { bytes, concat, equal, fixed, hex, toNumber, uint, type Hex } from './bytes.js';
import { SealError } from './errors.js';
import { decode, encode, type Item } from './rlp.js';
import { keccak, recover } from './signature.js';

/** Transaction is what is to be known of a signed transaction to seal it. */
export interface Transaction {
  raw: Uint8Array;
  hash: Hex;
  /** Its sender, by its signature. */
  from: Hex;
  chainId: bigint;
  nonce: bigint;
  gas: bigint;
  /** The most it pays for a unit of gas. */
  feeCap: bigint;
  /** The most it can cost its sender: value and gas at feeCap. */
  cost: bigint;
  /** As eth_getTransactionByHash shows it while it is in no block. */
  pending: Record<string, unknown>;
}

interface Parts {
  type: number;
  /** The fields in front of v, r and s. */
  fields: Item[];
  v: bigint;
  chainId: bigint;
}

/** readTransaction reads a signed transaction of type 0 (with a chain id), 1, 2 or 4. No others run when they are sealed. */
export function readTransaction(rawTx: string | Uint8Array): Transaction {
  const raw = bytes(rawTx, 'the transaction');
  try {
    return read(raw);
  } catch (err) {
    throw new SealError(`read transaction: ${(err as Error).message}`, { cause: err });
  }
}

const counts: Record<number, number> = { 0: 9, 1: 11, 2: 12, 4: 13 };

function read(raw: Uint8Array): Transaction {
  const type = raw[0] === undefined || raw[0] >= 0xc0 ? 0 : raw[0];
  const count = counts[type];
  if (count === undefined) throw new Error(`type ${type} cannot be sealed, only 0, 1, 2 and 4`);
  const all = decode(type ? raw.subarray(1) : raw);
  if (all instanceof Uint8Array || all.length !== count) throw new Error(`not a list of ${count} fields`);
  const { fields, v, chainId } = type ? typedParts(type, all) : legacyParts(all);
  const [r, s] = all.slice(-2).map((b) => text(b)) as [Uint8Array, Uint8Array];
  const unsigned = type ? concat(fixed(type, 1), encode(fields)) : encode([...fields, uint(chainId), uint(0n), uint(0n)]);
  const from = recover(keccak(unsigned), concat(fixed(toNumber(r), 32), fixed(toNumber(s), 32), fixed(v, 1)));
  if (!from) throw new Error('the signature is not valid');
  return describe(raw, { type, fields, v, chainId }, hex(from), r, s);
}

function typedParts(type: number, all: Item[]): Parts {
  return { type, fields: all.slice(0, -3), v: number(all.at(-3)!), chainId: number(all[0]!) };
}

function legacyParts(all: Item[]): Parts {
  const v = number(all[6]!);
  if (v < 35n) throw new Error('it has no chain id (EIP-155)');
  return { type: 0, fields: all.slice(0, 6), v: (v - 35n) % 2n, chainId: (v - 35n) / 2n };
}

function text(item: Item): Uint8Array {
  if (!(item instanceof Uint8Array)) throw new Error('a field is a list');
  return item;
}

function number(item: Item): bigint {
  const b = text(item);
  if (b[0] === 0 || b.length > 32) throw new Error('a number is not in its shortest form');
  return toNumber(b);
}

const quantity = (n: bigint): Hex => `0x${n.toString(16)}`;

/** describe names the fields. Those of type 0 begin with the nonce, those of the others with the chain id. */
function describe(raw: Uint8Array, parts: Parts, from: Hex, r: Uint8Array, s: Uint8Array): Transaction {
  const { type, v, chainId } = parts;
  const rest = type ? parts.fields.slice(1) : [...parts.fields];
  const nonce = number(rest.shift()!);
  const tip = type >= 2 ? number(rest.shift()!) : undefined;
  const [feeCap, gas] = [number(rest.shift()!), number(rest.shift()!)];
  const to = text(rest.shift()!);
  if (to.length !== 0 && to.length !== 20) throw new Error(`the recipient has ${to.length} bytes`);
  const value = number(rest.shift()!);
  const hash = hex(keccak(raw));
  const y = type ? v : v + 35n + 2n * chainId;
  const pending = {
    blockHash: null, blockNumber: null, transactionIndex: null, hash, from, type: quantity(BigInt(type)), chainId: quantity(chainId),
    nonce: quantity(nonce), gas: quantity(gas), gasPrice: quantity(feeCap), to: to.length ? hex(to) : null, value: quantity(value),
    input: hex(text(rest.shift()!)), v: quantity(y), r: quantity(toNumber(r)), s: quantity(toNumber(s)),
    ...(type && { yParity: quantity(v), accessList: accessList(rest.shift()!) }),
    ...(tip !== undefined && { maxFeePerGas: quantity(feeCap), maxPriorityFeePerGas: quantity(tip) }),
    ...(type === 4 && { authorizationList: authorizations(rest.shift()!) }),
  };
  return { raw, hash, from, chainId, nonce, gas, feeCap, cost: value + gas * feeCap, pending };
}

function list(item: Item): Item[] {
  if (item instanceof Uint8Array) throw new Error('a list is a string');
  return item;
}

function accessList(item: Item) {
  return list(item).map((entry) => {
    const [address, keys] = list(entry);
    return { address: hex(text(address!)), storageKeys: list(keys!).map((k) => hex(text(k))) };
  });
}

function authorizations(item: Item) {
  return list(item).map((entry) => {
    const [chainId, address, nonce, yParity, r, s] = list(entry);
    return {
      chainId: quantity(number(chainId!)), address: hex(text(address!)), nonce: quantity(number(nonce!)),
      yParity: quantity(number(yParity!)), r: quantity(number(r!)), s: quantity(number(s!)),
    };
  });
}

export const sameAddress = (a: Hex, b: Uint8Array): boolean => equal(bytes(a, 'the address', 20), b);
