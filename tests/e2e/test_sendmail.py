# SPDX-License-Identifier: Apache-2.0
"""waybill-sendmail and its names, as programs call them: server up, server down, queue killed, hostile files."""
import os
import shutil
import socket
import stat
import struct
import subprocess
import tempfile
import threading

import pytest

from harness.conf import configured_server
from harness.deadline import until
from harness.remote import EXTENSIONS, Remote
from harness.server import program, token, waybill

USAGE, DATAERR, NOUSER, TEMPFAIL, NOPERM, CONFIG = 64, 65, 67, 75, 77, 78
STRANGER = 65534


def run(server, *args, text="", name="waybill-sendmail", **more):
    """The program under a name of its own, with the server's configuration."""
    if isinstance(text, str):
        text = text.encode()
    return subprocess.run([name, "-C", server.conf, *args], executable=program("waybill-sendmail"), input=text,
                          capture_output=True, timeout=60, **more)


def send(server, *args, code=0, **more):
    done = run(server, *args, **more)
    assert done.returncode == code, done
    return done.stderr.decode()


def drop_folder(server):
    return os.path.join(server.dir, "data", "drop")


def dropped(server, prefix="new-"):
    return [name for name in os.listdir(drop_folder(server)) if name.startswith(prefix)]


def emptied(server):
    until(lambda: not [n for n in os.listdir(drop_folder(server)) if n != "aside"], "the drop folder is empty", 20)


# What it makes of a message

def test_a_message_is_completed_and_delivered(demo):
    mark = token()
    send(demo, "alice@example.org", text=f"Subject: {mark}\n\nHello.\n")
    mail = demo.mail("alice", mark)
    assert mail.body == b"Hello.\n"
    assert f"from userid {os.getuid()})" in mail.field("Received")
    assert mail.field("Date") and mail.field("Message-ID").endswith("@mx.example.org>")
    assert "@example.org" in mail.field("From") and "@example.org" in mail.field("Return-Path")


def test_names_without_a_domain_get_the_first_domain(demo):
    mark = token()
    send(demo, "-f", "cron", "alice", text=f"Subject: {mark}\n\n")
    assert demo.mail("alice", mark).field("Return-Path") == "<cron@example.org>"


def test_t_takes_recipients_from_the_header_and_bcc_out(demo):
    mark = token()
    send(demo, "-ti", text=f"To: \"Alice, the first\" <alice@example.org>,\n (x) nobody-else: ;\nBcc: bob\nSubject: {mark}\n\nx\n")
    for user in ("alice", "bob"):
        mail = demo.mail(user, mark)
        assert not mail.field("Bcc")
        assert mail.field("To").startswith('"Alice, the first"')


def test_resent_fields_come_before_the_others(demo):
    mark = token()
    send(demo, "-t", text=f"Resent-To: bob\nTo: alice\nSubject: {mark}\n\nx\n")
    demo.mail("bob", mark)
    demo.settled()
    assert not demo.mails("alice", mark)


@pytest.mark.parametrize("option, body", [((), b"a\n"), (("-i",), b"a\n.\nb\n"), (("-oi",), b"a\n.\nb\n")])
def test_a_lone_dot_ends_the_message_unless_i(demo, option, body):
    mark = token()
    send(demo, *option, "alice", text=f"Subject: {mark}\r\n\r\na\r\n.\r\nb")
    assert demo.mail("alice", mark).body == body


def test_a_message_without_header_gets_one(demo):
    mark = token()
    send(demo, "alice", text=f"{mark} is all: there is no header here\n")
    assert demo.mail("alice", mark).body.decode().startswith(mark)


def test_the_null_sender_and_the_full_name(demo):
    mark = token()
    send(demo, "-f", "<>", "-F", "Jürgen \"J\"", "bob", text=f"Subject: {mark}\n\n")
    mail = demo.mail("bob", mark)
    assert mail.field("Return-Path") == "<>"
    assert "=?utf-8?Q?" in mail.field("From")


def test_options_without_meaning_are_ignored(demo):
    mark = token()
    send(demo, "-v", "-oem", "-odb", "-B8BITMIME", "-h", "3", "-bm", "-O", "x=y", "--", "bob",
         text=f"Subject: {mark}\n\n")
    demo.mail("bob", mark)
    assert run(demo, "-q").returncode == 0
    assert run(demo, "-q30m").returncode == 0


@pytest.mark.parametrize("option, value, says", [
    ("-N", "sometimes", "success,failure,delay"), ("-N", "never,delay", "never"), ("-N", "", "never"),
    ("-R", "half", "full or hdrs"), ("-V", "", "printable"), ("-V", "a\nb", "printable"), ("-V", "x" * 101, "100")])
def test_wrong_words_for_notices_are_refused(demo, option, value, says):
    assert says in send(demo, option, value, "bob", code=USAGE, text="Subject: x\n\n")


def said_to(remote, mark):
    remote.message(mark)
    return {argument.partition("<")[2].partition(">")[0]: argument.upper() for _, verb, argument in remote.commands
            if verb in ("MAIL", "RCPT")}


def test_what_is_asked_about_notices_is_passed_on(server):
    """RFC 3461 section 5.2.1; the message may be large, then it is copied on a thread."""
    with Remote(extensions=(*EXTENSIONS, "DSN")) as remote:
        s = server(sections={'route "*"': {"via": "{" + remote.via + "}"}})
        for body in "", ("x" * 70 + "\n") * 60000:
            mark = token()
            remote.commands.clear()
            send(s, "-f", "bob@example.org", "-N", "success,DELAY", "-R", "hdrs", "-V", "id 1", "x@remote.test", "y@remote.test",
                 text=f"Subject: {mark}\n\n{body}")
            said = said_to(remote, mark)
            assert "RET=HDRS" in said["bob@example.org"] and "ENVID=ID+201" in said["bob@example.org"]
            assert "NOTIFY=SUCCESS,DELAY" in said["x@remote.test"] and "NOTIFY=SUCCESS,DELAY" in said["y@remote.test"]


def test_bs_keeps_what_its_reply_to_rcpt_promised(server):
    mark = token()
    with Remote(extensions=(*EXTENSIONS, "DSN")) as remote:
        s = server(sections={'route "*"': {"via": "{" + remote.via + "}"}})
        done = run(s, "-bs", text=f"EHLO me\r\nMAIL FROM:<bob@example.org> RET=FULL ENVID=QQ314\r\n"
                   f"RCPT TO:<x@remote.test> NOTIFY=NEVER\r\nRCPT TO:<y@remote.test> ORCPT=rfc822;z@old.test\r\n"
                   f"DATA\r\nSubject: {mark}\r\n\r\n.\r\nQUIT\r\n")
        assert done.returncode == 0, done
        said = said_to(remote, mark)
    assert "RET=FULL" in said["bob@example.org"] and "ENVID=QQ314" in said["bob@example.org"]
    assert "NOTIFY=NEVER" in said["x@remote.test"] and "ORCPT" not in said["x@remote.test"]
    assert "ORCPT=RFC822;Z@OLD.TEST" in said["y@remote.test"] and "NOTIFY" not in said["y@remote.test"]


def test_a_typing_error_bounces_at_once_and_never_means_never(server):
    s = server()
    mark, other = token(), token()
    send(s, "-f", "bob@example.org", "-N", "never", "nobody@example.org", text=f"Subject: {mark}\n\n")
    send(s, "-f", "bob@example.org", "nobody@example.org", text=f"Subject: {other}\n\n")
    s.mail("bob", other)
    s.settled()
    assert not s.mails("bob", mark)


def test_a_large_message_is_delivered_octet_by_octet(demo):
    mark = token()
    body = b"".join(b"%08d %s\n" % (i, b"x" * 60) for i in range(60000))
    send(demo, "bob", text=f"Subject: {mark}\n\n".encode() + body)
    assert demo.mail("bob", mark).body == body


def test_bs_speaks_smtp(demo):
    mark = token()
    done = run(demo, "-bs", text=f"EHLO me\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<alice@example.org>\r\nVRFY alice\r\n"
               f"DATA\r\nSubject: {mark}\r\n\r\n..dot\r\n.\r\nQUIT\r\n")
    assert done.returncode == 0, done
    assert [line[:4] for line in done.stdout.decode().splitlines() if line[3] == " "] \
        == ["220 ", "250 ", "250 ", "250 ", "252 ", "354 ", "250 ", "221 "]
    assert demo.mail("alice", mark).body == b".dot\n"


def test_bs_refuses_binary_mail_and_ends_an_unfinished_line(demo):
    mark = token()
    head = f"Subject: {mark}\r\n\r\n".encode()
    begin = b"RCPT TO:<alice@example.org>\r\n"
    done = run(demo, "-bs", text=b"EHLO me\r\nMAIL FROM:<a@b.test> BODY=BINARYMIME\r\n" + begin
               + b"BDAT %d LAST\r\n" % (len(head) + 3) + head + b"a\0b"
               + b"MAIL FROM:<a@b.test>\r\n" + begin + b"BDAT %d LAST\r\n" % (len(head) + 3) + head + b"end"
               + b"QUIT\r\n")
    codes = [line[:3] for line in done.stdout.decode().splitlines() if line[3] == " "]
    assert codes == ["220", "250", "250", "250", "554", "250", "250", "250", "221"], done
    assert demo.mail("alice", mark).body == b"end\n"


def test_mailq_newaliases_and_bp(demo):
    demo.settled()
    for args, name in ((["-bp"], "sendmail"), ([], "mailq"), ([], "waybill-mailq")):
        done = run(demo, *args, name=name)
        assert done.returncode == 0 and b"queue" in done.stdout, done
    for args, name in ((["-bi"], "sendmail"), ([], "newaliases"), ([], "/usr/bin/waybill-newaliases")):
        done = run(demo, *args, name=name)
        assert done.returncode == 0 and b"by itself" in done.stdout, done


# Why it cannot

def test_it_says_why_not(demo, tmp_path):
    for args, text, code, words in (
            ((), "x\n", USAGE, "no recipients"), (("-t",), "Subject: x\n\n", USAGE, "names no recipient"),
            (("-Z", "alice"), "", USAGE, "no option"), (("-bd",), "", USAGE, "waybilld"), (("-bv", "alice"), "", USAGE, "check"),
            (("alice@@example.org",), "", NOUSER, "no mail address"), (("<alice", ), "", NOUSER, "no mail address"),
            (("-f", "a b", "alice"), "", USAGE, "sender"), (("alice",), "a\0b\n", DATAERR, "NUL"),
            (("alice",), "x" * 70000 + "\n", DATAERR, "longer"), (("alice",), "Received: x\n" * 200 + "\n", DATAERR, "loop")):
        said = send(demo, *args, text=text, code=code)
        assert words in said, (args, said)
    done = subprocess.run([program("waybill-sendmail"), "-C", str(tmp_path / "none"), "alice"], input=b"",
                          capture_output=True, timeout=20)
    assert done.returncode == CONFIG and b"cannot be read" in done.stderr


def test_without_a_folder_it_asks_to_come_back(server):
    s = server(start=False)
    assert "started for the first time" in send(s, "alice", code=TEMPFAIL)


# The server is down, or dies

def test_mail_is_kept_while_the_server_is_down(server):
    s = server()
    s.stop()
    mark = token()
    for user in ("alice", "bob"):
        send(s, user, text=f"Subject: {mark}\n\n")
    assert len(dropped(s)) == 2
    s.start()
    for user in ("alice", "bob"):
        s.mail(user, mark)
    emptied(s)


def test_a_drop_whose_message_is_kept_is_not_taken_again(server):
    """As after a crash between the store's sync and the removal of the file."""
    s = server(sections={"queue": {"paused": "yes"}})
    s.stop()
    mark = token()
    send(s, "alice", text=f"Subject: {mark}\n\n")
    name = dropped(s)[0]
    shutil.copy2(os.path.join(drop_folder(s), name), os.path.join(s.dir, name))
    s.start()
    emptied(s)
    s.stop()
    shutil.copy2(os.path.join(s.dir, name), os.path.join(drop_folder(s), name))
    s.start()
    emptied(s)
    s.wait_log("ev=drop-known")
    assert s.queued() == 1
    assert s.tool("queue", "resume").returncode == 0
    s.settled()
    s.mail("alice", mark)


def test_a_queue_that_is_killed_loses_and_doubles_nothing(server):
    s = server()
    marks = [token("killed") for _ in range(120)]
    todo, failed = iter(marks), []
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                mark = next(todo, None)
            if mark is None:
                return
            body = "x" * (700000 if marks.index(mark) % 10 == 0 else 100)
            text = f"Subject: {mark}\n\n" + "\n".join(body[i:i + 70] for i in range(0, len(body), 70))
            failed.extend(filter(None, [run(s, "alice", text=text).stderr]))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(6):
        before = len(s.log())
        s.kill_role("queue")
        s.wait_log("role=queue ev=spool-open", 20, before)
    for worker in workers:
        worker.join()
    assert not failed
    emptied(s)
    s.settled(40)
    for mark in marks:
        s.mail("alice", mark)


# Files that are no drops

def envelope(drop_id, recipients=(b"alice@example.org",), sender=b"x@y.test"):
    fields = [(1, drop_id), (2, sender)] + [(3, r) for r in recipients]
    return b"".join(struct.pack("<HI", kind, len(value)) + value for kind, value in fields)


def test_hostile_files_are_set_aside_and_stop_nothing(server):
    s = server()
    folder, aside = drop_folder(s), os.path.join(drop_folder(s), "aside")
    name = iter("new-01m867ey3qnn78xhmeh2twfq" + two for two in ("00", "01", "02", "03", "04", "05", "06", "07", "08", "09"))

    def path():
        return os.path.join(folder, next(name))
    secret = os.path.join(s.dir, "secret")
    with open(secret, "w") as f:
        f.write("secret")
    os.symlink(secret, path())
    os.link(secret, path())
    os.mkfifo(path())
    os.mkdir(path())
    listener = socket.socket(socket.AF_UNIX)
    os.chdir(folder)
    try:
        listener.bind(next(name))
    finally:
        os.chdir("/")
    with open(path(), "wb") as f:
        f.write(b"WBDROP1\n" + b"\xff" * 100)
    with open(path(), "wb"):
        pass
    with open(os.path.join(folder, "README"), "w") as f:
        f.write("hello")
    other = path()
    with open(other, "w") as f:
        f.write("another group")
    os.chown(other, -1, os.stat(folder).st_gid + 1)
    emptied(s)
    listener.close()
    text = s.log()
    for why in ("a symbolic link", "several names", "no regular file", "a damaged one", "no name of a drop file", "group is not"):
        assert why in text, why
    assert os.path.exists(secret) and "README" in os.listdir(aside)
    assert all(stat.S_ISREG(os.lstat(os.path.join(aside, n)).st_mode) for n in os.listdir(aside))
    mark = token()
    send(s, "alice", text=f"Subject: {mark}\n\n")
    s.mail("alice", mark)
    assert s.status()["queue"]["accepted"] == 1


def test_a_file_that_changes_after_it_was_written_is_refused(server):
    s = server()
    s.stop()
    send(s, "alice", text="Subject: x\n\nHello.\n")
    send(s, "alice", text="Subject: x\n\n" + "Hello.\n" * 200000)
    for name in dropped(s):
        with open(os.path.join(drop_folder(s), name), "r+b") as f:
            f.seek(-3, os.SEEK_END)
            f.write(b"!")
    s.start()
    emptied(s)
    assert s.log().count("the content fails its checksum") == 2
    assert s.queued() == 0 and len(os.listdir(os.path.join(drop_folder(s), "aside"))) == 2


# Other users

@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be somebody else")
def test_another_user_may_drop_by_the_group_only_and_list_nothing():
    folder = tempfile.mkdtemp()
    s = configured_server(folder)
    try:
        os.rmdir(os.path.join(folder, "data"))
        os.chmod(folder, 0o711)
        os.chmod(s.conf, 0o644)
        s.start()
        mode = stat.S_IMODE(os.stat(drop_folder(s)).st_mode)
        assert mode == 0o1730, oct(mode)
        mark = token()
        env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        alone = {"user": STRANGER, "group": STRANGER, "extra_groups": [], "env": env, "cwd": "/"}
        assert "waybill-sendmail(8)" in send(s, "alice", code=NOPERM, **alone)
        in_group = {**alone, "group": os.stat(drop_folder(s)).st_gid}
        send(s, "alice", text=f"Subject: {mark}\n\n", **in_group)
        assert f"from userid {STRANGER})" in s.mail("alice", mark).field("Received")
        s.wait_log(f"ev=accepted m=.* client=local uid={STRANGER} ")
        listing = subprocess.run(["ls", drop_folder(s)], capture_output=True, timeout=20, **in_group)
        assert listing.returncode != 0
        s.stop()
    finally:
        s.kill_all()
        shutil.rmtree(folder)


# Programs that people use

@pytest.mark.skipif(not shutil.which("mutt"), reason="needs mutt")
def test_mutt_sends(demo, tmp_path):
    mark = token()
    rc = tmp_path / "muttrc"
    rc.write_text(f'set sendmail="{program("waybill-sendmail")} -C {demo.conf} -oem -oi"\nset copy=no\nset realname="A B"\n')
    done = subprocess.run(["mutt", "-F", str(rc), "-s", mark, "-b", "bob@example.org", "--", "alice@example.org"],
                          input=b"Hello.\n", capture_output=True, timeout=30, env={**os.environ, "HOME": str(tmp_path)})
    assert done.returncode == 0, done
    for user in ("alice", "bob"):
        mail = demo.mail(user, mark)
        assert mail.body == b"Hello.\n" and not mail.field("Bcc")


@pytest.mark.skipif(not shutil.which("s-nail"), reason="needs s-nail")
def test_s_nail_sends(demo, tmp_path):
    mark = token()
    link = tmp_path / "sendmail"
    link.symlink_to(program("waybill-sendmail"))
    done = subprocess.run(["s-nail", "-n", "-S", f"mta=file://{link}", "-S", "v15-compat", "-s", mark, "alice@example.org"],
                          input=b"Hello.\n", capture_output=True, timeout=30,
                          env={**os.environ, "HOME": str(tmp_path), "WAYBILL_CONF": demo.conf})
    assert done.returncode == 0, done
    assert demo.mail("alice", mark).body == b"Hello.\n"


def test_waybill_check_knows_nothing_of_it(demo):
    """The two programs stay apart: waybill is never set-gid, and has no sendmail inside."""
    assert waybill("sendmail").returncode == 2
