# SPDX-License-Identifier: Apache-2.0
"""`waybill mailbox show` says what a delivery would find, not what its caller may do: root asks, a running server's account
looks."""
import os
import pwd
import shutil
import subprocess

import pytest

from harness.conf import write
from harness.deadline import until
from harness.lmtp import lmtp_client
from harness.server import message, program, token
from test_mailbox_states import full, rcpt, show

NOBODY = pwd.getpwnam("nobody")
NO_RIGHTS = "cannot take mail: the server may not write to the mailbox"
NO_MBOX = "cannot take mail: its file is no mbox, for it does not begin with \"From \""
MAKES = "can take mail now; the first message makes its mailbox"


class Shown:
    """A server that runs as nobody, and its mailboxes."""

    def __init__(self, server, mbox):
        self.server = server
        self.mail = os.path.join(server.dir, "mail")
        top, words = {"user": '"nobody"'}, {"mailboxes": f'"mbox:{self.mail}/{{domain}}/{{user}}"'} if mbox else {}
        for folder in (self.mail, os.path.join(server.dir, "data")):
            self.give(folder)
        port = server.port + 1
        server.lmtp_port = port
        server.reconfigure(top=top, sections={"domain": words, 'listen "lmtp"': {
            "address": f'{{"127.0.0.1:{port}"}}', "protocol": '"lmtp"'}})

    @staticmethod
    def give(path):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)

    def says(self, sentence, code):
        """Root asks the running server, or none; the server's account and a delivery find the same."""
        s = self.server
        done = s.tool("mailbox", "show", "alice@example.org")
        assert done.returncode == code and sentence in done.stdout, done
        return done.stdout

    def as_nobody(self):
        """The command, as the server's account runs it where no server runs; its programs lie where only root looks."""
        tool = os.path.join(self.mail, "waybill")
        shutil.copy(program("waybill"), tool)
        return subprocess.run([tool, "mailbox", "show", "alice@example.org", "-c", self.server.conf], user="nobody",
                              group=NOBODY.pw_gid, extra_groups=[], capture_output=True, text=True, timeout=20, cwd="/")


@pytest.fixture
def shown(server, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root, to give files to others")
    folder = tmp_path
    while folder != folder.parent and not os.stat(folder).st_mode & 0o001:
        os.chmod(folder, 0o711)
        folder = folder.parent
    return lambda mbox: Shown(server(start=False), mbox)


def of_root(path, mode, text=None):
    if text is None:
        os.makedirs(path, mode)
    else:
        write(path, text)
    os.chmod(path, mode)


def maildir_of_root(shown):
    box = f"{shown.mail}/example.org/alice"
    for sub in ("tmp", "new", "cur"):
        of_root(f"{box}/{sub}", 0o755)
    os.chmod(box, 0o755)


def folder_of_root(shown):
    of_root(f"{shown.mail}/example.org", 0o755)


def mbox_in(shown, mode, text):
    of_root(f"{shown.mail}/example.org", 0o755)
    shown.give(f"{shown.mail}/example.org")
    of_root(f"{shown.mail}/example.org/alice", mode, text)


def mbox_of_root(shown):
    mbox_in(shown, 0o600, "From alice\n\n")


def mbox_of_root_that_may_be_read(shown):
    mbox_in(shown, 0o644, "From alice\n\n")


def no_mbox(shown):
    mbox_in(shown, 0o644, "Dear diary,\n")
    shown.give(f"{shown.mail}/example.org/alice")


def mbox_beside_which_nothing_can_be_made(shown):
    mbox_in(shown, 0o644, "From alice\n\n")
    shown.give(f"{shown.mail}/example.org/alice")
    os.chown(f"{shown.mail}/example.org", 0, 0)


@pytest.mark.parametrize("mbox, make, sentence", [
    (False, maildir_of_root, NO_RIGHTS), (False, folder_of_root, NO_RIGHTS), (True, mbox_of_root, NO_RIGHTS),
    (True, mbox_of_root_that_may_be_read, NO_RIGHTS), (True, no_mbox, NO_MBOX), (True, folder_of_root, NO_RIGHTS),
    (True, mbox_beside_which_nothing_can_be_made, NO_RIGHTS)])
def test_what_a_delivery_cannot_write_takes_no_mail(shown, mbox, make, sentence):
    it = shown(mbox)
    s = it.server
    it.says(MAKES, 0)
    make(it)
    for running in (False, True):
        if running:
            s.start()
        text = it.says(sentence, 1)
        assert "Senders are told 250, and the queue here tries again; by LMTP they are told 451 4.3.5" in text
    with lmtp_client(s) as c:
        c.begin("a@client.test", "alice@example.org").data_each(message(token()), 1)[0].is_(451, "4.3.5")
    s.stop()
    done = it.as_nobody()
    assert done.returncode == 1 and sentence in done.stdout, done


@pytest.mark.parametrize("mbox", [False, True])
def test_what_a_delivery_made_can_take_mail(shown, mbox):
    it = shown(mbox)
    s = it.server.start()
    it.says(MAKES, 0)
    s.deliver(message(token()), ["alice@example.org"], "a@client.test", "127.0.0.2").is_(250)
    until(lambda: "can take mail now (" in show(s, "alice")[1], "the mailbox is made")
    it.says("can take mail now (", 0)
    s.stop()
    it.says("can take mail now (", 0)
    done = it.as_nobody()
    assert done.returncode == 0 and "can take mail now (" in done.stdout, done


@pytest.mark.parametrize("sections, code, told", [
    ({}, "452", "Senders are told 452 4.2.2"),
    ({"domain": {"catch-all": '"bob@example.org"'}}, "250", "Senders are told 250, and the queue here tries again"),
    ({"checks": {"order": '{"relay", "recipient"}'}}, "250", "Senders are told 250, and the queue here tries again")])
def test_what_senders_are_told_of_a_full_mailbox(server, sections, code, told):
    s = server(start=False, sections=sections)
    full(s, "alice")
    write(s.maildir("alice") + "/maildirsize", "100000S\n100000 1\n")
    s.start()
    assert rcpt(s, "alice@example.org").startswith(code)
    code, text = show(s, "alice")
    assert code == 1 and told in text and "452 4.2.2" in text


def test_who_moved_and_gets_mail_passed_on_takes_mail(server):
    s = server(start=False, sections={"mailbox": {"forward-moved": "yes"}})
    write(os.path.join(s.dir, "users"), "alice\nbob\nerin: moved=alice@example.org\n")
    code, text = show(s, "erin")
    assert code == 0 and "Mail for erin@example.org goes to alice@example.org" in text
    assert "Senders are told 251 2.1.5" in text and "no mail" not in text
    s.start()
    assert show(s, "erin") == (code, text)
    assert rcpt(s, "erin@example.org").startswith("251 2.1.5")


def test_who_cannot_know_says_so(shown):
    """Without a server, neither root nor its account: nothing is promised."""
    it = shown(False)
    it.server.reconfigure(top={"user": '"daemon"'})
    done = it.as_nobody()
    assert done.returncode == 75 and 'the account "daemon" finds out' in done.stdout, done


def test_a_delivery_that_is_away_leaves_it_open(shown):
    it = shown(False)
    s = it.server.start()
    s.kill_role("policy")
    done = until(lambda: (lambda d: d if d.returncode in (0, 75) else None)(s.tool("mailbox", "show", "alice@example.org")),
                 "an answer, or none")
    assert done.returncode == 0 or "try again" in done.stderr
    until(lambda: s.tool("mailbox", "show", "alice@example.org").returncode == 0, "policy is back")
