import { JsonRpcProvider, type FetchRequest, type JsonRpcApiProviderOptions, type JsonRpcPayload, type Networkish } from 'ethers';
import { RpcError } from './errors.js';
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
      if (!(err instanceof RpcError)) throw err;
      const payload: JsonRpcPayload = { id: 0, jsonrpc: '2.0', method, params: params as unknown[] };
      throw this.getRpcError(payload, { id: 0, error: { code: err.code, message: err.message, data: err.data as never } });
    }
  }
}
