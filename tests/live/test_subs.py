# SPDX-License-Identifier: BSD-2-Clause
"""Sub-interpreters: their frames, those of the interpreter that called them, and the label between."""
import os
import re

import live
import pytest

LABEL = re.compile(r"interpreter (\d+|\?)$")
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


SUB_C = """
#define PUBLIC __attribute__((visibility("default")))
extern void *Py_NewInterpreter(void), *PyThreadState_Swap(void *);
extern void Py_EndInterpreter(void *);
extern int PyRun_SimpleStringFlags(const char *, void *);
PUBLIC int run(const char *code)
{
	void *mine = PyThreadState_Swap((void *)0), *other = Py_NewInterpreter();
	int bad = PyRun_SimpleStringFlags(code, (void *)0);

	Py_EndInterpreter(other);
	PyThreadState_Swap(mine);
	return bad;
}
"""


@pytest.mark.minor((2, 7), (3, 6), (3, 7), (3, 8), (3, 12))
@pytest.mark.parametrize("mode, inner", [("capi", r"( sub_mid_a)*( sub_leaf_a)?"), ("capi-top", r"")])
def test_of_c_code(interp, target, tmp_path, mode, inner):
	"""One that C code has made, while it holds the GIL: 3.7 has no other.  Up to 3.6 they have no number."""
	library = tmp_path / "sub.so"
	(tmp_path / "sub.c").write_text(SUB_C)
	if interp.root:
		library = interp.outside("/tmp/pv-live-sub-%d.so" % os.getpid())
	live.compile_c(str(tmp_path / "sub.c"), str(library), "-shared", "-fPIC", "-w")
	try:
		victim = target(interp, "subs.py", mode, str(library)[len(interp.root or ""):])
		stacks, summary, _ = live.record("-p", victim.pid, seconds=0.5, hz=1999)
	finally:
		os.unlink(str(library))
	number = r"\d+" if interp.version >= (3, 7) else r"\?"
	want = re.compile(r"<module> main_go interpreter-%s <module>%s" % (number, inner))
	right = sum(s.count for s in stacks if want.fullmatch(path(s)))
	false = [s for s in stacks if not want.fullmatch(path(s)) and not s.markers()]
	assert not false, (false[:3], summary)
	# 2.7 lets go of the GIL at every hundredth instruction, and is in neither then
	assert right >= (0.98 if interp.version >= (3,) else 0.85) * summary["samples"] > 20, (right, stacks[:3], summary)


@pytest.mark.minor((3, 8), (3, 9))
def test_asleep_in_its_outermost_frame(interp, target):
	"""Nothing tells which of the two is the inner one, and one eval frame more could be one that is about to begin."""
	victim = target(interp, "subs.py", "sleep-top")
	run = live.pitviper("stack", victim.pid, "--json")
	thread = next(t for t in live.loads(run.out)["threads"] if t["tid"] == victim.pid)
	assert any(f["function"] == "[mismatch]" for f in thread["frames"]), thread
	assert not any(f["kind"] == "python" for f in thread["frames"]) and not thread["complete"], thread
