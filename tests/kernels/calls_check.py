# SPDX-License-Identifier: BSD-2-Clause
"""Calls in a guest: as many, and inside one execution just those, as the program itself saw.

Input: what tests/live/targets/counted.py or inside.py said, and the JSON of `pitviper latency` on all its
functions, or the one of `pitviper trace`.  Output: status.
"""
import json
import sys


def truth_of(path):
	with open(path) as said:
		return json.loads(next(line for line in said if line.startswith("TRUTH"))[6:])


def check_latency(said, out, rounds):
	truth = truth_of(said)
	with open(out) as file:
		report = json.loads(file.read().splitlines()[-1])
	calls = {one["line"]: one["calls"] for one in report["functions"]}
	assert len(calls) == len(truth) > 40, (len(calls), len(truth))
	wrong = [(line, names, calls[int(line)], rounds * n) for line, (names, n) in truth.items() if calls[int(line)] != rounds * n]
	assert not wrong, (wrong, report["losses"])
	assert not any(dict(report["losses"], swapped_bytes=0).values()), report["losses"]


def check_trace(said, out, rounds):
	truth = truth_of(said)
	with open(out) as file:
		events = json.load(file)["traceEvents"]
	executions = []
	for event in events:
		if event["ph"] != "X":
			continue
		if "execution" in event["args"]:
			executions.append([])
		executions[-1].append(event["name"].rpartition(" (")[0])
	assert len(executions) == rounds, len(executions)
	for names in executions:
		assert names == [call[1] for call in truth], names


{"latency": check_latency, "trace": check_trace}[sys.argv[1]](sys.argv[2], sys.argv[3], int(sys.argv[4]))
