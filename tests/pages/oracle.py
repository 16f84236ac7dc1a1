# SPDX-License-Identifier: BSD-2-Clause
"""What the page of a recipe has to show, recomputed from the recipe by the rules of docs/formats.md.

Input: a recipe (tests/golden/recipe.py).  Output: sums by stack, function and line.  It shares no code with
the page: here a stack is a list of frames, and all is counted stack by stack.
"""
import collections
import decimal
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
import recipe as golden  # noqa: E402

LAYER = {"python": "p", "native": "c", "inlined": "c", "kernel": "k"}
SHOWN, FOLDED, LIFTED = range(3)


def function(frame):
    return frame.kind, frame.function, frame.file, frame.module


def location(frame):
    return (*function(frame), frame.line)


def layer(frame):
    """[gc] stands for the collector's own C, where that is not shown."""
    return "c" if (frame.kind, frame.function) == ("marker", b"[gc]") else LAYER.get(frame.kind, "-")


def thread(sample):
    return sample.process, sample.tid


class View:
    """What is selected, and how it is shown."""

    def __init__(self, recipe, span=None, threads=None, hidden=(), fold="", own=False, calls=False, lines=False,
                 apart=False):
        self.recipe, self.fold, self.own, self.calls, self.apart = recipe, fold, own, calls, apart
        self.key = location if lines else function
        self.leads = golden.leads(recipe)
        self.stacks = []  # (frames, samples, thread)
        for sample in recipe.samples:
            n = sample.count if span is None else sum(c for at, c in sample.at if span[0] <= at < span[1])
            if n and (threads is None or thread(sample) in threads) and \
                    not any(f.function in hidden for f in sample.frames):
                self.stacks.append((sample.frames, n, thread(sample)))
        self.total = sum(n for _, n, _ in self.stacks)

    def mode(self, frames, i):
        frame = frames[i]
        if LAYER.get(frame.kind, "-") in self.fold:
            return FOLDED
        if frame.kind in ("thread", "process"):
            return SHOWN if self.apart else FOLDED
        if self.own and not golden.is_own(frame, self.recipe):
            return FOLDED
        if not self.calls and golden.is_call(frames, i, self.leads):
            return LIFTED
        return SHOWN

    def shown(self, frames):
        """Frames that are shown, root first: lifted ones only where the time is their own."""
        modes = [self.mode(frames, i) for i in range(len(frames))]
        inner = max((i for i, mode in enumerate(modes) if mode != FOLDED), default=-1)
        return [f for i, f in enumerate(frames) if modes[i] == SHOWN or i == inner]

    def there(self, frames):
        """Frames that count in tables: all that are not folded."""
        return [f for i, f in enumerate(frames) if self.mode(frames, i) != FOLDED]

    def tree(self, up=False):
        """{ path of keys: [total, self, frames that are it] }, the root ()."""
        tree = collections.defaultdict(lambda: [0, 0, set()])
        for frames, n, _ in self.stacks:
            path = self.shown(frames)[::-1 if up else 1]
            for depth in range(len(path) + 1):
                at = tree[tuple(map(self.key, path[:depth]))]
                at[0] += n
                if depth:
                    at[2].add(path[depth - 1])
            tree[tuple(map(self.key, path))][1] += n
        return tree

    def tables(self, key):
        """{ key: [self, total] }"""
        sums = collections.defaultdict(lambda: [0, 0])
        for frames, n, _ in self.stacks:
            there = [key(f) for f in self.there(frames)]
            if there:
                sums[there[-1]][0] += n
            for each in set(there):
                sums[each][1] += n
        return sums

    def with_c(self):
        """Samples by the innermost Python line."""
        sums = collections.Counter()
        for frames, n, _ in self.stacks:
            python = [f for f in frames if f.kind == "python"]
            if python:
                sums[location(python[-1])] += n
        return sums

    def layers(self):
        sums = collections.Counter()
        for frames, n, _ in self.stacks:
            sums[layer(frames[-1]) if frames else "-"] += n
        return sums

    def passing(self, test):
        """Samples with a frame on what is shown of their stack for which test(frame) holds."""
        return sum(n for frames, n, _ in self.stacks if any(map(test, self.shown(frames))))

    def neighbours(self, of):
        """(callers, callees) of a function name: Counters by name; None: nobody, itself."""
        callers, callees = collections.Counter(), collections.Counter()
        for frames, n, _ in self.stacks:
            shown = self.shown(frames)
            at = next((i for i, f in enumerate(shown) if f.function == of), None)
            if at is not None:
                callers[name(shown[at - 1]) if at else None] += n
                callees[name(shown[at + 1]) if at + 1 < len(shown) else None] += n
        return callers, callees


def name(frame):
    """What has no name is named by its address; its module is its place."""
    start = b"[unknown " + frame.module
    if frame.kind in ("native", "inlined") and frame.module and frame.function.startswith(start):
        return "[unknown" + frame.function[len(start):].decode()
    return frame.function.decode() or "[unknown]"


def place(frame):
    return {"python": golden.shown_file(frame.file), "native": frame.module, "inlined": frame.module + b", inlined",
            "kernel": b"kernel"}.get(frame.kind, b"").decode()


def label(frames):
    """The text of a box: name, place, and the lines that are in it."""
    frame = next(iter(frames))
    lines = sorted(f.line for f in frames if f.line > 0)
    line = "" if not lines or frame.kind != "python" else f":{lines[0]}" + (f"–{lines[-1]}" if lines[-1] > lines[0] else "")
    return name(frame) + (f" ({place(frame)}{line})" if place(frame) and frame.kind != "kernel" else "")


def outline(view, up=False):
    """Rows of the flame graph as (texts from the root on, total, self), in any order."""
    tree = view.tree(up)
    texts = {path: label(frames) for path, (_, _, frames) in tree.items() if path}
    return collections.Counter((tuple(texts[path[:i + 1]] for i in range(len(path))), total, own)
                               for path, (total, own, _) in tree.items())


def seconds(text):
    """Samples of 10 ms in "1.20 s"."""
    return round(float(text.replace(",", "").split()[0]) * 100) if text else 0


def percent(part, whole, digits=1):
    """As docs/formats.md has it."""
    share = decimal.Decimal(100 * part) / whole if whole else decimal.Decimal(0)
    least = decimal.Decimal(1).scaleb(-digits)
    if 0 < share < least:
        return f"<{least} %"
    if 100 - least / 2 <= share < 100:
        return f">{100 - least} %"
    return f"{share if share in (0, 100) else share.quantize(least, decimal.ROUND_HALF_UP)} %"
