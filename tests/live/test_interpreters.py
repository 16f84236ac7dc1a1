# SPDX-License-Identifier: BSD-2-Clause
"""Which Pythons the other live tests ran on: each one that is absent is a skip that everyone can see."""
import conftest
import live
import pytest

pytestmark = pytest.mark.noroot
DEBIAN = "/usr/bin/python3.11"		# stripped, without frame pointers: as distributions build it


@pytest.mark.parametrize("which", ["%d.%d" % version for version in live.SUPPORTED] +
			 ["%d.%dt" % version for version in live.FREE_THREADED] + [DEBIAN.strip("/").replace("/", "-")])
def test_at_hand(which):
	if which.startswith("usr"):
		found = [i for i in conftest.INTERPRETERS if i.path == DEBIAN and not i.root]
	else:
		found = [i for i in conftest.INTERPRETERS if "%d.%d%s" % (*i.version[:2], "t" * i.free_threaded) == which]
	if not found:
		pytest.skip("no Python %s on this machine: its live tests did not run" % which)


def test_any_at_hand():
	assert conftest.INTERPRETERS, "no supported Python on this machine: no live test means anything"
