# SPDX-License-Identifier: BSD-2-Clause
"""Sampling programs whose possible stacks are known: nothing impossible may be shown as true."""
import json

import churn_check
import live
import oracle_check
import pytest

MARKED = {(3, 11): 0.01, (3, 12): 0.01}		# 0.005 elsewhere
MILLION = ((3, 11), (3, 13))


def collect(pid, hz, wanted, seconds):
	"""Stacks of as many runs as it takes; a slow machine takes more."""
	stacks, summaries = [], []
	for _run in range(12):
		got, summary, _ = live.record("-p", pid, seconds=seconds, hz=hz, threads=True)
		assert summary["samples"] == live.total(got), (summary, live.total(got))
		stacks += got
		summaries.append(summary)
		if live.total(stacks) >= wanted:
			return stacks, summaries
	raise AssertionError("only %d of %d samples in %d runs" % (live.total(stacks), wanted, len(summaries)))


def test_no_impossible_stack(interp, target, full):
	wanted, hz, seconds = 20000, 5000, 5
	if full:
		wanted = 10 ** 6 if interp.version[:2] in MILLION else 2 * 10 ** 5
		hz, seconds = 10000, 30
	victim = target(interp, "oracle.py", truth=True)
	stacks, summaries = collect(victim.pid, hz, wanted, seconds)
	with open(victim.truth) as truth:
		report = oracle_check.check(json.load(truth), stacks, interp.symtab)
	print(json.dumps(report, indent=1))
	assert report["impossible"] == 0, json.dumps(report, indent=1)
	assert report["marked_share"] <= MARKED.get(interp.version[:2], 0.005), report["markers"]
	assert report["paths_seen"] >= 0.85 * report["paths"], "the samples reach too few of the stacks"
	assert report["no_line"] <= 0.01 * report["samples"]
	for summary in summaries:
		assert summary["with_python"] + summary["marked"] >= summary["samples"] * 0.999
	assert victim.alive()


# there are two ways to know a code object again (src/walk/code.h): the versions left out have that of a neighbour
@pytest.mark.few
@pytest.mark.parametrize("variant", ["own", "same"])
def test_churn(interp, target, full, variant, tmp_path):
	"""Modules compiled, run and freed in turn: no frame in a wrong file."""
	count, ms = (10000, 2) if full else (500, 4)
	if full and interp.version[:2] not in MILLION:
		count = 2000
	victim = target(interp, "churn.py", count, variant, ms)
	output = str(tmp_path / "churn.folded")
	proc = live.start_pitviper("record", "-p", victim.pid, "-F", 10000, "--json", "-o", output)
	try:
		live.wait_attached(proc)
		victim.say("go")
		victim.wait_line(b"DONE", timeout=300)
		out, err = proc.communicate(timeout=60)		# ends with its target
	finally:
		proc.kill()
		proc.wait()
	assert proc.returncode == 0, err
	report = churn_check.check(live.parse_folded(output), variant)
	print(report)
	assert report["wrong"] == 0, "\n".join(report["examples"])
	assert report["files"] >= 0.98 * count, report
	assert report["churn_samples"] >= count * ms * 10 * 0.5, report
	summary = live.last_json(out)
	hidden = sum(summary["lost"].get(name, 0) for name in ("name_missing", "code_read"))
	assert hidden <= 0.005 * summary["samples"], summary["lost"]
