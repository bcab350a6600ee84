#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""secrets - no secret is compared by a function that ends at the first difference: how long it
takes would tell how much of a guess is right. crypto_equal is for that.

Looks at the names of what is compared. Comparisons that tell nobody anything stand in secrets.known,
with the reason; an entry there that nothing matches any more fails, too.
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KNOWN = os.path.join(ROOT, "test/lint/secrets.known")
CALL = re.compile(r"\b(memcmp|bcmp|memmem|str(?:n?case)?n?cmp|strn?casecmp|strstr|"
                  r"span_(?:eq|eq_case|starts|ends))\s*\(")
WORDS = {"secret", "password", "passwd", "pass", "key", "proof", "mac", "hmac", "token", "hash",
         "digest", "handshake", "nonce", "cookie", "salt", "salted", "signature", "verifier"}
# A name such as keys, client_key or storedKey.
NAME = re.compile(r"[A-Za-z][a-z0-9]*|[A-Z]+")


def without_comments(text):
    """text with its comments and the inside of its strings blanked; lines stay where they are."""
    def blank(match):
        word = match[0]
        if word[0] in "\"'":
            return word[0] * 2
        return re.sub(r"[^\n]", " ", word)
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text,
                  flags=re.DOTALL)


def arguments(text, start):
    """From behind the parenthesis at start to its end."""
    depth, at = 1, start
    while depth and at < len(text):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
    return text[start:at - 1]


def is_secret(words):
    return any(word.lower().rstrip("s") in WORDS or word.lower() in WORDS
               for word in NAME.findall(words))


def find(text):
    """The comparisons of what is called a secret: (line, call)."""
    text = without_comments(text)
    for match in CALL.finditer(text):
        inside = " ".join(arguments(text, match.end()).split())
        # A function's own name and a macro's say nothing about what it is given.
        if is_secret(re.sub(r"\b\w+ ?\(", "(", inside)):
            yield text.count("\n", 0, match.start()) + 1, f"{match[1]}({inside})"


def check_itself():
    """What must be found, and what must not: a lint that finds nothing would be silent, too."""
    bad = ["memcmp(proof, want, n)", "span_eq(given,\n    span_of(c->secret))",
           "!strcmp(a->router_secret, b)", "memcmp(keys.stored_key, hashed, 20)",
           "strcmp(password, \"x\")", "span_eq(hmac_of(s), token_text)"]
    good = ["span_eq(name, SPAN(\"password\"))", "crypto_equal(proof, want)",
            "/* memcmp(secret, x) */", "span_eq(key_of(e), name)", "strcmp(monkey, passage)"]
    wrong = [text for text in bad if not list(find(text))]
    return wrong + [text for text in good if list(find(text))]


def main():
    with open(KNOWN, encoding="utf-8") as lines:
        known = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    failures = [f"secrets.py is wrong about: {text}" for text in check_itself()]
    seen = set()
    for path in sorted(path for room in ("common", "router", "c2s", "s2s")
                       for path in glob.glob(f"{room}/**/*.[ch]", root_dir=ROOT, recursive=True)):
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            for line, call in find(file.read()):
                key = f"{path} {call}"
                seen.add(key)
                if key not in known:
                    failures.append(f"{path}:{line}: is this a secret? crypto_equal compares it\n"
                                    f"    {key}")
    failures += [f"secrets.known: nothing is {key}" for key in sorted(known - seen)]
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
