# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, pgbouncer before it, and OpenLDAP's slapd, from their unpacked packages: started, stopped, hung and killed by tests."""
import ctypes
import os
import signal
import socket

from . import processes
from .foreign import Foreign

BIN = "/usr/lib/postgresql/15/bin"


def connects(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Database(Foreign):
    """A server that answers at `port` of 127.0.0.1."""

    SECRET = "a secret that no log may show"

    def family(self):
        found, new = [], [self.process.pid]
        while new:
            found += new
            new = [child for pid in new for child in processes.children(pid)]
        return found[1:]  # without the one that only waits for its namespace

    def freeze(self):
        """Connections are still taken by the kernel, and nothing answers."""
        for pid in self.family():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self.family():
            os.kill(pid, signal.SIGCONT)

    def greets(self):
        assert self.process.poll() is None, f"{self.peer} ended:\n{self.log()}"
        return self.answers()

    def answers(self):
        raise NotImplementedError


PG_HBA = """\
local all all trust
host all waybill 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""


class Postgres(Database):
    """PostgreSQL with the database `mail` and its reader `waybill`, who needs the password SECRET."""

    peer = "postgresql"
    users = ("postgres",)

    def __init__(self, folder, sql=""):
        super().__init__(folder)
        self.put("start", f"""\
set -e
cd "{self.dir}"
if [ ! -d data ]; then
    {BIN}/initdb -D data -U postgres -A trust -N --locale=C.UTF-8 -E UTF8
    cp hba data/pg_hba.conf
fi
rm -f data/postmaster.pid
exec {BIN}/postgres -D data -p {self.port} -k "" -c listen_addresses=127.0.0.1 -c fsync=off -c jit=off
""")
        self.put("hba", PG_HBA)
        self.sql_at_first = sql

    def command(self):
        return ["sh", os.path.join(self.dir, "start")]

    @property
    def server(self):
        return f"host=127.0.0.1 port={self.port} dbname=mail user=waybill"

    def start(self):
        super().start()
        if self.sql_at_first:
            self.run(f"CREATE ROLE waybill LOGIN PASSWORD '{self.SECRET}'", database="postgres")
            self.run("CREATE DATABASE mail", database="postgres")
            self.run(self.sql_at_first + ";GRANT SELECT ON ALL TABLES IN SCHEMA public TO waybill")
            self.sql_at_first = ""
        return self

    def answers(self):
        try:
            self.run("SELECT 1", database="postgres")
            return True
        except AssertionError:
            return False

    def run(self, sql, database="mail"):
        """Rows of the last statement, each a list of texts."""
        pq = ctypes.CDLL("libpq.so.5")
        for name in ("PQconnectdb", "PQexec"):
            getattr(pq, name).restype = ctypes.c_void_p
        for name in ("PQgetvalue", "PQerrorMessage"):
            getattr(pq, name).restype = ctypes.c_char_p
        words = f"host=127.0.0.1 port={self.port} user=postgres dbname={database} connect_timeout=5 gssencmode=disable"
        pg = ctypes.c_void_p(pq.PQconnectdb(words.encode()))
        try:
            assert pq.PQstatus(pg) == 0, pq.PQerrorMessage(pg).decode()
            result = ctypes.c_void_p(pq.PQexec(pg, sql.encode()))
            try:
                assert pq.PQresultStatus(result) in (1, 2), pq.PQerrorMessage(pg).decode()
                return [[pq.PQgetvalue(result, row, column).decode() for column in range(pq.PQnfields(result))]
                        for row in range(pq.PQntuples(result))]
            finally:
                pq.PQclear(result)
        finally:
            pq.PQfinish(pg)


class Pgbouncer(Database):
    """Stands before a PostgreSQL: each question of any client gets whichever of a few connections is free."""

    peer = "pgbouncer"
    users = ("pgbouncer",)

    def __init__(self, folder, postgres):
        super().__init__(folder)
        self.put("users", f'"waybill" "{self.SECRET}"\n')
        self.put("conf", f"""\
[databases]
mail = host=127.0.0.1 port={postgres.port} dbname=mail
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {self.dir}/users
pool_mode = transaction
default_pool_size = 2
""")

    def command(self):
        return ["/usr/sbin/pgbouncer", os.path.join(self.dir, "conf")]

    @property
    def server(self):
        return f"host=127.0.0.1 port={self.port} dbname=mail user=waybill"

    def answers(self):
        return connects(self.port)


SLAPD_CONF = """\
include {schema}/core.schema
include {schema}/cosine.schema
include {schema}/inetorgperson.schema
include {schema}/misc.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {dir}/pid
argsfile {dir}/args
disallow bind_anon
require bind
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw "{secret}"
directory {dir}/db
maxsize 67108864
dbnosync
limits dn.exact="cn=reader,dc=example,dc=org" size.soft=100 size.hard=100 size.prtotal=11000
"""


class Slapd(Database):
    """slapd with the entries of an LDIF text below dc=example,dc=org; LOGIN binds with SECRET."""

    peer = "slapd"
    users = ("openldap",)
    LOGIN = "cn=admin,dc=example,dc=org"
    READER = "cn=reader,dc=example,dc=org"  # who has an entry for it; answers of more than 100 entries only in pages

    def __init__(self, folder, ldif):
        super().__init__(folder)
        os.makedirs(os.path.join(self.dir, "db"))
        self.put("conf", SLAPD_CONF.format(dir=self.dir, schema=os.path.join(self.root, "etc/ldap/schema"),
                                           secret=self.SECRET))
        self.put("ldif", ldif)
        self.put("start", f"""\
set -e
cd "{self.dir}"
if [ ! -e db/data.mdb ]; then
    /usr/sbin/slapadd -f conf -l ldif
fi
exec /usr/sbin/slapd -f conf -h "ldap://127.0.0.1:{self.port}/" -d 0
""")

    def command(self):
        return ["sh", os.path.join(self.dir, "start")]

    @property
    def server(self):
        return f"ldap://127.0.0.1:{self.port}"

    def answers(self):
        return connects(self.port)
