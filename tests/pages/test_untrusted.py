# SPDX-License-Identifier: BSD-2-Clause
"""Names are whatever the target likes; they neither break the page nor run in it.  Nor does a page that is damaged."""
import re

import pytest
from oracle import golden

NAMES = [b"a;b", b"'\"`", b"<script>window.pwned=1</script>", b"</script><script>window.pwned=1</script>",
         b"<img src=x onerror=window.pwned=1>", b"</title>", b"<!--", b"]]>", b"&amp;&#0;", b"a\nb\rc\td", b"a\0b",
         b"\xff\xfe\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x80\xa8\xe2\x80\xa9\xc2\x85", b"back\\slash \\x41", b"\x1b[31mred\x7f",
         b" ", b"%s%n", b"${window.pwned=1}", b"{{DATA}}", "größe 日本 🐍".encode(), b"x" * 10240, b"\xff" * 5000,
         b"a\xcc\x81" * 50, "\u202egpj.exe\u202c".encode(), b"\xef\xbb\xbfbom", b"__proto__", b"constructor", b"toString",
         # The first and the last of each range of what is obeyed, and their neighbours, which are shown.
         "\u0600\u0605\u06dd\u070f\u0890\u0891\u08e2\u180b\u180f\u200b\u200f\u2028\u202e\u2060\u206f\u3164".encode(),
         "\ufff0\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430\U0001343f\U0001bca0\U0001bca3\U0001d173\U0001d17a".encode(),
         "\U000e0000\U000e0041\U000e0fff\U0001fffe\U0010ffff".encode(),
         "\u0606\u06de\u0892\u180a\u1810\u2010\u3163\uffef\ufffc\ufffd\U000110be\U00013440\U0001d172".encode(),
         b"[unknown but not]", b"javascript:window.pwned=1"]
# What text.js calls strange (as src/base/text.c does), beside what is not UTF-8.
STRANGE = re.compile("[\0-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180b-\u180f\u200b-\u200f"
                     "\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f"
                     "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\udc80-\udcff" +
                     "".join(chr(plane << 16 | last) for plane in range(1, 17) for last in (0xfffe, 0xffff)) + "]")


def shown(name):
    """docs/formats.md: what would not be seen, or is not UTF-8, is \\xNN, a byte each."""
    return STRANGE.sub(lambda m: "".join(f"\\x{b:02x}" for b in m[0].encode("utf-8", "surrogateescape")),
                       name.decode("utf-8", "surrogateescape"))


def hostile():
    """Each name as function, file, module, thread, process, title and source."""
    lines = ["capture period_ns 10000000", "capture slice_ns 100000000", "capture n_slices 100", "capture pid 11",
             "capture duration_ns 10000000000"]
    for i, name in enumerate(NAMES):
        field = golden.to_field(name)
        lines += [f"capture title {field}", f"capture host {field}", f"capture problem {field}",
                  f"process {100 + i} 1 1 {field} {field} {field} {field}", f"module {field} /srv/{field} {field}",
                  f"source /srv/{field}.py 1 {field}\\x0a{field}",
                  f"2 {100 + i} t{i} process={100 + i}.1 at={i}:2 | p {field} /srv/{field}.py - 2 | n {field} - {field} 0",
                  f"1 {100 + i} t{i} process={100 + i}.1 at={i}:1 | k {field} - - 0 | m {field} - - 0 | P {field} - - 0 | t {field} - - 0"]
    return "\n".join(lines) + "\n"


def is_unharmed(page):
    return page.js("return window.pwned === undefined && document.querySelectorAll('img, iframe, script:not(#data)').length === 1")


def missing(names, texts):
    """Names that none of the texts shows: whole, or if they are long from their beginning to the dots."""
    texts = set(texts)
    cut = [text[:-1] for text in texts if text.endswith("…") and len(text) > 100]
    return [name for name in names if shown(name) not in texts and not any(
        shown(name).startswith(start) for start in cut)]


def outline_names(page):
    """Names in the flame graph's table, whose places stand behind them in brackets: "f (a.py:3)" is f, or all of it."""
    texts = {path[-1] for path, _, _ in page.outline() if path}
    return texts | {text[:at.start()] for text in texts for at in re.finditer(r" \(", text)}


TABS = {
    "": lambda page: [outline_names(page)],
    "down": lambda page: [outline_names(page)],
    # the places of native functions are their modules
    "functions": lambda page: [{row[column] for row in page.grid("functions")} for column in ("name", "place")],
    "lines": lambda page: [{row["name"] for row in page.grid("lines")}],
    # a process by its title, and in the tip with its interpreter
    "threads": lambda page: zip(*page.js("""return [...document.querySelectorAll('#threads tbody .name')].map(e =>
        [e.textContent.replace(/ \\d+$/, ''), e.title.split('\\n')[1]])""")),
}


@pytest.mark.parametrize("tab", TABS)
def test_names_are_shown_and_do_not_run(page, tab):
    page.size(1280, 4000)
    page.open(hostile(), tab=tab)
    assert is_unharmed(page)
    assert page.text("#status") == "Reading the data of this page…" and not page.is_visible("#status")
    for texts in TABS[tab](page):
        assert missing(NAMES, texts) == []
    text = page.js("return document.body.textContent")
    assert not re.search("[\u202a-\u202e\0-\x08\ufeff]", text)


def test_source_text_is_shown(page):
    page.size(1280, 4000)
    page.open(hostile(), tab="lines")
    # its second line is the name again; what is a line end in it makes other lines
    plain = [name for name in NAMES if shown(name).encode() == name.strip() and name]
    assert len(plain) > 10 and missing(plain, {row["text"] for row in page.grid("lines")}) == []


def test_every_name_can_be_looked_at(page):
    """The panel of each function has its name, and those of its callers and callees."""
    page.size(1280, 4000)
    page.open(hostile(), tab="functions")
    rows = page.grid("functions")
    assert len(rows) > 3 * len(NAMES)
    names, near = set(), set()
    for number, row in enumerate(rows, 1):
        page.click(f"#grid-functions .row:nth-child({number}) .name")
        name = page.facts()[""]
        # both are cut, each at its own length
        length = min(len(name), len(row["name"])) - 1
        assert name[:length] == row["name"][:length], row
        names.add(name)
        near |= {text for side in page.near() for _, text in side}
    assert missing(NAMES, names) == [] and missing(NAMES, near) == []
    assert is_unharmed(page)
    page.press("\ue00c", "\ue015")
    for _ in range(4):
        page.press(*["\ue015", "\ue013", "\ue014"] * 8)
    page.click("#quality")
    page.press("\ue00c")
    assert is_unharmed(page)


def test_a_search_may_be_anything(page):
    page.open(hostile())
    for query in ("<script>", "</script>", "\\", "[", "(?<x>", "a;b", "größe", "^$", "a{1,", "\\xff"):
        page.search(query)
    assert is_unharmed(page)


def test_other_scripts_may_not_run(page):
    page.open(hostile())
    page.js("""const script = document.createElement('script');
        try { script.textContent = 'window.pwned = 1'; document.body.append(script); } catch (refused) { window.refused = 1; }
        script.remove();""")
    page.js("try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.pwned=1>'); } "
            "catch (refused) { window.refused = 1; }")
    assert is_unharmed(page)
    # That is what the browser says of it: the only messages it may have.
    messages = [entry["message"] for entry in page.driver.get_log("browser")]
    assert messages and all("Content Security Policy" in text or "TrustedScript" in text or "TrustedHTML" in text for text in messages)


@pytest.mark.parametrize("harm", ["cut", "bytes", "empty"])
def test_damaged_data_is_said(page, harm):
    from conftest import make
    html = make(hostile())
    start = html.index(b'octet-stream">') + 14
    end = html.index(b"<", start)
    data = {"cut": html[start:end - 1000], "bytes": html[start:end - 800] + b"A" * 400 + html[end - 400:end], "empty": b""}[harm]
    page.open(html[:start] + data + html[end:])
    assert "damaged or not whole" in page.text("#status") and page.is_visible("#status")


def test_a_browser_that_cannot_unpack_is_told(page):
    page.driver.get("about:blank")
    script = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument",
                                         {"source": "delete window.DecompressionStream"})
    try:
        page.open(hostile(), tab="functions")
        assert "has no DecompressionStream" in page.text("#status") and page.is_visible("#status")
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
        page.driver.get("about:blank")


def test_deep_stacks(page):
    frames = " | ".join(f"p f{i % 7} /srv/app.py - {i % 50}" for i in range(3000))
    page.open(f"capture period_ns 10000000\n5 1 main | {frames}\n")
    assert page.js("return document.querySelector('#flame .spacer').offsetHeight") >= 3000 * 20
    page.press("o", "2", "l")
    assert is_unharmed(page)
