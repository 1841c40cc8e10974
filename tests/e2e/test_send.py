# SPDX-License-Identifier: Apache-2.0
"""`waybill send`: one line that sends a message and follows it, through the drop folder or to a server by name."""
import email
import email.policy
import json
import re
import shlex
import subprocess

import pytest

from harness.deadline import until
from harness.remote import Remote
from harness.server import program, token, waybill

ID = r"[0-9a-hjkmnp-tv-z]{26}"
NO, USAGE, LATER = 1, 2, 75


def run(server, *words, code=0, text=None, timeout=90):
    """What it prints; without a text there is nothing on its standard input."""
    source = {"stdin": subprocess.DEVNULL} if text is None else {"input": text}
    done = subprocess.run([program("waybill"), "send", *words, "-c", server.conf], capture_output=True,
                          timeout=timeout, **source)
    assert done.returncode == code, done
    return done.stdout.decode() + done.stderr.decode()


def answer(server, *words, code=0, **more):
    return json.loads(run(server, "--json", *words, code=code, **more))


def parsed(mail):
    return email.message_from_bytes(mail.raw, policy=email.policy.default)


def address(server):
    return f"127.0.0.1:{server.port}"


def test_one_line_sends_a_message_and_says_how_to_follow_it(demo):
    said = run(demo, "alice@example.org")
    found = re.fullmatch(rf"Queued as ({ID}) for alice@example\.org\.\nFollow it: waybill (trace \1 -c .*)\n", said)
    assert found, said
    mail = parsed(demo.mail("alice", found.group(1)))
    assert mail["To"] == "alice@example.org" and mail["Subject"] and mail["From"].endswith("@example.org>")
    assert "waybill send" in mail.get_content()
    until(lambda: "delivered" in waybill(*shlex.split(found.group(2))).stdout, "the trace has its end")


def test_the_words_and_the_pipe_make_the_message(demo):
    """Subject and body beyond ASCII; a dot alone is text; a name without a domain gets ours."""
    mark = token()
    run(demo, "--from", "bob", "--subject", f"Größe {mark}", "alice", "bob@example.org", text="Grüße\n.\nund mehr".encode())
    for user in ("alice", "bob"):
        raw = until(lambda: [m for m in demo.mails(user, "bob@example.org") if mark in str(parsed(m)["Subject"])], mark)[0]
        mail = parsed(raw)
        assert mail["Subject"] == f"Größe {mark}" and mail["From"] == "bob@example.org"
        assert [str(a.addr_spec) for a in mail["To"].addresses] == ["alice@example.org", "bob@example.org"]
        assert mail.get_content() == "Grüße\n.\nund mehr\n"
        assert raw.field("Return-Path") == "<bob@example.org>"


@pytest.mark.parametrize("recipient, code, outcome, says", [
    ("alice@example.org", 0, "delivered", "attempt 1: delivered"),
    ("you@ok.test", 0, "delivered", "attempt 1: delivered"),
    ("nobody@example.org", NO, "failed", "told by a bounce: alice@example.org"),
    ("you@unknown.test", NO, "failed", "did not get it"),
    ("you@greylist.test", LATER, "deferred", "greylisted: "),
    ("you@down.test", LATER, "deferred", "is down since")])
def test_wait_tells_what_became_of_it(demo, recipient, code, outcome, says):
    """The story as trace tells it, and an exit code for scripts."""
    said = run(demo, "--wait", "--from", "alice@example.org", recipient, code=code)
    assert says in said and "accepted from a program here (uid " in said and "Follow it" not in said, said
    got = answer(demo, "--wait", "--from", "alice@example.org", recipient, code=code)
    assert (got["ok"], got["outcome"], got["through"]) == (code == 0, outcome, "drop"), got
    assert got["recipients"] == [{"address": recipient, "accepted": True, "reply": ""}]


def test_a_message_for_several_is_waited_for_as_a_whole(demo):
    got = answer(demo, "--wait", "--from", "bob@example.org", "team@example.org", "nobody@example.org", code=NO)
    assert got["outcome"] == "failed" and len(got["recipients"]) == 2
    demo.mail("alice", got["id"])


def test_a_server_that_is_named_is_asked_by_smtp(demo):
    """What it says of each recipient, what a refusal means, where both can be followed."""
    said = run(demo, "--server", address(demo), "alice@example.org", "nobody@example.org", "x@elsewhere.test", code=NO)
    found = re.search(rf"^  alice@example\.org: 250 2\.0\.0 Queued as ({ID})$", said, re.M)
    assert said.startswith(f"{address(demo)} answered\n") and found, said
    session = re.search(r"^  nobody@example\.org: 550 5\.1\.1 .*\[s (\w{6})\]\n      user-unknown: ", said, re.M)
    assert session and "\n      relay-denied: " in said, said
    assert f"\nWhy: waybill trace {session.group(1)} -c " in said
    assert f"\nFollow it: waybill trace {found.group(1)} -c " in said
    mail = demo.mail("alice", found.group(1))
    assert "127.0.0.1" in mail.field("Received")
    got = answer(demo, "--wait", "--server", f"localhost:{demo.port}", "bob@example.org")
    assert (got["outcome"], got["recipients"][0]["accepted"]) == ("delivered", True)


def test_what_other_servers_say_is_shown_and_decides_the_exit_code(demo):
    """Temporary, permanent, silent; what they say cannot play with the terminal."""
    for said, code, shown in ((b"450 4.2.0 Greylisted, see http://x.test\r\n", LATER, "greylisted: "),
                              (b"550 5.1.1 \x1b[31mno\r\n", NO, "550 5.1.1 \\x1b[31mno"),
                              (b"250-first\r\n250 second\r\n", 0, "250 2.0.0 kept"),
                              (None, LATER, "4.4.2 the connection broke")):
        with Remote({"RCPT": said}) as remote:
            text = run(demo, "--server", f"127.0.0.1:{remote.port}", "x@remote.test", code=code)
            assert shown in text and "Follow it" not in text and "\x1b" not in text, text
    with Remote() as remote:
        text = run(demo, "--wait", "--server", f"127.0.0.1:{remote.port}", "x@remote.test", code=NO)
        assert "nothing to follow" in text and len(remote.messages) == 1


def test_lmtp_and_large_bodies(demo, tmp_path):
    """Each recipient has an answer of its own; 2 MB arrive as they were given."""
    body = b"".join(b"line %d\n.\n" % i for i in range(150000))
    with Remote(lmtp=True) as remote:
        run(demo, "--server", remote.via.strip('"'), "x@remote.test", "y@remote.test", text=body)
        assert [m["recipients"] for m in remote.messages] == [["x@remote.test"], ["y@remote.test"]]
        assert remote.messages[0]["data"].endswith(b"\r\n\r\n" + body.replace(b"\n", b"\r\n"))
    path = str(tmp_path / "lmtp")
    with Remote({".": b"452 4.2.2 full\r\n"}, lmtp=True, path=path):
        assert "mailbox-full: " in run(demo, "--server", f"lmtp+unix:{path}", "x@remote.test", code=LATER)


def test_nobody_there_is_try_later(server):
    """A server that does not run keeps what is dropped for it; one that is named is not there."""
    s = server()
    s.stop()
    said = run(s, "alice@example.org")
    assert "cannot be reached" in run(s, "--server", address(s), "alice@example.org", code=LATER)
    assert "no host of this name" in run(s, "--server", "nohost.invalid", "alice@example.org", code=LATER)
    assert "no server answers" in run(s, "--wait", "alice@example.org", code=LATER)
    s.start()
    s.mail("alice", re.search(ID, said).group(0))
    until(lambda: len(s.mails("alice", "A test message")) == 2, "both came")


@pytest.mark.parametrize("words", [
    [], ["--from"], ["--subject", "two\nlines", "alice"], ["--subject", "x" * 501, "alice"], ["--subject", b"\xff", "alice"],
    [""], ["@"], ["--from", "a@b@c", "alice"], ["--server", "mx://x", "alice"], ["--server", "", "alice"],
    ["--server", "127.0.0.1:0", "alice"], ["--nonsense", "alice"]])
def test_wrong_use_is_exit_code_2_and_sends_nothing(demo, words):
    before = demo.status()["queue"]["accepted"]
    assert run(demo, *words, code=USAGE)
    assert demo.status()["queue"]["accepted"] == before
