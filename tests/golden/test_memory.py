#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the golden hunt in every format and compares; each number is recomputed from the recipe; then hostile names, and nothing.

Input: the program memory_write (argument), memory.txt, and for each line of the table of formats, the summary and the terminal's
text, memory.NAME: what is shown of it.
Output: a PASS or FAIL line for each check; status 1 if one failed.
Update a golden file only after reading the difference:
  tests/golden/test_memory.py build/tests/memory_write --show NAME > tests/golden/memory.NAME
"""
import collections
import difflib
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import check_html  # noqa: E402
import check_pprof  # noqa: E402
import recipe as golden  # noqa: E402

MORE = ["summary", "terminal"]  # that are no formats
GROWTH, BURST, ALL, MAPPED = range(4)
CENSUS, SITES = range(2)
NAMES = [b"a;b", b"'\"`", b"<script>alert(1)</script>", b"a\nb\rc\td", b"a\0b", b"\xff\xfe\xc0\xaf", b"\xe2\x80\xa8\xe2\x80\xae",
         b"back\\slash", b"\x1b[31mred\x7f", b"%s%n", "größe 日本 🐍".encode(), b"x" * 3000]
failed = False


def check(name, good, detail=""):
    global failed
    failed |= not good
    print(("PASS" if good else "FAIL"), "golden/memory: " + name)
    if not good and detail:
        print(str(detail)[:4000])


def write(name, recipe):
    return subprocess.run([sys.argv[1], name], input=recipe.encode(), stdout=subprocess.PIPE, check=True,
                          env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}).stdout


def formats():
    """Those of the program's table, from the message about one that there is not."""
    run = subprocess.run([sys.argv[1], "?"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    return run.stderr.rpartition(":")[2].split()


class Hunt:
    """The recipe."""

    def __init__(self, text):
        self.points, self.looks, self.types, self.sites, self.counts = [], [], [], [], collections.Counter()
        self.subjects, self.holders, self.holds, self.events, self.lines = [], [], [], [], text.splitlines()
        self.collectors, self.garbage = {}, {}
        for line in self.lines:
            head, *frames = line.split("|")
            word, *rest = head.split() or ["#"]
            frames = tuple(golden.read_frame(frame) for frame in frames if word in ("site", "event"))
            numbers = [int(n) for n in rest if re.fullmatch(r"\d+", n)]
            if word == "point":
                self.points.append(numbers)
            elif word == "look":
                self.looks.append(numbers[-7:])
            elif word == "type":
                self.types.append((golden.field(rest[0]), golden.field(rest[1]), *map(int, rest[2:])))
            elif word == "site":
                self.sites.append((None if rest[0] == "-" else int(rest[0]), *map(int, rest[1:]), frames))
            elif word in ("typecount", "sitecount"):
                self.counts[word, numbers[0], numbers[1]] = (numbers[2], numbers[3])
            elif word == "collector":
                self.collectors[numbers[0]] = numbers[1:]
            elif word == "garbage":
                self.garbage[numbers[0], numbers[1]] = numbers[2]
            elif word == "subject":
                self.subjects.append((golden.field(rest[1]), *map(int, rest[2:])))
            elif word == "holder":
                self.holders.append((golden.field(rest[1]), *map(int, rest[2:])))
            elif word == "holds":
                self.holds.append(numbers)
            elif word == "event":
                self.events.append((*map(int, rest), frames))

    @property
    def source(self):
        """Of the sites that tell most."""
        there = {site[1] for site in self.sites}
        return next((source for source in (ALL, BURST, GROWTH) if source in there), MAPPED)

    def looks_of(self, kind, source=0):
        return [i for i, look in enumerate(self.looks) if look[0] == kind and (kind == CENSUS or look[1] == source)]

    def left(self, site):
        looks = self.looks_of(SITES, self.sites[site][1])
        return self.counts.get(("sitecount", looks[-1], site), (0, 0)) if looks else (0, 0)

    def by_stack(self):
        """frames -> [alloc objects, alloc space, inuse objects, inuse space], of all the time."""
        sums = collections.defaultdict(lambda: [0] * 4)
        for i, (_, source, _, seen, seen_bytes, _, _, _, weight, frames) in enumerate(self.sites):
            if source == self.source:
                for k, n in enumerate((seen, seen_bytes, *self.left(i))):
                    sums[frames][k] += int(n * max(weight, 1e6) / 1e6 + 0.5)
        return sums

    def grows(self, series):
        """All rise from look to look: what the golden hunt makes of growth."""
        return all(a < b for a, b in zip(series, series[1:]))


def folded(hunt):
    lines = {}
    for frames, values in hunt.by_stack().items():
        if values[3]:
            lines[";".join(golden.frame_text(frame, ";") if frame else "" for frame in frames)] = values[3]
    return lines


def check_folded(data, hunt, that):
    got = {line.rsplit(" ", 1)[0]: int(line.rsplit(" ", 1)[1]) for line in data.decode().splitlines()}
    want = collections.Counter()
    for frames, values in hunt.by_stack().items():
        if values[3]:
            want[";".join(golden.frame_text(frame).replace(";", "\\x3b") for frame in frames) or "[unknown]"] += values[3]
    that("equals the recipe", got == want, f"{got}\n{dict(want)}")


def check_speedscope(data, hunt, that):
    root = json.loads(data)
    total = sum(values[3] for values in hunt.by_stack().values())
    profiles = root["profiles"]
    that("bytes", all(p["unit"] == "bytes" for p in profiles) and sum(p["endValue"] for p in profiles) == total, f"{profiles}"[:500])


def check_pprof_(data, hunt, that):
    profile, text, locations = check_pprof.load(data)
    kinds = [text[v["type"]] + "/" + text[v["unit"]] for v in profile["sample_type"]]
    that("four values", kinds == ["alloc_objects/count", "alloc_space/bytes", "inuse_objects/count", "inuse_space/bytes"], kinds)
    that("space first", text[profile["default_sample_type"]] == "inuse_space")
    got = sorted(tuple(s["value"]) for s in profile["sample"])
    that("equals the recipe", got == sorted(map(tuple, hunt.by_stack().values())), f"{got}")
    depth = sorted(len(s["location_id"]) for s in profile["sample"])
    that("whole stacks", depth == sorted(max(1, len(frames)) for frames in hunt.by_stack()), depth)
    that("no reference leads nowhere", not check_pprof.reference_problems(profile), check_pprof.reference_problems(profile))


def shown_type(of):
    name, module, kind, size, _ = of
    if kind == 0:
        return golden.escape((module + b"." if module else b"") + name)
    units = ["B", "kB", "MB", "GB"]
    value, unit = float(size), 0
    while value >= 999.5:
        value, unit = value / 1000, unit + 1
    digits = 0 if not unit or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"blocks of {size} B" if kind == 1 else f"C blocks up to {value:.{digits}f} {units[unit]}"


def check_summary(data, hunt, that, whole=False):
    root = json.loads(data)
    looks = hunt.looks_of(CENSUS)
    series = {i: [hunt.counts.get(("typecount", look, i), (0, 0)) for look in looks] for i in range(len(hunt.types))}
    if len(looks) >= 8:
        want = {shown_type(hunt.types[i]) for i, counts in series.items()
                if hunt.grows([n for n, _ in counts]) and counts[-1][0] - counts[0][0] >= 10}
        that("types that grow", {t["name"] for t in root["types"]} == want, f"{root['types']} {want}")
        by_name = {shown_type(of): i for i, of in enumerate(hunt.types)}
        that("their counts", all((t["first_count"], t["last_count"]) == (series[by_name[t["name"]]][0][0], series[by_name[t["name"]]][-1][0])
                                 for t in root["types"]))
    totals = [sum(values[k] for values in hunt.by_stack().values()) for k in range(4)]
    got = [sum(site[key] for site in root["sites"]) for key in ("seen_count", "seen_bytes", "left_count", "left_bytes")]
    that("sites add up", got == totals, f"{got} {totals}")
    that("suspects in order", [s["score"] for s in root["sites"][1:]] == sorted((s["score"] for s in root["sites"][1:]), reverse=True))
    if hunt.subjects:
        that("what is lost", [(s["lost_objects"], s["lost_references"]) for s in root["subjects"]] == [(s[8], s[9]) for s in hunt.subjects])
        that("holders", sorted((h["text"], h["subject"], h["references"], h["objects"]) for h in root["holders"]) ==
             sorted((t.decode("utf-8", "surrogateescape"), s, r, o) for t, s, _, r, o in hunt.holders))
        that("what they gained", [(h["gained"], h["gained_in_s"], h["used"], h["limit"]) for h in root["holders"] if "gained" in h] ==
             [(gained, over / 1e9, used, limit) for _, _, gained, over, used, limit, _ in hunt.holds])
    if whole:
        that("points", [(p["rss_bytes"], *p["resident_bytes"], *p["mapped_bytes"]) for p in root["points"]] == [tuple(p[1:]) for p in hunt.points])
        that("garbage", [t["garbage"] for t in root["census"]] == [
            [hunt.garbage.get((look, i), 0) for look in hunt.looks_of(CENSUS)] for i in range(len(hunt.types))])
        that("censuses", [t["counts"] for t in root["census"]] == [[n for n, _ in series[i]] for i in range(len(hunt.types))])
        that("allocations", [(a["seen_count"], (a["counts"] or [0])[-1]) for a in root["allocations"]] ==
             [(site[3], hunt.left(i)[0]) for i, site in enumerate(hunt.sites)])
        that("events", [(e["count"], e["bytes"]) for e in root["events"]] == [(e[2], e[3]) for e in hunt.events])


def check_json(data, hunt, that):
    check_summary(data, hunt, that, True)


def check_terminal(data, hunt, that):
    text = data.decode()
    that("no control characters", not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text))
    that("narrow enough", all(len(line) <= 100 for line in text.splitlines() if line.startswith("  ")),
         [line for line in text.splitlines() if len(line) > 100])


def chunks(data):
    """(type, payload) of a recording, by docs/recording.md."""
    at = 8
    while at < len(data):
        kind, flags, n, _ = struct.unpack_from("<HHII", data, at)
        payload = data[at + 12:at + 12 + n]
        yield kind, zlib.decompress(payload[4:]) if flags & 1 else payload
        at += 12 + n


def varints(payload):
    value = shift = 0
    for byte in payload:
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0


def grouped(numbers, n):
    return [tuple(numbers[i:i + n]) for i in range(0, len(numbers), n)]


def check_pvr(data, hunt, that):
    parts = collections.defaultdict(list)
    for kind, payload in chunks(data):
        parts[kind] += varints(payload)
    that("looks", [look[:4] for look in grouped(parts[100], 8)] == [tuple(look[:4]) for look in hunt.looks], parts[100][:40])
    counts = {("typecount", *row[:2]): row[2:] for row in grouped(parts[103], 4)} | {
        ("sitecount", *row[:2]): row[2:] for row in grouped(parts[104], 4)}
    that("counts", counts == dict(hunt.counts))
    # of each census, also where nothing is known of its collector
    collectors = {row[0]: list(row[1:]) for row in grouped(parts[110], 9)}
    that("collectors", collectors == {i: hunt.collectors.get(i, [0] * 8) for i in hunt.looks_of(CENSUS)}, parts[110])
    that("garbage", {row[:2]: row[2] for row in grouped(parts[111], 3)} == hunt.garbage)
    that("sites", [row[4:7] for row in grouped(parts[102], 10)] == [tuple(site[3:6]) for site in hunt.sites])
    that("holders", [row[4:] for row in grouped(parts[107], 6)] == [holder[3:] for holder in hunt.holders])
    that("what they gained", [(i, own, gained // 2, over, used, limit, more // 2) for i, own, gained, over, used, limit, more
                              in grouped(parts[109], 7)] == [tuple(holds) for holds in hunt.holds])
    that("ends", parts[127] == [0])


def check_html_(page, hunt, that):
    check_html.check_policy(page, that)
    parts = check_html.sections(page)
    meta = json.loads(parts["META"])
    that("its view", meta["view"] == "memory")
    points = list(varints(parts["POIN"]))
    that("points", points[:2] == [len(hunt.points), 5] and [p[:2] for p in grouped(points[2:], 12)] == [tuple(p[:2]) for p in hunt.points])
    that("looks", [row[:4] for row in grouped(list(varints(parts["LOOK"]))[1:], 7)] == [tuple(look[:4]) for look in hunt.looks])
    got = {("typecount", *row[:2]): row[2:] for row in grouped(list(varints(parts["TCNT"])), 4)} | {
        ("sitecount", *row[:2]): row[2:] for row in grouped(list(varints(parts["SCNT"])), 4)}
    that("counts", got == {key: value for key, value in hunt.counts.items() if any(value)})
    sites = grouped(list(varints(parts["SITE"]))[1:], 9)
    that("sites", [(s[0], s[1], s[3], s[4], s[5]) for s in sites] == [
        (site[1], site[2], 0 if site[0] is None else site[0] + 1, site[3], site[4]) for site in hunt.sites], sites)


CHECKS = {"folded": check_folded, "speedscope": check_speedscope, "pprof": check_pprof_, "json": check_json, "summary": check_summary,
          "terminal": check_terminal, "pvr": check_pvr, "html": check_html_}


def shown(name, data):
    """What the golden file holds: text, and no version in it."""
    if name == "pprof":
        text = check_pprof.show(data)
    elif name == "pvr":
        text = "".join(f"{kind} {list(varints(payload)) if kind >= 96 else payload}\n" for kind, payload in chunks(data))
    elif name == "html":
        parts = check_html.sections(data)
        text = json.dumps(json.loads(parts["META"]), indent=1) + "\n" + "".join(
            f"{tag} {list(varints(parts[tag]))}\n" for tag in ("POIN", "LOOK", "TYPE", "TCNT", "SITE", "SCNT", "EVNT"))
    elif name in ("json", "summary", "speedscope"):
        text = json.dumps(json.loads(data), indent=1, ensure_ascii=False) + "\n"
    else:
        text = data.decode()
    return re.sub(r'("?pitviper"?[ :@]+"?)\d+\.\d+\.\d+', r"\1VERSION", text)


def check_against(name, text, label):
    try:
        CHECKS[name](write(name, text), Hunt(text), lambda what, good, detail="": check(f"{name}: {label}{what}", good, detail))
    except Exception as error:  # what cannot be read at all
        check(f"{name}: {label}can be read", False, f"{type(error).__name__}: {error}")


def hostile_recipe():
    """Each name as a type, a function, a file, a module, and a holder."""
    lines = ["capture title \\xff;<script>\\x0a", "capture pid 11", "look - 0 0 1 1 0 0 0", "look - 1 1 2 1 0 0 0"]
    for i, name in enumerate(NAMES):
        field = golden.to_field(name)
        lines += [f"type {field} {field} 0 0 {i}", f"typecount 0 {i} {i + 1} {10 * i}",
                  f"site {i} 1 0 {i + 5} {50 * i} 0 2 1 1000000 | p {field} /srv/{field}.py - 7 | n {field} - {field} 0",
                  f"sitecount 1 {i} {i + 1} {10 * i + 1}", f"subject {i} {field} 0 1 1 1 1 0 0 0 0 1 5",
                  f"holder - {field} {i} 0 1 1", f"blind {field}"]
    return "\n".join(lines) + "\n"


def main():
    golden_text = (HERE / "memory.txt").read_text()
    if len(sys.argv) == 4 and sys.argv[2] == "--show":
        sys.stdout.write(shown(sys.argv[3], write(sys.argv[3], golden_text)))
        return
    names = formats() + MORE
    files = {path.suffix[1:] for path in HERE.glob("memory.*")} - {"txt"}
    check("a golden file for each format, and no other", len(names) > 5 and set(names) == files == set(CHECKS), f"{set(names) ^ files}")
    for name in names:
        data, path = write(name, golden_text), HERE / f"memory.{name}"
        got, want = shown(name, data), path.read_text() if path.exists() else ""
        check(name, got == want, "\n".join(difflib.unified_diff(want.splitlines(), got.splitlines(), path.name, "written", lineterm="")))
    check("a recording has all of it", write("again", golden_text) == write("json", golden_text))
    texts = [("", golden_text), ("hostile names: ", hostile_recipe()), ("nothing: ", "capture pid 7\n")]
    for label, text in texts:
        for name in names:
            check_against(name, text, label)
    sys.exit(failed)


main()
