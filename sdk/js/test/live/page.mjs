// The page of browser.test.mjs: a dapp with a key of its own, which seals and sends a transaction.
import { privateKeyToAccount } from 'viem/accounts';
import { readCommittee, seal, Sealer } from '../../dist/index.js';

globalThis.sealAndSend = async ({ rpc, file, privateKey, to, value, data }) => {
  const committee = readCommittee(file);
  const account = privateKeyToAccount(privateKey);
  const sealer = new Sealer({ rpc, committee, submitter: account });
  const count = await sealer.request({ method: 'eth_getTransactionCount', params: [account.address, 'pending'] });
  const sign = (nonce) => account.signTransaction({
    type: 'eip1559', chainId: Number(committee.chainId), nonce, gas: 100_000n, maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1n, to, value: BigInt(value), data,
  });
  const raw = await sign(Number(count));
  const times = [];
  for (let i = 0; i < 20; i++) {
    const began = performance.now();
    await seal(raw, { key: committee, submitter: privateKey, seq: 0, expiry: 100 });
    times.push(performance.now() - began);
  }
  const began = performance.now();
  const { hash, id } = await sealer.send(raw);
  const outcome = await sealer.waitForOutcome(id);
  const place = await sealer.orderProof(id);
  return {
    raw, hash, times, took: performance.now() - began, status: outcome.status, block: String(outcome.blockNumber), placed: String(place.number),
  };
};
