#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Help and man pages agree, both ways.

Input: `pitviper --help`, `pitviper COMMAND --help`, docs/man/*.1 rendered by mandoc, the format
names of src/out.  Output: PASS or FAIL lines; status 1 if one failed.
"""
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
PITVIPER = os.environ.get("PITVIPER") or str(TOP / "build/src/pitviper")
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]+|-[A-Za-z])(?![\w-])")
failed = False


def check(name, problems):
    global failed
    failed |= bool(problems)
    print(("FAIL" if problems else "PASS"), "lint/help: " + name + (": " + "; ".join(problems) if problems else ""))


def output(*argv):
    run = subprocess.run(argv, cwd=TOP, capture_output=True, text=True)
    return run.stdout + run.stderr, run.returncode


def page(name):
    path = TOP / f"docs/man/{name}.1"
    if not path.exists():
        return None
    # Overstrikes of the terminal output are bold and underline.
    return re.sub(r".\x08", "", output("mandoc", "-T", "ascii", "-O", "width=200", str(path))[0])


def section(text, name):
    match = re.search(rf"^{name}\n(.*?)(?=^\S|\Z)", text, re.M | re.S)
    return match[1] if match else ""


def described(text):
    """Options that have an entry of their own: at the start of a line."""
    return {option for line in section(text, "DESCRIPTION").splitlines() if re.match(r"\s+-", line)
            for option in OPTION.findall(re.match(r"\s+((?:-[\w-]+(?:[ =]\w+)?(?:, )?)+)", line)[1])}


def check_command(command):
    text, status = output(PITVIPER, command, "--help")
    man = page(f"pitviper-{command}")
    check(f"{command} --help says 0", [] if status == 0 else [f"status {status}"])
    check(f"{command} --help has an example", [] if re.search(rf"pitviper {command} ", text) and
          re.search("example", text, re.I) else ["none"])
    if man is None:
        check(f"{command} has a man page", ["docs/man/pitviper-" + command + ".1 is missing"])
        return
    # Option lines of the help stand indented; its prose and examples may name options of others.
    helped = {option for line in text.splitlines() if re.match(r"\s+-", line)
              for option in OPTION.findall(re.split(r"\s{2,}", line.strip())[0])}
    check(f"{command}: the page describes each option of the help", sorted(helped - described(man)))
    check(f"{command}: the help names each option of the page", sorted(described(man) - helped))


def plain(text):
    """Words alone: how a page or a terminal breaks and quotes them is its own business."""
    return re.sub(r"[`'\"]", "", " ".join(text.split()))


def listed_formats(command):
    """(name, suffixes, text) as the help has them."""
    return re.findall(r"^  ([a-z]+) +(\.\S+(?: \.\S+)*) {2,}(\S.*)$", output(PITVIPER, command, "--help")[0], re.M)


def kind_of(path):
    """Of what a writer's file is: src/out/trace_NAME.c is of traces; "": of profiles."""
    return (re.match(r"(trace|refs|memory)_", path.name) or [None, ""])[1]


def written_formats(kind):
    """Names of those that have a writer."""
    paths = [path for path in (TOP / "src/out").glob("*.c") if kind_of(path) == kind]
    return re.findall(r'^\s*\.name = "([^"]+)"', "".join(path.read_text() for path in paths), re.M)


def check_trace_formats():
    """The same of traces, as far as there is a command for them."""
    formats, text = written_formats("trace"), (TOP / "docs/formats.md").read_text()
    check("formats of traces are found", [] if len(formats) > 3 else [str(formats)])
    check("docs/formats.md has each format of traces", [f for f in formats if f"### {f} " not in text])
    check("each format of traces has its golden file", [f for f in formats if not (TOP / f"tests/golden/trace.{f}").exists()])
    if "--format" in output(PITVIPER, "trace", "--help")[0]:
        check("trace --help lists each format", sorted(set(formats) ^ {name for name, _, _ in listed_formats("trace")}))


def check_memory_formats():
    """The same of hunts for memory."""
    formats, text = written_formats("memory"), (TOP / "docs/formats.md").read_text()
    suffixes = {name: words.split()[0] for name, words, _ in listed_formats("memory")}
    check("memory --help lists each format", sorted(set(formats) ^ set(suffixes)))
    hunts = text[text.index("## Hunts for memory"):]
    check("docs/formats.md has each format of hunts", [f for f in formats if f"`{suffixes.get(f)}`" not in hunts])
    man = section(page("pitviper-memory"), "DESCRIPTION")
    check("pitviper-memory.1 has each format", [f for f in formats if not re.search(rf"^     {f} \(", man, re.M)])


def check_formats(man):
    """The table's lines, as the help shows them, are those of the page: names, suffixes, first sentences, order."""
    helped = listed_formats("record")
    # Those whose writers are there; the table of the help is the program's own.
    formats = written_formats("")
    check("record --help lists each format", sorted(set(formats) ^ {name for name, _, _ in helped}))
    listed = re.search(r"^   Formats\n(.*?)(?=^   \S)", man, re.M | re.S)[1]
    entries = re.findall(r"^     ([a-z]+) \((\.[^)]*)\)\s+(.*?)(?=^     \S)", listed, re.M | re.S)
    check("pitviper-record.1 has the formats of the table, in its order",
          [] if [(name, suffixes.split()) for name, suffixes, _ in helped] ==
          [(name, suffixes.split(", ")) for name, suffixes, _ in entries] else [str(entries)])
    said = {name: plain(text) for name, _, text in entries}
    check("pitviper-record.1 begins with what the table says of a format",
          [f"{name}: {text}" for name, _, text in helped
           if not said.get(name, "").startswith(plain(text[0].upper() + text[1:]) + ".")])
    check("docs/formats.md has each format", [f for f in formats
                                              if f"## {f} " not in (TOP / "docs/formats.md").read_text()])
    check("each format has its golden file", [f for f in formats if not (TOP / f"tests/golden/golden.{f}").exists()])


def main():
    if not os.access(PITVIPER, os.X_OK):
        check("pitviper is built", [PITVIPER + " is not there"])
        sys.exit(1)
    text, status = output(PITVIPER, "--help")
    check("--help says 0", [] if status == 0 else [f"status {status}"])
    commands = re.findall(r"^  +([a-z]+)\s{2,}\S", text, re.M)
    check("--help lists commands", [] if commands else ["none found"])
    overview = page("pitviper")
    check("pitviper.1 names each command", [c for c in commands if f"pitviper-{c}(1)" not in overview])
    pages = {path.stem[len("pitviper-"):] for path in (TOP / "docs/man").glob("pitviper-*.1")}
    check("each page is of a command", sorted(pages - set(commands)))
    for command in commands:
        check_command(command)
    check_formats(page("pitviper-record"))
    check_trace_formats()
    check_memory_formats()
    sys.exit(failed)


main()
