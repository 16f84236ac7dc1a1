# SPDX-License-Identifier: BSD-2-Clause
"""Calls in a guest: as many, and inside one execution just those, as the program itself saw, with the same values.

usage: calls_check.py WHAT DIRECTORY.  Input: what probes_guest left there.  Output: status.
"""
import json
import os
import re
import sys

ROUNDS = 5
# RETURN_CONST (3.12 and 3.13, Python/bytecodes.c) with an EXTENDED_ARG, which cannot be told from an inline cache
UNSEEN = "'behind them'"


def read(name):
	with open(os.path.join(sys.argv[2], name), errors="replace") as file:
		return file.read()


def truth_of(said):
	return json.loads(next(line for line in read(said).splitlines() if line.startswith("TRUTH"))[6:])


def report_of(name):
	return json.loads(read(name).splitlines()[-1])


def events_of(name):
	return [event for event in json.loads(read(name))["traceEvents"] if event["ph"] == "X"]


def executions_of(name):
	"""Of each the depths and names of its calls, and whether an end was guessed."""
	executions, within = [], []
	for event in events_of(name):
		if "execution" in event["args"]:
			executions.append([])
			within = []
		begin = round(event["ts"] * 1000)
		while within and within[-1] <= begin:
			within.pop()
		executions[-1].append((len(within), event["name"].rpartition(" (")[0], event["args"].get("marks", "")))
		within.append(begin + round(event["dur"] * 1000))
	return executions


def check_latency():
	truth, report = truth_of("counted.said"), report_of("latency.out")
	calls = {one["line"]: one["calls"] for one in report["functions"]}
	assert len(calls) == len(truth) > 40, (len(calls), len(truth))
	wrong = [(line, names, calls[int(line)], ROUNDS * n) for line, (names, n) in truth.items() if calls[int(line)] != ROUNDS * n]
	assert not wrong, (wrong, report["losses"])
	assert not any(dict(report["losses"], swapped_bytes=0).values()), report["losses"]


def check_slow():
	report = report_of("slow.out")
	sleeps, falls = report["functions"]
	# an emulated machine is no clock: some more may be slow
	assert sleeps["over"] >= 12 and falls["over"] >= 6, report
	for function, ways in ((sleeps, {"first_way", "<lambda>", "do_ways"}), (falls, {"falls", "do_fall"})):
		assert sum(stack["calls"] for stack in function["stacks"]) == function["over"]
		for stack in function["stacks"]:
			names = [frame["function"].split(".")[-1] for frame in stack["frames"] if frame["kind"] == "python"]
			assert names[0] == function["function"].split(".")[-1] and names[1] in ways, names
			assert stack["frames"][-1]["kind"] == "native", stack["frames"][-1]
	assert not report["losses"]["stacks_skipped"] and not report["losses"]["stacks_lost"], report["losses"]


def check_trace():
	truth, executions = truth_of("inside.said"), executions_of("trace.json")
	assert len(executions) == ROUNDS, len(executions)
	for calls in executions:
		assert [name for _, name, _ in calls] == [call[1] for call in truth], calls


def check_args():
	said = [line for line in read("arguments.said").split("END")[0].splitlines() if line.split(" ")[0] in ("enter", "leave", "raise")]
	entered = [tuple(line.split(" ", 2)[1:]) for line in said if line.startswith("enter")]
	ends = {line.split(" ", 2)[1]: line for line in said if not line.startswith("enter")}
	calls = [(event["name"].partition(" ")[0], event["args"]) for event in events_of("args.json") if re.match(r"f\d+ ", event["name"])]
	assert len(entered) > 100
	assert [(name, args.get("arguments", "")) for name, args in calls] == entered
	for name, args in calls:
		seen = "raise " + name if "raised" in args.get("marks", "") else "leave %s %s" % (name, args.get("result"))
		assert seen == ends[name].rstrip() or ("result" not in args and ends[name].endswith(UNSEEN)), (seen, ends[name])


def check_if():
	wanted = [n for n in range(100) if n >= 95 or ("/srv/%d" % n == "/srv/7" and n > 1.5)]
	calls = [event["args"]["arguments"] for event in events_of("if.json") if event["name"].startswith("wanted ")]
	assert calls == ["n=%d, path='/srv/%d'" % (n, n) for n in wanted], calls


def check_within(name, begin, end):
	truth = truth_of("within.said")[begin:end]
	truth = [[depth - truth[0][0], function] for depth, function in truth]
	executions = executions_of(name)
	assert len(executions) == 3 + ROUNDS, len(executions)
	for calls in executions[-ROUNDS:]:
		assert [[depth, function.rpartition(".")[2]] for depth, function, _ in calls] == truth, calls
		assert not any("guessed" in marks or "cut" in marks for _, _, marks in calls), calls


def check_refs():
	report = report_of("refs.out")
	assert report["last"] - report["first"] == report["sum"] == 20, (report["first"], report["last"], report["sum"])


def check_memory():
	verdict = report_of("memory.out")["verdict"]
	assert verdict["kind"] == "growing", verdict
	assert "leaks" in verdict["site"]["where"] and "growing.py" in verdict["site"]["where"], verdict


CHECKS = {
	"latency": check_latency, "slow": check_slow, "trace": check_trace, "args": check_args, "if": check_if,
	"refs": check_refs, "memory": check_memory,
	"native": lambda: check_within("native.json", 0, None), "native_trigger": lambda: check_within("native_trigger.json", 5, 13),
}
CHECKS[sys.argv[1]]()
