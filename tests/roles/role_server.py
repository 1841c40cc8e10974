# SPDX-License-Identifier: Apache-2.0
"""What relay meets outside: an SMTP server that notes every line, and a name server that knows no name."""
import socket
import struct
import threading


class MailServer:
    """Accepts everything; at the stage `stall` (a verb, "CONNECT" or ".") it says nothing until it is let go.
    With `reset` it breaks the connection together with its answer to a message."""

    def __init__(self, stall=None, reset=False):
        self.stall = stall
        self.reset = reset
        self.stalled = threading.Event()
        self.let_go = threading.Event()
        self.lines = []      # every command of every connection
        self.contents = []   # what was acknowledged
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.let_go.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()  # else it might wait at what the number of the descriptor means next
        self.listener.close()

    @property
    def hop(self):
        return f"smtp://127.0.0.1:{self.port}"

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(sock,), daemon=True).start()

    def wait(self, stage):
        if stage == self.stall:
            self.stalled.set()
            self.let_go.wait(60)

    def talk(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with sock, sock.makefile("rb") as file:
                self.wait("CONNECT")
                sock.sendall(b"220 remote.test ESMTP\r\n")
                while line := file.readline():
                    self.lines.append(line)
                    self.wait(line.split()[0].decode("ascii", "replace").upper() if line.split() else "")
                    sock.sendall(self.reply(line))
                    if line[:4].upper() == b"DATA":
                        self.content(file)
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", self.reset, 0))
                        sock.sendall(b"250 2.0.0 kept\r\n")
                        if self.reset:
                            return
        except OSError:
            pass

    @staticmethod
    def reply(line):
        if line[:4].upper() == b"EHLO":
            return b"250-remote.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE\r\n"
        return b"354 go on\r\n" if line[:4].upper() == b"DATA" else b"250 2.0.0 ok\r\n"

    def content(self, file):
        content = []
        while (line := file.readline()) != b".\r\n":
            if not line:
                raise ConnectionResetError()
            content.append(line)
        self.wait(".")
        self.contents.append(b"".join(content))


class NameServer:
    """Says of every name that it does not exist."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1@{self.sock.getsockname()[1]}"
        self.thread = threading.Thread(target=self.answer, daemon=True)
        self.thread.start()

    def answer(self):
        while True:
            question, peer = self.sock.recvfrom(4096)
            if not question:
                return
            self.sock.sendto(question[:2] + b"\x81\x83" + question[4:6] + bytes(6) + self.name(question), peer)

    @staticmethod
    def name(question):
        """The question's name, type and class, without what may stand behind them."""
        at = 12
        while at < len(question) and question[at] != 0:
            at += question[at] + 1
        return question[12:at + 5]

    def close(self):
        self.sock.sendto(b"", self.sock.getsockname())
        self.thread.join()
        self.sock.close()
