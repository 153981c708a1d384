export type { Hex, Quantity } from './bytes.js';
export { check, maxTxBytes, parse, sealedType, type Header, type Parsed } from './format.js';
export { seal, roundFee, roundGas, type Sealed, type SealOptions } from './seal.js';
export type { Submitter } from './signature.js';
export {
  committeeFromText, committeeToText, readCommittee, trustCommittee, type Committee, type CommitteeFile, type EncryptionKey,
} from './committee.js';
export { verifyOrderProof, type OrderProof, type Place } from './orderproof.js';
export { follow, verifyPreconfirmation, type FollowOptions, type Socket, type Step } from './follow.js';
export * from './errors.js';
export { fetchEncryptionKey, Sealer, type Outcome, type SealerOptions, type Status } from './sealer.js';
export { http, type Request } from './rpc.js';
export type { Simulations } from './policy.js';
