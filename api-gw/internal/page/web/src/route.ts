import { useEffect, useState } from 'preact/hooks';

/** Route is what the address of the page names behind the #. */
export type Route = { at: 'home' } | { at: 'block'; number: number } | { at: 'transaction'; name: string };

export function routeOf(hash: string): Route {
  const [, at, what = ''] = /^#\/(block|tx)\/(\w+)$/.exec(hash) ?? [];
  if (at === 'block' && /^\d{1,15}$/.test(what)) return { at: 'block', number: Number(what) };
  if (at === 'tx' && isName(what)) return { at: 'transaction', name: what.toLowerCase() };
  return { at: 'home' };
}

/** isName says whether a text may be the hash of a transaction, or the id of a sealed one. */
export const isName = (text: string): boolean => /^0x[0-9a-f]{64}$/i.test(text);

export const toBlock = (number: number | string): string => `#/block/${number}`;
export const toTransaction = (name: string): string => `#/tx/${name}`;

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => setHash(location.hash);
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return routeOf(hash);
}
