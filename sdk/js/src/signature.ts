import { secp256k1 } from '@noble/curves/secp256k1.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytes, concat, equal, hex, toNumber, type Hex } from './bytes.js';
import { SealError } from './errors.js';

export const keccak = (...parts: Uint8Array[]): Uint8Array => keccak_256(concat(...parts));

/** recover returns the address that signed a digest with r ‖ s ‖ v, low s and v 0 or 1; undefined for every other form. */
export function recover(digest: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
  try {
    const v = signature[64]!;
    const parsed = secp256k1.Signature.fromBytes(signature.subarray(0, 64), 'compact');
    if (signature.length !== 65 || v > 1 || parsed.hasHighS()) return undefined;
    return addressOf(parsed.addRecoveryBit(v).recoverPublicKey(digest).toBytes(false));
  } catch {
    return undefined;
  }
}

const addressOf = (publicKey: Uint8Array): Uint8Array => keccak(publicKey.subarray(1)).subarray(12);

/** Signer signs digests as they are, for one address. */
export interface Signer {
  address: Uint8Array;
  sign(digest: Uint8Array): Promise<Uint8Array>;
}

/**
 * Submitter is who signs a sealed transaction: a private key, a local account of viem, or a Wallet of ethers. Wallets that sign no
 * raw digest (browser extensions, most hardware wallets) cannot be one.
 */
export type Submitter =
  | Hex
  | Uint8Array
  | { address: string; sign?: (parameters: { hash: Hex }) => Promise<string> }
  | { address: string; signingKey: { sign(digest: string): { r: string; s: string; yParity: number } } };

export function signerOf(of: Submitter): Signer {
  if (typeof of === 'string' || of instanceof Uint8Array) return keySigner(bytes(of, "the submitter's key", 32));
  const address = bytes(of.address, "the submitter's address", 20);
  const raw = rawSigner(of);
  const sign = async (digest: Uint8Array): Promise<Uint8Array> => {
    const signature = normal(bytes(await raw(hex(digest)), 'the signature', 65));
    const by = recover(digest, signature);
    if (!by || !equal(by, address)) throw new SealError(`the signature is not of the submitter ${hex(address)}`);
    return signature;
  };
  return { address, sign };
}

function rawSigner(of: Exclude<Submitter, string | Uint8Array>): (digest: Hex) => Promise<string> {
  if ('signingKey' in of) {
    return async (digest) => {
      const { r, s, yParity } = of.signingKey.sign(digest);
      return r + s.slice(2) + (yParity ? '01' : '00');
    };
  }
  if (!of.sign) throw new SealError('the submitter cannot sign a digest: use a private key or a local account');
  return (digest) => of.sign!({ hash: digest });
}

function keySigner(key: Uint8Array): Signer {
  const address = addressOf(secp256k1.getPublicKey(key, false));
  const sign = async (digest: Uint8Array): Promise<Uint8Array> => {
    const signed = secp256k1.sign(digest, key, { prehash: false, lowS: true, format: 'recovered' });
    return concat(signed.subarray(1), signed.subarray(0, 1));
  };
  return { address, sign };
}

/** normal makes v 0 or 1 and s low: other libraries write 27 or 28, and some sign with a high s. */
function normal(signature: Uint8Array): Uint8Array {
  const out = Uint8Array.from(signature);
  if (out[64]! >= 27) out[64]! -= 27;
  const s = toNumber(out.subarray(32, 64));
  const n = secp256k1.Point.Fn.ORDER;
  if (s <= n / 2n) return out;
  const low = (n - s).toString(16).padStart(64, '0');
  return concat(out.subarray(0, 32), bytes(low, 's'), Uint8Array.of(out[64]! ^ 1));
}
