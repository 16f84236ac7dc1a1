# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper refs --lost` chooses no object that is none."""
import json

import live
import pytest
from test_refs import victim  # noqa: F401

pytestmark = [pytest.mark.few, pytest.mark.gil]


@pytest.mark.minor((3, 11), (3, 13))
def test_junk(interp, victim):
	"""A block that was an int, of which its next user has written an address alone: that is no count of millions."""
	one = victim(interp)
	one.new("list")
	one.target.say("junk")
	address, there = one.target.wait_line(b"JUNK").split()[1:]
	assert int(there)
	one.target.wait_line(b"DONE")
	run = live.pitviper("refs", "--json", "-q", "-p", one.pid, "-d", 0.1, "--lost", "--type", "int", timeout=60)
	if run.status:
		assert run.status == 1 and "has a reference too many" in run.text(), run
	else:
		assert json.loads(run.out)["object"] != hex(int(address)), run
