// viem: a transfer, a contract deployed and called; over HTTP and, with watchBlocks, over WebSocket.
import { createPublicClient, createWalletClient, defineChain, http, parseEther, webSocket } from "viem";
import { generatePrivateKey, mnemonicToAccount, nonceManager, privateKeyToAddress } from "viem/accounts";
import { check, counter, mnemonic, rpc, run, ws } from "./common.mjs";

run(async () => {
  const id = await createPublicClient({ transport: http(rpc) }).getChainId();
  const chain = defineChain({
    id,
    name: "blindseq",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rpc], webSocket: [ws] } },
  });
  await exercise("viem over HTTP", chain, http(rpc), 3);
  await exercise("viem over WebSocket", chain, webSocket(ws), 4);
  await watch(chain);
});

async function exercise(name, chain, transport, addressIndex) {
  const account = mnemonicToAccount(mnemonic, { addressIndex });
  const reader = createPublicClient({ chain, transport, pollingInterval: 50 });
  const writer = createWalletClient({ account, chain, transport });
  const to = privateKeyToAddress(generatePrivateKey());

  const hash = await writer.sendTransaction({ to, value: parseEther("0.25") });
  const receipt = await reader.waitForTransactionReceipt({ hash });
  check(`${name}: a transfer has a receipt`, receipt.status === "success");
  check(`${name}: its value has arrived`, (await reader.getBalance({ address: to })) === parseEther("0.25"));

  const deployed = await reader.waitForTransactionReceipt({ hash: await writer.deployContract(counter) });
  const contract = { address: deployed.contractAddress, abi: counter.abi };
  check(`${name}: a new contract holds 0`, (await reader.readContract({ ...contract, functionName: "get" })) === 0n);
  const { request } = await reader.simulateContract({ ...contract, account, functionName: "set", args: [7n] });
  const called = await reader.waitForTransactionReceipt({ hash: await writer.writeContract(request) });
  check(`${name}: a call has a receipt`, called.status === "success");
  check(`${name}: the contract holds 7`, (await reader.readContract({ ...contract, functionName: "get" })) === 7n);

  const counting = createWalletClient({ account: mnemonicToAccount(mnemonic, { addressIndex, nonceManager }), chain, transport });
  const many = await Promise.all(Array.from({ length: 10 }, () => counting.sendTransaction({ to, value: 1n })));
  const receipts = await Promise.all(many.map((hash) => reader.waitForTransactionReceipt({ hash })));
  check(`${name}: ten transfers sent at once have receipts`, receipts.every((r) => r.status === "success"));
  const synced = await writer.sendTransactionSync({ to, value: 1n });
  check(`${name}: sendTransactionSync answers with the receipt`, synced.status === "success" && synced.blockNumber > 0n);
}

// watch sees the block of its own transfer pushed over WebSocket.
async function watch(chain) {
  const account = mnemonicToAccount(mnemonic, { addressIndex: 5 });
  const transport = webSocket(ws);
  const reader = createPublicClient({ chain, transport });
  const writer = createWalletClient({ account, chain, transport });
  let hash;
  const holding = new Promise((resolve, reject) => {
    const blocks = [];
    const look = () => blocks.find((block) => block.transactions.includes(hash)) && resolve();
    const stop = reader.watchBlocks({
      onBlock: (block) => { blocks.push(block); look(); },
      onError: reject,
      emitOnBegin: true, // the block may come before the subscription stands
      emitMissed: true,
    });
    writer.sendTransaction({ to: account.address, value: 1n }).then((sent) => { hash = sent; look(); }, reject);
    setTimeout(() => { stop(); reject(new Error("watchBlocks showed no block with the transfer")); }, 20_000).unref();
  });
  await holding;
  check("viem over WebSocket: watchBlocks shows the block of a transfer", true);
}
