"""The chain data that the tests of web3.py ask for, made through the node that is tested.

RPC_URL and WS_URL name the node. Its first account holds ether and is one that the node signs for; ACCOUNT_KEY is its key.
"""

import os

import pytest
import pytest_asyncio
from web3 import AsyncHTTPProvider, AsyncWeb3, HTTPProvider, Web3, WebSocketProvider
from web3._utils.contract_sources.contract_data.emitter_contract import EMITTER_CONTRACT_DATA
from web3._utils.contract_sources.contract_data.math_contract import MATH_CONTRACT_DATA
from web3._utils.contract_sources.contract_data.offchain_lookup import OFFCHAIN_LOOKUP_DATA
from web3._utils.contract_sources.contract_data.panic_errors_contract import PANIC_ERRORS_CONTRACT_DATA
from web3._utils.contract_sources.contract_data.revert_contract import REVERT_CONTRACT_DATA
from web3._utils.contract_sources.contract_data.storage_contract import STORAGE_CONTRACT_DATA
from web3._utils.module_testing.utils import RequestMocker

RPC = os.environ["RPC_URL"]
WS = os.environ["WS_URL"]
KEY = os.environ["ACCOUNT_KEY"]


class ChainData:
    """The contracts and blocks that all tests of one run share."""

    def __init__(self):
        w3 = Web3(HTTPProvider(RPC, request_kwargs={"timeout": 30}))
        self.account = w3.eth.account.from_key(KEY).address
        contracts = [
            MATH_CONTRACT_DATA, EMITTER_CONTRACT_DATA, REVERT_CONTRACT_DATA,
            STORAGE_CONTRACT_DATA, PANIC_ERRORS_CONTRACT_DATA, OFFCHAIN_LOOKUP_DATA,
        ]
        sent = [self.deploy(w3, data) for data in contracts]
        self.math_deployed = sent[0]
        self.math, self.emitter, self.revert, self.storage, self.panics, self.lookup = (
            w3.eth.wait_for_transaction_receipt(tx)["contractAddress"] for tx in sent
        )
        emitter = w3.eth.contract(address=self.emitter, abi=EMITTER_CONTRACT_DATA["abi"])
        self.logged = emitter.functions.logDouble(which=9, arg0=12345, arg1=54321).transact({"from": self.account})
        self.logged_block = w3.eth.wait_for_transaction_receipt(self.logged)["blockNumber"]
        self.mined = w3.eth.send_transaction({"from": self.account, "to": self.account, "value": 1, "gas": 21000})
        self.mined_block = w3.eth.wait_for_transaction_receipt(self.mined)["blockNumber"]

    def deploy(self, w3, data):
        return w3.eth.contract(abi=data["abi"], bytecode=data["bytecode"]).constructor().transact({"from": self.account})


@pytest.fixture(scope="session")
def chain_data():
    return ChainData()


@pytest.fixture(autouse=True)
def no_block(request, chain_data):
    """Keeps blocks away from a test that wants to find its transaction pending, with nothing else of the account pending.

    A node that makes blocks at its own pace, as geth does, begins such a test just after a block.
    """
    name = request.node.name
    if not any(word in name for word in ("modify", "replace", "unmined", "set_code")):
        yield
        return
    w3 = Web3(HTTPProvider(RPC, request_kwargs={"timeout": 30}))
    sent = w3.eth.send_transaction({"from": chain_data.account, "to": chain_data.account, "value": 1, "gas": 21000})
    w3.eth.wait_for_transaction_receipt(sent, poll_latency=0.02)
    period = w3.provider.make_request("evm_getIntervalMining", []).get("result")
    if not period or "mined" in name.replace("unmined", "") or "set_code" in name:  # these wait for a block
        yield
        return
    w3.provider.make_request("evm_setIntervalMining", [0])
    yield
    w3.provider.make_request("evm_setIntervalMining", [period * 1000])


@pytest.fixture(scope="module")
def w3():
    return Web3(HTTPProvider(RPC, request_kwargs={"timeout": 30}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def async_w3(request):
    if not getattr(request.module, "ASYNC_WS", False):
        w3 = AsyncWeb3(AsyncHTTPProvider(RPC))
        yield w3
        await w3.provider.disconnect()
        return
    async with AsyncWeb3(WebSocketProvider(WS, request_timeout=30)) as w3:
        yield w3


@pytest.fixture(scope="module")
def request_mocker():
    return RequestMocker


@pytest.fixture(scope="module")
def datadir():
    return "nowhere"


@pytest.fixture(scope="module")
def keyfile_account_pkey():
    return KEY


@pytest.fixture(scope="module")
def keyfile_account_address(chain_data):
    return chain_data.account


async_keyfile_account_address = keyfile_account_address


@pytest.fixture(scope="module")
def skip_if_testrpc():
    return lambda w3: None


@pytest.fixture(scope="module")
def async_skip_if_testrpc():
    return lambda w3: None


@pytest.fixture(scope="module", params=[lambda address: address, lambda address: bytes.fromhex(address[2:])], ids=["text", "bytes"])
def keyfile_account_address_dual_type(chain_data, request):
    return request.param(chain_data.account)


async_keyfile_account_address_dual_type = keyfile_account_address


@pytest.fixture(scope="module")
def math_contract_deploy_txn_hash(chain_data):
    return chain_data.math_deployed


@pytest.fixture(scope="module")
def mined_txn_hash(chain_data):
    return Web3.to_hex(chain_data.mined)


@pytest.fixture(scope="module")
def txn_hash_with_log(chain_data):
    return Web3.to_hex(chain_data.logged)


def block_fixtures(name, number):
    """block_fixtures makes a fixture of a block and the same for tests with async_w3."""

    @pytest.fixture(scope="module")
    def block(w3, chain_data):
        return w3.eth.get_block(number(chain_data))

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def async_block(async_w3, chain_data):
        return await async_w3.eth.get_block(number(chain_data))

    globals()[name], globals()["async_" + name] = block, async_block


block_fixtures("empty_block", lambda data: 0)
block_fixtures("block_with_txn", lambda data: data.mined_block)
block_fixtures("block_with_txn_with_log", lambda data: data.logged_block)


def contract_fixtures(name, address, abi):
    @pytest.fixture(scope="module")
    def contract(w3, chain_data):
        return w3.eth.contract(address=address(chain_data), abi=abi)

    @pytest.fixture(scope="module")
    def async_contract(async_w3, chain_data):
        return async_w3.eth.contract(address=address(chain_data), abi=abi)

    @pytest.fixture(scope="module", params=[lambda a: a, lambda a: bytes.fromhex(a[2:])], ids=["text", "bytes"])
    def contract_address(chain_data, request):
        return request.param(address(chain_data))

    globals()[name], globals()["async_" + name] = contract, async_contract
    globals()[name + "_address"] = globals()["async_" + name + "_address"] = contract_address


contract_fixtures("math_contract", lambda data: data.math, MATH_CONTRACT_DATA["abi"])
contract_fixtures("emitter_contract", lambda data: data.emitter, EMITTER_CONTRACT_DATA["abi"])
contract_fixtures("revert_contract", lambda data: data.revert, REVERT_CONTRACT_DATA["abi"])
contract_fixtures("storage_contract", lambda data: data.storage, STORAGE_CONTRACT_DATA["abi"])
contract_fixtures("panic_errors_contract", lambda data: data.panics, PANIC_ERRORS_CONTRACT_DATA["abi"])
contract_fixtures("offchain_lookup_contract", lambda data: data.lookup, OFFCHAIN_LOOKUP_DATA["abi"])
