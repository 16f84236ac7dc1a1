# SPDX-License-Identifier: BSD-2-Clause
"""The page of a trace: every number recomputed from the recipe, and what one can do with pointer, wheel and keys.

The recipe is read by tests/golden/trace_recipe.py, which shares no code with the page.
"""
import math
import re

import pytest
from conftest import ROW, SIDE, make_trace
from oracle import golden
from selenium.webdriver.common.keys import Keys
from test_painted import hue_and_saturation, pixels, written
from test_untrusted import NAMES, is_unharmed, missing, shown

import trace_recipe  # beside golden

RULER, TOP = 22, 26  # of the timeline, in pixels
HEAD = """capture target_name gunicorn
capture title gunicorn:~worker~[app:app]
capture interpreter CPython~3.12.1
capture pid 4127
capture start_unix_ns 1795687387000000000
trace n_seen 9
trace n_skipped 5
trace hits[0] 14140
trace cost_cpus 32500
module _mysql.so /srv/venv/lib/python3.12/site-packages/MySQLdb/_mysql.so -
module own.so /srv/app/own.so -
source /srv/app/app.py 0 import~flask\\x0a\\x0a@route\\x0adef~report(n):\\x0a\\x20\\x20return~fetch(n)\\x0a\\x0adef~other():\\x0a\\x20\\x20pass\\x0a
function 1 p report /srv/app/app.py - 3
function 2 p fetch /srv/venv/lib/python3.12/site-packages/MySQLdb/cursors.py - 331
function 3 n convert - _mysql.so 0
function 4 n crunch - own.so 0
function 5 p rows /srv/app/app.py - 7
function 6 p fib /srv/app/app.py - 20
thread 4131 MainThread
thread 4140 pool
"""
STACK = " | n _start - python3.12 0 | p <module> /srv/app/app.py - 40 | p handle /srv/app/app.py - 36 | p report /srv/app/app.py - 3"
# Of 100 us: so one ns is 0.01248 pixels.
CALLS = f"""execution 1 4131{STACK}
0 1 1000000 1100000 args=n=3 result='x' off=40000
1 2 1000000 1050000 args=q='SELECT'
2 3 1010000 1020000
2 3 1020000 1040000 raised
3 6 1022000 1038000
1 4 1060000 1080000
2 6 1062000 1078000
3 6 1064000 1070000
1 5 1090000 1095000 yielded result=1
execution 3 4140{STACK}
0 1 2000000 2050000
1 5 2010000 2020000 resumed
1 2 2030000 2040000
execution 7 4131{STACK}
0 1 3000000 3080000
1 4 3010000 3070000
"""
TEXT = HEAD + CALLS
RECIPE = trace_recipe.read(TEXT)
DOUBTFUL = HEAD + f"""execution 1 4131 partial{STACK}
0 1 0 100000 cut
1 2 20000 60000 begin-guessed,end-guessed
1 3 70000 90000
execution 2 4131 lost=12
0 1 200000 250000
"""


def open_page(page, recipe=TEXT, **state):
    page.open(make_trace(recipe), **state)


def duration(ns):
    """Three digits of it."""
    for unit, size in (("ns", 1), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)):
        value = ns / size
        if value < 999.5 or unit == "s":
            decimals = 0 if unit == "ns" or value >= 99.95 else 1 if value >= 9.995 else 2
            return f"{value:.{decimals}f} {unit}"


def label(fn, recipe=RECIPE):
    frame = recipe.functions[fn]
    return golden.frame_text(frame)


def outline(page):
    page.until(lambda: page.js("return document.getElementById('outline').dataset.ready === 'yes'"))
    return [tuple(row) for row in page.js("return [...document.querySelectorAll('#outline tbody tr')].map(r => [...r.cells].map(c => c.textContent))")]


def rows_of(execution, recipe=RECIPE):
    """What the table after the timeline has to say of an execution's calls."""
    words = {**{flag: flag for flag in trace_recipe.FLAGS}, **trace_recipe.MARKS}
    return [(str(c.level), label(c.fn, recipe), f"{(c.start - execution.first.start) / 1e6:.3f} ms", duration(c.ns), duration(c.self_ns),
             ", ".join(words[flag] for flag in trace_recipe.FLAGS if flag in c.flags)) for c in execution.calls]


def grid(page, name):
    """[{ column: text }] of the rows that are seen."""
    return page.js("""const grid = document.getElementById('grid-' + arguments[0]);
        const names = [...grid.querySelectorAll('.head button')].map(b => b.className.replace(/number ?/, ''));
        return [...grid.querySelectorAll('.row')].map(row => Object.fromEntries([...row.children].map((cell, i) => [names[i], cell.textContent])))""", name)


def box(page):
    return page.js("""const pane = document.getElementById('timeline'), r = pane.getBoundingClientRect();
        return [r.left, r.top, pane.clientWidth, pane.scrollTop]""")


def point(page, ns, row, span=(0, 100000), below=ROW / 2):
    """The point of the window at a moment, so many pixels below a row's upper edge."""
    left, top, width, scrolled = box(page)
    return (round(left + SIDE + (ns - span[0]) / (span[1] - span[0]) * (width - 2 * SIDE)), round(top + TOP + row * ROW + below - scrolled))


def colour(page, ns, row, span=(0, 100000)):
    """Near the upper edge of a row, above the label."""
    return pixels(page, [point(page, ns, row, span, 3)], "#timeline canvas")[0]


def view(page):
    state = page.state()
    return (float(state["from"]), float(state["to"])) if "to" in state else None


def wheel(page, at, dy, dx=0, modifiers=0):
    page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseWheel", "x": at[0], "y": at[1], "deltaX": dx, "deltaY": dy,
                                                             "modifiers": modifiers})
    page.settle()


def press(page, *keys):
    """As if from the page itself: not from the box of the search."""
    page.js("document.activeElement.blur()")
    page.press(*keys)


def picked(page):
    """Title and start of the call in the panel."""
    facts = page.facts()
    return facts[""], facts["begins"]


def near_texts(page):
    return page.js("return [...document.querySelectorAll('#near .name')].map(e => e.textContent)")


# numbers

def test_the_sentence_the_layers_and_the_quality(page):
    open_page(page)
    assert page.text("#sentence") == ("3 executions of report (app.py:3), 80.0 µs at the median, 50.0 µs to 100 µs. "
                                      "33 % of all is spent in report itself. 17 % was not on a CPU.")
    calls = RECIPE.calls()
    for kind, name in (("python", "Python"), ("native", "C and C++")):
        ns = sum(c.self_ns for c in calls if RECIPE.functions[c.fn].kind == kind)
        assert page.js("return document.querySelector(arguments[0]).title", f".layer.{kind}").endswith(f", {duration(ns)} of self time")
        assert page.text(f".layer.{kind}") == f"{name} {math.floor(100 * ns / 230000 + 0.5)} %"
    assert page.text("#quality .verdict") == "✓ 13 calls, none lost" and page.text("#quality .details") == "cost 3.3 %"
    assert page.js("return document.title") == "gunicorn: worker [app:app] – pitviper"
    open_page(page, DOUBTFUL)
    assert page.text("#quality .verdict") == "▲ 4 calls, 12 events lost"
    assert page.text("#quality .details") == "2 guessed · 1 not ended · 1 partial · cost 3.3 %"
    page.click("#quality")
    assert len(page.texts(".causes li")) == 4 and page.is_visible("dialog")
    press(page, Keys.ESCAPE)
    open_page(page, HEAD + "execution 1 4131\n0 1 0 1000\n1 4 100 700\n1 4 700 900\n")
    assert page.text("#sentence") == "One execution of report (app.py:3), 1.00 µs. 80 % of it is spent in crunch (own.so) itself, in 2 calls. "
    open_page(page, HEAD.replace("n_seen 9", "n_seen 0"))
    assert page.text("#sentence") == "No execution of report (app.py:3) was seen."
    assert page.text("#quality .verdict") == "✓ 0 calls, none lost"


def test_the_table_of_functions_is_the_recipes(page):
    open_page(page, tab="callees")
    found, got = trace_recipe.callees(RECIPE), grid(page, "callees")
    order = sorted(found, key=lambda fn: -found[fn]["self_ns"])
    assert [row["name"] for row in got] == [RECIPE.functions[fn].function.decode() for fn in order]
    for row, fn in zip(got, order):
        of = found[fn]
        want = {"self": duration(of["self_ns"]), "total": duration(of["total_ns"]), "calls": str(of["calls"]), "min": duration(of["min_ns"]),
                "p50": duration(of["p50_ns"]), "p99": duration(of["p99_ns"]), "max": duration(of["max_ns"])} if of["measured"] else {}
        assert {key: row[key] for key in want} == want, fn
        assert f"({row['place']})" in label(fn)
    keys = {"total": "total_ns", "calls": "calls", "max": "max_ns"}
    for column, key in keys.items():
        page.click(f"#grid-callees .head .{column}")
        values = [found[next(fn for fn, frame in RECIPE.functions.items() if frame.function.decode() == row["name"])][key] for row in grid(page, "callees")]
        assert values == sorted(values, reverse=True), column
        page.click(f"#grid-callees .head .{column}")
        assert grid(page, "callees")[0]["name"] != "report" or column == "calls"
    page.click("#grid-callees .head .name")
    names = [row["name"] for row in grid(page, "callees")]
    assert names == sorted(names)


def test_random_traces_have_the_oracles_numbers(page):
    for seed in (1, 2):
        text = trace_recipe.made(seed, 400)
        recipe = trace_recipe.read(text)
        page.size(1280, 2000)
        open_page(page, text, tab="callees")
        found, got = trace_recipe.callees(recipe), {row["name"]: row for row in grid(page, "callees")}
        assert len(got) == len(found)
        for fn, of in found.items():
            row = got[recipe.functions[fn].function.decode()]
            want = [duration(of["self_ns"]), duration(of["total_ns"]), str(of["calls"])] + [
                duration(of[key]) if of["measured"] else "–" for key in ("min_ns", "p50_ns", "p99_ns", "max_ns")]
            assert [row[key] for key in ("self", "total", "calls", "min", "p50", "p99", "max")] == want, fn
        open_page(page, text, x=1)
        assert outline(page) == rows_of(recipe.executions[1], recipe)


def test_the_table_of_executions(page):
    open_page(page, DOUBTFUL, tab="executions", sort="nth.up")
    got = grid(page, "executions")
    assert [(row["nth"], row["took"], row["calls"], row["thread"], row["doubts"]) for row in got] == [
        ("#1", "100 µs", "3", "MainThread 4131", "partial"), ("#2", "50.0 µs", "1", "MainThread 4131", "12 events lost")]
    assert got[0]["from"] == "handle (app.py:36) < <module> (app.py:40) < _start (python3.12)"
    page.click("#grid-executions .row:nth-child(2)")
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.settle()
    page.click("#facts .acts button")
    assert page.state()["x"] == "1" and [row[1] for row in outline(page)] == ["report (app.py:3)"]


@pytest.mark.parametrize("x", [0, 1, 2])
def test_each_execution_is_a_table_too(page, x):
    open_page(page, x=x)
    assert outline(page) == rows_of(RECIPE.executions[x])


def test_marks_are_said(page):
    open_page(page, DOUBTFUL, x=0)
    assert [row[5] for row in outline(page)] == ["not ended", "beginning guessed, end guessed", ""]
    page.pointer(("click", point(page, 40000, 1)))
    assert page.text("#facts .marks") == "beginning guessed, end guessed" and page.js("return document.querySelector('#facts .marks').classList.contains('doubt')")
    assert page.text("#spread .note") == "Of no call both ends were seen."


# what is painted

LOOKS = {"report": (50000, 0, 210, True), "fetch": (5000, 1, 210, False), "convert": (15000, 2, 35, False), "crunch": (61000, 1, 35, True)}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_boxes_have_the_colours_of_their_layers(page, theme):
    open_page(page, theme=theme, x=0)
    page.pointer(("move", (640, 60)))
    seen = {name: colour(page, ns, row) for name, (ns, row, _, _) in LOOKS.items()}
    for name, (_, _, hue, _) in LOOKS.items():
        got, saturation = hue_and_saturation(seen[name])
        assert seen[name][3] == 255 and abs(got - hue) < 15 and saturation > 0.14, (name, seen[name])
    for own, pale in (("report", "fetch"), ("crunch", "convert")):
        (_, more), (_, less) = hue_and_saturation(seen[own]), hue_and_saturation(seen[pale])
        assert (more > less + 0.2) if theme == "light" else (max(seen[own][:3]) > max(seen[pale][:3]) + 50), (own, seen)
    # Nothing between calls, nor below them; C has a line at its lower edge, Python has none.
    assert [colour(page, ns, row)[3] for ns, row in ((55000, 1), (85000, 1), (50000, 3), (15000, 3))] == [0] * 4
    edge = {name: pixels(page, [point(page, ns, row, below=ROW - 2)], "#timeline canvas")[0] for name, (ns, row, _, _) in LOOKS.items()}
    assert edge["fetch"] == seen["fetch"] and edge["convert"] != seen["convert"] and edge["crunch"] != seen["crunch"]


def test_python_and_native_rows_apart(page):
    open_page(page, x=0)
    press(page, "p")
    assert page.state()["apart"] == "1"
    # Python: report, fetch and fib and rows, fib; a gap; C: convert, crunch
    rows = {(50000, 0): 210, (5000, 1): 210, (64000, 1): 210, (25000, 2): 210, (66000, 2): 210, (15000, 4): 35, (61000, 4): 35}
    for (ns, row), hue in rows.items():
        assert abs(hue_and_saturation(colour(page, ns, row))[0] - hue) < 15 and colour(page, ns, row)[3] == 255, (ns, row)
    assert colour(page, 15000, 2)[3] == 0 and colour(page, 50000, 3)[3] == 0
    page.pointer(("click", point(page, 61000, 4)))
    assert picked(page) == ("crunch", "after 0.060 ms of #1")
    press(page, "p")
    assert "apart" not in page.state() and abs(hue_and_saturation(colour(page, 61000, 1))[0] - 35) < 15


def test_what_is_not_certain_looks_so(page):
    open_page(page, DOUBTFUL, x=0, pick=2)
    page.pointer(("move", (640, 60)))
    row = lambda first, last, below=3, of=1: {p for p in pixels(page, [(x, point(page, 0, of, below=below)[1]) for x in  # noqa: E731
                                              range(point(page, first, of)[0] + 1, point(page, last, of)[0] - 2)], "#timeline canvas")}
    assert len(row(25000, 55000)) == 1 and len(row(20000, 21000)) > 1 and len(row(59000, 60000)) > 1
    # where the record ended, a broken line down the box
    x = point(page, 100000, 0)[0] - 3
    column = pixels(page, [(x, point(page, 0, 0, below=y)[1]) for y in range(1, 18)], "#timeline canvas")
    assert len(set(column)) > 1 and len({p for p in row(65000, 66000, of=0)}) == 1
    open_page(page, x=0)
    page.pointer(("move", (640, 60)))
    raised = pixels(page, [(point(page, 40000, 2)[0] - 3, point(page, 0, 2, below=5)[1])], "#timeline canvas")[0]
    assert hue_and_saturation(raised)[0] < 15 and hue_and_saturation(raised)[1] > 0.5


def test_labels_say_what_and_how_long(page):
    open_page(page, x=0, theme="dark")
    texts = [t[0] for t in written(page, lambda: press(page, "d"))]
    for text in ("report(n=3)", "  100 µs", "fetch(q='SELECT')", "  50.0 µs", "crunch", "  20.0 µs", "0 µs", "20 µs", "80 µs"):
        assert text in texts, (text, texts)
    assert "convert" in texts and any(text.endswith("…") for text in written_cut(page))


def written_cut(page):
    """In a span in which the name does not fit."""
    open_page(page, x=0, theme="dark", **{"from": 0, "to": 1000000})
    open_page(page, HEAD + f"execution 1 4131\n0 1 0 100000\n1 2 0 4000 args={'x' * 400}\n", x=0, theme="dark")
    return [t[0] for t in written(page, lambda: press(page, "d"))]


def test_a_search_makes_the_others_faint_and_counts(page):
    open_page(page, x=0)
    assert page.search("convert") == "2 calls · 30.0 µs"
    page.pointer(("move", (640, 60)))
    assert colour(page, 15000, 2)[3] == 255 and 60 < colour(page, 61000, 1)[3] < 100 and 60 < colour(page, 5000, 1)[3] < 100
    # by argument, by result, by file; small letters find large ones
    assert page.search("select") == "1 call · 50.0 µs"
    assert page.search("^'x'$") == "1 call · 100 µs"
    assert page.search("cursors") == "2 calls · 60.0 µs"
    assert page.search("fib") == "3 calls · 32.0 µs"  # the inner one is inside
    assert page.search("nothing of it") == "nothing"
    assert page.search("[") == "not a regular expression"
    page.search("")
    assert colour(page, 61000, 1)[3] == 255


def test_a_search_leads_from_match_to_match(page):
    open_page(page, x=0)
    page.search("fib")
    want = [(c, e) for e in RECIPE.executions for c in e.calls if c.fn == 6]
    for call, execution in want + want[:1]:
        press(page, "n")
        assert picked(page) == ("fib", f"after {(call.start - execution.first.start) / 1e6:.3f} ms of #{execution.number}")
    press(page, "N")
    assert picked(page)[1] == f"after {(want[-1][0].start - 1000000) / 1e6:.3f} ms of #1"
    # into other executions, too
    page.search("rows")
    press(page, "n", "n")
    assert picked(page) == ("rows", "after 0.010 ms of #3") and page.state()["x"] == "1"


# zoom

def test_the_wheel_zooms_where_the_pointer_is(page):
    open_page(page, x=0)
    at = point(page, 61000, 1)
    wheel(page, at, -400)
    begin, end = view(page)
    assert end - begin < 60000 and begin < 61000 < end
    assert abs(hue_and_saturation(colour(page, 61000, 1, (begin, end)))[0] - 35) < 15
    # what was below the pointer still is
    assert abs(point(page, 61000, 1, (begin, end))[0] - at[0]) <= 2
    wheel(page, at, 0, dx=200)
    moved = view(page)
    assert moved[0] > begin and abs((moved[1] - moved[0]) - (end - begin)) < 1
    wheel(page, at, -200, modifiers=8)
    assert view(page)[0] < moved[0]
    for _ in range(12):
        wheel(page, at, 400)
    assert view(page) is None  # all of it, and no more


def test_keys_zoom_and_move(page):
    open_page(page, x=0)
    press(page, "+")
    assert view(page) == (25000, 75000)
    press(page, "+")
    assert view(page) == (37500, 62500)
    press(page, "a")
    assert view(page) == (31250, 56250)
    press(page, "s", "s")
    assert view(page) == (43750, 68750)
    press(page, "-")
    assert view(page) == (31250, 81250)
    press(page, *"aaaaaaa")
    assert view(page) == (0, 50000)
    press(page, "0")
    assert view(page) is None
    press(page, *"+" * 40)
    begin, end = view(page)
    assert 19.5 <= end - begin <= 20.5  # no closer than that


def test_a_drag_on_the_scale_chooses_a_span_and_escape_leads_back(page):
    open_page(page, x=0)
    _, top, _, _ = box(page)
    page.pointer(("move", (point(page, 20000, 0)[0], top + 8)), ("press", (point(page, 20000, 0)[0], top + 8)),
                 ("move", (point(page, 40000, 0)[0], top + 12)), ("release", (point(page, 60000, 0)[0], top + 12)))
    begin, end = view(page)
    assert abs(begin - 20000) < 200 and abs(end - 60000) < 200
    press(page, Keys.ESCAPE)
    assert view(page) is None
    page.driver.back()
    page.settle()
    assert view(page) is not None


def test_a_drag_moves_and_picks_nothing(page):
    open_page(page, x=0, **{"from": 40000, "to": 60000})
    span = (40000, 60000)
    page.pointer(("move", point(page, 50000, 0, span)), ("press", point(page, 50000, 0, span)), ("move", point(page, 49000, 0, span)),
                 ("release", point(page, 45000, 0, span)))
    begin, end = view(page)
    assert abs(begin - 45000) < 50 and abs(end - 65000) < 50 and "pick" not in page.state()


def test_a_double_click_zooms_to_a_call_and_so_does_enter(page):
    open_page(page, x=0)
    page.pointer(("double", point(page, 65000, 1)))
    assert view(page) == (59600, 80400) and page.state()["pick"] == "5"
    press(page, Keys.ARROW_DOWN, Keys.ENTER)
    assert view(page) == (61680, 78320) and picked(page)[1] == "after 0.062 ms of #1"
    press(page, Keys.ESCAPE)
    assert view(page) == (59600, 80400)
    press(page, Keys.ESCAPE)
    assert view(page) is None


# selection

def test_click_keeps_and_hover_previews(page):
    open_page(page, x=0)
    assert picked(page) == ("report(n=3)", "after 0.000 ms of #1")
    page.pointer(("move", point(page, 15000, 2)))
    assert picked(page) == ("convert", "after 0.010 ms of #1") and "pick" not in page.state()
    page.pointer(("move", (640, 60)))
    assert picked(page)[0] == "report(n=3)"
    page.pointer(("click", point(page, 30000, 2)), ("move", (640, 60)))
    facts = page.facts()
    assert (facts[""], facts["total"], facts["self"], facts["calls"]) == ("convert", "20.0 µs · 20.0 %", "4.00 µs · 4.0 %", "1 below it")
    assert page.text("#facts .marks") == "raised" and page.state()["pick"] == "3"
    assert page.text("#spread b") == "2 calls" and len(page.texts("#spread .bars i.marked")) == 1
    assert near_texts(page) == ["fib", "fetch", "report", "handle", "<module>", "_start"]
    page.click("#near ul:nth-of-type(2) button")
    assert picked(page)[0] == "fetch(q='SELECT')"
    facts = page.facts()
    assert facts["total"] == "50.0 µs · 50.0 %" and near_texts(page)[0] == "2 × convert"
    page.click("#near button")
    assert picked(page) == ("convert", "after 0.020 ms of #1")  # the longest of the two


def test_the_traced_function_has_arguments_result_and_source(page):
    open_page(page, x=0)
    facts = page.facts()
    assert facts["result"] == "'x'" and facts["off CPU"] == "40.0 µs · 40.0 %"
    lines = page.js("return [...document.querySelectorAll('.code .line')].map(e => e.dataset.line + ' ' + e.querySelector('.text').textContent)")
    assert lines == ["3 @route", "4 def report(n):", "5   return fetch(n)"]


def test_arrow_keys_walk_the_calls(page):
    open_page(page, x=0)
    steps = [(Keys.ARROW_DOWN, "fetch(q='SELECT')", 0), (Keys.ARROW_DOWN, "convert", 20000), (Keys.ARROW_LEFT, "convert", 10000), (Keys.ARROW_LEFT, "convert", 10000),
             (Keys.ARROW_RIGHT, "convert", 20000), (Keys.ARROW_RIGHT, "fib", 62000), (Keys.ARROW_UP, "crunch", 60000), (Keys.ARROW_RIGHT, "rows", 90000),
             (Keys.ARROW_RIGHT, "rows", 90000), (Keys.ARROW_DOWN, "rows", 90000), (Keys.ARROW_UP, "report(n=3)", 0), (Keys.ARROW_UP, "report(n=3)", 0)]
    for key, name, ns in steps:
        press(page, key)
        assert picked(page) == (name, f"after {ns / 1e6:.3f} ms of #1"), (name, ns)


def test_what_keys_lead_to_is_in_sight(page):
    deep = HEAD + "execution 1 4131\n" + "".join(f"{i} 6 {1000 + i} {2000 - i}\n" for i in range(80))
    open_page(page, deep)
    press(page, *[Keys.ARROW_DOWN] * 60)
    height = page.js("return document.getElementById('timeline').clientHeight")
    row = 60
    assert RULER <= TOP + row * ROW - box(page)[3] <= height - ROW and box(page)[3] > 0
    assert "rows above" in page.text(".more.above") and "rows below" in page.text(".more.below")
    for _ in range(50):  # and not below the scale
        press(page, Keys.ARROW_UP)
        row -= 1
        assert RULER <= TOP + row * ROW - box(page)[3] <= height - ROW, row
    # in time, too
    open_page(page, x=0, **{"from": 0, "to": 10000})
    press(page, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    begin, end = view(page)
    assert picked(page)[0] == "crunch" and begin <= 70000 <= end and abs(end - begin - 10000) < 1


def test_escape_lets_go_of_what_is_kept(page):
    open_page(page, x=0, q="fib", pick=3, **{"from": 10000, "to": 50000})
    for key in ("to", "q", "pick"):
        assert key in page.state()
        press(page, Keys.ESCAPE)
        assert key not in page.state()


# executions

def strip_point(page, index):
    left, top = page.js("const r = document.querySelector('#strip canvas').getBoundingClientRect(); return [r.left, r.top]")
    return round(left + SIDE + index * 26 + 12), round(top + 40)


def test_executions_are_chosen(page):
    open_page(page)
    assert outline(page) == rows_of(RECIPE.executions[0])  # the longest
    page.pointer(("click", strip_point(page, 1)))
    assert page.state()["x"] == "1" and outline(page) == rows_of(RECIPE.executions[1])
    press(page, "j")
    assert page.state()["x"] == "2"
    press(page, "j")
    assert page.state()["x"] == "0"
    press(page, "k", "k")
    assert page.state()["x"] == "1"
    page.js("document.querySelector('#strip canvas').focus()")
    page.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    page.settle()
    assert page.state()["x"] == "2" and page.js("return document.querySelector('#strip canvas').getAttribute('aria-valuetext')").startswith("#7 · 80.0 µs")
    # bars as high as the execution is long, own and C on top of each other
    height = [sum(p[3] > 0 for p in pixels(page, [(strip_point(page, i)[0], strip_point(page, i)[1] - 24 + y) for y in range(0, 26)], "#strip canvas"))
              for i in range(3)]
    assert [abs(h - 26 * e.first.ns / 100000) <= 1.5 for h, e in zip(height, RECIPE.executions)] == [True] * 3, height
    # The longest of those that are whole; if there is none, the longest.
    open_page(page, DOUBTFUL)
    assert outline(page)[0][3] == "100 µs"
    open_page(page, DOUBTFUL + "execution 3 4131\n0 1 400000 430000\nexecution 4 4131\n0 1 500000 510000\n")
    assert outline(page)[0][3] == "30.0 µs"


def test_all_executions_over_each_other(page):
    open_page(page, theme="dark")
    press(page, "e")
    texts = [t[0] for t in written(page, lambda: press(page, "d"))]
    for number in ("#1", "#3", "#7"):
        assert number in texts
    assert page.state()["x"] == "all"
    # each from its own beginning, below its title: bands of 4, 2 and 2 rows, two more between them
    firsts = [1, 1 + 4 + 2, 1 + 4 + 2 + 2 + 2]
    for first, execution in zip(firsts, RECIPE.executions):
        inside, beyond = execution.first.ns - 500, execution.first.ns + 500
        assert abs(hue_and_saturation(colour(page, inside, first))[0] - 210) < 15 and colour(page, inside, first)[3] == 255, execution.number
        assert execution.first.ns == 100000 or colour(page, beyond, first)[3] == 0
    page.pointer(("click", point(page, 15000, firsts[1] + 1)))
    assert picked(page) == ("rows", "after 0.010 ms of #3") and page.state()["x"] == "all"
    rows = outline(page)
    assert rows == [row for execution in RECIPE.executions for row in rows_of(execution)]
    page.click("#beside-layers .toggle")
    assert "x" not in page.state()


# the rest

def test_the_address_is_the_view(page):
    open_page(page, x=0)
    page.pointer(("click", point(page, 65000, 1)))
    press(page, "+", "p")
    state, facts = page.state(), page.facts()
    page.reload()
    assert page.state() == state and page.facts() == facts and abs(hue_and_saturation(colour(page, 61000, 2 + 2, view(page)))[0] - 35) < 15
    page.click("#sentence a")
    assert page.state()["tab"] == "callees" and page.facts()[""] == "report"
    page.driver.back()
    page.settle()
    assert page.state() == state


def test_functions_lead_to_their_longest_call(page):
    open_page(page, tab="callees", q="^(crunch|fib)")
    assert {row["name"] for row in grid(page, "callees")} == {"crunch", "fib"}
    page.js("document.querySelector('#grid-callees').focus()")
    assert page.facts()[""] == "crunch" and page.facts()["calls"] == "2" and near_texts(page) == ["report"]
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.settle()
    assert page.is_visible("#timeline") and picked(page) == ("crunch", "after 0.010 ms of #7")
    assert page.facts()["total"] == "60.0 µs · 75.0 %"
    page.click("#facts .acts button:nth-child(3)")
    assert page.text("#found") == "2 calls · 80.0 µs"
    page.click("#facts .acts button:nth-child(2)")
    assert page.state()["tab"] == "callees" and page.facts()[""] == "crunch"


def test_everything_has_a_name_for_those_who_do_not_see_it(page):
    open_page(page)
    unnamed = page.js("""return [...document.querySelectorAll('button, a, input, [role=slider], [role=group], [role=separator], section[aria-label]')]
        .filter(e => e.getClientRects().length && !(e.getAttribute('aria-label') || e.textContent.trim() || e.title)).map(e => e.outerHTML)""")
    assert unnamed == []
    assert page.js("return [document.getElementById('timeline').tabIndex, document.querySelector('#timeline canvas').getAttribute('aria-hidden'), "
                   "document.getElementById('facts').getAttribute('aria-live')]") == [0, "true", "polite"]
    press(page, "?")
    keys = page.js("return [...document.querySelectorAll('.help dt')].map(e => e.textContent)")
    assert {"↓", "↑", "←", "→", "Enter", "Esc", "/", "nN", "jk", "e", "p", "+=", "-", "as", "0", "?"} <= set(keys)
    press(page, Keys.ESCAPE)


def hostile():
    lines = ["capture pid 11"]
    for i, name in enumerate(NAMES):
        field = golden.to_field(name)
        lines += [f"capture title {field}", f"module {field} /srv/{field} -", f"source /srv/{field}.py 1 {field}\\x0a{field}",
                  f"function {2 * i} p {field} /srv/{field}.py - 1", f"function {2 * i + 1} n {field} - {field} 0",
                  f"thread {100 + i} {golden.to_field(name.split(bytes(1))[0][:60])}"]
    for i, name in enumerate(NAMES):
        field = golden.to_field(name)
        lines += [f"execution {i + 1} {100 + i} | p {field} /srv/{field}.py - 7", f"0 0 {1000 * i} {1000 * i + 900}",
                  f"1 {2 * i} {1000 * i + 100} {1000 * i + 800} args={field} result={field}", f"2 {2 * i + 1} {1000 * i + 200} {1000 * i + 300} result={field}"]
    return "\n".join(lines) + "\n"


def test_names_are_shown_and_do_not_run(page):
    page.size(1280, 3000)
    open_page(page, hostile(), tab="callees")
    assert missing(NAMES, {row["name"] for row in grid(page, "callees")}) == [] and is_unharmed(page)
    open_page(page, hostile(), x="all")
    titles = {row[1] for row in outline(page)}
    assert all(any(title.startswith(shown(name)[:400]) for title in titles) for name in NAMES)
    for i in range(0, len(NAMES), 5):
        open_page(page, hostile(), x=i, pick=3 * i + 1)
        facts = page.facts()
        assert facts[""].startswith(shown(NAMES[i])[:300]) and (not NAMES[i] or facts["result"][:200] == shown(NAMES[i])[:200])
    open_page(page, hostile(), tab="executions")
    page.click("#quality")
    assert is_unharmed(page) and not re.search("[\u202a-\u202e\0-\x08\ufeff]", page.js("return document.body.textContent"))
    press(page, Keys.ESCAPE)


def test_a_hundred_thousand_calls(page):
    """All in one row: something is seen of each part, and each can be looked at."""
    text = HEAD + "execution 1 4131\n0 1 0 200000000\n" + "".join(f"1 {3 + i % 2} {i * 2000} {i * 2000 + 1000}\n" for i in range(100000))
    open_page(page, text)
    whole = (0, 200000000)
    assert min(colour(page, ns, 1, whole)[3] for ns in range(1000000, 200000000, 17000000)) > 150  # and the row above for what is between them
    assert page.facts()["calls"] == "100,000 below it" and page.text("#quality .verdict") == "✓ 100,001 calls, none lost"
    assert len(outline(page)) == 500
    span = (123456000, 123466000)
    open_page(page, text, **{"from": span[0], "to": span[1]})
    page.pointer(("click", point(page, 123458500, 1, span)))
    assert picked(page) == ("crunch", "after 123.458 ms of #1")
    assert [colour(page, ns, 1, span)[3] for ns in (123458500, 123459500)] == [255, 0]
    assert page.search("crunch") == "50,000 calls · 50.0 ms"
