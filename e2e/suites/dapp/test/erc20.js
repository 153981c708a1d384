// OpenZeppelin's ERC20 with its extensions, as a dapp's suite uses them.
const { expect } = require("chai");
const { ethers } = require("hardhat");

describe("ERC20", () => {
  const supply = 1_000n;
  let token, owner, holder, spender;

  beforeEach(async () => {
    [owner, holder, spender] = await ethers.getSigners();
    token = await ethers.deployContract("Token", [supply]);
  });

  it("is deployed where the deployer's nonce says", async () => {
    const sent = token.deploymentTransaction();
    expect(await token.getAddress()).to.equal(ethers.getCreateAddress({ from: owner.address, nonce: sent.nonce }));
    await token.waitForDeployment();
    expect(await ethers.provider.getCode(token)).to.not.equal("0x");
  });

  it("has name, symbol, decimals, supply", async () => {
    await token.waitForDeployment();
    expect(await token.name()).to.equal("Token");
    expect(await token.symbol()).to.equal("TOK");
    expect(await token.decimals()).to.equal(18n);
    expect(await token.totalSupply()).to.equal(supply);
    expect(await token.balanceOf(owner)).to.equal(supply);
  });

  it("emits Transfer", async () => {
    await expect(token.transfer(holder, 7n)).to.emit(token, "Transfer").withArgs(owner.address, holder.address, 7n);
  });

  it("changes the balances of both", async () => {
    await expect(token.transfer(holder, 7n)).to.changeTokenBalances(token, [owner, holder], [-7n, 7n]);
  });

  it("changes the balances of ether", async () => {
    await expect(owner.sendTransaction({ to: holder, value: 5n })).to.changeEtherBalances([owner, holder], [-5n, 5n]);
  });

  it("refuses more than there is, with a custom error", async () => {
    await expect(token.connect(holder).transfer(owner, 1n))
      .to.be.revertedWithCustomError(token, "ERC20InsufficientBalance")
      .withArgs(holder.address, 0n, 1n);
  });

  it("refuses the zero address", async () => {
    await expect(token.transfer(ethers.ZeroAddress, 1n)).to.be.revertedWithCustomError(token, "ERC20InvalidReceiver");
  });

  it("refuses whoever is not the owner", async () => {
    await expect(token.connect(holder).mint(holder, 1n)).to.be.revertedWithCustomError(token, "OwnableUnauthorizedAccount");
  });

  it("lets a spender spend what is approved, not more", async () => {
    await expect(token.approve(spender, 10n)).to.emit(token, "Approval").withArgs(owner.address, spender.address, 10n);
    await (await token.connect(spender).transferFrom(owner, holder, 4n)).wait();
    expect(await token.allowance(owner, spender)).to.equal(6n);
    await expect(token.connect(spender).transferFrom(owner, holder, 7n)).to.be.revertedWithCustomError(token, "ERC20InsufficientAllowance");
  });

  it("burns", async () => {
    await expect(token.burn(3n)).to.emit(token, "Transfer").withArgs(owner.address, ethers.ZeroAddress, 3n);
    expect(await token.totalSupply()).to.equal(supply - 3n);
  });

  it("takes a permit that the node has signed", async () => {
    const { chainId } = await ethers.provider.getNetwork();
    const domain = { name: "Token", version: "1", chainId, verifyingContract: await token.getAddress() };
    const types = { Permit: ["owner:address", "spender:address", "value:uint256", "nonce:uint256", "deadline:uint256"].map((f) => ({ name: f.split(":")[0], type: f.split(":")[1] })) };
    const permit = { owner: owner.address, spender: spender.address, value: 9n, nonce: 0n, deadline: ethers.MaxUint256 };
    const { v, r, s } = ethers.Signature.from(await owner.signTypedData(domain, types, permit));
    await (await token.connect(spender).permit(owner, spender, 9n, ethers.MaxUint256, v, r, s)).wait();
    expect(await token.allowance(owner, spender)).to.equal(9n);
  });

  it("takes twenty transfers that are sent at once", async () => {
    await token.waitForDeployment();
    const sent = [];
    for (let i = 0; i < 20; i++) sent.push(await token.transfer(holder, 1n));
    await Promise.all(sent.map((tx) => tx.wait()));
    expect(await token.balanceOf(holder)).to.equal(20n);
  });

  it("finds past events", async () => {
    await (await token.transfer(holder, 1n)).wait();
    await (await token.transfer(spender, 2n)).wait();
    const events = await token.queryFilter(token.filters.Transfer(owner), 0, "latest");
    expect(events.map((e) => e.args.value)).to.deep.equal([1n, 2n]);
  });
});
