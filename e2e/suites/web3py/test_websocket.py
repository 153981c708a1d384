"""The tests of web3.py over one WebSocket."""

from test_http import Web3Checks
from web3._utils.module_testing import AsyncEthModuleTest, AsyncNetModuleTest
from web3._utils.module_testing.web3_module import AsyncWeb3ModuleTest

ASYNC_WS = True


class TestEth(AsyncEthModuleTest):
    pass


class TestNet(AsyncNetModuleTest):
    pass


class TestWeb3(Web3Checks, AsyncWeb3ModuleTest):
    pass
