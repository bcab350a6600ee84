# SPDX-License-Identifier: GPL-3.0-or-later
"""kontalkctl's account tools against running processes."""
import asyncio
import base64
import hashlib
import hmac
import os
import sqlite3
import stat
import time

from helpers import DEADLINE, PASSWORD, Client, eventually, online, run


async def in_thread(function, *args, **options):
    return await asyncio.to_thread(function, *args, **options)


async def chat(sender, receiver, *bodies):
    for body in bodies:
        sender.send_message(mto=receiver.boundjid.bare, mbody=body, mtype="chat")
    for body in bodies:
        await receiver.message(body)


def rows(database, query, *values):
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        return db.execute(query, values).fetchall()


def test_erase(suite):
    async def play():
        jid = f"erase-me@{suite.host}"
        await in_thread(suite.ctl, "user", "add", jid, PASSWORD)
        async with online(suite, suite.user()) as (b,):
            await b.get_roster()
            async with online(suite, jid) as (a,):
                for one, other in ((a, b), (b, a)):
                    await in_thread(suite.ctl, "roster", "add", one.boundjid.bare,
                                    other.boundjid.bare, "--subscription", "both")
                await chat(b, a, "kept for a while")
                gone = a.gone()
                said = await in_thread(suite.ctl, "user", "erase", jid)
                assert "is erased" in said
                await asyncio.wait_for(gone, DEADLINE)
            await b.presence(a.boundjid.full, "unavailable")
            await b.presence(jid, "unsubscribed")
            await b.presence(jid, "unsubscribe")
            roster = await b.request(None, "<query xmlns='jabber:iq:roster'/>")
            assert "subscription=\"none\"" in str(roster)
            assert not rows(suite.paths["database"],
                            "SELECT 1 FROM account WHERE name LIKE '%erase-me'")
            # The name is free, and nothing is inherited.
            await in_thread(suite.ctl, "user", "add", jid, "new")
            async with online(suite, jid, password="new", plugins=["xep_0313"]) as (anew,):
                assert "item" not in str(await anew.request(
                    None, "<query xmlns='jabber:iq:roster'/>"))
                answer = await anew.plugin["xep_0313"].retrieve(jid=anew.boundjid.bare)
                assert not answer["mam_fin"]["rsm"]["last"]
            assert "no such account" in await in_thread(
                suite.ctl, "user", "erase", f"never@{suite.host}", status=1)
    run(play())


def test_roster(suite):
    async def play():
        async with online(suite, suite.user(), suite.user()) as (a, b):
            jid, contact = a.boundjid.bare, b.boundjid.bare
            await a.get_roster()
            await b.get_roster()
            await in_thread(suite.ctl, "roster", "add", jid, contact, "--name", "Beth", "--group",
                            "Friends", "--subscription", "both")
            await in_thread(suite.ctl, "roster", "add", contact, jid, "--subscription", "both")
            await in_thread(eventually, lambda: a.client_roster[contact]["name"] == "Beth", "push")
            assert a.client_roster[contact]["groups"] == ["Friends"]
            a.send_presence(pstatus="seen")
            await b.expect(lambda s: s.get("status", "") == "seen" or "seen" in str(s), "presence")
            listed = await in_thread(suite.ctl_json, "roster", jid)
            assert listed == [{"jid": contact, "subscription": "both", "asked": "no",
                               "name": "Beth", "groups": "Friends"}]
            await in_thread(suite.ctl, "roster", "remove", jid, contact)
            await b.presence(jid, "unsubscribed")
            assert await in_thread(suite.ctl_json, "roster", jid) == []
            assert "not in the roster" in await in_thread(suite.ctl, "roster", "remove", jid,
                                                          contact, status=1)
            assert "nobody is" in await in_thread(suite.ctl, "roster", "add", jid, jid, status=1)
            assert "none, to, from or both" in await in_thread(
                suite.ctl, "roster", "add", jid, contact, "--subscription", "some", status=1)
            assert "no such account" in await in_thread(
                suite.ctl, "roster", f"never@{suite.host}", status=1)
    run(play())


def test_messages(new_suite):
    suite = new_suite("--users", "120")

    async def play():
        absent = f"u7@{suite.host}"
        async with online(suite, f"u0@{suite.host}", f"u1@{suite.host}") as (a, b):
            said = await in_thread(suite.ctl, "message", "--to-all", "Maintenance at <noon> & so")
            assert said.startswith(f"{len(suite.ctl_json('user', 'list'))} messages sent")
            for client in (a, b):
                message = await client.message("Maintenance at <noon> & so")
                assert message["from"] == suite.host
            said = await in_thread(suite.ctl, "message", "--to-all", "--online", "Who is here?")
            assert said.startswith("2 messages sent")
            await a.message("Who is here?")
            await in_thread(suite.ctl, "message", absent, "for you")
        async with online(suite, absent) as (late,):
            await late.message("Maintenance at <noon> & so")
            await late.message("for you")
        assert "no such account" in await in_thread(
            suite.ctl, "message", f"never@{suite.host}", "x", status=1)
        await in_thread(suite.ctl, "message", absent, "x", "--online", status=2)
        await in_thread(suite.ctl, "message", absent, status=2)
    run(play())


def test_purge(suite):
    async def play():
        async with online(suite, suite.user(), suite.user()) as (a, b):
            await chat(a, b, "one", "two")
            jid = a.boundjid.bare
            count = "SELECT count(*) FROM archive JOIN account ON account.id = account WHERE name=?"
            name = a.boundjid.user
            await in_thread(eventually,
                            lambda: rows(suite.paths["database"], count, name) == [(2,)], "archive")
            for days, number in (("1", 0), ("0", 2)):
                said = await in_thread(suite.ctl, "archive", "purge", "--older-than", days,
                                       "--user", jid)
                assert said == f"{number} messages removed\n"
            assert rows(suite.paths["database"], count, b.boundjid.user) == [(2,)]
            suite.ctl("archive", "purge", "--older-than", "2020-02-02")
            for wrong in ("2999-01-01", "tomorrow", "-1", "2020-02-02x"):
                assert wrong in suite.ctl("archive", "purge", f"--older-than={wrong}", status=1)
            suite.ctl("archive", "purge", status=2)
    run(play())


def test_backup_under_load(suite, tmp_path):
    """A backup is one moment's, whole, and ours alone, while messages go into the archive."""
    async def play():
        async with online(suite, suite.user(), suite.user()) as (a, b):
            file = tmp_path / "copy.db"
            done = asyncio.get_running_loop().create_future()

            async def talk():
                sent = 0
                while not done.done() or sent < 50:
                    await chat(a, b, f"message {sent}")
                    sent += 1

            async def copy():
                said = await in_thread(suite.ctl, "backup", str(file))
                done.set_result(said)

            await asyncio.gather(talk(), copy())
            assert str(file) in done.result()
            assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
            assert rows(file, "PRAGMA integrity_check") == [("ok",)]
            assert rows(file, "PRAGMA foreign_key_check") == []
            assert rows(file, "SELECT 1 FROM account WHERE name = ?", a.boundjid.user)
            assert "File exists" in await in_thread(suite.ctl, "backup", str(file), status=1)
            assert "No such file" in await in_thread(suite.ctl, "backup", "/no/where", status=1)
    run(play())


def test_a_suite_runs_on_a_backup(suite, new_suite, tmp_path):
    file = tmp_path / "copy.db"
    suite.ctl("backup", str(file))
    other = new_suite()
    other.kill("c2s", "TERM")
    os.replace(file, other.paths["database"])
    other.restart("c2s")

    async def play():
        client = Client(other, f"u0@{other.host}")
        assert await client.login()
        await client.logout()
    run(play())


# --- XEP-0227 ---

def exported(suite, tmp_path, *what):
    file = tmp_path / f"{len(list(tmp_path.iterdir()))}.xml"
    suite.ctl("user", "export", *what, str(file))
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    return file


async def furnish(suite, jid, other):
    """An account with something of everything."""
    async with online(suite, jid, other) as (a, b):
        await a.get_roster()
        await in_thread(suite.ctl, "roster", "add", jid, other, "--name", "B & <b>", "--group",
                        "Friends", "--subscription", "both")
        await chat(b, a, "first & foremost", "second")
        await chat(a, b, "answer")
        for payload in (
                "<vCard xmlns='vcard-temp'><FN>A &amp; B</FN></vCard>",
                "<query xmlns='jabber:iq:private'><x xmlns='own:prefs'><y z='1'/>t</x></query>",
                "<block xmlns='urn:xmpp:blocking'><item jid='spam@away.example'/></block>",
                "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always>"
                "<jid>x@away.example</jid></always><never/></prefs>",
                "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                "<publish node='urn:xmpp:bookmarks:1'><item id='room@conference.example'>"
                "<conference xmlns='urn:xmpp:bookmarks:1' name='Room' autojoin='true'/>"
                "</item></publish><publish-options><x xmlns='jabber:x:data' type='submit'>"
                "<field var='FORM_TYPE' type='hidden'><value>"
                "http://jabber.org/protocol/pubsub#publish-options</value></field>"
                "<field var='pubsub#access_model'><value>whitelist</value></field>"
                "<field var='pubsub#max_items'><value>max</value></field>"
                "</x></publish-options></pubsub>"):
            answer = await a.request(None, payload, "set")
            assert answer["type"] == "result", answer
        b.send_presence_subscription(pto=suite.user())
    async with online(suite, other) as (b,):
        b.send_message(mto=jid, mbody="for later", mtype="chat")
        await b.request(suite.host, "<ping xmlns='urn:xmpp:ping'/>")


async def check_furnished(suite, jid, other):
    async with online(suite, jid, plugins=["xep_0313"]) as (a,):
        await a.get_roster()
        assert a.client_roster[other]["name"] == "B & <b>"
        assert a.client_roster[other]["groups"] == ["Friends"]
        assert a.client_roster[other]["subscription"] == "both"
        late = await a.message("for later")
        assert late["delay"]["stamp"] if "delay" in late else "urn:xmpp:delay" in str(late)
        bodies = []
        async for found in a.plugin["xep_0313"].iterate(jid=a.boundjid.bare):
            bodies.append(found["mam_result"]["forwarded"]["stanza"]["body"])
        assert bodies == ["first & foremost", "second", "answer", "for later"]
        for question, word in (
                ("<vCard xmlns='vcard-temp'/>", "A &amp; B"),
                ("<query xmlns='jabber:iq:private'><x xmlns='own:prefs'/></query>", "z=\"1\""),
                ("<blocklist xmlns='urn:xmpp:blocking'/>", "spam@away.example"),
                ("<prefs xmlns='urn:xmpp:mam:2'/>", "x@away.example"),
                ("<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                 "<items node='urn:xmpp:bookmarks:1'/></pubsub>", "room@conference.example")):
            assert word in str(await a.request(None, question)), word


def test_an_account_moves(suite, new_suite, tmp_path):
    """Out of one suite into another: the old password opens it, everything is there, and what is
    written there again is the same file."""
    jid, other = suite.user(), suite.user()
    run(furnish(suite, jid, other))
    file = exported(suite, tmp_path, jid)
    there = new_suite()
    said = there.ctl("user", "import", str(file))
    assert f"{jid}: new" in said and "refused" not in said and "not known" not in said
    assert "1 accounts made" in said
    again = exported(there, tmp_path, jid)
    assert again.read_text() == file.read_text()

    assert "exists already" in there.ctl("user", "import", str(file), status=1)
    said = there.ctl("user", "import", str(file), "--merge")
    assert f"{jid}: merged, 0 entries" in said
    assert exported(there, tmp_path, jid).read_text() == file.read_text()
    said = there.ctl("user", "import", str(file), "--replace")
    assert f"{jid}: new" in said
    assert exported(there, tmp_path, jid).read_text() == file.read_text()
    run(check_furnished(there, jid, other))


def test_export_of_all_and_of_nobody(suite, tmp_path):
    file = exported(suite, tmp_path, "--all")
    assert file.read_text().count("<user ") == len(suite.ctl_json("user", "list"))
    assert "File exists" in suite.ctl("user", "export", "--all", str(file), status=1)
    nobody = tmp_path / "nobody.xml"
    assert "no such account" in suite.ctl("user", "export", f"never@{suite.host}", str(nobody),
                                          status=1)
    assert not nobody.exists() and not list(tmp_path.glob("*.unfinished"))
    assert suite.ctl("user", "export", suite.user(), "-").endswith("</server-data>\n")


PROSODY = """<?xml version="1.0" encoding="utf-8" ?>
<server-data xmlns='urn:xmpp:pie:0'><host jid='{host}'><user name='prose'>\
<scram-credentials mechanism='SCRAM-SHA-1' xmlns='urn:xmpp:pie:0#scram'>\
<server-key>{server}</server-key><stored-key>{stored}</stored-key><iter-count>10000</iter-count>\
<salt>{salt}</salt></scram-credentials>\
<query xmlns='jabber:iq:roster' version='7'>\
<item jid='friend@away.example' subscription='both' name='Friend'><group>Old friends</group></item>\
<item jid='wish@away.example' subscription='none' ask='subscribe'/></query>\
<presence type='subscribe' from='asks@away.example'/>\
<vCard xmlns='vcard-temp'><FN>Prose</FN></vCard>\
<query xmlns='jabber:iq:private'><prefs xmlns='own:prefs'>kept</prefs></query>\
<blocklist xmlns='urn:xmpp:blocking'><item jid='spam@away.example'/></blocklist>\
<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><configure node='urn:xmpp:bookmarks:1'>\
<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>\
http://jabber.org/protocol/pubsub#node_config</value></field><field var='pubsub#access_model'>\
<value>whitelist</value></field><field var='pubsub#max_items'><value>255</value></field>\
<field var='pubsub#own_extension'><value>1</value></field></x></configure></pubsub>\
<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'>\
<item id='one@rooms.example'><conference xmlns='urn:xmpp:bookmarks:1'/></item>\
<item id='two@rooms.example'><conference xmlns='urn:xmpp:bookmarks:1'/></item></items></pubsub>\
<archive xmlns='urn:xmpp:pie:0#mam'>\
<result xmlns='urn:xmpp:mam:2' id='Jx2-nO'><forwarded xmlns='urn:xmpp:forward:0'>\
<delay xmlns='urn:xmpp:delay' stamp='{stamp}'/>\
<message xmlns='jabber:client' to='prose@{host}' from='friend@away.example/x' type='chat'>\
<body>from elsewhere</body></message></forwarded></result></archive>\
</user></host></server-data>
"""


def scram_keys(password, salt, rounds):
    salted = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, rounds)
    client = hmac.digest(salted, b"Client Key", "sha1")
    return (base64.b64encode(hmac.digest(salted, b"Server Key", "sha1")).decode(),
            base64.b64encode(hashlib.sha1(client).digest()).decode())


def test_an_account_of_prosody(suite, tmp_path):
    """As its storage in this format writes one: keys of SHA-1 with a long salt, identifiers of its
    own, no namespace on what waits."""
    salt = b"7b4d7dca-56d1-4e5a-9fb1-b5d2a9d4c1f0"
    server, stored = scram_keys("old password", salt, 10000)
    file = tmp_path / "prose.xml"
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86400))
    file.write_text(PROSODY.format(host=suite.host, server=server, stored=stored, stamp=stamp,
                                   salt=base64.b64encode(salt).decode()))
    said = suite.ctl("user", "import", str(file))
    assert f"prose@{suite.host}: new, 11 entries; keys for SCRAM-SHA-1 and PLAIN only\n" in said

    async def play():
        jid = f"prose@{suite.host}"
        for mech in ("SCRAM-SHA-1", "PLAIN"):
            async with online(suite, jid, password="old password", mech=mech,
                              plugins=["xep_0313"]) as (a,):
                await a.get_roster()
                assert a.client_roster["friend@away.example"]["groups"] == ["Old friends"]
                await a.presence("asks@away.example", "subscribe")
                answer = await a.request(None, "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
                                               "<items node='urn:xmpp:bookmarks:1'/></pubsub>")
                assert "one@rooms" in str(answer) and "two@rooms" in str(answer)
                found = [m async for m in a.plugin["xep_0313"].iterate(jid=jid)]
                assert len(found) == 1 and "from elsewhere" in str(found[0])
                assert stamp[:-1] in str(found[0])
        for mech in ("SCRAM-SHA-256",):
            client = Client(suite, jid, password="old password", mech=mech)
            assert not await client.login()
        client = Client(suite, jid, password="wrong", mech="PLAIN")
        assert not await client.login()
        await in_thread(suite.ctl, "user", "passwd", jid, "new password")
        client = Client(suite, jid, password="new password")
        assert await client.login()
        await client.logout()
    run(play())


def test_files_that_include_others(suite, tmp_path):
    """As ejabberd writes a server: a file that names one of each host; passwords in clear text."""
    main, host = tmp_path / "main.xml", tmp_path / "host.xml"
    main.write_text("<?xml version='1.0' encoding='UTF-8'?><server-data xmlns='urn:xmpp:pie:0'"
                    " xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='host.xml'/>"
                    "</server-data>")
    host.write_text("<?xml version='1.0' encoding='UTF-8'?><host xmlns='urn:xmpp:pie:0'"
                    " xmlns:xi='http://www.w3.org/2001/XInclude'"
                    f" jid='{suite.host}'><user name='clear' password='in &lt;clear>'/>"
                    "<xi:include href='more/third.xml'/>"
                    "<user name='none' password='scram:a,b,c,4096'><query xmlns='jabber:iq:roster'>"
                    "<item jid='a@away.example' subscription='to'/></query></user></host>")
    os.mkdir(tmp_path / "more")
    (tmp_path / "more" / "third.xml").write_text(
        "<user xmlns='urn:xmpp:pie:0' name='third' password='3'><offline-messages><message"
        " xmlns='jabber:client' from='a@away.example'><body>hello</body></message>"
        "</offline-messages></user>")
    said = suite.ctl("user", "import", str(main), status=1)
    assert "1 accounts are not complete" in said  # one has no password
    assert suite.ctl_json("roster", f"none@{suite.host}")

    async def play():
        for name, password in (("clear", "in <clear>"), ("third", "3")):
            async with online(suite, f"{name}@{suite.host}", password=password) as (a,):
                if name == "third":
                    await a.message("hello")
        client = Client(suite, f"none@{suite.host}", password="scram:a,b,c,4096", mech="PLAIN")
        assert not await client.login()
    run(play())


def test_hostile_files(suite, tmp_path):
    """None is taken, each says why and where, and the server does not mind."""
    begin = f"<server-data xmlns='urn:xmpp:pie:0'><host jid='{suite.host}'>"
    secret = tmp_path / "secret.xml"
    secret.write_text("<host xmlns='urn:xmpp:pie:0'/>")
    inside = tmp_path / "inside"
    os.mkdir(inside)
    include = ("<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'>"
               "<xi:include href='{}'{}/></server-data>")
    loop = include.format("loop.xml", "")
    (inside / "loop.xml").write_text(loop)
    cases = {
        "restricted-xml": ["<!DOCTYPE x [<!ENTITY a 'b'>]>" + begin, begin + "<!-- x -->",
                           begin + "<user name='h1'><?php x?></user></host></server-data>"],
        "not-well-formed": [begin + "<user name='h2'><x>&a;</x></user></host></server-data>",
                            begin + "</server-data>", begin.encode() + b"\xff"],
        "ends too early": ["<", begin, begin + "<user name='h3'><query xmlns='jabber:iq:roster'>"],
        "too-complex": [begin + "<user name='h4'>" + "<x>" * 100,
                        begin + "<user name='h5' x='" + "y" * 100000],
        "too-big": [begin + "<user name='h6'><vCard xmlns='vcard-temp'>" + "x" * 2000000],
        "no document": ["<html xmlns='http://www.w3.org/1999/xhtml'></html>",
                        "<user xmlns='urn:xmpp:pie:0' name='h7'></user>",
                        "<server-data xmlns='urn:xmpp:pie:0'><host xmlns='u:x'></host>", loop],
        "without a": [f"{begin}<user/></host></server-data>",
                      "<host xmlns='urn:xmpp:pie:0'><user name='h8'/></host>"],
        "cannot be included": [include.format(secret, ""), include.format("../secret.xml", ""),
                               include.format("file:///etc/passwd", ""),
                               include.format("loop.xml", " parse='text'")],
        "No such file": [include.format("absent.xml", "")],
    }
    number = 0
    for reason, texts in cases.items():
        for text in texts:
            number += 1
            file = inside / f"{number}.xml"
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
            said = suite.ctl("user", "import", str(file), status=1)
            assert reason in said, (text[:200], said)
            assert ".xml" in said, said
    assert suite.ctl("info")
    assert "is not a user's address" in suite.ctl(
        "user", "import", "-", status=1,
        stdin="<host xmlns='urn:xmpp:pie:0' jid='elsewhere.example'><user name='x'/></host>")
    for number in range(9):
        name = f"h{number}@{suite.host}"
        if name in {row["jid"] for row in suite.ctl_json("user", "list")}:
            suite.ctl("user", "erase", name)


def test_several_instances(new_suite):
    """Whichever instance is asked, the one that owns a user does what must be done."""
    suite = new_suite("--users", "12", "--c2s", "2")

    async def play():
        jids = [f"u{i}@{suite.host}" for i in range(10)]
        async with online(suite, *jids) as clients:
            instances = {row["instance"] for row in suite.ctl_json("session", "list")}
            assert len(instances) == 2, instances
            for client in clients:
                await client.get_roster()
            for i, client in enumerate(clients):
                await in_thread(suite.ctl, "roster", "add", jids[i], "new@away.example", "--name",
                                f"N{i}")
                await in_thread(
                    eventually, lambda c=client, n=f"N{i}":
                    "new@away.example" in c.client_roster
                    and c.client_roster["new@away.example"]["name"] == n, "push")
            said = await in_thread(suite.ctl, "message", "--to-all", "--online", "to those online")
            assert said == "10 messages sent\n"
            said = await in_thread(suite.ctl, "message", "--to-all", "to everybody")
            assert said == "12 messages sent\n"
            for client in clients:
                await client.message("to those online")
                await client.message("to everybody")
            for i in (0, 1, 2, 3):
                gone = clients[i].gone()
                await in_thread(suite.ctl, "user", "erase", jids[i])
                await asyncio.wait_for(gone, DEADLINE)
        assert len(suite.ctl_json("user", "list")) == 8
        assert not rows(suite.paths["database"], "SELECT 1 FROM account WHERE name LIKE '/%'")
        async with online(suite, f"u11@{suite.host}") as (late,):
            await late.message("to everybody")
    run(play())
