# SPDX-License-Identifier: BSD-2-Clause
"""Children in a guest: each that spoke has its own frame, its function and its share.

Input: what tests/live/targets/kin.py said, the folded stacks of it.  Output: status.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
import live  # noqa: E402

FUNCTIONS = {"fork": "in_fork", "chain": "last_of_chain", "daemon": "in_daemon"}


def main():
	stacks = live.parse_folded(sys.argv[2])
	seen = []
	with open(sys.argv[1], errors="replace") as said:
		for line in said:
			words = line.split()
			if len(words) != 4 or words[0] != "child" or words[1] not in FUNCTIONS:
				continue
			how, pid, seconds = words[1], int(words[2]), float(words[3])
			mine = [s for s in stacks if s.pid == pid]
			inside = live.total([s for s in mine if any(f.function == FUNCTIONS[how] for f in s.python())])
			# an emulated machine is no clock: some hundred samples, and most of them in the function
			assert inside > 20 * seconds and inside > 0.3 * live.total(mine), (line, inside, live.total(mine))
			seen.append(how)
	assert sorted(seen) == ["chain", "daemon", "fork", "fork"], seen


main()
