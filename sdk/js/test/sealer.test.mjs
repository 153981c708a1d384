import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Wallet } from 'ethers';
import { privateKeyToAccount } from 'viem/accounts';
import { CommitteeChanged, readCommittee, Sealer, Unanswered } from '../dist/index.js';
import { down, FakeRollup, newCommittee } from './fake.mjs';

const wallet = new Wallet('0x' + '11'.repeat(32));
const { file, secrets } = newCommittee();
const committee = readCommittee(file);
const recipient = '0x' + '77'.repeat(20);

function begin(options = {}) {
  const rollup = new FakeRollup(committee, secrets);
  return { rollup, sealer: new Sealer({ rpc: rollup.request, committee, submitter: wallet.privateKey, ...options }) };
}

const sign = (nonce, more = {}, by = wallet) =>
  by.signTransaction({ type: 2, chainId: 1337, nonce, maxFeePerGas: 123_456n, maxPriorityFeePerGas: 1n, gasLimit: 60_000, to: recipient, value: 5n, ...more });

const submissions = (rollup) => rollup.calls.filter((c) => c.method === 'eth_sendRawTransaction').map((c) => c.params[0]);

test('a transaction is sealed with rounded gas and fee, submitted, and its outcome awaited', async () => {
  const { rollup, sealer } = begin();
  const raw = await sign(0);
  const sent = await sealer.send(raw);
  const [one] = rollup.pool.values();
  assert.equal(one.tx.serialized, raw);
  assert.equal(sent.hash, one.tx.hash);
  assert.deepEqual([one.header.seq, one.header.gas, one.header.fee, one.header.expiry], [0n, 100_000n, 120_000n, 100n + 25_000n]);
  const waiting = sealer.waitForOutcome(sent.hash);
  setTimeout(() => rollup.decide(), 20);
  const outcome = await waiting;
  assert.deepEqual([outcome.status, outcome.blockNumber, outcome.receipt.transactionHash], ['executed', 101n, sent.hash]);
});

test('nothing of the transaction is in any call, not even its hash', async () => {
  const { rollup, sealer } = begin();
  const data = '0x' + '0123456789abcdef'.repeat(8);
  const raw = await sign(0, { data, value: 0x1122334455667788n });
  const { hash } = await sealer.send(raw);
  await sealer.request({ method: 'eth_getTransactionByHash', params: [hash] });
  await sealer.request({ method: 'eth_getTransactionReceipt', params: [hash] });
  await sealer.request({ method: 'te_getTransactionStatus', params: [hash] });
  rollup.decide();
  await sealer.waitForOutcome(hash);
  const all = JSON.stringify(rollup.calls);
  for (const secret of [raw, data, recipient, '0x1122334455667788', hash]) assert.ok(!all.includes(secret.slice(2)), secret);
});

test('viem accounts and ethers wallets can be the submitter', async () => {
  for (const submitter of [privateKeyToAccount(wallet.privateKey), wallet]) {
    const { rollup, sealer } = begin({ submitter });
    await sealer.send(await sign(0));
    assert.equal(rollup.pool.size, 1); // the fake checks the signature
  }
  const wrong = { address: wallet.address, sign: privateKeyToAccount('0x' + '22'.repeat(32)).sign };
  await assert.rejects(begin({ submitter: wrong }).sealer.send(await sign(0)), /not of the submitter/);
  assert.throws(() => begin({ submitter: { address: wallet.address } }), /cannot sign a digest/);
});

test('many at once get seqs in the order of their nonces', async () => {
  const { rollup, sealer } = begin();
  const raws = await Promise.all([4, 2, 0, 3, 1].map((n) => sign(n)));
  await Promise.all(raws.map((raw) => sealer.send(raw)));
  assert.deepEqual([...rollup.pool.values()].map((p) => [p.header.seq, p.tx.nonce]), [0, 1, 2, 3, 4].map((n) => [BigInt(n), n]));
});

test('after a page was loaded again, nothing is sealed beside what it does not know', async () => {
  const { rollup, sealer } = begin();
  await sealer.send(await sign(0));
  const anew = new Sealer({ rpc: rollup.request, committee, submitter: wallet, gapTimeout: 5_000 });
  const impatient = new Sealer({ rpc: rollup.request, committee, submitter: wallet, gapTimeout: 0 });
  await assert.rejects(impatient.send(await sign(0, { value: 6n })), /before it was loaded again/);
  const [late, next] = [anew.send(await sign(0, { value: 6n })), anew.send(await sign(1))];
  setTimeout(() => rollup.decide(), 50);
  await assert.rejects(late, /nonce too low/);
  await next;
  assert.deepEqual([...rollup.pool.values()].map((p) => p.tx.nonce), [0, 1]);
});

test('the same transaction is sealed once', async () => {
  const { rollup, sealer } = begin();
  const raw = await sign(0);
  const [a, b] = await Promise.all([sealer.send(raw), sealer.send(raw)]);
  assert.equal(a.id, b.id);
  assert.equal(rollup.pool.size, 1);
});

test('what would be opened for nothing is refused before it is sealed', async () => {
  const { rollup, sealer } = begin({ gapTimeout: 0 });
  rollup.nonce = 3;
  const cases = [
    [await sign(2), /nonce too low: next nonce 3/],
    [await sign(4), /nonce too high: next nonce 3/],
    [await sign(3, { maxFeePerGas: 6n }), /less than block base fee/],
    [await sign(3, { value: 10n ** 20n }), /insufficient funds/],
    [await sign(3, { gasLimit: 15_000_001 }), /too high for a sealed transaction/],
    [await sign(3, { chainId: 1 }), /for chain 1/],
    [await sign(3, {}, new Wallet('0x' + '22'.repeat(32))), /is not the sender/],
    [await sign(3, { type: 3, maxFeePerBlobGas: 1n, blobVersionedHashes: ['0x01' + '00'.repeat(31)] }), /type 3 cannot be sealed/],
  ];
  for (const [raw, want] of cases) await assert.rejects(sealer.send(raw), want);
  await sealer.send(await sign(3, { value: 6n * 10n ** 19n }));
  await assert.rejects(sealer.send(await sign(3, { value: 1n })), /sealed already and cannot be replaced/);
  await assert.rejects(sealer.send(await sign(4, { value: 6n * 10n ** 19n })), /insufficient funds/);
  assert.equal(rollup.pool.size, 1);
});

test('another committee is refused, and nothing is submitted', async () => {
  const other = readCommittee(newCommittee('b').file);
  for (const [field, value] of Object.entries({ key: other.key, hash: other.hash, members: other.members.toReversed(), threshold: 2 })) {
    const { rollup, sealer } = begin();
    rollup.committee = { ...committee, [field]: value };
    await assert.rejects(sealer.send(await sign(0)), CommitteeChanged);
    assert.equal(submissions(rollup).length, 0);
  }
});

test('a lost answer is answered by sending the same bytes', async () => {
  const { rollup, sealer } = begin();
  let lost = 2;
  rollup.after = (method) => method === 'eth_sendRawTransaction' && lost-- > 0 && down();
  await sealer.send(await sign(0));
  assert.equal(rollup.pool.size, 1);
  assert.equal(new Set(submissions(rollup)).size, 1);
  assert.ok(submissions(rollup).length >= 2);
});

for (const arrived of [false, true]) {
  test(`bytes that nobody answered for are sent again before anything else is sealed, ${arrived ? 'had' : 'had not'} they arrived`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { rollup, sealer } = begin();
    let arrives = arrived; // the first try; its answer is lost, and all others are
    rollup.before = (method) => method === 'eth_sendRawTransaction' && !arrives && down();
    rollup.after = (method) => method === 'eth_sendRawTransaction' && ((arrives = false), down());
    const first = await sign(0);
    const unanswered = assert.rejects(sealer.send(first), Unanswered);
    const pump = setInterval(() => t.mock.timers.tick(1000), 1);
    await unanswered;
    clearInterval(pump);
    t.mock.timers.reset();
    const [raw] = submissions(rollup);
    rollup.before = rollup.after = () => undefined;
    await sealer.send(await sign(1));
    assert.deepEqual([...rollup.pool.values()].map((p) => [p.raw === raw, p.tx.nonce]), [[true, 0], [false, 1]]);
    rollup.decide();
    assert.equal((await sealer.send(first)).raw, raw); // whoever was not answered asks again
    assert.equal(rollup.pool.size, 2);
  });
}

test('a seq that another program used is taken for lost, and the next one is used', async () => {
  const { rollup, sealer } = begin();
  rollup.before = (method) => {
    if (method !== 'eth_sendRawTransaction') return;
    rollup.before = () => undefined;
    rollup.nextSeq = 9n;
  };
  await sealer.send(await sign(0));
  assert.deepEqual([...rollup.pool.values()].map((p) => p.header.seq), [9n]);
});

test('other refusals are passed on', async () => {
  const { rollup, sealer } = begin();
  rollup.before = (method) => {
    if (method === 'eth_sendRawTransaction') throw Object.assign(new Error("the submitter's quota is used up"), { code: -32005 });
  };
  await assert.rejects(sealer.send(await sign(0)), { code: -32005 });
  assert.equal(submissions(rollup).length, 1);
});

test('what the rollup lost is submitted again', async () => {
  const { rollup, sealer } = begin();
  const { id, raw } = await sealer.send(await sign(0));
  rollup.pool.clear();
  rollup.nextSeq = 0n;
  rollup.after = (method) => method === 'eth_sendRawTransaction' && rollup.decide();
  assert.equal((await sealer.waitForOutcome(id)).status, 'executed');
  assert.deepEqual(submissions(rollup), [raw, raw]);
  await assert.rejects(sealer.waitForOutcome('0x' + '00'.repeat(32)), /unknown to the rollup/);
});

test('a library that waits is told that there will be no receipt, and the nonce is free', async () => {
  const { rollup, sealer } = begin();
  const hash = await sealer.request({ method: 'eth_sendRawTransaction', params: [await sign(0)] });
  assert.equal(await sealer.request({ method: 'eth_getTransactionReceipt', params: [hash] }), null);
  assert.equal(await sealer.request({ method: 'eth_getTransactionCount', params: [wallet.address, 'pending'] }), '0x1');
  assert.equal(await sealer.request({ method: 'eth_getTransactionCount', params: [wallet.address, 'latest'] }), '0x0');
  rollup.decide('insufficient funds');
  await assert.rejects(sealer.request({ method: 'eth_getTransactionReceipt', params: [hash] }), /ended without being executed: insufficient funds/);
  assert.equal(await sealer.request({ method: 'eth_getTransactionCount', params: [wallet.address, 'pending'] }), '0x0');
  await sealer.send(await sign(0, { value: 6n }));
});

test('a receipt of another transaction is not believed', async () => {
  const { rollup, sealer } = begin();
  const { hash } = await sealer.send(await sign(0));
  rollup.decide();
  rollup.eth_getTransactionReceipt = () => ({ transactionHash: '0x' + '00'.repeat(32), blockNumber: '0x65' });
  await assert.rejects(sealer.request({ method: 'eth_getTransactionReceipt', params: [hash] }), /the receipt of .* is of/);
});

test('eth_sendRawTransactionSync answers with the receipt', async () => {
  const { rollup, sealer } = begin();
  rollup.after = (method) => method === 'eth_sendRawTransaction' && rollup.decide();
  const receipt = await sealer.request({ method: 'eth_sendRawTransactionSync', params: [await sign(0)] });
  assert.equal(receipt.blockNumber, '0x65');
});

test('waiting can be given up', async () => {
  const { sealer } = begin();
  const { id } = await sealer.send(await sign(0));
  await assert.rejects(sealer.waitForOutcome(id, { signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
});

test('sealed bytes can be kept before they are submitted', async () => {
  const kept = [];
  const { rollup, sealer } = begin({ onSealed: async (s) => kept.push([s.raw, submissions(rollup).length]) });
  const { raw } = await sealer.send(await sign(0));
  assert.deepEqual(kept, [[raw, 0]]);
});

test('an expiry ends with the lifetime after the last one that was ordered', async () => {
  const { rollup, sealer } = begin({ blocks: 50_000 });
  await sealer.send(await sign(0));
  rollup.decide(); // in block 101
  rollup.head = 40_000n;
  await sealer.send(await sign(1));
  assert.deepEqual([...rollup.pool.values()].map((p) => p.header.expiry), [50_100n, 50_101n]);
});

test('calls that show a transaction are refused unless they are allowed', async () => {
  const call = { from: wallet.address, to: recipient, data: '0x01' };
  const showing = [
    ['eth_estimateGas', [call]], ['eth_call', [call, 'latest']], ['eth_call', [{ to: recipient, value: '0x1' }, 'latest']], ['eth_createAccessList', [call]],
    ['eth_simulateV1', [{}]], ['eth_fillTransaction', [call]], ['debug_traceCall', [call]], ['eth_sendTransaction', [call]],
    ['eth_sendPrivateTransaction', [call]], ['web3_sha3', ['0x01']], ['eth_newMethodNobodyKnows', []],
  ];
  for (const [method, params] of showing) {
    const { rollup, sealer } = begin();
    await assert.rejects(sealer.request({ method, params }), /shows the transaction before its place/, method);
    assert.deepEqual(rollup.calls, []);
  }
  const { rollup, sealer } = begin({ simulations: (method) => method === 'eth_estimateGas' });
  assert.equal(await sealer.request({ method: 'eth_estimateGas', params: [call] }), '0x5208');
  await assert.rejects(sealer.request({ method: 'eth_call', params: [call] }));
  assert.equal(await begin({ simulations: true }).sealer.request({ method: 'eth_call', params: [call] }), '0x');
  assert.equal(await sealer.request({ method: 'eth_call', params: [{ to: recipient, data: '0x01' }, 'latest'] }), '0x');
  assert.equal(await sealer.request({ method: 'eth_chainId' }), '0x539');
  assert.deepEqual(rollup.methods(), ['eth_estimateGas', 'eth_call', 'eth_chainId']);
});
