# SPDX-License-Identifier: Apache-2.0
"""Help that is asked for, of every command, and the nearest word to one that does not exist. No server runs."""
import pytest

from harness.server import waybill

COMMANDS = ["", "explain", "status", "queue", "queue list", "queue show", "queue cat", "queue retry", "queue hold",
            "queue release", "queue remove", "queue pause", "queue resume", "send", "trace", "user", "user add",
            "user remove", "user list", "mailbox", "mailbox show", "mailbox disable", "mailbox enable",
            "mailbox forward", "greylist", "greylist list", "greylist allow", "greylist forget", "brake",
            "brake release", "check", "check config", "check rcpt", "check list", "check domain", "reload", "spool",
            "spool check", "spool export", "demo"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_an_answer_and_no_failure(command):
    answer = waybill(*command.split(), "--help")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("usage: waybill")
    assert answer.stdout.split()[2] in (command.split() or ["COMMAND"])


@pytest.mark.parametrize("words, near", [
    ("relaod", "reload"), ("check cnfig", "config"), ("check domian x.test", "domain"), ("mailbox shwo a@b.test", "show"),
    ("brake relase a@b.test", "release"), ("queue lst", "list"), ("queue resmue", "resume"), ("user ad a@b.test", "add"),
    ("spool exprot /x", "export"), ("greylist alow b.test", "allow")])
def test_the_nearest_word_is_offered(words, near):
    answer = waybill(*words.split())
    assert (answer.returncode, answer.stdout) == (2, "")
    assert f'did you mean "{near}"?' in answer.stderr


@pytest.mark.parametrize("words", ["reload now", "status all", "brake release", "check config a b", "mailbox show",
                                   "spool export", "user add"])
def test_a_word_that_exists_is_not_called_unknown(words):
    answer = waybill(*words.split())
    assert answer.returncode == 2
    assert answer.stderr.startswith("usage: waybill " + words.split()[0])
