"""The tests of web3.py over HTTP."""

from web3._utils.module_testing import EthModuleTest, GoEthereumDebugModuleTest
from web3._utils.module_testing import GoEthereumTxPoolModuleTest, NetModuleTest, Web3ModuleTest


class Web3Checks:
    def _check_web3_client_version(self, client_version):
        assert "/" in client_version


class TestEth(EthModuleTest):
    pass


class TestNet(NetModuleTest):
    pass


class TestWeb3(Web3Checks, Web3ModuleTest):
    pass


class TestDebug(GoEthereumDebugModuleTest):
    pass


class TestTxPool(GoEthereumTxPoolModuleTest):
    pass
