// What both scripts need: where the system is, the first account of a development chain, the contract, and assertions.
import { readFileSync } from "node:fs";

// The mnemonic of the development genesis. Its keys are public knowledge.
export const mnemonic = "test test test test test test test test test test test junk";

export const rpc = process.env.BLINDSEQ_E2E_RPC ?? "http://127.0.0.1:8545";
export const ws = process.env.BLINDSEQ_E2E_WS ?? rpc.replace(/^http/, "ws") + "/ws";

export const counter = JSON.parse(readFileSync(new URL("counter.json", import.meta.url)));

export function check(what, condition) {
  if (!condition) throw new Error(what);
  console.log("ok", what);
}

// run ends the process when the script is through, whatever sockets a library keeps open, and within so many seconds.
export function run(script, seconds = 60) {
  setTimeout(() => {
    console.error(`not done within ${seconds} seconds`);
    process.exit(1);
  }, seconds * 1_000).unref();
  script().then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}
