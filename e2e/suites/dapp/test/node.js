// What hardhat asks of a node.
const { expect } = require("chai");
const { ethers, ignition, network } = require("hardhat");
const { mine, time, takeSnapshot, setBalance } = require("@nomicfoundation/hardhat-network-helpers");
const Shop = require("../ignition/modules/Shop");

describe("the node", () => {
  it("has ten accounts", async () => {
    expect(await ethers.getSigners()).to.have.lengthOf(10);
  });

  it("signs messages", async () => {
    const [signer] = await ethers.getSigners();
    expect(ethers.verifyMessage("hello", await signer.signMessage("hello"))).to.equal(signer.address);
  });

  it("mines", async () => {
    const before = await time.latestBlock();
    await mine(3);
    expect(await time.latestBlock()).to.be.at.least(before + 3);
  });

  it("moves the time forward", async () => {
    const before = await time.latest();
    await time.increase(1_000);
    expect(await time.latest()).to.be.at.least(before + 1_000);
  });

  it("sets the time of the next block", async () => {
    const at = (await time.latest()) + 500;
    await time.setNextBlockTimestamp(at);
    await mine();
    expect(await time.latest()).to.be.within(at, at + 5);
  });

  it("says which of its methods would undo a decided order", async () => {
    await expect(takeSnapshot()).to.be.rejectedWith(/decided|order/);
    await expect(setBalance("0x00000000000000000000000000000000000000aa", 1n)).to.be.rejectedWith(/decided|order|state/);
  });

  it("deploys what ignition describes, once", async () => {
    const { token, parliament } = await ignition.deploy(Shop);
    expect(await token.balanceOf((await ethers.getSigners())[1])).to.equal(10n);
    expect(await parliament.votingPeriod()).to.equal(16n);
  });

  it("tells what a failed transaction failed of", async () => {
    const token = await ethers.deployContract("Token", [1n]);
    await token.waitForDeployment();
    const sent = await token.transfer((await ethers.getSigners())[1], 2n, { gasLimit: 200_000n });
    await expect(sent.wait()).to.be.rejectedWith("transaction execution reverted");
    const trace = await network.provider.send("debug_traceTransaction", [sent.hash, { tracer: "callTracer" }]);
    expect(trace.output.slice(0, 10)).to.equal(token.interface.getError("ERC20InsufficientBalance").selector);
  });
});
