// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Shop} from "../contracts/Shop.sol";
import {Token} from "../contracts/Token.sol";

/// What the script needs of forge's cheat codes.
interface Cheats {
    function startBroadcast() external;
    function stopBroadcast() external;
}

/// Deploys contracts that need each other and calls them: 25 transactions, which forge sends without waiting for receipts.
contract Deploy {
    Cheats private constant cheats = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public constant IS_SCRIPT = true;

    function run() external {
        cheats.startBroadcast();
        Token token = new Token(1_000);
        Shop shop = new Shop(token);
        token.transfer(address(shop), 500);
        for (uint256 i = 1; i <= 20; i++) {
            shop.buy{value: i}();
        }
        Token second = new Token(7);
        second.approve(address(shop), 7);
        cheats.stopBroadcast();
        require(token.balanceOf(address(shop)) == 290, "sold what was not bought");
    }
}
