# SPDX-License-Identifier: BSD-2-Clause
"""Burns CPU in one thread, with what argv[1] names imported.  Output: READY; then work until its parent ends."""
import importlib
import os
import sys

PARENT = os.getppid()
for NAME in sys.argv[1:]:
	importlib.import_module(NAME)


def work():
	while os.getppid() == PARENT:
		for _ in range(100000):
			pass


print("READY", flush=True)
work()
