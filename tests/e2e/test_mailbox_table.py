# SPDX-License-Identifier: Apache-2.0
"""Each state of a mailbox, in each of the three places where somebody is told of it: by SMTP at RCPT, by LMTP after the
data, and in the queue. With real locks and real quotas, for Maildirs and for mbox files."""
import fcntl
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import pytest

from harness import maildir, mbox
from harness.conf import write
from harness.deadline import until
from harness.lmtp import lmtp_client, lmtp_server
from harness.server import message, sanitized, token
from harness.small_disk import small_disk
from test_mbox import on_terminal
from test_relay_remotes import FROM, log_of, wait_for

ALICE = "alice@example.org"
KINDS = ["maildir", "mbox"]
LIMIT = 100000                      # bytes, of the quotas here
BODY = (b"y" * 76 + b"\r\n") * 640  # 50 kB
HUGE = (b"y" * 76 + b"\r\n") * 1600 # more than the limit


def served(server, kind="maildir", **sections):
    """Mailboxes of this kind below DIR/mail, with LMTP; mail is tried again each second."""
    def made(folder):
        return {"queue": {"retry": '{"1s"}'}, 'reason "mailbox-full"': {"retry": '{"1s"}'}, **sections,
                "domain": {"mailboxes": f'"{kind}:{folder}/mail/{{user}}"'},
                "mbox": {"lock-timeout": '"1s"', "quota": f"{LIMIT}B", **sections.get("mbox", {})}}
    return lmtp_server(server, made)


def box_of(s):
    return os.path.join(s.dir, "mail", "alice")


def fill(s, kind, used):
    """Makes alice's mailbox and lets it hold so many bytes."""
    if kind == "mbox":
        write(box_of(s), "From x Thu Nov 21 18:00:18 2024\n" + "x" * (used - 34) + "\n\n")
        return
    for sub in ("tmp", "new", "cur"):
        os.makedirs(f"{box_of(s)}/{sub}", exist_ok=True)
    write(f"{box_of(s)}/maildirsize", f"{LIMIT}S\n{used} 1\n")


def rcpt(s, size=0, address=ALICE):
    with s.client() as c:
        c.cmd("EHLO client.test")
        c.cmd(f"MAIL FROM:<{FROM}>" + (f" SIZE={size}" if size else "")).is_(250)
        got = c.cmd(f"RCPT TO:<{address}>")
        return f"{got.code} {got.text}"


def by_lmtp(s, body=b"Hello.\r\n", address=ALICE, between=lambda: None):
    """The reply after the data, of a message whose size was not declared; that to RCPT, when it is refused there."""
    with lmtp_client(s) as c:
        c.cmd(f"MAIL FROM:<{FROM}>").is_(250)
        got = c.cmd(f"RCPT TO:<{address}>")
        if got.code != 250:
            return f"{got.code} {got.text}"
        c.cmd("DATA").is_(354)
        between()
        got = c.send(message(token(), body) + b".\r\n").reply()
        return f"{got.code} {got.text}"


def queued(s, mark, body=b"Hello.\r\n", address=ALICE, sender=FROM):
    """The id of a message that was accepted, its size not declared."""
    text = s.deliver(message(mark, body), [address], sender, "127.0.0.2").is_(250).text
    return [word for word in text.split() if len(word) == 26][0]


def holds(s, kind, mark):
    if kind == "maildir":
        return maildir.holding(box_of(s), mark)
    return [m for m in mbox.read(box_of(s)) if mark.encode() in m[2]]


def bounce_to_bob(s, kind, identity):
    """Its bytes; None: there is none yet."""
    path = f"{s.dir}/mail/bob"
    if not os.path.exists(path):
        return None
    found = [m.raw for m in maildir.holding(path, identity)] if kind == "maildir" else [m[2] for m in mbox.read(path)]
    return next((raw for raw in found if identity.encode() in raw), None)


# --- locked or busy ---

class Held:
    """alice's mbox, locked by another program."""

    def __init__(self, s, how):
        self.path, self.how = box_of(s), how
        if not os.path.exists(self.path):
            write(self.path, "")

    def __enter__(self):
        if self.how == "dotlock":
            write(self.path + ".lock", f"{os.getpid()}:{os.uname().nodename}")
            return
        self.file = open(self.path, "r+b")
        (fcntl.lockf if self.how == "fcntl" else fcntl.flock)(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        if self.how == "dotlock":
            os.unlink(self.path + ".lock")
        else:
            self.file.close()


@pytest.mark.parametrize("how", ["dotlock", "fcntl", "flock"])
def test_locked(server, how):
    """250 at RCPT, since it will be tried again, or 450 where that is wanted; 450 after the data; waits in the queue."""
    s = served(server, "mbox", mbox={"locks": '{"dotlock", "fcntl", "flock"}'})
    mark = token()
    with Held(s, how):
        assert rcpt(s).startswith("250 ")
        assert by_lmtp(s).startswith("450 4.2.0 ")
        identity = queued(s, mark)
        assert "450 4.2.0" in wait_for(s, "deferred", identity)[0]
        shown = s.tool("mailbox", "show", ALICE).stdout
        assert "another program has locked the mailbox" in shown
        assert "told 250, and the queue here tries again; by LMTP they are told 450 4.2.0 " in shown
        with open(s.conf, "a", encoding="ascii") as f:
            f.write("mailbox { defer-locked = yes }\n")
        assert s.tool("reload").returncode == 0
        assert rcpt(s).startswith("450 4.2.0 ")
        assert "Senders are told 450 4.2.0 " in s.tool("mailbox", "show", ALICE).stdout
    wait_for(s, "delivered", identity)
    assert len(holds(s, "mbox", mark)) == 1
    assert rcpt(s).startswith("250 ") and by_lmtp(s).startswith("250 ")


# Takes the first messages out and writes the rest in the same file: mutt holds a lock of that, and knows no NAME.lock.
READER = """
import fcntl, os, re, sys, time
path, saved = sys.argv[1:]
end = time.monotonic() + 12
while time.monotonic() < end:
    time.sleep(0.02)
    try:
        os.close(os.open(path + ".lock", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        continue
    with open(path, "r+b") as f:
        try:
            fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.unlink(path + ".lock")
            continue
        messages = [m for m in re.split(rb"(?<=\\n\\n)(?=From )", f.read()) if m]
        with open(saved, "ab") as out:
            out.write(b"".join(messages[:3]))
        time.sleep(0.02)
        f.seek(0)
        f.write(b"".join(messages[3:]))
        f.truncate()
        f.flush()
        os.unlink(path + ".lock")
"""


def one_round_of_mutt(rc, path):
    try:
        on_terminal(["mutt", "-F", str(rc), "-f", path, "-e", "push '<set-flag>!<sync-mailbox><exit>'"], 3)
    except AssertionError:  # it had no lock for long, asks what to do, and was killed; perhaps with one in hand
        until(lambda: no_old_lock(path + ".lock"), "its lock is gone", 5)


def no_old_lock(lock):
    """Nobody else here holds one for longer than moments."""
    try:
        if time.time() - os.stat(lock).st_mtime > 1:
            os.unlink(lock)
        return not os.path.exists(lock)
    except FileNotFoundError:
        return True


@pytest.mark.skipif(not shutil.which("mutt"), reason="needs mutt")
def test_a_mail_reader_and_another_program_fight_for_the_mbox(server, tmp_path):
    """mutt sets flags, and a program of ours takes mail out, while mail flows in: each rewrites the file, and
    each message is in one place, once."""
    s = served(server, "mbox", mbox={"quota": "0"})
    path, by_python = box_of(s), tmp_path / "python"
    write(path, "")
    rc = tmp_path / "muttrc"
    rc.write_text(f"set delete=yes confirmappend=no confirmcreate=no mbox_type=mbox move=no folder={tmp_path} wait_key=no\n")
    marks, over = [], threading.Event()

    def send():
        while not over.wait(0.03):
            marks.append(token())
            s.deliver(message(marks[-1])).is_(250)

    sender = threading.Thread(target=send)
    with subprocess.Popen([sys.executable, "-c", READER, path, str(by_python)]) as reader:
        sender.start()
        while reader.poll() is None:
            if os.path.getsize(path) > 0:
                one_round_of_mutt(rc, path)
        over.set()
        sender.join(20)
    assert reader.returncode == 0
    s.settled(60)
    there, taken = mbox.read(path), mbox.read(str(by_python))
    found = mbox.marks(there + taken)
    assert taken and any(b"\nX-Status: F\n" in content for _, _, content in there + taken), "both had their share"
    assert len(marks) > 20 and not [mark for mark in marks if found[mark] != 1]


# --- full ---

@pytest.mark.parametrize("kind", KINDS)
def test_full_by_its_quota(server, kind):
    """452 4.2.2 in all three places, and the mail arrives when there is room."""
    s = served(server, kind)
    fill(s, kind, 60000)
    mark = token()
    assert rcpt(s, 50000).startswith("452 4.2.2 ") and rcpt(s, 5000).startswith("250 ") and rcpt(s).startswith("250 ")
    assert by_lmtp(s, BODY).startswith("452 4.2.2 ")
    identity = queued(s, mark, BODY)
    assert re.search(r"452 4\.2\.2 [^/]+; noted here: \S+/alice: full: 60000 bytes", wait_for(s, "deferred", identity)[0])
    fill(s, kind, 1000)
    assert rcpt(s, 50000).startswith("250 ")
    wait_for(s, "delivered", identity)
    assert len(holds(s, kind, mark)) == 1


def test_mail_that_is_full_is_tried_again_after_an_hour_unless_it_is_said_otherwise(server):
    s = lmtp_server(server, lambda d: {"domain": {"mailboxes": f'"maildir:{d}/mail/{{user}}"'}})
    fill(s, "maildir", 95500)
    assert rcpt(s, 5000).startswith("452 4.2.2 ")
    line = wait_for(s, "deferred", queued(s, token(), BODY))[0]
    assert 3600 <= int(re.search(r"again_in_s=(\d+)", line)[1]) <= 3600 * 1.11, line


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_that_is_larger_than_the_whole_quota_can_never_fit(server, kind):
    """552 5.3.4, however empty the mailbox is; in the queue it bounces."""
    s = served(server, kind)
    fill(s, kind, 1000)
    assert rcpt(s, LIMIT + 1).startswith("552 5.3.4 ") and rcpt(s, 90000).startswith("250 ")
    assert by_lmtp(s, HUGE).startswith("552 5.3.4 ")
    line = wait_for(s, "bounce-owed", queued(s, token(), HUGE))[0]
    assert "552 5.3.4" in line and "key=mailbox-too-small" in line
    assert "key=mailbox-too-small check=mailbox" in s.log()


def test_show_says_what_senders_are_told_of_a_file_in_the_place_of_a_maildir(server):
    s = served(server)
    write(box_of(s), "no folder")
    assert rcpt(s).startswith("250 ") and by_lmtp(s).startswith("451 4.3.5 ")
    assert "told 250, and the queue here tries again; by LMTP they are told 451 4.3.5 " in s.tool("mailbox", "show", ALICE).stdout


def test_an_mbox_that_is_not_there_yet_has_its_quota_too(server):
    s = served(server, "mbox")
    assert rcpt(s, LIMIT + 1).startswith("552 5.3.4 ") and rcpt(s, 90000).startswith("250 ")


@pytest.mark.parametrize("kind", KINDS)
def test_full_for_too_long(server, kind):
    """552 5.2.2 in all three places; a restart does not begin the time anew; room ends it."""
    s = served(server, kind, mailbox={"full-too-long": '"1h"'})
    assert s.tool("queue", "pause").returncode == 0
    fill(s, kind, 1000)
    identity = queued(s, token(), b"", sender="bob@example.org")
    fill(s, kind, LIMIT)
    mark_file = box_of(s) + "/waybill-full" if kind == "maildir" else f"{s.dir}/mail/.alice.waybill-full"
    until(lambda: rcpt(s).startswith("452 4.2.2 "), "it is full")
    until(lambda: os.path.exists(mark_file), "the mark of a full mailbox")
    fill(s, kind, LIMIT - 8)
    assert s.tool("queue", "resume").returncode == 0
    assert "452 4.2.2" in wait_for(s, "deferred", identity)[0]
    os.utime(mark_file, (time.time() - 3700,) * 2)
    s.stop()
    s.start()
    assert "552 5.2.2" in wait_for(s, "bounce-owed", identity)[0]
    told = until(lambda: bounce_to_bob(s, kind, identity), "a bounce")
    assert b"\nDiagnostic-Code: x-waybill; 552 5.2.2 Mailbox has been full for a long time\n" in told
    assert not [word for word in (s.dir, "99992", "100000", "noted here") if word.encode() in told], "that is ours alone"
    assert by_lmtp(s).startswith("552 5.2.2 ")
    assert rcpt(s, 5000).startswith("552 5.2.2 ")
    assert "has been full for a long time" in s.tool("mailbox", "show", ALICE).stdout
    fill(s, kind, 1000)
    assert rcpt(s, 5000).startswith("250 ")
    until(lambda: not os.path.exists(mark_file), "the mark is gone")
    fill(s, kind, LIMIT)
    assert rcpt(s).startswith("452 4.2.2 ")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_accepted_at_rcpt_is_not_bounced_at_once_as_full(server, kind):
    """Less room than 4 KiB is full at RCPT too, whether a size is declared or not; what still fits is delivered."""
    s = served(server, kind, mailbox={"full-too-long": '"1s"'})
    fill(s, kind, LIMIT - 1000)
    assert rcpt(s).startswith("452 4.2.2 ") and rcpt(s, 100).startswith("452 4.2.2 ")
    assert "the mailbox is full" in s.tool("mailbox", "show", ALICE).stdout
    until(lambda: rcpt(s).startswith("552 5.2.2 "), "it is full for too long")
    assert rcpt(s, 100).startswith("552 5.2.2 ")
    assert "full for a long time" in s.tool("mailbox", "show", ALICE).stdout
    assert by_lmtp(s, BODY).startswith("552 5.2.2 ")
    fill(s, kind, LIMIT - 5000)
    assert rcpt(s, 4900).startswith("250 ")
    identity = queued(s, token(), b"y" * 70 + b"\r\n" * 2500)
    assert "452 4.2.2" in wait_for(s, "deferred", identity)[0], "it had room for a small one"


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk(server, tmp_path, kind):
    """452 4.2.2: at RCPT with less room than the message and the reserve need, at delivery when nothing is left."""
    with small_disk(tmp_path / "disk", "900k") as disk:
        s = lmtp_server(server, {"queue": {"retry": '{"1s"}'}, "mailbox": {"disk-reserve": "200KiB"},
                                 'reason "system-full"': {"retry": '{"1s"}'},
                                 "domain": {"mailboxes": f'"{kind}:{disk}/{{user}}"'}})
        first = token()
        s.deliver(message(first)).is_(250)
        until(lambda: os.path.exists(disk / "alice"), "the mailbox is made")
        s.settled()
        assert rcpt(s, 800000).startswith("452 4.2.2 ") and rcpt(s, 50000).startswith("250 ")
        write(str(disk / "filler"), "x" * (os.statvfs(disk).f_bavail * 4096 - 100 * 1024))
        assert rcpt(s, 5000).startswith("452 4.2.2 ") and rcpt(s, 5000, "bob@example.org").startswith("452 4.2.2 ")
        assert "disk" in s.tool("mailbox", "show", ALICE).stdout
        s.reconfigure(sections={'listen "lmtp"': s.lmtp, "queue": {"retry": '{"1s"}'}, "mailbox": {"disk-reserve": "0"},
                                "domain": {"mailboxes": f'"{kind}:{disk}/{{user}}"'}})
        assert s.tool("reload").returncode == 0
        assert by_lmtp(s, BODY * 3).startswith("452 4.2.2 ")
        identity = queued(s, token(), BODY * 3)
        assert "452 4.2.2" in wait_for(s, "deferred", identity)[0]
        os.unlink(disk / "filler")
        s.tool("queue", "retry", "--all")  # or it was tried again meanwhile by itself
        wait_for(s, "delivered", identity)
        s.stop()


SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
/* A file system whose owner's quota is used up while FLAG is there, for whatever lies on FLAG's file system below it. */
static int over(int fd)
{
	struct stat st;
	char link[64], path[4096];
	if (stat(FLAG, &st) != 0)
		return 0;
	sprintf(link, "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = 0;
	return strncmp(path, BELOW, strlen(BELOW)) == 0;
}
ssize_t write(int fd, const void *bytes, size_t len)
{
	static ssize_t (*real)(int, const void *, size_t);
	if (real == NULL)
		real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	if (over(fd)) {
		errno = EDQUOT;
		return -1;
	}
	return real(fd, bytes, len);
}
int fallocate(int fd, int mode, off_t offset, off_t len)
{
	static int (*real)(int, int, off_t, off_t);
	if (real == NULL)
		real = (int (*)(int, int, off_t, off_t))dlsym(RTLD_NEXT, "fallocate");
	if (over(fd)) {
		errno = EDQUOT;
		return -1;
	}
	return real(fd, mode, offset, len);
}
int fallocate64(int fd, int mode, off_t offset, off_t len)
{
	return fallocate(fd, mode, offset, len);
}
"""


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
@pytest.mark.parametrize("kind", KINDS)
def test_full_by_the_quota_of_the_system(server, tmp_path, kind):
    """EDQUOT, as file systems say it: 452 4.2.2, at RCPT too once a delivery has met it, until there is room."""
    if sanitized():
        pytest.skip("the address sanitizer wants to be the first library")
    s = server(start=False)
    flag, shim = tmp_path / "over-quota", tmp_path / "shim.so"
    source = tmp_path / "shim.c"
    source.write_text("#include <stdio.h>\n#include <string.h>\n" + SHIM)
    subprocess.run(["gcc", "-shared", "-fPIC", f'-DFLAG="{flag}"', f'-DBELOW="{s.dir}/mail/"', "-o", str(shim), str(source),
                    "-ldl"], check=True)
    s.reconfigure(sections={"queue": {"retry": '{"1s"}'}, 'reason "mailbox-full"': {"retry": '{"1s"}'},
                            "domain": {"mailboxes": f'"{kind}:{s.dir}/mail/{{user}}"'}})
    s.start(env={**os.environ, "LD_PRELOAD": str(shim)})
    first, second = token(), token()
    s.deliver(message(first)).is_(250)
    s.settled()
    flag.write_text("")
    identity = queued(s, second)
    assert "452 4.2.2" in wait_for(s, "deferred", identity)[0] and "Disk quota exceeded" in s.log()
    assert rcpt(s, 5000).startswith("452 4.2.2 ")
    flag.unlink()
    assert rcpt(s, 5000).startswith("250 ")
    wait_for(s, "delivered", identity)


# --- switched off, moved, unknown ---

CLOSED = [
    ("disabled", "450 4.2.1 ", "450 4.2.1 ", "deferred"),
    ("gone", "550 5.2.1 ", "550 5.2.1 ", "bounce-owed"),
    ("moved=bob@example.org", "551 5.1.6 ", "551 5.1.6 ", "bounce-owed"),
]


def say_users(s, text, at_rcpt):
    """Writes the users file, and waits until alice's senders are told so."""
    write(os.path.join(s.dir, "users"), text)
    assert s.tool("reload").returncode == 0
    until(lambda: rcpt(s).startswith(at_rcpt), f"alice is answered {at_rcpt}", 5)


@pytest.mark.parametrize("state, at_rcpt, after_data, event", CLOSED)
def test_switched_off(server, state, at_rcpt, after_data, event):
    s = served(server)

    def change():
        say_users(s, f"alice: {state}\nbob\n", at_rcpt)

    assert by_lmtp(s, between=change).startswith(after_data)
    say_users(s, "alice\nbob\n", "250 ")
    assert s.tool("queue", "pause").returncode == 0
    identity = queued(s, token())
    change()
    assert s.tool("queue", "resume").returncode == 0
    assert after_data.strip() in wait_for(s, event, identity)[0]


def test_moved_and_passed_on(server):
    """251, and the mail is where its owner reads it now; also after two moves."""
    s = served(server, mailbox={"forward-moved": "yes"})
    write(os.path.join(s.dir, "users"), "alice: moved=carol@example.org\ncarol: moved=bob@example.org\nbob\n")
    assert s.tool("reload").returncode == 0
    assert until(lambda: rcpt(s)[:3] == "251" and rcpt(s), "the new users are known").startswith("251 2.1.5 Not here any more; will forward to <carol@example.org>")
    mark, by_smtp = token(), token()
    with s.client() as c:
        c.cmd(f"MAIL FROM:<{FROM}>").is_(250)
        c.cmd(f"RCPT TO:<{ALICE}>").is_(251)
        c.data(message(by_smtp)).is_(250)
    until(lambda: maildir.holding(os.path.join(s.dir, "mail", "bob"), by_smtp), "passed on")
    with lmtp_client(s) as c:
        c.cmd(f"MAIL FROM:<{FROM}>").is_(250)
        c.cmd(f"RCPT TO:<{ALICE}>").is_(251)
        c.data(message(mark)).is_(250)
    until(lambda: maildir.holding(os.path.join(s.dir, "mail", "bob"), mark), "passed on")
    s.settled()


@pytest.mark.parametrize("forward", ["yes", "no"])
def test_moved_in_a_circle(server, forward):
    """Nobody is told "will forward" of what cannot be; the lines are named, and mail that was accepted before waits."""
    s = served(server, mailbox={"forward-moved": forward})
    assert s.tool("queue", "pause").returncode == 0
    identity = queued(s, token())
    users = os.path.join(s.dir, "users")
    write(users, "bob\nalice: moved=erin@example.org\nerin: moved=alice@example.org\nself: moved=self@example.org\n")
    assert s.tool("reload").returncode == 0
    until(lambda: rcpt(s).startswith("451 4.3.5 "), "alice waits")
    assert rcpt(s, 0, "self@example.org").startswith("451 4.3.5 ")
    for line in (2, 3, 4):
        s.wait_log(rf"ev=directory-problem .*users:{line}: .*leads back")
    checked = s.tool("check", "config").stdout
    assert re.search(r"warning: .*users:4: self@example.org: .*leads back", checked), checked
    shown = s.tool("mailbox", "show", "self@example.org")
    assert shown.returncode == 1 and "leads back" in shown.stdout and "451 4.3.5" in shown.stdout, shown.stdout
    assert s.tool("queue", "resume").returncode == 0
    assert "key=alias-loop" in wait_for(s, "deferred", identity)[0]


def test_unknown(server):
    s = served(server)
    assert rcpt(s, 0, "nobody@example.org").startswith("550 5.1.1 ")
    with lmtp_client(s) as c:
        c.cmd(f"MAIL FROM:<{FROM}>").is_(250)
        c.cmd("RCPT TO:<nobody@example.org>").is_(550, "5.1.1")

    assert by_lmtp(s, between=lambda: say_users(s, "bob\n", "550 5.1.1 ")).startswith("550 5.1.1 ")
