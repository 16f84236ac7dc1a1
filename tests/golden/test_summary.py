#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compares the end summaries with tests/golden/summary.txt, and the JSON with the text.

Input: the program golden_summary (argument), summary.txt.
Output: a PASS or FAIL line for each check; status 1 if one failed.
Update the golden file only after reading the difference:
  golden_summary > summary.txt
"""
import difflib
import json
import pathlib
import re
import subprocess
import sys
import unicodedata

HERE = pathlib.Path(__file__).resolve().parent
SEQUENCE = re.compile(r"\\e\[[0-9;]*m")
failed = False


def check(name, problems):
    global failed
    failed |= bool(problems)
    print(("FAIL" if problems else "PASS"), "golden/summary: " + name)
    for problem in problems[:40]:
        print(problem)


def columns(text):
    """Of a terminal, by Unicode's own tables."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pages(text):
    """(heading, width, colours, lines) of each summary."""
    for page in re.split(r"^==== ", text, flags=re.M)[1:]:
        heading, *lines = page.split("\n")
        match = re.fullmatch(r"(.*), (\d+) columns(, colours)?", heading)
        yield heading, int(match[2]), bool(match[3]), lines


def main():
    def run(*args):
        return subprocess.run([sys.argv[1], *args], stdout=subprocess.PIPE, check=True).stdout.decode("utf-8")
    got, want = run(), (HERE / "summary.txt").read_text(encoding="utf-8")
    check("the text", list(difflib.unified_diff(want.splitlines(), got.splitlines(), "summary.txt", "written", lineterm="")))

    wide, raw, coloured, places = [], [], [], []
    for heading, width, colours, lines in pages(got):
        rows = [line for line in lines if re.match(r"  +\d+\.\d %", line)]
        # sentences are broken on a terminal only; rows always fit
        wide += [f"{heading}: {line}" for line in (lines if colours else rows)
                 if columns(SEQUENCE.sub("", line)) > width]
        raw += [f"{heading}: {line!r}" for line in lines for c in line
                if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs")]
        if bool(SEQUENCE.search("\n".join(lines))) != colours:
            coloured.append(heading)
        places += [f"{heading}: {line}" for line in lines if line != line.rstrip()]
    check("no line is wider than the terminal", wide)
    check("no control or format character", raw)
    check("colours where they are asked for only", coloured)
    check("no blanks at the ends of lines", places)

    summary = json.loads(run("json"))
    heading, _, _, lines = next(pages(got))
    text = " ".join(lines)
    first = re.search(r"\n\n(.*?)\n\n", "\n" + "\n".join(lines), re.S)[1].replace("\n", " ")
    check("the JSON's answer is the text's", [] if summary["answer"] == first else [summary["answer"], first])
    hot = summary["hottest"][0]
    check("the JSON's numbers are the text's", [
        f"{want} is not in the text" for want in (
            f"{100 * hot['self']['share']:.1f} %", f"{hot['total']['share'] * 100:.1f} %",
            f"{hot['self']['seconds']:.2f} s", f"{summary['samples']:,} samples",
            f"{100 * summary['layers']['kernel']['share']:.0f} % kernel") if want not in text])
    check("the JSON's layers are all samples", [] if summary["samples"] == sum(
        layer["samples"] for layer in summary["layers"].values()) else [str(summary["layers"])])
    sys.exit(failed)


main()
