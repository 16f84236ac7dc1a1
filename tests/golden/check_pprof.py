# SPDX-License-Identifier: BSD-2-Clause
"""pprof's protocol buffer: a decoder of its own, the recipe recomputed, and Go's pprof as a second reader."""
import collections
import glob
import gzip
import os
import re
import shutil
import subprocess
import tempfile

import recipe as golden

# The messages and their fields: name, and what it holds; "*" may come more than once.
PROFILE = {1: ("sample_type*", "ValueType"), 2: ("sample*", "Sample"), 3: ("mapping*", "Mapping"),
           4: ("location*", "Location"), 5: ("function*", "Function"), 6: ("string_table*", "text"),
           9: ("time_nanos", "int"), 10: ("duration_nanos", "int"), 11: ("period_type", "ValueType"),
           12: ("period", "int"), 13: ("comment*", "int"), 14: ("default_sample_type", "int")}
MESSAGES = {
    "Profile": PROFILE,
    "ValueType": {1: ("type", "int"), 2: ("unit", "int")},
    "Sample": {1: ("location_id*", "int"), 2: ("value*", "int"), 3: ("label*", "Label")},
    "Label": {1: ("key", "int"), 2: ("str", "int"), 3: ("num", "int"), 4: ("num_unit", "int")},
    "Mapping": {1: ("id", "int"), 2: ("memory_start", "int"), 3: ("memory_limit", "int"), 4: ("file_offset", "int"),
                5: ("filename", "int"), 6: ("build_id", "int"), 7: ("has_functions", "int"),
                8: ("has_filenames", "int"), 9: ("has_line_numbers", "int"), 10: ("has_inline_frames", "int")},
    "Location": {1: ("id", "int"), 2: ("mapping_id", "int"), 3: ("address", "int"), 4: ("line*", "Line")},
    "Line": {1: ("function_id", "int"), 2: ("line", "int")},
    "Function": {1: ("id", "int"), 2: ("name", "int"), 3: ("system_name", "int"), 4: ("filename", "int"),
                 5: ("start_line", "int")},
}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return (value - (1 << 64) if value >> 63 else value), at


def decode(data, message="Profile"):
    """A message as a dictionary; what is not there is 0 or an empty list, as in proto3."""
    fields = MESSAGES[message]
    out = {name.rstrip("*"): [] if name.endswith("*") else 0 for name, _ in fields.values()}
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        name, kind = fields[tag >> 3]
        if tag & 7 == 0:
            value, at = varint(data, at)
            values = [value]
        elif tag & 7 == 2:
            n, at = varint(data, at)
            piece, at = data[at:at + n], at + n
            assert len(piece) == n, "cut off"
            if kind == "int":  # packed
                values, where = [], 0
                while where < n:
                    value, where = varint(piece, where)
                    values.append(value)
            else:
                values = [piece.decode("utf-8") if kind == "text" else decode(piece, kind)]
        else:
            raise ValueError(f"wire type {tag & 7} in {message}")
        if name.endswith("*"):
            out[name.rstrip("*")] += values
        else:
            out[name] = values[-1]
    return out


def load(data):
    """The profile with its texts and references put in."""
    profile = decode(gzip.decompress(data))
    text = profile["string_table"]
    functions = {f["id"]: f for f in profile["function"]}
    mappings = {m["id"]: text[m["filename"]] for m in profile["mapping"]} | {0: ""}
    locations = {}
    for location in profile["location"]:
        (line,) = location["line"]
        function = functions[line["function_id"]]
        locations[location["id"]] = (text[function["name"]], text[function["filename"]], line["line"],
                                     mappings[location["mapping_id"]])
    return profile, text, locations


def show(data):
    profile, text, locations = load(data)

    def kind(value):
        return f"{text[value['type']]}/{text[value['unit']]}"
    lines = [f"sample types: {' '.join(map(kind, profile['sample_type']))}, "
             f"default {text[profile['default_sample_type']]}",
             f"period: {profile['period']} {kind(profile['period_type'])}",
             f"time: {profile['time_nanos']} duration: {profile['duration_nanos']}"]
    lines += [f"comment: {text[c]}" for c in profile["comment"]]
    lines += [f"mapping {m['id']}: {text[m['filename']]} build id {text[m['build_id']] or 'none'} "
              f"functions {m['has_functions']}" for m in profile["mapping"]]
    lines += [f"function {f['id']}: {text[f['name']]} system {text[f['system_name']] or '-'} "
              f"file {text[f['filename']] or '-'}" for f in profile["function"]]
    lines += [f"location {l['id']}: mapping {l['mapping_id']} " +
              " ".join(f"function {n['function_id']} line {n['line']}" for n in l["line"]) for l in profile["location"]]
    for sample in profile["sample"]:
        labels = {text[l["key"]]: text[l["str"]] or l["num"] for l in sample["label"]}
        lines.append(f"sample {sample['value']} {sample['location_id']} {labels}")
    return "\n".join(lines) + "\n"


def reference_problems(profile):
    """What Go's CheckValid asks for, and a little more."""
    bad = []
    text = profile["string_table"]
    if not text or text[0] != "" or len(set(text)) != len(text):
        bad.append("string table")
    for name in ("mapping", "location", "function"):
        ids = [x["id"] for x in profile[name]]
        if 0 in ids or len(set(ids)) != len(ids):
            bad.append(f"ids of {name}")
    ids = {x["id"] for x in profile["location"]}
    for sample in profile["sample"]:
        keys = [label["key"] for label in sample["label"]]
        if len(sample["value"]) != len(profile["sample_type"]) or not ids.issuperset(sample["location_id"]) or \
                not sample["location_id"] or len(set(keys)) != len(keys):
            bad.append(f"sample {sample}")
    return bad


def want_frame(frame, recipe):
    mapping = "[kernel.kallsyms]" if frame.kind == "kernel" else \
        golden.escape(recipe.modules.get(frame.module, (frame.module,))[0])
    return golden.name_text(frame), golden.escape(frame.file), max(frame.line, 0), mapping


def want_samples(recipe):
    counts = collections.Counter()
    for sample in recipe.samples:
        stack = tuple(want_frame(f, recipe) for f in sample.frames or (golden.UNKNOWN,))
        process = golden.escape(recipe.processes.get(sample.process, b""))
        counts[stack, golden.escape(sample.thread), sample.tid, sample.process[0], process] += sample.count
    return counts


def find_go():
    """Debian's golang-go is `go`; golang-1.N-go alone is not in the path."""
    return shutil.which("go") or next(iter(sorted(glob.glob("/usr/lib/go-*/bin/go"), reverse=True)), None)


def go_pprof(data, *options):
    with tempfile.TemporaryDirectory() as home:
        path = os.path.join(home, "profile.pb.gz")
        with open(path, "wb") as file:
            file.write(data)
        # from Go 1.25 on `go tool` builds what it runs, in a cache of its own
        run = subprocess.run([find_go(), "tool", "pprof", *options, path], capture_output=True, text=True,
                             env={"HOME": home, "PATH": os.environ["PATH"], "PPROF_TMPDIR": home,
                                  "GOFLAGS": "", "GOTOOLCHAIN": "local"}, check=False)
    return run.stdout, f"status {run.returncode}: {run.stderr}" if run.returncode else ""


def check_go(data, recipe, check_that):
    """Go's own reader sees the same stacks: names, files, lines and counts."""
    if not find_go():
        check_that("read back by Go's pprof", False, "no `go`: tools/install-deps --tests")
        return
    raw, problem = go_pprof(data, "-raw")
    check_that("read back by Go's pprof", not problem, problem)
    # "     3: 0x0 M=2 deflate :0 s=0()"
    places = {int(m[1]): m[2] for m in re.finditer(r"^ *(\d+): 0x0 (?:M=\d+ )?(.*:\d+) s=0\(.*\)$", raw, re.M)}
    got = collections.Counter()
    for match in re.finditer(r"^ +(\d+) +(\d+): ([\d ]+)$", raw, re.M):
        got[tuple(places.get(int(i), i) for i in reversed(match[3].split()))] += int(match[1])
    want = golden.counts(recipe, lambda f: f"{golden.name_text(f)} {golden.escape(f.file)}:{max(f.line, 0)}")
    check_that("Go's pprof sees the stacks of the recipe", got == want, f"{got}\n{want}")
    total = recipe.total() * recipe.number("period_ns")
    top, problem = go_pprof(data, "-top", "-unit=ns", "-nodecount=0", "-nodefraction=0")
    check_that("Go's pprof sums CPU time unless told otherwise",
               re.search(r"^Type: cpu$", top, re.M) and f"100% of {total}ns total" in top, problem + top[:2000])


def check(data, recipe, check_that):
    profile, text, locations = load(data)
    check_that("references", not reference_problems(profile), reference_problems(profile))
    got = collections.Counter()
    for sample in profile["sample"]:
        label = {text[l["key"]]: text[l["str"]] if l["str"] else l["num"] for l in sample["label"]}
        stack = tuple(locations[i] for i in reversed(sample["location_id"]))
        got[stack, label["thread"] or "", label["tid"], label["pid"], label["process"] or ""] += sample["value"][0]
    check_that("equals the recipe", got == want_samples(recipe), f"{got}\n{want_samples(recipe)}")
    period = recipe.number("period_ns")
    check_that("CPU time is samples times period",
               all(s["value"][1] == s["value"][0] * period for s in profile["sample"]) and profile["period"] == period)
    builds = {text[m["filename"]]: text[m["build_id"]] for m in profile["mapping"]}
    used = {f.module for s in recipe.samples for f in s.frames if f.module}
    check_that("build ids", all(builds[golden.escape(path)] == golden.escape(build)
                                for name, (path, build) in recipe.modules.items() if name in used), builds)
    check_that("time", profile["time_nanos"] == recipe.number("start_unix_ns") and
               profile["duration_nanos"] == recipe.number("duration_ns"))
    check_go(data, recipe, check_that)


def folded(data):
    """Samples by stack of names, for the comparison with other formats."""
    profile, _, locations = load(data)
    counts = collections.Counter()
    for sample in profile["sample"]:
        counts[tuple(locations[i][0] for i in reversed(sample["location_id"]))] += sample["value"][0]
    return counts


def is_empty(data):
    return load(data)[0]["sample"] == [] and not go_pprof(data, "-raw")[1]
