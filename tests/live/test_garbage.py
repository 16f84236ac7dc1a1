# SPDX-License-Identifier: BSD-2-Clause
"""What src/heap takes for garbage that waits for the collector, against what a program made so.

The program under test is build/tests/heap_census, which says it as JSON."""
import json
import os
import subprocess

import live
import pytest

TOOL = os.path.join(os.path.dirname(os.path.dirname(live.PITVIPER)), "tests", "heap_census")

# 2.7 has objects whose types were never made ready in its lists, so that these cannot be followed
SEEN = [(3, 6), (3, 7), (3, 8), (3, 9), (3, 10), (3, 11), (3, 12), (3, 13), (3, 14), (3, 15)]

pytestmark = [pytest.mark.gil, pytest.mark.few, pytest.mark.minor(*SEEN), pytest.mark.skipif(not os.path.exists(TOOL), reason="no " + TOOL)]


def ask(victim, word):
	victim.say(word)
	return json.loads(victim.wait_line(b"DONE")[5:])


def garbage(victim):
	victim.wait_reading()
	done = subprocess.run([TOOL, str(victim.pid), "garbage"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
	assert done.returncode == 0, done.stderr
	return json.loads(done.stdout)


def test_kinds(interp, target):
	"""All of each kind that nobody has, none of what somebody has; by each of what a reference may be in."""
	victim = target(interp, "garbage.py")
	truth = ask(victim, "say")
	seen = garbage(victim)
	for name, n in truth["garbage"].items():
		# words that nobody uses may be the address of one, which is held then
		assert 0.9 * n <= seen["types"].get(name, 0) <= n, (name, n, seen["types"])
	assert not {"Lost", "Held"} & set(seen["types"]), seen
	assert seen["disabled"] is True
	# 3.6 counts where it is not seen
	assert seen["counted"] == (interp.version >= (3, 7))
	if seen["counted"]:
		assert (seen["full"], seen["collected"]) == (truth["full"], truth["collected"])
	truth = ask(victim, "collect")
	later = garbage(victim)
	assert not set(truth["garbage"]) & set(later["types"]) and not {"Pair", "Word", "InFrame"} & set(later["types"]), later
	if seen["counted"]:
		assert later["full"] == seen["full"] + 1 == truth["full"]
		assert later["collected"] == truth["collected"] > seen["collected"] + 300 * 20
	ask(victim, "enable")
	assert garbage(victim)["disabled"] is False
	if interp.version >= (3, 7):
		ask(victim, "threshold")
		assert garbage(victim)["disabled"] is True
