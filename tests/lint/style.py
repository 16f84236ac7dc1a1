#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What every file of the tree must have, and no file may have.

Input: the files that git knows.  Output: PASS or FAIL lines; status 1 if one failed.
"""
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
CODE = {".c", ".h", ".def", ".inc", ".py", ".sh", ".build", ".js", ".css"}
LINES_MAX = 800
# Dual by the licence of what they are loaded into or shared with (docs/licenses.md).
DUAL = re.compile(r"src/(abi|bpf|walk)/")
SPDX = re.compile(r"SPDX-License-Identifier: (BSD-2-Clause(?: OR GPL-2\.0-only)?)(?: \*/)?$")
# Subjects of this machine, not of the project; spelled so that this file does not hold them.
FORBIDDEN = re.compile("/" + "work/(main|shared)|/" + r"root/\.pyenv|/home/\w+/")
failed = False


def check(name, problems):
    global failed
    failed |= bool(problems)
    print(("FAIL" if problems else "PASS"), "lint/style: " + name + (": " + "; ".join(problems[:20]) if problems else ""))


def is_source(path):
    if path.suffix in CODE:
        return True
    with (TOP / path).open("rb") as file:
        return path.suffix == "" and file.read(2) == b"#!"


def spdx_problem(path, text):
    for line in text.splitlines()[:3]:
        match = SPDX.search(line)
        if match:
            dual = " OR " in match[1]
            if dual != bool(DUAL.match(path.as_posix())) and path.suffix in (".c", ".h", ".def"):
                return f"{path} says {match[1]}"
            return None
    return f"{path} has no SPDX line"


def main():
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=TOP,
                           capture_output=True, text=True, check=True).stdout.split("\0")
    files = [pathlib.Path(name) for name in names if name and (TOP / name).is_file()]
    texts = {}
    for path in files:
        try:
            texts[path] = (TOP / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            pass  # fixtures and corpora
    sources = [path for path in texts if is_source(path)]
    own = [path for path in sources if path.suffix in (".c", ".h", ".py", ".sh", ".js", ".css", "")]
    check("SPDX line", [p for p in (spdx_problem(path, texts[path]) for path in sources) if p])
    check(f"no file over {LINES_MAX} lines", [f"{path} has {texts[path].count(chr(10))}" for path in own
                                              if texts[path].count("\n") > LINES_MAX])
    check("ends with one line end", [str(path) for path in sources
                                     if texts[path] and (not texts[path].endswith("\n") or texts[path].endswith("\n\n"))])
    check("no trailing blanks", [f"{path}:{n}" for path in sources
                                 for n, line in enumerate(texts[path].split("\n"), 1) if line != line.rstrip()])
    check("no path of one machine", [f"{path}:{n}" for path in texts
                                     for n, line in enumerate(texts[path].split("\n"), 1) if FORBIDDEN.search(line)])
    check("C sources say what they are", [str(path) for path in sources
                                          if path.suffix == ".c" and path.parts[0] == "src"
                                          and not re.match(r"/\* SPDX[^\n]*\n/\*[ \n]", texts[path])])
    sys.exit(failed)


main()
