#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Completion offers what the help names: run in bash, as a Tab would.

Input: `pitviper --completion`, `pitviper --help`, `pitviper COMMAND --help`.  Output: PASS or FAIL
lines; status 1 if one failed.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
PITVIPER = os.environ.get("PITVIPER") or str(TOP / "build/src/pitviper")
# What bash does at a Tab: splits the line, calls the function, takes COMPREPLY.
TAB = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_pitviper 2>"$ERRORS"
printf '%s\\n' "${COMPREPLY[@]}"
complete -p pitviper >/dev/null
"""
failed = False


def check(name, problems):
    global failed
    failed |= bool(problems)
    print(("FAIL" if problems else "PASS"), "lint/completion: " + name +
          (": " + "; ".join(map(str, problems)) if problems else ""))


def output(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


class Bash:
    def __init__(self, folder):
        self.folder = folder
        self.script = os.path.join(folder, "pitviper.bash")
        with open(self.script, "w", encoding="utf-8") as file:
            file.write(output(PITVIPER, "--completion"))

    def tab(self, *words):
        """What is offered for the last of the words, which may be cut short; complaints are an offer, too."""
        errors = os.path.join(self.folder, "errors")
        run = subprocess.run(["bash", "-c", TAB, "bash", self.script, "pitviper", *words], cwd=self.folder, check=False,
                             env={"PATH": os.environ["PATH"], "ERRORS": errors}, capture_output=True, text=True)
        with open(errors, encoding="utf-8") as file:
            complaints = run.stderr + file.read()
        return {line for line in run.stdout.splitlines() if line} | ({complaints} if complaints or run.returncode else set())


def missing(want, got):
    return [f"{name} is not offered" for name in sorted(want - got)] + [f"{name} is offered" for name in sorted(got - want)]


def check_command(bash, command):
    text = output(PITVIPER, command, "--help")
    options = {option for line in text.splitlines() if re.match(r"\s+-", line)
               for option in re.findall(r"(?<![\w-])(?:--[a-z][a-z-]+|-[A-Za-z])(?![\w-])",
                                        re.split(r"\s{2,}", line.strip())[0])}
    check(f"{command}: each option", missing(options, bash.tab(command, "-")) or ([] if options else ["none found"]))
    check(f"{command}: an option's start", missing({o for o in options if o.startswith("--n")}, bash.tab(command, "--n")))
    formats = set(re.findall(r"^  ([a-z]+) +\.", text, re.M))
    if "--format" in options:
        check(f"{command}: each format", missing(formats, bash.tab(command, "--format", "")))
        check(f"{command}: --format=", missing(formats, bash.tab(command, "--format", "=")))
        check(f"{command}: --format=f", missing({"folded"}, bash.tab(command, "--format", "=", "fo")))
        check(f"{command}: each format of the table", [] if formats == table_formats(command) else [formats, table_formats(command)])
        check(f"{command}: -o offers files", missing({"a file.pvr"}, bash.tab(command, "-o", "a")))
    return options


def table_formats(command):
    """Those that the source has, whatever its table says: of profiles, traces, ledgers or hunts."""
    kinds = {"trace", "refs", "memory"}
    text = "".join(path.read_text() for path in (TOP / "src/out").glob("*.c")
                   if (path.name.split("_")[0] if path.name.split("_")[0] in kinds else "") == (command if command in kinds else ""))
    return set(re.findall(r'^\s*\.name = "([^"]+)"', text, re.M))


def main():
    commands = set(re.findall(r"^  +([a-z]+)\s{2,}\S", output(PITVIPER, "--help"), re.M))
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "a file.pvr").touch()
        bash = Bash(folder)
        shellcheck = subprocess.run(["shellcheck", "-s", "bash", bash.script], capture_output=True, text=True, check=False)
        check("shellcheck", [shellcheck.stdout] if shellcheck.returncode else [])
        check("each command", missing(commands | {"-h", "--help", "--version"}, bash.tab("")))
        check("a command's start", missing({"stack"}, bash.tab("st")))
        options = {command: check_command(bash, command) for command in sorted(commands)}
        check("-p offers processes", [] if str(os.getpid()) in bash.tab("record", "-p", "") else ["not this one"])
        check("stack offers processes", missing({str(os.getpid())}, bash.tab("stack", str(os.getpid()))))
        check("a recording", missing({"a file.pvr"}, bash.tab("report", "a")))
        check("a program after --", [] if "env" in bash.tab("record", "--", "en") else ["no commands"])
        check("no option of ours after --", sorted(options["record"] & bash.tab("record", "--", "python3", "-")))
        check("no value that cannot be guessed", sorted(bash.tab("record", "-d", "")))
        check("no command that is none", sorted(bash.tab("nothing", "-")))
    sys.exit(failed)


main()
