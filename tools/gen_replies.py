#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Check catalogue/replies.toml and compile it.

  gen_replies.py CATALOGUE --header reply_keys.h --table reply_table.c   for the build
  gen_replies.py [CATALOGUE] --docs docs/replies.md                      the page for people
  gen_replies.py [CATALOGUE] --check docs/replies.md                     exit 1 when that page is stale

An entry with a missing text, an unknown neighbour, an unknown parameter in its wording or a code that contradicts its
enhanced code is refused with file and entry, so no reply exists that is not explained.
"""
import argparse
import os
import re
import sys
import tomllib

TEXTS = ["title", "gist", "description", "when", "fix_sender", "fix_postmaster", "use", "source"]
FACTS = ["answers", "concerns", "must", "kept", "change", "retry"]
PARAMS = {"hostname", "id", "mailbox", "seconds", "octets", "text"}
WORDING_CHARS_MAX = 200
CATEGORIES = {2: "2xx positive completion", 3: "3xx positive intermediate",
              4: "4xx transient negative", 5: "5xx permanent negative"}
ENHANCED_CATEGORIES = {2: "2.x.x success", 4: "4.x.x persistent transient failure", 5: "5.x.x permanent failure"}
AND_SO = {2: "and it worked", 4: "and a later attempt may work", 5: "and waiting will not change that"}


class Refused(Exception):
    """The catalogue is wrong; the text says where and how."""


def refuse(entry, text):
    raise Refused(f"{entry}: {text}")


def folded(text):
    return " ".join(text.split())


class Catalogue:
    """The parsed file with everything inherited filled in. Each topic is a dict of plain strings."""

    def __init__(self, data):
        self.phrases = {name: folded(text) for name, text in data["phrase"].items()}
        self.classes = {c["class"]: c for c in data["class"]}
        self.families = {f["family"]: f for f in data["family"]}
        self.codes = {}
        self.enhanced = {}
        self.replies = {}
        for raw in data["code"]:
            self.add(self.codes, str(raw["code"]), self.code_topic(raw))
        for raw in data["enhanced"]:
            self.add(self.enhanced, raw["code"], self.enhanced_topic(raw))
        self.details = set()
        for raw in data["detail"]:
            self.add_registered(raw)
        for raw in data["reply"]:
            self.add(self.replies, raw["key"], self.reply_topic(raw))
        self.topics = self.codes | self.enhanced | self.replies
        for name, topic in self.topics.items():
            self.check_related(name, topic)

    @staticmethod
    def add(table, name, topic):
        if name in table:
            refuse(name, "is in the catalogue twice")
        table[name] = topic

    def topic(self, name, raw, inherited, allowed):
        """Takes texts and facts from the entry, else from what it inherits; folds white space; checks."""
        for field in raw:
            if field not in TEXTS + FACTS + ["related"] + allowed:
                refuse(name, f'has an unknown field "{field}"')
        topic = {"name": name, "related": raw.get("related", {})}
        for field in TEXTS + FACTS:
            text = raw.get(field, inherited.get(field, ""))
            if text.startswith("@"):
                if text[1:] not in self.phrases:
                    refuse(name, f'{field} names an unknown phrase "{text}"')
                text = self.phrases[text[1:]]
            topic[field] = folded(text)
        self.check_texts(name, topic)
        return topic

    @staticmethod
    def check_texts(name, topic):
        for field in TEXTS + FACTS:
            text = topic[field]
            if text == "" and not (field == "answers" and "." in name):
                refuse(name, f'"{field}" is missing')
            sentence = field in ("description", "when", "fix_sender", "fix_postmaster", "use")
            if sentence and not text.endswith((".", "?", "!")):
                refuse(name, f'"{field}" must be a sentence and end in a full stop')
            if not sentence and text.endswith("."):
                refuse(name, f'"{field}" is a phrase and must not end in a full stop')
        if not topic["related"]:
            refuse(name, "names no related entry")

    def check_related(self, name, topic):
        for other, apart in topic["related"].items():
            if other not in self.topics:
                refuse(name, f'is related to "{other}", which is not in the catalogue')
            if other == name or not apart.strip():
                refuse(name, f'does not say what sets "{other}" apart')

    def code_topic(self, raw):
        name = str(raw["code"])
        if not re.fullmatch(r"[2-5][0-5][0-9]", name):
            refuse(name, "is no basic reply code")
        topic = self.topic(name, raw, {}, ["code"])
        topic["category"] = CATEGORIES[int(name[0])]
        return topic

    def enhanced_topic(self, raw):
        name = raw["code"]
        match = re.fullmatch(r"([245])\.([0-7])\.([0-9]{1,3})", name)
        if not match:
            refuse(name, "is no enhanced code")
        of_class, of_family = self.classes[int(match[1])], self.families[int(match[2])]
        inherited = {"source": of_family["source"]}
        inherited |= {fact: of_class.get(fact, of_family.get(fact, "")) for fact in FACTS}
        topic = self.topic(name, raw, inherited, ["code"])
        topic["category"] = ENHANCED_CATEGORIES[int(match[1])]
        return topic

    def reply_topic(self, raw):
        for field in ("key", "code", "enhanced", "wording"):
            if field not in raw:
                refuse(raw.get("key", "a reply without a key"), f'"{field}" is missing')
        name, code, enhanced = raw["key"], str(raw["code"]), raw["enhanced"]
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
            refuse(name, "is no key: lower-case words joined by hyphens")
        if code not in self.codes:
            refuse(name, f"uses the code {code}, which has no entry")
        if enhanced and enhanced not in self.enhanced:
            refuse(name, f"uses the enhanced code {enhanced}, which has no entry")
        if enhanced and enhanced[0] != code[0]:
            refuse(name, f"the classes of {code} and {enhanced} differ")
        self.check_wording(name, raw["wording"])
        inherited = {field: self.codes[code][field] for field in FACTS + ["source"]}
        topic = self.topic(name, raw, inherited, ["key", "code", "enhanced", "wording"])
        topic |= {"code": int(code), "enhanced": enhanced, "wording": raw["wording"],
                  "category": CATEGORIES[int(code[0])]}
        return topic

    @staticmethod
    def check_wording(name, wording):
        if not wording or len(wording) > WORDING_CHARS_MAX or not all(" " <= c <= "~" for c in wording):
            refuse(name, f"the wording must be 1 to {WORDING_CHARS_MAX} printable ASCII characters")
        for param in re.findall(r"\{([^}]*)\}", wording):
            if param not in PARAMS:
                refuse(name, f'the wording names an unknown parameter "{{{param}}}"')
        if re.search(r"[{}]", re.sub(r"\{[a-z]+\}", "", wording)):
            refuse(name, "the wording has a stray brace")

    def add_registered(self, raw):
        """A registered detail makes an entry for each class that has none of its own."""
        name = raw.get("detail", "a detail without a number")
        missing = {"detail", "title", "gist", "description", "when", "fix_sender", "fix_postmaster", "related"} - set(raw)
        if missing or not re.fullmatch(r"[0-7]\.[0-9]{1,3}", name):
            refuse(name, f"is no detail, or lacks {', '.join(sorted(missing)) or 'its two numbers'}")
        if name in self.details:
            refuse(name, "is in the catalogue twice")
        self.details.add(name)
        for of_class in self.classes.values():
            if f"{of_class['class']}.{name}" not in self.enhanced:
                self.enhanced[f"{of_class['class']}.{name}"] = self.registered_topic(of_class, raw)

    def registered_topic(self, of_class, raw):
        digit, detail, gist = of_class["class"], raw["detail"], raw["gist"]
        other = f"{ {2: 5, 4: 5, 5: 4}[digit] }.{detail}"
        apart = {2: "the failure for good", 4: "the same for good", 5: "the same for now"}[digit]
        subject = self.families[int(detail[0])]["description"] + " " if detail.endswith(".0") else ""
        entry = {
            "code": f"{digit}.{detail}", "title": raw["title"], "gist": f"{gist}, {AND_SO[digit]}",
            "description": f"{raw['description']} {subject}{of_class['description']}", "when": raw["when"],
            "fix_sender": f"{raw['fix_sender']} {of_class['fix']}", "fix_postmaster": raw["fix_postmaster"],
            "use": f"Send {digit}.{detail} when {gist}, {AND_SO[digit]}.",
            "related": {other: apart} | {f"{digit}.{name}": text for name, text in raw["related"].items()},
        }
        if digit == 2:
            entry |= {"fix_sender": of_class["fix"], "fix_postmaster": of_class["fix"]}
        if "source" in raw:
            entry["source"] = raw["source"]
        return self.enhanced_topic(entry)


# The C tables.

def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_name(name):
    return re.sub(r"[^a-z0-9]", "_", name)


def c_relations(topics):
    lines = []
    for name, topic in topics:
        lines.append(f"static const struct reply_relation related_{c_name(name)}[] = {{")
        lines += [f"\t{{ {c_string(other)}, {c_string(folded(apart))} }}," for other, apart in topic["related"].items()]
        lines += ["};"]
    return lines


def c_topic(kind, topic):
    fields = ["name", "category", "title", "gist", "description", "when", "fix_sender", "fix_postmaster", "use", "source"]
    member = {"when": "when_seen"}
    lines = [f"\t.kind = {kind},"]
    lines += [f"\t.{member.get(field, field)} = {c_string(topic[field])}," for field in fields]
    lines += ["\t.facts = {"] + [f"\t\t{c_string(topic[fact])}," for fact in FACTS] + ["\t},"]
    lines.append(f"\t.related = related_{c_name(topic['name'])}, .related_count = {len(topic['related'])},")
    return lines


def c_topics(kind, table, topics):
    lines = [f"const struct reply_topic {table}[] = {{"]
    for topic in topics.values():
        lines += ["{"] + c_topic(kind, topic) + ["},"]
    return lines + ["};", f"const size_t {table}_count = {len(topics)};", ""]


def header(catalogue):
    lines = ["/* Generated from catalogue/replies.toml; do not edit. */", "#ifndef WAYBILL_REPLY_KEYS_H",
             "#define WAYBILL_REPLY_KEYS_H", "", "enum reply_key {"]
    lines += [f"\tREPLY_{c_name(name).upper()}," for name in catalogue.replies]
    lines += ["\tREPLY_KEY_COUNT", "};", "", "#endif", ""]
    return "\n".join(lines)


def table(catalogue):
    lines = ["/* Generated from catalogue/replies.toml; do not edit. */", '#include "reply_table.h"', ""]
    lines += c_relations(catalogue.topics.items())
    lines += c_topics("REPLY_TOPIC_CODE", "reply_codes", dict(sorted(catalogue.codes.items())))
    lines += c_topics("REPLY_TOPIC_ENHANCED", "reply_enhanced", catalogue.enhanced)
    lines.append("const struct reply_entry reply_table[REPLY_KEY_COUNT] = {")
    for topic in catalogue.replies.values():
        head = f"{c_string(topic['name'])}, {topic['code']}, {c_string(topic['enhanced'])}, {c_string(topic['wording'])}"
        lines += [f"{{ {head}, {{"] + c_topic("REPLY_TOPIC_KEY", topic) + ["} },"]
    return "\n".join(lines + ["};", ""])


# The page for people.

DOCS_HEAD = """# Replies

<!-- Generated from catalogue/replies.toml by tools/gen_replies.py --docs; do not edit. -->

Every reply that Waybill can send, then every basic reply code in use, then the enhanced codes. `waybill explain NAME`
shows an entry in the terminal, and `waybill explain NAME NAME` sets any two of them side by side. Of a registered
enhanced code that has no entry of its own for each class, the last part lists what all classes have in common.
"""

DOCS_FACTS = {"answers": "Sent in answer to", "concerns": "Is about", "must": "The sender must",
              "kept": "The server kept", "change": "Who can change it", "retry": "Does a retry help"}


def anchor(heading):
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


def markdown(text):
    return re.sub(r"([<>*_|])", r"\\\1", text)


def docs_heading(topic):
    repeats = topic["name"].replace("-", " ") == topic["title"].lower()
    return topic["name"] if repeats else f"{topic['name']} {topic['title']}"


def docs_link(catalogue, name):
    if name in catalogue.listed:
        return f"[{name}](#{anchor(catalogue.listed[name])})"
    return name


def docs_topic(catalogue, topic):
    lines = [f"### {catalogue.listed[topic['name']]}", ""]
    if "wording" in topic:
        reply = " ".join(part for part in (str(topic["code"]), topic["enhanced"], topic["wording"]) if part)
        lines += [f"`{reply}`", ""]
    lines += [f"*{topic['category']}.* {markdown(topic['description'])}", ""]
    rows = [("When you see it", topic["when"]), ("How to fix it, sender", topic["fix_sender"]),
            ("How to fix it, postmaster", topic["fix_postmaster"])]
    rows += [(DOCS_FACTS[fact], topic[fact]) for fact in FACTS if topic[fact]]
    rows += [("When to use it", topic["use"])]
    lines += [f"- **{label}**: {markdown(text)}" for label, text in rows]
    related = "; ".join(f"{docs_link(catalogue, other)} {markdown(folded(apart))}"
                        for other, apart in topic["related"].items())
    return lines + [f"- **Not to be confused with**: {related}", f"- **Source**: {topic['source']}", ""]


def docs(catalogue, written, details):
    parts = [("Waybill's own replies", catalogue.replies.values()), ("Basic codes", catalogue.codes.values()),
             ("Enhanced codes", [t for name, t in catalogue.enhanced.items() if name in written])]
    catalogue.listed = {t["name"]: docs_heading(t) for _, topics in parts for t in topics}
    lines = [DOCS_HEAD]
    for heading, topics in parts:
        lines += [f"## {heading}", ""]
        for topic in topics:
            lines += docs_topic(catalogue, topic)
    return "\n".join(lines + docs_details(catalogue, details)) + "\n"


def docs_details(catalogue, details):
    """The registered details, X for the class."""
    lines = ["## Registered enhanced codes", ""]
    for raw in details:
        family = catalogue.families[int(raw["detail"].split(".")[0])]
        related = "; ".join(f"X.{name} {markdown(folded(text))}" for name, text in raw["related"].items())
        lines += [f"### X.{raw['detail']} {raw['title']}", "", markdown(raw["description"]), "",
                  f"- **When you see it**: {markdown(raw['when'])}",
                  f"- **How to fix it, sender**: {markdown(raw['fix_sender'])}",
                  f"- **How to fix it, postmaster**: {markdown(raw['fix_postmaster'])}",
                  f"- **Not to be confused with**: {related}", f"- **Source**: {raw.get('source', family['source'])}", ""]
    return lines


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def check_docs(path, text):
    try:
        with open(path, encoding="utf-8") as file:
            fresh = file.read() == text
    except FileNotFoundError:
        fresh = False
    if not fresh:
        sys.exit(f"{path} is stale; run: python3 tools/gen_replies.py --docs {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "catalogue", "replies.toml")
    parser.add_argument("catalogue", nargs="?", default=default)
    for option in ("--header", "--table", "--docs", "--check"):
        parser.add_argument(option, metavar="FILE")
    args = parser.parse_args()
    try:
        with open(args.catalogue, "rb") as file:
            data = tomllib.load(file)
        catalogue = Catalogue(data)
    except tomllib.TOMLDecodeError as error:
        sys.exit(f"{args.catalogue}: {error}")
    except Refused as error:
        sys.exit(f"{args.catalogue}: {error}")
    except KeyError as error:
        sys.exit(f"{args.catalogue}: a table or an entry lacks {error}")
    if args.header:
        write(args.header, header(catalogue))
    if args.table:
        write(args.table, table(catalogue))
    if args.docs or args.check:
        text = docs(catalogue, {raw["code"] for raw in data["enhanced"]}, data["detail"])
        if args.docs:
            write(args.docs, text)
        if args.check:
            check_docs(args.check, text)


if __name__ == "__main__":
    main()
