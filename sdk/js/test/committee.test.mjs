import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { committeeFromText, committeeToText, readCommittee, trustCommittee, verifyOrderProof } from '../dist/index.js';
import { FakeRollup, newCommittee } from './fake.mjs';

const read = (name) => JSON.parse(readFileSync(new URL(`testdata/${name}`, import.meta.url)));

// committee.json, its te_getEncryptionKey and two order proofs are those of a devnet.
const file = read('committee.json');
const key = read('key.json');
const committee = readCommittee(file, key.committeeHash);

test("a committee's file has the hash that the rollup says, and pins what the rollup says", () => {
  assert.equal(committee.hash, key.committeeHash);
  assert.deepEqual(trustCommittee(key), committee);
  assert.deepEqual(readCommittee(JSON.stringify(file)), committee);
  assert.deepEqual(committeeFromText(committeeToText(committee)), committee);
  assert.throws(() => readCommittee(file, '0x' + '00'.repeat(32)), /its hash is/);
});

test('a committee that cannot work, or has two outcomes, is refused', () => {
  const changes = {
    'another key': (c) => (c.key = newCommittee('b').file.key),
    'a share of another polynomial': (c) => (c.members[1].share = newCommittee('b').file.members[1].share),
    'shares exchanged': (c) => ([c.members[0].share, c.members[1].share] = [c.members[1].share, c.members[0].share]),
    'a share twice': (c) => (c.members[1].share = c.members[0].share),
    'a lower threshold than its keys have': (c) => (c.threshold = 2),
    'threshold 1': (c) => (c.threshold = 1),
    'threshold 4': (c) => (c.threshold = 4),
    'no point': (c) => (c.key = '0x' + 'ff'.repeat(32)),
    'an address twice': (c) => (c.members[1].address = c.members[0].address),
    'no address': (c) => (c.members[1].address = '0x' + '00'.repeat(20)),
    'no members': (c) => (c.members = []),
    'too little gas': (c) => (c.sealed_gas = 20_999),
    'first number 0': (c) => (c.first_number = 0),
  };
  for (const [what, change] of Object.entries(changes)) {
    const changed = structuredClone(file);
    change(changed);
    assert.throws(() => readCommittee(changed), what);
  }
});

test('keys that fewer keyholders open than the threshold says are refused', () => {
  assert.throws(() => readCommittee(newCommittee('a', 1).file), /one polynomial of degree 2/);
  readCommittee({ ...newCommittee('a', 1).file, threshold: 2 });
});

test('an answer that contradicts itself is not trusted', () => {
  for (const change of [{ keyId: '0x0000000000000000' }, { quorum: 2 }, { threshold: 1 }, { key: '0x' + '00'.repeat(32) }, { members: [] }]) {
    assert.throws(() => trustCommittee({ ...key, ...change }));
  }
  const fake = new FakeRollup(committee);
  assert.deepEqual(trustCommittee(fake.te_getEncryptionKey()), committee);
});

for (const name of ['proof.json', 'proof-first.json']) {
  const proof = read(name);
  test(`${name}: a proof shows the one place, and no change of it verifies`, () => {
    const of = proof.of;
    const place = verifyOrderProof(proof, committee, of);
    assert.deepEqual([place.number, place.position, place.id], [BigInt(proof.number), Number(proof.position), of]);
    assert.equal(place.raw, proof.transactions[place.position]);
    const other = (hex) => hex.slice(0, -1) + (hex.endsWith('0') ? '1' : '0');
    const last = proof.transactions.length - 1;
    const changes = {
      position: (p) => (p.position = '0x7'),
      'far away': (p) => (p.position = '0x10000000000'),
      number: (p) => (p.number = '0x999'),
      timestamp: (p) => (p.timestamp = other(p.timestamp)),
      'a transaction': (p) => (p.transactions[last] = other(p.transactions[last])),
      'one more': (p) => p.transactions.push('0x01'),
      'one less': (p) => p.transactions.pop(),
      delayed: (p) => (p.delayedTransactions = ['0x' + '00'.repeat(32)]),
      'list hash': (p) => (p.listHash = other(p.listHash)),
      predecessor: (p) => (p.previousPayloadHash = other(p.previousPayloadHash)),
      'too few': (p) => p.attestations.shift(),
      'one twice': (p) => p.attestations.splice(1, 1, p.attestations[0]),
      authority: (p) => (p.attestations[0].authority = '0x100000000'),
      order: (p) => p.attestations.reverse(),
      'a lock too few': (p) => p.locks.shift(),
      "a lock's owner": (p) => (p.locks[0].authority = '0x100000000'),
      'locks for attestations': (p) => (p.attestations = p.locks),
      'attestations for locks': (p) => (p.locks = p.attestations),
      view: (p) => (p.view = '0x9'),
      'base fee': (p) => (p.baseFeePerGas = other(p.baseFeePerGas)),
      signature: (p) => (p.attestations[0].signature = other(p.attestations[0].signature)),
      parent: (p) => (p.previousBlockHash = other(p.previousBlockHash)),
      chain: (p) => (p.chainId = '0x1'),
      committee: (p) => (p.committeeHash = other(p.committeeHash)),
      hash: (p) => (p.hash = other(p.hash)),
    };
    for (const [what, change] of Object.entries(changes)) {
      const changed = structuredClone(proof);
      change(changed);
      assert.throws(() => verifyOrderProof(changed, committee, of), /verify order of/, what);
    }
    assert.throws(() => verifyOrderProof(proof, committee, other(of)), /another transaction stands at this place/);
    assert.throws(() => verifyOrderProof(proof, readCommittee(newCommittee().file), of), /another committee/);
  });
}
