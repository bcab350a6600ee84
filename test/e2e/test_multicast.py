# SPDX-License-Identifier: GPL-3.0-or-later
"""One stanza to many (XEP-0033), as slixmpp writes and reads the addresses."""
import slixmpp
from helpers import attached, online, run

PLUGINS = ("xep_0033",)
ADDRESS = "http://jabber.org/protocol/address"


def compose(client, service, body=None, **addresses):
    message = client.make_message(service, body, mtype="chat")
    for kind, jids in addresses.items():
        for jid in jids:
            message["addresses"].add_address(atype=kind, jid=jid)
    return message


def told(stanza):
    return sorted((str(a["jid"]), a["type"], a["delivered"]) for a in stanza["addresses"])


def test_each_gets_a_copy(suite):
    async def play():
        async with online(suite, *[suite.user() for _ in range(4)], plugins=PLUGINS) as \
                (a, b, c, d):
            info = await a["xep_0030"].get_info(suite.host)
            assert ADDRESS in info["disco_info"]["features"]
            items = await a["xep_0030"].get_items(suite.host)
            service = next(str(jid) for jid, *_ in items["disco_items"]["items"]
                           if str(jid).startswith("multicast@"))
            info = await a["xep_0030"].get_info(service)
            assert ADDRESS in info["disco_info"]["features"]
            for to in (suite.host, service):
                compose(a, to, "to all " + to, to=[b.boundjid.bare], cc=[c.boundjid.full],
                        bcc=[d.boundjid.bare]).send()
                seen = [(b.boundjid.bare, "to", True), (c.boundjid.full, "cc", True)]
                for client in (b, c, d):
                    copy = await client.message("to all " + to)
                    own = [(d.boundjid.bare, "bcc", False)] if client is d else []
                    assert told(copy) == sorted(seen + own) and copy["from"] == a.boundjid
    run(play())


def test_presence_for_some(suite):
    async def play():
        async with online(suite, *[suite.user() for _ in range(3)], plugins=PLUGINS) as (a, b, c):
            presence = a.make_presence(pto=suite.host, pstatus="for you")
            for client in (b, c):
                presence["addresses"].add_address(atype="bcc", jid=client.boundjid.full)
            presence.send()
            for client in (b, c):
                await client.presence(a.boundjid)
            a.send_presence(ptype="unavailable")
            for client in (b, c):
                await client.presence(a.boundjid, "unavailable")
    run(play())


def test_refusals(suite):
    async def play():
        async with online(suite, suite.user(), suite.user(), plugins=PLUGINS) as (a, b):
            async def refused(message, condition):
                message.send()
                error = await a.expect(lambda s: s["type"] == "error", condition)
                assert error["error"]["condition"] == condition, error

            many = [f"nobody{i}@far.example" for i in range(51)]
            await refused(compose(a, suite.host, "x", to=many), "not-acceptable")
            await refused(compose(a, suite.host, "x", to=[b.boundjid.bare, suite.host]),
                          "forbidden")
            await refused(compose(a, f"multicast@{suite.host}", "x"), "bad-request")
            wrong = compose(a, suite.host, "x", to=[b.boundjid.bare])
            wrong["addresses"].add_address(atype="to", uri="sip:a@far.example")
            await refused(wrong, "jid-malformed")
            a.send_message(b.boundjid, "the only one", mtype="chat")
            await b.message("the only one")
            assert not [s for s in b.arrived if s.name == "message"], b.arrived
    run(play())


def say_that_it_is_one(component):
    for plugin in ("xep_0030", "xep_0033"):
        component.register_plugin(plugin)
    component["xep_0030"].add_feature(ADDRESS)


async def until_it_is_known(component, client, people, bcc=()):
    """Sends to them until a copy for all comes; returns that. Before, each got one."""
    name = component.boundjid.bare
    for i in range(50):
        body = f"{client.boundjid.user} {i}"
        compose(client, client.boundjid.domain, body, to=people, bcc=bcc).send()
        copy = await component.message(body)
        if copy["to"] == name:
            return copy
        assert copy["to"] in (*people, *bcc)
        # Its answer is on its way, behind it comes the answer to this.
        await component.request(client.boundjid.domain, "<ping xmlns='urn:xmpp:ping'/>")
    raise AssertionError("never known")


def test_a_component_gets_one_copy(suite):
    """A domain that says it is such a service is given one copy for all of its addresses."""
    async def play():
        async with attached(suite, "a") as component, \
                online(suite, suite.user(), plugins=PLUGINS) as (a,):
            say_that_it_is_one(component)
            name = component.boundjid.bare
            people = [f"{who}@{name}" for who in ("x", "y", "z")]
            copy = await until_it_is_known(component, a, people[:2], people[2:])
            assert copy["from"] == a.boundjid
            assert told(copy) == [(people[0], "to", False), (people[1], "to", False),
                                  (people[2], "bcc", False)]
            # What it sends on is its own; what it wants sent elsewhere it sends itself.
            message = slixmpp.Message(component)
            message["from"], message["to"], message["type"] = f"x@{name}", suite.host, "chat"
            message["body"] = "out of the house"
            message["addresses"].add_address(atype="to", jid="someone@far.example")
            message.send()
            error = await component.expect(lambda s: s["type"] == "error", "refusal")
            assert "<forbidden" in str(error)
    run(play())


def test_each_instance_gets_its_answer(new_suite):
    suite = new_suite("--users", "6", "--c2s", "2")

    async def play():
        async with attached(suite, "a") as component, \
                online(suite, *[suite.user() for _ in range(6)], plugins=PLUGINS) as clients:
            say_that_it_is_one(component)
            people = [f"{who}@{component.boundjid.bare}" for who in ("x", "y")]
            for client in clients:
                await until_it_is_known(component, client, people)
    run(play())
