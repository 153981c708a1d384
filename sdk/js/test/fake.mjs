// A rollup that has one leader and no network: it takes sealed transactions, opens them when a test says so, and can fail.
import { Transaction } from 'ethers';
import { bytes, hex } from '../dist/bytes.js';
import { check } from '../dist/format.js';
import { G, hashScalar, mod, scalarBytes } from '../dist/group.js';
import { combine, open, shareOf } from './keyholder.mjs';

const quantity = (n) => '0x' + BigInt(n).toString(16);
const scalarOf = (...texts) => hashScalar('test', bytes(Buffer.from(texts.join('/')).toString('hex'), 'text'));

/** newCommittee deals the keys of 4 keyholders, any 3 of whom open, or fewer with a lower degree. */
export function newCommittee(name = 'a', degree = 2, chainId = 1337n) {
  const polynomial = Array.from({ length: degree + 1 }, (_, i) => scalarOf(name, i));
  const at = (x) => polynomial.reduceRight((y, c) => mod(y * BigInt(x) + c), 0n);
  const point = (x) => hex(G.multiply(at(x)).toBytes());
  const file = {
    chain_id: Number(chainId), first_number: 1, lifetime: 50_000, sealed_gas: 15_000_000, sequencers: ['0x' + '51'.repeat(20)], threshold: 3,
    key: point(0), members: [1, 2, 3, 4].map((x) => ({ address: '0x' + `a${x}`.repeat(20), share: point(x) })),
  };
  return { file, secrets: [1, 2, 3, 4].map((x) => hex(scalarBytes(at(x)))) };
}

const failure = (code, message) => Object.assign(new Error(message), { code });

export class FakeRollup {
  head = 100n;
  baseFee = 7n;
  nonce = 0;
  balance = 10n ** 20n;
  nextSeq = 0n;
  /** By id: { raw, tx, seq, status, reason, blockNumber }, in the order of submission. */
  pool = new Map();
  /** Every call that was made. */
  calls = [];
  /** Called before a call is served. What it throws is the answer. */
  before = () => undefined;
  /** Called after it: what it throws is a lost answer. */
  after = () => undefined;

  constructor(committee, secrets) {
    this.committee = committee;
    this.secrets = secrets;
  }

  request = async ({ method, params = [] }) => {
    this.calls.push({ method, params });
    await this.before(method, params);
    if (!this[method]) throw failure(-32601, `no method ${method}`);
    const answer = await this[method](...params);
    await this.after(method, params);
    return answer;
  };

  methods = () => this.calls.map((c) => c.method);

  te_getEncryptionKey() {
    const c = this.committee;
    return {
      chainId: quantity(c.chainId), key: c.key, keyId: c.keyId, threshold: c.threshold, quorum: c.quorum, members: c.members, committeeHash: c.hash,
      firstNumber: quantity(c.firstNumber), lifetime: quantity(c.lifetime), sealedGas: quantity(c.sealedGas), relays: [],
      baseFeePerGas: quantity(this.baseFee), head: quantity(this.head),
    };
  }

  te_getSubmitter() {
    const waiting = [...this.pool.values()].filter((p) => p.status === 'sealed').length;
    return { nextSeq: quantity(this.nextSeq), class: 'front', waiting: { gas: '0x0', bytes: '0x0', ...(waiting && { transactions: quantity(waiting) }) }, quota: null };
  }

  te_getNextSeq = () => quantity(this.nextSeq);
  eth_getTransactionCount = () => quantity(this.nonce);
  eth_getBalance = () => quantity(this.balance);
  eth_getTransactionByHash = () => null;

  eth_getBlockByNumber(tag) {
    const number = tag.startsWith('0x') ? tag : quantity(this.head);
    const zeros = '0x' + '00'.repeat(32);
    return {
      number, hash: zeros, parentHash: zeros, timestamp: '0x1', nonce: '0x0000000000000000', difficulty: '0x0', gasLimit: '0x1c9c380', gasUsed: '0x0',
      miner: '0x' + '00'.repeat(20), extraData: '0x', baseFeePerGas: quantity(this.baseFee),
      transactions: [...this.pool.values()].filter((p) => p.status === 'executed' && p.blockNumber === number).map((p) => p.tx.hash),
    };
  }

  eth_blockNumber = () => quantity(this.head);
  eth_chainId = () => quantity(this.committee.chainId);
  eth_estimateGas = () => '0x5208';
  eth_call = () => '0x';

  eth_sendRawTransaction(raw) {
    const { id, header } = check(raw, this.committee);
    if (this.pool.has(id)) throw failure(-32000, 'already known');
    if (header.seq !== this.nextSeq) throw failure(-32000, `seq out of range: ${header.seq}, next ${this.nextSeq}`);
    const shares = [0, 1, 3].map((authority) => ({ authority, point: shareOf(raw, this.secrets[authority]) }));
    const tx = Transaction.from(hex(open(raw, this.committee, combine(shares)).tx));
    this.pool.set(id, { raw, tx, header, status: 'sealed' });
    this.nextSeq++;
    return id;
  }

  te_getTransactionStatus(id) {
    const one = this.pool.get(id);
    if (!one) return { status: 'unknown' };
    const { status, reason, blockNumber, tx } = one;
    return { status, ...(reason && { reason, barred: true }), ...(blockNumber && { blockNumber, transactionHash: tx.hash }) };
  }

  eth_getTransactionReceipt(name) {
    const one = this.pool.get(name) ?? [...this.pool.values()].find((p) => p.tx.hash === name);
    if (one?.status !== 'executed') return null;
    return {
      transactionHash: one.tx.hash, blockNumber: one.blockNumber, status: '0x1', blockHash: '0x' + '00'.repeat(32), transactionIndex: '0x0', type: '0x2',
      from: one.tx.from, to: one.tx.to, contractAddress: null, logs: [], logsBloom: '0x' + '00'.repeat(256), gasUsed: '0x5208', cumulativeGasUsed: '0x5208',
      effectiveGasPrice: '0x8',
    };
  }

  te_awaitReceipt(id) {
    return this.eth_getTransactionReceipt(id);
  }

  /** decide makes a block: those that wait are executed, or end with a reason. */
  decide(reason) {
    this.head++;
    for (const one of this.pool.values()) {
      if (one.status !== 'sealed') continue;
      Object.assign(one, { status: reason ? 'ended' : 'executed', reason, blockNumber: quantity(this.head) });
      if (!reason) this.nonce++;
    }
  }
}

/** down is the failure of a network: no answer. */
export const down = () => {
  throw new TypeError('fetch failed');
};
