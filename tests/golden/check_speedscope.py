# SPDX-License-Identifier: BSD-2-Clause
"""speedscope's format: its schema in our own words, and the recipe recomputed."""
import json
import math

import recipe as golden


def show(data):
    """A frame, a sample a line."""
    root = json.loads(data)
    lines = [f"{key}: {value}" for key, value in root.items() if key not in ("shared", "profiles")]
    lines += [f"frame {i}: {json.dumps(frame, ensure_ascii=False)}" for i, frame in enumerate(root["shared"]["frames"])]
    for profile in root["profiles"]:
        lines.append("profile: " + json.dumps({k: v for k, v in profile.items() if k not in ("samples", "weights")}))
        lines += [f"  {weight:g} {stack}" for stack, weight in zip(profile["samples"], profile["weights"])]
    return "\n".join(lines) + "\n"


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def schema_problems(root):
    """https://www.speedscope.app/file-format-schema.json, what it asks of a file with sampled profiles."""
    bad = []
    if root.get("$schema") != "https://www.speedscope.app/file-format-schema.json":
        bad.append("$schema")
    bad += [key for key in ("name", "exporter") if not isinstance(root.get(key, ""), str)]
    bad += [f"unknown key {key}" for key in
            root.keys() - {"$schema", "name", "exporter", "activeProfileIndex", "shared", "profiles"}]
    frames, profiles = root["shared"]["frames"], root["profiles"]
    for frame in frames:
        if (not isinstance(frame.get("name"), str) or not isinstance(frame.get("file", ""), str) or
                not number(frame.get("line", 0)) or frame.keys() - {"name", "file", "line", "col"}):
            bad.append(f"frame {frame}")
    if profiles and not 0 <= root.get("activeProfileIndex", 0) < len(profiles):
        bad.append("activeProfileIndex")
    for profile in profiles:
        if (profile.get("type") != "sampled" or not isinstance(profile.get("name"), str) or
                profile.get("unit") not in ("none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes") or
                not number(profile.get("startValue")) or not number(profile.get("endValue")) or
                profile.keys() - {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}):
            bad.append(f"profile {profile.get('name')}")
        if len(profile["samples"]) != len(profile["weights"]) or not all(map(number, profile["weights"])):
            bad.append(f"weights of {profile['name']}")
        if not all(isinstance(i, int) and 0 <= i < len(frames) for stack in profile["samples"] for i in stack):
            bad.append(f"samples of {profile['name']}")
        if abs(sum(profile["weights"]) - (profile["endValue"] - profile["startValue"])) > 1e-6 * profile["endValue"]:
            bad.append(f"endValue of {profile['name']}")
    return bad


def want_frame(frame, recipe):
    file = frame.file or recipe.modules.get(frame.module, (frame.module,))[0]
    return golden.name_text(frame), golden.escape(file) or None, frame.line if frame.line > 0 else None


def want_sequence(recipe, thread):
    """The samples of a thread in the order of time, equal neighbours joined."""
    first, timed = {}, []
    for sample in recipe.samples:
        stack = tuple(want_frame(f, recipe) for f in sample.frames or (golden.UNKNOWN,))
        if (sample.process, sample.tid) == thread:
            order = first.setdefault(stack, len(first))
            timed += [(at, order, count, stack) for at, count in sample.at]
    joined = []
    for _, _, count, stack in sorted(timed, key=lambda t: t[:2]):
        if joined and joined[-1][0] == stack:
            joined[-1][1] += count
        else:
            joined.append([stack, count])
    return [tuple(pair) for pair in joined]


def want_name(recipe, thread):
    (pid, generation), tid = thread
    process = golden.escape(recipe.processes.get((pid, generation), b""))
    return (f"{process} ({pid}): " if len({p for p, _ in recipe.threads()}) > 1 else "") + \
        f"{golden.escape(recipe.threads()[thread])} ({tid})"


def check(data, recipe, check_that):
    text = data.decode("utf-8")
    root = json.loads(text)
    check_that("schema", not schema_problems(root), schema_problems(root))
    frames = [(f["name"], f.get("file"), f.get("line")) for f in root["shared"]["frames"]]
    period = recipe.number("period_ns") / 1e9
    by_name = {profile["name"]: profile for profile in root["profiles"]}
    names = {want_name(recipe, thread): thread for thread in recipe.threads()}
    check_that("a profile for each thread", by_name.keys() == names.keys(), f"{by_name.keys()} {names.keys()}")
    for name, thread in names.items():
        profile = by_name[name]
        got = [(tuple(frames[i] for i in stack), round(weight / period))
               for stack, weight in zip(profile["samples"], profile["weights"])]
        check_that(f"{name} equals the recipe in the order of time", got == want_sequence(recipe, thread),
                   f"{got}\n{want_sequence(recipe, thread)}")
        check_that(f"{name} is in seconds", profile["unit"] == "seconds")
    check_that("no lone surrogate, so that each JSON reader takes it", "\\ud" not in text.lower())


def folded(data, period_ns):
    """Samples by stack of names, for the comparison with other formats."""
    root = json.loads(data)
    frames = [frame["name"] for frame in root["shared"]["frames"]]
    counts = {}
    for profile in root["profiles"]:
        for stack, weight in zip(profile["samples"], profile["weights"]):
            key = tuple(frames[i] for i in stack)
            counts[key] = counts.get(key, 0) + round(weight * 1e9 / period_ns)
    return counts


def is_empty(data):
    return json.loads(data)["profiles"] == []
