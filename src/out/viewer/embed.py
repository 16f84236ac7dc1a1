#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Puts a view's page together and writes it as C, for out/viewer.h.

usage: embed.py OUTPUT.c NAME SHELL.html FILE...
Input: the shell; style sheets (.css) and scripts (.js), put into it in the order in which they are named.
Output: the page as struct pv_viewer_page pv_viewer_NAME, in two parts, before and after the data.  The
content security policy allows just this style and this script, by their SHA-256, and fetches nothing.
"""
import base64
import hashlib
import json
import pathlib
import sys


def joined(paths, suffix):
    return "\n".join(path.read_text(encoding="utf-8").rstrip("\n") for path in paths if path.suffix == suffix)


def source_hash(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def page(shell, paths):
    """The shell with everything in it but the data."""
    style = "\n" + joined(paths, ".css") + "\n"
    # One scope for all scripts, and none of it the page's.
    script = "\n'use strict';\n(() => {\n" + joined(paths, ".js") + "\n})();\n"
    for text, end in ((style, "</style"), (script, "</script"), (script, "<!--")):
        if end in text.lower():
            sys.exit(f"embed.py: {end} stands in what is to be embedded")
    policy = "; ".join(["default-src 'none'", "script-src " + source_hash(script), "style-src " + source_hash(style),
                        "img-src data:", "connect-src 'none'", "base-uri 'none'", "form-action 'none'",
                        # No text ever becomes markup or code, not even by mistake.
                        "require-trusted-types-for 'script'", "trusted-types 'none'"])
    for name, text in (("POLICY", policy), ("STYLE", style), ("SCRIPT", script)):
        before, mark, after = shell.partition("{{" + name + "}}")
        if not mark:
            sys.exit(f"embed.py: the shell has no {{{{{name}}}}}")
        shell = before + text + after
    return shell


def c_string(text):
    """A C string literal, one source line a line of text; non-ASCII bytes as octal."""
    lines = []
    for line in text.splitlines(keepends=True):
        quoted = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in line.encode())
        lines.append(f'\t"{quoted}"')
    return "\n".join(lines) or '\t""'


def main():
    output, name, shell, *paths = sys.argv[1:]
    text = page(pathlib.Path(shell).read_text(encoding="utf-8"), [pathlib.Path(path) for path in paths])
    before, mark, after = text.partition("{{DATA}}")
    if not mark:
        sys.exit("embed.py: the shell has no {{DATA}}")
    pathlib.Path(output).write_text(f"""/* SPDX-License-Identifier: BSD-2-Clause */
/* Made by out/viewer/embed.py from {json.dumps([pathlib.Path(p).name for p in [shell, *paths]])}. */
#include "out/viewer.h"

static const char before[] =
{c_string(before)};

static const char after[] =
{c_string(after)};

const struct pv_viewer_page pv_viewer_{name} = {{
	.before = before,
	.n_before = sizeof(before) - 1,
	.after = after,
	.n_after = sizeof(after) - 1,
}};
""", encoding="ascii")


main()
