# SPDX-License-Identifier: Apache-2.0
"""`waybill queue`, `waybill status`, `waybill spool`: what is kept, and what it is told to do."""
import json
import os
import re

from harness import maildir
from harness.server import message, token


def paused(server, count=5, **changes):
    s = server(sections={"queue": {"paused": "yes"}}, **changes)
    marks = [token() for _ in range(count)]
    for mark in marks:
        s.deliver(message(mark, b"content of " + mark.encode() + b"\r\n"), ["team@example.org"]).is_(250)
    return s, marks


def test_a_paused_queue_accepts_keeps_and_attempts_nothing(server):
    """The promise of 250 is kept, later."""
    s, marks = paused(server)
    status = s.status()
    assert status["queue"]["messages"] == len(marks)
    assert status["queue"]["recipients"] == len(marks)
    assert not maildir.files(s.maildir("alice"))
    assert s.tool("queue", "resume").returncode == 0
    for mark in marks:
        s.mail("alice", mark)
        s.mail("bob", mark)
    s.settled()


def test_pause_and_resume_while_it_runs(demo):
    """`waybill queue pause` holds new mail back, resume lets it go."""
    assert demo.tool("queue", "pause").returncode == 0
    mark = token()
    demo.deliver(message(mark)).is_(250)
    assert demo.queued() == 1
    assert not demo.mails("alice", mark)
    assert demo.tool("queue", "resume").returncode == 0
    demo.mail("alice", mark)
    demo.settled()


def test_status_json_has_the_shape_that_scripts_rely_on(demo):
    """queue.messages, queue.recipients, roles, version."""
    status = demo.status()
    assert isinstance(status["queue"]["messages"], int)
    assert isinstance(status["queue"]["recipients"], int)
    assert status["roles"]
    assert re.match(r"\d+\.\d+", status["version"])
    text = demo.tool("status")
    assert text.returncode == 0 and text.stdout.strip()


def test_status_of_a_server_that_does_not_run_says_so(server):
    """Exit code 75, try later, or 1; never a hang."""
    s = server(start=False)
    done = s.tool("status")
    assert done.returncode in (1, 75)
    assert done.stderr.strip()


def test_spool_check_works_offline_and_finds_nothing_wrong(server):
    """Exit code 0 for a sound spool, running server or not."""
    s, marks = paused(server)
    s.stop()
    done = s.tool("spool", "check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(len(marks)) in done.stdout


def test_spool_check_reports_damage_and_the_rest_lives(server):
    """A damaged record is set aside with a report; the others are delivered."""
    s, marks = paused(server)
    s.stop()
    assert damage(os.path.join(s.dir, "data"), b"content of " + marks[2].encode()) == 1
    done = s.tool("spool", "check")
    assert done.returncode == 1, done.stdout + done.stderr
    s.start()
    assert s.tool("queue", "resume").returncode == 0
    for i, mark in enumerate(marks):
        if i != 2:
            s.mail("alice", mark)
    assert not s.mails("alice", marks[2])


def damage(folder, needle):
    """Changes one byte inside each occurrence of the needle; how many there were."""
    count = 0
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            if not os.path.isfile(path):
                continue
            with open(path, "r+b") as f:
                at = f.read().find(needle)
                if at >= 0:
                    f.seek(at + 3)
                    f.write(b"\x00")
                    count += 1
    return count


def test_spool_export_writes_messages_and_envelopes_offline(server, tmp_path):
    """.eml and envelope for each message."""
    s, marks = paused(server)
    s.stop()
    out = tmp_path / "out"
    out.mkdir()
    done = s.tool("spool", "export", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    files = [p for p in out.rglob("*") if p.is_file()]
    mails = [p for p in files if p.suffix == ".eml"]
    assert len(mails) == len(marks)
    texts = [p.read_bytes() for p in mails]
    for mark in marks:
        assert sum(mark.encode() in text for text in texts) == 1
    others = [p for p in files if p.suffix != ".eml"]
    assert others and any(b"team@example.org" in p.read_bytes() for p in others)


def test_spool_check_does_not_change_the_spool(server):
    """Read-only."""
    s, _ = paused(server)
    s.stop()

    def bytes_of():
        found = {}
        for where, _, names in os.walk(os.path.join(s.dir, "data")):
            for name in names:
                path = os.path.join(where, name)
                if os.path.isfile(path):
                    with open(path, "rb") as f:
                        found[path] = hash(f.read())
        return found
    before = bytes_of()
    s.tool("spool", "check")
    assert bytes_of() == before


def test_the_log_joins_session_and_message(demo):
    """key=value, one line for each event; session id, message id, catalogue key, sizes, times."""
    mark = token()
    since = len(demo.log())
    reply = demo.deliver(message(mark), sender="joined@client.test").is_(250)
    demo.mail("alice", mark)
    identity = [word for word in reply.text.split() if len(word) == 26][0]
    line = demo.wait_log(rf"(?m)^.*\bev=accepted\b.*\bm={identity}\b.*$", since=since).group(0)
    fields = dict(re.findall(r"(\S+?)=(\S+)", line))
    assert fields["role"] in ("smtpd", "queue")
    assert fields["s"] and fields["from"] == "joined@client.test"
    assert int(fields["bytes"]) > 0 and fields["rcpts"] == "1"
    demo.wait_log(rf"(?m)^.*\bkey=delivered\b.*\bm={identity}\b|^.*\bm={identity}\b.*\bkey=delivered\b", since=since)


def test_the_log_can_be_json(server):
    """Each line is an object."""
    s = server(sections={"log": {"format": '"json"'}})
    mark = token()
    s.deliver(message(mark)).is_(250)
    s.mail("alice", mark)
    s.wait_log(r"delivered")
    lines = [line for line in s.log().splitlines() if line.strip()]
    events = [json.loads(line) for line in lines]
    assert any(event.get("ev") == "accepted" for event in events)


def test_what_a_client_says_cannot_forge_a_log_line(demo):
    """Control characters and quotes from outside are escaped."""
    since = len(demo.log())
    with demo.client() as c:
        c.send(b'RCPT TO:<x\x1b[31m" ev=accepted key=forged@example.org>\r\n').reply()
        c.send(b"EHLO a\x00b\r\n").reply()
        c.cmd('MAIL FROM:<"a ev=accepted key=forged "@b.test>').is_(250)
        c.cmd("RCPT TO:<nobody@example.org>").is_(550)
    demo.wait_log(r"mailbox-unknown", since=since)
    text = demo.log()[since:]
    assert "\x1b" not in text and "\x00" not in text
    for line in text.splitlines():
        assert not re.search(r"(?<![\"\\\w])key=forged", re.sub(r'"(\\.|[^"\\])*"', '""', line)), line
