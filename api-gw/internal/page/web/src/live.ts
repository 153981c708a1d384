import { useEffect, useState } from 'preact/hooks';
import { describe, type Block } from './block';
import { Pin } from './pin';
import { about, rpcURL, status, type Status } from './rest';
import { Rpc, type Header } from './rpc';

const shown = 12; // blocks in the list
const pause = 250; // between two blocks that are described: a chain may make a hundred in a second
const statusPause = 1000;
const idlePause = 5000;
const span = 5000; // of the rates

/** State is what the page shows. */
export interface State {
  connection: 'connecting' | 'open' | 'lost';
  faucet: boolean;
  /** The newest block's number. */
  head?: number;
  /** The blocks that the page has looked at, newest first. A busy chain has others between them. */
  blocks: Block[];
  rate: { blocks: number; gas: number };
  status?: Status;
  pin: Pin;
  /** Why something could not be shown. */
  trouble?: string;
}

/** Live follows the rollup: one subscription to new heads, and for each head that there is time for, the block and its content. */
class Live {
  state: State = { connection: 'connecting', faucet: false, blocks: [], rate: { blocks: 0, gas: 0 }, pin: new Pin() };
  rpc!: Rpc;
  readonly #listeners = new Set<() => void>();
  readonly #heads: { at: number; gas: number }[] = [];
  #looking = false;
  #statusAt = 0;
  #decay: ReturnType<typeof setTimeout> | undefined;

  async start(): Promise<void> {
    const it = await about();
    this.set({ faucet: it.faucet });
    this.rpc = new Rpc(rpcURL(it), (head) => this.#head(head), (open) => void this.#connected(open));
    // Nothing tells the page about a queue that waits or keyholders that are missing while no block is made: it asks now and then.
    setInterval(() => {
      if (document.hidden) return;
      void this.#refresh(idlePause);
      void this.#look(); // what could not be shown before
    }, idlePause);
    document.addEventListener('visibilitychange', () => document.hidden || void this.#look());
    await this.#refresh(0);
  }

  set(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #connected(open: boolean): Promise<void> {
    this.set({ connection: open ? 'open' : 'lost' });
    if (!open) return;
    try {
      const head = Number(await this.rpc.call<string>('eth_blockNumber'));
      // A chain that begins anew, as a devnet does whose folder was removed, has none of these blocks.
      const blocks = head < (this.state.head ?? 0) ? [] : this.state.blocks;
      this.set({ head, blocks, pin: await this.state.pin.compare(this.rpc) });
      void this.#look();
    } catch (err) {
      this.set({ trouble: (err as Error).message });
    }
  }

  #head({ number, gasUsed }: Header): void {
    this.#heads.push({ at: performance.now(), gas: Number(gasUsed) });
    this.#forget();
    this.state.head = Number(number); // shown with the next block that is described
    void this.#look();
  }

  /** look describes the newest block, and then those before it that are missing in the list, until there is nothing to do. */
  async #look(): Promise<void> {
    if (this.#looking || document.hidden) return;
    this.#looking = true;
    try {
      for (let number = this.#missing(); number !== undefined && this.state.connection === 'open' && !document.hidden; number = this.#missing()) {
        const began = performance.now();
        this.#add(await describe(this.rpc, number));
        void this.#refresh(statusPause);
        await new Promise((resolve) => setTimeout(resolve, this.state.blocks.length < shown ? 0 : pause - (performance.now() - began)));
      }
    } catch (err) {
      this.set({ trouble: (err as Error).message });
    } finally {
      this.#looking = false;
    }
  }

  #missing(): number | undefined {
    const { head = 0, blocks } = this.state;
    const known = new Set(blocks.map((b) => b.number));
    for (let n = head; n > 0 && n > head - shown; n--) if (!known.has(n)) return n;
    return undefined;
  }

  #add(block: Block): void {
    const blocks = [...this.state.blocks, block].sort((a, b) => b.number - a.number).slice(0, shown);
    this.set({ blocks, rate: this.#rate(), trouble: undefined });
    clearTimeout(this.#decay);
    this.#decay = setTimeout(() => this.set({ rate: this.#rate() }), span + 100);
  }

  #forget(): void {
    const from = performance.now() - span;
    while (this.#heads[0] && this.#heads[0].at < from) this.#heads.shift();
  }

  #rate(): State['rate'] {
    this.#forget();
    const seconds = span / 1000;
    return { blocks: this.#heads.length / seconds, gas: this.#heads.reduce((sum, h) => sum + h.gas, 0) / seconds };
  }

  /** refresh asks for the status unless that was done in the last milliseconds. */
  async #refresh(unless: number): Promise<void> {
    if (performance.now() - this.#statusAt < unless) return;
    this.#statusAt = performance.now();
    try {
      this.set({ status: await status() });
    } catch (err) {
      this.set({ trouble: `read status: ${(err as Error).message}` });
    }
  }
}

export const live = new Live();

/** useLive renders a component again whenever the state changes. */
export function useLive(): State {
  const [, render] = useState({});
  useEffect(() => live.listen(() => render({})), []);
  return live.state;
}
