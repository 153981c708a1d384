const { buildModule } = require("@nomicfoundation/hardhat-ignition/modules");

// Contracts that need each other, and a call between them.
module.exports = buildModule("Shop", (m) => {
  const owner = m.getAccount(0);
  const token = m.contract("Token", [1_000n]);
  const timelock = m.contract("Timelock", [60n, [], [], owner]);
  const parliament = m.contract("Parliament", [token, timelock]);
  const paid = m.call(token, "transfer", [m.getAccount(1), 10n], { after: [parliament] });
  m.call(token, "delegate", [owner], { after: [paid] });
  return { token, timelock, parliament };
});
