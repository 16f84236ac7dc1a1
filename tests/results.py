#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""One line for each test case, whatever ran it: "PASS name", "FAIL name: why", "SKIP name: reason".

usage: results.py meson BUILDDIR     Input: the log of the last `meson test` there, and Check's TAP files.
       results.py junit FILE NAME STATUS   Input: what pytest --junitxml wrote, and its exit status.
       results.py lines FILE NAME STATUS   Input: the output of a script that prints such lines itself.
./run-tests counts the lines.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree

LINE = re.compile(r"(PASS|FAIL|SKIP) (.+)")


def say(result, name, why=""):
    why = " ".join(why.split())
    print(f"{result} {name}" + (f": {why[:400]}" if why else ""))


def own_lines(text, name, failed, why):
    """Lines that a script printed itself; its status counts when they do not explain it."""
    found = LINE.findall(text)
    for result, rest in found:
        print(result, rest)
    if failed and not any(result == "FAIL" for result, _ in found):
        say("FAIL", name, why)
    elif not found and not failed:
        say("PASS", name)


def tap_cases(text, name):
    """Check: "ok 1 - file.c:tcase:test: Passed", "not ok 2 - file.c:tcase:test: file.c:12: why"."""
    failed = False
    for line in text.splitlines():
        match = re.fullmatch(r"(not )?ok \d+ - (?:[^:]*:)?([^:]*):([^:]*): (.*)", line)
        if match:
            failed |= bool(match[1])
            say("FAIL" if match[1] else "PASS", f"{name}: {match[3]}", match[4] if match[1] else "")
    return failed


def meson(builddir):
    builddir = pathlib.Path(builddir)
    for line in (builddir / "meson-logs/testlog.json").read_text().splitlines():
        test = json.loads(line)
        # "PROJECT:SUITE / NAME", with no project in some versions of meson
        suite, _, name = test["name"].rpartition(" / ")
        suite = suite.split(":")[-1]
        full = f"{suite}/{name}"
        tap = builddir / "tests" / f"{suite}_{name}.tap"
        output = test.get("stdout", "") + test.get("stderr", "")
        bad = test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")
        if test["result"] == "SKIP":
            say("SKIP", full, output or "status 77 without a reason")
        elif tap.exists() and tap.read_text().strip():
            if not tap_cases(tap.read_text(), full) and bad:
                say("FAIL", full, f"{test['result']}: " + output[-300:])
        else:
            own_lines(test.get("stdout", ""), full, bad, f"{test['result']}: " + output[-300:])


def junit(path, name, status):
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except (OSError, xml.etree.ElementTree.ParseError) as error:
        say("FAIL", name, f"pytest wrote no results: {error}")
        return
    cases = list(root.iter("testcase"))
    # 0 and 1: all tests ran and none or some failed; 2 to 5: interrupted, broken, misused, no test at all
    if status not in ("0", "1"):
        say("FAIL", name, f"pytest's status {status}, {len(cases)} test cases")
    elif not cases:
        say("FAIL", name, "not one test case ran")
    for case in cases:
        full = f"{name}/{case.get('classname', '').split('.')[-1]}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            bad = case.find("failure") if case.find("failure") is not None else case.find("error")
            say("FAIL", full, bad.get("message") or (bad.text or "")[-300:])
        elif case.find("skipped") is not None:
            say("SKIP", full, case.find("skipped").get("message") or "no reason given")
        else:
            say("PASS", full)


def main():
    kind, *args = sys.argv[1:]
    if kind == "meson":
        meson(*args)
    elif kind == "junit":
        junit(*args)
    elif kind == "lines":
        path, name, status = args
        text = pathlib.Path(path).read_text(errors="replace")
        own_lines(text, name, status != "0", f"status {status}: " + text[-300:])
    else:
        sys.exit(__doc__)


main()
