# SPDX-License-Identifier: BSD-2-Clause
"""speedscope's format: its schema, and the recipe recomputed.

Input: speedscope.schema.json, JSON as pitviper wrote it, the recipe.  Output: checks for test_golden.py.
"""
import json
import math
import pathlib

import jsonschema

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


def schema_problems(root):
    """What a JSON Schema says of it (Debian's python3-jsonschema), and what the format asks beyond what one can say."""
    schema = json.loads((pathlib.Path(__file__).parent / "speedscope.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    bad = [f"{error.json_path}: {error.message[:200]}" for error in jsonschema.Draft7Validator(schema).iter_errors(root)]
    if bad:
        return bad
    frames, profiles = root["shared"]["frames"], root["profiles"]
    if profiles and root.get("activeProfileIndex", 0) >= len(profiles):
        bad.append("activeProfileIndex")
    for profile in profiles:
        name = profile["name"]
        if profile["type"] != "sampled":
            bad.append(f"{name} is not what docs/formats.md says")
            continue
        if len(profile["samples"]) != len(profile["weights"]) or not all(map(math.isfinite, profile["weights"])):
            bad.append(f"weights of {name}")
        if not all(i < len(frames) for stack in profile["samples"] for i in stack):
            bad.append(f"samples of {name}")
        if abs(sum(profile["weights"]) - (profile["endValue"] - profile["startValue"])) > 1e-6 * profile["endValue"]:
            bad.append(f"endValue of {name}")
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
