"""The tests of geth's namespace admin."""

from web3._utils.module_testing import GoEthereumAdminModuleTest
from web3._utils.module_testing.go_ethereum_admin_module import GoEthereumAsyncAdminModuleTest


class TestAdmin(GoEthereumAdminModuleTest):
    pass


class TestAsyncAdmin(GoEthereumAsyncAdminModuleTest):
    pass
