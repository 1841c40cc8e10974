# SPDX-License-Identifier: Apache-2.0
"""A large message whose file was damaged in the store is delivered to nobody, and kept."""
import glob
import os
import socket
import threading

import pytest

from harness.deadline import until
from harness.server import message, token

BODY = b"a line of a large message, one of many.......................................\r\n" * 8000


def large_file(s):
    found = glob.glob(s.dir + "/data/**/large-*", recursive=True)
    assert len(found) == 1, found
    return found[0]


def write_at(path, at, new):
    with open(path, "r+b") as f:
        f.seek(at)
        old = f.read(len(new))
        f.seek(at)
        f.write(new)
    return old


class Sink:
    """A server that takes one connection after another and notes what it was sent."""

    def __init__(self, at_data=None):
        self.at_data = at_data
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.whole, self.torn = [], []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            with conn, conn.makefile("rb") as lines:
                conn.sendall(b"220 sink.test\r\n")
                self.talk(conn, lines)

    def talk(self, conn, lines):
        for line in lines:
            verb = line[:4].upper()
            if verb == b"DATA":
                if self.at_data is not None:
                    self.at_data()
                conn.sendall(b"354 go\r\n")
                if not self.take(conn, lines):
                    return
            elif verb == b"EHLO":
                conn.sendall(b"250-sink.test\r\n250 8BITMIME\r\n")
            else:
                conn.sendall(b"250 ok\r\n")

    def take(self, conn, lines):
        content = b""
        for line in lines:
            if line == b".\r\n":
                self.whole.append(content)
                conn.sendall(b"250 kept\r\n")
                return True
            content += line
        self.torn.append(content)
        return False


def test_a_damaged_large_message_stays_and_bounces_nobody(server):
    """No guess is delivered; once the bytes are right again, the message is."""
    s = server(sections={"queue": {"paused": "yes"}})
    mark = token("damaged")
    s.deliver(message(mark, BODY), sender="bob@example.org").is_(250)
    path = large_file(s)
    old = write_at(path, 300000, b"other bytes")
    since = len(s.log())
    assert s.tool("queue", "resume").returncode == 0
    s.wait_log("ev=content-damaged .*does not match|ev=content-damaged .*do not match", 20, since)
    assert not s.mails("alice", mark) and not os.listdir(s.maildir("alice") + "/tmp")
    assert s.queued() == 1 and os.path.exists(path)
    assert not glob.glob(s.maildir("bob") + "/new/*"), "a bounce"
    write_at(path, 300000, old)
    s.stop()
    s.start()
    assert s.tool("queue", "resume").returncode == 0
    assert s.mail("alice", mark, 20).content().endswith(BODY.replace(b"\r\n", b"\n"))
    s.settled()


@pytest.mark.parametrize("when", ["before", "while it is sent"])
def test_a_damaged_large_message_is_not_finished_at_another_server(server, when):
    """Content is looked at before it is sent; if it changes after that, there is no final dot."""
    sink = Sink()
    s = server(sections={"queue": {"paused": "yes"}, 'route "*"': {"via": f'"smtp://127.0.0.1:{sink.port}"'}})
    mark = token("damaged")
    s.deliver(message(mark, BODY), ["someone@elsewhere.test"], source="127.0.0.2").is_(250)
    path = large_file(s)
    if when == "before":
        write_at(path, 300000, b"other bytes")
    else:
        sink.at_data = lambda: write_at(path, 300000, b"other bytes")
    since = len(s.log())
    assert s.tool("queue", "resume").returncode == 0
    s.wait_log("ev=deferred .*damaged", 20, since)
    assert s.queued() == 1 and os.path.exists(path)
    if when != "before":
        until(lambda: sink.torn, "the end of the connection")
    assert not sink.whole
    sink.at_data = None
    other = token("sound")
    s.deliver(message(other, BODY), ["someone@elsewhere.test"], source="127.0.0.2").is_(250)
    until(lambda: sink.whole, "the sound one", 20)
    assert other.encode() in sink.whole[0] and sink.whole[0].endswith(BODY)
    sink.socket.close()
