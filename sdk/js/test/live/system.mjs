// What the live tests need: where the system is, its committee, funded accounts, and what was sent.
import { readFileSync } from 'node:fs';
import { fetchEncryptionKey, readCommittee, trustCommittee } from '../../dist/index.js';

export const ws = process.env.BLINDSEQ_E2E_WS;
export const rpc = process.env.BLINDSEQ_E2E_RPC ?? 'http://127.0.0.1:8545';

// The mnemonic of the development genesis. Its keys are public knowledge.
export const mnemonic = 'test test test test test test test test test test test junk';

/** committee comes from the file that BLINDSEQ_E2E_COMMITTEE names; without it the server is believed. */
export async function committee() {
  const path = process.env.BLINDSEQ_E2E_COMMITTEE;
  return path ? readCommittee(readFileSync(path, 'utf8')) : trustCommittee(await fetchEncryptionKey(rpc));
}

/** record writes down every body that fetch sends, and lets it go. */
export function record() {
  const bodies = [];
  const original = globalThis.fetch;
  globalThis.fetch = (resource, init) => {
    bodies.push(String(init?.body ?? ''));
    return original(resource, init);
  };
  return { bodies, stop: () => (globalThis.fetch = original) };
}

/** methods are the methods of all calls in these bodies. */
export const methods = (bodies) => bodies.flatMap((b) => [JSON.parse(b)].flat().map((call) => call.method));

/** without0x is how hex is looked for in what was sent. */
export const without0x = (hex) => hex.toLowerCase().replace(/^0x/, '');
