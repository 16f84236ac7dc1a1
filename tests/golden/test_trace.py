#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the golden trace in every format and compares; then traces made at random, hostile names, and an empty one.

Input: the program trace_write (argument), trace.txt, and for each line of the table of trace formats, the summary and the
terminal's text, trace.NAME: what is shown of it.  trace_check.py recomputes each from the recipe.
Output: a PASS or FAIL line for each check; status 1 if one failed.
Update a golden file only after reading the difference:
  tests/golden/test_trace.py build/tests/trace_write --show NAME > tests/golden/trace.NAME
"""
import difflib
import importlib.util
import os
import pathlib
import re
import subprocess
import sys

SYSTEM_PYTHON = "/usr/bin/python3"  # has Debian's python3-jsonschema
if not importlib.util.find_spec("jsonschema"):
    if sys.executable == SYSTEM_PYTHON:
        sys.exit("test_trace.py: needs Debian's python3-jsonschema; tools/install-deps --tests")
    os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import recipe as golden  # noqa: E402
import trace_check  # noqa: E402
import trace_recipe  # noqa: E402

MORE = ["summary", "terminal"]  # that are no formats
# Names that would break a format.
NAMES = [b"a;b", b"'\"`", b"<script>alert(1)</script>", b"a\nb\rc\td", b"a\0b", b"\xff\xfe\xc0\xaf", b"\xed\xa0\x80",
         b"\xef\xbf\xbe", b"\xe2\x80\xa8\xe2\x80\xae", b"back\\slash \\x41", b"\x1b[31mred\x7f", b"%s%n", b"{}[]",
         "größe 日本 🐍".encode(), b"x" * 3000, b"-> <- ..", b"7", b" = 3  raised"]
failed = False


def check(name, good, detail=""):
    global failed
    failed |= not good
    print(("PASS" if good else "FAIL"), "golden/trace: " + name)
    if not good and detail:
        print(str(detail)[:4000])


def write(name, recipe):
    return subprocess.run([sys.argv[1], name], input=recipe.encode(), stdout=subprocess.PIPE, check=True,
                          env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}).stdout


def formats():
    """Those of the program's table, from the message about one that there is not."""
    run = subprocess.run([sys.argv[1], "?"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    return run.stderr.rpartition(":")[2].split()


def shown(name, data):
    """What the golden file holds: text, and no version in it."""
    show = getattr(trace_check, "show_" + name, None)
    text = show(data) if show else data.decode()
    return re.sub(r'("?pitviper"?[ :@]+"?)\d+\.\d+\.\d+', r"\1VERSION", text)


def check_against(name, text, label):
    """All that trace_check.py knows of that format."""
    try:
        getattr(trace_check, "check_" + name)(write(name, text), trace_recipe.read(text), lambda what, good, detail="": check(
            f"{name}: {label}{what}", good, detail))
    except Exception as error:  # what cannot be read at all
        check(f"{name}: {label}can be read", False, f"{type(error).__name__}: {error}")


def check_golden(names):
    text = (HERE / "trace.txt").read_text()
    for name in names:
        data, path = write(name, text), HERE / f"trace.{name}"
        got, want = shown(name, data), path.read_text() if path.exists() else ""
        check(name, got == want, "\n".join(difflib.unified_diff(want.splitlines(), got.splitlines(), path.name, "written", lineterm="")))
        check(f"{name}: the same bytes each time", write(name, text) == data)
        check_against(name, text, "")


def hostile_recipe():
    """Each name as a function, a file, a module, a thread, an argument and a result."""
    lines = ["capture title \\xff;<script>\\x0a", "capture pid 11"]
    for i, name in enumerate(NAMES):
        field = golden.to_field(name)
        lines += [f"function {2 * i} p {field} /srv/{field}.py - 7", f"function {2 * i + 1} n {field} - {field} 0",
                  f"thread {100 + i} {golden.to_field(name[:60].split(bytes(1))[0])}"]
    for i, name in enumerate(NAMES):
        field = golden.to_field(name)
        lines += [f"execution {i + 1} {100 + i} | p {field} /srv/{field}.py - 7", f"0 0 {1000 * i} {1000 * i + 900}",
                  f"1 {2 * i} {1000 * i + 100} {1000 * i + 800} args={field} result={field}",
                  f"2 {2 * i + 1} {1000 * i + 200} {1000 * i + 300} raised result={field}"]
    return "\n".join(lines) + "\n"


EMPTY = "capture pid 7\nfunction 0 p f /srv/a.py - 1\ntrace n_seen 0\n"
ONE = "capture pid 7\nfunction 0 p f /srv/a.py - 1\nthread 7 main\nexecution 1 7\n0 0 5 5\ntrace n_seen 1\n"


def deep_recipe(n):
    """A function that calls itself n times, each a nanosecond shorter at both ends."""
    lines = ["capture pid 7", "function 0 p f /srv/a.py - 1", "function 1 n leaf - libx.so 0", "thread 7 main", "execution 1 7"]
    lines += [f"{i} 0 {i} {3 * n - i}" for i in range(n)] + [f"{n} 1 {n} {n + 1}"]
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) == 4 and sys.argv[2] == "--show":
        sys.stdout.write(shown(sys.argv[3], write(sys.argv[3], (HERE / "trace.txt").read_text())))
        return
    names = formats() + MORE
    files = {path.suffix[1:] for path in HERE.glob("trace.*")} - {"txt"}
    check("a golden file for each format, and no other", len(names) > 2 and set(names) == files, f"{set(names) ^ files}")
    check_golden(names)
    texts = [("hostile names: ", hostile_recipe()), ("no execution: ", EMPTY), ("one call: ", ONE), ("deep: ", deep_recipe(3000)),
             *((f"random {seed}: ", trace_recipe.made(seed, 400)) for seed in range(5)), ("many: ", trace_recipe.made(7, 50000))]
    for label, text in texts:
        for name in names:
            if name != "terminal":  # which cuts
                check_against(name, text, label)
    sys.exit(failed)


main()
