#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""clang-format, shellcheck and mandoc have nothing to say; with --full neither has clang-tidy.

Input: C files, shell scripts, man pages; for clang-tidy build-asan/compile_commands.json.
Output: PASS, FAIL or SKIP lines; status 1 if one failed.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
failed = False


def run_all(name, commands):
    """commands: {file: argv}; a file passes if its command is silent and says 0."""
    global failed
    if not commands:
        failed = True
        print(f"FAIL lint/{name}: found no file")
        return
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = pool.map(lambda argv: subprocess.run(argv, cwd=TOP, capture_output=True, text=True), commands.values())
        for path, run in zip(commands, runs):
            bad = run.returncode != 0
            failed |= bad
            said = (run.stdout + run.stderr).strip()
            print(f"{'FAIL' if bad else 'PASS'} lint/{name}: {path}" + (": " + said.replace("\n", " ")[:300] if bad else ""))


def files(*patterns):
    return sorted(path.relative_to(TOP).as_posix() for pattern in patterns for path in TOP.glob(pattern))


def clang_format():
    run_all("clang-format", {path: ["clang-format", "--dry-run", "-Werror", path] for path in
                             files("src/*/*.[ch]", "src/*.c", "tests/*/*.[ch]") if not path.endswith("vmlinux.h")})


def shellcheck():
    scripts = [path for path in files("*", "tools/*", ".ci/*", "bench/*", "tests/*", "tests/*/*") if (TOP / path).is_file()
               and re.match(rb"#!.*\b(ba)?sh\b", (TOP / path).read_bytes()[:32])]
    run_all("shellcheck", {path: ["shellcheck", "-x", path] for path in scripts})


def mandoc():
    run_all("mandoc", {path: ["mandoc", "-T", "lint", "-W", "warning", path] for path in files("docs/man/*.1")})


def clang_tidy():
    if not (TOP / "build-asan/compile_commands.json").exists():
        print("SKIP lint/clang-tidy: no build-asan/, ./run-tests makes it")
        return
    run_all("clang-tidy", {path: ["clang-tidy", "--quiet", "--warnings-as-errors=*", "-p", "build-asan", path]
                           for path in files("src/*/*.c", "src/*.c") if not path.endswith(".bpf.c")})


def main():
    clang_format()
    shellcheck()
    mandoc()
    if "--full" in sys.argv:
        clang_tidy()
    sys.exit(failed)


main()
