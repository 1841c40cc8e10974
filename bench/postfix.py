# SPDX-License-Identifier: Apache-2.0
"""A whole Postfix that runs from the unpacked package (tools/peers), without being installed.

It wants root, a user of its own and a group of its own. It gets them in a private mount
namespace where /etc/passwd and /etc/group are copies with two lines more, and dies as a whole
with its process namespace. Nothing outside its folder is written.

Modes: "accept" keeps what was accepted and attempts nothing (see HELD), "maildir" delivers, "relay" passes
all on to a sink.
"""
import contextlib
import os
import platform
import shutil
import signal
import subprocess

from net import free_port, wait_for_port

# Files that hold deliveries back without costing Postfix anything: the queue manager is not started,
# so a message rests in the incoming queue, synced, as cleanup left it. The other ways (holding by a
# restriction, defer_transports) cost one more rename or a defer log for each message.
HELD = ("qmgr",)

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
proxymap  unix  - - n - - proxymap
error     unix  - - n - - error
retry     unix  - - n - - error
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
"""

MAIN = """\
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {dir}/conf
mail_owner = postfix
setgid_group = postdrop
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH={libs}
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
myhostname = mx.example.org
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtpd_relay_restrictions = reject_unauth_destination
smtpd_tls_security_level = none
default_process_limit = 300
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
biff = no
message_size_limit = 67108864
virtual_mailbox_limit = 0
virtual_mailbox_domains = example.org
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = static:alice/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
"""

# Only what passing mail on needs; concurrency and connection cache are Postfix's own.
RELAY_MASTER = """\
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
scache    unix  - - n - 1 scache
"""

RELAY_MAIN = """\
relayhost = [127.0.0.1]:{sink}
"""

START = """\
set -e
mount --bind {dir}/passwd /etc/passwd
mount --bind {dir}/group /etc/group
chown postfix {dir}/data
export LD_LIBRARY_PATH={libs}
{root}/usr/sbin/postfix -c {dir}/conf check >&2
exec {root}/usr/lib/postfix/sbin/master -i -c {dir}/conf
"""


class Postfix:
    name = "Postfix"

    def __init__(self, peers, folder, mode="accept", sink=0, port=None):
        self.dir = os.path.join(folder, "postfix")
        self.root = os.path.join(peers, "root")
        arch = platform.machine() + "-linux-gnu"
        self.libs = ":".join([self.root + "/usr/lib/postfix", f"{self.root}/usr/lib/{arch}"])
        self.port = port or free_port()
        self.process = None
        self.write(mode, sink)

    @staticmethod
    def possible():
        return os.geteuid() == 0 and shutil.which("unshare") is not None

    def write(self, mode, sink):
        names = {"dir": self.dir, "root": self.root, "libs": self.libs, "port": self.port, "sink": sink}
        for sub in ("conf", "queue", "data", "mail"):
            os.makedirs(os.path.join(self.dir, sub), exist_ok=True)
        os.chown(os.path.join(self.dir, "mail"), 65534, 65534)
        master = MASTER.format(**names)
        if mode == "accept":
            master = "".join(line + "\n" for line in master.splitlines() if line.split()[0] not in HELD)
        main = MAIN
        if mode == "relay":
            master += RELAY_MASTER
            main = MAIN.replace("= reject_unauth", "= permit_mynetworks, reject_unauth") + RELAY_MAIN
        self.put("conf/master.cf", master)
        self.put("conf/main.cf", main.format(**names))
        shutil.copy(self.root + "/etc/postfix/postfix-files", self.dir + "/conf")
        for name, lines in (("passwd", "postfix:x:64001:64001::/nonexistent:/usr/sbin/nologin\n"),
                            ("group", "postfix:x:64001:\npostdrop:x:64002:\n")):
            with open("/etc/" + name) as f:
                kept = [line for line in f if line.split(":")[0] not in ("postfix", "postdrop")]
            self.put(name, "".join(kept) + lines)

    def put(self, path, text):
        with open(os.path.join(self.dir, path), "w") as f:
            f.write(text)

    def start(self):
        names = {"dir": self.dir, "root": self.root, "libs": self.libs}
        with open(os.path.join(self.dir, "start.log"), "w") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "sh", "-c", START.format(**names)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for_port(self.port, self.process, 20, self.trouble)
        return self

    def trouble(self):
        text = ""
        for name in ("start.log", "log"):
            path = os.path.join(self.dir, name)
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    text += f.read()[-4000:]
        return text

    @property
    def pid(self):
        return self.process.pid

    def kept(self):
        return sum(len(names) for _, _, names in os.walk(os.path.join(self.dir, "queue", "incoming")))

    def mail_folder(self):
        return os.path.join(self.dir, "mail", "alice", "new")

    def stop(self):
        if self.process is None:
            return
        # The end of the first process of a namespace is the end of all. That unshare's death ends it is not enough:
        # master changes its user for a moment, and the kernel forgets the wish.
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as f:
            children = [int(child) for child in f.read().split()]
        self.process.send_signal(signal.SIGKILL)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.process.wait()
        self.process = None
