# SPDX-License-Identifier: BSD-2-Clause
"""For interpreters whose _Py_DebugOffsets are wrong.  Output: READY; then it is busy in busy(), called by main()."""


def busy():
	"""Until the end of time."""
	total = 0
	for n in range(10 ** 5):
		total += n * n
	return total


def main():
	while True:
		busy()


print("READY", flush=True)
main()
