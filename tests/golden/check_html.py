# SPDX-License-Identifier: BSD-2-Clause
"""The page's data, read by what docs/formats.md says of its bytes, as text and against the recipe.

The page around the data is tested in a browser (tests/pages); here only that it allows just what stands in it.
"""
import base64
import collections
import hashlib
import html
import json
import re
import zlib

import recipe as golden

KINDS = ["python", "native", "inlined", "kernel", "marker", "thread", "process", "label"]


class Numbers:
    """The numbers of a section, one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def __call__(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def is_end(self):
        return self.at == len(self.data)


def sections(page):
    block = re.search(rb'<script id="data" type="application/octet-stream">([A-Za-z0-9+/]*=*)</script>', page)[1]
    data, found, at = zlib.decompress(base64.b64decode(block, validate=True)), {}, 0
    while at < len(data):
        n = int.from_bytes(data[at + 4:at + 12], "little")
        found[data[at:at + 4].decode()] = data[at + 12:at + 12 + n]
        at += 12 + n
    assert at == len(data)
    return found


def decode(page):
    """{ meta, functions, locations, nodes, samples, ticks, sources }: all of it, or an exception."""
    parts = sections(page)
    readers = {tag: Numbers(data) for tag, data in parts.items()}
    meta = json.loads(readers.pop("META").data)
    read = readers["STRS"]
    strings = [read.take(n) for n in [read() for _ in range(read())]]
    read = readers["FUNC"]
    functions = []
    for _ in range(read()):
        name, file, module, kind, skip = (read() for _ in range(5))
        functions.append((KINDS[kind & 7], strings[name], strings[file], strings[module], bool(kind & 8), skip, bool(kind & 16),
                          bool(kind & 32)))
    read = readers["LOCS"]
    locations = [(read(), read()) for _ in range(read())]
    nodes, ups, locs = [(None, None)], readers["NUPS"], readers["NLOC"]
    for _ in range(ups() - 1):
        parent = len(nodes) - 1
        for _ in range(ups()):
            parent = nodes[parent][0]
        nodes.append((parent, locs()))
    read, node, samples = readers["SAMP"], 0, []
    for _ in range(read()):
        node += read()
        samples.append((node, read(), read()))
    read, ticks = readers["TICK"], []
    for _ in range(read()):
        sample, slice_ = 0, []
        for _ in range(read()):
            step = read()
            sample += step >> 1
            slice_.append((sample, read() if step & 1 else 1))
        ticks.append(slice_)
    read = readers["SRCS"]
    heads = [(strings[read()], bool(read()), read()) for _ in range(read())]
    sources = {file: (changed, read.take(n)) for file, changed, n in heads}
    assert all(reader.is_end() for reader in readers.values()), "bytes that nothing reads"
    for module in meta["modules"]:
        module["name"] = strings[module["name"]].decode(errors="surrogateescape")
    return {"meta": meta, "functions": functions, "locations": locations, "nodes": nodes, "samples": samples,
            "ticks": ticks, "sources": sources}


def stack(data, node):
    """Frames of a node, root first."""
    frames = []
    while node:
        node, location = data["nodes"][node]
        function, line = data["locations"][location]
        frames.append(golden.Frame(*data["functions"][function][:4], line))
    return tuple(frames[::-1])


def text(data):
    return golden.escape(data)


def show(page):
    data = decode(page)
    meta = dict(data["meta"])
    meta["pitviper"] = "pitviper VERSION"
    lines = [json.dumps(meta, indent=1, ensure_ascii=True)]
    for kind, name, file, module, own, skip, machinery, interpreter in data["functions"]:
        lines.append(f"function {kind} {text(name)!r} file {text(file)!r} shown {text(file[skip:])!r} module {text(module)!r}"
                     + (" own" if own else "") + (" machinery" if machinery else "") + (" interpreter" if interpreter else ""))
    lines += [f"location {line} of function {function}" for function, line in data["locations"]]
    lines += [f"node {i} below {parent}: location {loc}" for i, (parent, loc) in enumerate(data["nodes"]) if i]
    lines += [f"sample {i}: node {node} thread {thread} {count} times" for i, (node, thread, count) in enumerate(data["samples"])]
    lines += [f"slice {i}: " + ", ".join(f"{count} of sample {sample}" for sample, count in slice_)
              for i, slice_ in enumerate(data["ticks"]) if slice_]
    for file, (changed, source) in data["sources"].items():
        lines += [f"source {text(file)!r}" + (" changed" if changed else "")] + ["| " + text(line) for line in source.split(b"\n")]
    return "\n".join(lines) + "\n"


def folded(page, cut=str):
    """Samples by stack, as tuples of the texts of folded output."""
    data, counts = decode(page), collections.Counter()
    stacks = [()]
    for parent, location in data["nodes"][1:]:
        function, line = data["locations"][location]
        stacks.append(stacks[parent] + (cut(golden.frame_text(golden.Frame(*data["functions"][function][:4], line))),))
    for node, _, count in data["samples"]:
        counts[stacks[node] or ("[unknown]",)] += count
    return counts


def check_policy(page, check_that):
    shell = page.decode()
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', shell)[1])
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        inner = re.search(rf"<{tag}>(.*?)</{tag}>", shell, re.S)[1]
        want = "'sha256-" + base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode() + "'"
        check_that(f"the policy allows just its {tag}", rules[rule] == want, rules[rule])
    check_that("the policy allows nothing else", rules["default-src"] == rules["connect-src"] == "'none'" and
               rules["img-src"] == "data:", policy)
    check_that("nothing is taken from elsewhere", not re.search(
        r"""(?:src|href)\s*=\s*(?:"(?!data:)|'(?!data:)|[^"'\s])|@import|url\(""", shell.split("<script id=")[0]))


def check(page, recipe, check_that):
    check_policy(page, check_that)
    data = decode(page)
    meta, threads, processes = data["meta"], data["meta"]["threads"], data["meta"]["processes"]

    def thread(index):
        process = processes[threads[index]["process"]]
        return (process["pid"], process["generation"]), threads[index]["tid"]
    got, want, got_at, want_at = (collections.Counter() for _ in range(4))
    for node, index, count in data["samples"]:
        got[stack(data, node), thread(index)] += count
    for sample in recipe.samples:
        want[sample.frames, (sample.process, sample.tid)] += sample.count
        for at, count in sample.at:
            want_at[at, sample.frames, (sample.process, sample.tid)] += count
    for at, slice_ in enumerate(data["ticks"]):
        for sample, count in slice_:
            node, index, _ = data["samples"][sample]
            got_at[at, stack(data, node), thread(index)] += count
    check_that("samples equal the recipe", got == want, f"{got - want}\n{want - got}")
    check_that("their times equal the recipe", got_at == want_at, f"{got_at - want_at}\n{want_at - got_at}")
    check_that("nodes stand depth first, samples in their order",
               all(parent < i for i, (parent, _) in enumerate(data["nodes"]) if i) and data["samples"] == sorted(data["samples"]))
    wrong = [f for f in data["functions"] if f[4] != golden.is_own(golden.Frame(*f[:4]), recipe)]
    check_that("own code is the recipe's", not wrong, wrong)
    wrong = [f for f in data["functions"] if f[0] == "python" and f[2][f[5]:] != golden.shown_file(f[2])]
    check_that("files are shown as in folded output", not wrong, wrong)
    check_that("times of the capture are the recipe's", all(meta["capture"].get(name) == recipe.number(name) for name in
               ("pid", "period_ns", "slice_ns", "duration_ns")))
    totals = ("target_cpu_ns", "own_cpu_ns", "probe_ns")
    known = any(recipe.number(name) for name in totals)
    check_that("its totals are the recipe's, or left out", all(
        meta["capture"].get(name) == (recipe.number(name) if known else None) for name in totals))
    check_that("losses are the recipe's", sorted(n for n in meta["lost"].values() if n) == sorted(recipe.losses.values())
               and {name for name, n in meta["lost"].items() if n} == set(meta["causes"]))


def is_empty(data):
    return decode(data)["samples"] == []
