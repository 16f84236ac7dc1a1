# SPDX-License-Identifier: BSD-2-Clause
"""Each format of a trace, read by code of its own and compared with the recipe.

check_NAME(data, recipe, check_that); show_NAME(data): text for the golden file of what is none.
"""
import collections
import json
import pathlib
import re
import subprocess

import jsonschema

import check_html as check_html_of
import recipe as golden
import trace_recipe

HERE = pathlib.Path(__file__).resolve().parent
DAY_NS = 86400 * 10**9


def text_of(frame, separators=""):
    return golden.frame_text(frame, separators)


def escape_value(data):
    """Arguments and results, which are escaped already."""
    return golden.escape(data).replace("\\\\", "\\")


def order(execution):
    """(is a begin, call) in the order of time."""
    found, open_calls = [], []
    for call in execution.calls:
        while open_calls and open_calls[-1] is not call.parent:
            found.append((False, open_calls.pop()))
        found.append((True, call))
        open_calls.append(call)
    return found + [(False, call) for call in open_calls[::-1]]


# text

LINE = re.compile(r"([~ ]) *(\d+\.\d{3})  +(?:(\d[\d.]* (?:ns|us|ms|s)) +)?(?:\[(\d+)\] )?(->|<-|\.\.) (.*)")
UNITS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}


def is_duration(text, ns):
    """Three digits of it, of nanoseconds all."""
    value, unit = text.split()
    digits = len(value.replace(".", "").lstrip("0"))
    decimals = len(value.partition(".")[2])
    return abs(float(value) * UNITS[unit] - ns) <= 0.5 * 10 ** -decimals * UNITS[unit] * 1.0001 and (
        unit == "ns" or digits == 3 or (unit == "s" and digits > 3))


def function_text(frame):
    """As on a terminal: a nameless function without its module."""
    name = golden.escape(frame.function) or "[unknown]"
    module = golden.escape(frame.module)
    return "[unknown" + name[9 + len(module):] if frame.kind == "native" and module and name.startswith("[unknown " + module) else name


def place_text(frame):
    if frame.kind == "python":
        file = golden.escape(golden.shown_file(frame.file))
        return file + (f":{frame.line}" if frame.line > 0 and file else "")
    return golden.escape(re.sub(rb"\.cpython-.*?(?=\.so)", b"", frame.module))


def check_lines(lines, execution, recipe, problems):
    """A line where each call begins, a line where it ends."""
    events = order(execution)
    if len(lines) != len(events):
        problems.append(f"#{execution.number} has {len(lines)} lines, not {len(events)}")
        return
    for line, (is_begin, call) in zip(lines, events):
        match, frame = LINE.fullmatch(line), recipe.functions[call.fn]
        ns = (call.start if is_begin else call.end) - execution.first.start
        if not match:
            problems.append(line)
            continue
        guessed, offset, duration, level, arrow, rest = match.groups()
        want_arrow = "->" if is_begin else ".." if "cut" in call.flags else "<-"
        rest_want = function_text(frame)
        if is_begin:
            rest_want += f"({escape_value(call.args)})" if call.args else ""
            rest_want += f" ({place_text(frame)})" if place_text(frame) else ""
            rest_want += "  resumed" * ("resumed" in call.flags)
        else:
            rest_want += f" = {escape_value(call.result)}" if call.result else ""
            rest_want += "".join("  " + trace_recipe.MARKS.get(flag, flag) for flag in
                                 ("yielded", "raised", "end-guessed", "begin-guessed", "cut") if flag in call.flags)
        indent = line.index(f"[{level}]" if level else arrow)
        good = (arrow == want_arrow and offset == f"{ns // 10**6}.{ns // 1000 % 1000:03d}" and rest == rest_want
                and (guessed == "~") == (("begin-guessed" if is_begin else "end-guessed") in call.flags)
                and (is_begin or is_duration(duration, call.ns)) and (duration is None) == is_begin
                and (level == str(call.level) if call.level > 40 else not level) and indent == 28 + 2 * min(call.level, 40))
        if not good:
            problems.append(f"{line!r} is not {want_arrow} {rest_want!r} at {ns}, level {call.level}, {sorted(call.flags)}")


def check_text(data, recipe, check_that):
    text = data.decode("utf-8")
    head, *parts = text.split("\n\n")
    problems, bodies = [], [part.split("\n") for part in parts if part.startswith("#")]
    traced = recipe.functions[next(iter(recipe.functions))]
    check_that("it begins with the traced function", head.startswith(function_text(traced) + f" ({place_text(traced)}) in "), head)
    check_that("all executions are there", [body[0].split("  ")[0] for body in bodies] ==
               [f"#{execution.number}" for execution in recipe.executions], [body[0] for body in bodies])
    stacks = []
    for body, execution in zip(bodies, recipe.executions):
        start = int(recipe.base.capture.get("start_unix_ns", 0))
        ns = (start + execution.first.start) % DAY_NS
        clock = f"{ns // 3600 // 10**9:02d}:{ns // 60 // 10**9 % 60:02d}:{ns // 10**9 % 60:02d}.{ns // 10**6 % 1000:03d}"
        if start and not body[0].startswith(f"#{execution.number}  {clock}  thread {execution.tid}"):
            problems.append(f"{body[0]!r} is not at {clock}")
        if execution.partial != any("partial" in line for line in body[1:3]):
            problems.append(f"#{execution.number}: partial or not")
        if execution.lost and not any(f"{execution.lost:,} event" in line for line in body[1:3]):
            problems.append(f"#{execution.number}: what is lost")
        check_lines([line for line in body if LINE.match(line)], execution, recipe, problems)
        frames = execution.stack[::-1]
        if frames and (frames[0].kind, frames[0].function, frames[0].file, frames[0].module) == \
                (traced.kind, traced.function, traced.file, traced.module):
            frames = frames[1:]
        want = [f"{function_text(frame)} ({place_text(frame)})" for frame in frames]
        if execution.stack in stacks and execution.stack:
            want = [f"the same place as #{recipe.executions[stacks.index(execution.stack)].number}"]
        stacks.append(execution.stack)
        got = [line[10:] for line in body[1:] if line.startswith(("     from ", "          ")) and not LINE.match(line)]
        if got != want:
            problems.append(f"#{execution.number}: stack {got} is not {want}")
    check_that("lines, times, stacks", not problems, "\n".join(problems[:20]))
    check_table(text, recipe, check_that)
    check_last(text.rstrip("\n").rsplit("\n", 1)[-1], recipe, check_that)


def check_table(text, recipe, check_that):
    found, got = trace_recipe.callees(recipe), []
    match = re.search(r"^callees of .*\n +calls.*\n((?: .*\n)+)", text, re.M)
    check_that("a table, or no calls", bool(match) == bool(found))
    rows = re.findall(r"^ *([\d,]+) +" + r"(-|\d[\d.]* (?:ns|us|ms|s)) +" * 6 + "(.*)", match[1], re.M) if match else []
    want = sorted(found, key=lambda fn: (-found[fn]["self_ns"], -found[fn]["total_ns"]))
    problems = []
    for row, fn in zip(rows, want):
        of, frame, (calls, *times, name) = found[fn], recipe.functions[fn], row
        if (found[fn]["self_ns"], found[fn]["total_ns"]) in got:
            continue  # equal ones stand in whatever order
        got.append((found[fn]["self_ns"], found[fn]["total_ns"]))
        peers = [other for other in want if (found[other]["self_ns"], found[other]["total_ns"]) == got[-1]]
        if len(peers) > 1:
            continue
        keys = ("total_ns", "self_ns", "min_ns", "p50_ns", "p99_ns", "max_ns")
        good = calls == f"{of['calls']:,}" and all(
            time == "-" if key not in of and key not in ("total_ns", "self_ns") else is_duration(time, of[key])
            for time, key in zip(times, keys)) and name.startswith(function_text(frame)[:600])
        for key, word in (("resumed", "resumed"), ("raised", "raised"), ("guessed", "guessed"), ("cut", "not ended")):
            good = good and (not of[key] or len(name) > 900 or f"{of[key]:,} {word}" in name)
        if not good:
            problems.append(f"{row} is not {dict(of)} of {frame}")
    check_that("a row for each function, the largest self first", len(rows) == len(found) and not problems, "\n".join(problems[:10]))
    check_that("what total means is said if it matters", ("only the outermost" in text) == any(of["recursive"] for of in found.values()))


def doubts(recipe):
    """Numbers that the sentences about what is missing must have."""
    calls = recipe.calls()
    return {"event": sum(e.lost for e in recipe.executions), "end": sum("end-guessed" in c.flags for c in calls),
            "beginning": sum("begin-guessed" in c.flags for c in calls), "hit": recipe.number("strangers"), "native call": recipe.number("n_elsewhere")}


def check_last(line, recipe, check_that):
    calls, lost = recipe.calls(), sum(e.lost for e in recipe.executions)
    n = sum("resumed" not in call.flags for call in calls)
    good = line.startswith(f"{len(recipe.executions):,} of {recipe.number('n_seen'):,} execution") and f" {n:,} call" in line
    good = good and ("none lost" in line) == (not lost)
    for noun, count in doubts(recipe).items():
        good = good and (not count or re.search(rf"(?<![\d,]){count:,} {noun}", line)) and (
            count or noun == "hit" or not re.search(rf"\d {noun}s? (?:of calls|and|was lost|were lost)", line))
    for noun, count in (("execution", sum(e.partial for e in recipe.executions)), ("call", sum("cut" in c.flags for c in calls))):
        words = {"execution": "began before all places", "call": "had not ended"}[noun]
        good = good and (f"{count:,} {noun}{'s' * (count != 1)} {words}" in line if count else words not in line)
    for key, words in (("n_short", "shorter than"), ("n_unmet", "for which --if did"), ("n_undecided", "for which --if could"), ("n_skipped", "while others"),
                       ("n_gone", "that had ended before"), ("n_unsent", "of which all")):
        good = good and (f"{recipe.number(key):,} {words}" in line if recipe.number(key) else words not in line)
    good = good and f"{recipe.number('hits[0]'):,} hits of probes at {recipe.number('prices_ns[0]')} ns" in line
    check_that("the last line has all that is missing and what it cost", bool(good), line)


def show_terminal(data):
    return data.decode().replace("\x1b", "\\e")


def check_terminal(data, recipe, check_that):
    """Nothing is wider than the terminal; its lines are those of the file, cut."""
    lines = re.sub("\x1b\\[[0-9;]*m", "", data.decode()).split("\n")
    check_that("no line is wider than 80 columns", all(len(line) <= 80 for line in lines), [line for line in lines if len(line) > 80])
    check_that("no line is lost", sum(bool(LINE.match(line)) for line in lines) == 2 * len(recipe.calls()))
    check_that("Python is blue, native is amber", b"\x1b[38;5;33mreport" in data and b"\x1b[38;5;172m_mysql_field" in data)


# folded

def check_folded(data, recipe, check_that):
    lines = data.decode("utf-8").split("\n")[:-1]
    got = dict((line.rsplit(" ", 1)[0], int(line.rsplit(" ", 1)[1])) for line in lines)
    want, total = collections.Counter(), 0
    texts = {fn: text_of(frame, ";") for fn, frame in recipe.functions.items()}
    for call in recipe.calls():
        if call.self_ns:
            want[";".join(texts[fn] for fn in call.path())] += call.self_ns
    for execution in recipe.executions:
        total += execution.first.ns
    check_that("self time by path", got == want, f"{got}\n{dict(want)}")
    check_that("the sum is that of the executions, to the nanosecond", sum(got.values()) == total, f"{sum(got.values())} {total}")
    check_that("sorted, none twice", len(got) == len(lines))


# Chrome

def show_chrome(data):
    root = json.loads(data, parse_float=str)
    return "\n".join([json.dumps({k: v for k, v in root.items() if k != "traceEvents"}, indent=1)] +
                     [json.dumps(event) for event in root["traceEvents"]]) + "\n"


def to_ns(text):
    """Of microseconds with three decimals, nothing else."""
    whole, decimals = text.split(".")
    assert len(decimals) == 3
    return int(whole) * 1000 + int(decimals)


def marks_of(call):
    return ", ".join(trace_recipe.MARKS.get(flag, flag) for flag in trace_recipe.FLAGS if flag in call.flags)


def want_args(call, execution):
    args = {"self_us": call.self_ns}
    if call.parent is None:
        args["execution"] = execution.number
        if execution.partial:
            args["partial"] = True
        if execution.lost:
            args["lost"] = execution.lost
        if execution.stack:
            args["stack"] = "; ".join(text_of(frame, ";") for frame in execution.stack[::-1])
    for key, value in (("off_cpu_us", call.off), ("arguments", escape_value(call.args)), ("result", escape_value(call.result)),
                       ("marks", marks_of(call))):
        if value:
            args[key] = value
    return args


def nests(slices):
    """Slices of a thread in the order of the file, (start, end): each inside the last open one, or after it."""
    open_ends = []
    for start, end in slices:
        while open_ends and start >= open_ends[-1] and end > open_ends[-1]:
            open_ends.pop()
        if open_ends and end > open_ends[-1]:
            return False
        open_ends.append(end)
    return True


def check_chrome(data, recipe, check_that):
    if len(recipe.calls()) < 1000:  # it is slow
        schema = json.loads((HERE / "chrome.schema.json").read_text())
        bad = [f"{error.json_path}: {error.message[:200]}" for error in jsonschema.Draft7Validator(schema).iter_errors(json.loads(data))]
        check_that("is what its schema says", not bad, bad[:5])
    root = json.loads(data, parse_float=to_ns)
    events = root["traceEvents"]
    got = [(e["name"], e["cat"], e["tid"], e["ts"], e["dur"], e["args"]) for e in events if e["ph"] == "X"]
    want = [(text_of(recipe.functions[call.fn]), recipe.functions[call.fn].kind, execution.tid, call.start, call.ns,
             want_args(call, execution)) for execution in recipe.executions for call in execution.calls]
    check_that("each call is an event, in the order of time", got == want,
               next((f"{a} is not {b}" for a, b in zip(got, want) if a != b), f"{len(got)} {len(want)}"))
    by_thread = collections.defaultdict(list)
    for _, _, tid, ts, dur, _ in got:
        by_thread[tid].append((ts, ts + dur))
    check_that("events of a thread nest", all(map(nests, by_thread.values())))
    names = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    check_that("threads have their names", names == {tid: golden.escape(name) for tid, name in recipe.threads.items()}, names)


# Perfetto

def show_perfetto(data):
    """As protoc reads it with the messages of the tests."""
    run = subprocess.run(["protoc", f"--proto_path={HERE}", "--decode=tests.File", "trace_perfetto.proto"], input=data,
                         stdout=subprocess.PIPE, check=True)
    return run.stdout.decode()


def unquote(text):
    """protoc's escapes: bytes that are no ASCII as octal."""
    names = {"n": b"\n", "r": b"\r", "t": b"\t"}
    return re.sub(rb"\\([0-7]{3}|.)", lambda m: names.get(m[1].decode(), m[1] if len(m[1]) == 1 else bytes([int(m[1], 8)])),
                  text.encode()).decode()


def parse(text):
    """protoc's text as { field: [values] }, nested."""
    stack = [{}]
    for line in text.splitlines():
        line = line.strip()
        if line.endswith("{"):
            inner = {}
            stack[-1].setdefault(line[:-2], []).append(inner)
            stack.append(inner)
        elif line == "}":
            stack.pop()
        else:
            key, value = line.split(": ", 1)
            assert not key.isdigit(), "a field that the tests do not know: " + line
            stack[-1].setdefault(key, []).append(unquote(value[1:-1]) if value[0] == '"' else int(value) if
                                                 value.lstrip("-").isdigit() else value)
    assert len(stack) == 1
    return stack[0]


def annotations(event):
    return {a["name"][0]: (a.get("string_value") or a.get("uint_value"))[0] for a in event.get("debug_annotations", [])}


def want_annotations(call, execution, is_begin):
    if not is_begin:
        found = {"result": escape_value(call.result), "marks": marks_of(call), "off_cpu_ns": call.off}
    else:
        found = {"arguments": escape_value(call.args)}
        if call.parent is None:
            found.update(execution=execution.number, partial=int(execution.partial), lost=execution.lost)
    return {key: value for key, value in found.items() if value}


def check_perfetto(data, recipe, check_that):
    packets = parse(show_perfetto(data)).get("packet", [])
    base = int(recipe.base.capture.get("start_unix_ns", 0))
    check_that("one writer, whose first packet forgets all before", all(p["trusted_packet_sequence_id"] == [1] for p in packets)
               and [p["sequence_flags"] for p in packets] == [[1]] + [[2]] * (len(packets) - 1))
    clocks = [{c["clock_id"][0]: c["timestamp"][0] for c in s["clocks"]} for p in packets for s in p.get("clock_snapshot", [])]
    check_that("the time of day, if it is known", clocks == ([{6: base, 1: base}] if base else []), clocks)
    names, kinds, tracks, events = {}, {}, {}, []
    for packet in packets:
        for data_ in packet.get("interned_data", []):
            names.update({n["iid"][0]: n["name"][0] for n in data_.get("event_names", [])})
            kinds.update({n["iid"][0]: n["name"][0] for n in data_.get("event_categories", [])})
        for track in packet.get("track_descriptor", []):
            tracks[track["uuid"][0]] = track
        for event in packet.get("track_event", []):
            frames = [tuple(frame.get(key, [None])[0] for key in ("function_name", "source_file", "line_number"))
                      for s in event.get("callstack", []) for frame in s["frames"]]
            is_begin = event["type"] == ["BEGIN"]
            events.append((packet["timestamp"][0] - base, tracks[event["track_uuid"][0]]["thread"][0]["tid"][0], is_begin,
                           names[event["name_iid"][0]] if is_begin else None,
                           kinds[event["category_iids"][0]] if is_begin else None, annotations(event), frames))
    want = []
    for execution in recipe.executions:
        for is_begin, call in order(execution):
            frame = recipe.functions[call.fn]
            want.append((call.start if is_begin else call.end, execution.tid, is_begin, text_of(frame) if is_begin else None,
                         frame.kind if is_begin else None, want_annotations(call, execution, is_begin),
                         [(golden.name_text(f), golden.escape(f.file or f.module), f.line if f.line > 0 else None)
                          for f in execution.stack] if is_begin and call.parent is None else []))
    check_that("each call begins and ends, in the order of time", events == want,
               next((f"{a} is not {b}" for a, b in zip(events, want) if a != b), f"{len(events)} {len(want)}"))
    got = {t["thread"][0]["tid"][0]: t["thread"][0].get("thread_name", [""])[0] for t in tracks.values() if "thread" in t}
    check_that("a track for each thread", got == {tid: golden.escape(name) for tid, name in recipe.threads.items()}, got)


# the summary

def show_summary(data):
    return json.dumps(json.loads(data), indent=1) + "\n"


def loc_of(thing):
    return (thing["kind"], thing["function"], thing.get("file", ""), thing.get("module", ""), thing.get("line", 0))


def want_loc(frame):
    as_json = [part.decode("utf-8", "surrogateescape") for part in (frame.function, frame.file, frame.module)]
    return (frame.kind, *as_json, max(0, frame.line))


def check_summary(data, recipe, check_that):
    root = json.loads(data)
    calls, found = recipe.calls(), trace_recipe.callees(recipe)
    keys = ("calls", "resumed", "yielded", "raised", "guessed", "cut", "total_ns", "self_ns", "off_cpu_ns", "measured")
    times = ("min_ns", "p50_ns", "p99_ns", "max_ns")
    got = {loc_of(c): {k: c.get(k) for k in keys + times} | {"recursive": c["recursive"]} for c in root["callees"]}
    want = {want_loc(recipe.functions[fn]): {k: of[k] for k in keys} | {k: of[k] if of["measured"] else None for k in times} |
            {"recursive": bool(of["recursive"])} for fn, of in found.items()}
    check_that("callees", got == want, next((f"{k}: {got.get(k)} is not {v}" for k, v in want.items() if got.get(k) != v), got.keys() - want.keys()))
    check_that("callees stand by self, then by total", [(c["self_ns"], c["total_ns"]) for c in root["callees"]] ==
               sorted(((c["self_ns"], c["total_ns"]) for c in root["callees"]), reverse=True))
    total = sum(execution.first.ns for execution in recipe.executions)
    check_that("self of all is the executions' time", sum(c["self_ns"] for c in root["callees"]) == total == root["executions"]["duration_ns"])
    check_that("the calls' sums", root["calls"] == {
        "calls": sum("resumed" not in c.flags for c in calls), "resumed": sum("resumed" in c.flags for c in calls),
        "guessed_beginnings": sum("begin-guessed" in c.flags for c in calls),
        "guessed_ends": sum("end-guessed" in c.flags for c in calls), "cut": sum("cut" in c.flags for c in calls)}, root["calls"])
    check_that("losses", root["losses"] == {
        "events": sum(e.lost for e in recipe.executions), "lossy_executions": sum(e.lost > 0 for e in recipe.executions),
        "partial_executions": sum(e.partial for e in recipe.executions), "elsewhere": recipe.number("n_elsewhere"), "stranger_hits": recipe.number("strangers")}, root["losses"])
    got = [(e["number"], e["tid"], e["start_ns"], e["duration_ns"], e["off_cpu_ns"], e["calls"] + e["resumed"], e["partial"], e["lost"],
            [loc_of(frame) for frame in e["stack"]]) for e in root["executions"]["list"]]
    want = [(e.number, e.tid, e.first.start, e.first.ns, e.first.off, len(e.calls), e.partial, e.lost,
             [want_loc(frame) for frame in e.stack[::-1]]) for e in recipe.executions]
    check_that("executions", got == want, f"{got}\n{want}")
    counts = {"seen": "n_seen", "shorter": "n_short", "unmet": "n_unmet", "undecided": "n_undecided", "skipped": "n_skipped", "gone": "n_gone", "unsent": "n_unsent"}
    check_that("executions that were not kept", all(root["executions"][k] == recipe.number(v) for k, v in counts.items()))
    probes = {"sites": "n_sites", "stepped_sites": "n_stepped", "hits": "hits[0]", "stepped_hits": "hits[1]", "hit_ns": "prices_ns[0]",
              "stepped_hit_ns": "prices_ns[1]"}
    check_that("what it cost", all(root["probes"][k] == recipe.number(v) for k, v in probes.items()) and
               abs(root["probes"]["cost_cpus"] - recipe.number("cost_cpus") / 1e6) < 1e-9)
    missing = any(doubts(recipe).values()) or any(e.partial for e in recipe.executions) or any("cut" in c.flags for c in calls)
    check_that("doubts if there are any", bool(root["doubts"]) == bool(missing or recipe.number("end") >= 3), root["doubts"])


# the page

def decode_html(page):
    """What docs/formats.md says of its bytes: all of it, or an exception."""
    parts = check_html_of.sections(page)
    meta = json.loads(parts.pop("META"))
    readers = {tag: check_html_of.Numbers(data) for tag, data in parts.items()}
    read = readers["STRS"]
    strings = [read.take(n) for n in [read() for _ in range(read())]]
    read = readers["FUNC"]
    functions = [(check_html_of.KINDS[bits & 7], strings[name], strings[file], strings[module], bool(bits & 8), skip) for name, file, module,
                 bits, skip in ([read() for _ in range(5)] for _ in range(read()))]
    read = readers["LOCS"]
    locs = [(functions[read()], read()) for _ in range(read())]
    nodes, ups, node_locs = [(None, None)], readers["NUPS"], readers["NLOC"]
    for _ in range(ups() - 1):
        parent = len(nodes) - 1
        for _ in range(ups()):
            parent = nodes[parent][0]
        nodes.append((parent, node_locs()))
    read, executions, calls = readers["EXEC"], [], []
    for _ in range(read()):
        thread, node, number, lost, n, start = (read() for _ in range(6))
        stack = []
        while node:
            node, loc = nodes[node]
            stack.append(locs[loc])
        executions.append({"thread": thread, "number": number, "partial": bool(lost & 1), "lost": lost >> 1, "start": start, "stack": stack[::-1]})
        at = start
        for i in range(n):
            loc, up, flags, args, result, begin, ns, off = (readers[tag]() for tag in (
                "CLOC", "CPAR", "CFLG", "CARG", "CRES", "CBEG", "CDUR", "COFF"))
            at += begin // 2 if begin % 2 == 0 else -(begin + 1) // 2
            calls.append({"execution": len(executions) - 1, "loc": locs[loc], "parent": len(calls) - up if up else None, "start": at, "ns": ns, "flags":
                          {flag for bit, flag in enumerate(("resumed", "yielded", "raised", "end-guessed", "begin-guessed", "cut")) if flags >> bit & 1},
                          "args": strings[args], "result": strings[result], "off": off})
    read = readers["SRCS"]
    heads = [(strings[read()], bool(read()), read()) for _ in range(read())]
    sources = {file: (changed, read.take(n)) for file, changed, n in heads}
    assert all(reader.is_end() for reader in readers.values()), "bytes that nothing reads"
    return {"meta": meta, "locs": locs, "executions": executions, "calls": calls, "sources": sources}


def show_html(page):
    data = decode_html(page)
    lines = [json.dumps(data["meta"], indent=1)]
    lines += [f"line {line} of {kind} {golden.escape(name)!r} file {golden.escape(file)!r} shown {golden.escape(file[skip:])!r} module {golden.escape(module)!r}"
              + (" own" if own else "") for (kind, name, file, module, own, skip), line in data["locs"]]
    for i, execution in enumerate(data["executions"]):
        lines.append(f"execution {execution['number']} on thread {execution['thread']} at {execution['start']}" + (" partial" * execution["partial"])
                     + (f" lost {execution['lost']}" if execution["lost"] else ""))
        lines += [f"  stack {golden.escape(loc[0][1])}:{loc[1]}" for loc in execution["stack"]]
        for k, call in enumerate(data["calls"]):
            if call["execution"] == i:
                lines.append(f"  call {k} below {call['parent']}: {golden.escape(call['loc'][0][1])}:{call['loc'][1]} {call['start']} {call['ns']} "
                             f"{','.join(sorted(call['flags']))} args {golden.escape(call['args'])!r} result {golden.escape(call['result'])!r} off {call['off']}")
    for file, (changed, source) in data["sources"].items():
        lines += [f"source {golden.escape(file)!r}" + (" changed" if changed else "")] + ["| " + golden.escape(line) for line in source.split(b"\n")]
    return "\n".join(lines) + "\n"


def check_html(page, recipe, check_that):
    check_html_of.check_policy(page, check_that)
    data = decode_html(page)
    meta, threads = data["meta"], data["meta"]["threads"]

    def frame(loc):
        return golden.Frame(*loc[0][:4], loc[1])
    got = [(e["number"], threads[e["thread"]]["tid"], e["partial"], e["lost"], e["start"], [frame(loc) for loc in e["stack"]]) for e in data["executions"]]
    want = [(e.number, e.tid, e.partial, e.lost, e.first.start, e.stack) for e in recipe.executions]
    check_that("executions", got == want, f"{got}\n{want}")
    got = [(frame(c["loc"]), c["start"], c["ns"], c["flags"], c["args"], c["result"], c["off"], c["parent"]) for c in data["calls"]]
    all_calls = recipe.calls()
    index = {id(call): i for i, call in enumerate(all_calls)}
    want = [(recipe.functions[c.fn], c.start, c.ns, c.flags, c.args, c.result, c.off, None if c.parent is None else index[id(c.parent)]) for c in all_calls]
    check_that("calls", got == want, next((f"{a} is not {b}" for a, b in zip(got, want) if a != b), f"{len(got)} {len(want)}"))
    start = int(recipe.base.capture.get("start_unix_ns", 0))
    check_that("the start, to the nanosecond", meta["capture"]["start_unix_ms"] * 10**6 + meta["capture"]["start_rest_ns"] == start)
    check_that("the traced function", frame(data["locs"][meta["capture"]["function"]]) == recipe.functions[next(iter(recipe.functions))])
    counts = {"seen": recipe.number("n_seen"), "shorter": recipe.number("n_short"), "unmet": recipe.number("n_unmet"), "undecided": recipe.number("n_undecided"),
              "skipped": recipe.number("n_skipped"), "gone": recipe.number("n_gone"), "unsent": recipe.number("n_unsent"),
              "elsewhere": recipe.number("n_elsewhere"), "strangers": recipe.number("strangers"), "lost": sum(e.lost for e in recipe.executions),
              "partial": sum(e.partial for e in recipe.executions), "guessed_beginnings": sum("begin-guessed" in c.flags for c in all_calls),
              "guessed_ends": sum("end-guessed" in c.flags for c in all_calls), "cut": sum("cut" in c.flags for c in all_calls)}
    check_that("what is missing", meta["counts"] == counts, f"{meta['counts']}\n{counts}")
    missing = any(doubts(recipe).values()) or counts["partial"] or counts["cut"]
    check_that("doubts if there are any", bool(meta["doubts"]) == bool(missing or recipe.number("end") >= 3), meta["doubts"])
