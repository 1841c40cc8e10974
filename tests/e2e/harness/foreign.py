# SPDX-License-Identifier: Apache-2.0
"""Whole mail servers that were not written here, run from their unpacked Debian packages (tools/peers).

Each sees this machine as if its package were installed: in a mount namespace of its own the unpacked files
lie over /usr, and /etc/passwd and /etc/group have its users. There it is one of these users; outside it is whoever
runs the tests. (OpenSMTPD wants to be root and to change users, and is started by root alone.) Nothing beyond its
folder is written, and it ends as a whole with its process namespace.
"""
import contextlib
import os
import signal
import subprocess
import time

import pytest

from . import maildir, processes
from .deadline import until
from .peers import peers_folder
from .ports import port_block
from .raw import Raw

USER_ID = 64000

VIEW = """\
set -e
mount -t overlay overlay -o "lowerdir=$1/usr:/usr" /usr
mount --bind "$2/passwd" /etc/passwd
mount --bind "$2/group" /etc/group
shift 2
"""


class Foreign:
    """The files below `dir` are the server's; `put` changes them while it runs. A context: killed at its end."""

    peer = ""    # for tools/peers
    users = ()   # that its package would have made
    logs = ()    # files that it writes
    enter = ("--user", "--map-root-user")
    become = f'exec unshare --user --map-user={USER_ID} --map-group={USER_ID} -- "$@"\n'

    def __init__(self, folder):
        self.root = os.path.join(peers_folder(self.peer), "root")
        self.port = port_block()
        self.dir = os.path.join(str(folder), self.peer)
        os.makedirs(self.dir)
        self.process = None
        self.accounts()
        self.must_be_possible()

    def accounts(self):
        for name, own in (("passwd", f"x:{USER_ID}:{USER_ID}::/var/empty:/usr/sbin/nologin"), ("group", f"x:{USER_ID}:")):
            with open("/etc/" + name, encoding="utf-8") as f:
                kept = [line for line in f if line.partition(":")[0] not in self.users]
            self.put(name, "".join(kept) + "".join(f"{user}:{own}\n" for user in self.users))

    def must_be_possible(self):
        done = subprocess.run(self.inside("true"), capture_output=True, text=True, timeout=20)
        if done.returncode != 0:
            pytest.skip("this machine allows no namespaces, or no overlay: " + done.stderr.strip()[-200:])

    def inside(self, *command):
        return ["unshare", *self.enter, "--mount", "--pid", "--fork", "--kill-child=SIGKILL",
                "sh", "-c", VIEW + self.become, "sh", self.root, self.dir, *command]

    def put(self, name, text):
        """Changes a file at once, as far as its readers can see."""
        path = os.path.join(self.dir, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)

    def command(self):
        """What starts the server in the foreground."""
        raise NotImplementedError

    def start(self):
        with open(os.path.join(self.dir, "output"), "ab") as out:
            self.process = subprocess.Popen(self.inside(*self.command()), stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            until(self.greets, f"{self.peer} greets", 20)
        except BaseException:
            self.kill()
            raise
        return self

    def greets(self):
        assert self.process.poll() is None, f"{self.peer} ended:\n{self.log()}"
        try:
            with Raw(self.port, timeout=5) as raw:
                raw.reply().is_(220)
                raw.cmd("QUIT")
            return True
        except Exception:  # not yet
            return False

    def kill(self):
        """kill -9 of all its processes at once."""
        if self.process is None:
            return
        first = processes.children(self.process.pid)  # in its namespace; the others end before it has ended
        for pid in first or [self.process.pid]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait(20)
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    def log(self):
        text = ""
        for name in ("output", *self.logs):
            path = os.path.join(self.dir, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    text += f.read()
        return text

    def maildir(self, user):
        return os.path.join(self.dir, "mail", user)

    def mail(self, user, mark, seconds=15):
        """The one mail with this mark, as soon as it is there."""
        found = until(lambda: maildir.holding(self.maildir(user), mark), f"mail {mark} for {user} in {self.peer}", seconds)
        assert len(found) == 1, [m.path for m in found]
        return found[0]


EXIM_HEAD = """\
primary_hostname = exim.test
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
spool_directory = {dir}/spool
log_file_path = {dir}/%slog
pid_file_path = {dir}/pid
keep_environment =
tls_advertise_hosts =
"""

EXIM = EXIM_HEAD + """\
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
message_size_limit = ${{if eq{{$sender_host_address}}{{{narrow}}}{{10K}}{{50M}}}}
recipients_max = 10
smtp_accept_max = 200
smtp_accept_max_per_host = ${{if eq{{$sender_host_address}}{{{busy}}}{{2}}{{100}}}}
smtp_accept_queue_per_connection = 0
deliver_drop_privilege
log_selector = +8bitmime +pipelining +smtp_connection
acl_smtp_mail = acl_mail
acl_smtp_rcpt = acl_rcpt
acl_smtp_dkim = accept
begin acl
acl_mail:
  deny hosts = {strict}
       condition = ${{if >{{$message_size}}{{10000}}}}
       message = 552 5.3.4 Ten thousand bytes are enough for us
  accept
acl_rcpt:
  defer set acl_m_why = ${{lookup{{$local_part@$domain}}lsearch{{{dir}/deferred}}}}
        condition = ${{if !eq{{$acl_m_why}}{{}}}}
        message = $acl_m_why
  require verify = recipient
  accept
begin routers
back:
  driver = manualroute
  domains = example.org
  transport = back
  route_data = 127.0.0.1
  self = send
users:
  driver = accept
  domains = exim.test : narrow.test : strict.test : busy.test
  local_parts = lsearch;{dir}/users
  transport = maildir
begin transports
back:
  driver = smtp
  port = ${{readfile{{{dir}/back}}{{}}}}
  allow_localhost
maildir:
  driver = appendfile
  directory = {dir}/mail/$local_part_data
  maildir_format
  create_directory
begin retry
* * F,1h,1s
"""


class Exim(Foreign):
    """Exim with mailboxes at exim.test. For clients from NARROW its SIZE is 10 KiB; those from STRICT are told of 50 MiB,
    and that 10,000 octets are too many when they say that at MAIL; those from BUSY may have two connections.
    It takes ten recipients at a time.

    users     who has a mailbox
    deferred  "ADDRESS: TEXT", who is told TEXT with 451, or with the code that it begins with
    back      the port to which it gives mail to example.org
    """

    NARROW, STRICT, BUSY = "127.0.0.5", "127.0.0.6", "127.0.0.7"
    peer = "exim"
    users = ("Debian-exim",)
    logs = ("mainlog", "paniclog")

    def __init__(self, folder, users):
        super().__init__(folder)
        os.makedirs(os.path.join(self.dir, "spool"))
        self.put("conf", EXIM.format(dir=self.dir, port=self.port, narrow=self.NARROW,
                                     strict=self.STRICT, busy=self.BUSY))
        self.put("users", "".join(f"{user}: {user}\n" for user in users))
        self.put("deferred", "")

    @property
    def via(self):
        return f'"smtp://127.0.0.1:{self.port}"'

    def command(self):
        return ["/usr/sbin/exim4", "-C", os.path.join(self.dir, "conf"), "-bdf"]

    def arrival(self, sender):
        """What Exim noted when it took the one message of this sender."""
        line, = [line for line in self.log().splitlines() if f" <= {sender} " in line]
        return line


FEEDER = EXIM_HEAD + """\
deliver_drop_privilege
acl_smtp_rcpt = accept
begin routers
all:
  driver = {driver}
  transport = feed
  {route}
begin transports
feed:
  {transport}
begin retry
* * F,1h,1s
"""


class EximFeeder(Foreign):
    """Exim that hands everything over by LMTP, to a port or to a UNIX socket, and tries again each second."""

    peer = "exim"
    users = ("Debian-exim",)
    logs = ("mainlog", "paniclog")

    def __init__(self, folder, to):
        super().__init__(folder)
        os.makedirs(os.path.join(self.dir, "spool"))
        unix = isinstance(to, str)
        transport = (f"driver = lmtp\n  socket = {to}\n  batch_max = 100" if unix else
                     f"driver = smtp\n  protocol = lmtp\n  port = {to}\n  allow_localhost")
        self.put("conf", FEEDER.format(dir=self.dir, port=self.port, driver="accept" if unix else "manualroute",
                                       route="" if unix else "route_data = 127.0.0.1\n  self = send", transport=transport))

    def command(self):
        return ["/usr/sbin/exim4", "-C", os.path.join(self.dir, "conf"), "-bdf", "-q1s"]


DOVECOT = """\
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
default_internal_user = dovecot
default_internal_group = dovecot
default_login_user = dovenull
protocols = lmtp
ssl = no
mail_location = maildir:{dir}/mail/%n
userdb {{
  driver = passwd-file
  args = username_format=%n {dir}/users
  default_fields = uid=dovecot gid=dovecot home={dir}/home/%n
}}
passdb {{
  driver = static
}}
protocol lmtp {{
  mail_plugins = quota
}}
plugin {{
  quota = maildir:quota
}}
quota_full_tempfail = {tempfail}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service lmtp {{
  user = dovecot
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
  unix_listener {dir}/lmtp {{
    mode = 0600
  }}
}}
"""


class Dovecot(Foreign):
    """Dovecot's LMTP server over TCP and at the UNIX socket `dir`/lmtp; its mailboxes do not ask for the domain.

    `tempfail`: "yes", a full mailbox is 452; "no", it is 552.
    """

    peer = "dovecot"
    users = ("dovecot", "dovenull")
    logs = ("log",)

    def __init__(self, folder, users, tempfail):
        super().__init__(folder)
        self.put("conf", DOVECOT.format(dir=self.dir, port=self.port, tempfail=tempfail))
        self.mailboxes(users)

    def mailboxes(self, users):
        """{user: how many octets it may hold, or None}"""
        self.put("users", "".join(f"{user}:::::::" + (f"userdb_quota_rule=*:bytes={most}" if most else "") + "\n"
                                  for user, most in users.items()))
        written = int(time.time())
        if self.process is not None:  # it looks at the file once in a second
            until(lambda: time.time() >= written + 1, "a second is over")

    @contextlib.contextmanager
    def stuck(self, user):
        """Inside, whoever delivers to this mailbox waits: somebody else seems to change its list of messages."""
        lock = os.path.join(self.maildir(user), "dovecot-uidlist.lock")
        for sub in ("tmp", "new", "cur"):
            os.makedirs(os.path.join(self.maildir(user), sub), exist_ok=True)
        with open(lock, "x", encoding="ascii"):
            pass
        try:
            yield
        finally:
            os.unlink(lock)

    def is_delivering(self, user):
        """Whether it has looked at a mailbox that is stuck: it makes files there before it needs the list."""
        return any(name.startswith("dovecot.") for name in os.listdir(self.maildir(user)))

    def via(self, way):
        return f'"lmtp+unix:{self.dir}/lmtp"' if way == "unix" else f'"lmtp://127.0.0.1:{self.port}"'

    def command(self):
        return ["/usr/sbin/dovecot", "-F", "-c", os.path.join(self.dir, "conf")]


OPENSMTPD = """\
table users {{ {users} }}
listen on 127.0.0.1 port {port} hostname opensmtpd.test
smtp limit max-mails {mails_max}
action "on" relay host "smtp://127.0.0.1:{behind}"
match from any for rcpt-to <users> action "on"
"""


class OpenSmtpd(Foreign):
    """OpenSMTPD, which takes mail for some addresses at opensmtpd.test and passes it on to the port `behind`."""

    peer = "opensmtpd"
    users = ("opensmtpd", "opensmtpq")
    enter = ()
    become = """\
for folder in /run /var/lib /var/spool; do mount -t tmpfs tmpfs $folder; done
mkdir -p /var/lib/opensmtpd/empty
mkdir -m 711 /var/spool/smtpd
exec "$@"
"""

    def __init__(self, folder, users, mails_max, behind):
        if os.geteuid() != 0:
            pytest.skip("OpenSMTPD runs for root only")
        super().__init__(folder)
        self.put("conf", OPENSMTPD.format(users=", ".join(f'"{user}@opensmtpd.test"' for user in users), port=self.port,
                                          mails_max=mails_max, behind=behind))

    @property
    def via(self):
        return f'"smtp://127.0.0.1:{self.port}"'

    def command(self):
        return ["/usr/sbin/smtpd", "-d", "-f", os.path.join(self.dir, "conf")]
