# SPDX-License-Identifier: Apache-2.0
"""A Waybill for one measurement: its own folder, port and configuration.

Modes: "accept" keeps what was accepted and attempts nothing (queue paused), "maildir" delivers, "relay"
passes all on to a sink, but for dead.test, where nobody listens.
"""
import json
import os
import signal
import subprocess

from net import free_port, wait_for_port

CONF = """\
hostname = "mx.example.org"
data     = "{dir}/data"
listen "smtp" {{ address = {{"127.0.0.1:{port}"}} }}
domain "example.org" {{
    mailboxes = "maildir:{dir}/mail/{{domain}}/{{user}}"
    users     = "file:{dir}/users"
}}
queue {{ paused = {paused} }}
trust = {{"127.0.0.0/8"}}
"""

ROUTES = """\
route "*" {{ via = "smtp://127.0.0.1:{sink}" }}
route "dead.test" {{ via = "smtp://127.0.0.1:{dead}" }}
"""


class Waybill:
    name = "Waybill"

    def __init__(self, build, folder, mode="accept", sink=0):
        self.build = build
        self.dir = os.path.join(folder, "waybill")
        self.port = free_port()
        self.process = None
        for sub in ("data", "mail"):
            os.makedirs(os.path.join(self.dir, sub), exist_ok=True)
        self.conf = os.path.join(self.dir, "waybill.conf")
        with open(self.conf, "w") as f:
            f.write(CONF.format(dir=self.dir, port=self.port, paused="yes" if mode == "accept" else "no"))
            if mode == "relay":
                f.write(ROUTES.format(sink=sink, dead=free_port()))
        open(os.path.join(self.dir, "users"), "w").close()
        self.tool("user", "add", "alice@example.org")

    @staticmethod
    def possible(build):
        return os.access(os.path.join(build, "waybilld"), os.X_OK)

    def tool(self, *args):
        args = [os.path.join(self.build, "waybill"), *args, "-c", self.conf]
        done = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
        if done.returncode != 0:
            raise RuntimeError(f"{args}: {(done.stdout + done.stderr).decode(errors='replace')}")
        return done.stdout

    def start(self):
        with open(os.path.join(self.dir, "log"), "w") as log:
            self.process = subprocess.Popen([os.path.join(self.build, "waybilld"), "-c", self.conf],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for_port(self.port, self.process, 20, self.trouble)
        return self

    def trouble(self):
        with open(os.path.join(self.dir, "log"), errors="replace") as f:
            return f.read()[-4000:]

    @property
    def pid(self):
        return self.process.pid

    def kept(self):
        return json.loads(self.tool("status", "--json"))["queue"]["messages"]

    def mail_folder(self):
        return os.path.join(self.dir, "mail", "example.org", "alice", "new")

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
