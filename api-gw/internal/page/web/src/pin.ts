import { committeeFromText, committeeToText, readCommittee, trustCommittee, type Committee, type EncryptionKey } from '@blindseq/seal';
import { Refused, type Rpc } from './rpc';

const stored = 'blindseq-committee';

interface Kept {
  committee: string;
  from: 'gateway' | 'file';
  since: string;
}

/**
 * Pin is the committee against which this browser verifies: the first one that the gateway named, or that of a file. It is kept, and
 * another one takes its place only when a person says so.
 */
export class Pin {
  constructor(
    readonly committee?: Committee,
    readonly from: Kept['from'] = 'gateway',
    readonly since = '',
    /** What the gateway names instead. */
    readonly other?: Committee,
    /** Why there is none. */
    readonly missing = '',
  ) {}

  /** compare asks the gateway for its committee. Nothing that is pinned changes. */
  async compare(rpc: Rpc): Promise<Pin> {
    let offered: Committee;
    try {
      offered = trustCommittee(await rpc.call<EncryptionKey>('te_getEncryptionKey'));
    } catch (err) {
      if (err instanceof Refused) return new Pin(undefined, 'gateway', '', undefined, err.message);
      throw err;
    }
    const kept = read();
    if (!kept) return pin(offered, 'gateway');
    const same = committeeToText(kept.committee!) === committeeToText(offered);
    return new Pin(kept.committee, kept.from, kept.since, same ? undefined : offered);
  }
}

/** pin keeps a committee from now on. */
export function pin(committee: Committee, from: Kept['from']): Pin {
  const since = new Date().toISOString();
  try {
    localStorage.setItem(stored, JSON.stringify({ committee: committeeToText(committee), from, since } satisfies Kept));
  } catch {
    // storage is switched off: it is pinned until the page is left
  }
  return new Pin(committee, from, since);
}

/** pinFile pins the committee of a committee.json. */
export async function pinFile(file: File, other?: Committee): Promise<Pin> {
  const committee = readCommittee(await file.text());
  const pinned = pin(committee, 'file');
  return new Pin(committee, 'file', pinned.since, other && other.hash !== committee.hash ? other : undefined);
}

function read(): Pin | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(stored) ?? 'null') as Kept | null;
    return kept ? new Pin(committeeFromText(kept.committee), kept.from, kept.since) : undefined;
  } catch {
    return undefined; // not readable: as if there were none
  }
}

