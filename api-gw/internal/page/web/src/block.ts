import { keccak_256 } from '@noble/hashes/sha3.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { preblock, type Outcome, type Preblock } from './rest';
import type { Rpc } from './rpc';

/** Transaction is one place in the order of a block. */
export interface Transaction {
  kind: 'sealed' | 'delayed' | 'plain';
  number: number;
  /** Its place among the transactions; a delayed one has none. */
  place?: number;
  /** What the order names it by: the id of a sealed one, else its hash. */
  name: string;
  /** Of the transaction itself; of a sealed one only when it is opened. */
  hash?: string;
  raw?: string;
  outcome?: Outcome;
  /** Whether it is in the block of the same number. A plain one may follow in a later block. */
  executed: boolean;
}

/** Block is a block with the content that it was made from. */
export interface Block {
  number: number;
  hash: string;
  /** Of the block, in milliseconds. */
  time: number;
  gasUsed: number;
  gasLimit: number;
  executed: number;
  content: Preblock;
  transactions: Transaction[];
}

interface EthBlock {
  hash: string;
  timestamp: string;
  gasUsed: string;
  gasLimit: string;
  transactions: string[];
}

/** hashOf is the hash of raw bytes. */
export const hashOf = (raw: string): string => '0x' + bytesToHex(keccak_256(hexToBytes(raw.slice(2))));

/** describe asks for a block and for what the DSN fixed for its number. */
export async function describe(rpc: Rpc, number: number): Promise<Block> {
  const [content, block] = await Promise.all([
    preblock(number), rpc.call<EthBlock | null>('eth_getBlockByNumber', `0x${number.toString(16)}`, false),
  ]);
  if (!block) throw new Error(`there is no block ${number} yet`);
  return {
    number, content, hash: block.hash, time: Number(block.timestamp) * 1000, gasUsed: Number(block.gasUsed), gasLimit: Number(block.gasLimit),
    executed: block.transactions.length, transactions: transactionsOf(number, content, new Set(block.transactions)),
  };
}

export function transactionsOf(number: number, content: Preblock, executed: Set<string>): Transaction[] {
  const outcomes = new Map(content.outcomes.map((o) => [o.index, o]));
  const ordered = content.transactions.map((raw, place): Transaction => {
    const outcome = outcomes.get(place);
    const hash = outcome ? outcome.opened?.transaction_hash : hashOf(raw);
    return { kind: outcome ? 'sealed' : 'plain', number, place, name: outcome?.id ?? hash!, hash, raw, outcome, executed: !!hash && executed.has(hash) };
  });
  const delayed = content.delayed_transaction_hashes.map((hash): Transaction => ({ kind: 'delayed', number, name: hash, hash, executed: executed.has(hash) }));
  return [...ordered, ...delayed];
}

export const count = (block: Block, kind: Transaction['kind']): number => block.transactions.filter((t) => t.kind === kind).length;
