import {
  JsonRpcProvider, type FetchRequest, type JsonRpcApiProviderOptions, type JsonRpcPayload, type Networkish, type Subscriber, type Subscription,
  type TransactionReceipt,
} from 'ethers';
import { NotExecuted, RpcError } from './errors.js';
import { Sealer, type SealerOptions } from './sealer.js';

/**
 * SealedProvider is ethers' JsonRpcProvider whose transactions are sealed. Calls that show one are refused unless `simulations` allows
 * them, so give transactions their gasLimit. Everything else passes.
 */
export class SealedProvider extends JsonRpcProvider {
  readonly sealer: Sealer;
  #next = 0;

  constructor(url: string | FetchRequest, options: Omit<SealerOptions, 'rpc'>, network?: Networkish, more?: JsonRpcApiProviderOptions) {
    super(url, network, more);
    this.sealer = new Sealer({ ...options, rpc: ({ method, params }) => this.#ask(method, params as unknown[]) });
  }

  async #ask(method: string, params: unknown[]): Promise<unknown> {
    const [answer] = await this._send({ id: `sealed-${++this.#next}` as unknown as number, jsonrpc: '2.0', method, params });
    if (!answer) throw new Error(`${method}: no answer`);
    if (!('error' in answer)) return answer.result;
    const { code = -32603, message = 'unknown error', data } = Object(answer.error) as { code?: number; message?: string; data?: unknown };
    throw new RpcError(code, message, data);
  }

  override async send(method: string, params: unknown[] | Record<string, unknown>): Promise<unknown> {
    await this._start();
    try {
      return await this.sealer.request({ method, params });
    } catch (err) {
      if (!(err instanceof RpcError) || err instanceof NotExecuted) throw err;
      const payload: JsonRpcPayload = { id: 0, jsonrpc: '2.0', method, params: params as unknown[] };
      throw this.getRpcError(payload, { id: 0, error: { code: err.code, message: err.message, data: err.data as never } });
    }
  }

  override async waitForTransaction(hash: string, confirms?: number | null, timeout?: number | null): Promise<TransactionReceipt | null> {
    if (confirms !== 0 && this.sealer.knows(hash)) {
      const { status, reason = '', barred } = await this.sealer.waitForOutcome(hash, timeout ? { signal: AbortSignal.timeout(timeout) } : {});
      if (status === 'ended') throw new NotExecuted(hash, reason, barred);
    }
    return super.waitForTransaction(hash, confirms, timeout);
  }

  override _getSubscriber(of: Subscription): Subscriber {
    const polling = super._getSubscriber(of);
    return of.type === 'transaction' && this.sealer.knows(of.hash) ? new OutcomeSubscriber(this, of.hash, polling) : polling;
  }
}

/** OutcomeSubscriber lets ethers look for a receipt when there is one, and tells who waits that there never will be one. */
class OutcomeSubscriber implements Subscriber {
  #stop = new AbortController();
  readonly #provider: SealedProvider;
  readonly #hash: string;
  readonly #polling: Subscriber;

  constructor(provider: SealedProvider, hash: string, polling: Subscriber) {
    this.#provider = provider;
    this.#hash = hash;
    this.#polling = polling;
  }

  start(): void {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#provider.sealer.waitForOutcome(this.#hash, { signal }).then(
      ({ status, reason = '', barred }) => {
        if (signal.aborted) return;
        if (status === 'executed') this.#polling.start();
        else void this.#provider.emit(this.#hash, failed(new NotExecuted(this.#hash, reason, barred)));
      },
      (err: unknown) => signal.aborted || void this.#provider.emit(this.#hash, failed(err)),
    );
  }

  stop(): void {
    this.#stop.abort();
    this.#polling.stop();
  }

  pause(): void {
    this.stop();
  }

  resume(): void {
    this.start();
  }
}

/** failed is taken for a receipt by TransactionResponse.wait, which reads its status and so fails with the error. */
const failed = (err: unknown) => ({
  confirmations: async () => Infinity,
  get status() {
    throw err;
  },
});
