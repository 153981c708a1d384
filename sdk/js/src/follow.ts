import type { Hex } from './bytes.js';
import type { Committee } from './committee.js';
import { RpcError, SealError } from './errors.js';
import { verifyOrderProof, type OrderProof, type Place } from './orderproof.js';
import { sleep } from './rpc.js';

/** Step is one step of a transaction. `executed` and `ended` are the last. */
export interface Step {
  step: 'pending' | 'sealed' | 'final' | 'opened' | 'executed' | 'ended';
  /** What is followed: the hash of a transaction, or the id of a sealed one. */
  hash: Hex;
  /** Of a bundler: the id of the sealed transaction, from `sealed` on. */
  id?: Hex;
  blockNumber?: Hex;
  /** Hash of the transaction inside, from `opened` on. */
  transactionHash?: Hex;
  /** Of `executed`. */
  transactionIndex?: Hex;
  /** Of `ended`. */
  reason?: string;
  barred?: boolean;
  /** Of `final`: shows that the place is final; without its list when that has more than 64 KiB. */
  proof?: OrderProof;
}

/** verifyPreconfirmation returns the place that a step `final` shows of what it is of, or throws. Nothing of who sent it is believed. */
export function verifyPreconfirmation(step: Step, committee: Committee): Place {
  const of = step.id ?? step.hash;
  if (step.step !== 'final' || !step.proof) throw new SealError(`verify preconfirmation of ${of}: the step ${step.step} has no proof`);
  if (!step.proof.transactions) throw new SealError(`verify preconfirmation of ${of}: its list was left out; ask for the order proof when it is executed`);
  return verifyOrderProof(step.proof, committee, of);
}

/** What of a WebSocket is used: the browser's, Node.js 22's, or that of the package ws. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: never }) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(): void;
}

export interface FollowOptions {
  /** JSON-RPC over WebSocket: ws:// or wss://. */
  url: string;
  /** Called with each step, once and in order. What it throws ends `follow`. */
  onStep?: (step: Step) => void;
  /** When given, a `final` that it does not verify ends `follow` with an error; a list that was left out is not verified. */
  committee?: Committee;
  signal?: AbortSignal;
  /** Opens a WebSocket; without it the global one. */
  connect?: (url: string) => Socket;
  /** How long to try to connect again, in milliseconds; 60,000 by default. */
  patience?: number;
}

const ranks = { pending: 1, sealed: 2, final: 3, opened: 4, executed: 5, ended: 5 } as const;
const last = 5;

/**
 * follow calls `onStep` with the steps of a transaction, those that have happened first, and returns the last one. It connects again when the
 * connection ends, as when another producer begins to lead, and leaves out what it has told. To miss nothing, call it before you send, or
 * after: the steps are the same.
 */
export async function follow(hash: string, options: FollowOptions): Promise<Step> {
  const { patience = 60_000, signal } = options;
  let told = 0;
  let since = Date.now();
  for (let pause = 50; ; ) {
    signal?.throwIfAborted();
    const began = Date.now();
    const end = await once(hash, options, (step) => {
      if (!(ranks[step.step] > told)) return;
      if (step.step === 'final' && options.committee && step.proof?.transactions) verifyPreconfirmation({ ...step, hash: hash as Hex }, options.committee);
      told = ranks[step.step];
      options.onStep?.(step);
    });
    if (Date.now() - began > 1000) { // it was followed
      pause = 50;
      since = Date.now();
    }
    if (end.step) return end.step;
    if (end.error) throw end.error;
    if (Date.now() - since > patience) throw new SealError(`follow ${hash}: ${options.url} does not answer`);
    await sleep(pause, signal);
    pause = Math.min(2 * pause, 2000);
  }
}

interface End {
  /** The last step; without it and without an error the connection ended. */
  step?: Step;
  error?: unknown;
}

/** once follows over one connection. */
function once(hash: string, options: FollowOptions, take: (step: Step) => void): Promise<End> {
  return new Promise((resolve) => {
    let socket: Socket;
    const abort = () => end({ error: options.signal!.reason });
    const end = (how: End) => {
      options.signal?.removeEventListener('abort', abort);
      socket.onmessage = socket.onclose = null;
      socket.onerror = () => undefined; // of a connection that is given up
      socket.close();
      resolve(how);
    };
    try {
      socket = (options.connect ?? ((url) => new WebSocket(url) as unknown as Socket))(options.url);
    } catch (error) {
      return resolve({ error });
    }
    options.signal?.addEventListener('abort', abort, { once: true });
    socket.onopen = () => socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'te_subscribe', params: ['transaction', hash] }));
    socket.onclose = () => end({});
    socket.onerror = () => end({});
    socket.onmessage = ({ data }) => {
      try {
        const message = JSON.parse(String(data)) as Message;
        if (message.error && !passing.has(message.error.code)) {
          return end({ error: new RpcError(message.error.code, message.error.message, message.error.data) });
        }
        if (message.error) return end({});
        const step = message.params?.result;
        if (!step) return;
        take(step);
        if (ranks[step.step] === last) end({ step });
      } catch (error) {
        end({ error });
      }
    };
  });
}

const passing = new Set([-32002]); // no leader: another attempt may succeed

interface Message {
  error?: { code: number; message: string; data?: unknown };
  params?: { result?: Step };
}
