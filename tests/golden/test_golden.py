#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the golden profile in every format and compares.

Input: the program golden_write (argument), profile.txt, golden.FORMAT.
Output: a PASS or FAIL line for each check; status 1 if one failed.
Update a golden file only after reading the difference:
  golden_write FORMAT < profile.txt > golden.FORMAT
"""
import collections
import difflib
import importlib
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
failed = False


def check(name, good, detail=""):
    global failed
    failed |= not good
    print(("PASS" if good else "FAIL"), "golden/" + name)
    if not good and detail:
        print(detail)


def shown(name, data):
    """What the golden file holds: what is not text already is shown by check_FORMAT.py."""
    if not (HERE / f"check_{name}.py").exists():
        return data
    return importlib.import_module("check_" + name).show(data).encode()


def unfold(line):
    """Frames and count of a folded line, by the rules of docs/formats.md."""
    stack, count = line.rsplit(" ", 1)
    return tuple(unescape(frame) for frame in stack.split(";")), int(count)


def unescape(text):
    data = text.encode()
    return re.sub(rb"\\(\\|x[0-9a-f]{2})",
                  lambda m: b"\\" if m[1] == b"\\" else bytes([int(m[1][1:], 16)]), data)


def recipe_frame(text):
    kind, *fields, line = text.split()
    function, file, module = (
        b"" if f == "-" else re.sub(rb"\\x(..)", lambda m: bytes([int(m[1], 16)]),
                                    f.replace("~", " ").encode()) for f in fields)
    base = file if file.startswith(b"<") else file.split(b"/")[-1]
    if kind == "p":
        where = base if line == "0" else base + b":" + line.encode()
        return function + b" (" + where + b")"
    if kind == "n":
        return function if function.startswith(b"[") else function + b" (" + module + b")"
    return function + {"i": b" (inlined)", "k": b"_[k]"}.get(kind, b"")


def recipe_counts():
    """The same from the recipe, without the code under test."""
    counts = collections.Counter()
    for line in (HERE / "profile.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        head, *frames = line.split("|")
        frames = tuple(recipe_frame(f) for f in frames if f.strip()) or (b"[unknown]",)
        counts[frames] += int(head.split()[0])
    return counts


def main():
    writer = sys.argv[1]
    recipe = (HERE / "profile.txt").read_bytes()
    for path in sorted(HERE.glob("golden.*")):
        name = path.suffix[1:]
        got = shown(name, subprocess.run([writer, name], input=recipe, stdout=subprocess.PIPE, check=True).stdout)
        want = path.read_bytes()
        diff = difflib.unified_diff(want.decode(errors="backslashreplace").splitlines(),
                                    got.decode(errors="backslashreplace").splitlines(),
                                    str(path.name), "written", lineterm="")
        check(name, got == want, "\n".join(diff))
        if name == "folded":
            lines = got.decode("utf-8").splitlines()
            pairs = [unfold(line) for line in lines]
            check("folded: no line twice", len(dict(pairs)) == len(pairs))
            check("folded: equals the recipe", dict(pairs) == recipe_counts(),
                  f"{dict(pairs)}\n{dict(recipe_counts())}")
    sys.exit(failed)


main()
