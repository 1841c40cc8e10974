# SPDX-License-Identifier: Apache-2.0
"""Mailboxes that are one file: what stands there, who may lock it, and crashes (RFC 4155)."""
import fcntl
import mailbox
import os
import pty
import re
import resource
import select
import shutil
import subprocess
import time

import pytest

from harness import mbox, processes
from harness.conf import write
from harness.deadline import until
from harness.load import Load
from harness.server import message, token
from harness.small_disk import small_disk

FAST = {"queue": {"retry": '{"1s"}'}}


def sections(server_dir, **more):
    return {"domain": {"mailboxes": f'"mbox:{server_dir}/mail/{{user}}"'}, **FAST, **more}


@pytest.fixture
def box_server(server):
    """A maker of servers that keep mail in mbox files below DIR/mail."""
    def make(**more):
        made = server(start=False)
        made.reconfigure(sections=sections(made.dir, **more))
        return made.start()
    return make


def path_of(s, user="alice"):
    return os.path.join(s.dir, "mail", user)


def holding(s, mark, user="alice"):
    return [m for m in mbox.read(path_of(s, user)) if mark.encode() in m[2]]


def arrived(s, mark, user="alice", seconds=15):
    return until(lambda: holding(s, mark, user), f"mail {mark} for {user}", seconds)


def test_a_message_stands_there_as_others_read_it(box_server):
    """From_ line, quoting, one empty line, Return-Path; read back byte for byte."""
    s = box_server()
    mark = token()
    body = b"From here\r\n>From there\r\n\r\nFrom: no\r\n From \r\nend\r\n\r\n"
    s.deliver(message(mark, body), sender="me@client.test").is_(250)
    sender, date, content = arrived(s, mark)[0]
    assert sender == b"me@client.test"
    assert abs(time.mktime(time.strptime(date.decode(), "%a %b %d %H:%M:%S %Y")) - time.timezone - time.time()) < 60
    assert content.startswith(b"Return-Path: <me@client.test>\nDelivered-To: alice@example.org\nReceived: ")
    assert content.endswith(message(mark, body).replace(b"\r\n", b"\n"))
    raw = open(path_of(s), "rb").read()
    assert b"\n>From here\n>>From there\n\nFrom: no\n From \n" in raw
    assert os.stat(path_of(s)).st_mode & 0o777 == 0o600

    s.deliver(message(mark, b"second\r\n"), sender="").is_(250)
    until(lambda: len(holding(s, mark)) == 2, "the second")
    assert holding(s, mark)[1][0] == b"MAILER-DAEMON"
    read = mailbox.mbox(path_of(s), create=False)
    assert [m["X-Mark"] for m in read] == [mark, mark]
    assert [m["Return-Path"] for m in read] == ["<me@client.test>", "<>"]
    s.settled()
    assert sorted(os.listdir(s.dir + "/mail")) == [".alice.waybill", "alice"]


NOTES = (b"Status: RO\r\nX-Status: DF\r\nX-Keywords: NonJunk\r\n Junk\r\nX-IMAPbase: 1234567890 4\r\nX-IMAP: 12 34\r\n"
         b"X-UID: 7\r\ncontent-length: 300000\r\n")


@pytest.mark.parametrize("size", [100, 400000])
def test_a_stranger_cannot_write_the_notes_of_a_mail_program(box_server, size):
    """A message that says of itself that it was read and deleted arrives new; large ones come from a file."""
    s = box_server()
    mark, body = token(), b"Status: RO\r\n" + b"x" * 70 + b"\r\n"
    body += (b"y" * 70 + b"\r\n") * (size // 72)
    s.deliver(NOTES + message(mark, body)).is_(250)
    s.deliver(message(mark, b"the next\r\n")).is_(250)
    until(lambda: len(holding(s, mark)) == 2, "both")
    raw = [m[2] for m in holding(s, mark)]
    first = next(m for m in raw if b"the next" not in m)
    assert first.endswith(message(mark, body).replace(b"\r\n", b"\n")) and b"\nReceived: " in first
    header = first.split(b"\n\n")[0].lower()
    assert [name for name in (b"status:", b"x-status:", b"x-keywords:", b"junk", b"x-imap", b"x-uid:", b"content-length:")
            if name in header] == []
    read = mailbox.mbox(path_of(s), create=False)
    assert [(m.get_flags(), m["X-Mark"]) for m in read] == [("", mark), ("", mark)]


@pytest.mark.skipif(not shutil.which("s-nail"), reason="needs s-nail")
def test_s_nail_lists_what_is_there(box_server):
    """A mail program of Debian counts as many messages as there are, whatever stands in them."""
    s = box_server()
    for i in range(3):
        mark = token()
        s.deliver(message(mark, b"From me to you\r\n\r\nFrom bob@x Thu Nov 21 18:00:18 2024\r\n", f"Number {i}")).is_(250)
        arrived(s, mark)
    done = subprocess.run(["s-nail", "-n", "-R", "-S", "v15-compat", "-H", "-f", path_of(s)], capture_output=True, text=True,
                          timeout=20, check=False)
    assert [line.split()[-2:] for line in done.stdout.splitlines()] == [["Number", "0"], ["Number", "1"], ["Number", "2"]], (
        done.stdout, done.stderr)


def on_terminal(args, seconds=20):
    """Runs a program that wants a terminal, until it ends; what it wrote there is shown when the test fails."""
    master, slave = pty.openpty()
    written = []
    with subprocess.Popen(args, env={**os.environ, "TERM": "vt100"}, stdin=slave, stdout=slave, stderr=slave,
                          start_new_session=True) as program:
        os.close(slave)
        try:
            until(lambda: drain(master, written) or program.poll() is not None, f"{args[0]} ends", seconds)
        finally:
            program.kill()
            os.close(master)
            print(b"".join(written))


def drain(master, written):
    """Takes what the program writes, so that it does not wait for a reader; whether it has closed its terminal."""
    while select.select([master], [], [], 0)[0]:
        try:
            written.append(os.read(master, 65536))
        except OSError:
            return True
    return False


@pytest.mark.skipif(not shutil.which("mutt"), reason="needs mutt")
def test_mutt_moves_a_message_out(box_server, tmp_path):
    """mutt locks, rewrites the file without it, and the next delivery goes on behind the rest."""
    s = box_server()
    first, second, third = token(), token(), token()
    for mark in (first, second):
        s.deliver(message(mark)).is_(250)
        arrived(s, mark)
    rc = tmp_path / "muttrc"
    rc.write_text(f"set delete=yes confirmappend=no confirmcreate=no mbox_type=mbox move=no folder={tmp_path}\n")
    on_terminal(["mutt", "-F", str(rc), "-f", path_of(s), "-e", f"push '<save-message>{tmp_path}/saved<enter><quit>'"])
    s.deliver(message(third)).is_(250)
    arrived(s, third)
    left = mbox.marks(mbox.read(path_of(s)))
    saved = mbox.marks(mbox.read(str(tmp_path / "saved")))
    assert saved == {first: 1} and left == {second: 1, third: 1}, (saved, left)


def account(s, load, reader=None, user="alice"):
    """Every acknowledged message exactly once, whole; none that was refused."""
    s.settled(60)
    messages = mbox.read(path_of(s, user)) + (reader.taken if reader else [])
    found = mbox.marks(messages)
    lost = [mark for mark in load.marks() if not found[mark]]
    assert not lost, f"{len(lost)} of {load.count()} acknowledged messages are lost: {lost[:5]}"
    assert not [mark for mark in load.marks("refused") if found[mark]]
    twice = {mark: n for mark, n in found.items() if n > 1}
    assert not twice, f"delivered twice: {twice}"
    for _, _, content in messages:
        small, large = b"\n\nHello.\n", b"\n\n" + (b"x" * 70 + b"\n") * 6000
        assert content.endswith(small) or content.endswith(large), content[-200:]
    assert not load.surprises, load.surprises[:5]
    return len(messages)


def test_many_deliveries_beside_a_program_that_rewrites_the_file(box_server):
    """Dot-lock and fcntl, as Python's mailbox takes them: nothing is lost, nothing is torn."""
    s = box_server()
    with mbox.Reader(path_of(s)) as reader, Load(s, threads=6, large_every=25) as load:
        until(lambda: load.count() >= 400 and reader.rounds >= 20 and len(reader.taken) >= 50, "load flows", 60)
    assert account(s, load, reader) == load.count() + len(load.marks("unknown"))
    assert not [name for name in os.listdir(s.dir + "/mail") if "lock" in name or "waybill-" in name]


@pytest.mark.parametrize("what", ["delivery", "queue", "all"])
def test_kill_under_load_leaves_no_torn_message_and_no_second_copy(box_server, what):
    """kill -9 in the middle of appends: the torn tail is cut off, a whole copy is found by its retry."""
    s = box_server()
    loads = []
    for _ in range(4):
        with Load(s, threads=4, large_every=5) as load:
            until(lambda: load.count() >= 40, "load flows", 30)
            if what == "all":
                s.kill_all()
            else:
                killed = s.kill_role(what)
                until(lambda: not processes.alive(killed), "the role is dead", 2)
                target = load.count() + 20
                until(lambda: load.count() >= target, "load flows again", 30)
        loads.append(load)
        if what == "all":
            s.start()
    for load in loads:
        account(s, load)
    mark = token()
    s.deliver(message(mark)).is_(250)
    arrived(s, mark)


def test_mail_that_flows_on_after_a_kill_makes_no_retry_forget_its_copy(box_server):
    """Hundreds of others are appended before what was in hand is tried again; it was appended already."""
    s = box_server()
    loads = []
    for _ in range(3):
        with Load(s, threads=4) as load:
            until(lambda: load.count() >= 40, "load flows", 30)
            s.kill_role("delivery")
            target = load.count() + 600
            until(lambda: load.count() >= target, "load flows again", 60)
        loads.append(load)
    for load in loads:
        account(s, load)


def test_kill_beside_a_program_that_rewrites_the_file(box_server):
    """What that program took or rewrote between the crash and the next delivery is never cut."""
    s = box_server()
    with mbox.Reader(path_of(s)) as reader, Load(s, threads=4, large_every=5) as load:
        for _ in range(6):
            target = load.count() + 30
            until(lambda: load.count() >= target, "load flows", 30)
            s.kill_role("delivery")
        target = load.count() + 30
        until(lambda: load.count() >= target, "load flows again", 30)
    s.settled(60)
    found = mbox.marks(whole(mbox.read(path_of(s)) + reader.taken))
    lost = [mark for mark in load.marks() if not found[mark]]
    assert not lost, f"{len(lost)} of {load.count()} acknowledged messages are lost: {lost[:5]}"


def whole(messages):
    """Without the beginnings of messages that this program read, or rewrote, before they could be cut off."""
    return [m for m in messages if re.search(rb"^X-Mark: \S+\n\n(Hello\.\n$|x{70}\n)", m[2], re.M)]


def test_a_locked_mbox_waits_and_delays_nobody_else(box_server):
    """450 4.2.0 in the queue, within lock-timeout; bob gets his mail meanwhile; tried again within minutes."""
    s = box_server(mbox={"lock-timeout": '"1s"'})
    write(path_of(s), "")
    marks = [token() for _ in range(30)]
    with open(path_of(s), "r+b") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        for mark in marks:
            s.deliver(message(mark)).is_(250)
        other = token()
        s.deliver(message(other), ["bob@example.org"]).is_(250)
        arrived(s, other, "bob", 5)
        s.wait_log(rf'ev=deferred .*450 4\.2\.0 [^/]*; noted here: {path_of(s)}: mailbox is locked: it has an fcntl lock of pid {os.getpid()}.*'
                   r'key=mailbox-locked', 10)
        assert os.path.getsize(path_of(s)) == 0
    s.settled(30)
    assert mbox.marks(mbox.read(path_of(s))) == {mark: 1 for mark in marks}


def test_a_lock_of_a_process_that_has_ended_is_taken_away(box_server):
    """The sandboxed role can tell; one of a living process stays."""
    s = box_server(mbox={"lock-timeout": '"1s"'})
    ended = subprocess.Popen(["true"])
    ended.wait()
    lock = path_of(s) + ".lock"
    write(lock, f"{ended.pid}:{os.uname().nodename}")
    first, second = token(), token()
    s.deliver(message(first)).is_(250)
    arrived(s, first)
    s.wait_log(r'role=delivery ev=mailbox-note m=\w{26} text=".*a stale lock was taken away: alice\.lock is \d+ s old, '
               rf'of pid {ended.pid}"')
    assert not os.path.exists(lock)
    write(lock, f"{os.getpid()}:{os.uname().nodename}")
    s.deliver(message(second)).is_(250)
    s.wait_log(rf"mailbox is locked: alice\.lock is \d+ s old, of pid {os.getpid()}")
    assert not holding(s, second)
    os.utime(lock, (time.time() - 601,) * 2)
    arrived(s, second)


def test_a_reload_changes_locks_at_once_and_folders_by_a_new_process(box_server):
    """As for Maildirs; a folder that was not in the configuration becomes writable."""
    s = box_server()
    before = s.roles("delivery")
    lock = path_of(s) + ".lock"
    write(lock, "0")
    s.reconfigure(sections=sections(s.dir, mbox={"locks": "{fcntl}"}))
    assert s.tool("reload").returncode == 0
    mark = token()
    s.deliver(message(mark)).is_(250)
    arrived(s, mark, seconds=5)
    assert s.roles("delivery") == before and os.path.exists(lock)

    s.reconfigure(sections={"domain": {"mailboxes": f'"mbox:{s.dir}/elsewhere/{{domain}}/{{user}}/mbox"'}, **FAST})
    assert s.tool("reload").returncode == 0
    mark = token()
    s.deliver(message(mark)).is_(250)
    until(lambda: [m for m in mbox.read(s.dir + "/elsewhere/example.org/alice/mbox") if mark.encode() in m[2]], "the mail")
    assert s.roles("delivery") != before


def test_a_name_that_is_no_mbox_is_left_alone(box_server):
    """A link, another file: 451 4.3.5, and nothing is written through it."""
    s = box_server()
    victim = s.dir + "/victim"
    write(victim, "precious")
    os.symlink(victim, path_of(s))
    s.deliver(message(token())).is_(250)
    s.wait_log(r"ev=deferred .*451 4\.3\.5 .*/mail/alice: it is no regular file.*key=mailbox-misconfigured")
    os.unlink(path_of(s))
    write(path_of(s), "#!/bin/sh\n")
    s.wait_log(r"no mbox: it does not begin with")
    assert open(victim).read() == "precious" and open(path_of(s)).read() == "#!/bin/sh\n"
    os.unlink(path_of(s))
    s.settled()


def test_a_full_disk_leaves_the_mbox_as_it_was(box_server, tmp_path):
    """452 4.2.2 in the queue; the message arrives when there is room."""
    with small_disk(tmp_path / "disk", "600k") as folder:
        s = box_server(domain={"mailboxes": f'"mbox:{folder}/{{user}}"'}, mailbox={"disk-reserve": "0"})
        path = str(folder / "alice")
        first, second = token(), token()
        s.deliver(message(first)).is_(250)
        until(lambda: os.path.exists(path) and mbox.read(path), "the first")
        before = open(path, "rb").read()
        s.deliver(message(second, (b"y" * 76 + b"\r\n") * 5000)).is_(250)
        s.wait_log(r"452 4\.2\.2 .*key=mailbox-disk-full")
        assert open(path, "rb").read() == before
        subprocess.run(["mount", "-o", "remount,size=2m", str(folder)], check=True)
        s.tool("queue", "retry", "--all")  # or it was tried again meanwhile by itself
        s.settled(30)
        assert mbox.marks(mbox.read(path)) == {first: 1, second: 1}
        s.stop()


@pytest.mark.parametrize("kind", ["maildir", "mbox"])
def test_a_limit_on_the_size_of_files_is_a_full_disk(server, kind):
    """The signal that comes with it kills no role; smaller messages arrive."""
    s = server(start=False)
    s.reconfigure(sections={**FAST, "domain": {"mailboxes": f'"{kind}:{s.dir}/mail/{{user}}"'}})
    s.start()
    role = s.roles("delivery")
    resource.prlimit(role[0], resource.RLIMIT_FSIZE, (400000, 400000))
    s.deliver(message(token(), (b"y" * 76 + b"\r\n") * 6000)).is_(250)
    s.wait_log(r"ev=deferred .*452 4\.2\.2 .*File too large.*key=mailbox-disk-full")
    mark = token()
    s.deliver(message(mark), ["bob@example.org"]).is_(250)
    s.wait_log(r"ev=delivered .*to=bob@example\.org")
    assert s.roles("delivery") == role


def test_a_maildir_over_its_own_quota_gets_no_more(server):
    """Maildir++: 452 4.2.2 in the queue until there is room; each delivery adds its line."""
    s = server(sections=FAST)
    first, second = token(), token()
    s.deliver(message(first)).is_(250)
    s.mail("alice", first)
    sizes = s.maildir("alice") + "/maildirsize"
    write(sizes, "10000S\n8000 1\n")
    s.deliver(message(second, b"y\r\n" * 1000)).is_(250)
    s.wait_log(r"ev=deferred .*452 4\.2\.2 .*/alice: full: 8000 bytes in 1 messages; its limit is 10000 and 0.*key=mailbox-full")
    assert not s.mails("alice", second)
    write(sizes, "5000S\n999 1\n")
    s.tool("queue", "retry", "--all")  # or it was tried again meanwhile by itself
    mail = s.mail("alice", second)
    until(lambda: open(sizes).read() == f"5000S\n999 1\n{len(mail.raw)} 1\n", "its line")
