import { Sealer, type Committee } from '@blindseq/seal';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import type { Rpc } from './rpc';

// The last account of the development genesis. Its key is public knowledge.
const key = '0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6';
const amount = 10n ** 18n;

type Item = Uint8Array | Item[];

/** pay sends an amount, sealed for a committee if there is one, and returns what to follow it by. */
export async function pay(rpc: Rpc, to: string, committee?: Committee): Promise<{ name: string; text: string }> {
  const from = '0x' + bytesToHex(keccak_256(secp256k1.getPublicKey(hexToBytes(key.slice(2)), false).subarray(1)).subarray(12));
  const [chainId, nonce, block] = await Promise.all([
    rpc.call<string>('eth_chainId'), rpc.call<string>('eth_getTransactionCount', from, 'pending'),
    rpc.call<{ baseFeePerGas: string }>('eth_getBlockByNumber', 'latest', false),
  ]);
  const raw = sign({ chainId: BigInt(chainId), nonce: BigInt(nonce), feeCap: 4n * BigInt(block.baseFeePerGas) + 10n ** 9n, to });
  const began = performance.now();
  const took = () => `${Math.round(performance.now() - began)} ms`;
  if (!committee) {
    const name = await rpc.call<string>('eth_sendRawTransaction', raw);
    return { name, text: `Sent in plain, and acknowledged after ${took()}.` };
  }
  let sealedAfter = '';
  const sealer = new Sealer({ rpc: requestOf(rpc), committee, submitter: key, onSealed: () => void (sealedAfter = took()) });
  const { id } = await sealer.send(raw);
  return { name: id, text: `Sealed after ${sealedAfter}, and acknowledged after ${took()}.` };
}

/** requestOf is what the package takes: an answered error has its code. */
const requestOf = (rpc: Rpc) => ({ method, params }: { method: string; params?: unknown }) => rpc.call(method, ...((params ?? []) as unknown[]));

interface Transfer {
  chainId: bigint;
  nonce: bigint;
  feeCap: bigint;
  to: string;
}

/** sign makes a transfer of type 2. */
export function sign({ chainId, nonce, feeCap, to }: Transfer): string {
  const fields: Item[] = [uint(chainId), uint(nonce), uint(1n), uint(feeCap), uint(21_000n), hexToBytes(to.slice(2)), uint(amount), uint(0n), []];
  const type = Uint8Array.of(2);
  const signed = secp256k1.sign(keccak_256(concatBytes(type, encode(fields))), hexToBytes(key.slice(2)), { prehash: false, lowS: true, format: 'recovered' });
  const [v, r, s] = [signed.subarray(0, 1), signed.subarray(1, 33), signed.subarray(33)].map((b) => uint(BigInt('0x' + bytesToHex(b)))) as [Uint8Array, Uint8Array, Uint8Array];
  return '0x' + bytesToHex(concatBytes(type, encode([...fields, v, r, s])));
}

/** uint is minimal big-endian. */
function uint(n: bigint): Uint8Array {
  const digits = n.toString(16);
  return n === 0n ? new Uint8Array() : hexToBytes(digits.length % 2 ? '0' + digits : digits);
}

/** encode is RLP. */
function encode(item: Item): Uint8Array {
  if (item instanceof Uint8Array && item.length === 1 && item[0]! < 0x80) return item;
  const [base, content] = item instanceof Uint8Array ? [0x80, item] : [0xc0, concatBytes(...item.map(encode))];
  if (content.length < 56) return concatBytes(Uint8Array.of(base + content.length), content);
  const length = uint(BigInt(content.length));
  return concatBytes(Uint8Array.of(base + 55 + length.length), length, content);
}

