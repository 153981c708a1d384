// The second implementation of sealed transactions. Nothing of it is shared with the Go code: group, hashes, cipher and
// signatures are those of the @noble libraries. It is for tests: it does not run in constant time.
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js';

const { Point } = ristretto255;
const order = Point.Fn.ORDER;
const mod = (n) => ((n % order) + order) % order;

const fromLE = (bytes) => BigInt('0x' + bytesToHex(Uint8Array.from(bytes).reverse()));
const scalarBytes = (n) => hexToBytes(n.toString(16).padStart(64, '0')).reverse();
const fixedBE = (n, size) => hexToBytes(BigInt(n).toString(16).padStart(2 * size, '0'));

export const uint = (n) => {
  const hex = BigInt(n).toString(16);
  return BigInt(n) === 0n ? new Uint8Array() : hexToBytes(hex.length % 2 ? '0' + hex : hex);
};

const hash = (tag, ...parts) => {
  const t = utf8ToBytes('blindseq/seal/v2/' + tag);
  return sha512(concatBytes(Uint8Array.of(t.length), t, ...parts.flatMap((p) => [fixedBE(p.length, 8), p])));
};
const hashScalar = (tag, ...parts) => mod(fromLE(hash(tag, ...parts)));

const G = Point.BASE;
const secondG = ristretto255_hasher.deriveToCurve(hash('second-generator'));
secondG.precompute(8, false);

// keyPoint keeps the points of keys: a committee's is used many times.
const keyPoints = new Map();
const keyPoint = (Y) => {
  const name = bytesToHex(Y);
  if (!keyPoints.has(name)) {
    const point = decodePoint(Y);
    point.precompute(8, false);
    keyPoints.set(name, point);
  }
  return keyPoints.get(name);
};

// RLP, as far as it is needed.
const prefix = (base, size) => {
  if (size < 56) return Uint8Array.of(base + size);
  const length = uint(size);
  return concatBytes(Uint8Array.of(base + 55 + length.length), length);
};
const rlpString = (b) => (b.length === 1 && b[0] < 0x80 ? b : concatBytes(prefix(0x80, b.length), b));
const rlpList = (fields) => {
  const content = concatBytes(...fields.map(rlpString));
  return concatBytes(prefix(0xc0, content.length), content);
};

// decodeList reads a list of strings and refuses every form but the shortest.
const decodeList = (b) => {
  const item = (at) => {
    const first = b[at];
    if (first === undefined) throw new Error('encoding');
    const list = first >= 0xc0;
    if (first < 0x80) return { list, from: at, to: at + 1 };
    const short = first - (list ? 0xc0 : 0x80);
    let from = at + 1;
    let size = short;
    if (short > 55) {
      const digits = b.subarray(from, from + short - 55);
      size = digits.length < short - 55 ? NaN : Number('0x' + bytesToHex(digits));
      from += short - 55;
      if (!(size >= 56) || digits[0] === 0) throw new Error('encoding');
    }
    if (from + size > b.length || (!list && size === 1 && b[from] < 0x80)) throw new Error('encoding');
    return { list, from, to: from + size };
  };
  const whole = item(0);
  if (!whole.list || whole.to !== b.length) throw new Error('encoding');
  const fields = [];
  for (let at = whole.from; at < whole.to; ) {
    const field = item(at);
    if (field.list) throw new Error('encoding');
    fields.push(b.subarray(field.from, field.to));
    at = field.to;
  }
  return fields;
};

const classes = [256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 98304, 131072, 163840];

const pad = (tx) => {
  const p = new Uint8Array(classes.find((c) => c >= 4 + tx.length));
  p.set(fixedBE(tx.length, 4));
  p.set(tx, 4);
  return p;
};

const unpad = (p) => {
  const n = Number('0x' + bytesToHex(p.subarray(0, 4)));
  if (n === 0 || n > 131072 || 4 + n > p.length) throw new Error('padding');
  if (classes.find((c) => c >= 4 + n) !== p.length || p.subarray(4 + n).some((x) => x !== 0)) throw new Error('padding');
  return p.subarray(4, 4 + n);
};

export const keyID = (chainID, Y) => hash('key-id', uint(chainID), Y).subarray(0, 8);

const headerFields = (h) => [uint(h.chain_id), h.key_id, h.submitter, uint(h.seq), uint(h.gas), uint(h.fee), uint(h.expiry)];

const aead = (K, h) => chacha20poly1305(K, new Uint8Array(12), h);

// sealBound returns the first thirteen fields.
const sealBound = (header, Y, seed, tx) => {
  const fields = headerFields(header);
  const h = rlpList(fields);
  const p = pad(tx);
  const r = hashScalar('r', h, Y, seed, p);
  const u = G.multiply(r).toBytes();
  const uBar = secondG.multiply(r).toBytes();
  const z = keyPoint(Y).multiply(r).toBytes();
  const c = aead(hash('key', h, Y, u, z).subarray(0, 32), h).encrypt(concatBytes(seed, p));
  const s = hashScalar('s', h, Y, seed, u, c);
  const w = G.multiply(s).toBytes();
  const wBar = secondG.multiply(s).toBytes();
  const e = hashScalar('e', h, Y, u, uBar, w, wBar, c);
  return [...fields, u, uBar, w, wBar, scalarBytes(mod(s + r * e)), c];
};

const typed = (fields) => concatBytes(Uint8Array.of(0x5e), rlpList(fields));
const idOf = (bound) => keccak_256(typed(bound));
const digestOf = (id) => keccak_256(concatBytes(utf8ToBytes('blindseq/seal/v2/submit'), id));

export const seal = (header, Y, seed, tx, submitterKey) => {
  const bound = sealBound(header, Y, seed, tx);
  const id = idOf(bound);
  const signed = secp256k1.sign(digestOf(id), submitterKey, { prehash: false, lowS: true, format: 'recovered' });
  return { id, sealed: typed([...bound, concatBytes(signed.subarray(1), signed.subarray(0, 1))]) };
};

// decodePoint leaves every check of RFC 9496 to the library, and refuses the identity.
const decodePoint = (b) => {
  try {
    const p = Point.fromBytes(b);
    if (!p.is0()) return p;
  } catch {
    // the reason is the same
  }
  throw new Error('point');
};

const sizes = [null, 8, 20, null, null, null, null, 32, 32, 32, 32, 32, null, 65];

export const parse = (b) => {
  if (b[0] !== 0x5e) throw new Error('type');
  const fields = decodeList(b.subarray(1));
  if (fields.length !== 14) throw new Error('encoding');
  for (const [i, field] of fields.entries()) {
    if (sizes[i] !== null ? field.length !== sizes[i] : i !== 12 && (field.length > 8 || field[0] === 0)) throw new Error('encoding');
  }
  if (!classes.includes(fields[12].length - 48)) throw new Error('size');
  return fields;
};

// check throws the first reason to refuse.
export const check = (b, chainID, Y) => {
  const fields = parse(b);
  if (bytesToHex(fields[0]) !== bytesToHex(uint(chainID))) throw new Error('chain');
  if (bytesToHex(fields[1]) !== bytesToHex(keyID(chainID, Y))) throw new Error('key');
  const [u, uBar, w, wBar] = fields.slice(7, 11).map(decodePoint);
  const f = fromLE(fields[11]);
  if (f >= order) throw new Error('point');
  const h = rlpList(fields.slice(0, 7));
  const e = hashScalar('e', h, Y, ...fields.slice(7, 11), fields[12]);
  if (f === 0n || e === 0n) throw new Error('proof');
  if (!G.multiply(f).equals(w.add(u.multiplyUnsafe(e)))) throw new Error('proof');
  if (!secondG.multiply(f).equals(wBar.add(uBar.multiplyUnsafe(e)))) throw new Error('proof');
  const id = idOf(fields.slice(0, 13));
  if (bytesToHex(signerOf(id, fields[13])) !== bytesToHex(fields[2])) throw new Error('signature');
  return { fields, h, id };
};

const signerOf = (id, signature) => {
  const recovered = concatBytes(signature.subarray(64), signature.subarray(0, 64));
  try {
    const parsed = secp256k1.Signature.fromBytes(recovered, 'recovered');
    if (signature[64] > 1 || parsed.hasHighS()) throw new Error('signature');
    const point = parsed.recoverPublicKey(digestOf(id));
    return keccak_256(point.toBytes(false).subarray(1)).subarray(12);
  } catch {
    throw new Error('signature');
  }
};

const invert = (n) => Point.Fn.inv(mod(n));

const combine = (shares) => {
  let z = Point.ZERO;
  for (const { authority: i, point } of shares) {
    let lambda = 1n;
    for (const { authority: j } of shares) {
      if (i !== j) lambda = mod(lambda * BigInt(j + 1) * invert(BigInt(j - i)));
    }
    z = z.add(decodePoint(point).multiplyUnsafe(lambda));
  }
  return z.toBytes();
};

// open checks, makes shares with the secrets, combines them, and seals again.
export const open = (b, chainID, Y, secrets) => {
  const { fields, h, id } = check(b, chainID, Y);
  const u = decodePoint(fields[7]);
  const shares = secrets.map(({ authority, secret }) => ({ authority, point: u.multiplyUnsafe(fromLE(secret)).toBytes() }));
  const z = combine(shares);
  let plain;
  try {
    plain = aead(hash('key', h, Y, fields[7], z).subarray(0, 32), h).decrypt(fields[12]);
  } catch {
    throw new Error('payload');
  }
  const seed = plain.subarray(0, 32);
  const tx = unpad(plain.subarray(32));
  const [chain_id, seq, gas, fee, expiry] = [0, 3, 4, 5, 6].map((i) => BigInt('0x0' + bytesToHex(fields[i])));
  const again = sealBound({ chain_id, key_id: fields[1], submitter: fields[2], seq, gas, fee, expiry }, Y, seed, tx);
  if (bytesToHex(typed(again)) !== bytesToHex(typed(fields.slice(0, 13)))) throw new Error('seed');
  return { seed, tx, id, shares, z };
};

export const proveShare = (b, authority, secret, random) => {
  const fields = parse(b);
  const id = idOf(fields.slice(0, 13));
  const x = fromLE(secret);
  const u = decodePoint(fields[7]);
  const k = hashScalar('k', secret, id, fields[7], random);
  const [A, B, D, Yi] = [G.multiply(k), u.multiplyUnsafe(k), u.multiplyUnsafe(x), G.multiply(x)].map((p) => p.toBytes());
  const e = hashScalar('share', id, Uint8Array.of(authority), Yi, fields[7], D, A, B);
  return concatBytes(A, B, scalarBytes(mod(k + e * x)));
};
