// Answers a line of JSON for each line of JSON: the Go test compares the answers with its own. Bytes are hex, numbers
// decimal strings.
import { createInterface } from 'node:readline';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { check, keyID, open, proveShare, seal } from './seal.mjs';

const operations = {
  seal(q) {
    const header = { ...q, key_id: keyID(q.chain_id, hexToBytes(q.key)), submitter: hexToBytes(q.submitter) };
    const { id, sealed } = seal(header, hexToBytes(q.key), hexToBytes(q.seed), hexToBytes(q.tx), hexToBytes(q.submitter_key));
    return { id: bytesToHex(id), sealed: bytesToHex(sealed) };
  },
  check(q) {
    return { id: bytesToHex(check(hexToBytes(q.sealed), q.chain_id, hexToBytes(q.key)).id) };
  },
  open(q) {
    const secrets = q.secrets.map(({ authority, secret }) => ({ authority, secret: hexToBytes(secret) }));
    const o = open(hexToBytes(q.sealed), q.chain_id, hexToBytes(q.key), secrets);
    const first = secrets[0];
    return {
      seed: bytesToHex(o.seed),
      tx: bytesToHex(o.tx),
      id: bytesToHex(o.id),
      z: bytesToHex(o.z),
      shares: o.shares.map((s) => bytesToHex(s.point)),
      proof: bytesToHex(proveShare(hexToBytes(q.sealed), first.authority, first.secret, hexToBytes(q.random))),
    };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const q = JSON.parse(line);
  let answer;
  try {
    answer = operations[q.op](q);
  } catch (err) {
    answer = { error: err.message };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
