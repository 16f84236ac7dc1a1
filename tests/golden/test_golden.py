#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the golden profile in every format and compares; then a hostile one, and a large one.

Input: the program golden_write (argument), profile.txt, and for each line of the formats table golden.FORMAT and
check_FORMAT.py: show(data), for what is not plain text, is what golden.FORMAT holds; check(data, recipe,
check_that) recomputes it from the recipe; is_empty(data): a profile without samples, and nothing wrong.
Output: a PASS or FAIL line for each check; status 1 if one failed.
Update a golden file only after reading the difference:
  tests/golden/test_golden.py build/tests/golden_write --show FORMAT > tests/golden/golden.FORMAT
"""
import difflib
import importlib
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

SYSTEM_PYTHON = "/usr/bin/python3"  # has Debian's python3-jsonschema
if not importlib.util.find_spec("jsonschema"):
    if sys.executable == SYSTEM_PYTHON:
        sys.exit("test_golden.py: needs Debian's python3-jsonschema; tools/install-deps --tests")
    os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import check_folded  # noqa: E402
import check_html  # noqa: E402
import check_pprof  # noqa: E402
import check_speedscope  # noqa: E402
import recipe as golden  # noqa: E402

# Names that would break a format.
NAMES = [b"a;b", b"'\"`", b"<script>alert(1)</script>", b"</title><script>", b"]]>", b"&amp;&#0;", b"a\nb\rc\td", b"a\0b",
         b"\xff\xfe\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbf\xbe\xef\xbf\xbf", b"\xe2\x80\xa8\xe2\x80\xa9\xc2\x85",
         b"back\\slash \\x41", b"\x1b[31mred\x7f", b" ", b"%s%n", b"{}[]", "größe 日本 🐍".encode(), b"x" * 10240,
         b"\xff" * 5000 + b";" * 5000, b"a\xcc\x81" * 50, b"7", b"[unknown but (not)"]
failed = False


def check(name, good, detail=""):
    global failed
    failed |= not good
    print(("PASS" if good else "FAIL"), "golden/" + name)
    if not good and detail:
        print(str(detail)[:4000])


def write(name, recipe="", *arguments):
    return subprocess.run([sys.argv[1], name, *map(str, arguments)], input=recipe.encode(), stdout=subprocess.PIPE,
                          check=True).stdout


def checker(name):
    return importlib.import_module("check_" + name) if (HERE / f"check_{name}.py").exists() else None


def shown(name, data):
    """What the golden file holds: text, and no version in it."""
    show = getattr(checker(name), "show", None)
    return re.sub(rb"pitviper([ @])\d+\.\d+\.\d+", rb"pitviper\1VERSION", show(data).encode() if show else data)


def check_against(name, data, recipe, label):
    module = checker(name)
    if not module:
        return
    try:
        module.check(data, recipe, lambda what, good, detail="": check(f"{name}: {label}{what}", good, detail))
    except Exception as error:  # what cannot be read at all
        check(f"{name}: {label}can be read", False, f"{type(error).__name__}: {error}")


def formats():
    """Those of the program's table, from the message about one that there is not."""
    run = subprocess.run([sys.argv[1], "?"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    return run.stderr.rpartition(":")[2].split()


def check_files():
    """A format that brings no golden file, or no reader of its own, is tested by nothing below."""
    table, files = set(formats()), {path.suffix[1:] for path in HERE.glob("golden.*")}
    check("a golden file for each format, and no other", table and table == files, f"{table ^ files}")
    missing = [f"{name}: {what}" for name in sorted(table) for what in ("check", "is_empty")
               if not hasattr(checker(name), what)]
    check("a reader for each format", not missing, missing)


def check_golden():
    text = (HERE / "profile.txt").read_text()
    for path in sorted(HERE.glob("golden.*")):
        name = path.suffix[1:]
        data = write(name, text)
        got, want = shown(name, data), path.read_bytes()
        diff = difflib.unified_diff(want.decode(errors="backslashreplace").splitlines(),
                                    got.decode(errors="backslashreplace").splitlines(),
                                    str(path.name), "written", lineterm="")
        check(name, got == want, "\n".join(diff))
        check(f"{name}: the same bytes each time", write(name, text) == data)
        check_against(name, data, golden.read(text), "")


def hostile_recipe():
    """Each name as a function, a file, a module, a thread and a process."""
    lines = ["capture period_ns 10000000", "capture title \\xff;<script>\\x0a", "capture pid 11"]
    for i, name in enumerate(NAMES):
        field = golden.to_field(name)
        lines += [f"process {100 + i} 1 1 p {field} {field} {field}", f"module {field} /srv/{field} {field}",
                  f"1000 {100 + i} t{i} at={i}:1000 process={100 + i}.1 | p {field} /srv/{field}.py - 7 | n {field} - {field} 0",
                  f"2000 {100 + i} t{i} at={i}:2000 process={100 + i}.1 | k {field} - - 0 | m {field} - - 0 | P {field} - - 0"]
    # Too narrow to be drawn.
    lines += ["1 99 narrow at=90:1 process=99.1 | p f /srv/f.py - 1"]
    return "\n".join(lines) + "\n"


CALLS = """capture period_ns 10000000
2 7 main | n _start - python3.12 0 | n Py_Main - python3.12 0 | p f /srv/a.py - 1 | n _PyObject_Call - python3.12 0 | p g /srv/a.py - 2
3 7 main | n _start - python3.12 0 | n Py_Main - python3.12 0 | p f /srv/a.py - 1 | n _PyObject_Call - python3.12 0
4 7 main | n _start - python3.12 0 | n Py_Main - python3.12 0 | p f /srv/a.py - 1 | n _PyObject_Call - python3.12 0 | n dict_new - python3.12 0
5 7 main | n _start - python3.12 0 | n Py_Main - python3.12 0 | p f /srv/a.py - 1 | m [gc] - - 0 | n gc_collect_main - python3.12 0
6 7 main | n _start - python3.12 0 | n each - libown.so 0 | p f /srv/a.py - 1
7 8 pool | n start_thread - libc.so.6 0 | n thread_run - python3.12 0
"""


def check_calls():
    """A picture leaves out how the interpreter calls, but not the time in it; [gc] is nothing that is missing."""
    check_against("svg", write("svg", CALLS), golden.read(CALLS), "calls: ")


def check_hostile():
    text = hostile_recipe()
    for name in formats():
        check_against(name, write(name, text), golden.read(text), "hostile names: ")


def check_empty():
    """No sample at all is a profile too."""
    for name in formats():
        data = write(name, "capture period_ns 10000000\n")
        check(f"{name}: empty", hasattr(checker(name), "is_empty") and checker(name).is_empty(data), data[:300])


def without_place(text):
    """The name of a frame of the synthetic profile."""
    return re.sub(r" \((?:\S+\.py:\d+|\S+\.so)\)$", "", text)


def check_large():
    """Formats say the same of a profile that is too long for the order of time."""
    size = (150000, 3000)
    want = {}
    for line in write("folded", "", *size).decode().splitlines():
        stack, count = check_folded.unfold(line)
        key = tuple(without_place(frame.decode()) for frame in stack)
        want[key] = want.get(key, 0) + count
    check("folded: all samples of a large profile", sum(want.values()) == size[0])
    check("pprof: a large profile equals the folded one", check_pprof.folded(write("pprof", "", *size)) == want)
    check("html: a large profile equals the folded one", check_html.folded(write("html", "", *size), without_place) == want)
    data = write("speedscope", "", *size)
    root = check_speedscope.json.loads(data)
    check("speedscope: a large profile equals the folded one",
          check_speedscope.folded(data, 4 * 60 * 10**9 // size[0]) == want)
    check("speedscope: a large profile says that it is joined",
          all(p["name"].endswith(", joined by stack, not in the order of time") for p in root["profiles"]))
    small = check_speedscope.json.loads(write("speedscope", "", 20000, 500))
    check("speedscope: a small one is in the order of time", not any("joined" in p["name"] for p in small["profiles"]))


def main():
    if len(sys.argv) == 4 and sys.argv[2] == "--show":
        sys.stdout.buffer.write(shown(sys.argv[3], write(sys.argv[3], (HERE / "profile.txt").read_text())))
        return
    check_files()
    check_golden()
    check_calls()
    check_hostile()
    check_empty()
    check_large()
    sys.exit(failed)


main()
