#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Scripts and styles of the pages, as far as one can tell without running them.

Debian's eslint is older than the language that the pages are written in, so this reads them itself, by the layout that
they have (tabs, a function's end below its beginning).  Whether they parse is seen in the browser: tests/pages.
Input: src/out/viewer.  Output: PASS or FAIL lines; status 1 if one failed.
"""
import collections
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
VIEWER = TOP / "src/out/viewer"
FUNCTION_MAX = 80
NAME = r"[A-Za-z_$][\w$]*"
# What a browser has, as far as the pages use it.
BROWSER = set("""
    HTMLInputElement HTMLSelectElement HTMLTextAreaElement
    Array Boolean DataView Date DecompressionStream Error Float64Array Infinity Int32Array JSON Map Math NaN Number
    Object RegExp ResizeObserver Response Set String TextDecoder TextEncoder URLSearchParams Uint32Array Uint8Array
    atob cancelIdleCallback clearTimeout console document getComputedStyle history location performance
    requestAnimationFrame requestIdleCallback setTimeout undefined window""".split())
KEYWORDS = set("""
    async await break case catch class const continue default delete do else extends false finally for function get if in
    instanceof let new null of return set static super switch this throw true try typeof var void while yield""".split())
BANNED = {
    "markup from text": r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|srcdoc",
    "code from text": r"\beval\b|new Function|set(?:Timeout|Interval)\(['\"`]|javascript:",
    "== and !=": r"(?<![=!<>])[=!]=(?!=)",
    "var": r"\bvar\b",
    "what was for a moment": r"\bconsole\.(?!error)|\bdebugger\b|\balert\(|TODO|FIXME|XXX",
}
# All of a file in one scope, as a class would be.
MODULE = re.compile(rf"const {NAME} = \(\(\) => {{$")
failed = False


def check(name, problems):
    global failed
    failed |= bool(problems)
    print(("FAIL" if problems else "PASS"), "lint/script: " + name + (": " + "; ".join(map(str, problems[:20])) if problems else ""))


# A regular expression begins where no value has just ended.
TOKEN = re.compile(r"""
    (?P<comment>//[^\n]*|/\*.*?\*/) |
    (?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*") |
    (?P<template>`(?:[^`\\]|\\.)*`) |
    (?P<regex>(?<=[=(,:!&|?{};>\n[])\s*/(?![*/])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*)""", re.X | re.S)


def bare(source):
    """The code alone: no comments, texts or regular expressions; of templates what they compute."""
    def blank(match):
        text = match[0]
        inner = " ".join(f"({part})" for part in re.findall(r"\$\{([^{}]*)\}", text)) if match["template"] else ""
        return {"comment": " ", "text": "''", "regex": "''", "template": inner or "''"}[match.lastgroup] + "\n" * text.count("\n")
    return TOKEN.sub(blank, source)


def functions(code):
    """(name, first line, lines) of each function with a body of several lines, by indentation."""
    lines = code.split("\n")
    for i, line in enumerate(lines):
        head = re.match(rf"(\t*)(?:static |async |get |set |function |\* ?)*(?:const )?({NAME})(?:\(.*\) \{{| = .*(?:=> |function.*)\{{)$", line)
        if head and head[2] not in KEYWORDS:
            end = next((k for k in range(i + 1, len(lines)) if re.match(head[1] + r"\}", lines[k])), len(lines))
            yield head[2], i + 1, lines[i:end + 1]


def names_in(pattern):
    """What a pattern declares: names, but not the keys and defaults in it."""
    pattern = re.sub(rf"\.\.\.|{NAME}\s*:(?=\s*[\w$\[{{])", " ", pattern)
    return set(re.findall(rf"(?<![.\w$])({NAME})(?=\s*(?:[,=\]}})]|$))", re.sub(r"=(?!>)[^,\]})]*", " ", pattern)))


def declared(code):
    """Everything that is declared anywhere: without scopes, enough to see a name that is nowhere."""
    found = set(re.findall(rf"\b(?:class|function\*?)\s+({NAME})", code))
    for group in re.findall(r"(?=\b(?:const|let)\s+(.*?)(?:\s+(?:of|in)\s|;|\n\n))", code, re.S):
        depth, at, parts = 0, 0, []
        for i, c in enumerate(group):
            depth += (c in "([{") - (c in ")]}")
            if c == "," and not depth:
                parts.append(group[at:i])
                at = i + 1
        for part in parts + [group[at:]]:
            found |= names_in(re.split(r"\s=\s", part.strip(), maxsplit=1)[0])
    # parameters: of arrows, methods, functions, catch
    found |= set(re.findall(rf"(?<![.\w$])({NAME})\s*=>", code))
    for match in re.finditer(r"\)\s*(?:=>|\{)", code):
        depth, i = 0, match.start()
        while i >= 0:
            depth += (code[i] == ")") - (code[i] == "(")
            if not depth:
                break
            i -= 1
        found |= names_in(code[i + 1:match.start()])
    return found


def used(code):
    """Names that stand for themselves: not after a dot, no key of an object."""
    for match in re.finditer(rf"(?<![.\w$#@])({NAME})(?!\s*:(?!:)|[\w$])|\?\s*({NAME})\s*:|\.\.\.({NAME})", code):
        yield match[1] or match[2] or match[3]


def check_scripts(sources):
    codes = {path: bare(text) for path, text in sources.items()}
    everything = "\n".join(codes.values())
    check("the scripts are read", [] if len(codes) > 20 and len(list(functions(everything))) > 200 else ["hardly any function"])
    check(f"no function over {FUNCTION_MAX} lines", [f"{path.name}:{line} {name} has {len(body)}" for path, code in codes.items()
                                                     for name, line, body in functions(code)
                                                     if len(body) > FUNCTION_MAX and not MODULE.match(body[0])])
    for what, pattern in BANNED.items():
        check(f"no {what}", [f"{path.name}:{code[:match.start()].count(chr(10)) + 1} {match[0]}" for path, code in codes.items()
                             for match in re.finditer(pattern, code)])
    # of all that has a name at the top of a file or in a class there are more mentions than makings
    makings = collections.Counter(re.findall(
        rf"^\t?(?:static |async |get |set |\* ?)*({NAME})\(.*\) \{{$|^\t*(?:async )?function\*? ({NAME})|^(?:class|const|let) ({NAME})"
        rf"|^\tstatic ({NAME}) =", everything, re.M))
    count = collections.Counter()
    for groups, n in makings.items():
        count["".join(groups)] += n
    mentions = collections.Counter(re.findall(NAME, everything))
    check("no unused function, class or constant", sorted(name for name, n in count.items() if mentions[name] <= n and
                                                           name not in KEYWORDS | {"constructor"}))
    unused = []
    for path, code in codes.items():
        for name, line, body in functions(code):
            text = "\n".join(body)
            unused += [f"{path.name}:{line} {local} in {name}" for local in set(re.findall(rf"\b(?:const|let) ({NAME})\b", text)) |
                       {n for group in re.findall(r"\b(?:const|let) [{[]([^=]*)[}\]] =", text) for n in names_in(group + ",")}
                       if local != name and len(re.findall(rf"(?<![\w$]){re.escape(local)}(?![\w$])", text)) < 2]
    check("no unused variable", sorted(set(unused)))
    known = declared(everything) | set(count) | BROWSER | KEYWORDS | {"constructor"}
    check("no name that is declared nowhere", sorted({f"{path.name}: {name}" for path, code in codes.items()
                                                      for name in used(code) if name not in known}))


def check_styles(styles, scripts, shell):
    text = "\n".join(re.sub(r"/\*.*?\*/", " ", style, flags=re.S) for style in styles.values())
    made = "\n".join(scripts.values()) + shell
    selectors = " ".join(re.findall(r"([^{}]+)\{", text))
    names = set(re.findall(r"[.#]([A-Za-z][\w-]*)", selectors))
    check("the styles are read", [] if len(names) > 50 else ["hardly any name"])
    # an id may be put together: 'grid-' + name
    check("no style of what there is not", sorted(name for name in names if not re.search(
        rf"(?<![\w-])(?:{name}|{name.rpartition('-')[0] or name}-'|{name.partition('-')[0]}-' \+)(?![\w-])", made)))
    defined = set(re.findall(r"(--[\w-]+)\s*:", text)) | set(re.findall(r"--[\w-]+", made))
    check("no colour that is nowhere", sorted(set(re.findall(r"var\((--[\w-]+)", text)) - defined))


def main():
    scripts = {path: path.read_text(encoding="utf-8") for path in sorted(VIEWER.rglob("*.js"))}
    styles = {path: path.read_text(encoding="utf-8") for path in sorted(VIEWER.rglob("*.css"))}
    check_scripts(scripts)
    check_styles(styles, scripts, (VIEWER / "shell.html").read_text(encoding="utf-8"))
    sys.exit(failed)


main()
