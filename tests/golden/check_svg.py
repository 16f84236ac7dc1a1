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
        kind = {"inlined": "native", "thread": "group", "process": "group", "label": "group"}.get(frame.kind, frame.kind)
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


AMOUNT = re.compile(r"(itself )?(?:([\d.]+) s, )?([\d.]+) %, ([\d,]+) samples?")


def amount(text):
    """(itself, seconds, percent, samples) of "0.28 s, 12.50 %, 28 samples"; seconds and percent as texts."""
    itself, seconds, percent, samples = AMOUNT.fullmatch(text).groups()
    return bool(itself), seconds, percent, int(samples.replace(",", ""))


def is_rounded(text, value, decimals):
    """Whether text is value with so many decimals, whichever way half of the last one goes."""
    return text is not None and bool(re.fullmatch(rf"\d+\.\d{{{decimals}}}", text)) and \
        abs(float(text) - value) <= 0.5 * 10 ** -decimals + 1e-9


def amount_problems(root, recipe):
    """Seconds and shares of all tooltips, by the period and the total of the recipe."""
    period, total = recipe.number("period_ns") / 1e9, recipe.total()
    for group in root.iter(SVG + "g"):
        for line, itself in zip(group.find(SVG + "title").text.split("\n")[1:], (False, True)):
            begins, seconds, percent, samples = amount(line)
            # a period below 5 ms makes hundredths of a second too coarse
            decimals = 4 if period < 0.005 and samples * period < 1 else 2
            if begins != itself or not is_rounded(percent, 100 * samples / total if total else 0, 2) or (
                    not is_rounded(seconds, samples * period, decimals) if period else seconds is not None):
                yield line


def want_legend(recipe):
    """Share of each layer in percent: what the innermost frame is; a collection's is the collector's, C."""
    layers = dict.fromkeys(("Python", "native", "kernel", "missing"), 0)
    for sample in recipe.samples:
        leaf = sample.frames[-1] if sample.frames else golden.UNKNOWN
        layer = {"python": "Python", "native": "native", "inlined": "native", "kernel": "kernel"}.get(leaf.kind, "missing")
        layers["native" if (leaf.kind, leaf.function) == ("marker", b"[gc]") else layer] += sample.count
    return {layer: 100 * n / recipe.total() if recipe.total() else 0 for layer, n in layers.items()}


def legend_problems(root, recipe):
    """Shares, and that each stands right of the colour that it explains."""
    shapes, found = list(root), {}
    for box, text in zip(shapes, shapes[1:]):
        match = re.fullmatch(r"(\w+) ([\d.]+) %", text.text or "") if text.tag == SVG + "text" else None
        if match and box.tag == SVG + "rect":
            found[match[1]] = match[2], box.get("fill")
            if not (float(box.get("x")) + float(box.get("width")) < float(text.get("x")) < float(box.get("x")) + 30 and
                    float(box.get("y")) < float(text.get("y")) <= float(box.get("y")) + float(box.get("height"))):
                yield f"{match[0]} is not beside its colour"
    colours = {"Python": COLOURS["python", True], "native": COLOURS["native", True], "kernel": COLOURS["kernel", False],
               "missing": COLOURS["marker", False]}
    for layer, share in want_legend(recipe).items():
        text, colour = found.pop(layer, (None, None))
        if not is_rounded(text, share, 1) or colour != colours[layer]:
            yield f"{layer}: {text} % in {colour}, not {share:.3f} % in {colours[layer]}"
    yield from found


def luminance(colour):
    """WCAG 2.1, relative luminance."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(digits[i:i + 2], 16) / 255 for i in (0, 2, 4)]
    return sum(w * (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4)
               for w, c in zip((0.2126, 0.7152, 0.0722), parts))


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def place_problems(root):
    """A label lies in its box, begins at its left, and can be read on its colour."""
    hatched = [shape.get("fill") for pattern in root.iter(SVG + "pattern") for shape in pattern]
    for group in root.iter(SVG + "g"):
        box, label = group.find(SVG + "rect"), group.find(SVG + "text")
        if label is None:
            continue
        x, y, top = float(label.get("x")), float(label.get("y")), float(box.get("y"))
        # a letter reaches 3 px below its line at most, and 10 above
        if not (float(box.get("x")) < x <= float(box.get("x")) + 6 and top + 10 <= y <= top + float(box.get("height")) - 3):
            yield f"{label.text} at {x}, {y} is not in its box"
        fills = hatched if box.get("fill") == "url(#missing)" else [box.get("fill")]
        if label.get("fill") is None or min(contrast(label.get("fill"), fill) for fill in fills) < 4:
            yield f"{label.text} in {label.get('fill')} on {fills}"


def order_problems(boxes):
    """The heaviest callee comes first, the first one where its caller begins, each where the last one ends."""
    rows = collections.defaultdict(list)
    for path, box in nest(boxes):
        if path:
            rows[path[:-1]].append(box)
    begins = {path: box[0] for path, box in nest(boxes)}
    width = {path: box[6] for path, box in nest(boxes)}
    scale = (WIDTH - 2 * MARGIN) / max(width[()], 1)
    for path, row in rows.items():
        at = begins[path]
        for box, after in zip(sorted(row), sorted(row)[1:] + [None]):
            if abs(box[0] - at) > 0.02:
                yield f"{box[4]} begins at {box[0]}, not {at}"
            at += box[6] * scale
            if after and after[6] > box[6]:
                yield f"{after[4]} with {after[6]} samples stands behind {box[4]} with {box[6]}"


def read_boxes(root):
    """(x, y, width, fill, text, label, total, self) of each, top to bottom."""
    for group in root.iter(SVG + "g"):
        rect, label = group.find(SVG + "rect"), group.find(SVG + "text")
        text, total, *own = group.find(SVG + "title").text.split("\n")
        yield (float(rect.get("x")), int(rect.get("y")), float(rect.get("width")), rect.get("fill"), text,
               label.text or "" if label is not None else None, amount(total)[3], amount(own[0])[3] if own else None)


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
    for what, problems in (("seconds and shares of the tooltips", amount_problems(root, recipe)),
                           ("shares of the legend", legend_problems(root, recipe)),
                           ("labels are in their boxes and can be read", place_problems(root)),
                           ("the heaviest callee first, side by side", order_problems(boxes))):
        problems = list(problems)
        check_that(what, not problems, problems[:3])
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


def is_empty(data):
    boxes = list(read_boxes(ET.fromstring(data)))
    return [box[6:] for box in boxes] == [(0, None)] and b" 0 samples" in data
