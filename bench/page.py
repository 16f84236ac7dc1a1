#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The page of a large profile in headless Chromium: 1,000,000 samples with 100,000 distinct stacks.

Input: golden_write's synthetic profile ($GOLDEN_WRITE, default build/tests/golden_write).
Output: how long from the request to the flame graph, and from real input to the frame that shows what it did being on
the screen.
"""
import os
import subprocess
import sys
import tempfile

import common

SYSTEM_PYTHON = "/usr/bin/python3"  # has Debian's python3-selenium
GOLDEN_WRITE = os.environ.get("GOLDEN_WRITE") or os.path.join(common.TOP, "build", "tests", "golden_write")
# What the browser itself says of an event (Event Timing, W3C): from the input to the moment when the next frame was on
# the screen, however many handlers and whatever layout, painting and compositing were in between.  In steps of 8 ms.
WATCH = """
window.benchTimes = [];
new PerformanceObserver(list => benchTimes.push(...list.getEntries().map(e => [e.name, e.duration])))
	.observe({ type: 'event', durationThreshold: 16 })"""
LEAST = 16  # ms; shorter ones are not told
BEGIN = """
const facts = document.querySelector('#facts').firstChild;
benchTimes.length = 0;
window.benchDetails = null;
addEventListener('%s', event => new MutationObserver((_, observer) => {
	observer.disconnect();
	requestAnimationFrame(() => scheduler.postTask(() => { benchDetails = performance.now() - event.timeStamp; },
		{ priority: 'user-blocking' }));
}).observe(document.querySelector('#facts'), { childList: true }), { capture: true, once: true })"""
CANVAS = "const r = document.querySelector('%s canvas').getBoundingClientRect(); return [r.left + %d, r.top + %d]"
HASH = "location.hash = '%s'"


class Input:
	"""Input as the browser gets it from its user."""

	def __init__(self, driver):
		self.driver = driver

	def mouse(self, x, y, clicks):
		for kind in ("mousePressed", "mouseReleased"):
			self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {
				"type": kind, "x": x, "y": y, "button": "left", "clickCount": clicks})

	def key(self, key, code, number):
		text = {"text": key} if len(key) == 1 else {}
		for kind in ("keyDown", "keyUp"):
			self.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {
				"type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number, **text})

	def double(self, x, y):
		"""The second click of two, when all that the first one led to is done."""
		self.mouse(x, y, 1)
		settle(self.driver)
		return lambda: self.mouse(x, y, 2)

	def frame(self, y):
		return self.double(*self.driver.execute_script(CANVAS % ("#flame", 300, y)))

	def click(self, selector):
		x, y = self.driver.execute_script(
			"const r = document.querySelector(arguments[0]).getBoundingClientRect();"
			"return [r.left + r.width / 2, r.top + r.height / 2]", selector)
		return lambda: self.mouse(x, y, 1)

	def escape(self):
		return lambda: self.key("Escape", "Escape", 27)

	def letter(self, letter):
		return lambda: self.key(letter, "Digit" + letter if letter.isdigit() else "Key" + letter.upper(), ord(letter.upper()))

	def search(self):
		self.driver.execute_script("const box = document.getElementById('query'); box.focus(); box.value = 'method_'")
		return self.letter("1")

	def span(self):
		"""A span that was chosen is moved by a slice."""
		self.driver.execute_script(HASH % "from=10&to=20")
		settle(self.driver)
		self.driver.execute_script("document.querySelector('#strip canvas').focus()")
		return lambda: self.key("ArrowRight", "ArrowRight", 39)


# What, its event, how to make ready for it (returns what does it), what the address says of it then, budget in ms.
ACTIONS = [
	("zoom in, 4 rows down", "dblclick", lambda hand: hand.frame(76), "zoom=", 50),
	("zoom in, 6 rows down", "dblclick", lambda hand: hand.frame(116), "zoom=", 50),
	("zoom out", "keydown", lambda hand: hand.frame(76)() or settle(hand.driver) or hand.escape(), "#pick=", 50),
	("fold C (2)", "keydown", lambda hand: hand.letter("2"), "fold=c", None),
	("only my code (o)", "keydown", lambda hand: hand.letter("o"), "own=1", None),
	("search", "keydown", lambda hand: hand.search(), "q=method_1", None),
	("move a span", "keydown", lambda hand: hand.span(), "from=10.", None),
	("upside down", "click", lambda hand: hand.click("#tab-down"), "tab=down", None),
	("functions", "click", lambda hand: hand.click("#tab-functions"), "tab=functions", None),
]


def browser():
	sys.path.insert(0, os.path.join(common.TOP, "tests", "pages"))
	import conftest
	driver = conftest.start_browser(["--window-size=1280,720"])
	driver.set_script_timeout(60)
	return driver


def load(driver, url):
	"""Milliseconds from the request to the first paint and to the flame graph."""
	driver.get("about:blank")
	driver.get(url)
	return driver.execute_async_script("""
		const done = arguments[0];
		const look = () => {
			const [mark] = performance.getEntriesByName('pitviper:painted');
			if (!mark)
				return setTimeout(look, 10);
			const [paint] = performance.getEntriesByName('first-contentful-paint');
			done([paint ? paint.startTime : null, mark.startTime]);
		};
		look()""")


def settle(driver):
	driver.execute_async_script("const done = arguments[0]; setTimeout(() => requestIdleCallback(done), 300)")


def act(driver, hand, event, prepare, expected):
	"""ms until the frame that shows it was on the screen, ms until the details were in a frame, too."""
	do = prepare(hand)
	settle(driver)
	driver.execute_script(BEGIN % event)
	do()
	settle(driver)
	address, times, details = driver.execute_script("return [location.hash, benchTimes, benchDetails]")
	if expected not in address or ("zoom=" in address) != (expected == "zoom="):
		sys.exit("page.py: the input did not do what it should: %s" % address)
	driver.execute_script("document.activeElement.blur();" + HASH % "")
	settle(driver)
	return max((time for name, time in times if name == event), default=LEAST), details


def main():
	report = common.Report("The page: 1,000,000 samples, 100,000 stacks, headless Chromium at 1280x720", __doc__)
	report.parser.add_argument("--paint", action="store_true", help="only until it is there")
	args = report.arguments()
	repeat = 5 if args.quick else 15
	with tempfile.TemporaryDirectory() as scratch:
		path = os.path.join(scratch, "large.html")
		with open(path, "wb") as file:
			subprocess.run([GOLDEN_WRITE, "html", "1000000", "100000"], stdout=file, check=True)
		report.note("size of the file", "%.1f MB" % (os.path.getsize(path) / 1e6))
		driver = browser()
		try:
			paints = [load(driver, "file://" + path) for _ in range(repeat)]
			report.row("something is seen", [paint for paint, _ in paints], "ms", None, 0)
			report.row("the flame graph and the answer are there", [flame for _, flame in paints], "ms", 1000, 0)
			driver.execute_script(WATCH)
			hand = Input(driver)
			for what, event, prepare, expected, budget in [] if args.paint else ACTIONS:
				times = [act(driver, hand, event, prepare, expected) for _ in range(repeat)]
				report.row(what, [painted for painted, _ in times], "ms", budget, 0)
				if event == "dblclick":
					report.row(what + ": and the details", [details for _, details in times], "ms", None, 0)
		finally:
			driver.quit()
	report.end()


try:
	import selenium  # noqa: F401
except ImportError:
	if sys.executable == SYSTEM_PYTHON:
		sys.exit("page.py: needs Debian's python3-selenium; tools/install-deps --tests")
	os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])
main()
