// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Token} from "./Token.sol";

/// Sells a token for ether, one for one.
contract Shop {
    Token public immutable token;

    event Sold(address to, uint256 amount);

    constructor(Token sold) {
        token = sold;
    }

    function buy() external payable {
        token.transfer(msg.sender, msg.value);
        emit Sold(msg.sender, msg.value);
    }
}
