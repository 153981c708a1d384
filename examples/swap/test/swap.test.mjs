// The page in a real browser, at BLINDSEQ_E2E_PAGE (what npm run dev says).
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { AbiCoder, id as hashOf, parseEther } from 'ethers';
import { chromium } from 'playwright-core';

const url = process.env.BLINDSEQ_E2E_PAGE ?? 'http://localhost:5173/';
const programs = [process.env.BLINDSEQ_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = programs.find((path) => path && existsSync(path));
const limits = { skip: executablePath ? false : 'there is no chromium', timeout: 90_000 };
const { rpc, pool } = JSON.parse(readFileSync(new URL('../deployed.json', import.meta.url)));

let browser;
before(async () => {
  if (executablePath) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
after(() => browser?.close());

/** open shows the page, and writes down what it sends to the chain and what goes wrong in it. */
async function open() {
  const page = await browser.newPage();
  page.sent = [];
  page.wrong = [];
  page.on('request', (request) => request.method() === 'POST' && page.sent.push(request.postData()));
  page.on('pageerror', (err) => page.wrong.push(String(err)));
  page.on('console', (message) => message.type() === 'error' && page.wrong.push(message.text()));
  await page.goto(url);
  await page.waitForFunction(() => document.getElementById('quote').value > 0);
  return page;
}

async function ask(method, ...params) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const response = await fetch(rpc, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  return (await response.json()).result;
}

/** swap swaps as a user does, and returns what the page says. */
async function swap(page, paid) {
  await page.getByLabel('Pay').fill(paid);
  await page.getByRole('button', { name: 'Seal and swap' }).click();
  await page.locator('#steps li', { hasText: /^(Verified here|Failed)/ }).waitFor();
  return page.locator('#steps li').allTextContents();
}

test('a swap is sealed in the browser, executed at the quoted price, and its place verified', limits, async () => {
  const page = await open();
  const before = Number(await page.locator('#coin').textContent());
  const steps = await swap(page, '123.25');
  assert.match(steps.at(-2), /^Executed in block \d+: you got (\d+\.\d{4}) COIN, and the quote was \1\.$/);
  assert.match(steps.at(-1), /^Verified here: a quorum of the committee signed place \d+ of block \d+ for it/);
  const got = Number(/you got (\S+) COIN/.exec(steps.at(-2))[1]);
  await page.waitForFunction((had) => Number(document.getElementById('coin').value) > had, before);
  assert.ok(Math.abs(Number(await page.locator('#coin').textContent()) - before - got) < 0.001);

  const id = /0x[0-9a-f]{64}/.exec(steps.findLast((step) => step.startsWith('Sealed')))[0];
  const { status, transactionHash } = await ask('te_getTransactionStatus', id);
  assert.equal(status, 'executed');
  assert.equal((await ask('eth_getTransactionByHash', transactionHash)).to, pool.toLowerCase());
  assert.deepEqual(page.wrong, []);
});

test('what leaves the page holds nothing of the swap', limits, async () => {
  const page = await open();
  await swap(page, '77.125');
  const amount = AbiCoder.defaultAbiCoder().encode(['uint256'], [parseEther('77.125')]).slice(2);
  const method = hashOf('swap(bool,uint256,uint256)').slice(2, 10);
  const sent = page.sent.join('\n').toLowerCase();
  assert.ok(sent.includes('eth_sendrawtransaction') && sent.includes('"0x5e'));
  for (const secret of [amount, amount.replace(/^0+/, ''), method]) assert.ok(!sent.includes(secret), secret);
  assert.ok(!/estimategas|accesslist|"from"/.test(sent));
});

test('an amount that the account does not have is refused, and nothing is sealed', limits, async () => {
  const page = await open();
  const [said, ...more] = await swap(page, '999999');
  assert.match(said, /^Failed: you have only \d+\.\d{4} CASH$/);
  assert.deepEqual(more, []);
  assert.ok(!page.sent.some((body) => body.includes('eth_sendRawTransaction')));
  assert.deepEqual(page.wrong, []);
});
