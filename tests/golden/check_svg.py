# SPDX-License-Identifier: BSD-2-Clause
"""The flame graph: valid XML without anything that runs, its boxes against the recipe."""
import collections
import re
import xml.etree.ElementTree as ET

import recipe as golden

SVG = "{http://www.w3.org/2000/svg}"
ROW = 20
MARGIN = 16
WIDTH = 1200
NARROWEST = 0.5
COLOURS = {("python", True): "#3f7cb5", ("python", False): "#a9c9e6", ("native", True): "#e09a3a",
           ("native", False): "#f2cf9b", ("kernel", False): "#d9b7d6", ("group", False): "#b5bcc5",
           ("marker", False): "url(#missing)"}


def want_boxes(recipe):
    """(texts and colours of the path) -> [total, self]."""
    def look(frame):
        kind = {"inlined": "native", "thread": "group", "process": "group"}.get(frame.kind, frame.kind)
        if frame.function == b"[gc]" and kind == "marker":
            kind = "native"
        return golden.frame_text(frame), COLOURS[kind, golden.is_own(frame, recipe)]
    boxes = collections.defaultdict(lambda: [0, 0])
    leads = golden.leads(recipe)
    for sample in recipe.samples:
        path = tuple(look(frame) for i, frame in enumerate(sample.frames)
                     if i == len(sample.frames) - 1 or not golden.is_call(sample.frames, i, leads))
        for depth in range(len(path) + 1):
            boxes[path[:depth]][0] += sample.count
        boxes[path][1] += sample.count
    return boxes


def amount(text):
    """Samples of "0.28 s, 12.50 %, 28 samples"."""
    return int(re.fullmatch(r"(?:itself )?(?:[\d.]+ s, )?[\d.]+ %, ([\d,]+) samples?", text)[1].replace(",", ""))


def read_boxes(root):
    """(x, y, width, fill, text, label, total, self) of each, top to bottom."""
    for group in root.iter(SVG + "g"):
        rect, label = group.find(SVG + "rect"), group.find(SVG + "text")
        text, total, *own = group.find(SVG + "title").text.split("\n")
        yield (float(rect.get("x")), int(rect.get("y")), float(rect.get("width")), rect.get("fill"), text,
               label.text or "" if label is not None else None, amount(total), amount(own[0]) if own else None)


def nest(boxes):
    """The path of each box: its parent is the one above it that covers where it begins."""
    rows = collections.defaultdict(list)
    for box in sorted(boxes, key=lambda b: b[1]):
        above = [(x, path) for x, path in rows[box[1] - ROW] if x <= box[0] + 0.01]
        path = max(above)[1] + ((box[4], box[3]),) if above else ()
        rows[box[1]].append((box[0], path))
        yield path, box


def label_problems(boxes):
    """A label is its text, or the start of it and dots, and no wider than its box at 0.2 em a letter at least."""
    return [box for box in boxes if box[5] is not None and
            not (box[5] in ("", box[4]) or (box[5].endswith("…") and box[4].startswith(box[5][:-1])) or
                 box[4].startswith(box[5] + " ("))] + \
        [box for box in boxes if box[5] and len(box[5]) * 12 * 0.27 > box[2]]


def check(data, recipe, check_that):
    root = ET.fromstring(data)
    names = {element.tag.removeprefix(SVG) for element in root.iter()}
    check_that("only shapes and text", names <= {"svg", "title", "defs", "pattern", "rect", "text", "g"}, names)
    attributes = {(k, v) for element in root.iter() for k, v in element.attrib.items()}
    check_that("nothing runs or is fetched", not [a for a in attributes if a[0].lower().startswith("on") or "href" in a[0]
                                                  or ("url(" in a[1] and a[1] != "url(#missing)")], attributes)
    boxes = list(read_boxes(root))
    total = recipe.total()
    narrow = NARROWEST * total / (WIDTH - 2 * MARGIN)
    want = want_boxes(recipe)
    drawn = {path: tuple(amounts) for path, amounts in want.items() if amounts[0] >= narrow or not path}
    got = {path: (box[6], box[6] if box[7] is None and amounts_all(path, want) else box[7] or 0)
           for path, box in nest(boxes)}
    check_that("boxes equal the recipe", got == drawn and len(got) == len(boxes), f"{got}\n{drawn}")
    check_that("widths are shares", all(abs(box[2] - box[6] * (WIDTH - 2 * MARGIN) / total) <= 0.51 for box in boxes))
    dropped = len(want) - len(drawn)
    said = re.search(r"([\d,]+) frames? narrower", data.decode())
    check_that("dropped frames are told", (int(said[1].replace(",", "")) if said else 0) == dropped,
               f"{said and said[0]}, not {dropped}")
    check_that("labels", not label_problems(boxes), label_problems(boxes)[:3])
    leads = golden.leads(recipe)
    left = any(golden.is_call(s.frames, i, leads) for s in recipe.samples for i in range(len(s.frames)))
    check_that("frames left out are told", (b"how the interpreter calls" in data) == left)
    texts = " ".join(element.text or "" for element in root.iter(SVG + "text"))
    check_that("losses are told", all(f"{count:,} " in texts for count in recipe.losses.values()))


def amounts_all(path, want):
    """All of its samples are its own: then it does not say so."""
    return want[path][0] == want[path][1] if path in want else False
