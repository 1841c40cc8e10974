# SPDX-License-Identifier: Apache-2.0
"""A server of no protocol: what it says to everybody is bytes from a test, again and again or once."""
import contextlib
import socket
import threading


class Liar:
    """Takes connections at a port of 127.0.0.1, says `words` (`endless`: until nobody listens), then holds or closes."""

    def __init__(self, words=b"", endless=False, hold=True):
        self.words, self.endless, self.hold = words, endless, hold
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # ends the accept, too
        for sock in [self.listener, *self.sockets]:
            sock.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                self.sockets.append(sock)
                threading.Thread(target=self.talk, args=(sock,), daemon=True).start()

    def talk(self, sock):
        with contextlib.suppress(OSError):
            sock.sendall(self.words)
            while self.endless:
                sock.sendall(self.words)
            if not self.hold:
                sock.close()
