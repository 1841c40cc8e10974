# SPDX-License-Identifier: Apache-2.0
"""Users, aliases and domains that are asked for: SQLite, PostgreSQL, LDAP, the accounts of the system.

Servers are real; they are frozen, killed and started again in the middle of sessions. "Unknown" is said only
when somebody who knows said so.
"""
import contextlib
import os
import re
import sqlite3
import time

import pytest

from harness.conf import write
from harness.databases import Database, Pgbouncer, Postgres, Slapd
from harness.deadline import until
from harness.liar import Liar
from harness.server import TOP, message, token
from test_directory import rcpt_code, until_code

TIMEOUT = 2.0
HURRY = TIMEOUT * 0.75

TABLES = """
CREATE TABLE users (name text, domain text, state text);
CREATE TABLE aliases (address text, target text);
CREATE TABLE domains (name text);
INSERT INTO users VALUES ('alice', 'example.org', NULL), ('bob', 'example.org', ''), ('carol', 'example.org', 'disabled'),
    ('dave', 'example.org', 'moved=dave@elsewhere.test'), ('fred', 'example.org', NULL),
    ('gina', 'example.org', 'copy-to=alice@hosted.test'), ('hugo', 'example.org', 'forward=gina, bob'),
    ('alice', 'hosted.test', NULL), ('root', 'hosted.test', NULL);
INSERT INTO aliases VALUES ('team@example.org', 'alice'), ('team@example.org', 'bob@example.org, alice@hosted.test'),
    ('fred@example.org', 'fred'), ('fred@example.org', 'bob'), ('none@example.org', NULL),
    ('odd@example.org', 'not an address'), ('odd@example.org', 'bob'), ('wrong@example.org', 'not an address'),
    ('huge@example.org', 'HUGE');
INSERT INTO domains VALUES ('hosted.test');
"""
QUERIES = {
    "users": '"SELECT name, state FROM users WHERE name = {user} AND domain = {domain}"',
    "aliases": '"SELECT target FROM aliases WHERE address = {address}"',
    "domains": '"SELECT name FROM domains WHERE name = {domain}"',
}
LDIF = """\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: x
dc: example

""" + "".join(f"""\
dn: uid={user},dc=example,dc=org
objectClass: inetOrgPerson
objectClass: domainRelatedObject
associatedDomain: {domain}
uid: {user}-{domain}
mail: {user}@{domain}
cn: {user}
sn: {user}
{more}
""" for user, domain, more in [("alice", "example.org", "mail: a.l@example.org\n"), ("bob", "example.org", ""), ("fred", "example.org", ""),
                                ("carol", "example.org", "employeeType: disabled\n"),
                                ("dave", "example.org", "employeeType: moved=dave@elsewhere.test\n"),
                                ("gina", "example.org", "employeeType: copy-to=alice@hosted.test\n"),
                                ("hugo", "example.org", "employeeType: forward=gina, bob\n")]) + """\
dn: cn=hosted,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: domainRelatedObject
cn: hosted
sn: hosted
mail: alice@hosted.test
associatedDomain: hosted.test

""" + "".join(f"""\
dn: cn={name}-alias,dc=example,dc=org
objectClass: nisMailAlias
cn: {name}@example.org
{members}
""" for name, members in [("team", "rfc822MailMember: alice\nrfc822MailMember: bob@example.org, alice@hosted.test\n"),
                          ("fred", "rfc822MailMember: fred\nrfc822MailMember: bob\n"),
                          ("odd", "rfc822MailMember: not an address\nrfc822MailMember: bob\n"),
                          ("wrong", "rfc822MailMember: not an address\n")])
SEARCHES = {
    "users": '"dc=example,dc=org?employeeType?sub?(mail={address})"',
    "aliases": '"dc=example,dc=org?rfc822MailMember?sub?(&(objectClass=nisMailAlias)(cn={address}))"',
    "domains": '"dc=example,dc=org??sub?(associatedDomain={domain})"',
}


class Sqlite:
    """Stands where a server would."""

    def __init__(self, folder):
        self.path = os.path.join(str(folder), "mail.db")
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            db.executescript(TABLES)

    def start(self):
        return self

    def kill(self):
        pass

    def run(self, sql):
        with contextlib.closing(sqlite3.connect(self.path)) as db, db:
            return db.execute(sql).fetchall()


def source_of(kind, folder):
    if kind == "sqlite":
        source = Sqlite(folder)
        return source, {"file": f'"{source.path}"', **QUERIES}
    password = os.path.join(str(folder), "password")
    write(password, Database.SECRET + "\nnot this line\n")
    if kind == "pgsql":
        source = Postgres(folder, TABLES)
        return source, {"connection": f'"{source.server}"', "password-file": f'"{password}"', **QUERIES}
    source = Slapd(folder, LDIF)
    return source, {"server": f'"{source.server}"', "login": f'"{source.LOGIN}"', "password-file": f'"{password}"', **SEARCHES}


class Asked:
    """A server whose users, aliases and further domains one source knows."""

    def __init__(self, make, tmp_path, kind, more=None, sections=None, **changes):
        self.kind = kind
        self.source, settings = source_of(kind, tmp_path)
        self.source.start()
        settings |= {"timeout": f'"{int(TIMEOUT * 1000)}ms"', "cache": '"0s"'} | (more or {})
        table = f'"{kind}:mail"'
        self.server = make(start=False)
        self.sections = {
            "domain": {"users": table, "aliases": table},
            'domain "*"': {"mailboxes": f'"maildir:{self.server.dir}/mail/{{domain}}/{{user}}"', "users": table,
                           "aliases": table, "domains": table},
            f'{kind} "mail"': settings, "queue": {"retry": '{"1s"}'}, **(sections or {})}
        self.server.reconfigure(sections=self.sections, **changes)
        try:
            self.server.start()
        except BaseException:
            self.source.kill()
            raise


@pytest.fixture
def asked(server, tmp_path):
    made = []

    def make(kind, **more):
        made.append(Asked(server, tmp_path, kind, **more))
        return made[-1]
    try:
        yield make
    finally:
        for one in made:
            one.source.kill()


KINDS = ["sqlite", "pgsql", "ldap"]


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_there_and_who_is_not(asked, kind):
    """Users, their states, aliases, domains without a section; and what strangers write stays a value."""
    s = asked(kind).server
    codes = {
        "alice@example.org": 250, "ALICE@Example.ORG": 250, "alice+news@example.org": 250, "bob@example.org": 250,
        "team@example.org": 250, "carol@example.org": 450, "dave@example.org": 551, "nobody@example.org": 550,
        "alice@hosted.test": 250, "nobody@hosted.test": 550, "alice@foreign.test": 550, "postmaster@hosted.test": 250,
        "postmaster@example.org": 250, "postmaster": 250, "odd@example.org": 250, "wrong@example.org": 451,
        '"x\' OR \'1\'=\'1"@example.org': 550, '"*"@example.org': 550, '"al*"@example.org': 550, '"%"@example.org': 550,
        '"x)(uid=*"@example.org': 550, '"alice\' --"@example.org': 550, '"; DROP TABLE users; --"@example.org': 550,
        '"../../etc"@example.org': 550,
    }
    with s.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        said = {address: c.cmd(f"RCPT TO:<{address}>").code for address in codes}
    assert said == codes
    s.wait_log(r'ev=directory-problem .*odd@example\.org: not an address')


@pytest.mark.parametrize("kind", KINDS)
def test_mail_finds_its_way(asked, kind):
    """To mailboxes of every domain, to an alias's members, and on from users who have it forwarded."""
    s = asked(kind).server
    mark, forwarded = token(), token()
    s.deliver(message(forwarded), ["hugo@example.org"]).is_(250)
    s.mail("alice", forwarded, domain="hosted.test")
    s.mail("gina", forwarded)
    s.mail("bob", forwarded)
    s.settled()
    assert not s.mails("hugo", forwarded)
    s.deliver(message(mark), ["team@example.org", "fred@example.org", "postmaster"]).is_(250)
    s.mail("alice", mark)
    s.mail("bob", mark)
    s.mail("fred", mark)
    s.mail("alice", mark, domain="hosted.test")
    s.settled()
    with s.client(source="127.0.0.2") as c:
        c.cmd("VRFY alice@hosted.test").is_(250)
        c.cmd("VRFY nobody@hosted.test").is_(550)
        assert "bob@example.org" in c.cmd("EXPN team@example.org").is_(250).text
    shown = s.tool("mailbox", "show", "fred@example.org")
    assert shown.returncode == 0 and "alias for fred@example.org, bob@example.org" in shown.stdout, shown
    assert s.tool("mailbox", "show", "nobody@hosted.test").returncode == 1
    assert "switched off for now" in s.tool("mailbox", "show", "carol@example.org").stdout
    listed = s.tool("user", "list")
    assert listed.returncode == 1 and f'{kind} "mail"' in listed.stderr


def test_an_alias_that_is_asked_for_is_as_its_one_mailbox(asked):
    """Where a catch-all takes every name, no source is asked for that: it would take time."""
    a = asked("sqlite")
    s = a.server
    a.source.run("INSERT INTO aliases VALUES ('late@example.org', 'away@example.org'), ('away@example.org', 'carol'), "
                 "('far@example.org', 'away@example.org'), ('none-there@hosted.test', 'nobody@example.org')")
    for address, code in (("late@example.org", 450), ("away@example.org", 450), ("none-there@hosted.test", 550)):
        assert rcpt_code(s, address) == code, address
    assert s.tool("mailbox", "show", "late@example.org").returncode == 1
    a.sections["domain"]["catch-all"] = '"bob@example.org"'
    s.reconfigure(sections=a.sections)
    assert s.tool("reload").returncode == 0
    until_code(s, "nobody@example.org", 250)
    assert (rcpt_code(s, "carol@example.org"), rcpt_code(s, "late@example.org")) == (450, 250)


SERVERS = [(kind, how) for kind in ("pgsql", "ldap") for how in ("killed", "frozen")]


@pytest.mark.parametrize("kind,how", SERVERS)
def test_a_server_that_goes_away_in_the_middle_of_a_session(asked, kind, how):
    """451 4.3.0 and never "unknown"; soon at once; queued mail waits; all goes on when it is back."""
    a = asked(kind)
    s, mark = a.server, token()
    with s.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(250)
        a.source.freeze() if how == "frozen" else a.source.kill()
        begin = time.monotonic()
        for address in ("bob@example.org", "nobody@example.org", "alice@hosted.test", "x@foreign.test"):
            c.cmd(f"RCPT TO:<{address}>").is_(451, "4.3.0")
        assert time.monotonic() - begin < TIMEOUT * 3, "one wait, not one for each"
        begin = time.monotonic()
        c.cmd("RCPT TO:<nobody@example.org>").is_(451, "4.3.0")
        assert time.monotonic() - begin < HURRY
        c.data(message(mark)).is_(250)
    s.wait_log(rf'ev=source-down severity=operator .*{kind} \\"mail\\"')
    down, = s.status()["directories_down"]
    assert down["name"] == f'{kind} "mail"' and down["why"], down
    assert "directory down: " in s.tool("status").stdout
    s.wait_log(r"key=directory-unavailable")
    assert s.queued() == 1
    with s.client(source="127.0.0.2") as c:
        c.cmd("VRFY alice@example.org").is_(451)
    a.source.thaw() if how == "frozen" else a.source.start()
    until_code(s, "bob@example.org", 250)
    until_code(s, "nobody@example.org", 550)
    s.mail("alice", mark)
    s.settled()
    until(lambda: s.status()["directories_down"] == [], "status knows that it is back")
    s.wait_log(r"ev=source-up")


@pytest.mark.parametrize("kind", ["pgsql", "ldap"])
def test_a_server_that_was_started_anew_between_two_recipients(asked, kind):
    """The old connections are useless, and nobody sees that."""
    a = asked(kind)
    with a.server.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<alice@example.org>").is_(250)
        a.source.kill()
        a.source.start()
        c.cmd("RCPT TO:<bob@example.org>").is_(250)
        c.cmd("RCPT TO:<nobody@example.org>").is_(550)
    assert "source-down" not in a.server.log()


@pytest.mark.parametrize("kind", ["pgsql", "ldap"])
def test_a_server_that_is_not_there_at_the_start(asked, kind):
    """Waybill starts all the same, and finds it later. No secret is told."""
    a = asked(kind)
    s = a.server
    s.stop()
    a.source.kill()
    s.start()
    assert rcpt_code(s, "nobody@example.org") == 451
    a.source.start()
    until_code(s, "nobody@example.org", 550)
    assert Database.SECRET not in s.log()
    assert Database.SECRET not in s.tool("check", "config").stdout + s.tool("status").stdout


def test_many_clients_wait_for_a_frozen_server_and_the_others_do_not(asked, tmp_path):
    """While questions hang, domains with files or another database are answered at once."""
    lite = os.path.join(str(tmp_path), "lite.db")
    with contextlib.closing(sqlite3.connect(lite)) as db:
        db.executescript("CREATE TABLE users (name text); INSERT INTO users VALUES ('lilly')")
    filed = os.path.join(str(tmp_path), "filed")
    write(filed, "zoe\n")
    a = asked("pgsql", sections={
        'domain "filed.test"': {"mailboxes": '"maildir:/nowhere/{user}"', "users": f'"file:{filed}"'},
        'domain "lite.test"': {"mailboxes": '"maildir:/nowhere/{user}"', "users": '"sqlite:lite"'},
        'sqlite "lite"': {"file": f'"{lite}"', "users": '"SELECT name FROM users WHERE name = {user}"'}})
    s = a.server
    a.source.freeze()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(s.client()) for _ in range(20)]
        for c in clients:
            c.cmd("MAIL FROM:<a@b.test>").is_(250)
            c.send(b"RCPT TO:<alice@example.org>\r\n")
        begin = time.monotonic()
        for address, code in [("zoe@filed.test", 250), ("nobody@filed.test", 550), ("lilly@lite.test", 250),
                              ("nobody@lite.test", 550)]:
            assert rcpt_code(s, address) == code
        assert time.monotonic() - begin < HURRY
        for c in clients:
            c.reply().is_(451, "4.3.0")
        assert time.monotonic() - begin < TIMEOUT * 4
    a.source.thaw()
    until_code(s, "alice@example.org", 250)


def test_the_end_does_not_wait_for_a_question_that_hangs(asked):
    """A stop while threads wait is clean."""
    a = asked("pgsql", more={"timeout": '"1m"'})
    a.source.freeze()
    with a.server.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.send(b"RCPT TO:<alice@example.org>\r\n")
        until(lambda: a.source.family(), "the question is out")
        a.server.stop()
    a.source.thaw()


def test_a_database_that_lies(asked):
    """Too many rows, huge texts, errors about one name: that name waits, the others do not."""
    a = asked("pgsql", more={
        "users": '"SELECT name FROM users WHERE name = {user} AND domain = {domain} AND 1 / (length({user}::text) - 5) IS NOT NULL"',
        "aliases": '"SELECT CASE WHEN target = \'HUGE\' THEN repeat(\'x\', 20000000) ELSE target END FROM aliases, '
                   'generate_series(1, CASE WHEN {address}::text = \'many@example.org\' THEN 100000 ELSE 1 END) '
                   'WHERE address = {address}"'})
    a.source.run("INSERT INTO aliases VALUES ('many@example.org', 'bob')")
    s = a.server
    for address, code in [("huge@example.org", 451), ("many@example.org", 451), ("fifth@example.org", 451),
                          ("bob@example.org", 250), ("nobody@example.org", 550)]:
        assert rcpt_code(s, address) == code, address
    assert s.status()["directories_down"] == []


def test_rows_that_say_no_and_rows_too_many(asked):
    """NULL, false and 0 are no; a second row about a user is not looked at; a column that is missing is no "unknown"."""
    a = asked("pgsql", more={
        "users": '"SELECT CASE name WHEN \'null\' THEN NULL WHEN \'zero\' THEN 0 ELSE 1 END, state FROM users '
                 'WHERE name = {user} AND domain = {domain} ORDER BY state DESC NULLS LAST"'})
    a.source.run("INSERT INTO users VALUES ('null', 'example.org', ''), ('zero', 'example.org', ''), "
                 "('twice', 'example.org', ''), ('twice', 'example.org', 'disabled'), ('dozing', 'example.org', 'asleep'), "
                 "('long', 'example.org', repeat('x', 100000)), ('bytes', 'example.org', E'a\\x01b')")
    s = a.server
    for address, code in [("null@example.org", 550), ("zero@example.org", 550), ("twice@example.org", 450),
                          ("dozing@example.org", 451), ("long@example.org", 451), ("bytes@example.org", 451),
                          ("bob@example.org", 250)]:
        assert rcpt_code(s, address) == code, address
    a.source.run("ALTER TABLE users RENAME COLUMN state TO condition")
    assert [rcpt_code(s, f"{user}@example.org") for user in ("bob", "nobody")] == [451, 451]
    a.source.run("ALTER TABLE users RENAME COLUMN condition TO state")
    until_code(s, "bob@example.org", 250)
    until_code(s, "nobody@example.org", 550)


@pytest.mark.parametrize("whole", [True, False])
def test_a_database_that_dies_in_the_middle_of_a_question(asked, whole):
    """The server; or the one process of it that was about to answer, then another one is asked."""
    a = asked("pgsql", more={"users": '"SELECT name, pg_sleep(0.4)::text FROM users WHERE name = {user} '
                                      'AND domain = {domain}"'})
    s, mark = a.server, token()
    with s.client() as c:
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.send(b"RCPT TO:<alice@example.org>\r\n")
        running = "FROM pg_stat_activity WHERE usename = 'waybill' AND state = 'active'"
        until(lambda: a.source.run(f"SELECT pid {running}"), "the question is being answered")
        if whole:
            a.source.kill()
            c.reply().is_(451, "4.3.0")
            a.source.start()
        else:
            a.source.run(f"SELECT pg_terminate_backend(pid) {running}")
            c.reply().is_(250)
        until_code(s, "alice@example.org", 250)
        c.cmd("RCPT TO:<alice@example.org>").is_(250)
        c.data(message(mark)).is_(250)
    s.mail("alice", mark)
    s.settled()


LIES = {"silence": {}, "end": {"hold": False}, "nonsense": {"words": bytes(range(256)) * 40},
        "zeros": {"words": bytes(65536), "endless": True},
        "pgsql-huge": {"words": b"R\x7f\xff\xff\xff" + b"x" * 1000},
        "pgsql-endless": {"words": b"N\x00\x00\x00\x08Sx\x00\x00", "endless": True},
        "ldap-huge": {"words": b"0\x84\x7f\xff\xff\xff" + b"x" * 1000},
        "ldap-other": {"words": b"0\x0c\x02\x01\x63\x61\x07\x0a\x01\x00\x04\x00\x04\x00", "endless": True}}


@pytest.mark.parametrize("kind", ["pgsql", "ldap"])
@pytest.mark.parametrize("lie", LIES)
def test_a_server_that_speaks_nonsense(server, kind, lie):
    """It is down, for everybody who asks it; policy lives on, and others are answered."""
    with Liar(**LIES[lie]) as liar:
        where = {"pgsql": {"connection": f'"host=127.0.0.1 port={liar.port} sslmode=disable"', "users": QUERIES["users"]},
                 "ldap": {"server": f'"ldap://127.0.0.1:{liar.port}"', "users": SEARCHES["users"]}}[kind]
        s = server(sections={f'{kind} "mail"': where | {"timeout": f'"{int(TIMEOUT * 1000)}ms"'},
                             'domain "asked.test"': {"mailboxes": '"maildir:/nowhere/{user}"', "users": f'"{kind}:mail"'}})
        pid = s.roles("policy")
        begin = time.monotonic()
        assert rcpt_code(s, "alice@asked.test") == 451
        assert time.monotonic() - begin < TIMEOUT * 2.5
        assert rcpt_code(s, "alice@example.org") == 250
        assert s.roles("policy") == pid


def test_a_pooler_before_the_database(asked, tmp_path):
    """Connections that share servers, and new ones to servers that others have used; a server that goes is no end."""
    a = asked("pgsql")
    s = a.server
    with Pgbouncer(tmp_path, a.source).start() as pooler:
        a.sections['pgsql "mail"'] |= {"connection": f'"{pooler.server}"'}
        s.reconfigure(sections=a.sections)
        s.stop()
        for _ in range(3):
            s.start()
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(s.client()) for _ in range(8)]
                for i, c in enumerate(clients):
                    c.cmd("MAIL FROM:<a@b.test>").is_(250)
                    c.send(b"RCPT TO:<alice+%d@example.org>\r\nRCPT TO:<alice%d@hosted.test>\r\n" % (i, i))
                for c in clients:
                    c.reply().is_(250)
                    c.reply().is_(550)
            a.source.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'waybill'")
            assert rcpt_code(s, "bob@example.org") == 250
            s.stop()
    assert "source-down" not in s.log()


NAMING = {
    "sqlite": '"SELECT 1, state, name FROM users WHERE trim({user}) IN (name, replace(name, \'alice\', \'a.l\')) '
              'AND domain = {domain}"',
    "ldap": '"dc=example,dc=org?employeeType,sn?sub?(mail={address})"'}
NAMING["pgsql"] = NAMING["sqlite"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_person_with_several_addresses_has_one_mailbox(asked, kind):
    """The directory names it; what a stranger writes, and the directory finds all the same, makes none."""
    s = asked(kind, more={"users": NAMING[kind]}).server
    mark = token()
    s.deliver(message(mark), ["a.l@example.org"]).is_(250)
    s.mail("alice", mark)
    other = token()
    s.deliver(message(other), ['" alice"@example.org']).is_(250)
    s.mail("alice", other)
    codes = {"carol@example.org": 450, "bob@example.org": 250, "nobody@example.org": 550}
    assert {address: rcpt_code(s, address) for address in codes} == codes
    assert os.listdir(os.path.dirname(s.maildir("alice"))) == ["alice"]


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_found_in_another_spelling_make_no_mailboxes(asked, kind):
    """Where the directory does not name the mailbox: blanks, and in LDAP letter case as well."""
    users = SEARCHES["users"] if kind == "ldap" else \
        '"SELECT name, state FROM users WHERE name = lower(trim(replace({user}, \'  \', \' \'))) AND domain = {domain}"'
    a = asked(kind, more={"users": users})
    s = a.server
    for name in ("alice", "ALICE"):
        assert rcpt_code(s, f"{name}@example.org") == 250, name
    for name in ('" alice"', '"alice "', '" alice "'):
        assert rcpt_code(s, f"{name}@example.org") == 550, name
    a.sections["domain"] |= {"local-parts": '"exact"'}
    s.reconfigure(sections=a.sections)
    s.stop()
    s.start()
    for name, code in [("alice", 250), ("ALICE", 550), ("Alice", 550), ('" alice"', 550)]:
        assert rcpt_code(s, f"{name}@example.org") == code, name


@pytest.mark.parametrize("kind", ["pgsql", "ldap"])
def test_the_first_of_two_servers_hangs(asked, kind):
    """The second is asked in the same question, and first from then on; and the first again when the second hangs."""
    a = asked(kind)
    s = a.server
    with Liar() as liar:
        where, ports = {
            "pgsql": ("connection", "host=127.0.0.1,127.0.0.1 port={},{} dbname=mail user=waybill connect_timeout=30"),
            "ldap": ("server", "ldap://127.0.0.1:{} ldap://127.0.0.1:{}")}[kind]
        a.sections[f'{kind} "mail"'] |= {where: f'"{ports.format(liar.port, a.source.port)}"'}
        s.reconfigure(sections=a.sections)
        s.stop()
        s.start()
        assert [rcpt_code(s, f"{user}@example.org") for user in ("bob", "nobody")] == [250, 550]
        begin = time.monotonic()
        assert rcpt_code(s, "alice@example.org") == 250
        assert time.monotonic() - begin < TIMEOUT / 2, "the one that hangs was not tried again"
        assert "source-down" not in s.log()
        s.stop()
        a.sections[f'{kind} "mail"'] |= {where: f'"{ports.format(a.source.port, liar.port)}"'}
        s.reconfigure(sections=a.sections)
        s.start()
        with contextlib.ExitStack() as stack:  # several connections
            clients = [stack.enter_context(s.client()) for _ in range(8)]
            for c in clients:
                c.cmd("MAIL FROM:<a@b.test>").is_(250)
                c.send(b"RCPT TO:<alice@example.org>\r\n")
            assert [c.reply().code for c in clients] == [250] * 8
        a.source.freeze()
        until_code(s, "alice@example.org", 451)
        a.source.thaw()
        until_code(s, "alice@example.org", 250)


GROUPS = f"""\
dn: {Slapd.READER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: {Database.SECRET}

""" + "".join(f"""\
dn: uid=member{i},dc=example,dc=org
objectClass: account
uid: member{i}
host: {group}@example.org
l: m{i}@elsewhere.test

""" for group, members in (("big", range(250)), ("huge", range(250, 10500))) for i in members)


def test_a_group_in_ldap_that_is_larger_than_one_answer_of_the_server(asked, monkeypatch):
    """It comes in pages; beyond what is taken, the alias is too large, and nothing about it is "right now"."""
    monkeypatch.setitem(globals(), "LDIF", LDIF + GROUPS)
    s = asked("ldap", more={"login": f'"{Slapd.READER}"', "aliases": '"dc=example,dc=org?l?sub?(host={address})"',
                            "timeout": '"30s"'}).server
    with s.client(source="127.0.0.2") as c:
        said = c.cmd("EXPN big@example.org").is_(250).text
        assert said.count("@elsewhere.test") == 250
        c.cmd("EXPN huge@example.org").is_(252)
        c.cmd("MAIL FROM:<a@b.test>").is_(250)
        c.cmd("RCPT TO:<big@example.org>").is_(250)
        c.cmd("RCPT TO:<huge@example.org>").is_(451, "4.3.5")
        c.cmd("RCPT TO:<alice@example.org>").is_(250)
    s.wait_log(r"key=alias-too-large")
    shown = s.tool("mailbox", "show", "huge@example.org")
    assert shown.returncode == 1 and "is an alias for more addresses than are taken" in shown.stdout, shown


def test_all_domains_in_a_database_and_the_postmaster_too(asked):
    """No domain has a section; postmaster's is looked up when it is asked for, and is the first domain."""
    a = asked("sqlite")
    s, mark = a.server, token()
    a.source.run("INSERT INTO domains VALUES ('example.org')")
    s.stop()
    s.reconfigure(sections=a.sections)
    with open(s.conf, encoding="utf-8") as f:
        text = f.read()
    alone = re.sub(r'domain "example\.org" \{.*?\n\}\n', "", text, flags=re.DOTALL)
    assert alone != text
    write(s.conf, alone)
    checked = s.tool("check", "config")
    assert checked.returncode == 0 and 'postmaster: "example.org" has no section here' in checked.stdout, checked
    s.start()
    for address in ("postmaster", "postmaster@hosted.test", "postmaster@example.org"):
        assert rcpt_code(s, address) == 250, address
    s.deliver(message(mark), ["postmaster"]).is_(250)
    s.mail("alice", mark)
    s.settled()


def test_rows_for_whole_domains_by_the_query_that_the_handbook_shows(asked):
    """As PostfixAdmin has them: the key is @domain, and it counts for names that nobody has."""
    with open(os.path.join(TOP, "docs", "directories.md"), encoding="utf-8") as f:
        query = " ".join(re.search(r"\n      (SELECT goto .*?\)\)\)\)\n)", f.read(), re.DOTALL).group(1).split())
    a = asked("pgsql", more={"users": '"SELECT 1 FROM mailbox WHERE username = {address} AND active"',
                             "aliases": f'"{query}"'})
    a.source.run("CREATE TABLE mailbox (username varchar(255), active boolean);"
                 "CREATE TABLE alias (address varchar(255), goto text, active boolean);"
                 "INSERT INTO mailbox VALUES ('alice@example.org', true), ('bob@example.org', true);"
                 "INSERT INTO alias VALUES ('@example.org', 'bob@example.org', true), ('team@example.org', "
                 "'alice@example.org', true);"
                 "GRANT SELECT ON mailbox, alias TO waybill")
    until_code(a.server, "alice@example.org", 250)
    for user, box in [("alice", "alice"), ("alice+news", "alice"), ("team", "alice"), ("team+x", "alice"),
                      ("nobody", "bob"), ("nobody+x", "bob")]:
        mark = token()
        a.server.deliver(message(mark), [f"{user}@example.org"]).is_(250)
        a.server.mail(box, mark)
    assert rcpt_code(a.server, "nobody@hosted.test") == 550


@pytest.mark.parametrize("kind", ["pgsql", "ldap"])
def test_a_query_that_is_refused_is_shown_until_it_is_not(asked, kind):
    """A right or an entry is missing: said once and shown, though the other questions are answered."""
    wrong = {"ldap": {"users": SEARCHES["users"].replace("dc=example", "ou=nowhere,dc=example")}}.get(kind)
    a = asked(kind, more=wrong)
    s = a.server
    if kind == "pgsql":
        a.source.run("REVOKE SELECT ON users FROM waybill")
    for _ in range(3):
        assert [rcpt_code(s, f"{user}@example.org") for user in ("bob", "team", "nobody")] == [451, 250, 451]
    s.wait_log(rf'ev=source-refuses .*{kind} \\"mail\\": users: ')
    down, = s.status()["directories_down"]
    assert down["name"] == f'{kind} "mail"' and down["why"].startswith("users: "), down
    assert len(re.findall("ev=source-refuses", s.log())) == 1 and "source-up" not in s.log()
    if kind == "pgsql":
        a.source.run("GRANT SELECT ON users TO waybill")
        until_code(s, "bob@example.org", 250)
        until(lambda: s.status()["directories_down"] == [], "status knows that it is answered")


def test_queries_that_are_wrong_are_said(asked):
    """With what the database says about them; nobody becomes unknown."""
    s = asked("pgsql", more={"users": '"SELECT name FROM nowhere WHERE name = {user}"'}).server
    assert rcpt_code(s, "nobody@example.org") == 451
    s.wait_log(r'source-refuses .*users: .*relation \\"nowhere\\" does not exist')


def test_a_query_that_fails_for_one_name_is_the_operators(asked):
    """The directory is not down for it; and a name that the database has no letters for is nobody's there."""
    a = asked("pgsql")
    a.source.run("CREATE TABLE numbers (uid integer); INSERT INTO numbers VALUES (7);GRANT SELECT ON numbers TO waybill")
    a.source.run("CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0", database="postgres")
    a.source.run("CREATE TABLE names (uid text); INSERT INTO names VALUES ('j' || chr(246) || 'rg');"
                 "GRANT SELECT ON names TO waybill", database="latin")
    settings = a.sections['pgsql "mail"']
    for name, query, database in (("int", "SELECT 1 FROM numbers WHERE uid = {user}", "mail"),
                                  ("pg", "SELECT 1 FROM names WHERE uid = {user}", "latin")):
        connection = settings["connection"].replace("dbname=mail", f"dbname={database}")
        a.sections[f'pgsql "{name}"'] = {key: settings[key] for key in ("password-file", "timeout", "cache")} | {
            "connection": connection, "users": f'"{query}"'}
        a.sections[f'domain "{name}.test"'] = {"mailboxes": '"maildir:/nowhere/{user}"', "users": f'"pgsql:{name}"'}
    s = a.server
    s.reconfigure(sections=a.sections)
    assert s.tool("reload").returncode == 0
    until_code(s, "7@int.test", 250)
    assert rcpt_code(s, "8@int.test") == 550
    assert rcpt_code(s, "abc@int.test") == 451
    s.wait_log(r'ev=directory-problem severity=operator .*abc@int\.test: pgsql \\"int\\": .*invalid input syntax.*mail waits')
    with s.client("127.0.0.2") as c:
        c.cmd("MAIL FROM:<a@b.test> SMTPUTF8").is_(250)
        c.cmd("RCPT TO:<jörg@pg.test>").is_(250)
        c.cmd("RCPT TO:<字@pg.test>").is_(550, "5.1.1")
    assert not s.status()["directories_down"] and "source-down" not in s.log()


def test_answers_are_used_again_for_a_moment(asked):
    """And no longer."""
    a = asked("sqlite", more={"cache": '"1s"'})
    assert rcpt_code(a.server, "erin@example.org") == 550
    a.source.run("INSERT INTO users VALUES ('erin', 'example.org', NULL)")
    until_code(a.server, "erin@example.org", 250)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_sqlite_is_read_in_its_sandbox_while_others_write(asked, mode):
    """Also a database in WAL mode that nobody has open, whose helper files a reader cannot make."""
    a = asked("sqlite")
    a.source.run(f"PRAGMA journal_mode = {mode}")
    assert rcpt_code(a.server, "alice@example.org") == 250
    for i in range(3):
        a.source.run(f"INSERT INTO users VALUES ('new{i}', 'example.org', NULL)")
        until_code(a.server, f"new{i}@example.org", 250)
    with contextlib.closing(sqlite3.connect(a.source.path)) as db:
        db.execute("INSERT INTO users VALUES ('open', 'example.org', NULL)")
        db.commit()
        until_code(a.server, "open@example.org", 250)
    until_code(a.server, "open@example.org", 250)
    assert rcpt_code(a.server, "nobody@example.org") == 550


def test_a_locked_sqlite_database_is_no_answer(asked):
    """A writer that never ends."""
    a = asked("sqlite")
    with contextlib.closing(sqlite3.connect(a.source.path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        assert rcpt_code(a.server, "nobody@example.org") == 451
        db.execute("COMMIT")
    until_code(a.server, "nobody@example.org", 550)


def test_a_reload_brings_another_source_and_another_password(asked):
    """policy gets a new process; a password file that changes is read again without a reload."""
    a = asked("pgsql")
    s = a.server
    pid, = s.roles("policy")
    write(s.conf + ".password", "wrong\n")
    settings = a.sections['pgsql "mail"']
    a.sections['pgsql "mail"'] = settings | {"password-file": f'"{s.conf}.password"'}
    s.reconfigure(sections=a.sections)
    assert s.tool("reload").returncode == 0
    until_code(s, "alice@example.org", 451)  # maybe because the old process went just then
    until(lambda: rcpt_code(s, "alice@example.org") == 451
          and re.search(r"source-down .*password authentication failed", s.log()), "the password is wrong")
    write(s.conf + ".password", Database.SECRET + "\n")
    until_code(s, "alice@example.org", 250)
    assert s.roles("policy") != [pid]


def test_the_systems_accounts(server):
    """Of people; services, nobody and root have no mailboxes, and an alias goes before (test_accounts.py delivers)."""
    s = server(sections={"domain": {"users": '"system:"'}})
    for user, code in [("root", 550), ("daemon", 550), ("nobody", 550), ("no-such-account", 550)]:
        assert rcpt_code(s, f"{user}@example.org") == code, user
    assert rcpt_code(s, "team@example.org") == 250


def test_a_catch_all_gets_what_nobody_has(server):
    """With files as well; users and aliases come first."""
    s = server(sections={"domain": {"catch-all": '"bob@example.org"'}})
    mark = token()
    s.deliver(message(mark), ["anybody@example.org", "alice@example.org"]).is_(250)
    s.mail("bob", mark)
    s.mail("alice", mark)
    s.settled()
    assert len(s.mails("bob", mark)) == 1


@pytest.mark.parametrize("settings,words", [
    ({"domain": {"users": '"pgsql:accounts"'}}, r'there is no section pgsql "accounts"; write one'),
    ({"domain": {"users": '"sqlite:/var/lib/mail.db"'}}, r"does not name a section"),
    ({"domain": {"users": '"mysql:x"'}}, r"is not a table; write file:/path, sqlite:NAME, pgsql:NAME, ldap:NAME or system:"),
    ({"domain": {"aliases": '"system:"'}}, r"system: knows users alone"),
    ({"domain": {"mailboxes": '"maildir:{home}/Maildir"'}}, r"mailboxes: only accounts of the system have a \{home\}"),
    ({"domain": {"users": '"pgsql:m"'}, 'pgsql "m"': {"connection": '"host=x password=secret"'}}, r"connection: the value holds a password"),
    ({"domain": {"users": '"pgsql:m"'}, 'pgsql "m"': {"connection": '"postgresql://u:secret@x/d"'}}, r"connection: the value holds a password"),
    ({"domain": {"users": '"pgsql:m"'}, 'pgsql "m"': {"connection": '"host=x"'}}, r'pgsql "m": users is missing, but line \d+ asks'),
    ({"domain": {"users": '"sqlite:m"'}, 'sqlite "m"': {"file": '"/x"', "users": '"SELECT 1"'}}, r"everybody would be there"),
    ({"domain": {"users": '"sqlite:m"'}, 'sqlite "m"': {"file": '"/x"', "users": "\"SELECT 1 WHERE '{user}' = 1\""}}, r"in quotes"),
    ({"domain": {"users": '"ldap:m"'}, 'ldap "m"': {"server": '"ldap.test"', "users": '"x??sub?(a={user})"'}}, r"is not an LDAP server"),
    ({"domain": {"users": '"ldap:m"'}, 'ldap "m"': {"server": '"ldap://x"', "users": '"x??sub?(a={user}"'}}, r"parentheses"),
    ({"domain": {"users": '"ldap:m"'}, 'ldap "m"': {"server": '"ldap://x"', "login": '"cn=x"', "users": '"x??sub?(a={user})"'}},
     r"login: without password-file"),
    ({'domain "*"': {"mailboxes": '"maildir:/m/{domain}/{user}"', "users": '"system:"'}}, r'domain "\*": domains is missing'),
    ({"domain": {"domains": '"pgsql:m"'}, 'pgsql "m"': {"connection": '"host=x"', "domains": '"SELECT {domain}"'}},
     r'domains: this can stand in domain "\*" alone'),
])
def test_errors_in_the_configuration_are_clear(server, settings, words):
    """And show no password."""
    s = server(start=False, sections=settings)
    checked = s.tool("check", "config")
    assert checked.returncode == 1 and re.search(words, checked.stdout), checked.stdout
    assert "secret" not in checked.stdout + checked.stderr
