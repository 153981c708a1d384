// A real browser seals and sends a transaction; everything that leaves the page is looked at.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { HDNodeWallet } from 'ethers';
import { chromium } from 'playwright-core';
import { methods, mnemonic, rpc, without0x } from './system.mjs';

const programs = [process.env.BLINDSEQ_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = programs.find((path) => path && existsSync(path));
const file = process.env.BLINDSEQ_E2E_COMMITTEE;
const skip = !executablePath ? 'there is no chromium' : !file && 'BLINDSEQ_E2E_COMMITTEE names no committee file';

/** serve serves the page on an address of its own: the calls to the rollup are of another origin. */
async function serve() {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('page.mjs', import.meta.url))], bundle: true, minify: true, format: 'esm', platform: 'browser', write: false,
  });
  const server = createServer((request, response) => {
    const script = request.url === '/page.js';
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    response.end(script ? outputFiles[0].text : '<!doctype html><title>seal</title><link rel=icon href=data:,><script type=module src=/page.js></script>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

test('a browser seals and sends a transaction, and shows nothing of it', { skip, timeout: 90_000 }, async (t) => {
  const server = await serve();
  t.after(() => server.close());
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  t.after(() => browser.close());
  const page = await browser.newPage();
  const requests = [];
  page.on('request', (request) => requests.push(request));
  const errors = [];
  page.on('pageerror', (err) => errors.push(err));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.waitForFunction(() => globalThis.sealAndSend);

  const secret = { to: '0x' + '5e'.repeat(16) + '12345678', value: '765432109876543', data: '0x' + 'fedcba9876543210'.repeat(4) };
  const privateKey = HDNodeWallet.fromPhrase(mnemonic, undefined, "m/44'/60'/0'/0/3").privateKey;
  const done = await page.evaluate((options) => globalThis.sealAndSend(options), { rpc, file: readFileSync(file, 'utf8'), privateKey, ...secret });
  assert.deepEqual([done.status, done.placed], ['executed', done.block]);
  assert.deepEqual(errors, []);

  const bodies = requests.map((r) => r.postData()).filter((body) => body);
  const all = requests.map((r) => `${r.url()} ${JSON.stringify(r.headers())} ${r.postData()}`).join('\n').toLowerCase();
  const secrets = [secret.to, BigInt(secret.value).toString(16), secret.value, secret.data, done.raw, done.hash, privateKey];
  for (const one of secrets) assert.ok(!all.includes(without0x(one)), one);
  assert.deepEqual(methods(bodies).filter((m) => /call|estimate|simulate|accesslist|fill/i.test(m)), []);
  assert.equal(methods(bodies).filter((m) => m === 'eth_sendRawTransaction').length, 1);
  const sorted = done.times.toSorted((a, b) => a - b);
  t.diagnostic(`sealing takes ${sorted[10].toFixed(1)} ms (median of 20, first ${done.times[0].toFixed(1)}); from sealing to a verified order proof ${done.took.toFixed(0)} ms`);
});
