# SPDX-License-Identifier: BSD-2-Clause
"""Does every frame of targets/churn.py say what its file says?

usage: churn_check.py own|same FILE.folded
Input: folded stacks and the variant.  Output: counts and examples of frames in a wrong file, of
wrong function and line combinations, and of wrong pairs of frames.
"""
import collections
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import live  # noqa: E402

FILE = re.compile(r"(?:^|/churn/)file_(\d{5})\.py$")
NUMBERED = re.compile(r"(?:f|mark)_(\d{5})(?:\.|$)")


def wrong_frame(frame, number, variant):
	name = frame.function
	numbered = NUMBERED.match(name)
	if numbered and int(numbered[1]) != number:
		return "the name belongs to another file"
	if frame.line <= 0:
		return None
	if variant == "own":
		first = 1 + 3 * (number % 1000)
		if name == "<module>":
			# the module's code begins at line 0 or 1 and ends at its def
			return None if frame.line in (1, first) else "not a line of this module"
		if not (numbered or name == "<listcomp>"):
			return "no such function"
		return None if first <= frame.line <= first + 2 else "not a line of this function"
	gap = 1 + number % 5
	mark = [1, 1 + gap, 2 + gap, 3 + gap]
	work = [mark[-1] + 1, mark[-1] + 1 + gap]
	lines = {"work": work, "<module>": [1, work[0]]}.get(name, mark if numbered else None)
	if lines is None:
		return "no such function"
	return None if frame.line in lines else "not a line of this function"


def check(stacks, variant):
	report = {"samples": 0, "churn_samples": 0, "frames": 0, "wrong": 0, "marked": 0, "files": set(),
		  "markers": collections.Counter(), "examples": []}
	for stack in stacks:
		report["samples"] += stack.count
		report["marked"] += stack.count if stack.markers() else 0
		for marker in set(stack.markers()):
			report["markers"][marker] += stack.count
		numbers, why = set(), None
		for frame in stack.python():
			match = FILE.search(frame.file)
			if not match:
				if NUMBERED.match(frame.function) or frame.function == "work":
					why = "churn code in another file: %s" % frame
				continue
			report["frames"] += stack.count
			numbers.add(int(match[1]))
			wrong = wrong_frame(frame, int(match[1]), variant)
			why = why or (wrong and "%s: %s" % (frame, wrong))
		if len(numbers) > 1:
			why = why or "frames of several modules in one stack"
		report["files"] |= numbers
		report["churn_samples"] += stack.count if numbers else 0
		if why:
			report["wrong"] += stack.count
			if len(report["examples"]) < 12:
				report["examples"].append("%s: %r" % (why, stack))
	report["files"] = len(report["files"])
	return report


def main():
	report = check(live.parse_folded(sys.argv[2]), sys.argv[1])
	print(json.dumps(report, indent=1))
	sys.exit(1 if report["wrong"] or not report["churn_samples"] else 0)


if __name__ == "__main__":
	main()
