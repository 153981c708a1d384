// What keyholders and sequencer do with a sealed transaction: shares, their proofs, combining, opening. The package itself only
// seals and checks; tests need the other side, and the Go tests compare it with theirs (serve.mjs).
import { bytes, concat, equal, hex } from '../dist/bytes.js';
import { check, cipher, classOf, headerOf, idOf, maxTxBytes, parseFields, sealBound, typed } from '../dist/format.js';
import { decodePoint, decodeScalar, G, hash, hashScalar, invert, mod, Point, scalarBytes } from '../dist/group.js';
import { encode } from '../dist/rlp.js';

const scalar = (b) => decodeScalar(bytes(b, 'a secret', 32));

export const shareOf = (raw, secret) => decodePoint(parseFields(bytes(raw, 'sealed'))[7]).multiplyUnsafe(scalar(secret)).toBytes();

/** combine takes [{ authority, point }] to z. */
export function combine(shares) {
  let z = Point.ZERO;
  for (const { authority: i, point } of shares) {
    let lambda = 1n;
    for (const { authority: j } of shares) {
      if (i !== j) lambda = mod(lambda * BigInt(j + 1) * invert(BigInt(j - i)));
    }
    z = z.add(decodePoint(point).multiplyUnsafe(lambda));
  }
  return z.toBytes();
}

/** proofOf returns A ‖ B ‖ f, and the k it is made with. */
export function proofOf(raw, authority, secret, random) {
  const fields = parseFields(bytes(raw, 'sealed'));
  const id = idOf(fields.slice(0, 13));
  const [x, u] = [scalar(secret), decodePoint(fields[7])];
  const k = hashScalar('k', bytes(secret, 'a secret'), id, fields[7], bytes(random, 'random'));
  const [A, B, D, Yi] = [G.multiply(k), u.multiplyUnsafe(k), u.multiplyUnsafe(x), G.multiply(x)].map((p) => p.toBytes());
  const e = hashScalar('share', id, Uint8Array.of(authority), Yi, fields[7], D, A, B);
  return { k: scalarBytes(k), proof: concat(A, B, scalarBytes(mod(k + e * x))) };
}

function unpad(p) {
  const n = Number('0x' + hex(p.subarray(0, 4)).slice(2));
  if (n === 0 || n > maxTxBytes || 4 + n > p.length || classOf(4 + n) !== p.length) throw new Error('padding');
  if (p.subarray(4 + n).some((x) => x !== 0)) throw new Error('padding');
  return p.subarray(4, 4 + n);
}

/** open opens a checked transaction with z, and seals it again. It throws payload, padding or seed. */
export function open(raw, key, z) {
  check(raw, key);
  const fields = parseFields(bytes(raw, 'sealed'));
  const [h, Y] = [encode(fields.slice(0, 7)), bytes(key.key, 'key')];
  let plain;
  try {
    plain = cipher(hash('key', h, Y, fields[7], z).subarray(0, 32), h).decrypt(fields[12]);
  } catch {
    throw new Error('payload');
  }
  const [seed, tx] = [plain.slice(0, 32), unpad(plain.subarray(32)).slice()];
  if (!equal(typed(sealBound(headerOf(fields), Y, seed, tx)), typed(fields.slice(0, 13)))) throw new Error('seed');
  return { seed, tx };
}
