# SPDX-License-Identifier: BSD-2-Clause
"""The garbage collector's share: what the program measures of itself against what the samples say.

Two captures look at each run at once, with and without native frames."""
import json
import re

import live
import pytest

HZ = 1999
NOT_MORE_THAN = 2.0  # percentage points
COLLECTOR = re.compile(r"^(collect|gc_collect_main)(\.|$)")
# Functions of targets/gc_share.py that run in collections only, and those that never do.
INSIDE = {"__del__", "on_death", "finalizer_work"}
OUTSIDE = {"busy", "other_work", "litter", "main_work"}


class Capture:
	def __init__(self, victim, output, *options):
		self.output = output
		self.proc = live.start_pitviper("record", "--json", "-F", HZ, "--threads", *options, "-o", output,
						"-p", victim.pid)

	def end(self):
		run = live.interrupt(self.proc)
		assert run.status == 0, run
		self.summary = live.last_json(run.out)
		self.stacks = live.parse_folded(self.output)

	def share(self, tid=None):
		"""Percent of the samples, of one thread or of all, that have the marker."""
		stacks = [s for s in self.stacks if tid in (None, s.tid)]
		marked = sum(s.count for s in stacks if any(f.kind == "gc" for f in s.frames))
		return 100 * marked / max(1, live.total(stacks))


def capture(interp, target, tmp_path, mode, share, cpu_seconds):
	"""(truth, the capture with native frames, the one without)"""
	victim = target(interp, "gc_share.py", mode, share, cpu_seconds)
	captures = []
	try:
		captures = [Capture(victim, str(tmp_path / "native.folded")),
			    Capture(victim, str(tmp_path / "python.folded"), "--no-native")]
		for one in captures:
			live.wait_attached(one.proc)
		victim.say("go")
		truth = json.loads(victim.wait_line(b"TRUTH")[6:])
		for one in captures:
			one.end()
	finally:
		for one in captures:
			one.proc.kill()
			one.proc.communicate()
	return truth, captures[0], captures[1]


def name(frame):
	return frame.function.rpartition(".")[2]


def misplaced(stacks):
	"""Stacks whose marker does not stand between what collects and what is collected."""
	out = []
	for stack in stacks:
		inside = False
		for frame in stack.frames:
			inside = inside or frame.kind == "gc"
			wrong = INSIDE if not inside else OUTSIDE
			if frame.kind == "python" and name(frame) in wrong:
				out.append(stack)
				break
	return out


def check_consistent(one):
	summary, marked = one.summary, one.share() * live.total(one.stacks) / 100
	assert abs(summary["gc"] - marked) < 0.5, (summary["gc"], marked)
	# a sample between two steps of the interpreter, whose halves do not agree, is marked: some in a million
	assert summary["lost"]["gc_unknown"] <= summary["samples"] / 1000, summary
	assert not misplaced(one.stacks), misplaced(one.stacks)[:3]
	# it is no mark of anything missing
	assert summary["complete"] >= 0.99 * summary["samples"], summary


def check_names(interp, stacks):
	"""Where the collector has a name the marker stands before that very frame, and nowhere else."""
	for stack in stacks:
		frames = stack.frames
		for before, frame in zip([None] + frames, frames):
			collects = frame.kind == "native" and COLLECTOR.match(frame.function)
			if collects or (before and before.kind == "gc"):
				assert collects and before and before.kind == "gc", stack
		assert frames[-1].kind != "gc", stack


def check_share(interp, target, tmp_path, mode, share, cpu_seconds):
	truth, native, python = capture(interp, target, tmp_path, mode, share, cpu_seconds)
	wanted = 100 * sum(truth["gc"].values()) / sum(truth["total"].values())
	assert (truth["collections"] == 0) == (mode == "off"), truth
	for one in (native, python):
		assert one.summary["samples"] >= (5000 if cpu_seconds > 1 else 500), one.summary
		assert abs(one.share() - wanted) <= NOT_MORE_THAN, (one.share(), wanted)
		assert mode != "off" or one.summary["gc"] == 0
		check_consistent(one)
		for tid, total in truth["total"].items():
			by_thread = 100 * truth["gc"].get(tid, 0) / total
			seen = one.share(int(tid))
			assert seen == 0 if not by_thread else abs(seen - by_thread) <= NOT_MORE_THAN + 2, (tid, seen, by_thread)
	if interp.symtab:
		check_names(interp, native.stacks)
	assert not any(f.kind == "native" for s in python.stacks for f in s.frames)


# off: the share of a collector that never runs
# the program measures itself by gc.callbacks and time.thread_time(), which older ones lack
@pytest.mark.minor(*((3, minor) for minor in range(8, 16)))
@pytest.mark.few
@pytest.mark.parametrize("mode, share, cpu_seconds", [("cycles", 0.3, 3.3), ("auto", 0, 3.3), ("off", 0, 0.5)])
def test_share(interp, target, tmp_path, mode, share, cpu_seconds):
	check_share(interp, target, tmp_path, mode, share, cpu_seconds)


# what finalizers do is the program's own doing, on every version the same
@pytest.mark.minor(*((3, minor) for minor in range(8, 16)))
@pytest.mark.one
@pytest.mark.parametrize("mode, share", [("finalizers", 0.8), ("released", 0.4)])
def test_share_of_finalizers(interp, target, tmp_path, mode, share):
	check_share(interp, target, tmp_path, mode, share, 3.3)
