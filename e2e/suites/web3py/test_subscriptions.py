"""The tests of web3.py of subscriptions over WebSocket. Each has a connection of its own: one that fails leaves nothing to the next."""

import asyncio
import functools
import inspect

import pytest
import pytest_asyncio
from conftest import WS
from web3 import AsyncWeb3, WebSocketProvider
from web3._utils.contract_sources.contract_data.emitter_contract import EMITTER_CONTRACT_DATA
from web3._utils.module_testing.persistent_connection_provider import PersistentConnectionProviderTest

# Seconds that a test may take: a few blocks.
LONGEST = 20


@pytest_asyncio.fixture(scope="function", loop_scope="module")
async def async_w3():
    async with AsyncWeb3(WebSocketProvider(WS, request_timeout=30)) as w3:
        yield w3


@pytest.fixture
def async_emitter_contract(async_w3, chain_data):
    return async_w3.eth.contract(address=chain_data.emitter, abi=EMITTER_CONTRACT_DATA["abi"])


def bounded(cls):
    """Ends a test that waits for what never comes as its loop ends it. The signal of pytest-timeout breaks the loop itself."""

    def bound(test):
        @functools.wraps(test)
        async def within(*args, **kwargs):
            async with asyncio.timeout(LONGEST):
                await test(*args, **kwargs)

        return within

    for name, test in inspect.getmembers(cls, inspect.iscoroutinefunction):
        if name.startswith("test_"):
            setattr(cls, name, bound(test))
    return cls


@bounded
class TestSubscriptions(PersistentConnectionProviderTest):
    pass
