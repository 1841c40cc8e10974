#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every test and counts each: lint, unit and simulation tests (TAP), fuzz targets
over their corpora and a little beyond, and the end-to-end tests (pytest).

One line for each suite, details of failures only, and as the last line
"N passed, N failed" (", N skipped" when there are any). Exit code 0 only when
something ran and nothing failed.
"""
import argparse
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PYTHON = "/usr/bin/python3"
JOBS = 2
FUZZ_SECONDS_IN_ALL = 10
FUZZ_INPUT_SECONDS = 10
FUZZ_RSS_MB = 2048
E2E_SECONDS_MAX = 1200
E2E_PARTS = 2
LINT_SECONDS_MAX = 60
DETAIL_LINES_MAX = 300
SUITES = ("lint", "unit", "fuzz", "e2e")

TAP_LINE = re.compile(r"^(not )?ok\b[ \t]*(\d*)(.*)$")
TAP_PLAN = re.compile(r"^1\.\.(\d+)\s*(?:#.*)?$")


class Result:
    """What one suite or executable came to: counts, and what to show of its failures."""

    def __init__(self, name):
        self.name = name
        self.passed = self.failed = self.skipped = 0
        self.seconds = 0.0
        self.details = []

    def fail(self, text, count=1):
        self.failed += count
        self.details.append(text)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.seconds = max(self.seconds, other.seconds)
        self.details += other.details


def counts(passed, failed, skipped):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def run(command, seconds_max, env, cwd):
    """Output (both streams), exit code (None: it ran out of time) and seconds. The
    command's whole process group is gone afterwards, and its pipe is never waited for
    beyond the limit, even when something it started holds it open."""
    begin = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=env, cwd=cwd, start_new_session=True) as child:
        try:
            output, _ = child.communicate(timeout=seconds_max)
            code = child.returncode
        except subprocess.TimeoutExpired:
            code = None
            group_kill(child.pid)
            try:
                output, _ = child.communicate(timeout=5)
            except subprocess.TimeoutExpired as late:
                output = late.output or b""
                child.stdout.close()
        group_kill(child.pid)
    return output.decode("utf-8", "backslashreplace"), code, time.monotonic() - begin


def group_kill(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def ending(code, seconds_max):
    if code is None:
        return f"did not end within {seconds_max:.0f} s"
    if code < 0:
        return f"died of {signal.Signals(-code).name}"
    return f"exit code {code}"


def environment(build):
    env = dict(os.environ)
    env["ASAN_OPTIONS"] = "halt_on_error=1:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1"
    env["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"
    env["LSAN_OPTIONS"] = "print_suppressions=0"
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env["LC_ALL"] = "C.UTF-8"
    env.pop("MAKEFLAGS", None)
    env.pop("MAKELEVEL", None)
    conformance = os.path.join(os.path.dirname(ROOT), "shared", "conformance")
    env.setdefault("WAYBILL_CONFORMANCE", conformance)
    if build:
        env["WAYBILL_BUILD"] = build
    return env


# ---- lint ------------------------------------------------------------------------

def lint_suite(options, env):
    result = Result("lint")
    output, code, result.seconds = run([PYTHON, os.path.join(ROOT, "tools", "lint.py")], LINT_SECONDS_MAX, env, ROOT)
    if code == 0:
        result.passed = 1
    else:
        result.fail(output)
    return [result]


# ---- unit and simulation ---------------------------------------------------------

def tap_read(result, output):
    """Counts TAP lines into `result`; the number of planned tests, or None without a plan."""
    planned = None
    for line in output.splitlines():
        plan = TAP_PLAN.match(line)
        if plan:
            planned = (planned or 0) + int(plan.group(1))
            continue
        match = TAP_LINE.match(line)
        if not match:
            continue
        if re.search(r"#\s*skip", match.group(3), re.IGNORECASE):
            result.skipped += 1
        elif match.group(1):
            result.failed += 1
        else:
            result.passed += 1
    return planned


def test_run(test, build, base_env):
    result = Result(test["name"])
    env = {**base_env, **test["env"]}
    seconds_max = test["timeout"] if test["timeout"] > 0 else 600
    output, code, result.seconds = run(test["cmd"], seconds_max, env, test["workdir"] or build)
    problem = None
    if test["protocol"] == "tap":
        planned = tap_read(result, output)
        seen = result.passed + result.failed + result.skipped
        if code is None or code < 0 or (code != 0 and result.failed == 0):
            problem = ending(code, seconds_max)
        elif planned is None:
            problem = "printed no test plan"
        elif planned != seen:
            problem = f"planned {planned} tests but reported {seen}"
    elif code == 77:
        result.skipped = 1
    elif code == 0:
        result.passed = 1
    else:
        problem = ending(code, seconds_max)
    if problem:
        result.failed += 1
    if result.failed:
        result.details.append(f"{test['name']}: {problem or 'failed'}\n{' '.join(test['cmd'])}\n{output}")
    return result


def suite_of(test):
    """Tests are named ROOM-what; the suite they are summed up in is the room."""
    suites = [name.split(":")[-1] for name in test["suite"]]
    named = [name for name in suites if name != "waybill"]
    return named[0] if named else test["name"].split("-")[0]


def unit_suite(options, env):
    introspect = subprocess.run(["meson", "introspect", "--tests", options.build], capture_output=True, text=True,
                                check=False, env={**env, "PATH": "/usr/bin:" + env.get("PATH", "")})
    if introspect.returncode != 0:
        result = Result("unit")
        result.fail(introspect.stdout + introspect.stderr)
        return [result]
    suites = {}
    tests = json.loads(introspect.stdout)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        outcomes = pool.map(lambda test: test_run(test, options.build, env), tests)
        for test, outcome in zip(tests, outcomes):
            suites.setdefault(suite_of(test), Result(suite_of(test))).add(outcome)
    return list(suites.values())


# ---- fuzz ------------------------------------------------------------------------

def fuzz_targets():
    path = os.path.join(ROOT, "tests", "fuzz", "targets.txt")
    with open(path, encoding="utf-8") as lines:
        names = [line.split("#")[0].split(":")[0].strip() for line in lines]
    return [name for name in names if name and os.path.exists(os.path.join(ROOT, "tests", "fuzz", f"fuzz_{name}.c"))]


def fuzz_run(name, seconds, options, env):
    """Replays the corpus, then looks for new inputs for some seconds; new ones stay in the build folder."""
    result = Result(name)
    binary = os.path.join(options.fuzz, "tests", "fuzz", "fuzz_" + name)
    if not os.path.exists(binary):
        result.fail(f"fuzz target {name} was not built: is a room missing in tests/fuzz/targets.txt?")
        return result
    corpus = os.path.join(ROOT, "tests", "fuzz", "corpus", name)
    found = os.path.join(options.fuzz, "found", name)
    crashes = os.path.join(options.fuzz, "crashes", name) + os.sep
    for folder in (found, crashes):
        os.makedirs(folder, exist_ok=True)
    limits = [f"-timeout={FUZZ_INPUT_SECONDS}", f"-rss_limit_mb={FUZZ_RSS_MB}", f"-artifact_prefix={crashes}"]
    seeds = [corpus] if os.path.isdir(corpus) else []
    steps = [[f"-max_total_time={seconds}", "-print_final_stats=1", found, *seeds]]
    if seeds:
        steps.insert(0, ["-runs=0", *seeds])
    for step in steps:
        seconds_max = seconds + 60
        output, code, spent = run([binary, *limits, *step], seconds_max, env, options.fuzz)
        result.seconds += spent
        if code != 0:
            result.fail(f"fuzz target {name}: {ending(code, seconds_max)}\n{tail(output, 80)}")
            return result
        executed = re.search(r"number_of_executed_units:\s*(\d+)", output)
    result.passed = 1
    if options.fuzz_seconds_each:
        print(f"  {name}: {executed.group(1) if executed else '?'} inputs, none failed", flush=True)
    return result


def tail(text, lines):
    return "\n".join(text.splitlines()[-lines:])


def fuzz_suite(options, env):
    total = Result("fuzz")
    begin = time.monotonic()
    names = fuzz_targets()
    if options.fuzz_target:
        if options.fuzz_target not in names:
            total.fail(f"there is no fuzz target {options.fuzz_target}; there are: {' '.join(names)}")
            return [total]
        names = [options.fuzz_target]
    each = options.fuzz_seconds_each or max(1, FUZZ_SECONDS_IN_ALL * JOBS // max(1, len(names)))
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for outcome in pool.map(lambda name: fuzz_run(name, each, options, env), names):
            total.add(outcome)
    total.seconds = time.monotonic() - begin
    return [total] if names else []


# ---- end to end ------------------------------------------------------------------

def e2e_part(number, files, options, env):
    """Some of the test files, in a process of their own."""
    result = Result("e2e")
    report = os.path.join(options.build, f"e2e-{number}.xml")
    if os.path.exists(report):
        os.remove(report)
    command = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}", *files]
    output, code, result.seconds = run(command, E2E_SECONDS_MAX, env, ROOT)
    try:
        junit_read(result, report)
    except (OSError, ElementTree.ParseError):
        result.fail("pytest left no report: " + ending(code, E2E_SECONDS_MAX))
    if code != 0 and result.failed == 0:
        result.fail("pytest: " + ending(code, E2E_SECONDS_MAX))
    if result.failed:
        log = os.path.join(options.build, f"e2e-{number}.log")
        with open(log, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(output)
        result.details.append(f"the whole output is in {log}\n" + tail(output, DETAIL_LINES_MAX))
    return result


def e2e_suite(options, env):
    """In two halves at once: most tests wait more than they work."""
    folder = os.path.join(ROOT, "tests", "e2e")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    files = [os.path.join(folder, name) for name in names if name.startswith("test_") and name.endswith(".py")]
    if not files:
        return []
    total = Result("e2e")
    begin = time.monotonic()
    parts = min(E2E_PARTS, len(files))
    with concurrent.futures.ThreadPoolExecutor(parts) as pool:
        for outcome in pool.map(lambda part: e2e_part(part, files[part::parts], options, env), range(parts)):
            total.add(outcome)
    total.seconds = time.monotonic() - begin
    return [total]


def junit_read(result, report):
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            result.failed += 1
        elif "skipped" in kinds:
            result.skipped += 1
        else:
            result.passed += 1


# ----------------------------------------------------------------------------------

def options_read():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", help="build folder with sanitizers")
    parser.add_argument("--fuzz", help="build folder of the fuzz targets")
    parser.add_argument("--only", choices=SUITES, action="append", help="run only this (may be repeated)")
    parser.add_argument("--fuzz-seconds-each", type=int, default=0, metavar="N")
    parser.add_argument("--fuzz-target", default="", metavar="NAME")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build) if options.build else None
    options.fuzz = os.path.abspath(options.fuzz) if options.fuzz else None
    wanted = options.only or SUITES
    if not options.build and {"unit", "e2e"} & set(wanted):
        parser.error("--build is needed for unit and e2e")
    if not options.fuzz and "fuzz" in wanted:
        parser.error("--fuzz is needed for fuzz")
    options.wanted = wanted
    return options


def main():
    options = options_read()
    env = environment(options.build)
    suites = {"lint": lint_suite, "unit": unit_suite, "fuzz": fuzz_suite, "e2e": e2e_suite}
    total = Result("total")
    for name in SUITES:
        if name not in options.wanted:
            continue
        for result in suites[name](options, env):
            print(f"{result.name:<12} {counts(result.passed, result.failed, result.skipped)}"
                  f"  ({result.seconds:.1f} s)", flush=True)
            for text in result.details:
                print("\n" + text.rstrip() + "\n", flush=True)
            total.add(result)
    print(counts(total.passed, total.failed, total.skipped), flush=True)
    return 0 if total.failed == 0 and total.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
