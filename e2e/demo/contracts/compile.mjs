// Compiles exchange.sol and prints the contracts: { name: { abi, bytecode } }.
import { readFileSync } from "node:fs";
import solc from "solc";

const name = "exchange.sol";
const input = {
  language: "Solidity",
  sources: { [name]: { content: readFileSync(new URL(name, import.meta.url), "utf8") } },
  settings: {
    evmVersion: "cancun",
    optimizer: { enabled: true, runs: 200 },
    metadata: { appendCBOR: false }, // so that a comment does not change the bytecode
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
if (output.errors?.length) {
  for (const e of output.errors) console.error(e.formattedMessage);
  process.exit(1);
}
const contracts = {};
for (const [contract, { abi, evm }] of Object.entries(output.contracts[name])) {
  contracts[contract] = { abi, bytecode: "0x" + evm.bytecode.object };
}
const lines = Object.entries(contracts).map(([contract, { abi, bytecode }]) =>
  `"${contract}": {\n "abi": [\n${abi.map((item) => "  " + JSON.stringify(item)).join(",\n")}\n ],\n "bytecode": "${bytecode}"\n}`);
console.log(`{\n${lines.join(",\n")}\n}`);
