# SPDX-License-Identifier: BSD-2-Clause
"""CPU time of a Python call: "go N" calls quick() N times and says the ns of each, loop included."""
import sys
import time

# 3.6 has no other clock of its own
clock = time.process_time


def quick():
    return 1


def other():
    return 2


def run(n):
    for _ in range(n):
        quick()


run(1000)
print("READY")
sys.stdout.flush()
for line in sys.stdin:
    n = int(line.split()[1])
    start = clock()
    run(n)
    print("TOOK %.1f" % ((clock() - start) * 1e9 / n))
    sys.stdout.flush()
