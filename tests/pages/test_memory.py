# SPDX-License-Identifier: BSD-2-Clause
"""The page of a hunt: what its tables say is what the recipe says, and a span of time, units and hostile names.

The recipe is that of tests/golden; the numbers are recomputed here from its lines.
"""
import collections
import json
import pathlib
import re

import pytest
from conftest import make_memory
from oracle import golden
from test_untrusted import NAMES, is_unharmed

TEXT = (pathlib.Path(__file__).resolve().parents[1] / "golden" / "memory.txt").read_text()


class Counts:
    """Lines of the recipe: what each type and site has at each look."""

    def __init__(self, text):
        self.types, self.sites, self.looks, self.census = [], [], [], []
        self.at = collections.defaultdict(lambda: (0, 0))
        for line in text.split("\n"):
            word, *fields = line.split(" | ")[0].split() if line and not line.startswith("#") else [""]
            if word == "type":
                self.types.append(fields)
            elif word == "site":
                self.sites.append(fields)
            elif word == "look":
                self.looks.append(fields)
            elif word in ("typecount", "sitecount"):
                look, index, count, size = (int(field) for field in fields)
                self.at[word, look, index] = (count, size)
        self.census = [i for i, fields in enumerate(self.looks) if fields[1] == "0"]


COUNTS = Counts(TEXT)


def open_page(page, recipe=TEXT, **state):
    page.open(make_memory(recipe), **state)


def test_verdict(page):
    open_page(page)
    found = json.loads(make_memory(TEXT, "json"))
    text = " ".join(found["verdict"]["text"])
    assert page.text("#sentence") == text.replace("`", "")
    names = page.js("return [...document.querySelectorAll('#sentence code')].map(e => e.textContent)")
    assert names and names == re.findall("`([^`]+)`", text)
    assert page.text(".next code") == found["verdict"]["next"]
    assert page.is_visible("#sentence .doubt")


def test_types(page):
    """Counts of the first and the last census."""
    open_page(page, tab="types")
    rows = {row["type"]: row for row in page.grid("types")}
    first, last = COUNTS.census[0], COUNTS.census[-1]
    names = ["dict", "app.Session", "str", "blocks of 64 B", "C blocks up to 65.5 kB"]
    for index, name in enumerate(names):
        (before, _), (after, _) = COUNTS.at["typecount", first, index], COUNTS.at["typecount", last, index]
        assert rows[name]["count"].replace(",", "") == str(after), name
        assert rows[name]["added"].replace(",", "").replace("−", "-") == str(after - before), name
    # only what grows has a rate: 100 objects of 48 and 64 bytes a second
    assert {name: row["grows"] for name, row in rows.items() if row["grows"]} == {"app.Session": "4.80 kB/s", "dict": "6.40 kB/s"}


def test_stacks(page):
    """What stays by place, weighed: sites of bursts seen for 1/25 of the time."""
    open_page(page, tab="stacks")
    rows = page.grid("stacks")
    by_place = {row["where"]: row for row in rows}
    for index, place in ((0, "app.py:4 under make (_ext.so)"), (1, "app.py:4 under scan_once (_json.so)")):
        count, _ = COUNTS.at["sitecount", 12, index]
        weight = int(COUNTS.sites[index][8]) / 1e6
        assert by_place[place]["count"].replace(",", "") == str(round(count * weight)), place
        assert by_place[place]["seen"].replace(",", "") == str(round(int(COUNTS.sites[index][3]) * weight)), place
    assert by_place["app.py:4 under make (_ext.so)"]["suspect"] == "#1"
    # and says that it is an estimate
    assert page.text("#legend .note") == "what stays, judged by 4 % of the time"


def test_holders(page):
    open_page(page, tab="holders")
    rows = {row["holder"]: row for row in page.grid("holders")}
    assert rows["module app -> _cache"]["objects"] == "400"
    assert rows["nobody that was found"]["references"] == "900"
    assert rows["[heap]"]["kind"] == "mapping"


def test_a_span_is_what_came_to_stay_in_it(page):
    """Of the site that never frees 20, 30 and 40 blocks stay at 7, 8 and 9 s."""
    open_page(page, unit="count")
    whole = page.facts()
    assert whole
    open_page(page, unit="count", **{"from": 7.5e9, "to": 10e9})
    assert page.state()["from"]
    # back: the span goes first
    page.press("\ue00c")
    assert "from" not in page.state()


@pytest.mark.parametrize("by", ["stack", "type", "mapping"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_area_is_painted(page, by, theme):
    open_page(page, by=by, theme=theme)
    colours = page.js("""const canvas = document.querySelector('#strip canvas'), copy = new OffscreenCanvas(canvas.width, canvas.height);
        const context = copy.getContext('2d', { willReadFrequently: true }), seen = new Set();
        context.drawImage(canvas, 0, 0);
        const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
        return seen.size""")
    assert colours > 3


def test_toggles(page):
    open_page(page)
    page.press("c")
    assert page.state().get("unit") == "count"
    page.press("b")
    assert page.state().get("by") == "type"
    page.press("b")
    assert page.state().get("by") == "mapping"


def flat(text):
    """The same hunt, in which nothing grows and of which no holder was looked for."""
    first, kept = {}, []
    for line in text.split("\n"):
        word, *fields = line.split(" ") if line else [""]
        if word == "typecount":
            line = " ".join([word, *fields[:2], *first.setdefault(fields[1], fields[2:])])
        if word == "point":
            line = " ".join([word, fields[0], *first.setdefault(word, fields[1:])])
        if word not in ("subject", "holder", "holds"):
            kept.append(line)
    return "\n".join(kept)


def test_lines_to_copy(page):
    """Each row of a type that grows and of a place that is accused has its command; the button copies it, or marks it."""
    found = json.loads(make_memory(TEXT, "json"))
    open_page(page, tab="types", pick="t1")
    assert page.facts()[""] == "app.Session"
    (growing,) = [one["next"] for one in found["types"] if one["name"] == "app.Session"]
    assert page.text("#facts .next code") == growing and "--type Session" in growing
    open_page(page, tab="types", pick="t2")
    assert page.facts()[""] == "str" and page.text("#facts .next code") is None
    open_page(page, tab="stacks")
    place = found["sites"][0]
    assert place["accused"] and page.text("#facts .next code") == place["next"] and "--alloc 'app.py:4'" in place["next"]
    page.click("#facts .copy")
    assert page.until(lambda: page.text("#facts .copy") in ("copied", "marked"))
    if page.text("#facts .copy") == "marked":
        assert page.js("return getSelection().toString()") == place["next"]


def test_what_stays_is_not_accused_where_nothing_grows(page):
    found = json.loads(make_memory(flat(TEXT), "json"))
    assert found["verdict"]["kind"] == "clean" and found["sites"], found["verdict"]
    assert not any(one["accused"] for one in found["sites"])
    open_page(page, flat(TEXT), tab="stacks")
    assert "is not accused" in page.text("#sentence .innocent")
    rows = page.grid("stacks")
    assert rows and not any(row["suspect"] for row in rows), rows
    assert page.text("#facts .innocent").startswith("no suspect")
    # all of it can be read
    assert page.js("const e = document.querySelector('#facts .innocent'), r = e.getBoundingClientRect();"
                   "return e.scrollWidth <= e.clientWidth && r.right <= document.getElementById('facts').getBoundingClientRect().right")
    assert page.text(".next code") is None
    open_page(page)
    assert page.text("#sentence .innocent") is None


@pytest.mark.parametrize("tab", ["flame", "stacks", "types", "holders", "mappings"])
def test_hostile_names(page, tab):
    recipe = "".join("type %s - 0 0 %d\n" % (golden.to_field(name), i + 1) for i, name in enumerate(NAMES))
    recipe += "look - 0 0 1000000000 1 0 0 0\nlook - 0 0 2000000000 1 0 0 0\n"
    recipe += "".join("typecount %d %d 5 500\n" % (look, i) for look in range(2) for i in range(len(NAMES)))
    recipe += "".join("site - 1 0 5 50 0 1 1 1000000 | p %s %s - 4\n" % (golden.to_field(name), golden.to_field(name)) for name in NAMES)
    recipe += "look - 1 1 3000000000 1 0 0 0\n"
    recipe += "".join("sitecount 2 %d 3 30\n" % i for i in range(len(NAMES)))
    recipe += "subject 0 x 0 1 1 1 1 0 0 0 0 2 1\n"
    recipe += "".join("holder - %s 0 0 1 1\n" % golden.to_field(name) for name in NAMES)
    open_page(page, recipe, tab=tab)
    is_unharmed(page)


def test_nothing(page):
    open_page(page, "")
    for tab in ("flame", "stacks", "types", "holders", "mappings"):
        open_page(page, "", tab=tab)
    assert "cannot be told" in page.text("#sentence")
