import type { ComponentChildren } from 'preact';
import { count, type Block } from './block';
import type { State } from './live';
import { toBlock } from './route';
import { clock, plural, whole } from './text';

/** Pipeline shows the five steps of the newest block that the page has looked at. */
export function Pipeline({ state }: { state: State }) {
  const block = state.blocks[0];
  return (
    <section class="pipeline" aria-labelledby="pipeline">
      <h2 id="pipeline">Pipeline{block && <> <span class="quiet">of block {whole(block.number)}</span></>}</h2>
      <ol>
        <Requests state={state} />
        <Proposal block={block} />
        <Attestations block={block} state={state} />
        <Openings block={block} />
        <Executed block={block} />
      </ol>
    </section>
  );
}

function Step({ name, figure, of, children }: { name: string; figure: string; of?: Block; children?: ComponentChildren }) {
  return (
    <li>
      <h3>{name}</h3>
      <p class="figure" key={of?.number}>{figure}</p>
      <div class="detail">{children}</div>
    </li>
  );
}

function Requests({ state }: { state: State }) {
  const { queue, pool } = state.status ?? {};
  const waiting = (pool?.pending ?? 0) + (pool?.queued ?? 0);
  const flight = queue?.in_flight;
  return (
    <Step name="Requests" figure={queue ? plural(queue.queued + (flight ? 1 : 0), 'request') : '–'}>
      <p>{flight && flight.number !== '0' ? `block ${whole(flight.number)} is in flight` : 'none in flight'}</p>
      <p>{pool ? `${plural(waiting, 'transaction')} in the pool` : ''}</p>
    </Step>
  );
}

function Proposal({ block }: { block?: Block }) {
  if (!block) return <Step name="Proposal" figure="–" />;
  return (
    <Step name="Proposal" figure={plural(block.transactions.length, 'transaction')} of={block}>
      <Kinds block={block} />
      {block.content.attempt > 1 && <p>attempt {block.content.attempt}</p>}
    </Step>
  );
}

/** Kinds is a bar of what was ordered, with a legend. */
export function Kinds({ block }: { block: Block }) {
  const all = (['sealed', 'plain', 'delayed'] as const).map((kind) => ({ kind, n: count(block, kind) }));
  return (
    <ul class="kinds">
      {all.filter(({ kind, n }) => n > 0 || kind !== 'delayed').map(({ kind, n }) => <li key={kind} class={kind}>{whole(n)} {kind}</li>)}
    </ul>
  );
}

function Attestations({ block, state }: { block?: Block; state: State }) {
  const committee = state.pin.committee;
  if (!block) return <Step name="Attestations" figure="–" />;
  const c = block.content.certificate;
  if (!c) return <Step name="Attestations" figure="none" of={block}><p>This DSN has no keyholders.</p></Step>;
  const total = committee?.members.length ?? Math.max(...[...c.attestations, ...c.locks].map((a) => a.authority)) + 1;
  const attested = new Set(c.attestations.map((a) => a.authority));
  const locked = new Set(c.locks.map((a) => a.authority));
  return (
    <Step name="Attestations" figure={`${attested.size} of ${total}`} of={block}>
      <p class="dots" aria-hidden="true">
        {Array.from({ length: total }, (_, i) => <span key={i} class={locked.has(i) ? 'locked' : attested.has(i) ? 'attested' : ''} />)}
      </p>
      <p>{locked.size} locked{committee && `, ${committee.quorum} needed`}</p>
      {c.view !== '0' && <p>view {c.view}</p>}
    </Step>
  );
}

function Openings({ block }: { block?: Block }) {
  if (!block) return <Step name="Openings" figure="–" />;
  const sealed = block.transactions.filter((t) => t.kind === 'sealed');
  const opened = sealed.filter((t) => t.outcome?.opened).length;
  return (
    <Step name="Openings" figure={sealed.length ? `${whole(opened)} of ${whole(sealed.length)}` : 'none'} of={block}>
      <p>{sealed.length ? 'after the order was final' : 'nothing was sealed'}</p>
      {opened < sealed.length && <p>{whole(sealed.length - opened)} unopenable</p>}
    </Step>
  );
}

function Executed({ block }: { block?: Block }) {
  if (!block) return <Step name="Block" figure="–" />;
  return (
    <Step name="Block" figure={`${whole(block.executed)} executed`} of={block}>
      <p><a href={toBlock(block.number)}>block {whole(block.number)}</a> at {clock(block.time)}</p>
      <p>{whole(block.gasUsed)} gas</p>
    </Step>
  );
}
