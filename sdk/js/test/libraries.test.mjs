// What viem and ethers do when a transaction ends without being executed, or is executed only after they began to wait.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Contract, FetchRequest, Wallet } from 'ethers';
import { createPublicClient, createWalletClient, custom, defineChain } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { NotExecuted, readCommittee } from '../dist/index.js';
import { SealedProvider } from '../dist/ethers.js';
import { sealed } from '../dist/viem.js';
import { FakeRollup, newCommittee } from './fake.mjs';

const { file, secrets } = newCommittee();
const committee = readCommittee(file);
const key = '0x' + '11'.repeat(32);
const to = '0x' + '77'.repeat(20);
const fees = { maxFeePerGas: 1000n, maxPriorityFeePerGas: 1n };

function viem(rollup) {
  const account = privateKeyToAccount(key);
  const chain = defineChain({ id: 1337, name: 'fake', nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 }, rpcUrls: { default: { http: [] } } });
  const transport = sealed(custom(rollup, { retryCount: 0 }), { committee, submitter: account });
  const writer = createWalletClient({ account, chain, transport });
  const reader = createPublicClient({ chain, transport, pollingInterval: 10 });
  return { send: () => writer.sendTransaction({ ...fees, to, gas: 21_000n, nonce: 0, type: 'eip1559' }), wait: (hash) => reader.waitForTransactionReceipt({ hash }) };
}

/** ethers' provider asks the fake in place of a server. */
function ethers(t, rollup) {
  const endpoint = new FetchRequest('http://fake');
  endpoint.getUrlFunc = async (request) => {
    const calls = [JSON.parse(Buffer.from(request.body))].flat();
    const answers = await Promise.all(calls.map(async (call) => {
      const base = { jsonrpc: '2.0', id: call.id };
      return rollup.request(call).then((result) => ({ ...base, result }), (err) => ({ ...base, error: { code: err.code, message: err.message } }));
    }));
    return { statusCode: 200, statusMessage: 'OK', headers: {}, body: Buffer.from(JSON.stringify(answers)) };
  };
  const wallet = new Wallet(key);
  const provider = new SealedProvider(endpoint, { committee, submitter: wallet }, undefined, { polling: true, pollingInterval: 10, cacheTimeout: -1, batchMaxCount: 10 });
  t.after(() => provider.destroy());
  return { provider, signer: wallet.connect(provider) };
}

test('viem: the reason why a transaction ended reaches who waits, before and after', async () => {
  const rollup = new FakeRollup(committee, secrets);
  const { send, wait } = viem(rollup);
  const hash = await send();
  setTimeout(() => rollup.decide('out of luck'), 50);
  await assert.rejects(wait(hash), /ended without being executed: out of luck/);
  await assert.rejects(wait(hash), /ended without being executed: out of luck/);
});

test('viem: a receipt that comes later reaches who waits', async () => {
  const rollup = new FakeRollup(committee, secrets);
  const { send, wait } = viem(rollup);
  const hash = await send();
  setTimeout(() => rollup.decide(), 50);
  assert.equal((await wait(hash)).transactionHash, hash);
});

for (const when of ['before', 'while', 'after']) {
  test(`ethers: the reason why a transaction ended reaches who waits, ${when} it waits`, async (t) => {
    const rollup = new FakeRollup(committee, secrets);
    const { provider, signer } = ethers(t, rollup);
    const contract = new Contract(to, ['function set(uint256)'], signer);
    const sent = await contract.set(1, { ...fees, gasLimit: 50_000, nonce: 0 });
    if (when === 'before') rollup.decide('out of luck');
    if (when === 'while') setTimeout(() => rollup.decide('out of luck'), 100);
    if (when === 'after') {
      rollup.decide('out of luck');
      await provider.sealer.waitForOutcome(sent.hash);
    }
    const expected = (err) => err instanceof NotExecuted && err.reason === 'out of luck' && err.barred;
    await assert.rejects(sent.wait(), expected);
    await assert.rejects(provider.waitForTransaction(sent.hash), expected);
  });
}

test('ethers: a receipt that comes later reaches who waits, also with confirmations', async (t) => {
  const rollup = new FakeRollup(committee, secrets);
  const { provider, signer } = ethers(t, rollup);
  const sent = await signer.sendTransaction({ ...fees, to, gasLimit: 50_000, nonce: 0 });
  const [one, two, by] = [sent.wait(), sent.wait(2), provider.waitForTransaction(sent.hash)];
  setTimeout(() => rollup.decide(), 100);
  for (const receipt of [await one, await by]) assert.equal(receipt.hash, sent.hash);
  rollup.head++;
  assert.equal((await two).hash, sent.hash);
});
