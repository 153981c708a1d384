// What the live tests need: where the devnet is, a browser, and transactions.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

export const rest = process.env.BLINDSEQ_E2E_REST ?? 'http://127.0.0.1:8080';
export const rpc = process.env.BLINDSEQ_E2E_RPC ?? 'http://127.0.0.1:8545';
export const bundler = process.env.BLINDSEQ_E2E_BUNDLER ?? 'http://127.0.0.1:3000';

const programs = [process.env.BLINDSEQ_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = programs.find((path) => path && existsSync(path));
export const skip = executablePath ? false : 'there is no chromium';

/** launch starts a browser. Each page of it has a storage of its own. */
export const launch = () => chromium.launch({ executablePath, args: ['--no-sandbox'] });

/** open shows the page, and writes down what it asks for and what goes wrong in it. */
export async function open(browser, path = '/', options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  page.asked = [];
  page.wrong = [];
  page.on('request', (request) => page.asked.push(request.url()));
  page.on('websocket', (socket) => page.asked.push(socket.url()));
  page.on('pageerror', (err) => page.wrong.push(String(err)));
  page.on('console', (message) => message.type() === 'error' && page.wrong.push(message.text()));
  await page.goto(rest + path);
  await page.getByText('live', { exact: true }).waitFor();
  return page;
}

/** ask calls JSON-RPC. */
export async function ask(method, params = [], url = rpc) {
  const response = await fetch(url, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const { result, error } = await response.json();
  if (error) throw new Error(error.message);
  return result;
}

/** produce makes a block, and returns its number. */
export async function produce() {
  const response = await fetch(`${rest}/v1/produce_block`, { method: 'POST' });
  return Number((await response.json()).block.number);
}

// ethers is there for the tests of the package that seals.
const require = createRequire(import.meta.resolve('@blindseq/seal'));

/** wallet is an account of the development genesis. */
export function wallet(index, url = rpc) {
  const { HDNodeWallet, JsonRpcProvider } = require('ethers');
  const phrase = 'test test test test test test test test test test test junk';
  return HDNodeWallet.fromPhrase(phrase, undefined, `m/44'/60'/0'/0/${index}`).connect(new JsonRpcProvider(url, undefined, { cacheTimeout: -1 }));
}
