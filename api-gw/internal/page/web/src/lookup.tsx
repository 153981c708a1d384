import { useState } from 'preact/hooks';
import { isName, toBlock, toTransaction } from './route';

/** Lookup goes to a transaction or a block that a person names. */
export function Lookup() {
  const [wrong, setWrong] = useState('');
  const go = (event: Event) => {
    event.preventDefault();
    const text = String(new FormData(event.target as HTMLFormElement).get('name')).trim();
    const to = isName(text) ? toTransaction(text) : /^\d{1,15}$/.test(text) ? toBlock(Number(text)) : '';
    setWrong(to ? '' : 'Enter a hash or an id (0x and 64 digits), or the number of a block.');
    if (to) location.hash = to;
  };
  return (
    <section aria-labelledby="lookup">
      <h2 id="lookup">Find</h2>
      <form onSubmit={go} noValidate>
        <label for="name">Hash of a transaction, id of a sealed one, or block number</label>
        <div class="row">
          <input id="name" name="name" autoComplete="off" spellcheck={false} aria-invalid={!!wrong} aria-describedby="name-wrong" />
          <button>Show</button>
        </div>
        <p id="name-wrong" class="wrong" role="alert">{wrong}</p>
      </form>
    </section>
  );
}
