# SPDX-License-Identifier: Apache-2.0
"""A running Waybill: the demo, or waybilld with a configuration of the test's own."""
import itertools
import json
import os
import re
import signal
import subprocess
import time

from . import maildir, processes
from .deadline import until
from .ports import port_block
from .raw import Raw

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
STOP_SECONDS_MAX = 5
START_SECONDS_MAX = 20
SANITIZER = re.compile(r"ERROR: (Address|Leak|Undefined|Thread)Sanitizer|runtime error:|Assertion .* failed")

_tokens = itertools.count()


def build_folder():
    wanted = os.environ.get("WAYBILL_BUILD")
    for folder in [wanted] if wanted else ["build-test", "build"]:
        folder = os.path.join(TOP, folder)
        if os.access(os.path.join(folder, "waybilld"), os.X_OK):
            return folder
    raise RuntimeError("no waybilld; set WAYBILL_BUILD or run make")


def sanitized():
    """Whether the programs were built with the address sanitizer, which takes memory and time of its own."""
    with open(program("waybilld"), "rb") as f:
        return b"__asan_init" in f.read()


def program(name):
    return os.path.join(build_folder(), name)


def token(prefix="mail"):
    """A word that no other message of this run holds."""
    return f"{prefix}-{os.getpid()}-{next(_tokens)}-{time.monotonic_ns():x}"


def waybill(*args, timeout=20, env=None):
    """Runs the waybill command; the result has returncode, stdout and stderr as text."""
    return subprocess.run([program("waybill"), *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, env=env)


class Server:
    """One supervisor with its roles. `args` starts it, its output goes to a file."""

    running = []  # what a failing test shows the logs of

    def __init__(self, folder, port, args, conf):
        self.dir = str(folder)
        self.port = port
        self.args = args
        self.conf = conf
        self.process = None
        self.log_path = os.path.join(self.dir, "server.log")
        self.out_path = os.path.join(self.dir, "server.out")
        self.log_shown = 0
        self.sanitizer_allowed = False

    # starting and stopping
    def spawn(self, **more):
        with open(self.log_path, "ab") as log, open(self.out_path, "wb") as out:
            self.process = subprocess.Popen(self.args, cwd=self.dir,
                                            **{"stdin": subprocess.DEVNULL, "stdout": out, "stderr": log, **more})
        Server.running.append(self)
        return self

    def start(self, **more):
        self.spawn(**more)
        until(self.is_ready, f"{self.args} is ready", START_SECONDS_MAX)
        return self

    def is_ready(self):
        self.must_live()
        return self.greets()

    def must_live(self):
        code = self.process.poll()
        assert code is None, f"ended with {code}:\n{self.output()}\n{self.log()[-3000:]}"

    def greets(self):
        try:
            with Raw(self.port, source="127.0.0.2", timeout=5) as raw:
                raw.reply().is_(220)
                raw.cmd("QUIT")
            return True
        except Exception:  # not yet: refused, closed, or still starting
            return False

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=STOP_SECONDS_MAX):
        return self.process.wait(seconds)

    def stop(self, number=signal.SIGTERM):
        """A clean stop: exit code 0 within the limit, and no process left."""
        if self.process is None:
            return
        family = self.family()
        try:
            if self.process.poll() is None:
                self.send_signal(number)
            code = self.wait(STOP_SECONDS_MAX)
            until(lambda: not any(processes.alive(pid) for pid in family), "every role has ended", 2)
        finally:
            self.kill_all(family)
        assert code == 0, f"exit code {code}"
        self.no_sanitizer_report()

    def kill_all(self, family=None):
        """kill -9 of the supervisor and all roles, at once."""
        if self.process is None:
            return
        if family is None:
            family = self.family() if self.process.poll() is None else []
        for pid in family:
            try:
                if pid == self.process.pid or processes.role_of(pid):
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        until(lambda: not any(processes.alive(pid) and processes.role_of(pid) for pid in family), "all are dead")
        self.process = None
        if self in Server.running:
            Server.running.remove(self)

    def no_sanitizer_report(self):
        found = SANITIZER.search(self.log())
        assert not found, f"{self.log_path}:\n{self.log()[max(0, found.start() - 200):][:4000]}"

    # processes
    @property
    def pid(self):
        return self.process.pid

    def family(self):
        return [self.pid] + processes.children(self.pid) if self.process else []

    def roles(self, name):
        """Process ids of the roles of this name."""
        return [pid for pid in processes.children(self.pid) if processes.role_of(pid) == name]

    def role_names(self):
        return {processes.role_of(pid) for pid in processes.children(self.pid)} - {None}

    def kill_role(self, name):
        """kill -9 of one process of this role; returns its id."""
        pid = until(lambda: self.roles(name), f"a process of role {name}", 5)[0]
        os.kill(pid, signal.SIGKILL)
        return pid

    # what it says
    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def output(self):
        with open(self.out_path, errors="replace") as f:
            return f.read()

    def wait_log(self, pattern, seconds=5, since=0):
        """The first match of the pattern in the log after position `since`."""
        return until(lambda: re.search(pattern, self.log()[since:]), f"/{pattern}/ in {self.log_path}", seconds)

    # talking to it
    def raw(self, source="127.0.0.1", timeout=20):
        return Raw(self.port, source, timeout)

    def client(self, source="127.0.0.1", timeout=20):
        """A client that was greeted and said EHLO."""
        return self.raw(source, timeout).greeted()

    def tool(self, *args, timeout=20):
        """`waybill ARGS -c CONF`."""
        return waybill(*args, "-c", self.conf, timeout=timeout)

    def status(self):
        done = self.tool("status", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def queued(self):
        return self.status()["queue"]["messages"]

    # what it delivered
    def maildir(self, user, domain="example.org"):
        return os.path.join(self.dir, "mail", domain, user)

    def mails(self, user, holding, domain="example.org"):
        return maildir.holding(self.maildir(user, domain), holding)

    def mail(self, user, holding, seconds=15, domain="example.org"):
        """The one mail with this text, as soon as it is there."""
        found = until(lambda: self.mails(user, holding, domain), f"mail {holding} for {user}", seconds)
        assert len(found) == 1, [m.path for m in found]
        return found[0]

    def deliver(self, content, recipients=("alice@example.org",), sender="sender@client.test", source="127.0.0.1",
                params=""):
        """Sends one message of exact bytes; the reply after the final dot."""
        with self.client(source) as c:
            reply = c.begin(sender, *recipients, params=params).data(content)
            c.quit()
        return reply

    # its queue
    def settled(self, seconds=20):
        """Until the queue is empty."""
        until(lambda: self.queued() == 0, "the queue is empty", seconds)


def demo_server(folder, port=None):
    port = port or port_block()
    args = [program("waybill"), "demo", "--dir", str(folder), "--port", str(port)]
    return Demo(folder, port, args, os.path.join(str(folder), "waybill.conf"))


class Demo(Server):
    def is_ready(self):
        self.must_live()
        return any(line.startswith("ready") for line in self.output().splitlines())


def message(mark, body=b"Hello.\r\n", subject="A test"):
    """A small message as it stands on the wire; `mark` finds it again."""
    return (f"From: <sender@client.test>\r\nTo: <alice@example.org>\r\nSubject: {subject}\r\nX-Mark: {mark}\r\n\r\n"
            .encode() + body)
