# SPDX-License-Identifier: BSD-2-Clause
"""Do the frames of tasks stand above their coroutines, as targets/tasks.py says, and nowhere else?

usage: tasks_check.py record SAID FILE.folded SUMMARY.json
       tasks_check.py stack SAID STACK.json
Input: what the target said, and what pitviper said of it: a recording (asyncio) or `stack --json`
(asleep).  Output: counts; status 1 if a task is missing or wrong.
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import live  # noqa: E402


def labels(stack):
	"""What stands between the event loop and the outermost coroutine, and whether it is in one piece."""
	at = [i for i, f in enumerate(stack.frames) if f.text.startswith("task ") or f.text in ("several tasks", "more tasks")]
	if not at:
		return []
	assert at == list(range(at[0], at[0] + len(at))), stack
	return [stack.frames[i].text[5:] for i in at]


def check(truth, stacks, summary):
	"""Samples by burning function, and of those without a name; a wrong one is an error."""
	seen, wrong, unnamed = {}, {}, 0
	for stack in stacks:
		burning = [f.function.rpartition(".")[2] for f in stack.python() if f.function.rpartition(".")[2].startswith("burn_")]
		if not burning:
			continue
		assert len(burning) == 1
		shown, true = labels(stack), truth[burning[0]]
		if shown == [] and summary["lost"]["task"]:
			unnamed += stack.count
			continue
		if shown != true:
			wrong[burning[0]] = (true, shown, repr(stack))
			continue
		# right above the coroutine: the next Python frame
		after = next(i for i, f in enumerate(stack.frames) if f.text.startswith("task "))
		while stack.frames[after].text.startswith("task "):
			after += 1
		assert stack.frames[after].kind == "python", stack
		seen[burning[0]] = seen.get(burning[0], 0) + stack.count
	assert not wrong, list(wrong.items())[:3]
	return seen, unnamed


def check_record(truth, stacks, summary):
	seen, unnamed = check(truth, stacks, summary)
	assert summary["samples"] > 50
	assert summary["lost"]["task"] <= 0.01 * summary["samples"] and unnamed <= summary["lost"]["task"]
	assert len(seen) >= 0.7 * len(truth), (set(truth) - set(seen), summary)
	return seen


def check_stack(truth, shown):
	"""The thread that rests in a task: its label right above the coroutine, and no other."""
	resting = [t for t in shown["threads"] if any(f["function"] == "rest" for f in t["frames"])]
	assert len(resting) == 1 and not resting[0]["task_unread"], shown
	frames = resting[0]["frames"][::-1]
	at = [i for i, f in enumerate(frames) if f["kind"] == "label"]
	assert [frames[i]["function"] for i in at] == ["task " + name for name in truth["rest"]], frames
	assert at == list(range(at[0], at[0] + len(at))), frames
	assert [f["function"] for f in frames[at[-1] + 1:] if f["kind"] == "python"] == ["sleeper", "rest"], frames


def said(path):
	with open(path, encoding="utf-8") as lines:
		return json.loads(next(line for line in lines if line.startswith("TASKS "))[6:])


def main():
	truth = said(sys.argv[2])
	if sys.argv[1] == "record":
		with open(sys.argv[4], "rb") as summary:
			summary = live.last_json(summary.read())
		seen = check_record(truth, live.parse_folded(sys.argv[3]), summary)
		print("%d samples in %d of %d functions" % (sum(seen.values()), len(seen), len(truth)))
	else:
		with open(sys.argv[3], "rb") as shown:
			check_stack(truth, live.loads(shown.read()))


if __name__ == "__main__":
	main()
