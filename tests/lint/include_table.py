#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds the include table of docs/architecture.md.

Input: that table, every #include "FOLDER/..." in src/, every link_with in src/*/meson.build.
Output: PASS or FAIL lines; status 1 if one failed.
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
SRC = TOP / "src"
HEAD = ["folder", "may include"]
failed = False


def check(name, problems):
    global failed
    failed |= bool(problems)
    print(("FAIL" if problems else "PASS"), "lint/" + name + ("" if not problems else ": " + "; ".join(problems)))


def read_table():
    rows, inside = {}, False
    for line in (TOP / "docs/architecture.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else None
        if cells == HEAD:
            inside = True
        elif inside and cells is None:
            break
        elif inside and not set(cells[0]) <= {"-", ":"}:
            rows[cells[0]] = cells[1].split()
    return rows


def reaches(rows, start):
    seen, todo = set(), list(rows[start])
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo += rows.get(at, [])
    return seen


def check_folder(folder, rows):
    allowed = {folder, *rows[folder]}
    problems = []
    for path in sorted(folder_path for folder_path in (SRC / folder).rglob("*") if folder_path.suffix in (".c", ".h")):
        name = path.relative_to(SRC).as_posix()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            of, slash, _ = match[2].partition("/")
            if match[1] == '"' and not slash and not match[2].endswith(".skel.h"):
                problems.append(f'{name}:{number} includes "{match[2]}" without its folder')
            elif match[1] == '"' and slash and of not in allowed:
                problems.append(f"{name}:{number} includes {match[2]}, and {folder}'s row has no {of}")
            elif match[1] == "<" and of in rows and (SRC / match[2]).exists():
                problems.append(f"{name}:{number} includes our {match[2]} with <>")
    check(f"include_table: includes of {folder}/", problems)
    build = SRC / folder / "meson.build"
    text = re.sub(r"#.*", "", build.read_text()) if build.exists() else ""
    linked = [lib for found in re.findall(r"link_with:\s*(\[[^\]]*\]|\w+)", text) for lib in re.findall(r"lib_(\w+)", found)]
    check(f"include_table: links of {folder}/",
          [f"src/{folder}/meson.build links lib_{lib}, and {folder}'s row has no {lib}"
           for lib in linked if lib not in allowed])


def main():
    rows = read_table()
    check("include_table: the table is there", [] if len(rows) > 10 else ["no table in docs/architecture.md"])
    check("include_table: rows name rows", [f"{folder} names {other}, which has no row" for folder in rows
                                            for other in rows[folder] if other not in rows])
    check("include_table: no circle", [f"{folder} reaches itself" for folder in rows if folder in reaches(rows, folder)])
    folders = sorted(path.name for path in SRC.iterdir() if path.is_dir() and any(path.rglob("*.[ch]")))
    check("include_table: every folder has a row", [f"src/{folder} has none" for folder in folders if folder not in rows])
    for folder in folders:
        if folder in rows:
            check_folder(folder, rows)
    sys.exit(failed)


main()
