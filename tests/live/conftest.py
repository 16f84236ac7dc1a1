# SPDX-License-Identifier: BSD-2-Clause
"""pytest's side of the live tests: options, interpreters as parameters, what may be skipped.

Input: the command line, tests/live/expected-skips.  Output: on a machine that is root and has
kernel BTF a skip that the list does not name is a failure.
"""
import fnmatch
import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import live  # noqa: E402

INTERPRETERS = live.find_interpreters()
NOT_WANTED = "no interpreter of these versions is at hand or asked for"
ABLE = os.getuid() == 0 and os.path.exists("/sys/kernel/btf/vmlinux")


def pytest_addoption(parser):
	parser.addoption("--full", action="store_true", help="the long forms: 10^6 samples, 10,000 modules")
	parser.addoption("--interp", action="append", default=[],
			 help="only interpreters whose name contains this (may be repeated)")


def pytest_configure(config):
	config.addinivalue_line("markers", "noroot: needs neither root nor the pitviper binary")
	config.addinivalue_line("markers", "few: dear; in the short form on some interpreters only, see few_of()")
	config.addinivalue_line("markers", "one: very dear; in the short form on one interpreter only, a stripped one if there is any")
	config.addinivalue_line("markers", "long: only with --full, or when it is named")
	config.addinivalue_line("markers", "free_threaded: only builds without the GIL")
	config.addinivalue_line("markers", "gil: only builds with it")
	config.addinivalue_line("markers", "minor(*versions): only these Python versions, given as (3, 11)")


def few_of(interpreters):
	"""The oldest, the newest, every third between them, the stripped and the free-threaded ones."""
	last = len(interpreters) - 1
	return [interp for i, interp in enumerate(interpreters)
		if i % 3 == 0 or i == last or not interp.symtab or interp.free_threaded]


def one_of(interpreters):
	return ([interp for interp in interpreters if not interp.symtab] or interpreters)[-1:]


def is_for(metafunc, interp):
	"""Does the test's mark ask for this kind of build?"""
	marks = {mark.name for mark in metafunc.definition.iter_markers()}
	return "gil" not in marks if interp.free_threaded else "free_threaded" not in marks


def pytest_generate_tests(metafunc):
	if "interp" not in metafunc.fixturenames:
		return
	wanted = metafunc.config.getoption("--interp")
	minors = [m.args for m in metafunc.definition.iter_markers("minor")]
	chosen = [i for i in INTERPRETERS
		  if (not wanted or any(w in i.name for w in wanted)) and
		  (not minors or i.version[:2] in minors[0]) and
		  is_for(metafunc, i)]
	if not wanted and not metafunc.config.getoption("--full") and \
	   any(metafunc.definition.iter_markers("few")):
		chosen = few_of(chosen)
	if not wanted and not metafunc.config.getoption("--full") and \
	   any(metafunc.definition.iter_markers("one")):
		chosen = one_of(chosen)
	if not chosen:
		reason = NOT_WANTED if INTERPRETERS else "no supported Python on this machine"
		chosen = [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
	metafunc.parametrize("interp", chosen, ids=lambda i: i.name if i else "none")


def pytest_collection_modifyitems(config, items):
	# each absent Python is one skip of test_interpreters.py, not one of every test of it
	absent = [i for i in items if any(m.kwargs.get("reason") == NOT_WANTED for m in i.iter_markers("skip"))]
	if not config.getoption("--full") and not config.getoption("-k"):
		absent += [i for i in items if i.get_closest_marker("long")]
	if absent:
		config.hook.pytest_deselected(items=absent)
		items[:] = [i for i in items if i not in absent]
	for item in items:
		if item.get_closest_marker("noroot"):
			continue
		if not os.access(live.PITVIPER, os.X_OK):
			item.add_marker(pytest.mark.skip(reason="no pitviper at " + live.PITVIPER))
		elif os.getuid() != 0:
			item.add_marker(pytest.mark.skip(reason="not root"))
		elif not ABLE:
			item.add_marker(pytest.mark.skip(reason="this kernel has no BTF"))


def expected_skips():
	with open(os.path.join(live.HERE, "expected-skips")) as lines:
		return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


def sendable(text):
	"""Names of a target may be any bytes; xdist sends UTF-8 alone, and ends the whole run at anything else."""
	return text.encode("utf-8", "backslashreplace").decode()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
	outcome = yield
	report = outcome.get_result()
	if report.failed and sendable(str(report.longrepr)) != str(report.longrepr):
		report.longrepr = sendable(str(report.longrepr))
	report.sections = [(name, sendable(text)) for name, text in report.sections]
	if not report.skipped or hasattr(report, "wasxfail") or not ABLE:
		return
	name = item.nodeid.rpartition("/")[2]
	if not any(fnmatch.fnmatchcase(name, pattern) for pattern in expected_skips()):
		reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
		report.outcome = "failed"
		report.longrepr = "a skip that tests/live/expected-skips does not name: %s" % reason


def pytest_report_header():
	return "pitviper: %s; interpreters: %s" % (
		live.PITVIPER, ", ".join("%s%s" % (i.name, "" if i.symtab else " (stripped)") for i in INTERPRETERS))


@pytest.fixture(scope="session")
def full(request):
	return request.config.getoption("--full")


@pytest.fixture
def target():
	"""target(interp, "name.py", args...): a started target that has said READY; killed at the end."""
	started, files = [], []

	def start(interp, script, *args, truth=False, **kw):
		args = list(args)
		inside = None
		if truth:
			outside, inside = interp.tempfile()
			files.append(outside)
			args.insert(0, inside)
		one = live.Target(interp.command(os.path.join(live.TARGETS, script), *args), **kw)
		one.truth = files[-1] if truth else None
		started.append(one)
		return one

	yield start
	for one in started:
		one.stop()
	for path in files:
		if os.path.exists(path):
			os.unlink(path)


@pytest.fixture
def spawn():
	"""spawn(command...): any program as a target; killed at the end."""
	started = []

	def start(*command, **kw):
		one = live.Target([str(c) for c in command], **kw)
		started.append(one)
		return one

	yield start
	for one in started:
		one.stop()


@pytest.fixture(scope="session")
def newest():
	"""One interpreter for tests of pitviper's own conduct: any Python will do."""
	if not INTERPRETERS:
		pytest.skip("no supported Python on this machine")
	plain = [i for i in INTERPRETERS if not i.root and not i.free_threaded]
	return (plain or INTERPRETERS)[-1]


@pytest.fixture(scope="session", autouse=True)
def clean_stages():
	yield
	for interp in INTERPRETERS:
		if interp.stagedir:
			shutil.rmtree(interp.stagedir, ignore_errors=True)
