import { Fragment } from 'preact';
import { count, type Block, type Transaction } from './block';
import type { State } from './live';
import { toBlock, toTransaction } from './route';
import { clock, Hash, plural, whole } from './text';

const rows = 10;

/** Blocks lists the blocks that the page has looked at, and says how many lie between them. */
export function Blocks({ state }: { state: State }) {
  const blocks = state.blocks.slice(0, rows);
  return (
    <section aria-labelledby="blocks">
      <h2 id="blocks">Blocks</h2>
      {blocks.length === 0 ? <Nothing state={state} what="block" /> : (
        <table class="blocks">
          <thead>
            <tr>
              <th scope="col">Block</th><th scope="col">Time</th><th scope="col" class="number">Sealed</th><th scope="col" class="number">Plain</th>
              <th scope="col" class="number">Executed</th><th scope="col" class="number extra">Gas</th><th scope="col" class="extra">Hash</th>
            </tr>
          </thead>
          <tbody>
            {blocks.map((b, i) => (
              <Fragment key={b.number}>
                <Row block={b} />
                <Gap after={b} next={blocks[i + 1]} />
              </Fragment>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Row({ block }: { block: Block }) {
  return (
    <tr>
      <th scope="row"><a href={toBlock(block.number)}>{whole(block.number)}</a></th>
      <td>{clock(block.time)}</td>
      <td class="number">{whole(count(block, 'sealed'))}</td>
      <td class="number">{whole(count(block, 'plain') + count(block, 'delayed'))}</td>
      <td class="number">{whole(block.executed)}</td>
      <td class="number extra">{whole(block.gasUsed)}</td>
      <td class="extra"><Hash of={block.hash} /></td>
    </tr>
  );
}

function Gap({ after, next }: { after: Block; next?: Block }) {
  const between = next ? after.number - next.number - 1 : 0;
  if (between < 1) return null;
  return <tr class="gap"><td colSpan={7}>{plural(between, 'more block')}</td></tr>;
}

/** Transactions lists those of the blocks above. */
export function Transactions({ state }: { state: State }) {
  const all = state.blocks.flatMap((b) => b.transactions).slice(0, rows);
  return (
    <section aria-labelledby="transactions">
      <h2 id="transactions">Transactions</h2>
      {all.length === 0 ? <Nothing state={state} what="transaction" /> : <TransactionTable of={all} />}
    </section>
  );
}

export function TransactionTable({ of }: { of: Transaction[] }) {
  return (
    <table class="transactions">
      <thead>
        <tr>
          <th scope="col">Kind</th><th scope="col">Transaction</th><th scope="col">Place</th><th scope="col" class="extra">Submitter</th><th scope="col">Outcome</th>
        </tr>
      </thead>
      <tbody>
        {of.map((t) => (
          <tr key={`${t.number} ${t.place ?? 'd'} ${t.name}`}>
            <td><span class={`kind ${t.kind}`}>{t.kind}</span></td>
            <td><Hash of={t.name} href={toTransaction(t.name)} ends={4} /></td>
            <td>{t.place === undefined ? '–' : t.place} in <a href={toBlock(t.number)}>{whole(t.number)}</a></td>
            <td class="extra">{t.outcome ? <><Hash of={t.outcome.submitter} ends={4} /> #{t.outcome.seq}</> : '–'}</td>
            <td>{outcomeOf(t)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function outcomeOf(t: Transaction): string {
  if (t.executed) return 'executed';
  if (t.outcome?.unopenable) return 'unopenable';
  return t.kind === 'sealed' ? 'ended' : 'waits or ended';
}

function Nothing({ state, what }: { state: State; what: string }) {
  return <p class="quiet">{state.connection === 'open' ? `No ${what} yet.` : 'Waiting for the connection.'}</p>;
}
