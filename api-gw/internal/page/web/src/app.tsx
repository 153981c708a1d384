import { lazyFaucet as Faucet } from './faucetform';
import { Keyholders } from './keyholders';
import { Blocks, Transactions } from './lists';
import { useLive, type State } from './live';
import { Lookup } from './lookup';
import { Pipeline } from './pipeline';
import { useRoute, type Route } from './route';
import { whole } from './text';
import { BlockPanel } from './blockpanel';
import { Way } from './way';

export function App() {
  const state = useLive();
  const route = useRoute();
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>Skip to the content</a>
      <Head state={state} />
      <main id="content" tabIndex={-1}>
        <Alerts state={state} />
        <Pipeline state={state} />
        <div class="columns">
          <div class="wide">
            <Panel route={route} />
            <Blocks state={state} />
            <Transactions state={state} />
          </div>
          <div class="narrow">
            <Lookup />
            {state.faucet && <Faucet state={state} />}
            <Keyholders state={state} />
          </div>
        </div>
      </main>
      <footer>
        <p>
          This page shows what anybody may read of the rollup. <a href="/openapi.json">REST API</a> · <a href="/page/licenses.md">Licences</a>
        </p>
      </footer>
    </>
  );
}

/** skip moves the focus, and leaves the address as it is. */
function skip(event: Event) {
  event.preventDefault();
  document.getElementById('content')!.focus();
}

function Panel({ route }: { route: Route }) {
  if (route.at === 'block') return <BlockPanel key={route.number} number={route.number} />;
  if (route.at === 'transaction') return <Way key={route.name} name={route.name} />;
  return null;
}

const connections = { connecting: 'connecting …', open: 'live', lost: 'not connected, trying again' };

function Head({ state }: { state: State }) {
  const { connection, status, rate, head } = state;
  return (
    <header>
      <h1><a href="#/">blindseq</a></h1>
      <p class={`connection ${connection}`} role="status">{connections[connection]}</p>
      <dl class="figures">
        <div><dt>Chain</dt><dd>{status?.chain_id ?? '–'}</dd></div>
        <div><dt>Block</dt><dd>{head === undefined ? '–' : whole(head)}</dd></div>
        <div><dt>Blocks/s</dt><dd>{rate.blocks.toFixed(1)}</dd></div>
        <div><dt>Mgas/s</dt><dd>{(rate.gas / 1e6).toFixed(2)}</dd></div>
      </dl>
    </header>
  );
}

/** Alerts are what keeps the pipeline, or the page, from working. */
function Alerts({ state }: { state: State }) {
  const { status, trouble, connection } = state;
  const all = [
    status?.halted && `Production is halted: ${status.halted}`,
    status?.dsn?.waiting,
    status?.pool?.locked && `The pool is locked by ${status.pool.locked_by.join(' and ')}: no new proposals are made.`,
    ...(status?.errors ?? []).map((e) => `${e.part} does not answer: ${e.error}`),
    connection === 'lost' && 'There is no connection to JSON-RPC, so blocks do not appear.',
    trouble,
  ].filter(Boolean);
  return <div role="alert" class="alerts">{all.map((text) => <p key={text}>{text}</p>)}</div>;
}
