# SPDX-License-Identifier: BSD-2-Clause
"""Pages in headless Chromium.

Input: build/tests/golden_write, build/tests/trace_write and build/tests/memory_write (or $PV_GOLDEN_WRITE, $PV_TRACE_WRITE and
$PV_MEMORY_WRITE), which write the page of a recipe.  Output: a Page for
the tests.  After every test: nothing was fetched but the page itself, and the browser complained of nothing.
"""
import functools
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import urllib.parse

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

TOP = pathlib.Path(__file__).resolve().parents[2]
WRITER = os.environ.get("PV_GOLDEN_WRITE") or str(TOP / "build/tests/golden_write")
TRACE_WRITER = os.environ.get("PV_TRACE_WRITE") or str(TOP / "build/tests/trace_write")
MEMORY_WRITER = os.environ.get("PV_MEMORY_WRITE") or str(TOP / "build/tests/memory_write")
PATIENCE = 20  # seconds; only a page that hangs needs them
ROW, TOP_EDGE, SIDE = 20, 6, 16  # of the flame graph, in pixels


@functools.lru_cache
def make(recipe="", name="html"):
    return subprocess.run([WRITER, name], input=recipe.encode(), stdout=subprocess.PIPE, check=True).stdout


@functools.lru_cache
def make_trace(recipe):
    return subprocess.run([TRACE_WRITER, "html"], input=recipe.encode(), stdout=subprocess.PIPE, check=True).stdout


@functools.lru_cache
def make_memory(recipe, name="html"):
    return subprocess.run([MEMORY_WRITER, name], input=recipe.encode(), stdout=subprocess.PIPE, check=True).stdout


def start_browser(arguments=()):
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--force-device-scale-factor=1",
                     "--disable-background-networking", *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)


class Page:
    def __init__(self, driver, folder):
        self.driver, self.folder = driver, folder
        self.size(1280, 720)

    def size(self, width, height):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def file(self, html):
        path = self.folder / (hashlib.sha256(html).hexdigest()[:16] + ".html")
        if not path.exists():
            path.write_bytes(html)
        return path

    def open(self, recipe, **state):
        """Opens the page of a recipe, or of bytes; state: what the fragment says."""
        html = recipe if isinstance(recipe, bytes) else make(recipe)
        url, fragment = self.file(html).as_uri(), "#" + urllib.parse.urlencode(state)
        if self.driver.current_url.split("#")[0] == url:
            # The page is there already: another fragment alone is what a link to it would be.
            # What the last test has left is written first: its address may wait for 300 ms.
            self.js("document.activeElement.blur(); dispatchEvent(new Event('pagehide')); location.hash = arguments[0]", fragment)
            self.settle()
            return
        self.driver.get(url + fragment)
        self.wait_painted()

    def wait_painted(self):
        self.until(lambda: self.js("return performance.getEntriesByName('pitviper:painted').length > 0 || "
                                   "document.getElementById('status').className === 'bad'"))
        self.settle()

    def reload(self):
        self.driver.refresh()
        self.wait_painted()

    def settle(self):
        """What comes a moment later has come: the panel, and the flame graph's table."""
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(() => "
            "setTimeout(done))))")

    def until(self, what):
        return WebDriverWait(self.driver, PATIENCE, 0.02).until(lambda _: what())

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def text(self, selector):
        return self.js("const e = document.querySelector(arguments[0]); return e && e.textContent", selector)

    def texts(self, selector):
        return self.js("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector)

    def is_visible(self, selector):
        return self.js("const e = document.querySelector(arguments[0]); return !!e && e.getClientRects().length > 0",
                       selector)

    def click(self, selector):
        self.driver.find_element(By.CSS_SELECTOR, selector).click()
        self.settle()

    def press(self, *keys):
        self.driver.find_element(By.TAG_NAME, "body").send_keys(*keys)
        self.settle()

    def search(self, text):
        self.driver.find_element(By.ID, "query").send_keys(Keys.CONTROL, "a", Keys.NULL, text or Keys.BACKSPACE)
        self.settle()
        return self.text("#found")

    def state(self):
        """What the address says; what is about to be written is written, as when one leaves."""
        self.js("window.dispatchEvent(new Event('pagehide'))")
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.driver.current_url).fragment))

    def outline(self):
        """Rows of the flame graph's table as ((texts from the root on), total, self) in samples of 10 ms."""
        self.until(lambda: self.js("return document.getElementById('outline').dataset.ready === 'yes'"))
        rows, path = [], []
        for depth, text, total, _, own in self.js(
                "return [...document.querySelectorAll('#outline tbody tr')].map(r => [...r.cells].map(c => c.textContent))"):
            depth = int(depth)
            path = path[:max(0, depth - 1)] + ([text] if depth else [])
            rows.append((tuple(path), total, own))
        return rows

    def grid(self, name):
        """{ texts of the last columns: { column: text } } of the rows of a table, in their order."""
        return self.js("""
            const grid = document.getElementById('grid-' + arguments[0]);
            const names = [...grid.querySelectorAll('.head button')].map(b => b.className.replace(/number ?/, ''));
            return [...grid.querySelectorAll('.row')].map(row => Object.fromEntries([...row.children].map((cell, i) =>
                [names[i], names[i] === 'name' || names[i] === 'place' || names[i] === 'text' ? cell.textContent
                    : cell.querySelector('span').textContent])))""", name)

    def facts(self):
        """The left of the panel: { "": name, "total": text, ... }"""
        self.settle()
        return self.js("""
            const facts = { '': document.querySelector('#facts h2').textContent };
            document.querySelectorAll('#facts dt').forEach(dt => { facts[dt.textContent] = dt.nextSibling.textContent; });
            return facts""")

    def near(self):
        """(callers, callees) as [[share, name]]"""
        self.settle()
        return self.js("""return [...document.querySelectorAll('#near ul')].map(list =>
            [...list.querySelectorAll('li')].map(li => [...li.children].map(e => e.textContent)))""")

    def code(self):
        """{ line: time } of the source lines that have one"""
        self.settle()
        return {int(line): time for line, time in self.js("""return [...document.querySelectorAll('.code .line')]
            .map(e => [e.dataset.line, e.querySelector('.time').textContent])""") if time}

    # the canvas

    def box(self):
        """x, y, width of the flame graph in the window, and how far it is scrolled."""
        return self.js("""const pane = document.getElementById('flame'), r = pane.getBoundingClientRect();
            return [r.left, r.top, pane.clientWidth, pane.scrollTop]""")

    def point(self, depth, share):
        """The point in the row of a depth at a share of the width."""
        left, top, width, scrolled = self.box()
        return round(left + SIDE + share * (width - 2 * SIDE)), round(top + TOP_EDGE + depth * ROW + ROW / 2 - scrolled)

    def pointer(self, *steps, shift=False):
        """steps: (verb, point): move, click, double."""
        actions = ActionBuilder(self.driver, duration=0)
        if shift:
            actions.key_action.key_down(Keys.SHIFT)
            for _ in range(2):
                actions.pointer_action.pause(0)
        for verb, point in steps:
            actions.pointer_action.move_to_location(*point)
            if verb == "click":
                actions.pointer_action.click()
            elif verb == "double":
                actions.pointer_action.double_click()
            elif verb == "press":
                actions.pointer_action.pointer_down()
            elif verb == "release":
                actions.pointer_action.pointer_up()
        actions.perform()
        if shift:
            actions = ActionBuilder(self.driver)
            actions.key_action.key_up(Keys.SHIFT)
            actions.perform()
        self.settle()


@pytest.fixture(scope="session")
def browser():
    driver = start_browser()
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "pages"
    folder.mkdir(exist_ok=True)
    browser.get_log("browser")
    browser.get_log("performance")
    page = Page(browser, folder)
    yield page
    fetched = [message["params"]["request"]["url"] for message in (json.loads(entry["message"])["message"]
               for entry in browser.get_log("performance")) if message["method"] == "Network.requestWillBeSent"]
    assert [url for url in fetched if not url.startswith(("file:", "data:", "about:"))] == []
    assert [url for url in fetched if url.startswith("file:") and not url.split("#")[0].endswith(".html")] == []
    assert [entry["message"] for entry in browser.get_log("browser")] == []


@pytest.fixture(scope="session")
def recipe_text():
    return (pathlib.Path(__file__).parent / "profile.txt").read_text()
