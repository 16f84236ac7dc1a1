# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper refs` and children of the process, and the ends of a wait for an allocation.

A child has a copy of the object: what it does to that is not told, costs no budget, and does it no harm.
"""
import signal
import time

import live
import pytest
from test_refs import Follow, built, newest, victim  # noqa: F401

pytestmark = pytest.mark.few


def children(one, n, seconds=0):
	one.target.say("fork %d %g" % (n, seconds))
	ends = one.target.wait_line(b"CHILDREN", 60).split()[1:]
	before, after = one.target.wait_line(b"DONE").split()[1:]
	assert ends == ["0"] * n, ends
	return int(after) - int(before)


@pytest.mark.minor((3, 8), (3, 13))
def test_forks(interp, victim):
	one = victim(interp)
	follow = Follow(one.pid, hex(one.new("list")), "-n", 1000000)
	truth = one.do("mixed 10")
	truth += children(one, 4)
	truth += one.do("mixed 10")
	found = follow.end()
	assert found["sum"] == truth == found["last"] - found["first"]
	assert {change["tid"] for change in found["changes"]} == {one.pid}
	assert found["quality"]["lost"] == found["quality"]["unseen"] == 0


@pytest.mark.parametrize("way", [("--lines", "refs_ext.so:leaky"), ()])
def test_forks_of_a_probed_function(victim, built, way):
	"""The probes on a function are in a child as it is born, and gone a moment later; its calls are not the process's."""
	one = victim(newest(), built(newest()))
	follow = Follow(one.pid, hex(one.new("list")), "-n", 1000000, "--budget", 0.3, *way)
	one.do("leaky 2 0")
	assert follow.functions()
	grew = children(one, 2, 1)
	truth = one.do("leaky 20 0")
	found = follow.end()
	assert found["ended"] == "stopped"
	assert found["sum"] == truth + grew == 0
	assert {change["tid"] for change in found["changes"]} <= {one.pid}
	assert found["cost"]["cpus"] < 0.3


def waiting(pid, *args):
	proc = live.start_pitviper("refs", "-p", pid, "--alloc", "absent.py:1", *args)
	assert live.gone(lambda: live.descriptors(proc.pid, "bpf-prog") > 0 and "raw_tracepoint" in live.bpf_links(proc.pid), 60)
	return proc


def test_alloc_forks(victim):
	"""Children that are born while all allocations are watched run on, and the wait goes on."""
	one = victim(newest())
	one.new("list")
	proc = waiting(one.pid, "--budget", 0.2)
	for _ in range(5):
		children(one, 2)
	assert proc.poll() is None, proc.communicate()
	proc.send_signal(signal.SIGINT)
	_, err = proc.communicate(timeout=30)
	assert proc.returncode == 1 and b"stopped before an object was allocated" in err, err
	assert one.target.alive()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_alloc_interrupted(victim, how):
	"""It ends at once, wherever it is, says so, and leaves nothing."""
	one = victim(newest())
	one.new("list")
	one.target.say("busy")
	proc = waiting(one.pid)
	held = live.bpf_held(proc.pid)
	start = time.monotonic()
	proc.send_signal(how)
	out, err = proc.communicate(timeout=30)
	took = time.monotonic() - start
	assert proc.returncode == 1 and b"stopped before an object was allocated" in err, err
	assert not out
	# a time of watching is a quarter of a second, and probes go within another
	assert took < 5, took
	assert held and live.gone(lambda: not live.bpf_left(held))
	assert one.target.alive()
