// Every vector of seal-vectors.json, which an independent implementation in another language made.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bytes, hex } from '../dist/bytes.js';
import { check, headerOf, keyIdOf, parse, parseFields } from '../dist/format.js';
import { secondG } from '../dist/group.js';
import { sealBytes } from '../dist/seal.js';
import { signerOf } from '../dist/signature.js';
import { combine, open, proofOf, shareOf } from './keyholder.mjs';

const vectors = JSON.parse(readFileSync(new URL('../../../seal/testdata/vectors.json', import.meta.url)));
const keyOf = (v) => ({ chainId: BigInt(v.chain_id), key: '0x' + v.public_key });

test('there are vectors of every kind', () => {
  assert.deepEqual([vectors.cases.length, vectors.refused.length, vectors.unopenable.length], [8, 39, 8]);
});

test('the second generator', () => assert.equal(hex(secondG().toBytes()), '0x' + vectors.second_generator));

for (const [i, v] of vectors.cases.entries()) {
  const key = keyOf(v);
  const header = {
    chainId: key.chainId, keyId: '0x' + v.key_id, submitter: '0x' + v.submitter,
    seq: BigInt(v.seq), gas: BigInt(v.gas), fee: BigInt(v.fee), expiry: BigInt(v.expiry),
  };
  test(`case ${i}: sealing gives the same bytes`, async () => {
    assert.equal(hex(keyIdOf(key.chainId, bytes(key.key, 'key'))), header.keyId);
    const signer = signerOf('0x' + v.submitter_key);
    assert.equal(hex(signer.address), header.submitter);
    const sealed = await sealBytes(bytes(v.tx, 'tx'), header, bytes(key.key, 'key'), signer, v.seed);
    assert.deepEqual(sealed, { id: '0x' + v.id, raw: '0x' + v.sealed });
  });
  test(`case ${i}: the bytes are read and pass the check`, () => {
    assert.deepEqual(parse(v.sealed), { id: '0x' + v.id, header });
    assert.deepEqual(check(v.sealed, key), { id: '0x' + v.id, header });
    assert.deepEqual(headerOf(parseFields(bytes(v.sealed, 'sealed'))), header);
  });
  test(`case ${i}: keyholders open them`, () => {
    const shares = Object.keys(v.shares).map(Number).map((authority) => ({ authority, point: shareOf(v.sealed, v.secret_shares[authority]) }));
    for (const { authority, point } of shares) assert.equal(hex(point), '0x' + v.shares[authority]);
    const z = combine(shares);
    assert.equal(hex(z), '0x' + v.combined);
    const { seed, tx } = open(v.sealed, key, z);
    assert.deepEqual([hex(seed), hex(tx)], ['0x' + v.seed, '0x' + v.tx]);
    const { authority, random, k, proof } = v.share_proof;
    const made = proofOf(v.sealed, authority, v.secret_shares[authority], random);
    assert.deepEqual([hex(made.k), hex(made.proof)], ['0x' + k, '0x' + proof]);
  });
}

for (const [i, v] of vectors.refused.entries()) {
  test(`refused ${i}: ${v.what}`, () => assert.throws(() => check(v.sealed, keyOf(v)), { name: 'InvalidSealed', reason: v.reason }));
}

for (const [i, v] of vectors.unopenable.entries()) {
  test(`unopenable ${i}: ${v.what}`, () => {
    assert.equal(check(v.sealed, keyOf(v)).id, '0x' + v.id);
    for (let from = 0; from < v.secret_shares.length; from++) {
      const shares = Array.from({ length: v.threshold }, (_, j) => (from + j) % v.secret_shares.length)
        .map((authority) => ({ authority, point: shareOf(v.sealed, v.secret_shares[authority]) }));
      assert.throws(() => open(v.sealed, keyOf(v), combine(shares)), { message: v.reason });
    }
  });
}
