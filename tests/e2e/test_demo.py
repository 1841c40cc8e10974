# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping and looking at the demo."""
import os
import signal
import subprocess
import tempfile

import pytest

from harness import processes
from harness.deadline import until
from harness.ports import port_block
from harness.server import demo_server, message, program, token


def test_it_says_where_it_listens_who_has_a_mailbox_and_what_to_try(demo):
    """The first screen that a newcomer sees."""
    text = demo.output()
    lines = text.splitlines()
    assert f"127.0.0.1:{demo.port}" in text
    for word in ("alice@example.org", "bob@example.org", "team@example.org", "127.0.0.2", "swaks", "explain 252 450"):
        assert word in text, word
    assert any(line.startswith("ready") for line in lines)


PROMISED = {  # a part of a printed line: what running it shows
    "-t alice@example.org": "250 2.0.0 Queued as",
    "(no such domain)": "550 5.1.8 ",
    "(450 for 10 s)": "450 4.7.1 Greylisted; try again in 10 seconds",
    "nc ": "252 2.5.0 Cannot verify",
    "waybill send": "next attempt at",
    "--helo localhost": "550 5.7.1 HELO must give a full host name",
    "waybill check rcpt": "A client would be told:  450 4.7.1",
    "waybill trace": "greylisted: the other server asks you to prove that you come back",
    "waybill explain": "Key differences",
}


def test_each_line_that_it_prints_shows_what_was_promised(fresh_demo):
    """Typed as they stand."""
    text = fresh_demo.output()
    lines = [line.strip() for line in text[text.index("Try:"):].splitlines()[1:] if line.startswith("  ")]
    promised = []
    for line in lines:
        command = line.partition("   (")[0].replace("build/waybill", program("waybill"))
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
        part = next((part for part in reversed(PROMISED) if part in line), line)
        promised.append(part)
        assert PROMISED[part] in done.stdout, (line, done.stdout, done.stderr)
    assert sorted(promised) == sorted(PROMISED)


@pytest.mark.parametrize("name, words", [
    ("full", "452 4.2.2 Mailbox is full"), ("disabled", "450 4.2.1 Mailbox is switched off for now"),
    ("locked", "450 4.2.0 Mailbox is in use; try again later"), ("gone", "550 5.2.1 Mailbox is switched off"), ("moved", "551 5.1.6 Not here any more; use <moved@example.com>")])
def test_mailboxes_in_each_state_can_be_tried(demo, name, words):
    assert name + "@" in demo.output()
    with demo.client() as c:
        c.cmd("EHLO client.test")
        c.cmd("MAIL FROM:<x@client.test>").is_(250)
        got = c.cmd(f"RCPT TO:<{name}@example.org>")
        assert f"{got.code} {got.text}".startswith(words)


def test_it_writes_a_commented_configuration_and_keeps_a_changed_one(tmp_path):
    """The file is the user's from then on."""
    first = demo_server(tmp_path).start()
    first.stop()
    conf = tmp_path / "waybill.conf"
    text = conf.read_text()
    assert any(line.lstrip().startswith("#") for line in text.splitlines())
    conf.write_text("# mine\n" + text)
    again = demo_server(tmp_path, first.port).start()
    again.stop()
    assert conf.read_text() == "# mine\n" + text


def test_everything_stays_below_its_folder_and_on_loopback(demo):
    """Nothing listens for the world."""
    inodes = set()
    for pid in demo.family():
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except OSError:
                continue
    listening = []
    for name in ("tcp", "tcp6"):
        with open(f"/proc/net/{name}") as f:
            for line in f.readlines()[1:]:
                words = line.split()
                if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                    listening.append(words[1])
    assert listening
    for address in listening:
        where, port = address.split(":")
        assert where == "0100007F", listening
        assert demo.port <= int(port, 16) < demo.port + 18


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly_within_five_seconds(tmp_path, number):
    """Exit code 0, no process left, nothing lost."""
    demo = demo_server(tmp_path).start()
    mark = token()
    demo.deliver(message(mark)).is_(250)
    idle = demo.client()
    demo.stop(number)
    rest = idle.rest()
    assert rest == b"" or rest.startswith(b"421 4.3.2"), rest
    demo.start()
    demo.mail("alice", mark)
    demo.stop()


def test_a_stop_in_the_middle_of_data_keeps_its_word(tmp_path):
    """Either 250 and delivered later, or no 250."""
    demo = demo_server(tmp_path).start()
    mark = token()
    c = demo.client()
    c.begin().cmd("DATA").is_(354)
    c.send(message(mark))
    family = demo.family()
    demo.send_signal(signal.SIGTERM)
    try:
        rest = c.send(b".\r\n").rest()
    except (BrokenPipeError, ConnectionResetError):
        rest = b""
    assert demo.wait() == 0
    until(lambda: not any(processes.alive(pid) for pid in family), "every role has ended", 2)
    demo.process = None
    demo.start()
    if b"250 " in rest:
        demo.mail("alice", mark)
    demo.settled()
    assert len(demo.mails("alice", mark)) == (1 if b"250 " in rest else 0)
    demo.stop()


def test_a_second_demo_on_the_same_folder_refuses_and_says_why(demo):
    """The spool is locked."""
    done = subprocess.run([program("waybill"), "demo", "--dir", demo.dir, "--port", str(port_block())],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert done.returncode not in (0, None)
    assert not any(line.startswith("ready") for line in done.stdout.splitlines())
    said = (done.stdout + done.stderr).lower()
    assert demo.dir in said or "already" in said or "in use" in said or "locked" in said, said
    mark = token()
    demo.deliver(message(mark)).is_(250)  # the first one is not disturbed
    demo.mail("alice", mark)


def test_a_port_that_is_taken_is_named(demo, tmp_path):
    """The fact first, then what to do."""
    done = subprocess.run([program("waybill"), "demo", "--dir", str(tmp_path), "--port", str(demo.port)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert str(demo.port) in done.stdout + done.stderr


def test_two_demos_run_side_by_side(demo, fresh_demo):
    """Each has its own mail."""
    mark, other = token(), token()
    demo.deliver(message(mark)).is_(250)
    fresh_demo.deliver(message(other)).is_(250)
    demo.mail("alice", mark)
    fresh_demo.mail("alice", other)
    assert not demo.mails("alice", other) and not fresh_demo.mails("alice", mark)


def test_the_started_process_is_the_supervisor(demo):
    """The demo execs it: signals go to the process that was started."""
    assert demo.role_names() >= {"smtpd", "policy", "queue", "delivery"}
    assert os.path.basename(os.readlink(f"/proc/{demo.pid}/exe")) == "waybilld"


def test_each_role_is_confined(demo):
    """seccomp filter on, no new privileges, no capabilities."""
    for pid in processes.children(demo.pid):
        role = processes.role_of(pid)
        assert processes.status_field(pid, "Seccomp") == "2", role
        assert processes.status_field(pid, "NoNewPrivs") == "1", role
        assert int(processes.status_field(pid, "CapEff"), 16) == 0, role


def test_one_smtpd_for_each_core(demo):
    """Design: one event loop a core."""
    assert len(demo.roles("smtpd")) == os.cpu_count()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become an ordinary user")
def test_it_works_as_an_ordinary_user():
    """No root needed anywhere."""
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
    if subprocess.run([*as_nobody, "test", "-x", program("waybilld")], check=False).returncode != 0:
        pytest.skip("the build folder is closed to others")
    with tempfile.TemporaryDirectory(prefix="waybill-user-") as folder:
        os.chown(folder, 65534, 65534)
        demo = demo_server(folder)
        demo.args = as_nobody + demo.args
        try:
            demo.start()
            assert os.stat(f"/proc/{demo.pid}").st_uid == 65534
            mark = token()
            demo.deliver(message(mark), ["team@example.org"]).is_(250)
            demo.mail("alice", mark)
            demo.mail("bob", mark)
            demo.stop()
        finally:
            demo.kill_all()


def test_wrong_use_is_exit_code_2(demo):
    """Exit codes are stable: 2 is wrong use."""
    for args in (["demo", "--port", "x", "--dir", "/nonexistent/x"], ["demo", "--nonsense"], ["nonsense"], []):
        done = subprocess.run([program("waybill"), *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=20)
        assert done.returncode == 2, (args, done.stdout, done.stderr)
        assert done.stderr.strip()


def test_strangers_from_127_0_0_3_are_greylisted(demo):
    assert "127.0.0.3" in demo.output()
    with demo.client("127.0.0.3") as c:
        c.cmd("EHLO client.test")
        c.cmd("MAIL FROM:<x@ok.test>").is_(250)
        got = c.cmd("RCPT TO:<alice@example.org>").is_(450, "4.7.1")
        assert got.text.startswith("4.7.1 Greylisted; try again in 10 seconds"), got
    with demo.client("127.0.0.1") as c:
        c.cmd("EHLO client.test")
        c.cmd("MAIL FROM:<x@client.test>").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(250)
