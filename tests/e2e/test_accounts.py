# SPDX-License-Identifier: Apache-2.0
"""Mail for the accounts of the system: it becomes theirs, in their homes, and nobody else's."""
import os
import pwd
import re
import shutil
import stat
import subprocess

import pytest

from harness import mbox
from harness.deadline import until
from harness.processes import status_field
from harness.server import message, program, token

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("useradd"), reason="needs root and useradd")

IN_HOME = '"maildir:{home}/Maildir"'
BELOW_HOME = '"maildir:/home/{user}/Maildir"'


class Account:
    def __init__(self, name, home, *more):
        self.name, self.home = name, home
        subprocess.run(["useradd", "--create-home", "--home-dir", home, "--user-group", "--key", "HOME_MODE=0700",
                        *more, name], check=True, capture_output=True)
        self.uid, self.gid = pwd.getpwnam(name)[2:4]

    def remove(self):
        subprocess.run(["userdel", self.name], capture_output=True)
        for left in (self.home, f"/var/mail/{self.name}", f"/var/mail/.{self.name}.waybill"):
            if os.path.islink(left) or os.path.isfile(left):
                os.unlink(left)
            shutil.rmtree(left, ignore_errors=True)

    def run(self, *command):
        """What the account itself reads, with its own rights alone."""
        return subprocess.run(["su", self.name, "-s", "/bin/sh", "-c", " ".join(command)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)


@pytest.fixture
def account():
    made = []

    def make(suffix="a", home=None, more=()):
        name = f"wbt{os.getpid()}{suffix}"
        made.append(Account(name, home or f"/home/{name}", *more))
        return made[-1]
    yield make
    for each in made:
        each.remove()


@pytest.fixture
def accounts_server(server, tmp_path):
    """A maker of servers whose users are the system's accounts; roles run as nobody when asked for."""
    def make(mailboxes=IN_HOME, user=None, start=True, **more):
        folder = tmp_path
        while user and str(folder) not in ("/", "/tmp"):
            os.chmod(folder, 0o711)
            folder = folder.parent
        top = {"user": f'"{user}"'} if user else {}
        sections = {"domain": {"mailboxes": mailboxes, "users": '"system:"'}, "queue": {"retry": '{"1s"}'}, **more}
        return server(start=start, top=top, sections=sections)
    return make


def address(account):
    return f"{account.name}@example.org"


def send(s, account):
    mark = token()
    s.deliver(message(mark), [address(account)]).is_(250)
    return mark


def owners_below(folder):
    return {os.lstat(os.path.join(at, name))[4:6] for at, folders, names in os.walk(folder) for name in folders + names}


@pytest.mark.parametrize("user", [None, "nobody"])
@pytest.mark.parametrize("mailboxes", [IN_HOME, BELOW_HOME])
def test_an_account_reads_its_mail(accounts_server, account, mailboxes, user):
    """As docs/directories.md has it, with homes that nobody else may look into; a second account gets its own."""
    s = accounts_server(mailboxes, user)
    for each in (account("a"), account("b", more=["--shell", "/usr/sbin/nologin"])):
        mark = send(s, each)
        until(lambda: mark in each.run("cat", f"{each.home}/Maildir/new/*").stdout, "the account reads it")
        assert stat.S_IMODE(os.stat(each.home).st_mode) == 0o700
        assert owners_below(each.home + "/Maildir") == {(each.uid, each.gid)}
    s.settled()


def test_the_home_is_where_passwd_says(accounts_server, account, tmp_path):
    """Accounts made before the start, in a folder that nobody named in the configuration."""
    os.makedirs("/srv/waybill-test", exist_ok=True)
    try:
        a = account(home="/srv/waybill-test/elsewhere")
        s = accounts_server(user="nobody")
        mark = send(s, a)
        until(lambda: mark in a.run("cat", "~/Maildir/new/*").stdout, "the account reads it")
    finally:
        shutil.rmtree("/srv/waybill-test")


def test_var_mail_as_debian_has_it(accounts_server, account):
    """/var/mail is root:mail 2775 and a file user:mail 0660: it stays so, and the account reads it; a file that is not
    there is made with the owner alone."""
    a, b = account("a"), account("b")
    mail_gid = os.stat("/var/mail").st_gid
    spool = "/var/mail/" + b.name
    for each in ("/var/mail/" + a.name, spool):
        if os.path.exists(each):
            os.unlink(each)
    with open("/var/mail/" + a.name, "w"):
        os.chown("/var/mail/" + a.name, a.uid, mail_gid)
        os.chmod("/var/mail/" + a.name, 0o660)
    s = accounts_server('"mbox:/var/mail/{user}"', user="nobody")
    for each in (a, b):
        mark = send(s, each)
        until(lambda: mark in each.run("cat", f"/var/mail/{each.name}").stdout, "the account reads it")
        assert os.stat(f"/var/mail/{each.name}")[4:6] == (each.uid, mail_gid)
        mark_again = send(s, each)
        until(lambda: mark_again in each.run("cat", f"/var/mail/{each.name}").stdout, "a second one")
        assert len(mbox.read(f"/var/mail/{each.name}")) == 2
    assert stat.S_IMODE(os.stat("/var/mail/" + a.name).st_mode) == 0o660
    assert stat.S_IMODE(os.stat(spool).st_mode) == 0o600


def test_root_has_no_mailbox(accounts_server, account):
    """root's mail is for whom an alias names."""
    a = account()
    s = accounts_server()
    with s.client() as c:
        c.cmd("MAIL FROM:<>").is_(250)
        c.cmd("RCPT TO:<root@example.org>").is_(550)
    with open(s.dir + "/aliases", "w") as f:
        f.write(f"root: {a.name}\n")
    assert s.tool("reload").returncode == 0
    mark = token()

    def taken():
        with s.client() as c:
            c.cmd("MAIL FROM:<>").is_(250)
            return c.cmd("RCPT TO:<root@example.org>").code == 250
    until(taken, "the alias is known")
    s.deliver(message(mark), ["root@example.org"]).is_(250)
    until(lambda: mark in a.run("cat", f"{a.home}/Maildir/new/*").stdout, "the alias's account reads it")


def test_a_users_links_lead_nowhere(accounts_server, account):
    """Into another's home neither below one's own nor in its place."""
    a, b = account("a"), account("b")
    before_b = sorted(os.listdir(b.home))
    os.symlink(b.home, a.home + "/Maildir")
    s = accounts_server(user="nobody")
    send(s, a)
    s.wait_log("mailbox-misconfigured")
    assert sorted(os.listdir(b.home)) == before_b
    # A home that is itself a link to another's: followed, but with the rights of its owner alone.
    shutil.rmtree(a.home)
    os.symlink(b.home, a.home)
    before = len(s.log())
    send(s, a)
    s.wait_log("Permission denied", since=before)
    assert sorted(os.listdir(b.home)) == before_b


def test_at_rcpt_the_mailbox_is_looked_at_as_its_owner(accounts_server, account):
    """Full by its own quota, in a home that the server's account cannot look into."""
    a = account()
    s = accounts_server(user="nobody")
    mark = send(s, a)
    until(lambda: mark in a.run("cat", f"{a.home}/Maildir/new/*").stdout, "the first")
    with open(a.home + "/Maildir/maildirsize", "w") as f:
        f.write("100S\n99 1\n")
    os.chown(a.home + "/Maildir/maildirsize", a.uid, a.gid)
    with s.client() as c:
        c.cmd("MAIL FROM:<sender@client.test>").is_(250)
        assert c.cmd(f"RCPT TO:<{address(a)}>").code in (452, 552)


def test_what_the_delivery_role_keeps(accounts_server, account):
    """Two capabilities while there are such domains, no group and nobody's uid; other roles and other servers none."""
    account()
    s = accounts_server(user="nobody")
    two = f"{(1 << 6) | (1 << 7):016x}"
    pid, = s.roles("delivery")
    assert status_field(pid, "CapEff") == status_field(pid, "CapPrm") == two
    assert status_field(pid, "Groups").strip() == ""
    nobody = pwd.getpwnam("nobody")
    assert status_field(pid, "Uid").split() == [str(nobody.pw_uid)] * 4
    assert status_field(pid, "Gid").split() == [str(nobody.pw_gid)] * 4
    for name in ("policy", "queue", "relay", "smtpd", "console"):
        for other in s.roles(name):
            assert int(status_field(other, "CapEff"), 16) == int(status_field(other, "CapPrm"), 16) == 0, name
    s.reconfigure(top={"user": '"nobody"'})
    assert s.tool("reload").returncode == 0
    until(lambda: [p for p in s.roles("delivery") if p != pid and int(status_field(p, "CapPrm"), 16) == 0],
          "a delivery role without them")


def as_nobody(*command, capabilities="-all"):
    kept = ["--inh-caps", capabilities, "--ambient-caps", capabilities] if capabilities != "-all" else []
    return ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", *kept, *command]


@pytest.fixture
def nobodys_server(accounts_server, tmp_path):
    """A maker of servers that nobody starts, with some capabilities or none."""
    def make(capabilities, **more):
        s = accounts_server(user="nobody", start=False, **more)
        for folder, _, _ in os.walk(s.dir):
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, 0)
            os.chmod(folder, 0o755)
        s.args = as_nobody(*s.args, capabilities=capabilities)
        return s.start()
    return make


def test_two_capabilities_are_enough(nobodys_server, account):
    """As the service of docs/directories.md has them; nobody is root."""
    a = account()
    s = nobodys_server("+setuid,+setgid")
    mark = send(s, a)
    until(lambda: mark in a.run("cat", "~/Maildir/new/*").stdout, "the account reads it")
    assert owners_below(a.home + "/Maildir") == {(a.uid, a.gid)}
    assert "CAP_SETUID" not in s.log()


def test_without_them_it_is_said(nobodys_server, account):
    """At the start and by the check; a home stays closed, and the reason says so."""
    a = account()
    s = nobodys_server("-all")
    words = r"users: mail for the system's accounts becomes theirs only where the server is started as root"
    assert re.search(words, s.log())
    checked = subprocess.run(as_nobody(program("waybill"), "check", "config", s.conf), capture_output=True, text=True)
    assert checked.returncode == 0 and re.search(words, checked.stdout), checked
    assert not re.search(words, s.tool("check", "config").stdout)  # for root knows no better
    send(s, a)
    s.wait_log(r"ev=deferred .*Permission denied.*key=mailbox-misconfigured")
