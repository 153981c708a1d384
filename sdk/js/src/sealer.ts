import { hex, uint64, type Hex } from './bytes.js';
import { checkPinned, type Committee, type EncryptionKey } from './committee.js';
import { NotExecuted, RpcError, SealError, Unanswered } from './errors.js';
import { sealedType } from './format.js';
import { verifyOrderProof, type OrderProof, type Place } from './orderproof.js';
import { allowed, shows, type Simulations } from './policy.js';
import { http, isRefusal, persist, sleep, type Request } from './rpc.js';
import { sealTransaction, type Sealed } from './seal.js';
import { signerOf, type Signer, type Submitter } from './signature.js';
import { readTransaction, sameAddress, type Transaction } from './tx.js';

/** SealerOptions are what a Sealer needs. */
export interface SealerOptions {
  /** JSON-RPC of the rollup: its URL, or a function as EIP-1193's request. Not that of a bundler: it needs none. */
  rpc: string | Request;
  /** The pinned committee. Nothing is sealed for another one. */
  committee: Committee;
  /** The account that sends and seals. */
  submitter: Submitter;
  /** Calls that show a transaction before it is ordered (eth_estimateGas, eth_call with a sender, …). Default: none is sent. */
  simulations?: Simulations;
  /** Seal transactions of other senders than the submitter too (see SealOptions.otherSender). */
  otherSender?: boolean;
  /** For how many blocks after the head a transaction may be ordered. Default: half of the chain's lifetime. */
  blocks?: number;
  /** For how many milliseconds a nonce ahead of its turn waits for those before it. Default: 10,000. */
  gapTimeout?: number;
  /** Called with each sealed transaction before it is submitted. Keep its bytes if the page may be closed: they can be sent again. */
  onSealed?: (sealed: Sealed) => void | Promise<void>;
}

/** Status is where a sealed transaction is. */
export interface Status {
  status: 'unknown' | 'sealed' | 'ordered' | 'opened' | 'executed' | 'ended';
  blockNumber?: string;
  /** Why it has ended, or waits. */
  reason?: string;
  transactionHash?: Hex;
  /** It was opened and has ended: sign a new transaction. */
  barred?: boolean;
}

/** Outcome is what became of a sealed transaction. */
export interface Outcome {
  status: 'executed' | 'ended';
  /** In which block, when a block decided. */
  blockNumber?: bigint;
  reason?: string;
  barred: boolean;
  /** Of the executed transaction, as eth_getTransactionReceipt gives it. */
  receipt?: Record<string, unknown>;
}

/** Sent is a sealed transaction on its way, with what is known of the one inside. */
interface Sent extends Sealed {
  tx: Transaction;
  /** The submitter is its sender. */
  own: boolean;
  /** It was submitted, and no answer says whether it arrived. */
  uncertain: boolean;
  /** Why it was not executed. */
  ended?: NotExecuted;
}

/** Situation is what the rollup says before a transaction is sealed. */
interface Situation {
  key: EncryptionKey;
  nextSeq: bigint;
  /** How many of the submitter's sealed transactions wait there. */
  waiting: bigint;
  /** Undefined for a sender that the rollup is not asked about. */
  nonce?: bigint;
  balance?: bigint;
}

/** NonceAhead: those before it were not sent yet, or are not known. */
class NonceAhead extends RpcError {}

const mostWaiting = 256; // transactions of this sealer that are in no block yet
const mostKept = 1024; // of those that are in a block, so that their hash is found
const renewals = 3;

/**
 * Sealer seals and submits the transactions of one account, and follows them. It asks the rollup about ids and about the submitter,
 * never about anything that is in a transaction before its place is fixed. One account has one Sealer at a time.
 */
export class Sealer {
  readonly address: Hex;
  readonly committee: Committee;
  readonly #o: SealerOptions;
  readonly #ask: Request;
  readonly #signer: Signer;
  /** By hash, in the order of their seqs: submitted, and not known to be executed or ended. */
  readonly #waiting = new Map<string, Sent>();
  /** By hash, the oldest first. */
  readonly #sent = new Map<string, Sent>();
  #lastOrdered: bigint | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** How many wait for nonces before theirs. */
  #ahead = 0;
  /** Resolves with the next transaction that is submitted. */
  #kept: Promise<void> = Promise.resolve();
  #notify: () => void = () => undefined;

  constructor(options: SealerOptions) {
    this.#o = options;
    this.#ask = typeof options.rpc === 'string' ? http(options.rpc) : options.rpc;
    this.#signer = signerOf(options.submitter);
    this.address = hex(this.#signer.address);
    this.committee = options.committee;
    this.#renew();
  }

  #renew(): void {
    this.#notify();
    this.#kept = new Promise((resolve) => (this.#notify = resolve));
  }

  async #call<T>(method: string, ...params: unknown[]): Promise<T> {
    return (await this.#ask({ method, params })) as T;
  }

  /**
   * send seals a signed transaction and submits it. It resolves when the rollup has it on disk. A nonce ahead of its turn waits for
   * those before it, as when several are sent at once, and is refused when they do not come in time.
   */
  async send(rawTx: string | Uint8Array): Promise<Sealed> {
    const tx = readTransaction(rawTx);
    const until = Date.now() + (this.#o.gapTimeout ?? 10_000);
    for (;;) {
      const kept = this.#kept;
      const turn = this.#turn.then(() => this.#send(tx));
      this.#turn = turn.catch(() => undefined);
      try {
        return await turn;
      } catch (err) {
        if (!(err instanceof NonceAhead) || this.#ahead >= mostWaiting || Date.now() >= until) throw err;
        await this.#another(kept, Math.min(until, Date.now() + 500));
      }
    }
  }

  /** another resolves when another transaction was submitted, or in time. */
  async #another(kept: Promise<void>, until: number): Promise<void> {
    const over = new AbortController();
    this.#ahead++;
    try {
      await Promise.race([kept, sleep(until - Date.now(), over.signal).catch(() => undefined)]);
    } finally {
      this.#ahead--;
      over.abort();
    }
  }

  async #send(tx: Transaction): Promise<Sealed> {
    await this.#settle();
    const before = this.#sent.get(tx.hash);
    if (before && !before.ended) return before; // it waits, or is executed
    if (this.#waiting.size >= mostWaiting) throw new RpcError(-32005, `${mostWaiting} transactions wait already; send again when some are in a block`);
    const own = sameAddress(tx.from, this.#signer.address);
    let at = await this.#situation(own);
    if (own) this.#judge(tx, at);
    for (let i = 0; i <= renewals; i++) {
      const sent = await this.#submit(tx, at, own);
      if (sent) return sent;
      at = await this.#situation(own);
    }
    throw new SealError('another program seals with the same account: no seq is free');
  }

  async #situation(own: boolean): Promise<Situation> {
    const [key, submitter, nonce, balance] = await persist(() => Promise.all([
      this.#call<EncryptionKey>('te_getEncryptionKey'), this.#call<{ nextSeq: Hex; waiting: { transactions?: Hex } }>('te_getSubmitter', this.address),
      own ? this.#call<Hex>('eth_getTransactionCount', this.address, 'latest') : undefined,
      own ? this.#call<Hex>('eth_getBalance', this.address, 'latest') : undefined,
    ]));
    checkPinned(this.committee, key);
    const [nextSeq, waiting] = [uint64(submitter.nextSeq, 'the next seq'), BigInt(submitter.waiting.transactions ?? 0)];
    return { key, nextSeq, waiting, ...(nonce && { nonce: BigInt(nonce) }), ...(balance && { balance: BigInt(balance) }) };
  }

  /** judge refuses what would be opened and end, as things stand: everybody could read it for nothing. */
  #judge(tx: Transaction, { key, waiting, nonce = 0n, balance = 0n }: Situation): void {
    if (waiting > BigInt(this.#waiting.size)) {
      throw new NonceAhead(-32000, 'transactions wait that another program sealed with this account, or this page before it was loaded again: the next nonce is known when they are in a block');
    }
    const next = this.#nextNonce(nonce);
    const spent = this.#ownWaiting().reduce((sum, s) => (s.tx.nonce < nonce ? sum : sum + s.tx.cost), 0n);
    const refuse = (text: string) => {
      throw new RpcError(-32000, text);
    };
    if (tx.nonce > next) throw new NonceAhead(-32000, `nonce too high: next nonce ${next}, tx nonce ${tx.nonce}; send the ones between first`);
    if (tx.nonce < nonce) refuse(`nonce too low: next nonce ${next}, tx nonce ${tx.nonce}`);
    if (tx.nonce < next) refuse(`a transaction with nonce ${tx.nonce} is sealed already and cannot be replaced: next nonce ${next}`);
    if (tx.feeCap < BigInt(key.baseFeePerGas)) refuse(`max fee per gas less than block base fee: ${tx.feeCap}, base fee ${BigInt(key.baseFeePerGas)}`);
    if (tx.cost + spent > balance) refuse(`insufficient funds for gas * price + value: balance ${balance}, tx cost ${tx.cost}, and ${spent} for those that wait`);
  }

  #ownWaiting(): Sent[] {
    return [...this.#waiting.values()].filter((s) => s.own);
  }

  #nextNonce(nonce: bigint): bigint {
    const taken = new Set(this.#ownWaiting().map((s) => s.tx.nonce));
    let next = nonce;
    while (taken.has(next)) next++;
    return next;
  }

  #expiry(at: Situation): bigint {
    const lifetime = this.committee.lifetime;
    const head = BigInt(at.key.head);
    const blocks = this.#o.blocks === undefined ? lifetime / 2n : BigInt(this.#o.blocks);
    let expiry = head + (blocks < lifetime ? blocks : lifetime);
    // The count of seqs begins again when none was ordered for a lifetime: this transaction must not have a place in the next count.
    if (at.nextSeq > 0n && this.#lastOrdered !== undefined && expiry > this.#lastOrdered + lifetime) expiry = this.#lastOrdered + lifetime;
    return expiry > head ? expiry : head + 1n;
  }

  /** submit seals and hands in. It returns undefined when the seq is used, and nothing of the transaction was accepted. */
  async #submit(tx: Transaction, at: Situation, own: boolean): Promise<Sent | undefined> {
    const sealed = await sealTransaction(tx, {
      key: this.committee, submitter: this.#signer, seq: at.nextSeq, expiry: this.#expiry(at), baseFee: at.key.baseFeePerGas,
      ...(this.#o.otherSender && { otherSender: true }),
    });
    await this.#o.onSealed?.(sealed);
    const sent: Sent = { ...sealed, tx, own, uncertain: false };
    try {
      await persist(() => this.#call('eth_sendRawTransaction', sealed.raw));
    } catch (err) {
      if (!isRefusal(err)) {
        sent.uncertain = true;
        this.#keep(sent);
        throw new Unanswered(sealed.id, sealed.raw, err);
      }
      if (!(await this.#explain(sealed, err))) return undefined;
    }
    return this.#keep(sent);
  }

  /** explain says what a refusal means: true if an earlier try arrived, false if the seq is used. It throws every other refusal. */
  async #explain(sealed: Sealed, refusal: unknown): Promise<boolean> {
    let next: bigint;
    let status: Status;
    try {
      next = await this.nextSeq(); // first: of what is below it, the status is known then
      status = await this.status(sealed.id);
    } catch {
      throw refusal;
    }
    if (status.status !== 'unknown') return true;
    if (sealed.header.seq < next) return false;
    throw refusal;
  }

  #keep(sent: Sent): Sent {
    this.#waiting.set(sent.hash, sent);
    this.#renew();
    this.#sent.delete(sent.hash);
    this.#sent.set(sent.hash, sent);
    for (const hash of this.#sent.keys()) {
      if (this.#sent.size <= mostKept) break;
      if (!this.#waiting.has(hash)) this.#sent.delete(hash);
    }
    return sent;
  }

  /**
   * settle submits again what may not have arrived, and forgets those at the front that are executed or have ended: they are ordered
   * in the order of their seqs.
   */
  async #settle(): Promise<void> {
    for (const sent of this.#waiting.values()) if (sent.uncertain) await this.#again(sent);
    for (const sent of this.#waiting.values()) {
      const at = await persist(() => this.status(sent.id));
      if (at.status !== 'executed' && at.status !== 'ended') return;
      this.#settled(sent, at);
    }
  }

  #settled(sent: Sent, at: Status): void {
    this.#waiting.delete(sent.hash);
    if (at.status === 'ended') sent.ended = new NotExecuted(sent.hash, at.reason ?? 'no reason given', at.barred === true);
    const number = at.blockNumber === undefined ? 0n : BigInt(at.blockNumber);
    if (number > (this.#lastOrdered ?? 0n)) this.#lastOrdered = number;
  }

  /** nextSeq asks for the seq of the submitter's next sealed transaction, after those in blocks and in the pool. */
  async nextSeq(): Promise<bigint> {
    return uint64(await this.#call<Hex>('te_getNextSeq', this.address), 'the next seq');
  }

  /** status asks where a sealed transaction is: by its id, or by the hash of one that this sealer sent. */
  status(idOrHash: string): Promise<Status> {
    return this.#call<Status>('te_getTransactionStatus', this.#nameOf(idOrHash));
  }

  /** nameOf is the id to ask with in place of a hash that only this sealer knows. */
  #nameOf(idOrHash: string): string {
    return this.#sent.get(idOrHash.toLowerCase())?.id ?? idOrHash;
  }

  /**
   * waitForOutcome resolves when a sealed transaction is executed or has ended. A transaction that the rollup no longer has, as when it
   * lost its disk, is submitted again, the same bytes, if this sealer sent it.
   */
  async waitForOutcome(idOrHash: string, options: { signal?: AbortSignal } = {}): Promise<Outcome> {
    const { signal } = options;
    const id = this.#nameOf(idOrHash);
    const sent = [...this.#sent.values()].find((s) => s.id === id);
    for (;;) {
      signal?.throwIfAborted();
      const at = await persist(() => this.status(id), signal);
      if (at.status === 'executed' || at.status === 'ended') return this.#outcome(id, sent, at);
      if (at.status === 'unknown' && !sent) throw new SealError(`sealed transaction ${id} is unknown to the rollup`);
      if (at.status === 'unknown') await this.#again(sent!);
      // The server answers when the transaction is in a block, or after about a second.
      const began = Date.now();
      const receipt = await persist(() => this.#call('te_awaitReceipt', id, 1000), signal);
      if (receipt === null && Date.now() - began < 200) await sleep(200, signal); // it did not wait: too many callers do
    }
  }

  /** again submits the same bytes. When they are refused for good, nothing of them can be ordered any more. */
  async #again(sent: Sent): Promise<void> {
    try {
      await persist(() => this.#call('eth_sendRawTransaction', sent.raw));
    } catch (err) {
      if (!isRefusal(err)) throw err;
      if ((await this.status(sent.id)).status === 'unknown') {
        this.#waiting.delete(sent.hash);
        this.#sent.delete(sent.hash);
        throw err;
      }
    }
    sent.uncertain = false;
  }

  async #outcome(id: string, sent: Sent | undefined, at: Status): Promise<Outcome> {
    if (sent) this.#settled(sent, at);
    const receipt = at.status === 'executed' ? await persist(() => this.#call<Record<string, unknown>>('eth_getTransactionReceipt', id)) : undefined;
    if (receipt && sent) checkReceipt(receipt, sent);
    return {
      status: at.status as Outcome['status'], barred: at.barred === true,
      ...(at.blockNumber !== undefined && { blockNumber: BigInt(at.blockNumber) }), ...(at.reason !== undefined && { reason: at.reason }),
      ...(receipt && { receipt }),
    };
  }

  /** orderProof asks for the proof of a transaction's place in the order, and verifies it against the pinned committee. */
  async orderProof(idOrHash: string): Promise<Place> {
    const id = this.#nameOf(idOrHash);
    return verifyOrderProof(await this.#call<OrderProof>('te_getOrderProof', id), this.committee, id);
  }

  /**
   * request serves a wallet library: what it sends is sealed, calls that show a transaction are refused unless `simulations` allows
   * them, and everything else passes.
   */
  readonly request: Request = async ({ method, params = [] }) => {
    const list = params as unknown[];
    const special = this.#special[method];
    if (special) return special(list);
    if (shows(method, list) && !allowed(this.#o.simulations ?? false, method, list)) {
      // Libraries take -32601 as: try without. The others show the text to the developer.
      const code = method === 'eth_estimateGas' || method === 'eth_call' ? -32000 : -32601;
      throw new RpcError(code, `${method} shows the transaction before its place in the order is fixed, so it was not sent: set the gas limit yourself, or allow it (option simulations)`);
    }
    return this.#ask({ method, params: list });
  };

  readonly #special: Record<string, (params: unknown[]) => Promise<unknown>> = {
    eth_sendRawTransaction: async (params) => {
      const raw = String(params[0]);
      if (raw.toLowerCase().startsWith(`0x${sealedType.toString(16)}`)) return this.#ask({ method: 'eth_sendRawTransaction', params });
      return (await this.send(raw)).hash;
    },
    eth_sendRawTransactionSync: async (params) => {
      const { hash } = await this.send(String(params[0]));
      const { receipt, reason = '', barred } = await this.waitForOutcome(hash);
      if (!receipt) throw new NotExecuted(hash, reason, barred);
      return receipt;
    },
    eth_getTransactionReceipt: async ([hash]) => {
      const sent = this.#waitingBy(hash);
      if (sent) {
        // It waits a second for the block, also over WebSocket: a library that is told null looks again after seconds.
        const receipt = await this.#call<Record<string, unknown> | null>('te_awaitReceipt', sent.id, 1000);
        if (receipt) {
          checkReceipt(receipt, sent);
          this.#settled(sent, { status: 'executed', blockNumber: String(receipt['blockNumber']) });
          return receipt;
        }
        const at = await this.status(sent.id);
        if (at.status !== 'executed' && at.status !== 'ended') return null;
        this.#settled(sent, at);
      }
      const receipt = await this.#ask({ method: 'eth_getTransactionReceipt', params: [hash] });
      const ended = this.#sent.get(String(hash).toLowerCase())?.ended;
      if (!receipt && ended) throw ended; // a library that waits is told that there will be none
      return receipt;
    },
    eth_getTransactionByHash: async ([hash]) => {
      const sent = this.#waitingBy(hash);
      const at = sent && (await this.status(sent.id));
      if (sent && (at!.status === 'executed' || at!.status === 'ended')) this.#settled(sent, at!);
      else if (sent) return sent.tx.pending;
      const found = await this.#ask({ method: 'eth_getTransactionByHash', params: [hash] });
      const ended = this.#sent.get(String(hash).toLowerCase());
      return !found && ended?.ended ? ended.tx.pending : found; // it is in no block; its receipt says why
    },
    eth_getTransactionCount: async (params) => {
      const [account, block] = params as [string, unknown];
      const ours = String(account).toLowerCase() === this.address && block === 'pending';
      if (!ours) return this.#ask({ method: 'eth_getTransactionCount', params });
      await this.#settle();
      const nonce = BigInt(await this.#call<Hex>('eth_getTransactionCount', this.address, 'latest'));
      return `0x${this.#nextNonce(nonce).toString(16)}`;
    },
    te_getTransactionStatus: ([name]) => this.status(String(name)),
    te_getOrderProof: ([name]) => this.#call('te_getOrderProof', this.#nameOf(String(name))),
    te_awaitReceipt: ([name, ...rest]) => this.#call('te_awaitReceipt', this.#nameOf(String(name)), ...rest),
  };

  /** knows says whether this sealer sent the transaction of a hash. It forgets the oldest of those that are in blocks. */
  knows(hash: string): boolean {
    return this.#sent.has(hash.toLowerCase());
  }

  #waitingBy(hash: unknown): Sent | undefined {
    return this.#waiting.get(String(hash).toLowerCase());
  }
}

/** checkReceipt throws unless a receipt that was asked for by id is that of the transaction inside. */
function checkReceipt(receipt: Record<string, unknown>, { id, hash }: Sent): void {
  if (receipt['transactionHash'] !== hash) throw new SealError(`the receipt of ${id} is of ${String(receipt['transactionHash'])}, not of ${hash}`);
}

/** fetchEncryptionKey asks a server for the committee. Whoever answers could give a key of its own (trustCommittee). */
export async function fetchEncryptionKey(rpc: string | Request): Promise<EncryptionKey> {
  const ask = typeof rpc === 'string' ? http(rpc) : rpc;
  return (await ask({ method: 'te_getEncryptionKey', params: [] })) as EncryptionKey;
}
