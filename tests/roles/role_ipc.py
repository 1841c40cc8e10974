# SPDX-License-Identifier: Apache-2.0
"""Speaks the roles' language from outside: the schema is read from its header, a role is
started as the supervisor would start it, and whatever is written to its channels is ours."""
import array
import os
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATIENCE_S = 20
FLAG_FD, FLAG_ANSWER = 1, 2
ROLES = ["supervisor", "smtpd", "policy", "queue", "delivery", "console", "relay", "runner"]
HEAD = struct.Struct("<IHHI")


def schema_read():
    """Message names in their order, and the (type, name) of each one's fields."""
    text = ""
    for header in ("ipc_schema_console.h", "ipc_schema.h"):
        with open(os.path.join(ROOT, "src", "ipc", header), encoding="utf-8") as file:
            text += re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S).replace("\\\n", " ")
    console = re.search(r"#define IPC_MESSAGES_CONSOLE\(M\)(.*)", text).group(1)
    listed = re.search(r"#define IPC_MESSAGES\(M\)(.*)", text).group(1).replace("IPC_MESSAGES_CONSOLE(M)", console)
    names = re.findall(r"\bM\((\w+),", listed)
    fields = {name: re.findall(r"F\((\w+),\s*(\w+)\)", re.search(rf"#define IPC_FIELDS_{name}\(F\)(.*)", text).group(1))
              for name in names}
    return names, fields


NAMES, FIELDS = schema_read()
TYPES = {name: number for number, name in enumerate(NAMES)}


def span(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<I", len(value)) + value


def field(kind, value):
    if kind == "list":
        return span(value if isinstance(value, bytes) else b"".join(span(item) for item in value or []))
    if kind == "span":
        return span(value or b"")
    if kind == "id":
        return value or bytes(16)
    if kind == "addr":
        return value or bytes([4, 127, 0, 0, 1]) + bytes(12)
    return struct.pack({"u8": "<B", "u16": "<H", "u32": "<I", "u64": "<Q"}[kind], value or 0)


def body(name, /, **values):
    """A body by the schema; what is not named is zero or empty."""
    assert not set(values) - {field_name for _, field_name in FIELDS[name]}, (name, values)
    return b"".join(field(kind, values.get(field_name)) for kind, field_name in FIELDS[name])


def parse(name, data):
    values, at = {}, 0
    for kind, field_name in FIELDS[name]:
        size = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "id": 16, "addr": 17}.get(kind)
        if size is None:
            size = int.from_bytes(data[at:at + 4], "little")
            at += 4
        raw, at = data[at:at + size], at + size
        values[field_name] = raw if kind in ("span", "list", "id", "addr") else int.from_bytes(raw, "little")
    assert at == len(data), (name, data)
    return values


def items(raw):
    found = []
    while raw:
        size = int.from_bytes(raw[:4], "little")
        found.append(raw[4:4 + size])
        raw = raw[4 + size:]
    return found


def frame(type_number, data=b"", request=0, flags=0):
    return HEAD.pack(len(data), type_number, flags, request) + data


class Gone(Exception):
    """The role closed the channel."""


class Channel:
    """Our end of a channel, blocking with a time-out."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(PATIENCE_S)
        self.pending = b""
        self.fds = []

    def send_raw(self, data, fds=()):
        try:
            if fds:
                sent = self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
                data = data[sent:]
            if data:
                self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Gone() from None

    def send(self, message, /, request=0, fd=None, answer=False, **values):
        flags = (FLAG_ANSWER if answer else 0) | (FLAG_FD if fd is not None else 0)
        self.send_raw(frame(TYPES[message], body(message, **values), request, flags), [fd] if fd is not None else ())

    def receive(self):
        """The next frame: name, request, body, whether it is an answer."""
        while True:
            if len(self.pending) >= HEAD.size:
                size, number, flags, request = HEAD.unpack_from(self.pending)
                if len(self.pending) >= HEAD.size + size:
                    data = self.pending[HEAD.size:HEAD.size + size]
                    self.pending = self.pending[HEAD.size + size:]
                    return NAMES[number], request, data, bool(flags & FLAG_ANSWER)
            try:
                data, ancillary, _, _ = self.sock.recvmsg(1 << 20, socket.CMSG_SPACE(64 * 4))
            except ConnectionResetError:
                raise Gone() from None
            for level, kind, raw in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    received = array.array("i")
                    received.frombytes(raw[:len(raw) - len(raw) % 4])
                    self.fds += received
            if not data:
                raise Gone()
            self.pending += data

    def receive_wanted(self):
        """The next frame that is not one of those that come at any time."""
        while True:
            received = self.receive()
            if received[0] not in ("EVENT", "EVENTS_DROPPED", "POLICY_STAGES"):
                return received

    def expect(self, name):
        got, request, data, _ = self.receive_wanted()
        assert got == name, f"{got} came instead of {name}"
        return request, parse(name, data)

    def ask(self, message, /, request=1, fd=None, **values):
        """Sends a question and gives its answer's fields."""
        self.send(message, request, fd, **values)
        answer_name = NAMES[TYPES[message] + 1]
        got, number, data, is_answer = self.receive_wanted()
        assert (got, number, is_answer) == (answer_name, request, True), (got, number, is_answer)
        return parse(answer_name, data)

    def gone(self):
        """Waits until the role closed this channel; False when it does not within the time."""
        try:
            while True:
                self.receive()
        except Gone:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.sock.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []


class Control(Channel):
    """The supervisor's end. What the role says of lost channels is kept apart."""

    def __init__(self, sock):
        super().__init__(sock)
        self.kept = []
        self.lost = set()

    def receive(self):
        while not self.kept:
            self.sort(super().receive())
        return self.kept.pop(0)

    def sort(self, received):
        if received[0] == "PEER_LOST":
            self.lost.add(parse("PEER_LOST", received[2])["serial"])
        else:
            self.kept.append(received)

    def expect_lost(self, channel):
        """Waits until the role says that this channel broke."""
        while channel.serial not in self.lost:
            self.sort(super().receive())


class Role:
    """A role's process; we are its supervisor and all its neighbours."""

    def __init__(self, program, name):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.name = name
        self.folder = tempfile.mkdtemp(prefix="waybill-role-")
        self.log_path = os.path.join(self.folder, "log")
        env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:halt_on_error=1"}
        actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                   (os.POSIX_SPAWN_OPEN, 2, self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                   (os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)]
        self.pid = os.posix_spawn(program, [program, "--role", name, "0"], env, file_actions=actions)
        theirs.close()
        self.code = None
        self.serial = 0
        self.control = Control(ours)
        _, greeting = self.control.expect("GREETING")
        assert ROLES[greeting["role"]] == name, greeting
        self.schema_hash = greeting["schema_hash"]
        self.control.send("GREETING", schema_hash=self.schema_hash, role=ROLES.index("supervisor"))

    def start(self):
        self.control.send("START", generation=1)
        self.control.expect("READY")

    def peer(self, peer_name, index=0, greet=True):
        """A fresh channel on which we are `peer_name`."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.serial += 1
        self.control.send("PEER", fd=theirs.fileno(), role=ROLES.index(peer_name), index=index, serial=self.serial)
        theirs.close()
        channel = Channel(ours)
        channel.serial = self.serial
        _, greeting = channel.expect("GREETING")
        assert ROLES[greeting["role"]] == self.name, greeting
        if greet:
            channel.send("GREETING", schema_hash=self.schema_hash, role=ROLES.index(peer_name))
            if (self.name, peer_name) == ("smtpd", "policy"):
                channel.send("POLICY_STAGES")  # at once at none; until it is told, it asks about the end of each message
        return channel

    def alive(self):
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid != 0:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def end(self):
        """Stops it and checks that it ends well."""
        if self.alive():
            self.control.send("STOP", grace_ms=1000)
            deadline = time.monotonic() + PATIENCE_S
            while self.alive() and time.monotonic() < deadline:
                time.sleep(0.005)
        assert self.code == 0, f"{self.name}: exit code {self.code}\n{self.log()[-8000:]}"
        assert not re.search("Sanitizer|runtime error", self.log()), self.log()[-8000:]

    def destroy(self):
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.control.close()
        subprocess.run(["rm", "-rf", self.folder], check=False)


def checks_bytes(program, text=""):
    """What SETUP_POLICY says of checks for a configuration with this text in it."""
    tool = os.path.join(os.path.dirname(program), "tests", "roles", "checks_bytes")
    text = 'hostname = "mx.example.org"\nlisten "smtp" { address = {"[::]:25"} }\n' + text
    return subprocess.run([tool], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout


def keys_read(program):
    """Numbers of the catalogue's keys as this build has them."""
    path = os.path.join(os.path.dirname(program), "src", "reply", "reply_keys.h")
    with open(path, encoding="utf-8") as file:
        return {name: number for number, name in enumerate(re.findall(r"^\tREPLY_(\w+),?$", file.read(), flags=re.M))}
