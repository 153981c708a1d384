// The page in a real browser, on a running devnet.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { ask, bundler, launch, open, produce, rest, rpc, skip, wallet } from './system.mjs';

const address = '0x70997970c51812dc3a010c7d01b50e0d17dc79c8';
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const limits = { skip, timeout: 90_000 };

let browser;
before(async () => {
  if (!skip) browser = await launch();
});
after(() => browser?.close());

/** faucet has the page seal and send a transfer, and waits until it is executed. */
async function faucet(page, to = address) {
  await page.getByLabel('To the address').fill(to);
  await page.getByRole('button', { name: 'Seal and send' }).click();
  await page.locator('.way > li.done', { hasText: 'Executed' }).waitFor();
}

test('blocks appear as they are made, and nothing else is asked for', limits, async () => {
  const page = await open(browser);
  const number = await produce();
  await page.locator('.blocks').getByRole('rowheader', { name: number.toLocaleString('en'), exact: true }).waitFor();
  await page.getByRole('heading', { name: `Pipeline of block ${number.toLocaleString('en')}` }).waitFor();
  await page.locator('.pipeline li', { hasText: 'Attestations' }).getByText('3 of 4').waitFor();
  assert.deepEqual(page.wrong, []);
  const hosts = [new URL(rest).host, new URL(rpc).host];
  assert.deepEqual(page.asked.filter((url) => !hosts.includes(new URL(url).host)), []);
  assert.ok(page.asked.some((url) => url.startsWith('ws:')), 'no WebSocket');
  assert.ok(!page.asked.some((url) => url.endsWith('faucet.js')), 'the faucet is loaded before it is used');
});

test('a transfer is sealed in the browser, and its order is verified there', limits, async () => {
  const page = await open(browser);
  const before = BigInt(await ask('eth_getBalance', [address, 'latest']));
  await faucet(page);
  assert.equal(BigInt(await ask('eth_getBalance', [address, 'latest'])) - before, 10n ** 18n);
  assert.deepEqual(await page.locator('.way > li.done h3').allTextContents(), ['Sealed', 'Ordered', 'Opened', 'Executed']);
  const id = new URL(page.url()).hash.split('/')[2];
  const status = await ask('te_getTransactionStatus', [id]);
  assert.equal(status.status, 'executed');
  await page.locator('.way').getByText(status.transactionHash).waitFor();
  await page.getByRole('button', { name: 'Verify the order' }).click();
  const said = await page.locator('.verify [role=status]').textContent();
  assert.match(said, new RegExp(`^Valid: .* of block ${Number(status.blockNumber)} `));
  assert.deepEqual(page.wrong, []);
});

test('a false proof of the order is not believed', limits, async () => {
  const page = await browser.newPage();
  await page.routeWebSocket(/./, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((text) => {
      const message = JSON.parse(text);
      const lock = message.result?.locks?.[0];
      if (lock) lock.signature = lock.signature.replace(/..$/, (end) => (end === '00' ? '01' : '00'));
      socket.send(JSON.stringify(message));
    });
  });
  await page.goto(rest);
  await page.getByText('live', { exact: true }).waitFor();
  await faucet(page);
  await page.getByRole('button', { name: 'Verify the order' }).click();
  assert.match(await page.locator('.verify [role=status]').textContent(), /^Not valid: .*locks: not signed by authority/);
});

test('a transaction is followed that is not known yet, by its hash', limits, async () => {
  const sender = wallet(7, bundler);
  const raw = await sender.signTransaction(await sender.populateTransaction({ to: address, value: 1n, gasLimit: 21_000n }));
  const { keccak256 } = await import(new URL('../node_modules/ethers/lib.esm/index.js', import.meta.resolve('@blindseq/seal')));
  const page = await open(browser, `/#/tx/${keccak256(raw)}`);
  await page.getByText('The rollup does not know it').waitFor();
  await ask('eth_sendRawTransaction', [raw], bundler);
  await page.locator('.way > li.done', { hasText: 'Executed' }).waitFor();
  assert.deepEqual(await page.locator('.way > li.done h3').allTextContents(), ['Sealed', 'Ordered', 'Opened', 'Executed']);
});

test('a plain transaction was readable, and the page says so', limits, async () => {
  const { hash } = await wallet(8).sendTransaction({ to: address, value: 1n, gasLimit: 21_000n });
  const page = await open(browser, `/#/tx/${hash}`);
  await page.locator('.way > li.done', { hasText: 'Executed' }).waitFor();
  assert.deepEqual(await page.locator('.way > li.done h3').allTextContents(), ['Sent in plain', 'Ordered', 'Executed']);
  await page.getByRole('button', { name: 'Verify the order' }).click();
  await page.locator('.verify .valid').waitFor();
});

test('a committee other than the pinned one is not believed until a person says so', limits, async () => {
  const page = await open(browser);
  await page.getByText('3 of 4 sign an order').waitFor();
  await page.evaluate(() => {
    const kept = JSON.parse(localStorage.getItem('blindseq-committee'));
    kept.committee = kept.committee.replace(/("hash":"0x)(..)/, (_, name, digits) => name + (digits === '00' ? '01' : '00'));
    localStorage.setItem('blindseq-committee', JSON.stringify(kept));
  });
  await page.reload();
  await page.getByText('names another committee').waitFor();
  await page.getByRole('button', { name: 'Send', exact: true }).waitFor(); // nothing is sealed for it
  await page.getByRole('button', { name: 'Pin the new one' }).click();
  await page.getByRole('button', { name: 'Seal and send' }).waitFor();
  await page.reload();
  await page.getByText('live', { exact: true }).waitFor();
  await page.getByText('3 of 4 sign an order').waitFor();
  assert.equal(await page.getByText('names another committee').count(), 0);
});

test('a connection that breaks is opened again', limits, async () => {
  const page = await browser.newPage();
  const sockets = [];
  await page.routeWebSocket(/./, (socket) => {
    sockets.push(socket);
    socket.connectToServer();
  });
  await page.goto(rest);
  await page.getByText('live', { exact: true }).waitFor();
  await sockets[0].close({ code: 1012 });
  await page.waitForFunction(() => !document.querySelector('.connection.open'));
  await page.getByText('live', { exact: true }).waitFor();
  const number = await produce();
  await page.locator('.blocks').getByRole('rowheader', { name: number.toLocaleString('en'), exact: true }).waitFor();
  assert.equal(sockets.length, 2);
});

test('a pool that is locked is shown, and that it is unlocked', limits, async (t) => {
  const page = await open(browser);
  t.after(() => fetch(`${rest}/v1/pool/unlock`, { method: 'POST' }));
  await fetch(`${rest}/v1/pool/lock`, { method: 'POST' });
  const alert = page.getByRole('alert').getByText('The pool is locked by operator');
  await alert.waitFor();
  await fetch(`${rest}/v1/pool/unlock`, { method: 'POST' });
  await alert.waitFor({ state: 'detached' });
});

test('the page is used with the keyboard alone', limits, async () => {
  const page = await open(browser);
  const number = await produce();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'content');
  for (let i = 0; i < 60 && (await page.evaluate(() => document.activeElement.id)) !== 'name'; i++) await page.keyboard.press('Tab');
  await page.keyboard.type('nothing');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('Enter a hash or an id').waitFor();
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type(String(number));
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: `Block ${number.toLocaleString('en')}`, exact: true }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), `Block ${number.toLocaleString('en')}`);
});

for (const colorScheme of ['light', 'dark']) {
  for (const width of [1280, 390]) {
    test(`it is accessible and fits, ${colorScheme}, ${width} pixels wide`, limits, async () => {
      const page = await open(browser, '/', { colorScheme, viewport: { width, height: 900 }, reducedMotion: 'reduce' });
      await faucet(page);
      await page.getByRole('button', { name: 'Verify the order' }).click();
      await page.locator('.verify .valid').waitFor();
      assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector('.figure')).animationName), 'none');
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it is wider than the window');
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), []);
    });
  }
}
