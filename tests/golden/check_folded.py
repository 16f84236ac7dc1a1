# SPDX-License-Identifier: BSD-2-Clause
"""Folded stacks, checked against the recipe."""
import recipe as golden


def unfold(line):
    """Frames and count of a folded line, by the rules of docs/formats.md."""
    stack, count = line.rsplit(" ", 1)
    return tuple(golden.unescape(frame) for frame in stack.split(";")), int(count)


def check(data, recipe, check_that):
    lines = data.decode("utf-8").splitlines()
    pairs = [unfold(line) for line in lines]
    check_that("no line twice", len(dict(pairs)) == len(pairs))
    want = golden.counts(recipe, lambda frame: golden.unescape(golden.frame_text(frame)))
    check_that("equals the recipe", dict(pairs) == want, f"{dict(pairs)}\n{dict(want)}")
    check_that("one line each", data.count(b"\n") == len(lines) and data.endswith(b"\n"))


def is_empty(data):
    return data == b""
