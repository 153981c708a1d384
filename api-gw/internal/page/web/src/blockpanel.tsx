import { useEffect, useState } from 'preact/hooks';
import { describe, type Block } from './block';
import { TransactionTable } from './lists';
import { live, useLive } from './live';
import { Panel } from './panel';
import { toBlock } from './route';
import { clock, plural, whole } from './text';
import { Kinds } from './pipeline';

const most = 50;

/** BlockPanel shows one block and what was ordered for it. */
export function BlockPanel({ number }: { number: number }) {
  const { connection, head = 0 } = useLive();
  const [block, setBlock] = useState<Block>();
  const [trouble, setTrouble] = useState('');
  const there = connection === 'open' && head >= number;
  useEffect(() => {
    if (block || !there) return;
    describe(live.rpc, number).then(setBlock, (err: Error) => setTrouble(err.message));
  }, [there]);
  return (
    <Panel title={`Block ${whole(number)}`}>
      {block ? <Content block={block} /> : <p class="quiet">{trouble || (there ? 'Reading …' : 'It is not there yet.')}</p>}
      <p class="steps">
        {number > 1 && <a href={toBlock(number - 1)}>Block before</a>} <a href={toBlock(number + 1)}>Block after</a>
      </p>
    </Panel>
  );
}

function Content({ block }: { block: Block }) {
  const { content } = block;
  const c = content.certificate;
  return (
    <>
      <Kinds block={block} />
      <dl class="pairs">
        <dt>Time</dt><dd>{clock(block.time)}</dd>
        <dt>Hash</dt><dd class="full"><code>{block.hash}</code></dd>
        <dt>Content</dt><dd class="full"><code>{content.content_hash}</code></dd>
        <dt>Request</dt><dd class="full"><code>{content.request_id || '–'}</code>, attempt {content.attempt}</dd>
        <dt>Attested by</dt><dd>{c ? `keyholders ${list(c.attestations)}` : 'nobody: there are no keyholders'}</dd>
        {c && <><dt>Locked by</dt><dd>keyholders {list(c.locks)}, in view {c.view}</dd></>}
        <dt>Executed</dt><dd>{plural(block.executed, 'transaction')} with {whole(block.gasUsed)} of {whole(block.gasLimit)} gas</dd>
      </dl>
      {block.transactions.length > 0 && <TransactionTable of={block.transactions.slice(0, most)} />}
      {block.transactions.length > most && <p class="quiet">{whole(block.transactions.length - most)} more are at <a href={`/v1/preblocks/${block.number}`}>REST</a>.</p>}
    </>
  );
}

const list = (of: { authority: number }[]): string => of.map((a) => a.authority).join(', ');

