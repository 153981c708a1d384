import { useState } from 'preact/hooks';
import { live, type State } from './live';
import { toTransaction } from './route';

/** lazyFaucet is the form of the faucet. The code that signs and seals is loaded when it is used: only a devnet needs it. */
export function lazyFaucet({ state }: { state: State }) {
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ text: string; wrong?: boolean; name?: string }>({ text: '' });
  const sealing = !!state.pin.committee && !state.pin.other;
  const submit = async (event: Event) => {
    event.preventDefault();
    const to = String(new FormData(event.target as HTMLFormElement).get('to')).trim();
    if (!/^0x[0-9a-fA-F]{40}$/.test(to)) return setSaid({ text: 'Enter an address: 0x and 40 digits.', wrong: true });
    setBusy(true);
    try {
      const { pay } = await import('./faucet');
      const { name, text } = await pay(live.rpc, to, sealing ? state.pin.committee : undefined);
      setSaid({ text, name });
      location.hash = toTransaction(name);
    } catch (err) {
      setSaid({ text: (err as Error).message, wrong: true });
    } finally {
      setBusy(false);
    }
  };
  return (
    <section aria-labelledby="faucet">
      <h2 id="faucet">Faucet</h2>
      <p>Sends 1 ETH of a development account{sealing ? ', sealed in this browser' : ''}.</p>
      <form onSubmit={submit} noValidate>
        <label for="to">To the address</label>
        <div class="row">
          <input id="to" name="to" autoComplete="off" spellcheck={false} placeholder="0x…" aria-invalid={!!said.wrong} aria-describedby="faucet-said" />
          <button disabled={busy || state.connection !== 'open'}>{sealing ? 'Seal and send' : 'Send'}</button>
        </div>
        <p id="faucet-said" role="status" class={said.wrong ? 'wrong' : ''}>{said.text}</p>
      </form>
    </section>
  );
}
