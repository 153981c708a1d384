// The README's first example, as it stands there but for the addresses.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { rpc } from './system.mjs';

const file = process.env.BLINDSEQ_E2E_COMMITTEE;

test("the README's first example works", { skip: !file && 'BLINDSEQ_E2E_COMMITTEE names no committee file' }, async () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const example = /```js\n(.*?)```/s.exec(readme)[1];
  assert.equal(example.trim().split('\n').length, 10);
  const run = example.replace('"../data/keys/committee.json"', JSON.stringify(file)).replace('"http://127.0.0.1:8545"', JSON.stringify(rpc));
  const script = fileURLToPath(new URL(`example-${process.pid}.mjs`, import.meta.url)); // in the package, which finds itself by its name
  writeFileSync(script, run);
  try {
    const { stdout } = await promisify(execFile)('node', [script], { timeout: 30_000 });
    assert.match(stdout, /^0x[0-9a-f]{64} is in block \d+, in the order at place \d+\n$/);
  } finally {
    rmSync(script);
  }
});
