// ethers: a transfer, a contract deployed and called; over HTTP, and blocks seen over WebSocket.
import { ContractFactory, HDNodeWallet, JsonRpcProvider, NonceManager, WebSocketProvider, parseEther } from "ethers";
import { check, counter, mnemonic, rpc, run, ws } from "./common.mjs";

run(async () => {
  const provider = new JsonRpcProvider(rpc, undefined, { pollingInterval: 50, cacheTimeout: -1 });
  const wallet = HDNodeWallet.fromPhrase(mnemonic, undefined, "m/44'/60'/0'/0/2").connect(provider);
  const signer = new NonceManager(wallet);
  const recipient = HDNodeWallet.createRandom().address;

  const socket = new WebSocketProvider(ws);
  const seen = new Promise((resolve) => socket.once("block", resolve));
  await socket.getNetwork();

  const sent = await signer.sendTransaction({ to: recipient, value: parseEther("1.5") });
  check("ethers: the pending nonce counts it", (await provider.getTransactionCount(wallet.address, "pending")) === sent.nonce + 1);
  const found = await provider.getTransaction(sent.hash);
  check("ethers: it is found as it was signed", found.from === wallet.address && found.nonce === sent.nonce && found.to === recipient);
  const receipt = await sent.wait();
  check("ethers: a transfer has a receipt", receipt.status === 1 && receipt.hash === sent.hash);
  check("ethers: its value has arrived", (await provider.getBalance(recipient)) === parseEther("1.5"));
  const block = await provider.getBlock(receipt.blockNumber);
  check("ethers: the block holds the transfer", block.hash === receipt.blockHash && block.transactions.includes(sent.hash));
  check("ethers: blocks are seen over WebSocket", (await seen) > 0);

  const contract = await new ContractFactory(counter.abi, counter.bytecode, signer).deploy();
  await contract.waitForDeployment();
  check("ethers: a new contract holds 0", (await contract.get()) === 0n);
  const set = await (await contract.set(42n)).wait();
  check("ethers: a call has a receipt", set.status === 1);
  check("ethers: the contract holds 42", (await contract.get()) === 42n);

  const many = await Promise.all(Array.from({ length: 10 }, () => signer.sendTransaction({ to: recipient, value: 1n })));
  const receipts = await Promise.all(many.map((tx) => tx.wait()));
  check("ethers: ten transfers sent at once have receipts", receipts.every((r) => r.status === 1));

  const nonce = await provider.getTransactionCount(wallet.address);
  const refused = await wallet
    .sendTransaction({ to: recipient, value: 1n, nonce: nonce - 1 })
    .then(() => "", (error) => error.code);
  check("ethers: a used nonce is refused as such", refused === "NONCE_EXPIRED");
});
