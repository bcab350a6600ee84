# SPDX-License-Identifier: GPL-3.0-or-later
"""aio - clients of aioxmpp, which reads more strictly than slixmpp does."""
import asyncio
import contextlib

import aioxmpp
from helpers import DEADLINE, PASSWORD


@contextlib.asynccontextmanager
async def aio_online(suite, jid, *services):
    """A client of that user, available; and those services of aioxmpp."""
    client = aioxmpp.PresenceManagedClient(
        aioxmpp.JID.fromstr(jid), aioxmpp.make_security_layer(PASSWORD, no_verify=True),
        override_peer=[("127.0.0.1", suite.ports["c2s"], aioxmpp.connector.STARTTLSConnector())])
    summoned = [client.summon(service) for service in services]
    async with client.connected():
        yield client, *summoned


async def within(awaitable):
    return await asyncio.wait_for(awaitable, DEADLINE)


def signalled(signal):
    """A future of the next time that a signal of aioxmpp's comes."""
    future = asyncio.get_running_loop().create_future()

    def on_signal(*arguments, **_named):
        if not future.done():
            future.set_result(arguments)
        return True  # no more

    signal.connect(on_signal)
    return future
