/** The reasons to refuse a sealed transaction, in the order in which they are examined: the first one wins. */
export type Reason = 'type' | 'encoding' | 'size' | 'chain' | 'key' | 'point' | 'proof' | 'signature';

/** SealError: something cannot be sealed, read or verified. Nothing was sent. */
export class SealError extends Error {
  override name = 'SealError';
}

/** InvalidSealed: bytes are no valid sealed transaction, for this reason. */
export class InvalidSealed extends SealError {
  override name = 'InvalidSealed';
  constructor(readonly reason: Reason, detail = '') {
    super(`check sealed transaction: ${reason}${detail && ': ' + detail}`);
  }
}

/** CommitteeChanged: the rollup names another committee than the pinned one. Nothing is sealed for it. */
export class CommitteeChanged extends SealError {
  override name = 'CommitteeChanged';
  constructor(readonly field: string, readonly pinned: string, readonly offered: string) {
    super(
      `the rollup's committee is not the pinned one: ${field} is ${offered}, pinned is ${pinned}; ` +
        'get the new committee file from a source that you trust, and pin it',
    );
  }
}

/** RpcError: the other side answered with an error. `code` is that of JSON-RPC. */
export class RpcError extends Error {
  override name = 'RpcError';
  constructor(readonly code: number, message: string, readonly data?: unknown) {
    super(message);
  }
}

/** Unanswered: sealed bytes were sent, and no answer says whether they arrived. Send the same bytes again, never others. */
export class Unanswered extends Error {
  override name = 'Unanswered';
  constructor(readonly id: string, readonly raw: string, cause: unknown) {
    super(`submit sealed transaction ${id}: no answer; send the same bytes again`, { cause });
  }
}

/** NotExecuted: a sealed transaction ended without being executed. When it is `barred`, sign a new one. */
export class NotExecuted extends RpcError {
  override name = 'NotExecuted';
  constructor(hash: string, readonly reason: string, readonly barred: boolean) {
    super(-32000, `transaction ${hash} ended without being executed: ${reason}`, { barred });
  }
}
