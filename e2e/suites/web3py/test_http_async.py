"""The tests of web3.py over HTTP, with asyncio."""

from test_http import Web3Checks
from web3._utils.module_testing import AsyncEthModuleTest, AsyncNetModuleTest, GoEthereumAsyncDebugModuleTest
from web3._utils.module_testing import GoEthereumAsyncTxPoolModuleTest
from web3._utils.module_testing.web3_module import AsyncWeb3ModuleTest


class TestEth(AsyncEthModuleTest):
    pass


class TestNet(AsyncNetModuleTest):
    pass


class TestWeb3(Web3Checks, AsyncWeb3ModuleTest):
    pass


class TestDebug(GoEthereumAsyncDebugModuleTest):
    pass


class TestTxPool(GoEthereumAsyncTxPoolModuleTest):
    pass
