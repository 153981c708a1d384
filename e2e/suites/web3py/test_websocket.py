"""The tests of web3.py over one WebSocket, subscriptions among them."""

from test_http import Web3Checks
from web3._utils.module_testing import AsyncEthModuleTest, AsyncNetModuleTest
from web3._utils.module_testing.persistent_connection_provider import PersistentConnectionProviderTest
from web3._utils.module_testing.web3_module import AsyncWeb3ModuleTest

ASYNC_WS = True


class TestEth(AsyncEthModuleTest):
    pass


class TestNet(AsyncNetModuleTest):
    pass


class TestWeb3(Web3Checks, AsyncWeb3ModuleTest):
    pass


class TestSubscriptions(PersistentConnectionProviderTest):
    pass
