#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the tail of the code short and the arrows pointing downward.

Prints "file:line: what is wrong; what to do" and exits with 1 when anything is wrong.
Exceptions to the size limits stand in tools/lint-ratchet.txt, whose numbers may only
shrink. Needs universal-ctags; otherwise the standard library alone.
"""
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RATCHET = "tools/lint-ratchet.txt"

FUNCTION_LINES_MAX = 70
FUNCTION_PARAMETERS_MAX = 6
SOURCE_LINES_MAX = 800
SOURCE_LINES_LONG = 600
HEADER_LINES_MAX = 150
PURE_TABLES = {"src/ipc/ipc_schema.h"}  # as long as what they list
LINE_COLUMNS_MAX = 120  # aim at 110
TEST_COLUMNS_MAX = 140  # tables of cases, one a line
TAB_COLUMNS = 4

SPDX = "SPDX-License-Identifier: Apache-2.0"

BANNED_CALLS = {
    "strcpy": "use a span or a buf", "strcat": "use a buf", "strncpy": "use a span or memcpy",
    "strncat": "use a buf", "sprintf": "use snprintf or buf_addf", "vsprintf": "use vsnprintf",
    "gets": "read into a bounded buffer", "strtok": "use span_find", "atoi": "use span_to_u64",
    "atol": "use span_to_u64", "atoll": "use span_to_u64", "system": "run an argv",
    "popen": "run an argv", "alloca": "use an arena", "mktemp": "use mkstemp", "tmpnam": "use mkstemp",
    "setlocale": "text is bytes here, whatever the locale",
}

# The floors, lowest first. A room knows the floors below it, except where it is listed in KNOWS.
FLOORS = ["base", "sys", "reply", "message", "spf", "greylist", "smtp", "delegate", "spool", "queue", "conf", "directory", "source",
          "mailbox", "policy", "dns", "state", "tls", "sasl", "ipc", "roles", "cli"]
PURE = ["reply", "message", "spf", "greylist", "smtp", "delegate", "spool", "queue", "conf"]
KNOWS = {"base": set(), "sys": {"base"}}
KNOWS.update({room: {"base", *PURE[:at]} for at, room in enumerate(PURE)})
# The parts of roles that every role may use.
ROLES_SHARED = {"common", ""}  # and main, which lies beside them, knows them all

# What a pure room and base never need: system calls, clocks, threads, logs.
IMPURE_HEADERS = re.compile(
    r"^(unistd|fcntl|time|pthread|threads|uv|syslog|signal|netdb|poll|dirent|sys/(?!types|uio|param)\w+)\.h$")


class Lint:
    """Collects complaints, sorted and counted at the end."""

    def __init__(self):
        self.complaints = []
        self.long = []
        self.ratchet, self.ratchet_used = {}, set()

    def complain(self, path, line, what):
        self.complaints.append((path, line, what))

    def ratchet_read(self):
        for number, line in enumerate(lines_of(RATCHET), 1):
            parts = line.split("#")[0].split()
            if len(parts) == 3 and parts[2].isdigit():
                self.ratchet[(parts[0], parts[1])] = int(parts[2])
            elif parts:
                self.complain(RATCHET, number, "not understood; write KIND PATH[:FUNCTION] NUMBER")

    def limit(self, kind, path, line, name, value, highest, advice):
        """A size against its limit or its exception."""
        key = (kind, f"{path}:{name}" if name else path)
        allowed = self.ratchet.get(key)
        if allowed is not None:
            self.ratchet_used.add(key)
            if value < allowed:
                self.complain(RATCHET, 1, f"{kind} {key[1]} is {value} now, not {allowed}; "
                              + ("lower the number" if value > highest else "remove the line"))
        if value > max(highest, allowed or 0):
            what = f"{name}() has" if name else "has"
            self.complain(path, line, f"{what} {value} {kind}, the limit is {allowed or highest}; {advice}")

    def ratchet_check(self):
        for kind, subject in sorted(set(self.ratchet) - self.ratchet_used):
            self.complain(RATCHET, 1, f"{kind} {subject} does not exist any more; remove the line")


def lines_of(path):
    try:
        with open(os.path.join(ROOT, path), encoding="utf-8", errors="surrogateescape") as file:
            return file.read().split("\n")
    except FileNotFoundError:
        return []


def tree():
    """Every file of the project, tracked or about to be; without git, what lies in the folders."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], capture_output=True,
                            text=True, check=False) if os.path.exists(os.path.join(ROOT, ".git")) else None
    if listed is not None and listed.returncode == 0:
        return sorted(path for path in listed.stdout.splitlines() if os.path.isfile(os.path.join(ROOT, path)))
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(("build", ".", "__", "demo"))]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(found)


def code_of(lines):
    """The lines with comments and literals blanked, so that words in them are not mistaken for code."""
    text = "\n".join(lines)
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text).split("\n")


# ---- each file -------------------------------------------------------------------

def check_text(lint, path, lines):
    """What holds for every text file."""
    for number, line in enumerate(lines, 1):
        if line != line.rstrip(" \t") and not path.endswith((".eml", ".patch")):
            lint.complain(path, number, "blanks at the end of the line; remove them")
    if len(lines) > 1 and lines[-1] != "":
        lint.complain(path, len(lines), "no line end at the end of the file; add one")


def check_words(lint, path, lines):
    for number, line in enumerate(lines, 1):
        if re.search(r"(?<![\w.~-])/(work|root)/", line):
            lint.complain(path, number, "a path of one machine; say it relative to the repository")
        if path.startswith("src/") and re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
            lint.complain(path, number, "a note to do something later; do it or write an issue")


def check_licence(lint, path, lines):
    if path.endswith((".c", ".h")):
        if not lines or lines[0] != f"/* {SPDX} */":
            lint.complain(path, 1, f"no licence; the first line is /* {SPDX} */")
        if len(lines) < 2 or not lines[1].startswith("/*"):
            lint.complain(path, 2, "no header comment; say what the file is for, its limits and invariants")
    elif not any(SPDX in line for line in lines[:3]):
        lint.complain(path, 1, f"no licence; write # {SPDX} into the first three lines")


def check_source(lint, path, lines):
    """Sizes, calls and includes of a .c or .h file."""
    count = len(lines) - 1
    if path.endswith(".c"):
        lint.limit("lines", path, count, "", count, SOURCE_LINES_MAX, "divide it")
        if count > SOURCE_LINES_LONG:
            lint.long.append((count, path))
    elif path.startswith("src/") and path not in PURE_TABLES and not path.endswith(("_private.h", "_parts.h")):
        lint.limit("lines", path, count, "", count, HEADER_LINES_MAX, "divide it, or move what callers do not need")
    columns_max = TEST_COLUMNS_MAX if path.startswith("tests/") else LINE_COLUMNS_MAX
    for number, line in enumerate(lines, 1):
        columns = len(line.expandtabs(TAB_COLUMNS))
        if columns > columns_max:
            lint.complain(path, number, f"{columns} columns (tabs of {TAB_COLUMNS}), the limit is "
                          f"{columns_max}; break the line")
        if re.match(r'\s*#\s*include\s+"\.\./', line):
            lint.complain(path, number, 'includes "../"; include it flat and name its room in meson.build')
    for number, line in enumerate(code_of(lines), 1):
        for call in re.findall(r"(?<![\w.>])(\w+)\s*\(", line):
            if call in BANNED_CALLS:
                lint.complain(path, number, f"{call}() is banned; {BANNED_CALLS[call]}")
        if re.match(r"\s*typedef\s+(struct|union|enum)\b[^(;]*\{", line):
            lint.complain(path, number, "a typedef of a structure; write struct NAME where it is used")


def check_functions(lint, paths):
    command = ["ctags", "--output-format=json", "--languages=C", "--langmap=C:.c.h", "--kinds-C=f", "--fields=+neS",
               "-f", "-", "-L", "-"]
    try:
        tags = subprocess.run(command, input="\n".join(paths), capture_output=True, text=True, check=True, cwd=ROOT)
    except (FileNotFoundError, subprocess.CalledProcessError) as problem:
        lint.complain("tools/lint.py", 1, f"universal-ctags does not work ({problem}); install universal-ctags")
        return
    for line in tags.stdout.splitlines():
        tag = json.loads(line)
        if tag.get("_type") != "tag" or "end" not in tag:
            continue
        path, begin, name = tag["path"], tag["line"], tag["name"]
        lint.limit("function-lines", path, begin, name, tag["end"] - begin + 1, FUNCTION_LINES_MAX,
                   "divide it into steps that have names")
        lint.limit("parameters", path, begin, name, parameters(tag.get("signature", "()")),
                   FUNCTION_PARAMETERS_MAX, "pass a struct")


def parameters(signature):
    inner, depth, count = signature[1:-1].strip(), 0, 1
    if inner in ("", "void"):
        return 0
    for char in inner:
        depth += (char in "([{") - (char in ")]}")
        count += char == "," and depth == 0
    return count


# ---- the arrows ------------------------------------------------------------------

def room_of(path):
    """("smtp", "") for src/smtp/x.c, ("roles", "smtpd") for src/roles/smtpd/x.c, else None."""
    parts = path.split("/")
    if len(parts) < 3 or parts[0] != "src":
        return None
    return parts[1], parts[2] if parts[1] == "roles" and len(parts) > 3 else ""


def check_headers(lint, paths):
    """Header names are flat, so each is unique and none hides one of the C library's."""
    where = {}
    for path in paths:
        name = os.path.basename(path)
        if not path.endswith(".h") or room_of(path) is None:
            continue
        if name in where:
            lint.complain(path, 1, f"{where[name]} has the same name; rename one of them")
        where[name] = path
        if os.path.exists("/usr/include/" + name) or os.path.exists("/usr/include/sys/" + name):
            lint.complain(path, 1, f"hides the system's <{name}>; rename it")
    return where


def check_layers(lint, path, lines, headers):
    room, part = room_of(path)
    if room not in FLOORS:
        lint.complain(path, 1, f"src/{room} is no room; add it to the floors in tools/lint.py and meson.build")
        return
    knows = KNOWS.get(room, set(FLOORS[:FLOORS.index(room)])) | {room}
    pure = room == "base" or room in PURE
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not match:
            continue
        name = match.group(2)
        if match.group(1) == "<":
            if pure and IMPURE_HEADERS.match(name):
                lint.complain(path, number, f"a pure room includes <{name}>; let the caller pass what it needs")
            continue
        if name not in headers:
            continue  # generated, or missing: the compiler says so
        its_room, its_part = room_of(headers[name])
        if its_room not in knows:
            lint.complain(path, number, f"{room} may not know {its_room} ({name}); it knows "
                          f"{', '.join(sorted(knows - {room})) or 'nothing'}")
        elif room == "roles" == its_room and part and its_part not in ROLES_SHARED | {part}:
            lint.complain(path, number, f"role {part} includes role {its_part} ({name}); share through ipc")


# ---- the tests -------------------------------------------------------------------

def check_fuzz(lint, paths):
    listing = "tests/fuzz/targets.txt"
    listed = {}
    for number, line in enumerate(lines_of(listing), 1):
        name, colon, rooms = line.split("#")[0].partition(":")
        name = name.strip()
        if not name and not colon:
            continue
        if not colon or not rooms.split():
            lint.complain(listing, number, "not understood; write NAME: ROOM ROOM ...")
        if name in listed:
            lint.complain(listing, number, f"{name} stands here twice; remove one")
        listed[name] = number
        if f"tests/fuzz/fuzz_{name}.c" not in paths:
            lint.complain(listing, number, f"tests/fuzz/fuzz_{name}.c is missing; write it or remove the line")
        for room in rooms.split():
            if room not in FLOORS:
                lint.complain(listing, number, f"there is no room {room}; the rooms are {' '.join(FLOORS)}")
    for path in paths:
        match = re.fullmatch(r"tests/fuzz/fuzz_(\w+)\.c", path)
        if match and match.group(1) not in listed:
            lint.complain(path, 1, f"not built; add a line {match.group(1)}: ROOM ... to {listing}")


def check_registered(lint, paths):
    """A test that no build file names never runs."""
    for path in paths:
        folder, name = os.path.split(path)
        if re.fullmatch(r"test_\w+\.c", name) and folder.startswith(("tests/unit", "tests/sim")):
            build = "\n".join(lines_of(folder + "/meson.build"))
            if f"'{name}'" not in build and name[len("test_"):-2] not in build:
                lint.complain(path, 1, f"never runs; register it in {folder}/meson.build")


# ----------------------------------------------------------------------------------

TEXT = re.compile(r"(\.(c|h|py|md|txt|build|sh|yml|conf|service|in|[1-8])|^Makefile|^LICENSE)$")
SCRIPT = re.compile(r"(\.py|^tools/[\w-]+|^bench/run|^\.ci/run|^Makefile)$")


def main():
    lint = Lint()
    lint.ratchet_read()
    paths = tree()
    sources = [path for path in paths if path.endswith((".c", ".h")) and path.startswith(("src/", "tests/", "bench/"))]
    headers = check_headers(lint, paths)
    for path in paths:
        if not (TEXT.search(path) or SCRIPT.search(path)) or "/corpus/" in path or path == "LICENSE":
            continue
        lines = lines_of(path)
        if path.endswith(".txt") and any("\r" in line for line in lines):
            continue  # test data, kept byte for byte
        check_text(lint, path, lines)
        check_words(lint, path, lines) if path != "tools/lint.py" else None
        if path in sources or (SCRIPT.search(path) and os.path.getsize(os.path.join(ROOT, path)) > 0):
            check_licence(lint, path, lines)
        if path in sources:
            check_source(lint, path, lines)
        if path in sources and room_of(path) is not None:
            check_layers(lint, path, lines, headers)
    check_functions(lint, sources)
    check_fuzz(lint, set(paths))
    check_registered(lint, paths)
    lint.ratchet_check()
    for count, path in sorted(lint.long, reverse=True):
        print(f"{path}: {count} lines; aim at 400, the limit is {SOURCE_LINES_MAX} (a remark, not an error)")
    for path, line, what in sorted(lint.complaints):
        print(f"{path}:{line}: {what}")
    if lint.complaints:
        print(f"{len(lint.complaints)} to mend.")
    return 1 if lint.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
