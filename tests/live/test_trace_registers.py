# SPDX-License-Identifier: BSD-2-Clause
"""Letters behind a native function: what its registers hold and what it returns, against what the program says."""
import json
import os

import live
import pytest

from test_trace_waits import until, waits


@pytest.fixture(scope="module")
def program(tmp_path_factory):
	return live.compile_c(os.path.join(live.TARGETS, "registers.c"), str(tmp_path_factory.mktemp("c") / "registers"), "-O2")


@pytest.fixture
def victim(program, spawn):
	return spawn(program)


def start(victim, *args):
	proc = live.start_pitviper("trace", "--arm-now", "--json", "--format", "chrome", "-o", "-", "-p", victim.pid,
				   "--budget", 100, *args)
	until(proc, lambda: waits(proc.pid))
	return proc


def finish(proc):
	out, err = proc.communicate(timeout=60)
	assert proc.returncode == 0, err
	calls = [(e["name"].split(" (")[0], e["args"]) for e in json.loads(out)["traceEvents"] if e["ph"] == "X"]
	return calls, live.last_json(err)


def tell(victim, n):
	"""What it called told() with, and what came back."""
	victim.say(str(n))
	lines = []
	while True:
		words = victim.wait_line(b"").split()
		if words[0] == "DONE":
			return lines
		lines.append(words[1:])


def tell_first(proc, victim):
	"""Once: where the functions return to is not known yet, and is probed then."""
	before = live.bpf_links(proc.pid).count("uprobe_multi")
	tell(victim, 1)
	until(proc, lambda: live.bpf_links(proc.pid).count("uprobe_multi") > before)


def test_each_letter(victim):
	proc = start(victim, "-n", 40, "--native", "text_of(u:s)", "--native", "registers:inner", "told(dszpcb:d)")
	tell_first(proc, victim)
	truth = tell(victim, 39)
	calls, end = finish(proc)
	told = [args for name, args in calls if name == "told"]
	assert len(told) == 40 and end["losses"]["partial_executions"] <= 1
	for (n, size, at, c, yes, result), args in zip(truth, told[1:], strict=True):
		kinds = args["arguments"].split(", ")
		assert [kinds[0], *kinds[2:]] == ["arg1=" + n, "arg3=" + size, "arg4=" + at, "arg5='%s'" % c,
						  "arg6=" + ("true" if yes == "1" else "false")]
		assert args["result"] == result
	texts = [args["arguments"].split(", ")[1] for args in told[1:5]]
	assert texts[0] == 'arg2="first"' and texts[2] == "arg2=NULL", texts
	assert texts[1] == r'arg2="sécond\n"' and texts[3].startswith('arg2="' + 60 * "x"), texts


def test_hexadecimal_and_what_is_left_out(victim):
	proc = start(victim, "-n", 2, "--native", "registers:inner", "told(-px:x)")
	tell_first(proc, victim)
	tell(victim, 1)
	calls, _ = finish(proc)
	told = [args for name, args in calls if name == "told"]
	assert told[1]["arguments"].startswith("arg2=0x") and told[1]["arguments"].endswith("arg3=0x1"), told
	assert "arg1" not in told[1]["arguments"] and told[1]["result"].startswith("0x")
	# those without letters have none
	assert not any("arguments" in args for name, args in calls if name == "inner")


@pytest.mark.parametrize("condition,word,holds", [
	("arg1 > 4 && arg3 >= 64", "told", lambda n, size: n > 4 and size >= 64),
	("arg1 < 0 and arg2 == 'xxxx'", "told(ds)", lambda n, size: False),
	("arg1 < -20", "told(d)", lambda n, size: n < -20),
])
def test_conditions(victim, condition, word, holds):
	# a register holds an int in its lower half
	proc = start(victim, "-n", 1000, "-d", 5, "--native", "registers:inner", "--if", condition, word)
	truth = tell(victim, 40)
	calls, end = finish(proc)
	wanted = [words for words in truth if holds(int(words[0]), int(words[1]))]
	if word == "told":	# as long, the upper half is whatever it is: here of a sign that was extended, or 0
		perhaps = [words for words in truth if int(words[0]) < 0 and int(words[1]) >= 64]
		assert wanted and len(wanted) <= end["executions"]["kept"] <= len(wanted) + len(perhaps), end
	else:
		assert end["executions"]["kept"] == len(wanted)
	assert end["executions"]["unmet"] + end["executions"]["kept"] + end["executions"]["undecided"] == 40


def test_refusals(victim):
	def refused(*args):
		run = live.pitviper("trace", "-p", victim.pid, *args)
		assert run.status == 2 and not run.out, run
		return run.text()

	assert "letters behind its name" in refused("--args", "told")
	assert "registers that a probe does not see" in refused("told(f)")
	assert "only the first 6" in refused("told(ddddddd)")
	assert "it has not so many arguments" in refused("--if", "arg3 > 1", "told(dd)")
