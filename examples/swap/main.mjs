import { readCommittee } from '@blindseq/seal';
import { SealedProvider } from '@blindseq/seal/ethers';
import { formatEther, parseEther } from 'ethers';
import { trader } from './accounts.mjs';
import committeeFile from './committee.json?raw';
import { connect, gotOf, quote, rpc } from './exchange.mjs';

// The committee is built into the page. So no server can name a key of its own to have transactions sealed for that.
const committee = readCommittee(committeeFile);

// Everything that is sent through this provider is sealed. What would show a transaction, such as estimating its gas, is refused.
const provider = new SealedProvider(rpc, { committee, submitter: trader, onSealed }, undefined, { cacheTimeout: -1 });
const writer = connect(trader.connect(provider));
const reader = connect(provider); // its calls name no sender: they tell only that somebody looks at the exchange

const $ = (id) => document.getElementById(id);
const form = $('swap');
const short = (amount) => Number(formatEther(amount)).toFixed(4);
const paid = () => parseEther(form.paid.value);

function say(text) {
  const step = document.createElement('li');
  step.textContent = text;
  $('steps').append(step);
}

function onSealed({ id, raw }) {
  say(`Sealed: ${raw.length / 2 - 1} bytes that nobody can read yet. Its id is ${id}.`);
}

async function show() {
  const [cash, coin] = await Promise.all([reader.cash.balanceOf(trader.address), reader.coin.balanceOf(trader.address)]);
  [$('cash').value, $('coin').value] = [short(cash), short(coin)];
  if (form.reportValidity()) $('quote').value = short(await quote(reader, paid()));
}

/** allow lets the pool take what the user pays. A token asks for this once. */
async function allow(amount) {
  if ((await reader.cash.allowance(trader.address, reader.pool.target)) >= amount) return;
  await (await writer.cash.approve(reader.pool.target, 2n ** 256n - 1n, { gasLimit: 60_000 })).wait();
  say('The pool may take your CASH from now on.');
}

async function swap() {
  const amount = paid();
  const has = await reader.cash.balanceOf(trader.address);
  if (has < amount) throw new Error(`you have only ${short(has)} CASH`);
  await allow(amount);
  const quoted = await quote(reader, amount);
  const least = (quoted * 995n) / 1000n;
  const tx = await writer.pool.swap(true, amount, least, { gasLimit: 200_000 });
  const receipt = await tx.wait(); // throws when it was not executed, or failed
  say(`Executed in block ${receipt.blockNumber}: you got ${short(gotOf(receipt))} COIN, and the quote was ${short(quoted)}.`);
  const place = await provider.sealer.orderProof(tx.hash);
  say(`Verified here: a quorum of the committee signed place ${place.position} of block ${place.number} for it, before anybody could read it.`);
}

form.addEventListener('input', () => show().catch((err) => say(err.message)));
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = form.querySelector('button');
  button.disabled = true;
  $('steps').replaceChildren();
  try {
    await swap();
    await show();
  } catch (err) {
    say(`Failed: ${err.shortMessage ?? err.message}`);
  } finally {
    button.disabled = false;
  }
});

await show();
