import { useState } from 'preact/hooks';
import type { Block } from './block';
import { live, type State } from './live';
import { pin, pinFile } from './pin';
import { Hash, whole } from './text';

/** Keyholders shows the committee, and who of it signed the blocks that the page has looked at. */
export function Keyholders({ state }: { state: State }) {
  const { committee, missing } = state.pin;
  return (
    <section aria-labelledby="keyholders">
      <h2 id="keyholders">Keyholders</h2>
      {committee ? <Members state={state} /> : <p class="quiet">{missing ? `There are none: ${missing}.` : 'Waiting for the connection.'}</p>}
    </section>
  );
}

function Members({ state }: { state: State }) {
  const committee = state.pin.committee!;
  const signed = state.blocks.filter((b) => b.content.certificate);
  return (
    <>
      <p>{committee.quorum} of {committee.members.length} sign an order, any {committee.threshold} open what is sealed.</p>
      <table class="members">
        <thead>
          <tr><th scope="col">Keyholder</th><th scope="col" class="number">Attested</th><th scope="col" class="number">Locked</th></tr>
        </thead>
        <tbody>
          {committee.members.map((address, i) => (
            <tr key={address}>
              <th scope="row">{i} <Hash of={address} ends={4} /></th>
              <td class="number">{share(signed, i, 'attestations')}</td>
              <td class="number">{share(signed, i, 'locks')}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="quiet">Of the last {whole(signed.length)} blocks that this page has looked at. A certificate needs only {committee.quorum} signatures, the first ones.</p>
      <Pinned state={state} />
    </>
  );
}

const share = (blocks: Block[], authority: number, what: 'attestations' | 'locks'): string =>
  `${blocks.filter((b) => b.content.certificate![what].some((a) => a.authority === authority)).length} of ${blocks.length}`;

function Pinned({ state }: { state: State }) {
  const { committee, from, since, other } = state.pin;
  const [wrong, setWrong] = useState('');
  const choose = async (event: Event) => {
    const file = (event.target as HTMLInputElement).files?.[0];
    if (!file) return;
    try {
      live.set({ pin: await pinFile(file, other) });
      setWrong('');
    } catch (err) {
      setWrong((err as Error).message);
    }
  };
  return (
    <>
      <p>
        Proofs are verified against committee <Hash of={committee!.hash} />, {from === 'file' ? 'from a file' : 'which this browser believed the gateway'},{' '}
        {new Date(since).toLocaleString('en-GB')}.
      </p>
      {other && (
        <div class="changed" role="alert">
          <p>The gateway now names another committee, <Hash of={other.hash} />. It is not believed until you say so.</p>
          <button type="button" onClick={() => live.set({ pin: pin(other, 'gateway') })}>Pin the new one</button>
        </div>
      )}
      <label for="committee">Pin a committee from its file (committee.json)</label>
      <input id="committee" type="file" accept=".json,application/json" onChange={choose} />
      <p class="wrong" role="alert">{wrong}</p>
    </>
  );
}
