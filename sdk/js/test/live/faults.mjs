// Sends transactions of several accounts, shuffled, while whoever reads its lines kills and restarts the system's programs. It prints a
// line for each one that is acknowledged, and fails unless each is executed once.
import assert from 'node:assert/strict';
import { mnemonicToAccount } from 'viem/accounts';
import { http, RpcError, Sealer } from '../../dist/index.js';
import { committee, mnemonic, rpc } from './system.mjs';

const each = 25;
const pinned = await committee();
const ask = http(rpc);

/** untilAnswered repeats what nobody answered, as a user would. */
async function untilAnswered(call) {
  for (;;) {
    try {
      return await call();
    } catch (err) {
      if (err instanceof RpcError && err.code !== -32002) throw err;
      console.log('again', err.message);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

let acknowledged = 0;

async function run(account) {
  const sealer = new Sealer({ rpc, committee: pinned, submitter: account, gapTimeout: 120_000 });
  const count = () => untilAnswered(() => ask({ method: 'eth_getTransactionCount', params: [account.address, 'latest'] })).then(Number);
  const first = await count();
  const raws = await Promise.all(Array.from({ length: each }, (_, i) => account.signTransaction({
    type: 'eip1559', chainId: Number(pinned.chainId), nonce: first + i, gas: 21_000n, maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1n, to: account.address,
  })));
  for (let i = raws.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [raws[i], raws[j]] = [raws[j], raws[i]];
  }
  const blocks = await Promise.all(raws.map(async (raw) => {
    const { id, hash } = await untilAnswered(() => sealer.send(raw));
    console.log('acknowledged', ++acknowledged);
    const outcome = await untilAnswered(() => sealer.waitForOutcome(id));
    assert.deepEqual([outcome.status, outcome.reason, outcome.receipt?.transactionHash], ['executed', undefined, hash]);
    return outcome.blockNumber;
  }));
  assert.equal(blocks.length, each);
  assert.equal(await count(), first + each);
}

await Promise.all([1, 2, 3, 4].map((addressIndex) => run(mnemonicToAccount(mnemonic, { addressIndex }))));
console.log('executed', acknowledged);
process.exit(0);
