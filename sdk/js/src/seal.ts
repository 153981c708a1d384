import { bytes, hex, uint64, type Hex, type Quantity } from './bytes.js';
import { SealError } from './errors.js';
import { digestOf, idOf, keyIdOf, sealBound, typed, type Header } from './format.js';
import { signerOf, type Signer, type Submitter } from './signature.js';
import { readTransaction, sameAddress, type Transaction } from './tx.js';

/** SealOptions are what a sealed transaction needs beside the transaction. */
export interface SealOptions {
  /** The key to seal to, with its chain: a Committee is one. */
  key: { chainId: bigint; key: Hex; sealedGas?: bigint };
  /** Who signs the sealed transaction, and pays with its account if it sends garbage. */
  submitter: Submitter | Signer;
  /** The submitter's next seq (te_getNextSeq). */
  seq: Quantity;
  /** The last block number at which the transaction may be ordered: at most head + lifetime. */
  expiry: Quantity;
  /** The base fee of the next block: the fee in the header is not rounded below it. */
  baseFee?: Quantity;
  /** In place of the transaction's gas limit, rounded up. */
  gas?: Quantity;
  /** In place of the transaction's fee cap, rounded down. */
  fee?: Quantity;
  /**
   * Allow a submitter that is not the transaction's sender. When such a transaction ends without being executed, somebody who has
   * read it can have it executed later.
   */
  otherSender?: boolean;
  /** 32 secret random bytes, for tests only: by default from the system's generator. */
  seed?: string | Uint8Array;
}

/** Sealed is a sealed transaction. */
export interface Sealed {
  /** Its name for everybody: what the rollup answers when it is submitted. */
  id: Hex;
  /** The bytes to submit. */
  raw: Hex;
  header: Header;
  /** The hash of the transaction inside. Nobody else knows it before it is opened. */
  hash: Hex;
}

const gasClasses = [50_000n, 100_000n, 200_000n, 500_000n, 1_000_000n, 2_000_000n, 5_000_000n, 10_000_000n, 15_000_000n];
const mostGas = 1n << 24n; // of one transaction (EIP-7825)

/** roundGas rounds a gas limit up to one of a few classes, or to the most that the chain lets a sealed transaction have. */
export function roundGas(gas: bigint, sealedGas = mostGas): bigint {
  const most = sealedGas < mostGas ? sealedGas : mostGas;
  if (gas > most) throw new SealError(`gas limit ${gas} is too high for a sealed transaction, at most ${most}`);
  const rounded = gasClasses.find((c) => c >= gas) ?? most;
  return rounded < most ? rounded : most;
}

/** roundFee rounds a fee cap down to two digits, or to as many more as keep it at the base fee: below it, it would wait. */
export function roundFee(feeCap: bigint, baseFee = 0n): bigint {
  const most = (1n << 64n) - 1n;
  const fee = feeCap < most ? feeCap : most;
  let unit = 1n;
  while (fee / unit >= 100n) unit *= 10n;
  while (unit > 1n && fee - (fee % unit) < baseFee) unit /= 10n;
  return fee - (fee % unit);
}

/** seal seals a signed transaction, so that nobody can read it before its place in the order is fixed. It sends nothing. */
export async function seal(rawTx: string | Uint8Array, options: SealOptions): Promise<Sealed> {
  return sealTransaction(readTransaction(rawTx), options);
}

export async function sealTransaction(tx: Transaction, o: SealOptions): Promise<Sealed> {
  const signer = 'sign' in Object(o.submitter) && (o.submitter as Signer).address instanceof Uint8Array ? (o.submitter as Signer) : signerOf(o.submitter as Submitter);
  if (tx.chainId !== o.key.chainId) throw new SealError(`the transaction is for chain ${tx.chainId}, the key is of chain ${o.key.chainId}`);
  if (!o.otherSender && !sameAddress(tx.from, signer.address)) {
    throw new SealError(`the submitter ${hex(signer.address)} is not the sender ${tx.from}: only what its own sender sealed is safe when it fails (otherSender allows it)`);
  }
  const key = bytes(o.key.key, 'the key', 32);
  const header: Header = {
    chainId: o.key.chainId, keyId: hex(keyIdOf(o.key.chainId, key)), submitter: hex(signer.address), seq: uint64(o.seq, 'seq'),
    gas: o.gas === undefined ? roundGas(tx.gas, o.key.sealedGas) : uint64(o.gas, 'gas'),
    fee: o.fee === undefined ? roundFee(tx.feeCap, uint64(o.baseFee ?? 0n, 'baseFee')) : uint64(o.fee, 'fee'),
    expiry: uint64(o.expiry, 'expiry'),
  };
  if (header.gas < tx.gas) throw new SealError(`gas ${header.gas} is below the transaction's limit ${tx.gas}`);
  if (header.fee > tx.feeCap) throw new SealError(`fee ${header.fee} is above the transaction's fee cap ${tx.feeCap}`);
  return { ...(await sealBytes(tx.raw, header, key, signer, o.seed)), header, hash: tx.hash };
}

/** sealBytes seals any bytes. */
export async function sealBytes(tx: Uint8Array, header: Header, key: Uint8Array, signer: Signer, seed?: string | Uint8Array): Promise<{ id: Hex; raw: Hex }> {
  const drawn = seed === undefined ? crypto.getRandomValues(new Uint8Array(32)) : bytes(seed, 'the seed', 32);
  const bound = sealBound(header, key, drawn, tx);
  drawn.fill(0);
  const id = idOf(bound);
  return { id: hex(id), raw: hex(typed([...bound, await signer.sign(digestOf(id))])) };
}
