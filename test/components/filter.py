#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""filter - a filter for kontalk-c2s (c2s/FILTER.md): filter.py NAME SECRET HOST PORT"""
import sys
import slixmpp
from slixmpp.xmlstream import handler, matcher

NS = "http://kontalk.org/extensions/filter"


class Filter(slixmpp.ComponentXMPP):
    def __init__(self, *where):
        super().__init__(*where)
        path = matcher.MatchXPath(f"{{{self.default_ns}}}iq/{{{NS}}}filter")
        self.register_handler(handler.Callback("filter", path, self.judge))

    def judge(self, iq):
        stanza = iq.xml.find(f"{{{NS}}}filter")[0]
        words = stanza.findtext("{jabber:client}body") or ""
        word = "drop" if "spam" in words else "edit" if "darn" in words else "pass"
        verdict = slixmpp.xmlstream.ET.Element(f"{{{NS}}}{word}")
        if word == "edit":
            stanza.find("{jabber:client}body").text = words.replace("darn", "****")
            verdict.append(stanza)
        iq.reply().append(verdict).send()


component = Filter(*sys.argv[1:5])
component.connect()
component.process(forever=True)
