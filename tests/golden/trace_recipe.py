# SPDX-License-Identifier: BSD-2-Clause
"""The recipe of a golden trace and what docs/formats.md says of it, without the code under test.

Input: text as in trace.txt, whose head says how it reads.  Output: a Recipe, sums of its calls; recipes made at random.
"""
import collections
import dataclasses
import math
import random

import recipe as golden

FLAGS = ["resumed", "yielded", "raised", "begin-guessed", "end-guessed", "cut"]
MARKS = {"begin-guessed": "beginning guessed", "end-guessed": "end guessed", "cut": "not ended"}


@dataclasses.dataclass
class Call:
    fn: int  # the recipe's number
    level: int
    start: int
    end: int
    flags: frozenset
    args: bytes
    result: bytes
    off: int
    parent: object  # Call or None
    children: list = dataclasses.field(default_factory=list)

    @property
    def ns(self):
        return self.end - self.start

    @property
    def self_ns(self):
        return self.ns - sum(child.ns for child in self.children)

    @property
    def is_seen(self):
        return not self.flags & {"begin-guessed", "end-guessed", "cut"}

    def path(self):
        """From the traced function to itself."""
        at, found = self, []
        while at is not None:
            found.append(at.fn)
            at = at.parent
        return tuple(found[::-1])

    def is_outermost(self):
        at = self.parent
        while at is not None and at.fn != self.fn:
            at = at.parent
        return at is None


@dataclasses.dataclass
class Execution:
    number: int
    tid: int
    partial: bool
    lost: int
    stack: list  # Frame, root first
    calls: list = dataclasses.field(default_factory=list)

    @property
    def first(self):
        return self.calls[0]


@dataclasses.dataclass
class Recipe:
    base: golden.Recipe
    functions: dict  # number -> Frame; the first is the traced one
    threads: dict  # tid -> name
    trace: dict
    executions: list

    def calls(self):
        return [call for execution in self.executions for call in execution.calls]

    def number(self, name):
        return int(self.trace.get(name, 0))


def read(text):
    recipe = Recipe(golden.Recipe(), {}, {}, {}, [])
    path = []
    for line in text.splitlines():
        word, *rest = line.split() or ["#"]
        if word == "trace":
            recipe.trace[rest[0]] = rest[1]
        elif word == "function":
            recipe.functions[int(rest[0])] = golden.read_frame(" ".join(rest[1:]))
        elif word == "thread":
            recipe.threads[int(rest[0])] = golden.field(rest[1])
        elif word == "execution":
            head, *frames = line.split("|")
            _, number, tid, *more = head.split()
            lost = [int(part[5:]) for part in more if part.startswith("lost=")]
            recipe.executions.append(Execution(int(number), int(tid), "partial" in more, sum(lost),
                                               [golden.read_frame(frame) for frame in frames]))
        elif word.isdigit():
            level, fn, start, end = map(int, (word, *rest[:3]))
            more = dict(part.split("=", 1) if "=" in part else ("flags", part) for part in rest[3:])
            path = path[:level]
            call = Call(fn, level, start, end, frozenset(filter(None, more.get("flags", "").split(","))),
                        golden.field(more.get("args", "-")), golden.field(more.get("result", "-")), int(more.get("off", 0)),
                        path[-1] if level else None)
            if level:
                path[-1].children.append(call)
            path.append(call)
            recipe.executions[-1].calls.append(call)
        else:
            one = golden.read(line)
            recipe.base.capture.update(one.capture)
            recipe.base.modules.update(one.modules)
            recipe.base.losses.update(one.losses)
    return recipe


def nearest_rank(values, percent):
    """The smallest value that so many percent of them do not exceed."""
    values = sorted(values)
    return values[max(0, math.ceil(len(values) * percent / 100) - 1)]


def callees(recipe):
    """number -> what docs/formats.md calls a callee"""
    found = collections.defaultdict(lambda: collections.Counter())
    seen = collections.defaultdict(list)
    for call in recipe.calls():
        of = found[call.fn]
        of["calls"] += "resumed" not in call.flags
        for flag in ("resumed", "yielded", "raised", "cut"):
            of[flag] += flag in call.flags
        of["guessed"] += bool(call.flags & {"begin-guessed", "end-guessed"})
        of["self_ns"] += call.self_ns
        if call.is_outermost():
            of["total_ns"] += call.ns
            of["off_cpu_ns"] += call.off
        else:
            of["recursive"] = True
        if call.is_seen:
            seen[call.fn].append(call.ns)
    for fn, of in found.items():
        of["measured"] = len(seen[fn])
        if seen[fn]:
            of.update(min_ns=min(seen[fn]), p50_ns=nearest_rank(seen[fn], 50), p99_ns=nearest_rank(seen[fn], 99),
                      max_ns=max(seen[fn]))
    return found


def made(seed, n_calls, n_executions=3, deepest=60, n_functions=40):
    """A recipe with everything in it: recursion, generators, what is guessed or cut, nested times without gaps in between."""
    rng = random.Random(seed)
    lines = ["capture target_name python3", "capture pid 77", "capture start_unix_ns 1795687387000000000", "trace end 1"]
    for i in range(n_functions):
        kind = "n" if i and i % 3 == 0 else "p"
        lines.append(f"function {i} {kind} f{i} " + ("- libx.so 0" if kind == "n" else f"/srv/m{i % 7}.py - {i + 1}"))
    lines += [f"thread {77 + i} t{i}" for i in range(3)]
    clock = 1000

    def calls(level, start, end, left):
        """Calls inside that time, at most `left` of them; returns how many."""
        used, at = 0, start
        while used < left and at < end and rng.random() < 0.97:
            begin = min(end, at + rng.choice((0, 1, rng.randrange(1, 500))))
            stop = min(end, begin + rng.choice((0, 1, rng.randrange(1, 1 + max(1, (end - begin) // rng.choice((1, 2, 30)))))))
            flags = {flag for flag in FLAGS[:5] if rng.random() < 0.03} | ({"cut"} if stop == end and rng.random() < 0.05 else set())
            lines.append(f"{level} {rng.randrange(n_functions)} {begin} {stop}" + (" " + ",".join(sorted(flags)) if flags else "")
                         + (f" args=n={used}" if rng.random() < 0.1 else "") + (" result=None" if rng.random() < 0.1 else "")
                         + (f" off={(stop - begin) // 3}" if rng.random() < 0.2 else ""))
            used += 1
            if level < deepest and stop > begin and rng.random() < 0.9:
                used += calls(level + 1, begin, stop, left - used)
            at = stop
        return used

    for i in range(n_executions):
        lines.append(f"execution {i + 1} {77 + i % 3}" + (" partial" if i == 0 else "") + (f" lost={i}" if i == 2 else "")
                     + "".join(f" | p g{k} /srv/g.py - {k + 1}" for k in range(i + 1)))
        length = 1000 * (n_calls // n_executions + 1)
        lines.append(f"0 0 {clock} {clock + length}")
        left = n_calls // n_executions - 1
        begin = clock
        while left > 0 and begin < clock + length:
            step = max(1, length // 50)
            left -= calls(1, begin, min(begin + step, clock + length), left)
            begin += step
        clock += length + rng.randrange(1000)
    return "\n".join(lines) + "\n"
