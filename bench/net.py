# SPDX-License-Identifier: Apache-2.0
"""Ports on loopback."""
import socket
import time


def free_port(count=1):
    """The first of `count` neighbouring ports that are free now."""
    for _ in range(200):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            first = s.getsockname()[1]
        if first + count > 65000:
            continue
        held = []
        try:
            for port in range(first, first + count):
                s = socket.socket()
                held.append(s)
                s.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for s in held:
                s.close()
    raise RuntimeError("no free ports")


def wait_for_port(port, process, seconds, trouble):
    """Until a connection gets a greeting; raises with trouble() when the process ends or time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode}:\n{trouble()}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
                if s.recv(3) == b"220":
                    s.sendall(b"QUIT\r\n")
                    return
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError(f"no greeting on port {port} after {seconds} s:\n{trouble()}")
