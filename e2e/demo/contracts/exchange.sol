// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

// The demo's exchange: two tokens and a pool that trades one for the other. It is as small as shows a sandwich, and not for value:
// the owner may set the reserves, so that each round of the demo begins with the same ones.

/// An ERC-20 token. Whoever creates it has all of it.
contract Token {
    string public name;
    string public symbol;
    uint8 public constant decimals = 18;
    uint256 public immutable totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    constructor(string memory name_, string memory symbol_, uint256 supply) {
        (name, symbol, totalSupply) = (name_, symbol_, supply);
        balanceOf[msg.sender] = supply;
        emit Transfer(address(0), msg.sender, supply);
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        move(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        allowance[from][msg.sender] -= value;
        move(from, to, value);
        return true;
    }

    function move(address from, address to, uint256 value) private {
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}

/// A pool of two tokens. The product of the reserves never falls (x * y = k), and 0.3 % of each trade stays in the pool.
contract Pool {
    Token public immutable cash;
    Token public immutable coin;
    address public immutable owner;
    uint256 private cashReserve;
    uint256 private coinReserve;

    event Swapped(address indexed trader, bool buys, uint256 paid, uint256 got);

    /// The trade would have given less than the trader's minimum.
    error TooLittle(uint256 got, uint256 minimum);

    constructor(Token cash_, Token coin_) {
        (cash, coin, owner) = (cash_, coin_, msg.sender);
    }

    /// Brings the reserves to these values, from or to the owner's account.
    function setReserves(uint256 cash_, uint256 coin_) external {
        require(msg.sender == owner, "only the owner");
        settle(cash, cashReserve, cash_);
        settle(coin, coinReserve, coin_);
        (cashReserve, coinReserve) = (cash_, coin_);
    }

    /// What there is to trade with.
    function reserves() external view returns (uint256 cash_, uint256 coin_) {
        return (cashReserve, coinReserve);
    }

    /// What a trade gives now: coin for cash where the trader buys, else cash for coin.
    function quote(bool buys, uint256 paid) public view returns (uint256) {
        (uint256 from, uint256 to) = buys ? (cashReserve, coinReserve) : (coinReserve, cashReserve);
        uint256 counted = paid * 997;
        return to * counted / (from * 1000 + counted);
    }

    /// Trades, unless it gives less than a minimum.
    function swap(bool buys, uint256 paid, uint256 minimum) external returns (uint256 got) {
        got = quote(buys, paid);
        if (got < minimum) revert TooLittle(got, minimum);
        if (buys) (cashReserve, coinReserve) = (cashReserve + paid, coinReserve - got);
        else (cashReserve, coinReserve) = (cashReserve - got, coinReserve + paid);
        (Token from, Token to) = buys ? (cash, coin) : (coin, cash);
        from.transferFrom(msg.sender, address(this), paid);
        to.transfer(msg.sender, got);
        emit Swapped(msg.sender, buys, paid, got);
    }

    function settle(Token token, uint256 has, uint256 wanted) private {
        if (wanted > has) token.transferFrom(owner, address(this), wanted - has);
        else token.transfer(owner, has - wanted);
    }
}
