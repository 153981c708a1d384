// Creates the exchange: two tokens and a pool that trades one for the other. These transactions are plain, because there is nothing to
// hide in them. Their addresses go to deployed.json, which the page reads.
import { readFileSync, writeFileSync } from 'node:fs';
import { ContractFactory, JsonRpcProvider, NonceManager, parseEther } from 'ethers';
import { maker, trader } from './accounts.mjs';

const rpc = process.env.BLINDSEQ_RPC ?? 'http://127.0.0.1:8545';
const { Token, Pool } = JSON.parse(readFileSync(new URL('../../e2e/demo/contracts/exchange.json', import.meta.url)));
const provider = new JsonRpcProvider(rpc, undefined, { cacheTimeout: -1 });
const wallet = new NonceManager(maker.connect(provider));

async function create({ abi, bytecode }, ...args) {
  const contract = await new ContractFactory(abi, bytecode, wallet).deploy(...args);
  return contract.waitForDeployment();
}

const cash = await create(Token, 'Cash', 'CASH', parseEther('2000000'));
const coin = await create(Token, 'Coin', 'COIN', parseEther('2000000'));
const pool = await create(Pool, cash, coin);
const million = parseEther('1000000');
for (const token of [cash, coin]) await (await token.approve(pool, million)).wait();
await (await pool.setReserves(million, million)).wait();
await (await cash.transfer(trader.address, parseEther('10000'))).wait();

const deployed = { rpc, cash: cash.target, coin: coin.target, pool: pool.target };
writeFileSync(new URL('deployed.json', import.meta.url), JSON.stringify(deployed, null, 2) + '\n');
console.log(`the exchange is at ${pool.target}, and ${trader.address} has 10,000 CASH`);
provider.destroy();
