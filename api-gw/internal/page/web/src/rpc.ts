/** Refused is an error that the rollup answered. */
export class Refused extends Error {
  constructor(readonly code: number, message: string, readonly data?: unknown) {
    super(message);
  }
}

export interface Header {
  number: string;
  hash: string;
  timestamp: string;
  gasUsed: string;
}

interface Message {
  id?: number;
  method?: string;
  params?: { subscription: string; result: unknown };
  result?: unknown;
  error?: { code: number; message: string; data?: unknown };
}

interface Waiting {
  resolve(value: unknown): void;
  reject(err: Error): void;
}

const firstPause = 250;
const lastPause = 5000;

/**
 * Rpc is one WebSocket to JSON-RPC, opened again whenever it closes. It follows the chain's heads. A call fails when the socket closes
 * before the answer.
 */
export class Rpc {
  #socket: WebSocket | undefined;
  #open = false;
  #next = 0;
  #pause = firstPause;
  readonly #waiting = new Map<number, Waiting>();

  constructor(readonly url: string, readonly onHead: (head: Header) => void, readonly onState: (open: boolean) => void) {
    this.#connect();
  }

  #connect(): void {
    const socket = (this.#socket = new WebSocket(this.url));
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#received(JSON.parse(data as string) as Message);
    socket.onclose = () => this.#closed();
  }

  #opened(): void {
    this.#open = true;
    this.call('eth_subscribe', 'newHeads').then(
      () => {
        this.#pause = firstPause;
        this.onState(true);
      },
      () => this.#socket?.close(),
    );
  }

  #closed(): void {
    this.#open = false;
    this.onState(false);
    for (const { reject } of this.#waiting.values()) reject(new Error('the connection to JSON-RPC is closed'));
    this.#waiting.clear();
    setTimeout(() => this.#connect(), this.#pause * (0.5 + Math.random()));
    this.#pause = Math.min(2 * this.#pause, lastPause);
  }

  #received({ id, method, params, result, error }: Message): void {
    if (method === 'eth_subscription' && params) return this.onHead(params.result as Header);
    const waiting = this.#waiting.get(id ?? -1);
    if (!waiting) return;
    this.#waiting.delete(id!);
    if (error) waiting.reject(new Refused(error.code, error.message, error.data));
    else waiting.resolve(result);
  }

  call<T>(method: string, ...params: unknown[]): Promise<T> {
    if (!this.#open) return Promise.reject(new Error('no connection to JSON-RPC'));
    const id = ++this.#next;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#socket!.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    });
  }
}
