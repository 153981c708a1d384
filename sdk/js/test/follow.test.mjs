// Following a transaction: over a server that closes, repeats itself and lies.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { follow, readCommittee, verifyPreconfirmation } from '../dist/index.js';
import { newCommittee } from './fake.mjs';

const read = (name) => JSON.parse(readFileSync(new URL(`testdata/${name}`, import.meta.url)));
const committee = readCommittee(readFileSync(new URL('testdata/committee.json', import.meta.url), 'utf8'));
const proof = read('proof.json');
const { of, ...shown } = proof;
const step = (name, more = {}) => ({ step: name, hash: of, ...more });
const final = step('final', { blockNumber: proof.number, proof: shown });

/** server plays one list of actions for each connection: a step, 'close', or an error. */
function server(...connections) {
  const opened = [];
  const connect = (url) => {
    const actions = connections[opened.length] ?? ['close'];
    const socket = { sent: [], closed: false, send: (text) => socket.sent.push(JSON.parse(text)), close: () => (socket.closed = true) };
    opened.push(socket);
    setImmediate(() => {
      if (actions[0] === 'refuse') return socket.onerror?.({});
      socket.onopen({});
      const say = (message) => socket.onmessage?.({ data: JSON.stringify({ jsonrpc: '2.0', ...message }) });
      if (actions[0]?.code) return say({ id: 1, error: actions[0] });
      say({ id: 1, result: '0x1' });
      for (const action of actions) {
        if (action === 'close') socket.onclose?.({});
        else say({ method: 'te_subscription', params: { subscription: '0x1', result: action } });
      }
    });
    return socket;
  };
  return { connect, opened };
}

async function run(connections, more = {}) {
  const { connect, opened } = server(...connections);
  const steps = [];
  const outcome = follow(of, { url: 'ws://here', connect, committee, onStep: (s) => steps.push(s.step), ...more });
  const end = await outcome.catch((error) => error);
  return { end, steps, opened };
}

test('the steps are told once and in order, whatever is repeated', async () => {
  const { end, steps, opened } = await run([[step('sealed'), step('sealed'), final, final, step('opened'), step('final'), step('executed', { transactionIndex: '0x0' })]]);
  assert.deepEqual(steps, ['sealed', 'final', 'opened', 'executed']);
  assert.equal(end.transactionIndex, '0x0');
  assert.deepEqual(opened[0].sent, [{ jsonrpc: '2.0', id: 1, method: 'te_subscribe', params: ['transaction', of] }]);
  assert.ok(opened[0].closed);
});

test('it connects again and leaves out what was told', async () => {
  const { end, steps, opened } = await run([
    [step('sealed'), 'close'], ['refuse'], [{ code: -32002, message: 'no leader' }], [step('sealed'), final, 'close'], [step('sealed'), final, step('ended', { reason: 'funds' })],
  ]);
  assert.deepEqual(steps, ['sealed', 'final', 'ended']);
  assert.deepEqual([end.reason, opened.length], ['funds', 5]);
});

test('it gives up in the end', async () => {
  const { end } = await run([], { patience: 100 });
  assert.match(end.message, /does not answer/);
});

test('a refusal, an abort and an error of the caller end it', async () => {
  assert.equal((await run([[{ code: -32005, message: 'too many' }]])).end.code, -32005);
  const reason = new Error('enough');
  assert.equal((await run([[step('sealed')]], { signal: AbortSignal.abort(reason) })).end, reason);
  const abort = new AbortController();
  assert.equal((await run([[step('sealed')]], { signal: abort.signal, onStep: () => abort.abort(reason) })).end, reason);
  const { end, opened } = await run([[step('sealed')]], { onStep: () => { throw reason; } });
  assert.equal(end, reason);
  assert.ok(opened[0].closed);
});

test('a forged final ends it', async () => {
  const locks = shown.locks.slice(1);
  const { end, steps } = await run([[step('sealed'), { ...final, proof: { ...shown, locks } }, step('executed')]]);
  assert.match(end.message, /locks/);
  assert.deepEqual(steps, ['sealed']);
  const other = await run([[{ ...final, hash: '0x' + '11'.repeat(32), id: '0x' + '22'.repeat(32) }]]);
  assert.match(other.end.message, /another transaction stands at this place/);
});

test('a preconfirmation shows the place of what it is of, and no change of it verifies', () => {
  const place = verifyPreconfirmation(final, committee);
  assert.deepEqual([place.number, place.position], [BigInt(proof.number), Number(proof.position)]);
  assert.deepEqual(verifyPreconfirmation({ ...final, hash: '0x' + '33'.repeat(32), id: of }, committee), place);
  for (const [what, change] of Object.entries({
    'no proof': (s) => delete s.proof,
    'no list': (s) => (s.proof.transactions = null),
    'another step': (s) => (s.step = 'executed'),
    'another transaction': (s) => (s.hash = '0x' + '33'.repeat(32)),
    'a lock too few': (s) => s.proof.locks.pop(),
    'another view': (s) => (s.proof.view = '0x7'),
    'another number': (s) => (s.proof.number = '0xffff'),
    'another list': (s) => s.proof.transactions.push('0x01'),
  })) {
    const changed = structuredClone(final);
    change(changed);
    assert.throws(() => verifyPreconfirmation(changed, committee), { name: 'SealError' }, what);
  }
  assert.throws(() => verifyPreconfirmation(final, readCommittee(newCommittee().file)), /another committee/);
});
