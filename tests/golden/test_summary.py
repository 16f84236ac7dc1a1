#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compares the end summaries with tests/golden/summary.txt, and each number of the text with the JSON.

Input: the program golden_summary (argument), summary.txt.
Output: a PASS or FAIL line for each check; status 1 if one failed.
Update the golden file only after reading the difference:
  golden_summary > summary.txt
"""
import collections
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


def is_share(text, value):
    """The same of percents; what is not nothing or not all never looks as if it were."""
    step = 10 ** -len(text.partition(".")[2])
    if text[0] == "<":
        return 0 < value < step and float(text[1:]) == step
    if text[0] == ">":
        return 100 - step < value < 100 and float(text[1:]) == 100 - step
    return value == float(text) if text in ("0", "100") else 0 < value < 100 and is_shown(text, value)


def is_shown(text, value):
    """Whether the text is that value with its number of decimals, whichever way half of the last one goes."""
    decimals = len(text.partition(".")[2])
    return abs(float(text.replace(",", "")) - value) <= 0.5 * 10 ** -decimals * 1.0001


def three_places(text, seconds):
    """As the text shows seconds: 8.81, 28.4, 284."""
    return is_shown(text, seconds) and len(text.partition(".")[2]) == (2 if seconds < 9.995 else 1 if seconds < 99.95 else 0)


def ordered(what, texts, values):
    """Numbers in a sentence against those that it must have, in its order."""
    if len(texts) != len(values):
        yield f"{what}: {texts} are not {values}"
    else:
        yield from (f"{what}: {text} is not {value}" for text, value in zip(texts, values) if not is_shown(text, value))


def block(lines, heading):
    """Lines below a heading up to the next empty one."""
    starts = [i for i, line in enumerate(lines) if re.match(heading, line)]
    if not starts:
        return []
    rest = lines[starts[0] + 1:]
    return rest[:rest.index("")] if "" in rest else rest


def row_problems(what, rows, want):
    """rows: texts that begin with numbers; want: for each the numbers, and how often a second."""
    if len(rows) != len(want):
        yield f"{what}: {len(rows)} rows, not {len(want)}"
    for row, values in zip(rows, want):
        numbers = re.match(r"((?: +[<>]?[\d.]+ (?:%|s)(?= ))+)", row)[1].split()
        pairs = list(zip(numbers[::2], numbers[1::2]))
        good = [unit for _, unit in pairs] == [unit for _, unit in values] and all(
            three_places(text, value) if unit == "s" else is_share(text, value)
            for (text, unit), (value, _) in zip(pairs, values))
        if not good:
            yield f"{what}: {row!r} is not {values}"


def amounts(part, both):
    """Share and seconds of one, as many as the width has."""
    share, seconds = (100 * part["share"], "%"), (part["seconds"], "s")
    return [share, seconds] if both else [share]


def answer_problems(summary, words, compared):
    """The first sentences: they are the JSON's, and their numbers are its numbers."""
    answer = summary["answer"]
    if answer not in words:
        yield f"{answer!r} is not in the text"
    layers, quality = summary["layers"], summary["samples"]
    share = {name: 100 * layers[name]["share"] for name in layers}
    head = answer.partition("The largest part")[0]
    for pattern, value in ((r"% Python and the C code", share["python"] + share["native"]),
                           (r"% Python(?! and the C)", share["python"]), (r"% C\b", share["native"]),
                           (r"% kernel", share["kernel"]), (r"% marked", share["marked"])):
        for text in re.findall(r"([<>]?[\d.]+) " + pattern, head):
            compared["marked" if "marked" in pattern else "head"] += 1
            if not is_share(text, value):
                yield f"{text} of {pattern!r} is not {value}"
    for text in re.findall(r"GC ([<>]?[\d.]+) %", head):
        compared["GC"] += 1
        if not is_share(text, 100 * summary["gc"] / max(quality, 1)):
            yield f"GC {text} is not {summary['gc']}"
    for pattern, value in ((r"(\d+) threads?\b", len([t for t in summary["threads"] if t["samples"]])),
                           (r"(\d+) processes\b", len([p for p in summary["processes"] if p["samples"]])),
                           (r"\(([\d.]+) CPUs\)", summary["cpus"]),
                           (r"of [\d.]+ s \(([\d.]+) %\)", 100 * summary["cpus"]),
                           (r"^On CPU ([\d.]+) %", 100 * summary["cpus"]),
                           (r"^On CPU ([\d.]+) s", summary["on_cpu_s"]),
                           (r"^On CPU [\d.]+ (?:s|%) (?:of|in) ([\d.]+) s", summary["duration_s"]),
                           (r"Its ([\d.]+) s on CPU", summary["on_cpu_s"])):
        for text in re.findall(pattern, head):
            compared["head"] += 1
            if not is_shown(text, value):
                yield f"{text} of {pattern!r} is not {value}"
    turn = summary["turning_point"]
    shares = [100 * turn["no_own_code"]["share"]] + ([100 * turn["what"]["total"]["share"]] if "what" in turn else [])
    for text in re.findall(r"(?:it|part|time), ([<>]?[\d.]+) %|: ([<>]?[\d.]+) % in |; ([<>]?[\d.]+) % (?:runs|is in)", answer):
        compared["own part"] += 1
        if not any(is_share("".join(text), value) for value in shares):
            yield f"{text} % of the turning point is none of {shares}"
    lines = {str(frame[end]) for frame in (turn.get("what"), turn.get("under")) if frame for end in ("first_line", "last_line")}
    if "waiting" in summary:
        lines |= set(re.findall(r":(\d+)", summary["waiting"]["place"]))
        compared["waiting"] += 1
        more = re.search(r"(\d+) more\)", answer)
        yield from ordered("waiting", [more[1]] if more else [], [summary["waiting"]["other_threads"]])
    yield from (f"line {n} is none of {lines}" for n in re.findall(r"\.\w+:(\d+)\)", answer) if n not in lines)


def quality_problems(summary, words, compared):
    known = "own_cpu_s" in summary
    end = r".*? s in pitviper\." if known else r"(?:\d+\.\d|[^.])*\."
    sentence = re.search(r"([\d,]+ samples?(?: \(few: shares are rough\))?, " + end + ")", words)[1][:-1]
    compared["quality"] += 1
    compared["missing"] += "fewer than" in sentence
    samples, missing = summary["samples"], summary.get("samples_missing", 0)
    want = [samples] + [summary["samples_lost"]] * bool(summary["samples_lost"])
    if missing:
        want += [missing, 100 * missing / summary["samples_expected"]]
    if samples and summary["complete"] != samples:
        # cut, not rounded, so that 100 is all of them
        want += [int(10000 * summary["complete"] / samples) / 100]
    if samples:
        want += [summary[name] for name in ("bridged", "truncated", "marked") if summary[name]]
    got = re.findall(r"[\d,]*\d(?:\.\d+)?(?:e[-+]\d+)?(?= |\))", sentence)
    compared["no totals"] += not known
    if not known and "cost" in sentence:
        yield f"{sentence} tells a cost that is not known"
    if known and "not measured" not in sentence:
        cost = 100 * summary["bpf_run_s"] / summary["duration_s"]
        shown = re.search(r"cost ([\d.e-]+) % of one CPU", sentence)[1]
        got.remove("one") if "one" in got else None
        got.pop(-2)
        if abs(float(shown) - cost) > 0.05 * cost:
            yield f"cost {shown} is not {cost}"
    yield from ordered("quality", got, want + ([summary["own_cpu_s"]] if known else []))
    if ("none lost" in sentence) == bool(summary["samples_lost"]) or ("all complete" in sentence) != (
            bool(samples) and summary["complete"] == samples):
        yield f"{sentence} is not {summary}"


def number_problems(summary, lines, width, compared):
    words = " ".join(" ".join(lines).split())
    yield from answer_problems(summary, words, compared)
    yield from quality_problems(summary, words, compared)

    period, samples = summary["period_s"], summary["samples"]
    ran = sorted((p for p in summary["processes"] if p["samples"]), key=lambda p: (-p["samples"], p["pid"]))
    rows = block(lines, " processes$")
    if rows or len(ran) > 1:
        more = [int(row.split()[1]) for row in rows if re.match(r"  and \d+ more$", row)]
        rows = rows[:len(rows) - len(more)]
        yield from row_problems("processes", rows, [
            amounts({"share": p["samples"] / samples, "seconds": p["samples"] * period}, width >= 50) for p in ran[:8]])
        yield from ordered("more processes", [str(n) for n in more], [len(ran) - 8] if len(ran) > 8 else [])
        yield from (f"{p['pid']} is not in {row!r}" for p, row in zip(ran, rows) if width >= 80 and f"({p['pid']})" not in row)
        compared["processes"] += 1
        compared["and more"] += bool(more)

    rows = block(lines, r" +self .*function$")
    yield from row_problems("functions", rows, [
        amounts(h["self"], width >= 50) + (amounts(h["total"], width >= 100) if width >= 50 else [])
        for h in summary["hottest"]])
    compared["functions"] += len(rows)
    rows = block(lines, " hottest path$")
    yield from row_problems("path", rows, [amounts(h["total"], False) for h in summary["hottest_path"]])
    compared["path"] += len(rows)
    if width >= 100:
        for row, frame in zip(block(lines, r" +self .*function$") + rows, summary["hottest"] + summary["hottest_path"]):
            place = re.search(r":(\d+)(?:-(\d+))?$", row)
            if not row.endswith("…") and (place.groups() if place else (None, None)) != tuple(
                    str(n) if n > 0 and n != frame["first_line"] * i else None
                    for i, n in enumerate((frame["first_line"], frame["last_line"]))):
                yield f"{row!r} is not {frame}"

    told = re.findall(r"  +([\d,]+) (?=samples|native|of an|names|[a-z])", "\n".join(block(lines, "Lost or marked, by cause:")))
    want = sorted(n for n in summary["lost"].values() if n)
    if sorted(int(n.replace(",", "")) for n in told) != want:
        yield f"losses {told} are not {want}"
    compared["losses"] += bool(want)
    children = re.search(r"(?:(\d+) child process(?:es)?|Child processes) used (at least )?([\d.]+) s", words)
    if children:
        compared["children"] += 1
        if not is_shown(children[3], summary["children_cpu_s"]) or bool(children[2]) != summary["children_at_least"] or (
                children[1] and int(children[1]) != summary["children"]):
            yield f"{children[0]} is not {summary['children_cpu_s']}"


def main():
    def run(*args):
        return subprocess.run([sys.argv[1], *args], stdout=subprocess.PIPE, check=True).stdout.decode("utf-8")
    got, want = run(), (HERE / "summary.txt").read_text(encoding="utf-8")
    check("the text", list(difflib.unified_diff(want.splitlines(), got.splitlines(), "summary.txt", "written", lineterm="")))

    wide, raw, coloured, places = [], [], [], []
    for heading, width, colours, lines in pages(got):
        rows = [line for line in lines if re.match(r"  +[<>]?\d+(\.\d)? %", line)]
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

    objects = re.split(r"^==== .*\n", run("json"), flags=re.M)[1:]
    compared = collections.Counter()
    for (heading, width, _, lines), text in zip(pages(got), objects, strict=True):
        # on a terminal sentences are broken at its width: what is compared are the words
        plain = [SEQUENCE.sub("", line) for line in lines]
        check(f"{heading}: each number is in the JSON", list(number_problems(json.loads(text), plain, width, compared)))
    check("each kind of number was compared somewhere", [what for what in (
        "processes", "functions", "path", "quality", "losses", "children", "GC", "marked", "own part", "waiting",
        "and more", "missing", "no totals") if not compared[what]])
    layers = [json.loads(text) for text in objects]
    check("the JSON's layers are all samples", [str(j["layers"]) for j in layers if j["samples"] != sum(
        layer["samples"] for layer in j["layers"].values())])
    sys.exit(failed)


main()
