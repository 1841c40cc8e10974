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
from test_directory import rcpt_code, until_code

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
        assert f"can take mail now ({each.home}/Maildir)" in s.tool("mailbox", "show", address(each)).stdout
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
    """root's mail is for whom an alias names; an alias of who has none is as one of nobody."""
    a = account()
    s = accounts_server()
    assert rcpt_code(s, "root@example.org") == 550
    with open(s.dir + "/aliases", "w") as f:
        f.write(f"root: {a.name}\nwebmaster: daemon\n")
    assert s.tool("reload").returncode == 0
    mark = token()
    until_code(s, "root@example.org", 250)
    s.deliver(message(mark), ["root@example.org"]).is_(250)
    assert rcpt_code(s, "webmaster@example.org") == 550
    until(lambda: mark in a.run("cat", f"{a.home}/Maildir/new/*").stdout, "the alias's account reads it")


@pytest.fixture
def servers_folder():
    """Where the account of the server may write and users may not, beside the homes."""
    folder = f"/home/wbt{os.getpid()}server"
    os.mkdir(folder, mode=0o700)
    os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    yield folder
    shutil.rmtree(folder)


def test_a_users_links_lead_nowhere(accounts_server, account, servers_folder):
    """Below a home none is followed; in its place it is, with the rights of its owner alone."""
    a = account()
    own = a.home + "/own"
    os.mkdir(own)
    os.chown(own, a.uid, a.gid)
    os.symlink(own, a.home + "/Maildir")
    s = accounts_server(user="nobody")
    send(s, a)
    s.wait_log("key=mailbox-misconfigured")
    assert os.listdir(own) == []
    shutil.rmtree(a.home)
    os.symlink(servers_folder, a.home)
    before = len(s.log())
    send(s, a)
    s.wait_log("Permission denied.*key=mailbox-misconfigured", since=before)
    assert os.listdir(servers_folder) == []


def test_at_rcpt_the_mailbox_is_looked_at_as_its_owner(accounts_server, account):
    """Full by its own quota, in a home that the server's account cannot look into."""
    a = account()
    s = accounts_server(user="nobody")
    mark = send(s, a)
    until(lambda: mark in a.run("cat", f"{a.home}/Maildir/new/*").stdout, "the first")
    with open(a.home + "/Maildir/maildirsize", "w") as f:
        f.write("100S\n99 1\n")
    os.chown(a.home + "/Maildir/maildirsize", a.uid, a.gid)
    assert rcpt_code(s, address(a)) == 452


@pytest.mark.parametrize("user", [None, "nobody"])
def test_what_the_delivery_role_keeps(accounts_server, user):
    """Two capabilities while there are such domains, no group and its own uid; other roles and other servers none."""
    s = accounts_server(user=user)
    two = f"{(1 << 6) | (1 << 7):016x}"
    own = pwd.getpwnam(user or "root")
    pid, = s.roles("delivery")
    assert status_field(pid, "CapEff") == status_field(pid, "CapPrm") == two
    assert status_field(pid, "Groups") == ""
    assert status_field(pid, "Uid").split() == [str(own.pw_uid)] * 4
    assert status_field(pid, "Gid").split() == [str(own.pw_gid)] * 4
    for name in ("policy", "queue", "relay", "smtpd", "console"):
        for other in s.roles(name):
            assert int(status_field(other, "CapEff"), 16) == int(status_field(other, "CapPrm"), 16) == 0, name
    os.chown(s.dir + "/mail", own.pw_uid, own.pw_gid)
    s.reconfigure(top={"user": f'"{user or ""}"'})
    assert s.tool("reload").returncode == 0
    until(lambda: [p for p in s.roles("delivery") if p != pid and int(status_field(p, "CapPrm"), 16) == 0],
          "a delivery role without them")
    until_code(s, "alice@example.org", 250)  # the policy role is new as well
    mark = token()
    s.deliver(message(mark)).is_(250)
    s.mail("alice", mark)


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
    s = nobodys_server("+setuid,+setgid", **{'domain "program.test"': {"mailboxes": '"command:/bin/true"',
                                                                      "users": '"file:/dev/null"'}})
    mark = send(s, a)
    until(lambda: mark in a.run("cat", "~/Maildir/new/*").stdout, "the account reads it")
    assert owners_below(a.home + "/Maildir") == {(a.uid, a.gid)}
    assert "CAP_SETUID" not in s.log()
    for name in s.role_names() - {"delivery"}:
        assert int(status_field(s.roles(name)[0], "CapPrm"), 16) == 0, name
    assert "runner" in s.role_names()


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
