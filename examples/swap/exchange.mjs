// The exchange on the chain.
import { Contract, Interface } from 'ethers';
import exchange from '../../e2e/demo/contracts/exchange.json';
import deployed from './deployed.json';

export const { rpc } = deployed;
const poolInterface = new Interface(exchange.Pool.abi);

/** connect returns the contracts, as a provider reads them or a wallet sends to them. */
export const connect = (runner) => ({
  cash: new Contract(deployed.cash, exchange.Token.abi, runner),
  coin: new Contract(deployed.coin, exchange.Token.abi, runner),
  pool: new Contract(deployed.pool, exchange.Pool.abi, runner),
});

/**
 * quote computes what the pool gives for so much cash, from its reserves. The pool's own method `quote` would compute the same; but a node
 * that is asked for it learns what the user is about to pay.
 */
export async function quote({ pool }, paid) {
  const [cash, coin] = await pool.reserves();
  const counted = paid * 997n;
  return (coin * counted) / (cash * 1000n + counted);
}

/** gotOf reads out of a receipt what a swap gave. */
export function gotOf(receipt) {
  const swapped = receipt.logs.map((log) => poolInterface.parseLog(log)).find((event) => event?.name === 'Swapped');
  return swapped.args.got;
}
