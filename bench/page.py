#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The page of a large profile in headless Chromium: 1,000,000 samples with 100,000 distinct stacks.

Input: golden_write's synthetic profile ($GOLDEN_WRITE, default build/tests/golden_write).
Output: how long from the request to the flame graph, and from a click or a key to the frame that shows it.
"""
import os
import subprocess
import sys
import tempfile

import common

SYSTEM_PYTHON = "/usr/bin/python3"  # has Debian's python3-selenium
GOLDEN_WRITE = os.environ.get("GOLDEN_WRITE") or os.path.join(common.TOP, "build", "tests", "golden_write")
# From an action to the frame after the one that shows it; what is put off until after it is not in it.
TIMED = """
const done = arguments[arguments.length - 1], start = performance.now();
%s;
requestAnimationFrame(() => { const channel = new MessageChannel();
	channel.port1.onmessage = () => done(performance.now() - start); channel.port2.postMessage(0); });
"""
CLICK = """
const canvas = document.querySelector('#flame canvas'), at = canvas.getBoundingClientRect();
canvas.dispatchEvent(new PointerEvent('dblclick', { bubbles: true, clientX: at.left + 300, clientY: at.top + %d }))"""
KEY = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '%s', bubbles: true }))"
HASH = "location.hash = '%s'"
ACTIONS = [
	("zoom in, 4 rows down", CLICK % 76, KEY % "Escape", 50),
	("zoom in, 6 rows down", CLICK % 116, KEY % "Escape", 50),
	("zoom out", KEY % "Escape", None, 50),
	("fold C (2)", KEY % "2", KEY % "2", None),
	("only my code (o)", KEY % "o", KEY % "o", None),
	("search", "const box = document.getElementById('query'); box.value = 'method_1'; "
	 "box.dispatchEvent(new Event('input'))", HASH % "", None),
	("select a span", "history.replaceState(null, '', '#from=10&to=20'); "
	 "window.dispatchEvent(new HashChangeEvent('hashchange'))", HASH % "", None),
	("upside down", "document.getElementById('tab-down').click()", "document.getElementById('tab-flame').click()", None),
	("functions", "document.getElementById('tab-functions').click()", "document.getElementById('tab-flame').click()", None),
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


def act(driver, action, undo):
	time = driver.execute_async_script(TIMED % action)
	settle(driver)
	if undo:
		driver.execute_script(undo)
		settle(driver)
	return time


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
			for what, action, undo, budget in [] if args.paint else ACTIONS:
				settle(driver)
				if what == "zoom out":
					driver.execute_script(CLICK % 76)
					settle(driver)
					times = [act(driver, action, CLICK % 76) for _ in range(repeat)]
				else:
					times = [act(driver, action, undo) for _ in range(repeat)]
				report.row(what, times, "ms", budget, 0)
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
