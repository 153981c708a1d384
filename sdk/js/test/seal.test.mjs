import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Transaction, Wallet } from 'ethers';
import { privateKeyToAccount } from 'viem/accounts';
import { check, parse, readCommittee, roundFee, roundGas, seal } from '../dist/index.js';
import { decode, encode } from '../dist/rlp.js';
import { readTransaction } from '../dist/tx.js';
import { newCommittee } from './fake.mjs';

const account = privateKeyToAccount('0x' + '11'.repeat(32));
const committee = readCommittee(newCommittee().file);
const to = '0x' + '77'.repeat(20);
const base = { chainId: 1337, nonce: 7, gas: 21_000n, to, value: 5n, data: '0x1234' };
const accessList = [{ address: to, storageKeys: ['0x' + '01'.repeat(32)] }];
const authorizationList = [await account.signAuthorization({ address: to, chainId: 1337, nonce: 8 })];
const raws = {
  legacy: await account.signTransaction({ ...base, type: 'legacy', gasPrice: 99n }),
  'access list': await account.signTransaction({ ...base, type: 'eip2930', gasPrice: 99n, accessList }),
  'fee market': await account.signTransaction({ ...base, type: 'eip1559', maxFeePerGas: 99n, maxPriorityFeePerGas: 3n, accessList }),
  'code of accounts': await account.signTransaction({ ...base, type: 'eip7702', maxFeePerGas: 99n, maxPriorityFeePerGas: 3n, authorizationList }),
  'new contract': await account.signTransaction({ ...base, to: undefined, type: 'eip1559', maxFeePerGas: 99n, maxPriorityFeePerGas: 3n }),
};

for (const [name, raw] of Object.entries(raws)) {
  test(`a transaction is read as ethers reads it: ${name}`, () => {
    const want = Transaction.from(raw);
    const got = readTransaction(raw);
    assert.deepEqual(
      [got.hash, got.from, got.chainId, got.nonce, got.gas, got.feeCap, got.cost],
      [want.hash, want.from.toLowerCase(), 1337n, 7n, 21_000n, 99n, 5n + 21_000n * 99n],
    );
    const p = got.pending;
    assert.deepEqual([p.to, BigInt(p.value), p.input, BigInt(p.r), BigInt(p.s), Number(p.type)], [want.to && want.to.toLowerCase(), 5n, '0x1234', BigInt(want.signature.r), BigInt(want.signature.s), want.type]);
    assert.deepEqual(p.accessList ?? null, want.accessList && want.accessList.map((a) => ({ ...a, address: a.address.toLowerCase() })));
    assert.equal(p.authorizationList?.length ?? 0, want.authorizationList?.length ?? 0);
  });
}

test('what cannot be sealed is refused', async () => {
  const unprotected = await new Wallet('0x' + '11'.repeat(32)).signTransaction({ type: 0, gasLimit: 21_000, gasPrice: 1, to, nonce: 0 });
  for (const raw of [unprotected, '0x', '0x00', '0x7e01', raws.legacy + '00', raws.legacy.slice(0, -2), raws['fee market'].replace('02', '03'), 'no hex']) {
    assert.throws(() => readTransaction(raw), /read transaction|not hex/, raw);
  }
});

test('seal gives what everybody accepts, each time another one', async () => {
  const options = { key: committee, submitter: account, seq: 3, expiry: 500n, baseFee: 98n };
  const [a, b] = [await seal(raws.legacy, options), await seal(raws.legacy, options)];
  assert.notEqual(a.raw, b.raw);
  assert.deepEqual(check(a.raw, committee), { id: a.id, header: a.header });
  assert.deepEqual(parse(a.raw).header, { chainId: 1337n, keyId: committee.keyId, submitter: account.address.toLowerCase(), seq: 3n, gas: 50_000n, fee: 99n, expiry: 500n });
  assert.equal(a.hash, Transaction.from(raws.legacy).hash);
  assert.equal(a.header.gas, 50_000n);
});

test('gas and fee may be chosen, not beyond the transaction', async () => {
  const options = { key: committee, submitter: account, seq: 0, expiry: 500 };
  const { header } = await seal(raws.legacy, { ...options, gas: 21_000, fee: 0 });
  assert.deepEqual([header.gas, header.fee], [21_000n, 0n]);
  await assert.rejects(seal(raws.legacy, { ...options, gas: 20_999 }), /below the transaction's limit/);
  await assert.rejects(seal(raws.legacy, { ...options, fee: 100 }), /above the transaction's fee cap/);
  await assert.rejects(seal(raws.legacy, { ...options, seq: -1 }), /seq is -1/);
  await assert.rejects(seal(raws.legacy, { ...options, expiry: 1n << 64n }), /expiry is/);
});

test('another submitter only if it is allowed', async () => {
  const options = { key: committee, submitter: '0x' + '22'.repeat(32), seq: 0, expiry: 500 };
  await assert.rejects(seal(raws.legacy, options), /is not the sender/);
  check((await seal(raws.legacy, { ...options, otherSender: true })).raw, committee);
});

test('gas is rounded up to a class', () => {
  const cases = [[21_000, 50_000], [50_000, 50_000], [50_001, 100_000], [4_999_999, 5_000_000], [14_000_000, 15_000_000], [15_000_001, 1 << 24], [1 << 24, 1 << 24]];
  for (const [gas, want] of cases) assert.equal(roundGas(BigInt(gas)), BigInt(want));
  assert.equal(roundGas(60_000n, 70_000n), 70_000n);
  assert.throws(() => roundGas(70_001n, 70_000n), /too high/);
  assert.throws(() => roundGas((1n << 24n) + 1n), /too high/);
});

test('a fee is rounded down to two digits, not below the base fee', () => {
  const cases = [[0, 0, 0], [99, 0, 99], [199, 0, 190], [123_456, 0, 120_000], [123_456, 120_000, 120_000], [123_456, 120_001, 123_000], [123_456, 123_456, 123_456], [123_456, 123_457, 123_456]];
  for (const [fee, baseFee, want] of cases) assert.equal(roundFee(BigInt(fee), BigInt(baseFee)), BigInt(want));
  assert.equal(roundFee(1n << 70n), 18_000_000_000_000_000_000n);
});

test('RLP is strict', () => {
  const items = [new Uint8Array(), Uint8Array.of(0x7f), Uint8Array.of(0x80), new Uint8Array(55), new Uint8Array(56), new Uint8Array(70_000), []];
  assert.deepEqual(decode(encode(items)), items);
  assert.deepEqual(decode(encode([[[[items]]]])), [[[[items]]]]);
  for (const bad of [[], [0x81, 0x01], [0xb8, 0x01, 0x80], [0xb9, 0x00, 0x40], [0x82, 0x01], [0xc1], [0xc2, 0x82, 0x01], [0x01, 0x01], Array(20).fill(0xc1), [0xbf, 1, 1, 1, 1, 1, 1, 1, 1]]) {
    assert.throws(() => decode(Uint8Array.from(bad)), String(bad));
  }
});
