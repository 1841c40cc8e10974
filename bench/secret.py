# SPDX-License-Identifier: Apache-2.0
"""Does the time of a reply tell who has a mailbox? Method and meaning: docs/secret.md.

Wherever the reply is the same for everybody, names that exist and names that do not are asked about in random order,
and the times from send to reply are compared (secret_stats.py). The client is secret_client.c. Beside that stand
controls: comparisons that must find nothing, and others that must find something.
"""
import contextlib
import os
import random
import re
import sqlite3
import string
import subprocess
import sys
from collections import namedtuple

import secret_stats
from report import table
from waybill import Waybill

SAMPLES = 20480          # a side
SAMPLES_QUICK = 2048
BLOCK = 8                # of a side
NAMES = 64               # of each kind
WARM = 512               # commands before the first that counts
FRESH_TRANSACTION = 256  # recipients, where they are taken
MANY = 64                # connections
LEVEL = 0.01             # for all comparisons together
LATE_NS = 3000           # what the self-check adds

CONF = """\
hostname = "mx.example.org"
data     = "{dir}/data"
trust    = {{"127.0.0.2"}}
harvest {{ unknown = {unknown}  per = "1d" }}
queue {{ paused = yes }}
listen "smtp" {{ address = {{"127.0.0.1:{port}"}} }}
domain "example.org" {{
    mailboxes = "maildir:{dir}/mail/{{domain}}/{{user}}"
    users     = "file:{dir}/users"
    aliases   = "file:{dir}/aliases"
}}
domain "caught.test" {{
    mailboxes = "maildir:{dir}/mail/{{domain}}/{{user}}"
    users     = "file:{dir}/caught-users"
    catch-all = "{catcher}"
}}
domain "inner.test" {{
    via       = {{"smtp://127.0.0.1:9"}}
    aliases   = "file:{dir}/aliases"
}}
domain "*" {{
    mailboxes = "maildir:{dir}/mail/{{domain}}/{{user}}"
    users     = "sqlite:names"
    domains   = "sqlite:names"
    catch-all = "{catcher}"
}}
sqlite "names" {{
    file    = "{dir}/names.db"
    users   = "SELECT name FROM users WHERE name = {{user}} AND domain = {{domain}}"
    domains = "SELECT name FROM domains WHERE name = {{domain}}"
    cache   = "0s"
}}
{more}"""
GREYLIST_FIRST = """\
greylist { delay = "1d" }
checks { order = {"relay", "harvest", "greylist", "recipient", "mailbox"} }
"""

# Who is compared: each a kind of name and the domain, or ""; `before` is said before each command that is timed.
Case = namedtuple("Case", "title server ways line domain kinds before expect", defaults=((), ""))

ONE, MANY_WAYS, FRESH = "one connection", f"{MANY} connections", "a new connection each"
GUARDED = [
    Case("VRFY", "guarded", (ONE, MANY_WAYS, FRESH), "VRFY {name}", "", ("user", "unknown"), (), "252"),
    Case("VRFY of an address", "guarded", (ONE,), "VRFY <{name}>", "example.org", ("user", "unknown"), (), "252"),
    Case("EXPN, list", "guarded", (ONE, MANY_WAYS), "EXPN {name}", "", ("alias", "unknown"), (), "252"),
    Case("RCPT beyond the budget", "guarded", (ONE, MANY_WAYS, FRESH), "RCPT TO:<{name}>", "example.org",
         ("user", "unknown"), (), "450"),
    Case("RCPT beyond the budget, list", "guarded", (ONE,), "RCPT TO:<{name}>", "example.org",
         ("alias", "unknown"), (), "450"),
    Case("RCPT beyond the budget, switched off", "guarded", (ONE,), "RCPT TO:<{name}>", "example.org",
         ("disabled", "unknown"), (), "450"),
    Case("RCPT beyond the budget, in a database", "guarded", (ONE,), "RCPT TO:<{name}>", "asked.test",
         ("user", "unknown"), (), "450"),
    Case("NOOP behind such a RCPT", "guarded", (ONE,), "NOOP", "", ("user", "unknown"),
         ("RCPT TO:<{name}@example.org>",), "250"),
    Case("DATA behind such a RCPT", "guarded", (ONE,), "DATA", "", ("user", "unknown"),
         ("RCPT TO:<{name}@example.org>",), "5"),
    Case("RCPT where a catch-all takes everybody", "open", (ONE, MANY_WAYS), "RCPT TO:<{name}>", "caught.test",
         ("user", "unknown"), (), "250"),
    Case("RCPT where a catch-all takes everybody, users in a database", "open", (ONE,), "RCPT TO:<{name}>", "asked.test",
         ("user", "unknown"), (), "250"),
    Case("RCPT that is greylisted before it is looked up", "greylist", (ONE,), "RCPT TO:<{name}>", "example.org",
         ("user", "unknown"), (), "450"),
    Case("RCPT of a domain that is passed on", "open", (ONE,), "RCPT TO:<{name}>", "inner.test",
         ("alias", "unknown"), (), "250"),
]
CONTROLS = [
    (Case("A/A: VRFY, unknown and unknown", "guarded", (ONE,), "VRFY {name}", "", ("unknown", "unknown"), (), "252"), 0, False),
    (Case("A/A: RCPT beyond the budget, users and users", "guarded", (ONE, MANY_WAYS), "RCPT TO:<{name}>", "example.org",
          ("user", "user"), (), "450"), 0, False),
    (Case(f"VRFY with {LATE_NS / 1000:g} µs added", "guarded", (ONE,), "VRFY {name}", "", ("unknown", "unknown"), (),
          "252"), LATE_NS, True),
    (Case(f"RCPT with {LATE_NS / 1000:g} µs added", "guarded", (ONE,), "RCPT TO:<{name}>", "example.org",
          ("user", "user"), (), "450"), LATE_NS, True),
    (Case("RCPT within the budget: 250 and 550", "open", (ONE,), "RCPT TO:<{name}>", "example.org",
          ("user", "unknown"), (), ""), 0, True),
]


class Server(Waybill):
    """One with names of every kind, all drawn from the same random words."""

    def __init__(self, build, folder, chance, unknown=1000000, more=""):
        super().__init__(build, folder)
        kinds = ("user", "unknown", "alias", "disabled")
        words = set()
        while len(words) < NAMES * len(kinds):
            words.add("".join(chance.choice(string.ascii_lowercase) for _ in range(10)))
        words = sorted(words)
        chance.shuffle(words)
        self.names = {kind: words[i * NAMES:(i + 1) * NAMES] for i, kind in enumerate(kinds)}
        self.put("users", [name for name in self.names["user"]] + [name + ": disabled" for name in self.names["disabled"]])
        self.put("caught-users", self.names["user"])
        self.put("aliases", [f"{name}: {', '.join(self.names['user'][:5])}" for name in self.names["alias"]])
        with contextlib.closing(sqlite3.connect(os.path.join(self.dir, "names.db"))) as db, db:
            db.execute("CREATE TABLE domains (name text PRIMARY KEY)")
            db.execute("INSERT INTO domains VALUES ('asked.test')")
            db.execute("CREATE TABLE users (name text, domain text, PRIMARY KEY (name, domain))")
            db.executemany("INSERT INTO users VALUES (?, 'asked.test')", [(name,) for name in self.names["user"]])
        catcher = self.names["user"][0] + "@example.org"
        with open(self.conf, "w") as f:
            f.write(CONF.format(dir=self.dir, port=self.port, unknown=unknown, catcher=catcher, more=more))

    def put(self, name, lines):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write("".join(line + "\n" for line in lines))


def compile_client(folder):
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "secret_client.c")
    program = os.path.join(folder, "secret_client")
    subprocess.run(["cc", "-O2", "-std=c17", "-D_GNU_SOURCE", "-o", program, source], check=True)
    return program


class Plan:
    """What the client is to do in one measurement, and which side each timed command belongs to."""

    def __init__(self, server, case, way, late_ns, chance):
        self.server, self.case, self.way, self.late_ns, self.chance = server, case, way, late_ns, chance
        self.lines, self.sides = [], []
        self.count = 0
        self.mail = case.line.startswith(("RCPT", "DATA")) or bool(case.before)

    def open(self, at, source):
        self.lines.append(f"open {at} 127.0.0.{source} {self.server.port}")
        if self.mail:
            self.lines.append(f"say {at} MAIL FROM:<a@b.test>")

    def connection(self):
        """The connection for the next command, with room for one more recipient."""
        if self.way == FRESH:
            self.open(0, 1)
            return 0
        at = self.chance.randrange(MANY) if self.way == MANY_WAYS else 0
        self.count += 1
        if self.mail and self.count % FRESH_TRANSACTION == 0:
            for which in range(MANY if self.way == MANY_WAYS else 1):
                self.lines += [f"say {which} RSET", f"say {which} MAIL FROM:<a@b.test>"]
        return at

    def ask(self, side, timed=True):
        name = self.chance.choice(self.server.names[self.case.kinds[side]])
        at = self.connection()
        for line in self.case.before:
            self.lines.append(f"say {at} " + line.format(name=name))
        line = self.case.line.format(name=name + "@" + self.case.domain if self.case.domain else name)
        verb = "say" if not timed else f"late {at} {self.late_ns * side}" if self.late_ns else "time"
        self.lines.append(f"{verb} {at} {line}" if not self.late_ns or not timed else f"{verb} {line}")
        if timed:
            self.sides.append(side)
        if self.way == FRESH:
            self.lines.append("drop 0")

    def make(self, samples):
        for at in range(MANY if self.way == MANY_WAYS else 1 if self.way == ONE else 0):
            self.open(at, 1 + at if at != 1 else 200)  # 127.0.0.2 is trusted
        for _ in range(WARM):
            self.ask(self.chance.randrange(2), timed=False)
        for _ in range(samples // BLOCK):
            block = [0, 1] * BLOCK
            self.chance.shuffle(block)
            for side in block:
                self.ask(side)
        return self


def masked(reply):
    return re.sub(r"\[s \w+\]", "[s ID]", re.sub(r"in \d+ seconds", "in N seconds", reply))


def measure(program, plan, samples):
    """The blocks of one measurement; that all replies are the same is a condition for comparing their times."""
    plan.make(samples)
    done = subprocess.run([program], input="\n".join(plan.lines) + "\n", capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(done.stderr + plan.server.trouble())
    found = [line.split(" ", 1) for line in done.stdout.splitlines()]
    if len(found) != len(plan.sides):
        raise RuntimeError(f"{len(found)} replies instead of {len(plan.sides)}")
    replies = {masked(reply) for _, reply in found}
    if plan.case.expect and (len(replies) != 1 or not replies.pop().startswith(plan.case.expect)):
        raise RuntimeError(f"{plan.case.title}: the replies differ, or are not {plan.case.expect}: {sorted(replies)[:4]}")
    values = [(side, int(ns)) for side, (ns, _) in zip(plan.sides, found)]
    return [values[at:at + 2 * BLOCK] for at in range(0, len(values), 2 * BLOCK)]


def comparisons():
    """(case, way, added ns, whether a difference must be found; None: it must not be there)"""
    for case in GUARDED:
        for way in case.ways:
            yield case, way, 0, None
    for case, late_ns, found in CONTROLS:
        for way in case.ways:
            yield case, way, late_ns, found


def servers(opts, folder, chance):
    def make(name, **settings):
        return Server(opts.build, os.path.join(folder, name), chance, **settings)
    return {"guarded": make("guarded", unknown=1), "open": make("open"), "greylist": make("greylist", more=GREYLIST_FIRST)}


def p_text(p):
    return "< 1e-9" if p < 1e-9 else f"{p:.2g}"


def microseconds(ns):
    return "–" if ns is None else f"{ns / 1000:.2f}"


def row(case, way, judgement):
    """One line of the tables."""
    smallest = None if judgement.differs else judgement.smallest_found()
    median = secret_stats.statistics.median(ns for block in judgement.raw for _, ns in block)
    return [f"{case.title}; {way}", f"{case.kinds[0]}, {case.kinds[1]}", microseconds(median),
            f"{judgement.ns / 1000:+.2f} ± {judgement.ns_half / 1000:.2f}",
            f"{judgement.auc:.4f} ± {judgement.auc_half:.4f}", p_text(judgement.p), microseconds(smallest)]


HEAD = ["replies compared", "sides A, B", "median, µs", "B − A, µs", "AUC", "p", "would find, µs"]


def verdict(results, level):
    """In sentences; and whether all is well."""
    leaks = [(c, w, j) for c, w, j, found in results if found is None and j.differs]
    blind = [f"{c.title}; {w}" for c, w, j, found in results if found and not j.differs]
    ghosts = [f"{c.title}; {w}" for c, w, j, found in results if found is False and j.differs]
    quiet = [(c, w, j) for c, w, j, found in results if found is None]
    text = []
    if blind or ghosts:
        text.append("**The method cannot be trusted in this run**: " + "; ".join(
            [f"it found nothing where something was ({name})" for name in blind]
            + [f"it found something where nothing was ({name})" for name in ghosts]) + ".")
    for case, way, j in leaks:
        text.append(f"**{case.title} ({way}) tells {case.kinds[0]} and {case.kinds[1]} apart**: "
                    f"{j.ns / 1000:+.2f} µs, p {p_text(j.p)}.")
    if not text:
        text.append(f"No reply told by its time who exists: in none of {len(quiet)} comparisons a difference was found "
                    f"(at a level of {LEVEL:g} for all of them together, {level:.2g} for one), and the controls came out as "
                    "they must.")
    return " ".join(text), not text[0].startswith("**")


def secret(opts, folder):
    """The section for RESULTS.md, and whether all is well."""
    chance = random.Random()
    samples = SAMPLES_QUICK if opts.quick else SAMPLES
    program = compile_client(folder)
    running = servers(opts, folder, chance)
    plans = list(comparisons())
    level = LEVEL / len(plans)
    results = []
    try:
        for server in running.values():
            server.start()
        # The budget of one is used up from here on.
        measure(program, Plan(running["guarded"], CONTROLS[1][0]._replace(kinds=("unknown", "unknown"), expect=""), ONE, 0,
                              chance), BLOCK)
        for case, way, late_ns, found in plans:
            blocks = measure(program, Plan(running[case.server], case, way, late_ns, chance), samples)
            judgement = secret_stats.Judgement(blocks, level)
            results.append((case, way, judgement, found))
            print(f"  {case.title}; {way}: {judgement.ns / 1000:+.2f} µs, AUC {judgement.auc:.4f}, p {p_text(judgement.p)}",
                  file=sys.stderr)
    finally:
        for server in running.values():
            server.stop()
    sentences, well = verdict(results, level)
    text = sentences + "\n\n"
    text += table(HEAD, [row(c, w, j) for c, w, j, found in results if found is None])
    text += "Controls; the first must find nothing, the others must find something:\n\n"
    text += table(HEAD, [row(c, w, j) for c, w, j, found in results if found is not None])
    text += (f"{samples:,} samples a side, in random order within blocks of {2 * BLOCK}. Sides are random names of one length, "
             f"{NAMES} of each kind.\nMethod: [docs/secret.md](../docs/secret.md).\n")
    return text, well
