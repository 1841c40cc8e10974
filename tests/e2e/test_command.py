# SPDX-License-Identifier: Apache-2.0
"""A program in the place of a mailbox: what it gets, what its end means, and that nothing of it is left."""
import os
import re
import shutil
import signal
import tempfile
import time

import pytest

from harness import processes
from harness.conf import configured_server
from harness.deadline import until
from harness.lmtp import lmtp_client
from harness.server import message, token
from test_relay_remotes import FROM, log_of, wait_for

ALICE = "alice@example.org"


class Commands:
    """A server whose mailboxes are a program below a folder that everybody may enter: it runs as nobody."""

    def __init__(self, folder):
        self.folder = folder
        os.chmod(folder, 0o755)
        self.out = os.path.join(folder, "out")
        self.program = os.path.join(folder, "program")
        os.mkdir(self.out)
        os.chmod(self.out, 0o777)
        os.mkdir(os.path.join(folder, "server"), 0o755)
        self.server = configured_server(os.path.join(folder, "server"))

    def start(self, script, words="{user}", **sections):
        self.write(script)
        port = self.server.port + 1
        top = {"user": '"nobody"'} if os.geteuid() == 0 else {}
        top.update(sections.pop("top", {}))
        self.server.lmtp_port = port
        self.server.reconfigure(top=top, sections={
            'listen "lmtp"': {"address": f'{{"127.0.0.1:{port}"}}', "protocol": '"lmtp"'}, "queue": {"retry": '{"1s"}'},
            "domain": {"mailboxes": f'"command:{self.program} {words}"'}, **sections})
        self.server.start()
        return self.server

    def write(self, script):
        new = self.program + ".new"
        with open(new, "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\nOUT={self.out}\n{script}\n")
        os.chmod(new, 0o755)
        os.rename(new, self.program)

    def read(self, name):
        with open(os.path.join(self.out, name), "rb") as f:
            return f.read()

    def wait(self, name):
        until(lambda: os.path.exists(os.path.join(self.out, name)), f"the program has written {name}")
        return self.read(name)


@pytest.fixture
def commands():
    folder = tempfile.mkdtemp(prefix="waybill-command-")
    made = Commands(folder)
    try:
        yield made
        made.server.stop()
    finally:
        made.server.kill_all()
        shutil.rmtree(folder, ignore_errors=True)


def queued(s, mark="", address=ALICE, sender=FROM):
    text = s.deliver(message(mark or token()), [address], sender, "127.0.0.2").is_(250).text
    return [word for word in text.split() if len(word) == 26][0]


def by_lmtp(s, address=ALICE):
    with lmtp_client(s) as c:
        got = c.begin(FROM, address).data_each(message(token()), 1)[0]
        return f"{got.code} {got.text}"


def left_of(name):
    """The processes whose command line holds this word."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read()
            with open(f"/proc/{pid}/stat", "rb") as f:
                alive = f.read().rpartition(b")")[2].split()[0] != b"Z"
        except OSError:
            continue
        if alive and name.encode() in words:
            found.append(int(pid))
    return found


def test_it_gets_the_message_and_is_told_who_and_for_whom(commands):
    s = commands.start('cat > $OUT/message; env > $OUT/env; pwd > $OUT/pwd; id -u > $OUT/uid; printf "%s\\n" "$@" > $OUT/words\n'
                       'ls /proc/self/fd > $OUT/fds; mv $OUT/words $OUT/done', words="-u {user} x{domain}")
    mark = token()
    identity = queued(s, mark, "alice+news@example.org")
    assert commands.wait("done") == b"-u\nalice\nxexample.org\n"
    wait_for(s, "delivered", identity)
    text = commands.read("message")
    assert text.startswith(f"Return-Path: <{FROM}>\nDelivered-To: alice+news@example.org\nReceived: ".encode())
    assert text.endswith(message(mark).replace(b"\r\n", b"\n"))
    env = dict(line.split("=", 1) for line in commands.read("env").decode().splitlines())
    wanted = {"SENDER": FROM, "RECIPIENT": "alice+news@example.org", "LOCAL": "alice", "EXTENSION": "news",
              "DOMAIN": "example.org", "MESSAGE_ID": identity, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    assert {name: env.get(name) for name in wanted} == wanted and not set(env) - set(wanted) - {"PWD", "_", "SHLVL", "OLDPWD"}
    assert commands.read("pwd") == b"/\n" and commands.read("uid") != b"0\n"
    assert commands.read("fds").split() == [b"0", b"1", b"2", b"3"], "3 is the listing's own"
    assert "handed to a program" in s.tool("mailbox", "show", ALICE).stdout


def test_a_large_message_comes_whole(commands):
    s = commands.start("md5sum > $OUT/sum; wc -c > $OUT/rest; mv $OUT/sum $OUT/done")
    body = (b"z" * 70 + b"\r\n") * 20000
    s.deliver(message("large", body), [ALICE], FROM, "127.0.0.2").is_(250)
    assert commands.wait("done") and commands.read("rest").strip() == b"0"
    s.settled()


ENDS = [  # exit code, event in the queue, its reply, what LMTP clients are told
    (0, "delivered", "", "250 "),
    (67, "bounce-owed", "550 5.1.1", "550 5.1.1"),
    (65, "bounce-owed", "554 5.3.0", "554 5.3.0"),
    (69, "bounce-owed", "554 5.3.0", "554 5.3.0"),
    (77, "bounce-owed", "554 5.3.0", "554 5.3.0"),
    (75, "deferred", "451 4.3.0", "451 4.3.0"),
    (73, "deferred", "451 4.3.0", "451 4.3.0"),
    (70, "deferred", "451 4.3.0", "451 4.3.0"),
    (78, "deferred", "451 4.3.5", "451 4.3.5"),
    (64, "deferred", "451 4.3.5", "451 4.3.5"),
    (1, "deferred", "451 4.3.0", "451 4.3.0"),
    (255, "deferred", "451 4.3.0", "451 4.3.0"),
]


def test_what_its_exit_code_means(commands):
    """And the first line of its output is told, without what could steer a terminal."""
    s = commands.start("exit 0")
    for code, event, reply, told in ENDS:
        commands.write(f"printf '\\n\\033[1mbecause of %s\\nsecond line\\n' {code}; exit {code}")
        assert by_lmtp(s).startswith(told), code
        line = wait_for(s, event, queued(s))[0]
        assert reply in line and (code == 0 or f": ?[1mbecause of {code}" in line), line
        assert commands.program not in line, "strangers read it in bounces"
        assert "second line" not in line
        commands.write("exit 0")
        s.settled()
    assert re.search(rf'ev=command m=\w+ program={commands.program} code=0 text=".* exited with 0: .*because of 0"', s.log())


def test_a_bounce_tells_its_words(commands):
    s = commands.start("[ $LOCAL = bob ] && exec cat > $OUT/bounce; echo 'No tickets from you'; exit 77")
    queued(s, sender="bob@example.org")
    text = until(lambda: os.path.exists(commands.out + "/bounce") and b"554 5.3.0" in commands.read("bounce")
                 and commands.read("bounce"), "a bounce")
    assert b"something in the other system" not in text
    assert b"The program that takes this mail refused the message: No" in text and b"tickets from you" in text


FAILING = [  # script, what the log says of it
    ("exec 0<&-; exit 0", None),                       # does not read its input
    ("kill -SEGV $$", "was ended by signal 11"),
    ("sleep 1000; touch $OUT/late", "took too long, and was ended"),
    ("trap '' TERM INT HUP; while :; do sleep 1000; done", "took too long, and was ended"),
    ("exec yes", "wrote too much, and was ended"),
    ("kill -KILL $PPID; sleep 1000", "was lost"),
]


@pytest.mark.parametrize("script, said", FAILING)
def test_what_goes_wrong_leaves_no_process(commands, script, said):
    mark = f"waybill-mark-{token()}"
    s = commands.start(f"{script} # {mark}", words=mark, command={"timeout": '"2s"'})
    identity = queued(s)
    line = wait_for(s, "delivered" if said is None else "deferred", identity)[0]
    assert said is None or said in line, line
    until(lambda: not left_of(mark) and not left_of("sleep\0001000"), "nothing is left", 5)
    commands.write("exit 0")
    s.settled()


def test_what_it_leaves_behind_is_ended(commands):
    """A daemon that holds its output, in a session of its own: the delivery does not wait for it, and it does not stay."""
    s = commands.start("setsid sh -c 'setsid sleep 4711 & sleep 4711' & sleep 0.2; echo done; exit 0")
    began = time.monotonic()
    wait_for(s, "delivered", queued(s))
    assert time.monotonic() - began < 10
    assert "processes that it left behind were ended" in s.log()
    until(lambda: not left_of("sleep\0004711"), "nothing is left", 2)


def test_a_program_that_is_not_there_waits_with_a_clear_line(commands):
    s = commands.start("exit 0")
    os.rename(commands.program, commands.program + ".away")
    identity = queued(s)
    assert "451 4.3.5" in wait_for(s, "deferred", identity)[0]
    assert "cannot be started: No such file or directory" in s.log()
    os.rename(commands.program + ".away", commands.program)
    os.chmod(commands.program, 0o644)
    s.wait_log("cannot be started: Permission denied")
    os.chmod(commands.program, 0o755)
    wait_for(s, "delivered", identity)


@pytest.mark.parametrize("role", ["runner", "delivery"])
def test_a_kill_in_the_middle_ends_the_program_and_the_message_stays(commands, role):
    s = commands.start("[ -e $OUT/again ] && exit 0; touch $OUT/begun; exec sleep 4712")
    identity = queued(s)
    commands.wait("begun")
    os.kill(s.roles(role)[0], signal.SIGKILL)
    until(lambda: not left_of("sleep\0004712"), "the program is ended", 5)
    with open(commands.out + "/again", "w", encoding="ascii"):
        pass
    wait_for(s, "delivered", identity)
    if role == "runner":
        assert "what became of it is not known" in log_of(s, "deferred", identity)[0]
    s.settled()


def test_so_many_run_at_the_same_time(commands):
    s = commands.start("echo $$ > $OUT/run-$$; sleep 0.3; ls $OUT | grep -c ^run- > $OUT/count-$$; rm $OUT/run-$$",
                       command={"processes": "3"})
    for _ in range(12):
        queued(s)
    s.settled(30)
    counts = [int(commands.read(name)) for name in os.listdir(commands.out) if name.startswith("count-")]
    assert len(counts) == 12 and max(counts) <= 3 and max(counts) > 1, counts


def test_a_name_is_no_option_and_no_shell(commands):
    with open(os.path.join(commands.server.dir, "users"), "a", encoding="ascii") as f:
        f.write('-x\n"a;touch $out;b"\n')
    s = commands.start('printf "%s\\n" "$@" > $OUT/$$')
    assert "this name cannot become a word" in wait_for(s, "deferred", queued(s, address="-x@example.org"))[0]
    wait_for(s, "delivered", queued(s, address='"a;touch $out;b"@example.org'))
    assert [commands.read(name) for name in os.listdir(commands.out)] == [b"a;touch $out;b\n"]
    assert s.tool("queue", "remove", "--all").returncode in (0, 1, 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="is about root")
def test_nothing_runs_as_root(commands):
    s = commands.start("touch $OUT/done", top={"user": '""'})
    assert "commands are not run as root" in wait_for(s, "deferred", queued(s))[0]
    assert not os.listdir(commands.out)


def test_without_commands_there_is_no_runner_and_a_first_one_needs_a_start(commands):
    s = commands.server
    s.start()
    assert not s.roles("runner")
    commands.write("exit 0")
    s.reconfigure(sections={"domain": {"mailboxes": f'"command:{commands.program}"'}, "queue": {"retry": '{"1s"}'}})
    done = s.tool("reload")
    assert done.returncode == 0 and "from the next start on only" in done.stdout, done.stdout
    assert "is not there" in wait_for(s, "deferred", queued(s))[0]
    assert all(processes.alive(pid) for pid in s.family())
