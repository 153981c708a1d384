// Two of the accounts that make run funds. Their keys are public knowledge: a real dapp asks the user's wallet.
import { HDNodeWallet } from 'ethers';

const phrase = 'test test test test test test test test test test test junk';
const account = (index) => HDNodeWallet.fromPhrase(phrase, undefined, `m/44'/60'/0'/0/${index}`);

export const maker = account(0); // creates the exchange
export const trader = account(1); // swaps on it
