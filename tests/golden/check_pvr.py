# SPDX-License-Identifier: BSD-2-Clause
"""Recordings as text, by the second reader: what golden.pvr holds."""
import collections

import read_pvr
import recipe as golden


def show(data):
    lines = []
    read_pvr.dump(read_pvr.Recording(data), lines.append)
    return "\n".join(lines) + "\n"


def check(data, recipe, check_that):
    recording = read_pvr.Recording(data)
    check_that("is whole", recording.whole and not recording.unknown, recording.broken)
    found = collections.Counter()
    for (_, stack), count in recording.by_stack().items():
        frames = [golden.Frame(read_pvr.KINDS[loc.kind], loc.function, loc.file, loc.module, loc.line) for loc in stack]
        found[tuple(frames) or (golden.UNKNOWN,)] += count
    want = golden.counts(recipe, lambda frame: frame)
    check_that("equals the recipe", found == want, f"{found}\n{want}")


def is_empty(data):
    return show(data) == "period_ns 10000000\nwhole, 0 samples\n"
