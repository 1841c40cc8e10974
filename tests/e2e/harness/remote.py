# SPDX-License-Identifier: Apache-2.0
"""Other people's servers: scripted ones that do what the test says, and smtp-sink of Debian's Postfix."""
import os
import socket
import subprocess
import threading
import time

from .deadline import until
from .peers import peer_environment
from .ports import port_block

EXTENSIONS = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 20000000")
IDLE_SECONDS_MAX = 30


class Drop(Exception):
    """The script ends the connection without a word."""


class Remote:
    """An SMTP or LMTP server that runs a thread for each connection.

    `script` maps "CONNECT", a verb, or "." (the final dot) to what is said instead of the usual reply:
    bytes; None, to break the connection; a function of (connection, argument) that gives one of these;
    or a list of them, of which each use takes the next and the last one repeats.
    In LMTP "." is asked once for each accepted recipient, with the recipient as its argument.
    """

    USUAL = {"CONNECT": b"220 remote.test ESMTP\r\n", "HELO": b"250 remote.test\r\n", "MAIL": b"250 2.1.0 ok\r\n",
             "RCPT": b"250 2.1.5 ok\r\n", "DATA": b"354 go on\r\n", ".": b"250 2.0.0 kept\r\n",
             "QUIT": b"221 2.0.0 bye\r\n", "RSET": b"250 2.0.0 ok\r\n", "NOOP": b"250 2.0.0 ok\r\n"}

    def __init__(self, script=None, lmtp=False, path=None, address="127.0.0.1", port=0, extensions=EXTENSIONS):
        self.script = dict(script or {})
        self.lmtp = lmtp
        self.extensions = extensions
        self.lock = threading.Lock()
        self.messages = []      # what was acknowledged: {"sender", "recipients", "data", "helo", "peer"}
        self.commands = []      # (time, verb, argument) of all connections
        self.peers = []         # one address for each connection
        self.open = self.open_max = 0
        self.sockets = set()
        if path is not None:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
        else:
            self.listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind((address, port))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(500)
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # ends the accept, too
        except OSError:
            pass
        self.listener.close()
        with self.lock:
            for sock in list(self.sockets):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    @property
    def via(self):
        return f'"{"lmtp" if self.lmtp else "smtp"}://127.0.0.1:{self.port}"'

    def accept(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.peers.append(peer[0] if peer else "")
                self.open += 1
                self.open_max = max(self.open_max, self.open)
                self.sockets.add(sock)
            threading.Thread(target=Conversation(self, sock, peer).run, daemon=True).start()

    def times(self, verb, holding=""):
        return [when for when, what, argument in list(self.commands) if what == verb and holding in argument]

    def count(self, verb, holding=""):
        return len(self.times(verb, holding))

    def holding(self, mark):
        return [m for m in list(self.messages) if mark.encode() in m["data"]]

    def message(self, mark, seconds=15):
        """The one message with this mark, as soon as it is acknowledged."""
        found = until(lambda: self.holding(mark), f"{mark} at the remote", seconds)
        assert len(found) == 1, found
        return found[0]


class Conversation:
    def __init__(self, remote, sock, peer):
        self.remote, self.sock, self.peer = remote, sock, peer
        self.helo = self.sender = ""
        self.recipients = []
        sock.settimeout(IDLE_SECONDS_MAX)
        self.file = sock.makefile("rb")

    def run(self):
        try:
            self.answer("CONNECT", "", self.remote.USUAL["CONNECT"])
            while True:
                line = self.file.readline()
                if not line:
                    break
                verb, _, argument = line.decode("utf-8", "replace").strip().partition(" ")
                if not self.command(verb.upper(), argument):
                    break
        except (Drop, OSError, ValueError):
            pass
        finally:
            with self.remote.lock:
                self.remote.open -= 1
                self.remote.sockets.discard(self.sock)
            self.file.close()
            self.sock.close()

    def scripted(self, verb, argument, usual):
        with self.remote.lock:
            said = self.remote.script.get(verb, usual)
            if isinstance(said, list):
                said = said.pop(0) if len(said) > 1 else said[0]
        return said(self, argument) if callable(said) else said

    def answer(self, verb, argument, usual):
        """Says it; whether it was a success."""
        said = self.scripted(verb, argument, usual)
        if said is None:
            raise Drop()
        self.sock.sendall(said)
        return said[:1] in (b"2", b"3")

    def command(self, verb, argument):
        with self.remote.lock:
            self.remote.commands.append((time.monotonic(), verb, argument))
        if verb in ("EHLO", "LHLO"):
            lines = ["remote.test", *self.remote.extensions]
            usual = "".join(f"250{'-' if i + 1 < len(lines) else ' '}{line}\r\n" for i, line in enumerate(lines))
            self.helo = argument
            self.answer(verb, argument, usual.encode())
        elif verb == "DATA":
            if self.answer(verb, argument, self.remote.USUAL["DATA"] if self.recipients else b"503 5.5.1 no\r\n"):
                self.content()
        else:
            good = self.answer(verb, argument, self.remote.USUAL.get(verb, b"500 5.5.2 what?\r\n"))
            self.note(verb, argument, good)
        return verb != "QUIT"

    def note(self, verb, argument, good):
        if verb == "HELO":
            self.helo = argument
        if verb in ("MAIL", "RSET"):
            self.recipients = []
        if verb == "MAIL":
            self.sender = argument[argument.find("<") + 1:argument.find(">")]
        if verb == "RCPT" and good:
            self.recipients.append(argument[argument.find("<") + 1:argument.find(">")])

    def content(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                raise Drop()
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        data = b"".join(lines)
        usual = self.remote.USUAL["."]
        if not self.remote.lmtp:
            self.finish(self.recipients, data, self.scripted(".", data, usual))
            return
        for recipient in self.recipients:
            self.finish([recipient], data, self.scripted(".", recipient, usual))

    def finish(self, recipients, data, said):
        if said is not None and said[:1] == b"2":
            with self.remote.lock:
                self.remote.messages.append({"sender": self.sender, "recipients": list(recipients), "data": data,
                                             "helo": self.helo, "peer": self.peer[0] if self.peer else ""})
        if said is None:
            raise Drop()
        self.sock.sendall(said)


class Sink:
    """smtp-sink with its options for failing commands; it keeps what it accepts in a folder when asked."""

    def __init__(self, folder, *options, dump=False):
        program, self.env = peer_environment("smtp-sink")
        self.port = port_block()
        self.folder = os.path.join(str(folder), f"sink-{self.port}")
        os.makedirs(self.folder)
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        if user:
            os.chmod(self.folder, 0o777)
        if dump:
            options = (*options, "-d", os.path.join(self.folder, "%M."))
        args = [program, *user, *options, f"127.0.0.1:{self.port}", "1000"]
        self.process = subprocess.Popen(args, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        until(self.listens, "smtp-sink listens", 10)

    def listens(self):
        assert self.process.poll() is None, self.process.returncode
        with open("/proc/net/tcp", encoding="ascii") as f:
            return any(f":{self.port:04X} 00000000:0000 0A" in line for line in f)

    @property
    def via(self):
        return f'"smtp://127.0.0.1:{self.port}"'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def texts(self):
        found = []
        for name in os.listdir(self.folder):
            with open(os.path.join(self.folder, name), "rb") as f:
                found.append(f.read())
        return found
