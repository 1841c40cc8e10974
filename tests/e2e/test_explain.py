# SPDX-License-Identifier: Apache-2.0
"""`waybill explain`: codes, enhanced codes, keys, and two of them side by side."""
import itertools
import json
import re
import time

import pytest

from harness.server import message, token, waybill

BASIC = [211, 214, 220, 221, 235, 250, 251, 252, 334, 354, 421, 422, 432, 450, 451, 452, 454, 455, 500, 501, 502, 503,
         504, 521, 523, 524, 525, 530, 534, 535, 538, 550, 551, 552, 553, 554, 555, 556]
PARTS = ["When you see it", "How to fix it"]


@pytest.mark.parametrize("code", BASIC)
def test_every_basic_code_is_explained(code):
    """RFC 5321 section 4.2.3; RFC 4954; RFC 7504."""
    done = waybill("explain", str(code))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(code))
    for part in PARTS + ["Source"]:
        assert part in done.stdout, part


@pytest.mark.parametrize("word", ["4.2.2", "5.1.1", "5.7.1", "4.3.1", "2.0.0", "mailbox-locked", "cannot-verify",
                                  "mailbox-unknown", "disk-full", "greylisted"])
def test_enhanced_codes_and_keys_are_explained(word):
    """RFC 3463 and the house's own keys."""
    done = waybill("explain", word)
    assert done.returncode == 0, done.stderr
    assert word in done.stdout
    for part in PARTS:
        assert part in done.stdout, part


def test_252_and_450_side_by_side():
    """A summary that contrasts both, then each, then differences and when to use which."""
    done = waybill("explain", "252", "450")
    assert done.returncode == 0, done.stderr
    text = done.stdout
    summary = next(line for line in text.splitlines() if line.strip())
    assert "252" in text and "450" in text and summary
    for part in PARTS:
        assert part in text
    assert re.search(r"(?i)differ", text)
    assert re.search(r"(?i)when to use|use which", text)
    low = text.lower()
    for word in ("verify", "accept", "locked", "greylist", "retr", "disabled"):
        assert word in low, word


@pytest.mark.parametrize("pair", [("550", "450"), ("250", "252"), ("421", "554"), ("4.2.2", "5.2.2"),
                                  ("252", "mailbox-locked"), ("450", "450"), ("220", "556")])
def test_any_pair_can_be_compared(pair):
    """Whatever the two are."""
    done = waybill("explain", *pair)
    assert done.returncode == 0, done.stderr
    for word in pair:
        assert word in done.stdout


def test_all_pairs_of_basic_codes_give_json():
    """The shape is the same for each."""
    shapes = set()
    for one, other in itertools.islice(itertools.combinations(BASIC, 2), 0, None, 23):
        done = waybill("explain", "--json", str(one), str(other))
        assert done.returncode == 0, (one, other, done.stderr)
        shapes.add(tuple(sorted(json.loads(done.stdout))))
    assert len(shapes) == 1


def test_json_of_one_code_has_its_parts():
    """For scripts and pages."""
    done = waybill("explain", "--json", "450")
    assert done.returncode == 0
    text = json.dumps(json.loads(done.stdout))
    assert "450" in text and "locked" in text


@pytest.mark.parametrize("word", ["999", "9.9.9", "no-such-key", "", "25", "4500"])
def test_an_unknown_code_is_exit_code_1_and_says_so(word):
    """1: the answer is no."""
    done = waybill("explain", word)
    assert done.returncode in (1, 2)
    assert done.stderr.strip() or done.stdout.strip()


def test_without_argument_it_is_wrong_use():
    """Exit code 2."""
    assert waybill("explain").returncode == 2


def test_no_colour_and_no_wide_lines_where_there_is_no_terminal():
    """Output to a file is plain; lines fit 80 columns (100 at most)."""
    for args in (["450"], ["252", "450"]):
        text = waybill("explain", *args).stdout
        assert "\x1b" not in text
        assert max(len(line) for line in text.splitlines()) <= 100


def test_it_is_fast():
    """Starting included: many in a moment (no absolute time is judged but a generous one)."""
    begin = time.monotonic()
    for _ in range(20):
        assert waybill("explain", "450").returncode == 0
    assert time.monotonic() - begin < 10


def test_every_reply_seen_in_a_session_is_explained(demo):
    """No reply exists that is not explained."""
    with demo.client() as c:
        replies = [c.cmd("VRFY x"), c.cmd("XYZZY"), c.cmd("RCPT TO:<a@b.test>"), c.cmd("MAIL FROM:<a@b.test>"),
                   c.cmd("RCPT TO:<nobody@example.org>"), c.cmd("RCPT TO:<a@b.test>"),
                   c.cmd("RCPT TO:<alice@example.org>"),
                   c.cmd("DATA"), c.send(message(token()) + b".\r\n").reply(), c.cmd("HELP"), c.cmd("QUIT")]
    for reply in replies:
        assert waybill("explain", str(reply.code)).returncode == 0
        if reply.enhanced:
            assert waybill("explain", reply.enhanced).returncode == 0, reply
