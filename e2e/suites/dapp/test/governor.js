// OpenZeppelin's Governor with a timelock: blocks are mined and the time is moved, as its own suite does.
const { expect } = require("chai");
const { ethers } = require("hardhat");
const { mine, time } = require("@nomicfoundation/hardhat-network-helpers");

const [pending, active, canceled, defeated, succeeded, queued, , executed] = Array.from({ length: 8 }, (_, i) => BigInt(i));
const [against, inFavour, abstain] = [0, 1, 2];
const delay = 3_600n;

describe("Governor", () => {
  let token, timelock, governor, owner, voter, other, action;

  beforeEach(async () => {
    [owner, voter, other] = await ethers.getSigners();
    token = await ethers.deployContract("Token", [1_000n]);
    timelock = await ethers.deployContract("Timelock", [delay, [], [ethers.ZeroAddress], owner]);
    governor = await ethers.deployContract("Parliament", [token, timelock]);
    await (await timelock.grantRole(await timelock.PROPOSER_ROLE(), governor)).wait();
    await (await token.transfer(voter, 400n)).wait();
    await (await token.connect(voter).delegate(voter)).wait();
    await (await token.transferOwnership(timelock)).wait();
    action = [[await token.getAddress()], [0n], [token.interface.encodeFunctionData("mint", [other.address, 5n])]];
  });

  async function propose(text) {
    const receipt = await (await governor.propose(...action, text)).wait();
    return receipt.logs.find((log) => log.fragment?.name === "ProposalCreated").args.proposalId;
  }

  it("emits the proposal", async () => {
    await expect(governor.propose(...action, "mint")).to.emit(governor, "ProposalCreated");
  });

  it("executes what was voted for, after its delay", async () => {
    const id = await propose("mint 5");
    expect(await governor.state(id)).to.equal(pending);
    await mine(5);
    expect(await governor.state(id)).to.equal(active);
    await expect(governor.connect(voter).castVote(id, inFavour)).to.emit(governor, "VoteCast").withArgs(voter.address, id, inFavour, 400n, "");
    await mine(17);
    expect(await governor.state(id)).to.equal(succeeded);

    const description = ethers.id("mint 5");
    await expect(governor.queue(...action, description)).to.emit(governor, "ProposalQueued");
    expect(await governor.state(id)).to.equal(queued);
    await expect(governor.execute(...action, description)).to.be.revertedWithCustomError(timelock, "TimelockUnexpectedOperationState");
    await time.increase(delay);
    await expect(governor.execute(...action, description)).to.emit(token, "Transfer").withArgs(ethers.ZeroAddress, other.address, 5n);
    expect(await governor.state(id)).to.equal(executed);
    expect(await token.balanceOf(other)).to.equal(5n);
  });

  it("executes at a time that was set", async () => {
    const id = await propose("mint later");
    await mine(5);
    await (await governor.connect(voter).castVote(id, inFavour)).wait();
    await mine(17);
    await (await governor.queue(...action, ethers.id("mint later"))).wait();
    await time.increaseTo(await governor.proposalEta(id));
    await (await governor.execute(...action, ethers.id("mint later"))).wait();
    expect(await governor.state(id)).to.equal(executed);
  });

  it("is defeated when more vote against", async () => {
    const id = await propose("mint, please");
    await mine(5);
    await (await governor.connect(voter).castVoteWithReason(id, against, "no")).wait();
    await mine(17);
    expect(await governor.state(id)).to.equal(defeated);
    await expect(governor.queue(...action, ethers.id("mint, please"))).to.be.revertedWithCustomError(governor, "GovernorUnexpectedProposalState");
  });

  it("is defeated without a quorum", async () => {
    const id = await propose("nobody comes");
    await mine(22);
    expect(await governor.state(id)).to.equal(defeated);
  });

  it("counts each voter once", async () => {
    const id = await propose("twice");
    await mine(5);
    await (await governor.connect(voter).castVote(id, abstain)).wait();
    await expect(governor.connect(voter).castVote(id, inFavour)).to.be.revertedWithCustomError(governor, "GovernorAlreadyCastVote");
    expect(await governor.proposalVotes(id)).to.deep.equal([0n, 0n, 400n]);
  });

  it("takes a vote that another sends", async () => {
    const id = await propose("by signature");
    await mine(5);
    const { chainId } = await ethers.provider.getNetwork();
    const domain = { name: "Parliament", version: "1", chainId, verifyingContract: await governor.getAddress() };
    const types = { Ballot: [["proposalId", "uint256"], ["support", "uint8"], ["voter", "address"], ["nonce", "uint256"]].map(([name, type]) => ({ name, type })) };
    const ballot = { proposalId: id, support: inFavour, voter: voter.address, nonce: await governor.nonces(voter) };
    const signature = await voter.signTypedData(domain, types, ballot);
    await expect(governor.connect(other).castVoteBySig(id, inFavour, voter, signature)).to.emit(governor, "VoteCast").withArgs(voter.address, id, inFavour, 400n, "");
  });

  it("is cancelled by who proposed", async () => {
    const id = await propose("a mistake");
    await expect(governor.cancel(...action, ethers.id("a mistake"))).to.emit(governor, "ProposalCanceled").withArgs(id);
    expect(await governor.state(id)).to.equal(canceled);
  });
});
