# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper refs` over the catalogue of leaks (tests/leaks): with --shared one object goes through each bug.

The truth is the mark "surplus" of the source: its C function or its line is what the verdict names, of a twin nothing is.
In the short form on Debian's Python at -O2; --full: on each of the catalogue's, at -O0, too.
"""
import json
import os
import signal
import sys

import live
import pytest

sys.path.insert(0, os.path.join(os.path.dirname(live.HERE), "leaks"))
import build  # noqa: E402
import catalogue  # noqa: E402
import judge  # noqa: E402
import lab  # noqa: E402

REQUESTS = 600


def pairs(full):
	"""Those that can be built: without headers of a Python its extensions are not tried, as test_leaks_selfcheck says."""
	for python in lab.interpreters():
		if not full and (python.root or not python.path.startswith("/usr/")):
			continue
		try:
			build.include_flags(python)
		except build.NoHeaders:
			continue
		yield from ((python, case) for case in catalogue.CASES if case.refs and case.applies(python))


def pytest_generate_tests(metafunc):
	if "pair" in metafunc.fixturenames:
		full = metafunc.config.getoption("--full")
		metafunc.parametrize("pair", list(pairs(full)), ids=lambda pair: "%s-%s" % (pair[0].name, pair[1].name))
		metafunc.parametrize("optimise", ["-O0", "-O2"] if full else ["-O2"])


@pytest.fixture(scope="module", autouse=True)
def staged():
	yield
	lab.unstage()


def followed(victim, address):
	proc = live.start_pitviper("refs", "--json", "-p", victim.served_by, "-n", 1000000, address)
	try:
		said = b""
		while b"pitviper: watching" not in said:
			line = proc.stderr.readline()
			assert line, said
			said += line
		victim.run(60)
		# what was seen to touch it is probed from now on
		assert live.gone(lambda: "uprobe_multi" in live.bpf_links(proc.pid), 30)
		victim.run(REQUESTS)
		proc.send_signal(signal.SIGINT)
		out, err = proc.communicate(timeout=90)
	finally:
		proc.kill()
	assert proc.returncode == 0, err
	return json.loads(out.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("variant", ["leaking", "clean"])
def test_named(pair, optimise, variant):
	python, case = pair
	with lab.Victim(python, case, variant, shared=True, optimise=optimise) as victim:
		before = victim.run(20)["watched"]
		found = followed(victim, hex(before["address"]) if isinstance(before["address"], int) else before["address"])
	verdict = found["verdict"]
	assert found["changes"]
	if variant == "clean":
		assert not verdict["suspect"], verdict["text"]
		return
	surplus = [site for site in case.sites() if site.mark == "surplus" and not site.file.endswith(".py")]
	assert verdict["suspect"], verdict["text"]
	at = [(os.path.basename(place["file"]), place["line"]) for place in map(verdict.get, ("site", "via", "inner"))
	      if place and place.get("file")]
	assert any(judge.same_function(verdict["function"], site.function) or (site.file, site.line) in at for site in surplus), \
		(verdict["text"], surplus)
