# SPDX-License-Identifier: BSD-2-Clause
"""What one can do with keys, and that what they lead to can be seen."""
import collections
import re

import pytest
from selenium.webdriver.common.keys import Keys
from test_page import RECIPE, TEXT, oracle, rows

DEEP = "capture period_ns 10000000\n60 7 main | " + " | ".join(f"p f{i} /srv/a.py - {i + 1}" for i in range(60)) + "\n"


def focus(page, selector):
    page.js("document.querySelector(arguments[0]).focus()", selector)


def fresh(page, text, **state):
    """Not as a link within the page, which stays where it was scrolled to."""
    page.driver.get("about:blank")
    page.open(text, **state)


def send(page, *keys):
    page.driver.switch_to.active_element.send_keys(*keys)
    page.settle()


@pytest.mark.parametrize("tab, letter", [("functions", "f"), ("lines", "l")])
def test_keys_move_in_a_table_and_enter_leads_to_the_graph(page, tab, letter):
    page.size(1280, 1600)
    page.open(TEXT, tab=tab)
    names = [row["name"] for row in page.grid(tab)]
    ids, last = [], len(names) - 1
    focus(page, f"#grid-{tab}")
    for key, at in ((Keys.ARROW_DOWN, 1), (Keys.ARROW_DOWN, 2), (Keys.ARROW_UP, 1), (Keys.ARROW_UP, 0), (Keys.ARROW_UP, 0),
                    (Keys.PAGE_DOWN, min(15, last)), (Keys.PAGE_UP, 0), (Keys.PAGE_DOWN, min(15, last)), (Keys.PAGE_DOWN, last),
                    (Keys.ARROW_DOWN, last)):
        send(page, key)
        assert page.facts()[""].split(":")[0] == names[at], (key, at)
        assert page.text(f"#grid-{tab} .row.picked .name") == names[at]
        ids.append(page.state()["pick"])
    assert all(id[0] == letter for id in ids) and ids[0] == ids[2] and len(set(ids)) >= 4
    send(page, Keys.PAGE_UP, Keys.PAGE_UP, Keys.ENTER)
    assert "tab" not in page.state() and page.is_visible("#flame") and page.facts()[""] == names[0]


def test_the_row_that_keys_lead_to_is_in_sight(page):
    page.open("capture period_ns 10000000\n" + "".join(f"{900 - i} 7 main | p g{i} /srv/a.py - 1\n" for i in range(300)), tab="functions")
    focus(page, "#grid-functions")
    for _ in range(6):
        send(page, Keys.PAGE_DOWN)
        inside = page.js("const r = document.querySelector('#grid-functions .row.picked').getBoundingClientRect(), "
                         "p = document.querySelector('#grid-functions').getBoundingClientRect(); return [p.top <= r.top, r.bottom <= p.bottom]")
        assert inside == [True, True]
    assert page.facts()[""] == "g90"
    send(page, *[Keys.PAGE_UP] * 6)
    assert page.facts()[""] == "g0" and page.js("return document.querySelector('#grid-functions').scrollTop") == 0


def test_keys_choose_a_span_of_time(page):
    page.open(TEXT)
    focus(page, "#strip canvas")
    for key, span in ((Keys.ARROW_RIGHT, ("0", "0.5")), (Keys.ARROW_RIGHT, ("0.1", "0.6")), (Keys.ARROW_RIGHT, ("0.2", "0.7")),
                      (Keys.ARROW_LEFT, ("0.1", "0.6"))):
        send(page, key)
        state = page.state()
        assert (state.get("from", "0"), state["to"]) == span or (span[0] == "0" and state["to"] == span[1])
    for _ in range(2):
        send(page, Keys.SHIFT, Keys.ARROW_RIGHT, Keys.NULL)
    assert (page.state()["from"], page.state()["to"]) == ("0.1", "0.8")
    assert rows(page) == oracle.outline(oracle.View(RECIPE, span=(1, 8)))
    send(page, Keys.SHIFT, Keys.ARROW_LEFT, Keys.NULL)
    assert page.state()["to"] == "0.7" and page.js("return document.querySelector('#strip canvas').getAttribute('aria-valuetext')") \
        == "0.10 s to 0.70 s selected"
    assert "pick" not in page.state()  # the keys were the strip's, not the graph's
    send(page, Keys.DELETE)
    assert "from" not in page.state() and rows(page) == oracle.outline(oracle.View(RECIPE))


def test_threads_are_chosen_by_keys_and_added_with_shift(page):
    page.open(TEXT, tab="threads")
    focus(page, "#threads tr:nth-child(2) .name")
    send(page, Keys.ENTER)
    assert page.state()["thread"] == "0"
    focus(page, "#threads tr:nth-child(3) .name")
    send(page, Keys.SHIFT, Keys.ENTER, Keys.NULL)
    assert page.state()["thread"] == "0,1"
    assert page.js("return [...document.querySelectorAll('#threads tr.chosen .name')].map(e => e.textContent)") == ["MainThread 41", "pool 43"]
    both = oracle.View(RECIPE, threads={((41, 1), 41), ((41, 1), 43)})
    page.click("#tab-flame")
    assert rows(page) == oracle.outline(both)
    page.click("#tab-threads")
    focus(page, "#threads tr:nth-child(2) .name")
    send(page, Keys.SHIFT, Keys.ENTER, Keys.NULL)
    assert page.state()["thread"] == "1"


def test_a_click_with_shift_adds_a_thread(page):
    page.open(TEXT, tab="threads", thread=0)
    x, y = page.js("const r = document.querySelector('#threads tr:nth-child(3) .name').getBoundingClientRect(); "
                   "return [r.left + 5, r.top + 5]")
    page.pointer(("click", (round(x), round(y))), shift=True)
    assert page.state()["thread"] == "0,1"


def test_small_n_goes_on_and_large_n_goes_back(page):
    page.open(TEXT, q="send|walk|each_row")
    page.press("\ue00c", "\ue00c")
    page.open(TEXT, q="send|walk|each_row", pick=0)
    seen = []
    for _ in range(5):
        page.press("n")
        seen.append(page.state()["pick"])
    assert len(set(seen)) > 3
    for before in seen[-2::-1]:
        page.press("N")
        assert page.state()["pick"] == before
    # Back from the first is to the last.
    page.press("N")
    last = page.state()["pick"]
    page.press("n")
    assert last not in seen[:4] and page.state()["pick"] == seen[0]


def in_sight(page, depth):
    _, top, _, _ = page.box()
    height = page.js("return document.getElementById('flame').clientHeight")
    y = page.point(depth, 0.5)[1]
    return top + 10 <= y <= top + height - 10


def test_the_frame_that_keys_lead_to_is_in_sight(page):
    fresh(page, DEEP, pick=0)
    assert in_sight(page, 0) and not in_sight(page, 50)
    for depth in range(1, 51):
        page.press(Keys.ARROW_DOWN)
        if depth % 7 == 0:
            assert page.facts()[""] == f"f{depth - 1}" and in_sight(page, depth), depth
    for _ in range(45):
        page.press(Keys.ARROW_UP)
    assert page.facts()[""] == "f4" and in_sight(page, 5) and not in_sight(page, 50)


def test_what_the_address_or_a_search_names_is_in_sight(page):
    fresh(page, DEEP, pick=55)
    assert page.facts()[""] == "f54" and in_sight(page, 55)
    page.open(DEEP, pick=0, q="^f40$")
    page.js("document.getElementById('flame').scrollTop = 0")
    page.press("n")
    assert page.facts()[""] == "f40" and in_sight(page, 41)


def test_rows_out_of_sight_are_counted(page):
    """Rows are 20 pixels, the first begins 6 pixels from the top; a row that is cut is out of sight, too."""
    fresh(page, DEEP, pick=0)
    height = page.js("return document.getElementById('flame').clientHeight")

    def said():
        return {name: int(re.search(r"\d+", page.text(f"#content .more.{name}"))[0]) if page.is_visible(f"#content .more.{name}") else 0
                for name in ("above", "below")}
    assert said() == {"above": 0, "below": 61 - (height - 6) // 20}
    page.js("document.getElementById('flame').scrollTop = 206")
    page.settle()
    assert said() == {"above": 10, "below": 61 - (206 + height - 6) // 20}
    page.click("#content .more.below")
    assert said()["below"] == 0 and said()["above"] > 40 and in_sight(page, 60)
    page.click("#content .more.above")
    assert said()["above"] == 0 and in_sight(page, 0)
    page.click("#tab-functions")
    assert said() == {"above": 0, "below": 0}


HINTS = {"m [truncated] - - 0": "missing from here to the root", "m [unwind break] - - 0": "next Python frame",
         "m [new mapping] - - 0": "not known yet", "m [torn] - - 0": "between two stores", "m [mismatch] - - 0": "disagree",
         "m [python unreadable] - - 0": "could not be read whole", "m [unknown code] - - 0": "names did not arrive",
         "m [gc] - - 0": "garbage collector", "n [JIT] - - 0": "made while it ran", "n [unknown~l.so+0x12] - l.so 0": "No symbol",
         "i [unknown~l.so+0x12] - l.so 0": "No symbol", "p f /srv/a.py - 3": None, "n f - l.so 0": None}


@pytest.mark.parametrize("frame", HINTS)
def test_the_panel_explains_what_is_no_usual_frame(page, frame):
    kind, name, rest = frame.split(" ", 2)
    if kind == "m" and rest.startswith(("break]", "mapping]", "unreadable]", "code]")):
        frame = frame.replace(f"{name} {rest}", f"{name}~{rest}")
    page.open(f"capture period_ns 10000000\n60 7 main | p main /srv/a.py - 1 | {frame}\n", pick=2)
    hint = page.text("#facts .hint")
    assert hint is None if HINTS[frame if frame in HINTS else f"{kind} {name} {rest}"] is None else \
        HINTS[f"{kind} {name} {rest}"] in hint


def panel_height(page):
    return page.js("return document.getElementById('panel').offsetHeight")


def test_the_panel_has_the_height_that_one_gives_it(page):
    page.open(TEXT)
    usual = panel_height(page)
    x, y = page.js("const r = document.getElementById('grip').getBoundingClientRect(); return [r.left + 400, r.top + r.height / 2]")
    page.pointer(("press", (round(x), round(y))), ("move", (round(x), round(y) - 30)), ("release", (round(x), round(y) - 60)))
    assert panel_height(page) == usual + 60 == int(page.state()["panel"])
    page.reload()
    assert panel_height(page) == usual + 60
    page.pointer(("double", (round(x), round(y) - 60)))
    assert panel_height(page) == usual and "panel" not in page.state()
    # and by keys
    focus(page, "#grip")
    send(page, Keys.ARROW_UP, Keys.ARROW_UP, Keys.ARROW_DOWN)
    assert panel_height(page) == usual + 20 and "pick" not in page.state()
    send(page, Keys.DELETE)
    assert panel_height(page) == usual and "panel" not in page.state()


def test_all_that_a_click_does_a_key_does(page):
    """What can be clicked can have the focus."""
    for tab in ("", "down", "functions", "lines", "threads"):
        page.open(TEXT, tab=tab, q="report", **{"from": 0, "to": 3})
        kinds = collections.Counter(page.js("""return [...document.querySelectorAll('button, a, canvas, [role=separator], .grid')]
            .filter(e => e.getClientRects().length && e.tabIndex < 0).map(e => e.id || e.className || e.tagName)"""))
        tabs = {f"tab-{name}" for name in ("flame", "down", "functions", "lines", "threads")}
        assert not {kind for kind in kinds if kind not in tabs and kind != "CANVAS"}, (tab, kinds)
