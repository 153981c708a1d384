import { RpcError } from './errors.js';

/** Request asks a JSON-RPC endpoint: the `request` of EIP-1193. */
export type Request = (call: { method: string; params?: unknown }) => Promise<unknown>;

/** http asks an endpoint by HTTP. An answered error is an RpcError; whatever else it throws means that there is no answer. */
export function http(url: string): Request {
  let next = 0;
  return async ({ method, params = [] }) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: ++next, method, params }),
    });
    const answer = (await response.json()) as { result?: unknown; error?: { code: number; message: string; data?: unknown } };
    if (answer.error) throw new RpcError(answer.error.code, answer.error.message, answer.error.data);
    if (!('result' in answer)) throw new Error(`${method}: HTTP status ${response.status} without a result`);
    return answer.result;
  };
}

const unavailable = -32002; // no leader: the same call may succeed later

/**
 * isRefusal says whether an error is an answer that nothing was accepted, by its JSON-RPC code. Libraries wrap errors: the code may be
 * that of a cause.
 */
export function isRefusal(err: unknown): boolean {
  for (let e = err as { code?: unknown; cause?: unknown } | undefined, depth = 0; e && depth < 8; e = e.cause as typeof e, depth++) {
    if (typeof e.code === 'number') return e.code !== unavailable;
  }
  return false;
}

/** persist repeats a call that was not answered, a few times, each after a longer pause. */
export async function persist<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let pause = 100; ; pause *= 2) {
    try {
      return await ask();
    } catch (err) {
      if (isRefusal(err) || pause > 3200) throw err;
      await sleep(pause, signal);
    }
  }
}

export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) return stop();
    signal?.addEventListener('abort', stop, { once: true });
  });
}
