// How long libraries wait for a receipt when no option of theirs is changed: COUNT transfers for each way to wait. It prints the median
// and the maximum. What it checks is that most waits ask for the receipt once: whoever asks again has paused for seconds before.
import { HDNodeWallet, JsonRpcProvider } from "ethers";
import { createPublicClient, createWalletClient, defineChain, http } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { HttpProvider, Web3 } from "web3";
import { check, mnemonic, rpc, run } from "./common.mjs";

const count = Number(process.env.COUNT ?? 10);
const fee = { maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n };

let asked = 0; // calls for a receipt since the last report

run(async () => {
  await ethersWaits();
  await viemWaits();
  await web3Waits();
}, 240);

async function ethersWaits() {
  const provider = new JsonRpcProvider(rpc);
  provider.on("debug", ({ action, payload }) => action === "sendRpcPayload" && note(JSON.stringify(payload)));
  const from = HDNodeWallet.fromPhrase(mnemonic, undefined, "m/44'/60'/0'/0/6").connect(provider);
  let nonce = await provider.getTransactionCount(from.address, "latest");
  const send = () => from.sendTransaction({ to: from.address, value: 1n, nonce: nonce++, gasLimit: 21_000n, ...fee });
  const wait = async () => { const tx = await send(); return () => tx.wait(); };
  await oneByOne("ethers tx.wait", wait);
  await together("ethers tx.wait", wait);
  await oneByOne("ethers provider.waitForTransaction", async () => {
    // Ethers keeps the number of the head for 250 ms, and waits for the block after a receipt's when that number is lower.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { hash } = await send();
    return () => provider.waitForTransaction(hash);
  });
}

async function viemWaits() {
  const transport = http(rpc, { onFetchRequest: async (request) => note(await request.clone().text()) });
  const id = await createPublicClient({ transport }).getChainId();
  const chain = defineChain({ id, name: "blindseq", nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 }, rpcUrls: { default: { http: [rpc] } } });
  const account = mnemonicToAccount(mnemonic, { addressIndex: 7 });
  const reader = createPublicClient({ chain, transport });
  const writer = createWalletClient({ account, chain, transport });
  let nonce = await reader.getTransactionCount({ address: account.address });
  const wait = async () => {
    const hash = await writer.sendTransaction({ to: account.address, value: 1n, nonce: nonce++, gas: 21_000n, ...fee });
    return () => reader.waitForTransactionReceipt({ hash });
  };
  await oneByOne("viem waitForTransactionReceipt", wait);
  await together("viem waitForTransactionReceipt", wait);
}

async function web3Waits() {
  const provider = new HttpProvider(rpc);
  const request = provider.request.bind(provider);
  provider.request = (payload, options) => {
    note(JSON.stringify(payload));
    return request(payload, options);
  };
  const web3 = new Web3(provider);
  const { privateKey, address } = HDNodeWallet.fromPhrase(mnemonic, undefined, "m/44'/60'/0'/0/8");
  let nonce = await web3.eth.getTransactionCount(address, "latest");
  // What it returns waits for the receipt: there is no hash to have before. So the time of sending is in its waits.
  const wait = async () => {
    const signed = await web3.eth.accounts.signTransaction({ to: address, value: 1n, nonce: nonce++, gas: 21_000n, ...fee }, privateKey);
    return () => web3.eth.sendSignedTransaction(signed.rawTransaction);
  };
  await oneByOne("web3.js sendSignedTransaction", wait);
  await together("web3.js sendSignedTransaction", wait);
}

function note(body) {
  asked += body.split('"eth_getTransactionReceipt"').length - 1;
}

// oneByOne sends a transfer and waits for it, again and again. What counts is the wait, from when the hash is known.
async function oneByOne(what, sent) {
  const took = [];
  for (let i = 0; i < count; i++) took.push(await timed(await sent()));
  report(what, took);
}

// together sends ten, and waits for all of them at the same time.
async function together(what, sent) {
  const took = [];
  while (took.length < count) {
    const waits = [];
    for (let i = 0; i < 10; i++) waits.push(await sent());
    took.push(...(await Promise.all(waits.map(timed))));
  }
  report(`${what}, ten at a time`, took);
}

async function timed(wait) {
  const began = performance.now();
  await wait();
  return performance.now() - began;
}

function report(what, took) {
  took.sort((a, b) => a - b);
  const [median, most] = [took[Math.floor(took.length / 2)], took[took.length - 1]].map((ms) => ms.toFixed(1));
  check(`${what}: ${took.length} waits, median ${median} ms, maximum ${most} ms, ${asked} calls`, asked > 0 && asked < 1.5 * took.length);
  asked = 0;
}
