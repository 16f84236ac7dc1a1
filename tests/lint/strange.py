#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The page and the terminal call the same characters strange.

Input: the ranges in src/base/text.c and those in src/out/viewer/text.js.
Output: PASS or FAIL lines; status 1 if one failed.
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
RANGE = r"[{\[] ?(0x[0-9a-f]+), (0x[0-9a-f]+) ?[}\]]"


def ranges(path, start, end):
    """The ranges in the list between two texts."""
    text = (TOP / path).read_text(encoding="utf-8").partition(start)[2].partition(end)[0]
    return [(int(first, 16), int(last, 16)) for first, last in re.findall(RANGE, text)]


def main():
    terminal = ranges("src/base/text.c", "ranges[] = {", "};")
    page = ranges("src/out/viewer/text.js", "COMMANDS = [", "];")
    checks = {
        "the lists are found": len(terminal) > 10 and len(page) > 10,
        "each is in order": all(a[1] < b[0] for each in (terminal, page) for a, b in zip(each, each[1:])),
        "both are the same": terminal == page,
    }
    for name, good in checks.items():
        print("PASS" if good else "FAIL", "strange:", name)
    for first, last in sorted(set(terminal) ^ set(page)):
        print(f"  only in src/{'base/text.c' if (first, last) in terminal else 'out/viewer/text.js'}: {first:#x} to {last:#x}")
    return not all(checks.values())


sys.exit(main())
