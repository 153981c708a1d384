// Following a transaction that the package seals, against a running system.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HDNodeWallet } from 'ethers';
import WebSocket from 'ws';
import { follow, http, Sealer, verifyPreconfirmation } from '../../dist/index.js';
import { committee, mnemonic, rpc, ws } from './system.mjs';

test('each step is told, and the place is proven before it is executed', { skip: !ws && 'BLINDSEQ_E2E_WS is not set' }, async (t) => {
  const pinned = await committee();
  const wallet = HDNodeWallet.fromPhrase(mnemonic, undefined, `m/44'/60'/0'/0/8`);
  const nonce = Number(await http(rpc)({ method: 'eth_getTransactionCount', params: [wallet.address, 'latest'] }));
  const raw = await wallet.signTransaction({
    to: wallet.address, value: 1n, nonce, gasLimit: 21_000n, maxFeePerGas: 100_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n, chainId: pinned.chainId, type: 2,
  });
  const sealer = new Sealer({ rpc, committee: pinned, submitter: wallet.privateKey });
  const { id, hash } = await sealer.send(raw);
  const sent = performance.now();
  const steps = [];
  const end = await follow(id, {
    url: ws, committee: pinned, connect: (url) => new WebSocket(url),
    onStep: (step) => {
      steps.push(step.step);
      t.diagnostic(`${step.step} ${(performance.now() - sent).toFixed(1)} ms after the answer`);
      if (step.step === 'final') assert.equal(verifyPreconfirmation(step, pinned).number, BigInt(step.blockNumber));
    },
  });
  assert.deepEqual(steps, ['sealed', 'final', 'opened', 'executed']);
  assert.equal(end.transactionHash, hash);
  const receipt = await http(rpc)({ method: 'eth_getTransactionReceipt', params: [hash] });
  assert.deepEqual([receipt.blockNumber, receipt.transactionIndex], [end.blockNumber, end.transactionIndex]);
});
