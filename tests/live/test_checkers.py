# SPDX-License-Identifier: BSD-2-Clause
"""The checkers' own checks: true stacks pass, every kind of broken one is found.  Needs no pitviper."""
import json
import os
import subprocess

import churn_check
import live
import oracle_check
import pytest

pytestmark = pytest.mark.noroot
SCRIPT = os.path.join(live.TARGETS, "oracle.py")


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
	"""Truth and stacks sampled by an interpreter from itself."""
	cache = {}

	def get(interp):
		if interp.name not in cache:
			truth, inside = interp.tempfile()
			folded, folded_inside = interp.tempfile(".folded")
			subprocess.run(interp.command(SCRIPT, inside, 2, folded_inside), check=True,
				       stdout=subprocess.DEVNULL, timeout=60)
			with open(truth) as stream:
				cache[interp.name] = json.load(stream), live.parse_folded(folded)
			os.unlink(truth)
			os.unlink(folded)
		return cache[interp.name]
	return get


def with_native(stack, name="anything (lib.so)"):
	"""CPython's own sampler knows no C frames: put one before every Python frame."""
	frames = []
	for frame in stack.frames:
		frames += [live.Frame(name), frame]
	return live.Stack(frames, stack.count, stack.thread, stack.tid)


# 2.7 has no switch interval in which a sweep over its own frames is whole, and without the GIL none ever is
@pytest.mark.gil
@pytest.mark.minor(*((3, minor) for minor in range(6, 16)))
def test_true_stacks_are_possible(interp, honest):
	truth, stacks = honest(interp)
	report = oracle_check.check(truth, [with_native(s) for s in stacks])
	assert report["samples"] > 300
	assert report["impossible"] == 0, report
	assert report["paths_seen"] > 0.5 * report["paths"]


def made(truth, *names):
	"""A stack of the truth's own whose last frames have these names: every kind is there, sampled or not."""
	nodes = truth["nodes"]
	todo = [(root, int(tid), []) for tid, root in truth["threads"].items()]
	while todo:
		index, tid, path = todo.pop()
		path = path + [index]
		if [nodes[n][oracle_check.NAME].rpartition(".")[2] for n in path[-len(names):]] == list(names):
			break
		todo += [(child, tid, path) for child in nodes[index][oracle_check.CHILDREN]]
	else:
		raise AssertionError("no path ends in %s" % (names,))
	frames = []
	for here, below in zip(path, path[1:] + [None]):
		name, filename, lines, via, _at, _children = nodes[here]
		line = (nodes[below][oracle_check.AT] or [1])[0] if below is not None else lines[-1]
		frames += [live.Frame("any (lib.so)")] if via else []
		frames.append(live.Frame("%s (%s:%d)" % (name, filename, line)))
	return live.Stack(frames, 1, "x", tid)


def changed(stack, change):
	frames = list(stack.frames)
	change(frames)
	return live.Stack(frames, 1, stack.thread, stack.tid)


def renumber(frame, line):
	return live.Frame("%s (%s:%d)" % (frame.function, frame.file, line))


MUTATIONS = {
	"another chain's caller": lambda f, o: f.__setitem__(-3, o["b_inner"]),
	"another chain's outer caller": lambda f, o: f.__setitem__(-4, o["b_outer"]),
	"another chain's leaf": lambda f, o: f.__setitem__(-1, o["b_leaf"]),
	"caller's line of another callee": lambda f, o: f.__setitem__(-2, renumber(f[-2], o["b_line"])),
	"caller at its first line": lambda f, o: f.__setitem__(-2, renumber(f[-2], o["shared_first"])),
	"a frame missing": lambda f, o: f.pop(-2),
	"a frame twice": lambda f, o: f.insert(-1, f[-2]),
	"root missing": lambda f, o: f.pop(0),
	"leaf's line outside its function": lambda f, o: f.__setitem__(-1, renumber(f[-1], f[-1].line + 40)),
	"a function of another file": lambda f, o: f.__setitem__(
		-1, live.Frame("%s (/other.py:%d)" % (f[-1].function, f[-1].line))),
	"the order turned": lambda f, o: f.__setitem__(slice(-2, None), f[:-3:-1]),
	"another chain's native leaf": lambda f, o: f.append(live.Frame("math_fsum (libpython.so)")),
	"a C caller above the function that it calls": lambda f, o: f.append(live.Frame("list_sort_impl (libpython.so)")),
	"no Python at all": lambda f, o: f.__setitem__(slice(None), [live.Frame("main (python)")]),
}


@pytest.mark.gil
@pytest.mark.minor((3, 8), (3, 11), (3, 13))
@pytest.mark.parametrize("kind", sorted(MUTATIONS))
def test_broken_stacks_are_found(interp, honest, kind):
	truth, _ = honest(interp)
	good = made(truth, "a_outer", "a_inner", "shared", "a_leaf")
	other = made(truth, "b_outer", "b_inner", "shared", "b_leaf").python()
	first = next(n[oracle_check.LINES][0] for n in truth["nodes"] if n[oracle_check.NAME] == "shared")
	others = {"b_outer": other[-4], "b_inner": other[-3], "b_leaf": other[-1], "b_line": other[-2].line,
		  "shared_first": first}
	oracle = oracle_check.Oracle(truth)
	assert oracle.check(good) is None
	broken = changed(good, lambda frames: MUTATIONS[kind](frames, others))
	assert oracle.check(broken) is not None, broken
	# that a collection begins there excuses nothing
	for stack, possible in ((good, True), (broken, False)):
		collects = changed(stack, lambda f: f.append(live.Frame("[gc]")))
		assert (oracle.check(collects) is None) == possible, collects


@pytest.mark.gil
@pytest.mark.minor((3, 8), (3, 11), (3, 13))
def test_threads_do_not_mix(interp, honest):
	truth, stacks = honest(interp)
	for stack in stacks:
		other = next(int(t) for t in truth["threads"] if int(t) != stack.tid)
		moved = live.Stack(with_native(stack).frames, 1, "x", other)
		assert oracle_check.Oracle(truth).check(moved) is not None, moved


@pytest.mark.gil
@pytest.mark.minor((3, 11), (3, 13))
def test_callbacks_need_their_native_caller(interp, honest):
	truth, _ = honest(interp)
	stack = made(truth, "by_sort", "sort_key")
	stack.frames.pop(-2)
	via = "list_sort_impl (p.so)"
	oracle = oracle_check.Oracle(truth, symtab=True)
	bare = changed(stack, lambda f: None)
	assert "by way of C" in oracle.check(bare)
	assert "by way of C" in oracle.check(changed(stack, lambda f: f.insert(-1, live.Frame("other (p.so)"))))
	assert "by way of C" in oracle.check(changed(stack, lambda f: f.append(live.Frame(via))))
	assert oracle.check(changed(stack, lambda f: f.insert(-1, live.Frame(via)))) is None


@pytest.mark.gil
@pytest.mark.minor((3, 11), (3, 13))
def test_recursion_has_a_known_depth(interp, honest):
	truth, _ = honest(interp)
	stack = made(truth, "recurse", "a_nop")
	assert oracle_check.Oracle(truth).check(stack) is None
	at = max(n for n, f in enumerate(stack.frames) if f.function == "recurse")
	shorter = changed(stack, lambda f: f.pop(at))
	longer = changed(stack, lambda f: f.insert(at, f[at - 1]))
	for broken in (shorter, longer):
		assert oracle_check.Oracle(truth).check(broken) is not None


@pytest.mark.gil
@pytest.mark.minor((3, 11), (3, 13))
def test_marks_excuse_only_what_they_hide(interp, honest):
	truth, _ = honest(interp)
	good = made(truth, "a_outer", "a_inner", "shared", "a_leaf")
	oracle = oracle_check.Oracle(truth)
	cut = changed(good, lambda f: f.__setitem__(slice(0, 4), [live.Frame("[truncated]")]))
	assert oracle.check(cut) is None
	assert oracle.check(changed(cut, lambda f: f.pop(-2))) is not None
	hidden = changed(good, lambda f: f.__setitem__(-2, live.Frame("[unknown code]")))
	assert oracle.check(hidden) is None
	assert oracle.check(changed(hidden, lambda f: f.pop(-3))) is not None
	report = oracle_check.check(truth, [good, cut, live.Stack([live.Frame("[torn]")], 3)])
	assert report["marked"] == 4 and report["markers"]["[torn]"] == 3 and not report["impossible"]


def test_churn_checker():
	def stack(*names):
		return [live.Stack([live.Frame(n) for n in names], 1)]

	def own(name, line, number=7):
		return "%s (/churn/file_%05d.py:%d)" % (name, number, line)
	base = "run_one (/t/churn.py:50)"
	for fine in (stack(base, own("f_00007", 23)), stack(base, own("f_00007", 22)), stack(base)):
		assert churn_check.check(fine, "own")["wrong"] == 0
	for wrong in (stack(base, own("f_00008", 23)), stack(base, own("f_00007", 26)),
		      stack(base, own("f_00007", 19)), stack(base, "f_00007 (/other.py:23)"),
		      stack(base, own("f_00007", 23), own("f_00008", 25, 8))):
		assert churn_check.check(wrong, "own")["wrong"] == 1, wrong
	# number 7: a gap of 3: mark at 1, 4, 5, 6; work at 7, 10
	for fine in (stack(own("work", 10), own("mark_00007", 5)), stack(own("work", 7)), stack(own("<module>", 7))):
		assert churn_check.check(fine, "same")["wrong"] == 0
	for wrong in (stack(own("work", 10, 8), own("mark_00007", 5)), stack(own("work", 9)),
		      stack(own("work", 10, 8), own("mark_00007", 5, 8)), stack(own("mark_00007", 3))):
		assert churn_check.check(wrong, "same")["wrong"] == 1, wrong


def test_parse_folded(tmp_path):
	path = tmp_path / "x.folded"
	path.write_text("thread py thon (12);main (python3);f (a.py:3);A.<locals>.<lambda> (/x y/(z).py:14);"
			"operator new(unsigned long) (libstdc++.so.6);[unknown libx.so+0x1f];do_sys_openat2_[k] 42\n"
			"[truncated];f (a.py:3);[gc] 1\n")
	one, two = live.parse_folded(str(path))
	assert (one.thread, one.tid, one.count) == ("py thon", 12, 42)
	assert [f.kind for f in one.frames] == ["native", "python", "python", "native", "native", "kernel"]
	assert (one.frames[2].file, one.frames[2].line) == ("/x y/(z).py", 14)
	path.write_text(r"semi (a\x3bb\\c.py:2);raw (\xff.py:1);no line (x.py);main (<string>:2) 3" + "\n")
	odd = live.parse_folded(str(path))[0]
	assert [(f.file, f.line) for f in odd.frames] == [("a;b\\c.py", 2), ("\udcff.py", 1), ("x.py", 0), ("<string>", 2)]
	assert two.markers() == ["[truncated]"] and [f.kind for f in two.frames] == ["marker", "python", "gc"]
	for broken in ("f (a.py:3)\n", "f;;g 3\n", "f x\n", "f 3"):
		path.write_text(broken)
		with pytest.raises(AssertionError):
			live.parse_folded(str(path))
