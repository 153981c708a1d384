import { parse, verifyOrderProof, type OrderProof } from '@blindseq/seal';
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { describe, type Block, type Transaction } from './block';
import { live, useLive } from './live';
import { Panel } from './panel';
import { toBlock } from './route';
import { Refused } from './rpc';
import { Hash, whole } from './text';

interface Status {
  status: string;
  blockNumber?: string;
  reason?: string;
  transactionHash?: string;
  barred?: boolean;
}

interface Receipt {
  status: string;
  gasUsed: string;
  contractAddress?: string;
}

/** Known is what is known of the way of a transaction. */
interface Known {
  status: Status;
  /** Of the order: how it was proven, and the transaction in it. */
  proof?: OrderProof;
  block?: Block;
  transaction?: Transaction;
  receipt?: Receipt;
}

const final = new Set(['executed', 'ended', 'included', 'skipped', 'dropped']);

/** ask collects what the rollup knows of a hash or an id. */
async function ask(name: string, before?: Known): Promise<Known> {
  const { rpc } = live;
  const status = await rpc.call<Status>('te_getTransactionStatus', name);
  const known: Known = { ...before, status };
  if (!known.proof) known.proof = await rpc.call<OrderProof>('te_getOrderProof', name).catch(ignoreRefusal);
  const ordered = known.proof?.number ?? status.blockNumber;
  if (!known.block && ordered && Number(ordered) <= (live.state.head ?? 0)) {
    known.block = await describe(rpc, Number(ordered));
    known.transaction = known.block.transactions.find((t) => t.name === name || t.hash === name);
  }
  if (!known.receipt && final.has(status.status)) {
    known.receipt = (await rpc.call<Receipt | null>('eth_getTransactionReceipt', name).catch(ignoreRefusal)) ?? undefined;
  }
  return known;
}

function ignoreRefusal(err: Error): undefined {
  if (!(err instanceof Refused)) throw err;
}

/** Way shows the way of a transaction from sealed to executed, and follows it with each block until it has ended. */
export function Way({ name }: { name: string }) {
  const state = useLive();
  const [known, setKnown] = useState<Known>();
  const [trouble, setTrouble] = useState('');
  // A block may be executed before its head is here: its content is read then.
  const done = known && final.has(known.status.status) && (known.block || !(known.proof ?? known.status.blockNumber));
  useEffect(() => {
    if (done || state.connection !== 'open') return;
    ask(name, known).then((k) => { setKnown(k); setTrouble(''); }, (err: Error) => setTrouble(err.message));
  }, [name, state.connection, state.blocks[0]?.number]);
  return (
    <Panel title="Transaction">
      <p class="full"><code>{name}</code></p>
      {trouble && <p class="wrong">{trouble}</p>}
      {known ? <Steps name={name} known={known} /> : !trouble && <p class="quiet">Reading …</p>}
    </Panel>
  );
}

function Steps({ name, known }: { name: string; known: Known }) {
  const { status, transaction } = known;
  const sealed = transaction ? transaction.kind === 'sealed' : ['sealed', 'ordered', 'opened', 'executed', 'ended'].includes(status.status);
  if (status.status === 'unknown') return <p>The rollup does not know it. If it comes, this page shows it.</p>;
  return (
    <ol class="way">
      {sealed ? <Sealed known={known} /> : <Sent known={known} />}
      <Ordered name={name} known={known} />
      {sealed && <Opened known={known} />}
      <Ended known={known} />
    </ol>
  );
}

function Stage({ name, done, children }: { name: string; done: boolean; children: ComponentChildren }) {
  return <li class={done ? 'done' : 'open'}><h3>{name}{!done && <span class="quiet"> – not yet</span>}</h3>{done && children}</li>;
}

function Sealed({ known: { transaction, status } }: { known: Known }) {
  const header = transaction?.raw ? parse(transaction.raw).header : undefined;
  return (
    <Stage name="Sealed" done>
      <p>Nobody could read it but its submitter.{status.status === 'sealed' && status.reason ? ` It waits: ${status.reason}.` : ''}</p>
      {header && (
        <dl class="pairs">
          <dt>Submitter</dt><dd class="full"><code>{header.submitter}</code>, its sealed transaction number {whole(header.seq)}</dd>
          <dt>Bounds</dt><dd>gas up to {whole(header.gas)}, fee from {whole(header.fee)} wei, until block {whole(header.expiry)}</dd>
          <dt>Bytes</dt><dd>{whole(transaction!.raw!.length / 2 - 1)}</dd>
        </dl>
      )}
    </Stage>
  );
}

function Sent({ known: { status } }: { known: Known }) {
  return (
    <Stage name="Sent in plain" done>
      <p>Whoever saw it could read it before it was ordered.{['queued', 'pending'].includes(status.status) ? ` It is ${status.status}.` : ''}</p>
    </Stage>
  );
}

function Ordered({ name, known }: { name: string; known: Known }) {
  const { proof, transaction, block } = known;
  const number = proof?.number ?? block?.number;
  return (
    <Stage name="Ordered" done={number !== undefined}>
      <p>
        {transaction?.place === undefined ? 'In' : `At place ${transaction.place} of`} <a href={toBlock(Number(number))}>block {whole(number ?? 0)}</a>
        {proof?.attestations ? `, attested by ${proof.attestations.length} keyholders and locked by ${proof.locks?.length ?? 0}.` : '.'}
      </p>
      {proof?.attestations && <Verify name={name} known={known} />}
    </Stage>
  );
}

/** Verify verifies the proof of the order here, in the browser, against the pinned committee. */
function Verify({ name, known: { proof, transaction } }: { name: string; known: Known }) {
  const { committee, other } = useLive().pin;
  const [said, setSaid] = useState<{ valid: boolean; text: string }>();
  const verify = () => {
    const began = performance.now();
    try {
      const of = transaction?.name ?? name;
      const place = verifyOrderProof(proof!, committee!, of);
      const took = Math.round(performance.now() - began);
      setSaid({
        valid: true,
        text: `Valid: a quorum of committee ${committee!.hash.slice(0, 10)}… signed and locked place ${place.position} of block ${place.number} for it. `
          + `${proof!.attestations!.length + proof!.locks!.length} signatures, ${took} ms in this browser.`,
      });
    } catch (err) {
      setSaid({ valid: false, text: `Not valid: ${(err as Error).message}.${other ? ' The gateway names another committee than the pinned one.' : ''}` });
    }
  };
  return (
    <div class="verify">
      <button type="button" onClick={verify} disabled={!committee}>Verify the order in this browser</button>
      <p role="status" class={said && (said.valid ? 'valid' : 'wrong')}>{said?.text}</p>
    </div>
  );
}

function Opened({ known: { transaction, status } }: { known: Known }) {
  const opened = transaction?.outcome?.opened;
  const unopenable = transaction?.outcome?.unopenable;
  const hash = opened?.transaction_hash ?? status.transactionHash;
  return (
    <Stage name={unopenable ? 'Unopenable' : 'Opened'} done={!!hash || !!unopenable}>
      {unopenable ? <p>Nobody can open it: {unopenable.reason}. Proven shares show that.</p> : (
        <>
          <p>The keyholders opened it together after its place was final. Sealing it again with its seed gives the same bytes.</p>
          <dl class="pairs">
            <dt>Inside</dt><dd class="full"><code>{hash}</code></dd>
            {opened && <><dt>Seed</dt><dd><Hash of={opened.seed} /></dd></>}
          </dl>
        </>
      )}
    </Stage>
  );
}

function Ended({ known: { status, receipt } }: { known: Known }) {
  const ended = ['ended', 'skipped', 'dropped'].includes(status.status);
  const number = status.blockNumber;
  return (
    <Stage name={ended ? 'Ended without being executed' : 'Executed'} done={final.has(status.status)}>
      {ended ? <p>{status.reason}.{status.barred ? ' It was read, so it is barred: sign a new transaction.' : ''}</p> : (
        <p>
          In <a href={toBlock(Number(number))}>block {whole(number ?? 0)}</a>
          {receipt ? `, with ${whole(receipt.gasUsed)} gas${receipt.status === '0x1' ? '.' : ': it reverted.'}` : '.'}
        </p>
      )}
    </Stage>
  );
}
