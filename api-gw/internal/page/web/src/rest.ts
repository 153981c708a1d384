/** About is what the gateway tells its page: where JSON-RPC is, and whether there is a faucet. */
export interface About {
  rpc_host: string;
  rpc_port: string;
  faucet: boolean;
}

export interface Status {
  chain_id: string;
  head?: { number: string; hash: string; timestamp: string };
  pool?: { locked: boolean; pending: number; queued: number; delayed_transactions: number; locked_by: string[] };
  queue?: { queued: number; in_flight?: { number: string; attempt: number } };
  dsn?: { connected: boolean; last_preblock_number: string; accepted_number: string; waiting: string };
  halted: string;
  errors: { part: string; error: string }[];
}

export interface Signed {
  authority: number;
}

export interface Outcome {
  index: number;
  id: string;
  submitter: string;
  seq: string;
  opened?: { seed: string; transaction: string; transaction_hash: string };
  unopenable?: { reason: string };
}

export interface Preblock {
  number: string;
  timestamp: string;
  delayed_transaction_hashes: string[];
  transactions: string[];
  content_hash: string;
  request_id: string;
  attempt: number;
  certificate?: { view: string; attestations: Signed[]; locks: Signed[] };
  outcomes: Outcome[];
}

async function get<T>(path: string): Promise<T> {
  const response = await fetch(path);
  const answer = (await response.json()) as T & { message?: string };
  if (!response.ok) throw new Error(answer.message ?? `HTTP status ${response.status}`);
  return answer;
}

export const about = (): Promise<About> => get('/page/about.json');
export const status = (): Promise<Status> => get('/v1/status');
export const preblock = async (number: number): Promise<Preblock> => (await get<{ preblock: Preblock }>(`/v1/preblocks/${number}`)).preblock;

/** rpcURL is where JSON-RPC is: at the host that the gateway names, or at its port on the host of this page. */
export function rpcURL({ rpc_host, rpc_port }: About): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${rpc_host || `${location.hostname}:${rpc_port}`}/ws`;
}
