#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compile catalogue/replies.toml into reply_keys.h and reply_table.c."""
import argparse
import json
import tomllib


def key_names(replies):
    return ["REPLY_" + r["key"].upper().replace("-", "_") for r in replies]


def header(replies):
    lines = ["/* Generated from catalogue/replies.toml; do not edit. */", "#ifndef WAYBILL_REPLY_KEYS_H",
             "#define WAYBILL_REPLY_KEYS_H", "", "enum reply_key {"]
    lines += [f"\t{name}," for name in key_names(replies)]
    lines += ["\tREPLY_KEY_COUNT", "};", "", "#endif", ""]
    return "\n".join(lines)


def table(replies):
    lines = ["/* Generated from catalogue/replies.toml; do not edit. */", '#include "reply_table.h"', "",
             "const struct reply_entry reply_table[REPLY_KEY_COUNT] = {"]
    for r in replies:
        fields = ", ".join([json.dumps(r["key"]), str(r["code"]), json.dumps(r["enhanced"]), json.dumps(r["wording"])])
        lines.append(f"\t{{ {fields} }},")
    lines += ["};", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalogue")
    parser.add_argument("--header")
    parser.add_argument("--table")
    args = parser.parse_args()
    with open(args.catalogue, "rb") as file:
        replies = tomllib.load(file)["reply"]
    for path, text in ((args.header, header(replies)), (args.table, table(replies))):
        if path:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)


if __name__ == "__main__":
    main()
