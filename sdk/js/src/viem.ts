import type { EIP1193RequestFn, Transport } from 'viem';
import { Sealer, type SealerOptions } from './sealer.js';

export type SealedTransportOptions = Omit<SealerOptions, 'rpc'>;

/** SealedTransport is a transport whose value has the Sealer beside what the inner transport's has. */
export type SealedTransport = Transport<string, { sealer: Sealer }>;

/**
 * sealed makes a viem transport of another one: transactions that go through it are sealed, calls that show one are refused unless
 * `simulations` allows them, and everything else passes.
 *
 *     createWalletClient({ account, chain, transport: sealed(http(url), { committee, submitter: account }) })
 *
 * Use the same transport for the public client that waits for receipts: only it knows which sealed transaction a hash is in.
 */
export function sealed(inner: Transport, options: SealedTransportOptions): SealedTransport {
  let base: ReturnType<Transport> | undefined;
  const sealer = new Sealer({ ...options, rpc: (call) => base!.request(call as never) as Promise<unknown> });
  return (parameters) => {
    const made = inner(parameters);
    base ??= made;
    return {
      config: { ...made.config, key: 'sealed', name: 'Sealed transactions', request: sealer.request as EIP1193RequestFn },
      request: sealer.request as EIP1193RequestFn,
      value: { ...made.value, sealer },
    };
  };
}
