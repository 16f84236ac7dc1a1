# SPDX-License-Identifier: BSD-2-Clause
"""The page shows what is in the profile, whatever is selected and however it is looked at."""
import collections
import pathlib
import re

import pytest

import oracle
from oracle import golden, percent, seconds

TEXT = (pathlib.Path(__file__).parent / "profile.txt").read_text()
RECIPE = golden.read(TEXT)
MAIN, POOL, HELPER = ((41, 1), 41), ((41, 1), 43), ((52, 1), 52)
MODES = {
    "as it comes": ({}, {}),
    "with the interpreter": ({"calls": 1}, {"calls": True}),
    "without Python": ({"fold": "p"}, {"fold": "p"}),
    "without C": ({"fold": "c"}, {"fold": "c"}),
    "without the kernel": ({"fold": "k"}, {"fold": "k"}),
    "Python only": ({"fold": "ck", "calls": 1}, {"fold": "ck", "calls": True}),
    "my code": ({"own": 1}, {"own": True}),
    "lines apart": ({"lines": 1}, {"lines": True}),
    "a span": ({"from": 1, "to": 2.5}, {"span": (10, 25)}),
    "a thread": ({"thread": 1}, {"threads": {POOL}}),
    "two threads": ({"thread": "0,2"}, {"threads": {MAIN, HELPER}}),
    "a process": ({"process": 1}, {"threads": {HELPER}}),
    "all at once": ({"from": 0, "to": 3.1, "process": 0, "fold": "k", "lines": 1, "calls": 1},
                    {"span": (0, 31), "threads": {MAIN, POOL}, "fold": "k", "lines": True, "calls": True}),
}


def rows(page):
    """The labels of processes and threads have their time, too: that is left out."""
    return collections.Counter((tuple(re.sub(r"  [\d.]+ s$", "", text) for text in path), seconds(total), seconds(own))
                               for path, total, own in page.outline())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("up", [False, True], ids=["flame", "upside down"])
def test_flame_is_the_profile(page, mode, up):
    state, view = MODES[mode]
    page.open(TEXT, **state, **({"tab": "down"} if up else {}))
    assert rows(page) == oracle.outline(oracle.View(RECIPE, **view), up)


def rooted(text):
    """The same as recorded with --children and --threads: two frames at the root of each stack."""
    return re.sub(r"(?m)^(\d+ (\d+) (\S+) process=(\d+)\S* \S+) \|", r"\1 | P process~\4 - - 0 | t thread~\3~\2 - - 0 |", text)


ROOTED = {"joined": ({}, {}), "apart": ({"apart": 1}, {"apart": True}), "my code": ({"own": 1}, {"own": True}),
          "my code apart": ({"own": 1, "apart": 1}, {"own": True, "apart": True}),
          "a process": ({"process": 1}, {"threads": {HELPER}})}


@pytest.mark.parametrize("mode", ROOTED)
@pytest.mark.parametrize("up", [False, True], ids=["flame", "upside down"])
def test_processes_and_threads_are_joined_until_asked_for(page, mode, up):
    state, view = ROOTED[mode]
    page.open(rooted(TEXT), **state, **({"tab": "down"} if up else {}))
    assert rows(page) == oracle.outline(oracle.View(golden.read(rooted(TEXT)), **view), up)


def test_a_key_sets_processes_apart(page):
    page.open(rooted(TEXT))
    assert "by process" in page.texts("#beside-layers .toggle")
    page.press("p")
    assert page.state()["apart"] == "1" and ("process 41", "thread MainThread 41") in {path for path, _, _ in rows(page)}
    page.press("p")
    assert "apart" not in page.state() and rows(page) == oracle.outline(oracle.View(RECIPE))
    page.open(re.sub(r" P \S+ - - 0 \|", "", rooted(TEXT)))
    assert "by thread" in page.texts("#beside-layers .toggle")
    page.open(TEXT)
    assert not {"by thread", "by process"} & set(page.texts("#beside-layers .toggle"))


@pytest.mark.parametrize("mode", MODES)
def test_functions_are_the_profile(page, mode):
    state, arguments = MODES[mode]
    page.size(1280, 1600)
    page.open(TEXT, **state, tab="functions")
    view, want = oracle.View(RECIPE, **arguments), []
    for key, (own, total) in view.tables(oracle.function).items():
        frame = golden.Frame(*key)
        want.append((oracle.name(frame), oracle.place(frame), own, total))
    got = page.grid("functions")
    assert sorted((r["name"], r["place"], seconds(r["self"]), seconds(r["total"])) for r in got) == sorted(want)
    assert [seconds(r["self"]) for r in got] == sorted((seconds(r["self"]) for r in got), reverse=True)


@pytest.mark.parametrize("mode", ["as it comes", "my code", "a span"])
def test_lines_are_the_profile(page, mode):
    state, arguments = MODES[mode]
    page.size(1280, 1600)
    page.open(TEXT, **state, tab="lines")
    view = oracle.View(RECIPE, **arguments)
    with_c = view.with_c()
    want = [(key[1].decode(), f"{golden.shown_file(key[2]).decode()}:{key[4]}", with_c[key], own, total)
            for key, (own, total) in view.tables(oracle.location).items() if key[4]]
    got = page.grid("lines")
    assert sorted((r["name"], r["place"], seconds(r["withc"]), seconds(r["self"]), seconds(r["total"]))
                  for r in got) == sorted(want)
    assert "rows = cur.fetchall()" in [r["text"] for r in got if r["place"] == "app.py:6"]


def test_tables_sort_and_search(page):
    page.open(TEXT, tab="functions")
    page.click("#grid-functions .head .total")
    totals = [seconds(r["total"]) for r in page.grid("functions")]
    assert totals == sorted(totals, reverse=True) and page.state()["sort"] == "total.down"
    page.click("#grid-functions .head .name")
    names = [r["name"] for r in page.grid("functions")]
    assert names == sorted(names)
    page.click("#grid-functions .head .name")
    names = [r["name"] for r in page.grid("functions")]
    assert names == sorted(names, reverse=True) and names[0] == "walk"
    page.search("mysql")
    assert {r["name"] for r in page.grid("functions")} == {"_mysql_fetch", "each_row", "fetchall"}
    page.search("nothing like it")
    assert page.grid("functions") == [] and "matches" in page.text("#grid-functions .empty")


@pytest.mark.parametrize("mode", MODES)
def test_layers_and_share_of_the_whole(page, mode):
    state, arguments = MODES[mode]
    page.open(TEXT, **state)
    view = oracle.View(RECIPE, **arguments)
    sums = view.layers()
    shown = page.js("return [...document.querySelectorAll('.layer')].map(e => e.title.split('\\n')[0])")
    names = {"p": "Python", "c": "C and C++", "k": "kernel"}
    for layer, name in names.items():
        if sums[layer]:
            share = percent(sums[layer], view.total, 1 if sums[layer] / view.total < 0.1 else 0)
            assert [text for text in shown if text.startswith(name + ": ") and seconds(text.split(": ")[1]) == sums[layer]
                    and text.endswith(share + " of what is selected")], (name, sums[layer], shown)
    gc = sum(n for frames, n, _ in view.stacks if any(f.function == b"[gc]" for f in frames))
    assert (f"GC {percent(gc, view.total)}" in page.texts("#beside-layers button")) == (gc > 0)
    if view.total < 400:
        assert page.text("#chips .left").startswith(f"{view.total / 100:.2f} s of 4.00 s, {percent(view.total, 400)}")


def test_the_collector_without_c_frames_is_c(page):
    text = re.sub(r" \| n gc_collect_main - python3.12 0", "", TEXT)
    page.open(text + "capture no_native 1\n")
    sums = oracle.View(golden.read(text)).layers()
    titles = page.js("return [...document.querySelectorAll('.layer')].map(e => e.title.split('\\n')[0])")
    assert [seconds(t.split(": ")[1]) for t in titles] == [sums[layer] for layer in "pck-" if sums[layer]]


def test_threads(page):
    page.open(TEXT, tab="threads")
    view = oracle.View(RECIPE)
    sums = collections.Counter()
    for _, n, thread in view.stacks:
        sums[thread] += n
    got = page.js("return [...document.querySelectorAll('#threads tbody tr')].map(r => [r.className, "
                  "r.querySelector('.name').textContent, ...[...r.querySelectorAll('.number')].map(c => c.textContent)])")
    assert got == [["process", "gunicorn: worker [shop:app] 41", "3.30 s", "82.5 %"],
                   ["thread", "MainThread 41", f"{sums[MAIN] / 100:.2f} s", percent(sums[MAIN], 400)],
                   ["thread", "pool 43", f"{sums[POOL] / 100:.2f} s", percent(sums[POOL], 400)],
                   ["process", "gunicorn: helper 52", f"{sums[HELPER] / 100:.2f} s", percent(sums[HELPER], 400)]]
    assert page.js("return document.querySelector('#threads tr:last-child .name').title").endswith("thread MainThread 52")


def test_a_click_on_a_thread_filters(page):
    page.open(TEXT, tab="threads")
    page.click("#threads tr:nth-child(3) .name")
    assert page.state()["thread"] == "1" and "0.61 s of 4.00 s" in page.text("#chips .left")
    page.click("#tab-flame")
    assert rows(page) == oracle.outline(oracle.View(RECIPE, threads={POOL}))
    page.click("#tab-threads")
    page.click("#threads tr:nth-child(4) .name")
    assert page.state()["process"] == "1" and "thread" not in page.state()
    page.click("#tab-down")
    assert rows(page) == oracle.outline(oracle.View(RECIPE, threads={HELPER}), True)
    page.click("#chips .chip")
    assert rows(page) == oracle.outline(oracle.View(RECIPE), True)


# what the panel says

def frame_point(page, view, path, up=False):
    """Where the box of a path of function names is: heaviest first; and its depth."""
    tree, at, left, keys = view.tree(up), (), 0, []
    for name in path:
        children = sorted(((total, key) for key, (total, _, _) in tree.items() if key[:-1] == at and key), reverse=True)
        for total, key in children:
            if key[-1][1] == name:
                at = key
                break
            left += total
    keys = tree[at]
    return page.point(len(path), (left + keys[0] / 2) / tree[()][0]), keys


FETCH = [b"main", b"report", b"fetchall", b"_mysql_fetch"]


def test_a_click_keeps_a_frame(page):
    page.open(TEXT)
    view = oracle.View(RECIPE)
    point, (total, own, _) = frame_point(page, view, FETCH)
    page.pointer(("click", point))
    facts = page.facts()
    assert facts[""] == "_mysql_fetch"
    assert facts["total"] == f"{total / 100:.2f} s · {percent(total, 400)}"
    assert facts["self"] == f"{own / 100:.2f} s · {percent(own, 400)}"
    assert facts["samples"] == f"{total} in 1 thread"
    # and it stays while the pointer is elsewhere
    other, _ = frame_point(page, view, FETCH[:2])
    page.pointer(("move", other))
    assert page.facts()[""] == "report"
    page.pointer(("move", (640, 60)))
    assert page.facts()[""] == "_mysql_fetch"


@pytest.mark.parametrize("mode", ["as it comes", "with the interpreter", "my code", "a span"])
@pytest.mark.parametrize("name", ["report", "walk", "main", "_mysql_fetch", "send"])
def test_callers_callees_and_lines(page, mode, name):
    state, arguments = MODES[mode]
    page.size(1280, 1600)
    page.open(TEXT, **state, tab="functions")
    view = oracle.View(RECIPE, **arguments)
    if not page.js("""const row = [...document.querySelectorAll('#grid-functions .row')].find(r =>
            r.querySelector('.name').textContent === arguments[0]); if (row) row.click(); return !!row""", name):
        assert view.neighbours(name.encode())[0] == {}  # not in it
        return
    total = sum(n for frames, n, _ in view.stacks if any(f.function == name.encode() for f in view.there(frames)))
    callers, callees = page.near()
    want = view.neighbours(name.encode())
    if name == "send":  # two functions have that name
        assert page.facts()["total"].split(" · ")[0] in ("0.57 s", "0.35 s")
        return

    def said(counts, nobody):
        return sorted([percent(n, total, 1 if n < total * 0.1 else 0), nobody if other is None
                       else other + (" (itself)" if other == name else "")] for other, n in counts.items())
    assert sorted(callers) == said(want[0], "the start of the stack")
    assert sorted(callees) == said(want[1], "itself")
    if name in ("report", "walk"):
        lines = collections.Counter()
        for frames, n, _ in view.stacks:
            for line in {f.line for f in frames if f.function == name.encode()}:
                lines[line] += n
        assert {line: seconds(time) for line, time in page.code().items()} == dict(lines)


def test_source_of_c_is_its_callers(page):
    page.open(TEXT)
    point, _ = frame_point(page, oracle.View(RECIPE), FETCH)
    page.pointer(("click", point))
    assert page.text("#source h3") == "app.py · report calls it; its times in all places"
    assert page.js("return document.querySelector('.code .marked .number').textContent") == "6"
    assert "def report(day):" in page.texts(".code .text")


@pytest.mark.parametrize("up", [False, True], ids=["flame", "upside down"])
def test_times_of_lines_are_the_frames(page, up):
    """Not those of the function in other places, beside which they would stand."""
    page.open("capture period_ns 10000000\n300 7 main | p a /srv/a.py - 1 | p f /srv/a.py - 5\n"
              "20 7 main | p a /srv/a.py - 1 | p f /srv/a.py - 6\n200 7 main | p b /srv/a.py - 2 | p f /srv/a.py - 5 | p g /srv/a.py - 9\n",
              **({"tab": "down"} if up else {}))
    page.press(*["\ue00c"] + ["\ue015"] * (1 if up else 2))
    assert page.facts()[""] == "f" and page.code() == {5: "3.00 s", 6: "0.20 s"}
    assert "in this place" in page.text("#source h3")
    page.open("capture period_ns 10000000\n320 7 main | p a /srv/a.py - 1 | p f /srv/a.py - 5\n", pick="2")
    assert page.facts()[""] == "f" and "in this place" not in page.text("#source h3")


def test_source_that_was_changed_or_is_not_there(page):
    page.open(TEXT)
    view = oracle.View(RECIPE)
    page.pointer(("click", frame_point(page, view, FETCH[:3])[0]))
    assert "may be newer than what the process read" in page.text("#source .doubt")
    page.pointer(("click", frame_point(page, view, FETCH[:1])[0]))
    assert "not in the page" in page.text("#source .note")
    assert {67, 68, 69, 70} == set(page.code())


# moving about

def test_double_click_zooms_and_escape_goes_back(page):
    page.open(TEXT)
    view = oracle.View(RECIPE)
    tree = view.tree()
    point, (total, _, _) = frame_point(page, view, FETCH[:2])
    page.pointer(("double", point))
    zoomed = page.state()["zoom"]
    # Below the frame only what it calls, above it the way to it.
    report = ("main (gunicorn/app.py:67–70)", "report (app.py:5–7)")
    got = {path for path, _, _ in page.outline()}
    assert got == {path for path, _, _ in oracle.outline(view) if path[:2] == report[:len(path[:2])]}
    # It has the whole width: a point at its right end is still in it.
    page.pointer(("move", page.point(2, 0.99)))
    assert page.facts()["total"] == f"{total / 100:.2f} s · {percent(total, 400)}"
    page.press("\ue00c")
    assert "zoom" not in page.state() and rows(page) == oracle.outline(view)
    page.driver.back()
    page.settle()
    assert page.state()["zoom"] == zoomed
    assert tree[()][0] == 400


def test_steps_within_a_frame_are_all_in_the_history(page):
    """The address is written when the graph is painted; what comes sooner is not lost."""
    page.open(TEXT)
    page.js("for (const id of ['tab-down', 'theme-key', 'tab-functions', 'tab-lines', 'theme-key'])"
            "document.getElementById(id).click()")
    page.settle()
    assert page.state() == {"tab": "lines"}
    for before in ({"tab": "functions", "theme": "dark"}, {"tab": "down", "theme": "dark"}, {}):
        page.driver.back()
        page.settle()
        assert page.state() == before


def test_keys_move_zoom_hide(page):
    page.open(TEXT)
    page.press("\ue00c")  # what is kept
    assert page.facts()[""] == "gunicorn: worker [shop:app]"
    page.press("\ue015")
    assert page.facts()[""] == "main"
    page.press("\ue015")
    assert page.facts()[""] == "report"
    page.press("\ue014")
    assert page.facts()[""] == "walk"
    page.press("\ue012")
    assert page.facts()[""] == "report"
    page.press("\ue007")
    assert page.state()["zoom"] and "zoomed to report (app.py)" in page.text("#chips")
    page.press("\ue00c")
    page.press("x")
    view = oracle.View(RECIPE, hidden={b"report"})
    assert rows(page) == oracle.outline(view)
    assert "without report (app.py)" in page.text("#chips")
    page.press("r")
    assert rows(page) == oracle.outline(oracle.View(RECIPE)) and not page.is_visible("#chips")


def test_shift_click_hides(page):
    page.open(TEXT)
    point, _ = frame_point(page, oracle.View(RECIPE), FETCH[:3])
    page.pointer(("click", point), shift=True)
    assert rows(page) == oracle.outline(oracle.View(RECIPE, hidden={b"fetchall"}))


@pytest.mark.parametrize("key, arguments", [("1", {"fold": "p"}), ("2", {"fold": "c"}), ("3", {"fold": "k"}),
                                            ("o", {"own": True}), ("i", {"calls": True}), ("l", {"lines": True})])
def test_a_key_folds_and_unfolds(page, key, arguments):
    page.open(TEXT)
    page.press(key)
    assert rows(page) == oracle.outline(oracle.View(RECIPE, **arguments))
    page.press(key)
    assert rows(page) == oracle.outline(oracle.View(RECIPE))


def test_the_bar_folds(page):
    page.open(TEXT)
    page.click(".layer.native")
    assert rows(page) == oracle.outline(oracle.View(RECIPE, fold="c"))
    assert "folded" in page.text(".layer.native")
    page.click(".layer.native")
    assert rows(page) == oracle.outline(oracle.View(RECIPE))


def test_brackets_go_from_view_to_view(page):
    page.open(TEXT)
    seen = []
    for _ in range(5):
        page.press("]")
        seen.append(page.state().get("tab", "flame"))
    assert seen == ["down", "functions", "lines", "threads", "flame"]
    page.press("[")
    assert page.state()["tab"] == "threads" and not page.is_visible("#flame")


def test_help_lists_the_keys(page):
    page.open(TEXT)
    page.press("?")
    keys = set(page.texts("dialog kbd"))
    assert {"/", "?", "1", "2", "3", "o", "i", "p", "l", "x", "d", "r", "n", "[", "]", "Enter", "Esc"} <= keys
    page.press("o")  # belongs to the page, not to the help over it
    assert "own" not in page.state()
    page.press("\ue00c")
    assert not page.is_visible("dialog")


# time

def strip_point(page, at):
    left, top, width = page.js("const r = document.querySelector('#strip canvas').getBoundingClientRect(); "
                               "return [r.left, r.top, r.width]")
    return round(left + 16 + at / 5 * (width - 32)), round(top + 25)


def test_a_span_is_dragged(page):
    page.open(TEXT)
    page.pointer(("press", strip_point(page, 1.0)), ("move", strip_point(page, 1.7)), ("release", strip_point(page, 2.5)))
    assert (page.state()["from"], page.state()["to"]) == ("1", "2.5")
    assert rows(page) == oracle.outline(oracle.View(RECIPE, span=(10, 25)))
    assert "1.00 s to 2.50 s" in page.text("#chips")
    # its end, then the whole of it
    page.pointer(("press", strip_point(page, 2.5)), ("move", strip_point(page, 3)), ("release", strip_point(page, 3.3)))
    assert rows(page) == oracle.outline(oracle.View(RECIPE, span=(10, 33)))
    page.pointer(("press", strip_point(page, 2)), ("move", strip_point(page, 2.2)), ("release", strip_point(page, 2.5)))
    assert rows(page) == oracle.outline(oracle.View(RECIPE, span=(15, 38)))
    page.pointer(("double", strip_point(page, 4.5)))
    assert "from" not in page.state() and rows(page) == oracle.outline(oracle.View(RECIPE))


def strip_pixels(page):
    """The strip as it is drawn; it comes after the first paint."""
    page.until(lambda: page.js("return document.querySelector('#strip canvas').hasAttribute('aria-valuetext')"))
    return page.js("return document.querySelector('#strip canvas').toDataURL()")


def only(keep):
    """The recipe without the samples that are not to be kept."""
    return "\n".join(line for line in TEXT.splitlines() if "process=" not in line or keep(line)) + "\n"


@pytest.mark.parametrize("state, keep", [
    ({"hide": "report"}, lambda line: "| p report " not in line),
    ({"hide": "tcp_sendmsg,walk"}, lambda line: "| k tcp_sendmsg " not in line and "| p walk " not in line),
    ({"thread": "1"}, lambda line: " 43 pool " in line),
    ({"process": "0", "hide": "report"}, lambda line: "process=41.1" in line and "| p report " not in line),
], ids=["a function", "functions of two layers", "a thread", "both"])
def test_the_strip_is_of_what_is_selected(page, state, keep):
    """It looks as that of a capture that has nothing else."""
    page.size(1280, 1600)
    page.open(TEXT)
    whole = strip_pixels(page)
    ids = []
    for name in state.get("hide", "").split(",") if "hide" in state else []:
        page.open(TEXT, tab="functions")
        page.js("""[...document.querySelectorAll('#grid-functions .row')].find(row =>
            [...row.children].some(cell => cell.textContent === arguments[0])).click()""", name)
        page.settle()
        page.press("x")
        ids.append(page.state()["hide"])
    page.driver.get("about:blank")
    page.open(TEXT, **{**state, **({"hide": ",".join(ids)} if ids else {})})
    selected = strip_pixels(page)
    page.open(only(keep))
    assert selected == strip_pixels(page) != whole


def test_the_strip_knows_no_more_cpus_than_there_were(page):
    """One thread, always on CPU: ticks that fall into one slice, the next is empty, are no second CPU."""
    at = ",".join(f"{2 * i}:2" for i in range(100))
    head = ["capture period_ns 10000000", "capture slice_ns 10000000", "capture n_slices 200", "capture duration_ns 2000000000"]
    page.open("\n".join([*head, f"200 7 main at={at} | p f /srv/a.py - 1"]) + "\n")
    said = page.js("const drawn = [], of = CanvasRenderingContext2D.prototype, real = of.fillText; of.fillText = function (text) { "
                   "drawn.push(text); return real.apply(this, arguments); }; window.dispatchEvent(new Event('resize')); "
                   "return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => { of.fillText = real; done(drawn); })))")
    assert "up to 1.0 CPU" in said and "2 s" in said


def test_without_times_the_strip_says_so(page):
    text = "\n".join(" ".join(p for p in line.split(" ") if not p.startswith("at=")) for line in TEXT.splitlines())
    page.open(text.replace("capture n_slices 50", "capture n_slices 0"))
    assert "not in this capture" in page.text("#strip") and not page.is_visible("#strip canvas")
    assert rows(page) == oracle.outline(oracle.View(RECIPE))


# search

@pytest.mark.parametrize("query, test", [
    ("mysql", lambda f: b"mysql" in f.function.lower() or b"mysql" in f.module.lower() or b"mysql" in f.file.lower()),
    ("^report$", lambda f: f.function == b"report"),
    ("app.py:6$", lambda f: f.file.endswith(b"app.py") and f.line == 6),
    ("Decode|sendmsg", lambda f: b"Decode" in f.function or b"sendmsg" in f.function),
    ("decode", lambda f: b"decode" in f.function.lower()),
    ("DECODE", lambda f: False),
    ("_PyObject_Call", lambda f: f.function == b"_PyObject_Call"),
])
def test_search_says_its_share(page, query, test):
    page.open(TEXT)
    n = oracle.View(RECIPE).passing(test)
    assert page.search(query) == (f"{percent(n, 400)} · {n / 100:.2f} s" if n >= 10 else
                                  f"{percent(n, 400)} · {n / 100:.3f} s" if n else "nothing")


def test_search_follows_the_selection(page):
    page.open(TEXT, **{"from": 0, "to": 1, "q": "report", "fold": "c"})
    view = oracle.View(RECIPE, span=(0, 10), fold="c")
    n = view.passing(lambda f: f.function == b"report")
    assert page.text("#found") == f"{percent(n, view.total)} · {n / 100:.2f} s"


RECURSION = {
    "f calls itself": ("p f /srv/a.py - 3 | p f /srv/a.py - 3 | p g /srv/a.py - 9", {"f": 100, "g": 100, "f|g": 100}),
    "by way of another": ("p f /srv/a.py - 3 | p g /srv/a.py - 9 | p f /srv/a.py - 4 | p f /srv/a.py - 3",
                          {"f": 100, "g": 100, "a.py:3$": 100, "a.py:4$": 100}),
    "under what is lifted": ("p f /srv/a.py - 3 | n _PyObject_Call - python3.12 0 | p f /srv/a.py - 3",
                             {"f": 100, "_PyObject_Call|f": 100}),
    "beside others": ("p main /srv/a.py - 1 | p f /srv/a.py - 3 | p f /srv/a.py - 3", {"f": 50, "main": 100, "main|f": 100}),
}


@pytest.mark.parametrize("stack", RECURSION)
def test_recursion_matches_once(page, stack):
    """The share is of the samples: however often a stack matches, it is one."""
    frames, shares = RECURSION[stack]
    rest, total = ("60 7 main | p main /srv/a.py - 1\n", 120) if "main" in shares else ("", 60)
    page.open(f"capture period_ns 10000000\n40 7 main | {frames}\n20 7 main | {frames} | p leaf /srv/a.py - 20\n{rest}")
    for query, share in shares.items():
        n = total * share // 100
        assert page.search(query) == f"{percent(n, total)} · {n / 100:.2f} s", query


def test_a_collection_within_a_collection_counts_once(page):
    gc = "m [gc] - - 0 | n gc_collect_main - python3.12 0"
    page.open(f"capture period_ns 10000000\n40 7 main | p f /srv/a.py - 3 | {gc} | p __del__ /srv/a.py - 9 | {gc}\n"
              f"20 7 main | p f /srv/a.py - 3 | {gc}\n60 7 main | p f /srv/a.py - 3\n")
    assert "GC " + percent(60, 120) in page.texts("#beside-layers button")


def test_what_is_no_expression_is_said(page):
    page.open(TEXT)
    assert page.search("report(") == "not a regular expression"
    assert page.js("return document.getElementById('query').getAttribute('aria-invalid')") == "true"
    assert page.search("report") == "61.3 % · 2.45 s"
    assert page.search("") == ""


def test_slash_searches_and_n_goes_on(page):
    page.open(TEXT)
    page.press("/")
    assert page.js("return document.activeElement.id") == "query"
    page.driver.switch_to.active_element.send_keys("walk\ue007")
    page.settle()
    assert page.facts()[""] == "walk" and page.facts()["total"].startswith("0.50 s")
    page.driver.switch_to.active_element.send_keys("\ue00c")
    page.settle()
    assert "q" not in page.state()


# the address

def test_the_address_holds_all(page):
    page.open(TEXT)
    page.pointer(("press", strip_point(page, 0)), ("move", strip_point(page, 2)), ("release", strip_point(page, 3)))
    page.press("3")
    page.press("i")
    page.search("mysql")
    page.press("d")
    view = oracle.View(RECIPE, span=(0, 30), fold="k", calls=True)
    page.js("document.activeElement.blur()")
    page.press("d")
    want = rows(page), page.state(), page.text("#found"), page.text("#sentence"), page.facts(), page.text("#chips")
    assert want[0] == oracle.outline(view)
    page.reload()
    assert (rows(page), page.state(), page.text("#found"), page.text("#sentence"), page.facts(), page.text("#chips")) == want


def test_an_address_of_nonsense_is_no_harm(page):
    page.open(TEXT, tab="nowhere", zoom="999999", pick="-1.x", thread="7,a", process="99", fold="zz", hide="12345",
              sort="up.down.", panel="huge", theme="pink", **{"from": "x", "to": "-3"})
    assert rows(page) == oracle.outline(oracle.View(RECIPE))


def test_light_and_dark(page):
    def background():
        return page.js("return getComputedStyle(document.body).backgroundColor")
    page.open(TEXT)
    light = background()
    page.press("d")
    dark = background()
    assert light != dark and page.state()["theme"] == "dark"
    page.reload()
    assert background() == dark
    page.press("d")
    assert background() == light
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme",
                                                                            "value": "dark"}]})
    try:
        page.until(lambda: background() == dark)
        page.click("#theme-key")
        assert background() == light and page.state()["theme"] == "light"
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_browsers_own_search_finds_frames(page):
    page.open(TEXT, pick=0)
    page.outline()
    assert "copy_from_iter" not in page.text("#panel")  # but in the table that is not seen
    assert page.js("return window.find('copy_from_iter')")
    assert not page.js("return window.find('copy_from_nowhere')")


@pytest.mark.parametrize("width, height", [(1280, 720), (800, 600), (390, 800), (1920, 1080)])
def test_it_fits(page, width, height):
    page.size(width, height)
    page.open(TEXT)
    for tab in ("flame", "down", "functions", "lines", "threads"):
        page.click("#tab-" + tab)
        assert page.js("return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [width, height]
        for selector in ("#query", "#help-key", "#theme-key", "#sentence", "#layers", "#quality", "#strip canvas", "#content", "#foot",
                         "#tab-flame", "#tab-threads", "#beside-layers"):
            left, top, right, bottom = page.js("const r = document.querySelector(arguments[0]).getBoundingClientRect(); "
                                               "return [r.left, r.top, r.right, r.bottom]", selector)
            assert 0 <= left < right <= width and 0 <= top < bottom <= height, (tab, selector)
    page.click("#tab-flame")
    assert page.js("return document.getElementById('content').clientHeight") >= 220


@pytest.mark.parametrize("width, height", [(1400, 900), (1280, 720), (800, 600)])
def test_what_can_be_done_with_a_frame_is_in_sight(page, width, height):
    page.size(width, height)
    page.open(rooted(TEXT), apart=1)
    view = oracle.View(golden.read(rooted(TEXT)), apart=True)
    for n, function in enumerate(FETCH, 1):
        page.js("document.getElementById('flame').scrollTop = 0")
        page.pointer(("click", frame_point(page, view, [b"process 41", b"thread MainThread 41"] + FETCH[:n])[0]))
        inside, bottom = page.js("const r = e => document.querySelector(e).getBoundingClientRect(); "
                                 "return [r('#facts .acts').bottom, r('#facts').bottom]")
        assert inside <= bottom, function
        assert height < 900 or page.js("const f = document.getElementById('facts'); return f.scrollHeight - f.clientHeight") == 0


@pytest.mark.parametrize("width", range(390, 1400, 90))
def test_a_label_of_a_layer_is_whole_or_not_there(page, width):
    page.size(width, 800)
    page.open(TEXT, fold="k")
    for left, right, bottom, text in page.js("""return [...document.querySelectorAll('.layer')].map(e => {
            const b = e.getBoundingClientRect(), s = e.querySelector('span').getBoundingClientRect();
            return [s.left - b.left, b.right - s.right, s.top - b.bottom, e.textContent]; })"""):
        assert (left >= 0 and right >= 0 and bottom < 0) or bottom >= 0, text
