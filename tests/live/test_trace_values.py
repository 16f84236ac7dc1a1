# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper trace --args` and `--if`: arguments and results are those that the program says of itself."""
import json
import re

import pytest

from test_arguments import may_be_unseen
from test_trace import SUPPORTED, start

FUNCTIONS = "made.py"


def run(victim, *args, order="go"):
	"""The calls in the order of their beginnings: (name, arguments, result or None, did it raise); the summary."""
	proc = start("-p", victim.pid, "--budget", 100, *args)
	try:
		victim.say(order)
		said = [victim.wait_line(b"")]
		while said[-1] != "END":
			said.append(victim.wait_line(b""))
		out, err = finish_quietly(proc)
	finally:
		proc.kill()
		proc.wait()
	calls = []
	for event in json.loads(out)["traceEvents"]:
		if event["ph"] == "X" and re.match(r"(f\d+|wanted) ", event["name"]):
			args = event["args"]
			calls.append((re.match(r"\S+", event["name"])[0], args.get("arguments", ""), args.get("result"),
				      "raised" in args.get("marks", "")))
	return said[:-1], calls, json.loads(err.splitlines()[-1])


def finish_quietly(proc):
	proc.send_signal(2)
	out, err = proc.communicate(timeout=60)
	assert proc.returncode == 0, err
	return out, err


@pytest.mark.minor(*SUPPORTED)
def test_args(interp, target):
	victim = target(interp, "arguments.py")
	said, calls, _ = run(victim, "--args", "--only", FUNCTIONS, "-n", 1, "f0")
	entered = [line.split(" ", 2)[1:] for line in said if line.startswith("enter")]
	ends = {line.split(" ", 2)[1]: line for line in said if not line.startswith("enter")}
	assert [[name, arguments] for name, arguments, _, _ in calls] == entered
	unseen = 0
	for name, _, result, raised in calls:
		true = ends[name]
		if result is None and not raised and may_be_unseen(interp, true):
			unseen += 1
			continue
		assert raised == true.startswith("raise"), true
		assert raised or "leave %s %s" % (name, result) == true
	assert unseen <= 1
	# without --args there are none
	_, calls, _ = run(victim, "--only", FUNCTIONS, "-n", 1, "f0")
	assert len(calls) == len(entered)
	assert not any(arguments or result for _, arguments, result, _ in calls)


# The condition, as Python writes it, what is known of it where n is an object of another type and path "none".
CONDITIONS = [
	("n >= 95 or path == '/srv/7'", "n >= 95 or path == '/srv/7'", None),
	("n > 10 && n < 20 && !(path.startswith('/srv/1'))", "10 < n < 20 and not path.startswith('/srv/1')", None),
	("arg1 == 3.0", "n == 3.0", None),
	("path != 'none' and !(n != 5 && n > 2)", "path != 'none' and not (n != 5 and n > 2)", False),
]


@pytest.mark.minor(*SUPPORTED)
@pytest.mark.few
@pytest.mark.parametrize("condition,python,of_object", CONDITIONS)
def test_if(interp, target, condition, python, of_object):
	victim = target(interp, "arguments.py")
	_, calls, summary = run(victim, "--args", "--if", condition, "-n", 1000, "wanted", order="wanted 100")
	truths = [eval(python, {"n": n, "path": "/srv/%d" % n}) for n in range(100)]
	assert [call[1] for call in calls] == ["n=%d, path='/srv/%d'" % (n, n) for n in range(100) if truths[n]]
	truths += [of_object] * 10
	executions = summary["executions"]
	assert executions["seen"] == 110
	assert executions["unmet"] == truths.count(False)
	assert executions["undecided"] == truths.count(None)


@pytest.mark.minor(*SUPPORTED)
@pytest.mark.few
def test_bad_conditions(interp, target):
	import live
	victim = target(interp, "arguments.py")
	for condition, says in (("m > 3", "column 1: the function has no such argument"), ("n >", "column 4: it ends too early"),
				("n < 'a'", "column 3: texts can only be compared")):
		result = live.pitviper("trace", "-p", victim.pid, "--if", condition, "wanted")
		assert result.status == 2 and says in result.text() and result.text().count("\n") == 1, result
