// RPC_URL names the node. The compiler is the one of the package solc: hardhat's own way to get one is a download.
const { subtask } = require("hardhat/config");
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require("hardhat/builtin-tasks/task-names");
const solc = require("solc/package.json");
require("@nomicfoundation/hardhat-ethers");
require("@nomicfoundation/hardhat-chai-matchers");
require("@nomicfoundation/hardhat-ignition-ethers");

subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async () => ({
  version: solc.version,
  longVersion: solc.version,
  compilerPath: require.resolve("solc/soljson.js"),
  isSolcJs: true,
}));

module.exports = {
  solidity: { version: solc.version, settings: { optimizer: { enabled: true, runs: 200 }, evmVersion: "cancun" } },
  defaultNetwork: "node",
  networks: { node: { url: process.env.RPC_URL ?? "http://127.0.0.1:8545" } },
  mocha: { timeout: 120_000 },
};
