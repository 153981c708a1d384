// Answers a line of JSON for each line of JSON: the tests of Go package seal compare the answers with its own. Bytes are hex,
// numbers decimal strings.
import { createInterface } from 'node:readline';
import { bytes, hex } from '../dist/bytes.js';
import { check, keyIdOf, keyPoint } from '../dist/format.js';
import { secondG } from '../dist/group.js';
import { sealBytes } from '../dist/seal.js';
import { signerOf } from '../dist/signature.js';
import { combine, open, proofOf, shareOf } from './keyholder.mjs';

// Tables that pay for thousands of transactions; a wallet that seals one is faster without.
secondG().precompute(8, false);
const tables = new Set();
const table = (key) => tables.has(key) || (tables.add(key), keyPoint(bytes(key, 'key')).precompute(8, false));

const plain = (b) => (typeof b === 'string' ? b : hex(b)).replace(/^0x/, '');
const keyOf = (q) => ({ chainId: BigInt(q.chain_id), key: '0x' + q.key });

const operations = {
  async seal(q) {
    const [{ chainId, key }, Y] = [keyOf(q), bytes(q.key, 'key')];
    const header = {
      chainId, keyId: hex(keyIdOf(chainId, Y)), submitter: '0x' + q.submitter,
      seq: BigInt(q.seq), gas: BigInt(q.gas), fee: BigInt(q.fee), expiry: BigInt(q.expiry),
    };
    const { id, raw } = await sealBytes(bytes(q.tx, 'tx'), header, bytes(key, 'key'), signerOf('0x' + q.submitter_key), q.seed);
    return { id: plain(id), sealed: plain(raw) };
  },
  check: (q) => ({ id: plain(check(q.sealed, keyOf(q)).id) }),
  open(q) {
    const { id } = check(q.sealed, keyOf(q));
    const shares = q.secrets.map(({ authority, secret }) => ({ authority, point: shareOf(q.sealed, secret) }));
    const z = combine(shares);
    const { seed, tx } = open(q.sealed, keyOf(q), z);
    const { authority, secret } = q.secrets[0];
    const { proof } = proofOf(q.sealed, authority, secret, q.random);
    return { seed: plain(seed), tx: plain(tx), id: plain(id), z: plain(z), shares: shares.map((s) => plain(s.point)), proof: plain(proof) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line);
  table(q.key);
  let answer;
  try {
    answer = await operations[q.op](q);
  } catch (err) {
    answer = { error: err.reason ?? err.message };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
