# SPDX-License-Identifier: Apache-2.0
"""Users who have their mail forwarded, with a copy kept or without, and what becomes of loops."""
import os

from harness.conf import write
from harness.remote import Remote
from harness.server import message, token
from test_directory import rcpt_code, until_code


def test_mail_is_forwarded_with_a_copy_and_without(server):
    """To one address or several, here and elsewhere."""
    with Remote() as there:
        s = server(start=False, sections={'route "*"': {"via": there.via}})
        write(os.path.join(s.dir, "users"), "alice: forward=x@there.test, bob\nbob: copy-to=y@there.test\n")
        s.start()
        mark = token()
        s.deliver(message(mark), ["alice@example.org", "alice+news@example.org"]).is_(250)
        s.mail("bob", mark)
        s.settled()
        assert len(s.mails("bob", mark)) == 1 and not s.mails("alice", mark)
        assert sorted(r for m in there.messages for r in m["recipients"]) == ["x@there.test", "y@there.test"]


def test_loops_end_in_a_mailbox(server):
    """Nobody keeps a copy, so the first one does: nothing is lost, and nothing goes round."""
    s = server(start=False)
    write(os.path.join(s.dir, "users"), "alice: forward=bob\nbob: forward=alice\n")
    s.start()
    mark = token()
    s.deliver(message(mark), ["alice@example.org"]).is_(250)
    s.mail("alice", mark)
    s.settled()
    assert not s.mails("bob", mark)


def test_the_command_forwards_and_stops_forwarding(server):
    """`waybill mailbox forward`, by the users file; and what others are told of it."""
    s = server()
    assert s.tool("mailbox", "forward", "bob@example.org", "--to", "alice", "--keep").returncode == 0
    with open(os.path.join(s.dir, "users")) as f:
        assert "bob: copy-to=alice\n" in f.read()
    shown = s.tool("mailbox", "show", "bob@example.org")
    assert shown.returncode == 0 and "Mail for bob@example.org goes to alice@example.org, bob@example.org" in shown.stdout
    s.wait_log(r"ev=directory-changed")
    mark = token()
    s.deliver(message(mark), ["bob@example.org"]).is_(250)
    s.mail("bob", mark)
    s.mail("alice", mark)
    with s.client(source="127.0.0.2") as c:
        assert c.cmd("VRFY bob@example.org").is_(250).text
        c.cmd("EXPN bob@example.org").is_(550)
    for words in (["forward", "bob@example.org", "--to", "BOB"], ["disable", "bob@example.org", "--moved", "bob@example.org"]):
        itself = s.tool("mailbox", *words)
        assert itself.returncode == 2 and "the address itself" in itself.stderr
    both = s.tool("mailbox", "forward", "bob@example.org", "--to", "alice, bob")
    assert both.returncode == 0 and "kept, and copied elsewhere" in both.stdout
    assert s.tool("mailbox", "enable", "bob@example.org").returncode == 0
    wrong = s.tool("mailbox", "forward", "bob@example.org", "--to", "|cat")
    assert wrong.returncode == 2 and "forward= needs addresses" in wrong.stderr
    assert s.tool("mailbox", "forward", "bob@example.org", "--to").returncode == 2
    assert s.tool("mailbox", "forward", "nobody@example.org", "--to", "alice").returncode == 1
    assert s.tool("mailbox", "enable", "bob@example.org").returncode == 0
    with open(os.path.join(s.dir, "users")) as f:
        assert "bob\n" in f.read()
    until_code(s, "bob@example.org", 250)
    assert rcpt_code(s, "nobody@example.org") == 550
