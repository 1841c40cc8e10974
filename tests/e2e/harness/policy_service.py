# SPDX-License-Identifier: Apache-2.0
"""Policy services that speak Postfix's policy-delegation protocol: one that says whatever a test wants, and postgrey."""
import getpass
import grp
import os
import platform
import socket
import subprocess
import threading

from .databases import connects
from .deadline import until
from .peers import peers_folder
from .ports import port_block

CLOSE = object()   # instead of an answer: the connection is closed
HANG = object()    # instead of an answer: nothing, for as long as the service lives


def said(*actions):
    return "".join(f"action={action}\n" for action in actions).encode() + b"\n"


class PolicyService:
    """Answers each question with what `answer(question)` gives: bytes, a list of bytes (sent one after another, CLOSE
    among them), CLOSE or HANG. A context; questions are kept in `asked`. At `path`, else at a port of 127.0.0.1."""

    def __init__(self, answer, path=None):
        self.answer = answer if callable(answer) else lambda question: answer
        self.path = path
        self.asked = []
        self.connections = 0
        self.lock = threading.Lock()
        self.open = []
        self.port = None if path else port_block()
        self.listener = None

    @property
    def address(self):
        return f'"unix:{self.path}"' if self.path else f'"127.0.0.1:{self.port}"'

    def __enter__(self):
        return self.start()

    def start(self):
        self.listener = socket.socket(socket.AF_UNIX if self.path else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(self.path or ("127.0.0.1", self.port))
        self.listener.listen(64)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Nobody listens any more, and what was open is closed."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if self.path:
            os.unlink(self.path)
        self.close_all()

    def close_all(self):
        with self.lock:
            gone, self.open = self.open, []
        for connection in gone:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.open.append(connection)
                self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        read = b""
        try:
            while True:
                while b"\n\n" not in read:
                    more = connection.recv(4096)
                    if not more:
                        return
                    read += more
                question, _, read = read.partition(b"\n\n")
                question = dict(line.split("=", 1) for line in question.decode().split("\n"))
                with self.lock:
                    self.asked.append(question)
                if not self.reply(connection, self.answer(question)):
                    return
        except OSError:
            pass

    def reply(self, connection, answer):
        for part in answer if isinstance(answer, list) else [answer]:
            if part is HANG:
                return True
            if part is CLOSE:
                connection.shutdown(socket.SHUT_RDWR)
                return False
            connection.sendall(part)
        return True


class Postgrey:
    """postgrey from its unpacked Debian package; new senders wait for `delay` seconds."""

    def __init__(self, folder, delay):
        self.folder = str(folder)
        self.delay = delay
        self.root = os.path.join(peers_folder("postgrey"), "root")
        self.port = port_block()
        self.process = None

    @property
    def address(self):
        return f'"127.0.0.1:{self.port}"'

    def __enter__(self):
        arch = f"{self.root}/usr/lib/{platform.machine()}-linux-gnu"
        lists = f"{self.root}/usr/share/postgrey/whitelist_"
        command = ["perl", "-T", f"-I{self.root}/usr/share/perl5", f"-I{arch}/perl5/5.36", f"{self.root}/usr/sbin/postgrey",
                   f"--inet=127.0.0.1:{self.port}", f"--dbdir={self.folder}", f"--delay={self.delay}",
                   f"--user={getpass.getuser()}", f"--group={grp.getgrgid(os.getgid()).gr_name}",
                   f"--whitelist-clients={lists}clients", f"--whitelist-recipients={lists}recipients"]
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(command, env=dict(os.environ, LD_LIBRARY_PATH=arch), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        try:
            until(self.listens, "postgrey listens", 20)
        except BaseException:
            self.__exit__()
            raise
        return self

    def listens(self):
        assert self.process.poll() is None, self.log()
        return connects(self.port)

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def __exit__(self, *_):
        """A signal that comes just before it waits for the next question is only noticed with that: it is not waited for."""
        self.process.kill()
        self.process.wait(20)
