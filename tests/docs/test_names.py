#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the documentation names is there: links, files, functions, and the tests of docs/conformance.md.

Prints "page:line: what is wrong" for each mistake, as a failure.
"""
import functools
import os
import re
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md", "docs/operations.md",
         "docs/conformance.md", "docs/bounces.md", "docs/directories.md"]
TOUR = "docs/ARCHITECTURE.md"
CONFORMANCE = "docs/conformance.md"
FOLDERS = ("bench/", "catalogue/", "docs/", "packaging/", "src/", "tests/", "tools/")
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
TEST = re.compile(r"^tests/[\w/]+\.(?:c|py)::\w+$")
# Words in code that are no names of the source.
ELSEWHERE = {"fdatasync", "module_noun_verb"}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


@functools.lru_cache(maxsize=None)
def text_of(path):
    return read(path)


@functools.lru_cache(maxsize=None)
def tree():
    """Every file that is not built: paths relative to the root."""
    found = set()
    for where, folders, names in os.walk(ROOT):
        relative = os.path.relpath(where, ROOT)
        folders[:] = [f for f in folders if f != ".git" and f != "__pycache__"
                      and not (relative == "." and (f == "build" or f.startswith("build-") or f == "demo"))]
        found.update(os.path.normpath(os.path.join(relative, name)) for name in names)
    return frozenset(found)


@functools.lru_cache(maxsize=None)
def words():
    """Every word of the C source."""
    found = set()
    for path in tree():
        if path.startswith("src/") and path.endswith((".c", ".h")):
            found.update(re.findall(r"\w+", text_of(path)))
    return frozenset(found)


def exists(path):
    path = os.path.normpath(path)
    return path in tree() or any(each.startswith(path + "/") for each in tree())


def anchors(path):
    """The anchors that a page's headings make."""
    made = set()
    for line in text_of(path).splitlines():
        if line.startswith("#"):
            title = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            made.add(title.replace(" ", "-"))
    return made


def lines(page):
    """Numbered lines outside of indented blocks."""
    for number, line in enumerate(text_of(page).splitlines(), 1):
        if not line.startswith("    "):
            yield number, line


def codes(page):
    for number, line in lines(page):
        for code in CODE.findall(line):
            yield number, code


def link_problem(page, target):
    if re.match(r"[a-z]+:", target):
        return None
    path, _, anchor = target.partition("#")
    path = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
    if not exists(path):
        return f"the link leads to {path}, which is not there"
    if anchor and anchor not in anchors(path):
        return f"{path} has no heading #{anchor}"
    return None


def path_problem(code):
    if not code.startswith(FOLDERS) or re.search(r"[\s*:]|\bROOM\b|NAME", code) or exists(code):
        return None
    return f"{code} is not there"


def name_problem(code):
    """Of the tour: a file without its folder, a function, a constant."""
    if code in ELSEWHERE:
        return None
    if re.match(r"^[\w.]+\.[chs]$", code):
        return None if any(path.endswith("/" + code) for path in tree()) else f"no file is called {code}"
    if re.match(r"^[a-zA-Z]\w{3,}$", code) and not code.endswith("_") and code not in words():
        stem = code.replace("-", "_")
        return None if stem in words() or code in text_of("meson.build") else f"the source has no {code}"
    return None


def prefix_problem(line):
    """Of the register: each prefix begins a word of one of the headers beside it."""
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    for names, headers in zip(cells[0::2], cells[1::2]):
        paths = [code for code in CODE.findall(headers) if code.endswith(".h")]
        for prefix in CODE.findall(names):
            if not paths or not prefix.replace("_", "").isalnum():
                continue
            if not any(exists(path) and re.search(rf"\b{prefix}", text_of(path)) for path in paths):
                return f"no header beside it has the prefix {prefix}"
    return None


def test_problem(code):
    path, _, name = code.partition("::")
    if path not in tree():
        return f"{path} is not there"
    if not re.search(rf"(?:\bvoid |\bint |\bdef |\bTEST_TABLE\(){name}[(,]", text_of(path)):
        return f"{path} has no test {name}"
    if path.endswith(".c") and name != "main" and not re.search(rf"\w\({name}[,)]", text_of(path)):
        return f"{path} does not run {name}"
    return None


class Names(unittest.TestCase):
    def report(self, problems):
        if problems:
            self.fail("\n" + "\n".join(problems))

    def test_links_lead_somewhere(self):
        self.report([f"{page}:{number}: {problem}" for page in PAGES for number, line in lines(page)
                     for target in LINK.findall(line) if (problem := link_problem(page, target))])

    def test_files_are_there(self):
        self.report([f"{page}:{number}: {problem}" for page in PAGES for number, code in codes(page)
                     if (problem := path_problem(code))])

    def test_the_tour_names_what_is_there(self):
        self.report([f"{TOUR}:{number}: {problem}" for number, code in codes(TOUR) if (problem := name_problem(code))])
        self.report([f"{TOUR}:{number}: {problem}" for number, line in lines(TOUR)
                     if line.startswith("| `") and (problem := prefix_problem(line))])

    def test_the_tests_of_the_conformance_table_are_there(self):
        named = [(number, code) for number, code in codes(CONFORMANCE) if TEST.match(code)]
        self.assertGreater(len(named), 100)
        self.report([f"{CONFORMANCE}:{number}: {problem}" for number, code in named if (problem := test_problem(code))])

    def test_every_row_of_the_conformance_table_says_what_shows_it(self):
        problems = []
        for number, line in lines(CONFORMANCE):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not line.startswith("|") or set(line) <= set("|- ") or cells[0] in ("section", "status"):
                continue
            shown = any(TEST.match(code) for code in CODE.findall(cells[-1]))
            if len(cells) != 3 or not (shown or re.match(r"(not yet|not met|client)\b", cells[-1])):
                problems.append(f'{CONFORMANCE}:{number}: name a test, or begin with "not yet", "not met" or "client"')
        self.report(problems)

    def test_manual_pages_are_without_warnings(self):
        folder = os.path.join(ROOT, "docs", "man")
        pages = sorted(os.path.join(folder, name) for name in os.listdir(folder))
        self.assertEqual(len(pages), 4)
        try:
            done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            self.skipTest("mandoc is not installed")
        self.assertEqual(done.stdout + done.stderr, "")


if __name__ == "__main__":
    unittest.main()
