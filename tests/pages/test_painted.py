# SPDX-License-Identifier: BSD-2-Clause
"""What is on the canvases, by their pixels and by the texts that are written on them.

Where nothing was painted a canvas is transparent, and a faint box is as transparent as it is faint.
"""
import colorsys
import collections
import re

import pytest
from test_page import FETCH, RECIPE, TEXT, frame_point, oracle

HEAD = ["capture period_ns 10000000", "module fast.so /srv/app/fast.so -", "module libm.so /usr/lib/libm.so -"]
# name: (frame, hue in degrees or None for grey, own code or not)
BOXES = {
    "f": ("p f /srv/a.py - 1", 210, True),
    "dumps": ("p dumps /usr/lib/python3.12/json/__init__.py - 9", 210, False),
    "crunch": ("n crunch - fast.so 0", 35, True),
    "sin": ("n sin - libm.so 0", 35, False),
    "vfs_read": ("k vfs_read - - 0", 300, False),
    "[gc]": ("m [gc] - - 0", 35, False),
    "[torn]": ("m [torn] - - 0", None, False),
}
COUNTS = dict(zip(BOXES, range(70, 0, -7)))
TOTAL = sum(COUNTS.values())
LAYERS = "\n".join(HEAD + [f"{COUNTS[name]} 7 main | {frame}" for name, (frame, _, _) in BOXES.items()]) + "\n"


def pixels(page, points, selector="#flame canvas", nth=0):
    """(red, green, blue, alpha) of points of the window, read from a copy: the page's canvas stays as it is."""
    return [tuple(p) for p in page.js("""
        const canvas = document.querySelectorAll(arguments[1])[arguments[2]], r = canvas.getBoundingClientRect();
        const context = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
        context.drawImage(canvas, 0, 0);
        return arguments[0].map(([x, y]) => [...context.getImageData(Math.round(x - r.left), Math.round(y - r.top), 1, 1).data])""",
                                      points, selector, nth)]


def span(page, name, depth=1):
    """First and last pixel of a box of LAYERS from left to right, and its first from the top."""
    left = sum(COUNTS[other] for other in list(BOXES)[:list(BOXES).index(name)])
    x, y = page.point(depth, left / TOTAL)
    return x + 1, page.point(depth, (left + COUNTS[name]) / TOTAL)[0] - 3, y - 10


def fill(page, name):
    """A pixel of it above its label."""
    left, right, top = span(page, name)
    return pixels(page, [((left + right) // 2, top + 2)])[0]


def row(page, name, below):
    left, right, top = span(page, name)
    return pixels(page, [(x, top + below) for x in range(left, right)])


def is_near(one, other):
    return max(abs(a - b) for a, b in zip(one, other)) < 6


def hue_and_saturation(colour):
    hue, saturation, _ = colorsys.rgb_to_hsv(*(c / 255 for c in colour[:3]))
    return hue * 360, saturation


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_box_has_the_colour_of_its_layer(page, theme):
    page.open(LAYERS, theme=theme, pick=0)
    seen = {name: fill(page, name) for name in BOXES}
    for name, (_, hue, _) in BOXES.items():
        got, saturation = hue_and_saturation(seen[name])
        assert seen[name][3] == 255, name
        assert saturation < 0.25 if hue is None else abs(got - hue) < 15 and saturation > 0.14, (name, seen[name])
    # One's own code is saturated, libraries are pale; so are they in the dark, where the bright ones stand out.
    for own, pale in (("f", "dumps"), ("crunch", "sin")):
        (_, more), (_, less) = hue_and_saturation(seen[own]), hue_and_saturation(seen[pale])
        assert (more > less + 0.2) if theme == "light" else (max(seen[own][:3]) > max(seen[pale][:3]) + 50), (own, seen)
    # Beside and below the boxes there is nothing.
    x, y = page.point(1, 1)
    assert [p[3] for p in pixels(page, [(x + 3, y), (x - 30, y + 40)])] == [0, 0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_layers_differ_without_colours(page, theme):
    """C has a line at its lower edge, the kernel a broken one; what is missing is hatched."""
    page.open(LAYERS, theme=theme, pick=0)
    for name in ("f", "dumps"):
        assert set(row(page, name, 18)) == {fill(page, name)}, name
    for name in ("sin", "[gc]"):
        edge = set(row(page, name, 18))
        assert len(edge) == 1 and edge != {fill(page, name)}, name
    dashes = [is_near(p, fill(page, "vfs_read")) for p in row(page, "vfs_read", 18)]
    assert 0.3 * len(dashes) < sum(dashes) < 0.7 * len(dashes)
    assert sum(a != b for a, b in zip(dashes, dashes[1:])) > len(dashes) / 6
    assert len(set(row(page, "[torn]", 2))) > 2
    for name in BOXES:
        assert name == "[torn]" or len(set(row(page, name, 2))) == 1, name
        assert {p[3] for p in row(page, name, 19)} == {0}  # a gap between the rows


def test_what_a_search_does_not_mean_is_faint(page):
    page.open(LAYERS, pick=0)
    before = {name: fill(page, name) for name in BOXES}
    page.search("^(f|sin)$")
    for name, (red, green, blue, _) in before.items():
        now = fill(page, name)
        if name in ("f", "sin"):
            assert now == before[name], name
        else:
            assert 60 < now[3] < 100 and (name == "[torn]" or max(abs(a - b) for a, b in zip(now, (red, green, blue))) < 6), name
    page.search("")
    assert {name: fill(page, name) for name in BOXES} == before


def test_what_is_above_the_zoom_is_paler(page):
    text = "\n".join([*HEAD, "50 7 main | p f /srv/a.py - 1 | p g /srv/a.py - 2"]) + "\n"
    page.open(text, pick=0)
    assert [p[3] for p in pixels(page, [(640, page.point(depth, 0)[1] - 8) for depth in (0, 1, 2)])] == [255] * 3
    page.open(text, zoom=2, pick=0)
    alpha = [p[3] for p in pixels(page, [(640, page.point(depth, 0)[1] - 8) for depth in (0, 1, 2)])]
    assert 100 < alpha[0] < 200 and 100 < alpha[1] < 200 and alpha[2] == 255


def test_too_narrow_ones_are_one_grey_box(page):
    page.open("\n".join([*HEAD, "5000 7 main | p f /srv/a.py - 1 | p g /srv/a.py - 2",
                         *(f"1 7 main | p f /srv/a.py - 1 | p h{i} /srv/a.py - 3" for i in range(5000))]) + "\n", pick=0)
    g, rest = pixels(page, [page.point(2, 0.45), page.point(2, 0.75)])
    assert hue_and_saturation(g)[1] > 0.4 and rest[3] == 255 and hue_and_saturation(rest)[1] < 0.1


def test_what_is_kept_has_an_outline_and_what_is_pointed_at_glows(page):
    page.open(LAYERS, pick=0)
    left, right, top = span(page, "crunch")
    edge = [((left + right) // 2, top + 1)]
    plain = pixels(page, edge)[0]
    page.pointer(("move", (left + 30, top + 10)))
    glowing = pixels(page, edge)[0]
    assert glowing != plain and sum(glowing) > sum(plain)
    page.pointer(("move", (640, 60)))
    assert pixels(page, edge)[0] == plain
    page.pointer(("click", (left + 30, top + 10)), ("move", (640, 60)))
    kept = pixels(page, edge)[0]
    assert kept != plain and max(kept[:3]) < 0x40
    page.press("\ue00c")
    assert pixels(page, edge)[0] == plain


def written(page, act):
    """[(text, x, y)] of what is written on canvases meanwhile."""
    page.js("""window.written = []; window.realFill = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
            window.written.push([text, x, y, this.fillStyle, this.globalAlpha]);
            return window.realFill.apply(this, arguments); }""")
    act()
    page.settle()
    return page.js("CanvasRenderingContext2D.prototype.fillText = window.realFill; return window.written")


def luminance(colour):
    parts = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), parts))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_labels_are_in_their_boxes_and_can_be_read(page, theme):
    page.open(LAYERS, theme="dark" if theme == "light" else "light", pick=0)
    texts = written(page, lambda: page.press("d"))
    for name in BOXES:
        left, right, top = span(page, name)
        base = page.box()
        found = [t for t in texts if t[0] == name]
        assert found, (name, texts)
        _, x, y, colour, alpha = found[-1]
        assert left - base[0] <= x <= left - base[0] + 8 and top - base[1] + 5 < y < top - base[1] + 15 and alpha == 1, name
        ink = tuple(int(colour[i:i + 2], 16) for i in (1, 3, 5))
        dark, light = sorted((luminance(ink), luminance(fill(page, name))))
        assert (light + 0.05) / (dark + 0.05) >= 3, (name, colour, fill(page, name))
    assert " (a.py:1)" in [t[0] for t in texts] and " (json/__init__.py:9)" in [t[0] for t in texts]


def test_a_label_that_does_not_fit_is_cut_at_its_end(page):
    long = "a_function_whose_name_has_no_end_" * 8
    text = "\n".join([*HEAD, f"50 7 main | p {long} /srv/a.py - 1", "300 7 main | p g /srv/a.py - 2"]) + "\n"
    page.open(text, theme="dark", pick=0)
    cut = [t[0] for t in written(page, lambda: page.press("d")) if t[0].startswith("a_function")]
    assert cut and len(cut[-1]) > 10 and cut[-1].endswith("…") and long.startswith(cut[-1][:-1])


# the strip of time, and those of the threads

def at_slice(page, at, below, selector="#strip canvas"):
    """A point of the strip, so many pixels below its upper edge."""
    left, top, width = page.js("const r = document.querySelector(arguments[0]).getBoundingClientRect(); "
                               "return [r.left, r.top, r.width]", selector)
    return left + 16 + (at + 0.5) / 50 * (width - 32), top + below


def open_strip(page, **state):
    page.open(TEXT, **state)
    page.until(lambda: page.js("return document.querySelector('#strip canvas').hasAttribute('aria-valuetext')"))


def heights(view_of):
    """Samples by slice of what view_of(sample) wants."""
    sums = collections.Counter()
    for sample in RECIPE.samples:
        for at, count in sample.at:
            sums[at] += count if view_of(sample) else 0
    return sums


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_strip_has_a_bar_where_there_were_samples(page, theme):
    open_strip(page, theme=theme, pick=0)
    sums = heights(lambda sample: True)
    most = max(sums.values())
    for at in range(50):
        column = pixels(page, [at_slice(page, at, y) for y in range(16, 41)], "#strip canvas")
        height = sum(p[3] > 0 for p in column)
        assert abs(height - 25 * sums[at] / most) <= 1.5, (at, height, sums[at])
    # C below, the kernel above it
    hues = [hue_and_saturation(p)[0] for p in pixels(page, [at_slice(page, 10, y) for y in (39, 26)], "#strip canvas")]
    assert abs(hues[0] - 35) < 15 and abs(hues[1] - 300) < 15, hues


def test_the_strip_marks_what_is_kept(page):
    open_strip(page)
    page.search("^walk$")
    was_in = heights(lambda sample: any(f.function == b"walk" for f in sample.frames))
    assert {at for at, n in was_in.items() if n} == {30, 31}
    dark = [max(pixels(page, [at_slice(page, at, 39)], "#strip canvas")[0][:3]) < 0x40 for at in (0, 10, 20, 30, 31, 40)]
    assert dark == [False, False, False, True, True, False]
    page.search("")
    report = oracle.View(RECIPE)
    page.pointer(("click", frame_point(page, report, FETCH[:2])[0]), ("move", (640, 60)))
    was_in = heights(lambda sample: any(f.function == b"report" for f in sample.frames))
    for at in (0, 10, 20, 30, 31, 33, 40, 46):
        assert (max(pixels(page, [at_slice(page, at, 39)], "#strip canvas")[0][:3]) < 0x40) == (was_in[at] > 0), at
    # as high as its share of the bar
    column = [max(p[:3]) < 0x40 and p[3] == 255 for p in pixels(page, [at_slice(page, 10, y) for y in range(16, 41)], "#strip canvas")]
    assert abs(sum(column) - 25 * was_in[10] / max(heights(lambda sample: True).values())) <= 1.5


def test_the_strip_says_what_it_is_pointed_at(page):
    """CPUs in use over the time in which 50 samples of one are expected: three slices to each side."""
    open_strip(page, pick=0)
    sums = heights(lambda sample: True)
    for at in (10, 25, 40):
        point = at_slice(page, at - 0.5, 30)
        texts = [t[0] for t in written(page, lambda: page.pointer(("move", tuple(map(round, point)))))]
        n = sum(sums[i] for i in range(at - 3, at + 3))
        assert f"at {at / 10:.{1 if at > 99 else 2}f} s: {n * 0.01 / 0.6:.1f} CPU" in texts, (at, texts)


@pytest.mark.parametrize("width", [1280, 1000, 500])
def test_the_strip_has_all_its_times(page, width):
    """Up to the last second: no text upon another, none cut off, and what the bars' height means."""
    page.size(width, 720)
    open_strip(page, pick=0)
    page.pointer(("move", (width // 2, 60)))
    drawn = page.js("""const drawn = [], of = CanvasRenderingContext2D.prototype, real = of.fillText;
        of.fillText = function (text, x, y) {
            const width = this.measureText(text).width, from = this.textAlign === 'right' ? x - width : x;
            if (this.canvas === document.querySelector('#strip canvas')) drawn.push([from, from + width, text]);
            return real.apply(this, arguments); };
        dispatchEvent(new Event('resize'));
        return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => { of.fillText = real; done(drawn); })))""")
    seconds = [float(text[:-2]) for *_, text in drawn if re.fullmatch(r"[\d.]+ s", text)]
    assert seconds == pytest.approx([i * seconds[1] for i in range(int(5 / seconds[1] + 1e-9) + 1)]), drawn
    assert sum("CPU" in text for *_, text in drawn) == 1, drawn
    drawn.sort()
    canvas = page.js("return document.querySelector('#strip canvas').getBoundingClientRect().width")
    assert drawn[0][0] >= 0 and drawn[-1][1] <= canvas and all(a[1] + 4 < b[0] for a, b in zip(drawn, drawn[1:])), drawn


def test_each_thread_has_its_times(page):
    page.open(TEXT, tab="threads")
    threads = page.js("return [...document.querySelectorAll('#threads tbody tr')].map(r => r.querySelector('.name').textContent)")
    by_name = {"gunicorn: worker [shop:app] 41": lambda s: s.process[0] == 41, "MainThread 41": lambda s: s.tid == 41,
               "pool 43": lambda s: s.tid == 43, "gunicorn: helper 52": lambda s: s.process[0] == 52}
    assert set(threads) == set(by_name)
    for nth, name in enumerate(threads):
        left, top, width = page.js("const r = document.querySelectorAll('#threads canvas')[arguments[0]].getBoundingClientRect(); "
                                   "return [r.left, r.top, r.width]", nth)
        sums = heights(by_name[name])
        for at in (0, 5, 11, 12, 14, 20, 25, 30, 40, 46):
            x = left + (at * 120 // 50 + 0.3) * width / 120
            painted = [p[3] > 0 for p in pixels(page, [(x + i, top + 16) for i in (-1, 0, 1)], "#threads canvas", nth)]
            assert any(painted) == (sums[at] > 2), (name, at, painted, sums[at])


def test_the_parts_of_a_thread_are_its_layers(page):
    page.open(TEXT, tab="threads")
    got = page.js("return Object.fromEntries([...document.querySelectorAll('#threads tbody tr')].map(r => ["
                  "r.querySelector('.name').textContent, [r.querySelector('.parts').title, "
                  "[...r.querySelectorAll('.parts i')].map(i => parseFloat(i.style.width))]]))")
    most = max(oracle.View(RECIPE, threads={((41, 1), 41), ((41, 1), 43)}).total, 1)
    for name, thread in (("MainThread 41", ((41, 1), 41)), ("pool 43", ((41, 1), 43)), ("gunicorn: helper 52", ((52, 1), 52))):
        view = oracle.View(RECIPE, threads={thread})
        sums = view.layers()
        title, widths = got[name]
        assert title == "\n".join(f"{layer} {oracle.percent(sums[letter], view.total)}" for layer, letter in
                                  (("Python", "p"), ("C and C++", "c"), ("kernel", "k")))
        assert widths == pytest.approx([100 * sums[letter] / most for letter in "pck-"], abs=0.01)
