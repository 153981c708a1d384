// Which calls of a library carry what the user is going to do.

/** Simulations says which calls that show a transaction before it is ordered may be sent: none, all, or those it returns true for. */
export type Simulations = boolean | ((method: string, params: unknown[]) => boolean);

// Reads that name blocks, accounts and hashes at most. Whatever is not in this list counts as a simulation.
const reads =
  /^(eth_(chainId|blockNumber|gasPrice|maxPriorityFeePerGas|blobBaseFee|feeHistory|syncing|accounts|config|capabilities|get[A-Z]\w*|new\w*Filter|uninstallFilter|subscribe|unsubscribe)|net_\w+|web3_clientVersion|te_(get[A-Z]\w*|awaitReceipt)|debug_(getRaw\w+|traceBlock\w*|traceTransaction))$/;

/**
 * shows says whether a call shows what a transaction would do. eth_call without sender and value is how dapps read contracts, so it
 * does not count: a dapp that asks a contract what the user's trade would bring shows it all the same.
 */
export function shows(method: string, params: unknown[]): boolean {
  if (method !== 'eth_call') return !reads.test(method);
  const call = Object(params[0]) as { from?: unknown; value?: unknown };
  return call.from != null || (call.value != null && BigInt(call.value as string) !== 0n);
}

export function allowed(simulations: Simulations, method: string, params: unknown[]): boolean {
  return typeof simulations === 'function' ? simulations(method, params) : simulations;
}
