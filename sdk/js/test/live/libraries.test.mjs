// viem and ethers against a running system, as their users write them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { ContractFactory, FetchRequest, HDNodeWallet, NonceManager } from 'ethers';
import { createPublicClient, createWalletClient, defineChain, encodeFunctionData, http, webSocket } from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { fetchEncryptionKey, http as plainHTTP, seal, Sealer } from '../../dist/index.js';
import { SealedProvider } from '../../dist/ethers.js';
import { sealed } from '../../dist/viem.js';
import { committee, methods, mnemonic, record, rpc, without0x, ws } from './system.mjs';

const counter = JSON.parse(readFileSync(new URL('../../../../e2e/wallets/counter.json', import.meta.url)));
const pinned = await committee();
const ask = plainHTTP(rpc);
const chain = defineChain({
  id: Number(pinned.chainId), name: 'blindseq', nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 }, rpcUrls: { default: { http: [rpc] } },
});
const recipient = (n) => `0x${n.toString(16).padStart(40, '5')}`;
const simulations = ['eth_estimateGas', 'eth_call', 'eth_createAccessList', 'eth_simulateV1', 'eth_fillTransaction', 'debug_traceCall'];

/** wasSealed checks that a hash was inside a sealed transaction, at its place in the order. */
async function wasSealed(sealer, hash, from) {
  const place = await sealer.orderProof(hash);
  assert.equal(place.raw.slice(0, 4), '0x5e');
  const receipt = await ask({ method: 'eth_getTransactionReceipt', params: [hash] });
  assert.equal(BigInt(receipt.blockNumber), place.number);
  assert.equal(receipt.from, from.toLowerCase());
}

test('viem: transfers and a contract are sealed, and nothing of them is sent', async () => {
  const account = mnemonicToAccount(mnemonic, { addressIndex: 6 });
  const transport = sealed(http(rpc), { committee: pinned, submitter: account });
  const writer = createWalletClient({ account, chain, transport });
  const reader = createPublicClient({ chain, transport, pollingInterval: 50 });
  const sent = record();
  after(sent.stop);

  const to = recipient(1);
  const before = await reader.getBalance({ address: account.address }); // of the account, which is public
  const value = 987654321012345n;
  const hash = await writer.sendTransaction({ to, value, gas: 21_000n });
  const transaction = await reader.getTransaction({ hash });
  assert.deepEqual([transaction.hash, transaction.from, transaction.to, transaction.value], [hash, account.address.toLowerCase(), to, value]);
  const receipt = await reader.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, 'success');
  assert.equal(receipt.transactionHash, hash);
  const deployed = await reader.waitForTransactionReceipt({ hash: await writer.deployContract({ ...counter, gas: 500_000n }) });
  const data = encodeFunctionData({ abi: counter.abi, functionName: 'set', args: [0xabcdef0123456789n] });
  const called = await reader.waitForTransactionReceipt({ hash: await writer.sendTransaction({ to: deployed.contractAddress, data, gas: 100_000n }) });
  assert.equal(called.status, 'success');
  sent.stop();

  const all = sent.bodies.join('\n').toLowerCase();
  for (const secret of [to, value.toString(16), data.slice(10), counter.bytecode, deployed.contractAddress]) assert.ok(!all.includes(without0x(secret)), secret);
  assert.deepEqual(methods(sent.bodies).filter((m) => simulations.includes(m)), []);
  assert.equal(methods(sent.bodies).filter((m) => m === 'eth_sendRawTransaction').length, 3);

  assert.equal(await reader.readContract({ address: deployed.contractAddress, abi: counter.abi, functionName: 'get' }), 0xabcdef0123456789n);
  assert.ok((await reader.getBalance({ address: account.address })) < before - value);
  for (const one of [hash, called.transactionHash]) await wasSealed(transport({}).value.sealer, one, account.address);
});

test('viem: over WebSocket, with a subscription', { skip: !ws && 'BLINDSEQ_E2E_WS names no address' }, async (t) => {
  const account = mnemonicToAccount(mnemonic, { addressIndex: 5 });
  const transport = sealed(webSocket(ws), { committee: pinned, submitter: account });
  const reader = createPublicClient({ chain, transport });
  t.after(async () => (await reader.transport.getRpcClient()).close());
  const seen = new Promise((resolve) => t.after(reader.watchBlockNumber({ onBlockNumber: resolve })));
  const hash = await createWalletClient({ account, chain, transport }).sendTransaction({ to: recipient(6), value: 1n, gas: 21_000n });
  const receipt = await reader.waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, 'success');
  await seen;
  await wasSealed(reader.transport.sealer, hash, account.address);
});

test('viem: a simulation is refused, and sent when it is allowed', async () => {
  const account = mnemonicToAccount(mnemonic, { addressIndex: 7 });
  const call = { to: recipient(2), value: 1n };
  const refusing = createWalletClient({ account, chain, transport: sealed(http(rpc), { committee: pinned, submitter: account }) });
  await assert.rejects(refusing.sendTransaction(call), /shows the transaction before its place in the order is fixed/);
  const allowing = sealed(http(rpc), { committee: pinned, submitter: account, simulations: (method) => method === 'eth_estimateGas' });
  const hash = await createWalletClient({ account, chain, transport: allowing }).sendTransaction(call);
  const receipt = await createPublicClient({ chain, transport: allowing }).waitForTransactionReceipt({ hash });
  assert.equal(receipt.status, 'success');
});

test('ethers: transfers and a contract are sealed, and nothing of them is sent', async () => {
  const wallet = HDNodeWallet.fromPhrase(mnemonic, undefined, "m/44'/60'/0'/0/8");
  const bodies = [];
  const endpoint = new FetchRequest(rpc);
  const send = FetchRequest.createGetUrlFunc();
  endpoint.getUrlFunc = (request, signal) => {
    bodies.push(Buffer.from(request.body ?? []).toString());
    return send(request, signal);
  };
  const provider = new SealedProvider(endpoint, { committee: pinned, submitter: wallet }, undefined, { cacheTimeout: -1 });
  after(() => provider.destroy());
  const signer = new NonceManager(wallet.connect(provider));

  const [to, value] = [recipient(3), 876543210987654n];
  const sent = await signer.sendTransaction({ to, value, gasLimit: 21_000 });
  const found = await provider.getTransaction(sent.hash);
  assert.deepEqual([found.hash, found.from, found.value], [sent.hash, wallet.address, value]);
  const receipt = await sent.wait();
  assert.deepEqual([receipt.status, receipt.hash], [1, sent.hash]);
  const contract = await new ContractFactory(counter.abi, counter.bytecode, signer).deploy({ gasLimit: 500_000 });
  await contract.waitForDeployment();
  const set = await (await contract.set(0x1234567890abcdefn, { gasLimit: 100_000 })).wait();
  assert.equal(set.status, 1);
  await Promise.all([1, 2, 3, 4, 5].map(async (i) => (await signer.sendTransaction({ to, value: BigInt(i), gasLimit: 21_000 })).wait()));
  const used = await provider.getTransactionCount(wallet.address);
  const refused = await wallet.connect(provider).sendTransaction({ to, value, gasLimit: 21_000, nonce: used - 1 }).catch((err) => err);
  assert.equal(refused.code, 'NONCE_EXPIRED');

  const all = bodies.join('\n').toLowerCase();
  for (const secret of [to, value.toString(16), '1234567890abcdef', counter.bytecode]) assert.ok(!all.includes(without0x(secret)), secret);
  assert.deepEqual(methods(bodies).filter((m) => simulations.includes(m)), []);
  assert.equal(await contract.connect(provider).get(), 0x1234567890abcdefn);
  await wasSealed(provider.sealer, set.hash, wallet.address);
});

test('what cannot be executed at its place has ended with its reason, and is barred', async () => {
  const wallet = HDNodeWallet.fromPhrase(mnemonic, undefined, "m/44'/60'/0'/0/9");
  const sealer = new Sealer({ rpc, committee: pinned, submitter: wallet.privateKey });
  const nonce = Number(await ask({ method: 'eth_getTransactionCount', params: [wallet.address, 'latest'] })) + 7;
  const raw = await wallet.signTransaction({ type: 2, chainId: pinned.chainId, nonce, maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1n, gasLimit: 21_000, to: recipient(4), value: Date.now() }); // not the one that an earlier run had barred
  const { head } = await fetchEncryptionKey(rpc);
  const made = await seal(raw, { key: pinned, submitter: wallet, seq: await sealer.nextSeq(), expiry: BigInt(head) + 1000n });
  assert.equal(await sealer.request({ method: 'eth_sendRawTransaction', params: [made.raw] }), made.id); // sealed already: it passes
  const outcome = await sealer.waitForOutcome(made.id);
  assert.deepEqual([outcome.status, outcome.barred], ['ended', true]);
  assert.match(outcome.reason, /nonce/);
});
