# SPDX-License-Identifier: Apache-2.0
"""A client that sends exactly the bytes it is given, whole or one by one, and reads replies."""
import re
import socket


class Reply:
    """One reply: its code, its enhanced code ("" without one), its lines without codes, its bytes."""

    LINE = re.compile(rb"(\d{3})(?:([ -])(.*))?\r\n\Z", re.S)
    ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: |\Z)")

    def __init__(self, raw):
        self.raw = raw
        lines = raw.splitlines(keepends=True)
        matches = [self.LINE.match(line) for line in lines]
        assert all(matches), f"not a reply: {raw!r}"
        codes = {m.group(1) for m in matches}
        assert len(codes) == 1, f"codes differ within one reply: {raw!r}"
        self.code = int(codes.pop())
        self.lines = [(m.group(3) or b"").decode("utf-8") for m in matches]
        found = self.ENHANCED.match(self.lines[0])
        self.enhanced = found.group(1) if found else ""

    @property
    def text(self):
        return "\n".join(self.lines)

    def __repr__(self):
        return f"<{self.raw!r}>"

    def is_(self, code, enhanced=None):
        assert self.code == code, f"{self!r} instead of {code}"
        if enhanced is not None:
            assert self.enhanced == enhanced, f"{self!r} instead of {code} {enhanced}"
        return self


class Closed(Exception):
    """The server ended the connection where a reply was expected."""


class Raw:
    """`port` is one, or the path of a UNIX socket."""

    def __init__(self, port, source="127.0.0.1", timeout=20):
        if isinstance(port, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(port)
        else:
            self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(source, 0))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffered = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    # sending
    def send(self, data):
        self.sock.sendall(data)
        return self

    def send_bytewise(self, data):
        for i in range(len(data)):
            self.sock.sendall(data[i:i + 1])
        return self

    def finish_sending(self):
        self.sock.shutdown(socket.SHUT_WR)

    # reading
    def _fill(self):
        try:
            more = self.sock.recv(65536)
        except ConnectionResetError:
            more = b""
        if not more:
            raise Closed(f"after {self.buffered!r}")
        self.buffered += more

    def line(self):
        while b"\n" not in self.buffered:
            self._fill()
        line, _, self.buffered = self.buffered.partition(b"\n")
        return line + b"\n"

    def reply(self):
        raw = b""
        while True:
            line = self.line()
            raw += line
            if line[3:4] != b"-":
                return Reply(raw)

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def codes(self, count):
        return [r.code for r in self.replies(count)]

    def rest(self):
        """Everything until the server closes."""
        try:
            while True:
                self._fill()
        except Closed:
            pass
        rest, self.buffered = self.buffered, b""
        return rest

    def is_closed(self):
        """Whether the server closes now, without another word."""
        return self.rest() == b""

    # whole steps
    def cmd(self, line):
        if isinstance(line, str):
            line = line.encode("utf-8")
        return self.send(line + b"\r\n").reply()

    def greeted(self, name="client.test", verb="EHLO"):
        """Reads the greeting and says EHLO, or LHLO."""
        self.reply().is_(220)
        self.cmd(f"{verb} {name}").is_(250)
        return self

    def begin(self, sender="sender@client.test", *recipients, params=""):
        """MAIL and RCPTs, each accepted."""
        self.cmd(f"MAIL FROM:<{sender}>{params}").is_(250)
        for recipient in recipients or ("alice@example.org",):
            self.cmd(f"RCPT TO:<{recipient}>").is_(250)
        return self

    def data(self, content):
        """DATA with content as it stands on the wire, without the final dot; the reply after it."""
        self.cmd("DATA").is_(354)
        return self.send(content + b".\r\n").reply()

    def data_each(self, content, count):
        """The same with LMTP: the replies of so many recipients."""
        self.cmd("DATA").is_(354)
        return self.send(content + b".\r\n").replies(count)

    def quit(self):
        self.cmd("QUIT").is_(221)
        assert self.is_closed()
        self.close()
