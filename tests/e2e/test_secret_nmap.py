# SPDX-License-Identifier: Apache-2.0
"""What a scanner finds out: nmap's own scripts smtp-enum-users, smtp-commands and smtp-open-relay.

smtp-enum-users takes 252, 502 and 550 of VRFY and EXPN for a method that is switched off, and leaves it; any other
success means to it that the name exists. Of RCPT, 250 and 251 mean that, 550 that the name is unknown, and whatever
else (our 450) ends it. As long as it had no success it sends MAIL before each RCPT, and leaves this method when that
is refused (503): so the lists here begin with a name that exists.
"""
import os
import shutil
import subprocess
import xml.etree.ElementTree

import pytest

from harness.conf import block, write
from harness.deadline import until

NMAP = shutil.which("nmap")
pytestmark = pytest.mark.skipif(NMAP is None, reason="nmap is not installed")

KNOWN = ["alice", "bob", "team"]
UNKNOWN = ["carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"]
BUDGET = 5
ENDED = "Method RCPT returned a unhandled status code."
NOTHING = "Couldn't find any accounts"


def nmap(server, script, *arguments):
    """What the script says about the server: its lines."""
    command = [NMAP, "--unprivileged", "-n", "-Pn", "-sT", "-p", str(server.port), "--script", "+" + script,
               "--script-args", ",".join(arguments), "-oX", "-", "127.0.0.1"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    found = xml.etree.ElementTree.fromstring(done.stdout).findall(f".//script[@id='{script}']")
    assert len(found) == 1, done.stdout
    return [line.strip() for line in found[0].get("output").splitlines() if line.strip()]


def enumerate_users(server, names, *methods):
    """What smtp-enum-users finds of these names, with its methods."""
    path = os.path.join(server.dir, "names")
    write(path, "\n".join(names) + "\n")
    return nmap(server, "smtp-enum-users", f"smtp-enum-users.methods={{{','.join(methods)}}}",
                "smtp.domain=example.org", f"userdb={path}")


@pytest.fixture
def small(server):
    return server(sections={"harvest": {"unknown": str(BUDGET), "per": '"1h"'}})


@pytest.mark.parametrize("method", ["VRFY", "EXPN"])
def test_existing_and_invented_names_are_the_same_to_vrfy_and_expn(small, method):
    """252 finds nobody, whoever is in the list, and costs nothing of the budget."""
    assert enumerate_users(small, KNOWN, method) == enumerate_users(small, UNKNOWN, method) == [NOTHING]
    assert enumerate_users(small, KNOWN + UNKNOWN, "VRFY", "EXPN") == [NOTHING]
    assert "ev=refused" not in small.log() and "ev=deferred" not in small.log()


def test_rcpt_finds_no_more_than_the_budget_allows(small):
    """Who stands behind more unknown names than the budget has is not found any more, and later nobody is."""
    names = ["alice"] + UNKNOWN[:BUDGET] + ["bob", "team"]
    assert enumerate_users(small, names, "RCPT") == ["alice", ENDED]
    for others in (KNOWN, UNKNOWN, ["bob"], ["judy"]):
        assert enumerate_users(small, others, "RCPT") == [ENDED]
    refused = small.log().count("key=mailbox-unknown")
    assert refused == BUDGET


def test_within_the_budget_rcpt_says_what_delivery_needs_it_to_say(small):
    """The other side of it: without an answer at RCPT nobody could be written to."""
    assert enumerate_users(small, ["alice", "carol", "bob", "dave", "team"], "RCPT") == ["alice", "bob", "team"]


def test_all_methods_as_they_come_by_default_find_nobody_after_the_budget(small):
    with small.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        for name in UNKNOWN[:BUDGET]:
            c.cmd(f"RCPT TO:<{name}@example.org>").is_(550)
    assert enumerate_users(small, KNOWN, "RCPT", "VRFY", "EXPN") == [ENDED]
    assert enumerate_users(small, UNKNOWN, "RCPT", "VRFY", "EXPN") == [ENDED]


def test_the_commands_are_told_without_a_name(small):
    """What everybody is told, and no address."""
    extensions, commands = nmap(small, "smtp-commands", "smtp.domain=client.test")
    assert extensions.startswith("mx.example.org, ") and "VRFY" in commands
    assert not any(name in extensions + commands for name in KNOWN + ["@"])


@pytest.mark.parametrize("passed_on", [False, True])
def test_no_relay_is_found(server, passed_on):
    """Also where the host's own name is a domain of which every local part is taken and passed inward: what names
    another host in the local part is not."""
    s = server(start=False)
    if passed_on:
        with open(s.conf, "a") as f:
            f.write(block('domain "mx.example.org"', {"via": '"smtp://127.0.0.1:9"'}))
    s.start()
    assert nmap(s, "smtp-open-relay", "smtp-open-relay.ip=127.0.0.1") == [
        "Server doesn't seem to be an open relay, all tests failed"]
    until(lambda: s.log().count("verb=RCPT") == 16, "all of its 16 tests were made")
