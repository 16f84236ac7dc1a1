# SPDX-License-Identifier: BSD-2-Clause
"""Sub-interpreters: their frames, those of the interpreter that called them, and the label between."""
import re

import live
import pytest

LABEL = re.compile(r"interpreter (\d+)$")
# the function of each Python frame, and each label, from the root on
PATHS = [re.compile(text) for text in (
	r"<module> main_loop( main_leaf)?",
	r"<module> main_loop main_go( \S+)?( interpreter-(?P<id>\d+) <module>( sub_mid_(?P<sub>[ab]))*( sub_leaf_(?P<leaf>[ab]))?)?",
	r"(\S+ )*other_loop( other_leaf)?",
)]
SINCE_3_8 = [(3, minor) for minor in range(8, 16)]	# before there is no module for it


def path(stack):
	"""What the stack says, in the words of PATHS."""
	names = []
	for frame in stack.frames:
		label = LABEL.match(frame.text)
		if label:
			names.append("interpreter-" + label[1])
		elif frame.kind == "python":
			names.append(frame.function.rpartition(".")[2])
	return " ".join(names)


@pytest.mark.minor(*SINCE_3_8)
def test_nested(interp, target, full):
	victim = target(interp, "subs.py", "nest")
	stacks, summary, _ = live.record("-p", victim.pid, seconds=10 if full else 1, hz=4999)
	marked, seen, ids = 0, {}, {}
	for stack in stacks:
		if [m for m in stack.markers() if m not in ("[unwind break]", "[new mapping]")]:
			marked += stack.count
			continue
		text = path(stack)
		match = next((m for m in (p.fullmatch(text) for p in PATHS) if m), None)
		assert match, stack
		groups = match.groupdict()
		if groups.get("sub"):
			assert groups.get("leaf") in (None, groups["sub"]), stack
			assert ids.setdefault(groups["sub"], groups["id"]) == groups["id"], "two interpreters have one number"
		seen[text.rpartition(" ")[2]] = seen.get(text.rpartition(" ")[2], 0) + stack.count
	assert summary["samples"] > 50
	assert {"main_leaf", "sub_leaf_a", "sub_leaf_b", "other_leaf"} <= set(seen), seen
	assert len(set(ids.values())) == 2
	# what lies between the two stores of a switch from one interpreter to the other
	assert marked <= 0.05 * summary["samples"], (marked, summary["lost"])


@pytest.mark.minor(*SINCE_3_8)
@pytest.mark.few
def test_sleeping(interp, target):
	"""Without the GIL: up to 3.9 nothing tells which of the two it is in, and so it is marked."""
	victim = target(interp, "subs.py", "sleep")
	assert live.gone(lambda: open("/proc/%d/syscall" % victim.pid).read().split()[0] in ("230", "23", "270"))
	run = live.pitviper("stack", victim.pid, "--json")
	thread = next(t for t in live.loads(run.out)["threads"] if t["tid"] == victim.pid)
	names = [f["function"] for f in reversed(thread["frames"]) if f["kind"] in ("python", "label")]
	if interp.version < (3, 10):
		assert any(f["function"] == "[mismatch]" for f in thread["frames"]) and not names, names
		return
	want = ["<module>", "main_go", "interpreter 1", "<module>", "sub_sleep"]
	assert [n for n in names if n in want] == want and len(names) <= len(want) + 1, names
	assert thread["complete"]


@pytest.mark.minor(*SINCE_3_8)
@pytest.mark.few
def test_thread_of_one(interp, target):
	victim = target(interp, "subs.py", "thread")
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.5, hz=1999)
	right = sum(s.count for s in stacks if re.match(r"interpreter-1 (\S+ )*sub_thread( sub_leaf)?$", path(s)))
	assert right >= 0.98 * summary["samples"] > 20, (right, stacks[:3], summary)


@pytest.mark.minor((3, 10), (3, 11), (3, 12))
def test_three(interp, target):
	"""Where the C stack tells, any number of them."""
	victim = target(interp, "subs.py", "three")
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.5, hz=1999)
	want = re.compile(r"<module> main_go interpreter-1 <module> sub_first interpreter-2 <module> sub_sleep")
	right = sum(s.count for s in stacks if want.fullmatch(path(s)))
	assert right >= 0.98 * summary["samples"] > 20, (right, stacks[:3], summary)


@pytest.mark.minor((3, 7), (3, 8), (3, 12))
def test_of_c_code(interp, target):
	"""One that C code has made, while it holds the GIL: 3.7 has no other."""
	victim = target(interp, "subs.py", "capi")
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.5, hz=1999)
	want = re.compile(r"<module> main_go interpreter-\d+ <module>( sub_mid_a)*( sub_leaf_a)?")
	right = sum(s.count for s in stacks if want.fullmatch(path(s)))
	assert right >= 0.98 * summary["samples"] > 20, (right, stacks[:3], summary)


@pytest.mark.minor((3, 6))
def test_before(interp, target):
	"""Not known (of 2.7 and 3.6), and so it is marked; but for its outermost frame, of whose eval frame nothing tells
	that it is not one that is about to begin."""
	victim = target(interp, "subs.py", "capi")
	stacks, summary, _ = live.record("-p", victim.pid, seconds=0.5, hz=1999)
	marked = sum(s.count for s in stacks if s.markers())
	assert marked >= 0.9 * summary["samples"] > 20, (marked, stacks[:3], summary)
	assert not any({"sub_mid_a", "sub_leaf_a"} & {f.function for f in s.frames} for s in stacks)
