# SPDX-License-Identifier: Apache-2.0
"""The load (Postfix's smtp-source) and the sink that stores nothing (smtp-sink)."""
import os
import platform
import subprocess
import time

from net import free_port, wait_for_port

RUN_SECONDS_MAX = 60  # a run that takes longer is stopped and the benchmark fails


class Peers:
    """The programs that tools/peers unpacked."""

    def __init__(self, folder):
        self.folder = folder
        root = folder + "/root"
        arch = platform.machine() + "-linux-gnu"
        libs = [root + "/usr/lib/postfix", f"{root}/usr/lib/{arch}"]
        self.env = dict(os.environ, LD_LIBRARY_PATH=":".join(libs))
        self.source = root + "/usr/sbin/smtp-source"
        self.sink = root + "/usr/sbin/smtp-sink"


class Sink:
    name = "smtp-sink"

    def __init__(self, peers):
        self.peers = peers
        self.port = free_port()
        self.process = None

    def start(self):
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        args = [self.peers.sink, *user, "-m", "1000", f"127.0.0.1:{self.port}", "1024"]
        self.process = subprocess.Popen(args, env=self.peers.env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port(self.port, self.process, 10, lambda: "")
        return self

    @property
    def pid(self):
        return self.process.pid

    def kept(self):
        return None  # it stores nothing

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


def send(peers, port, cell, count):
    """Sends count messages; returns the seconds it took. Any refusal fails the benchmark."""
    args = [peers.source, "-s", str(cell.sessions), "-m", str(count), "-l", str(cell.bytes)]
    if cell.kept:
        args.append("-d")
    args += ["-f", "bob@example.org", "-t", "alice@example.org", f"inet:127.0.0.1:{port}"]
    begin = time.monotonic()
    done = subprocess.run(args, env=peers.env, stdin=subprocess.DEVNULL, capture_output=True, timeout=RUN_SECONDS_MAX)
    seconds = time.monotonic() - begin
    if done.returncode != 0:
        raise RuntimeError("smtp-source: " + (done.stderr + done.stdout).decode(errors="replace")[-1000:])
    return seconds
