# SPDX-License-Identifier: BSD-2-Clause
"""examples/numpy-leak: the hunt ends at the line that was missing, and with it the service's memory rests.

The example judges itself: the line is its source's own, the memory the kernel's.
"""
import os
import subprocess

import live
import pytest

RUN = os.path.join(live.TOP, "examples", "numpy-leak", "run.py")
PYTHON = "/usr/bin/python3"		# Debian's: the one that has numpy


@pytest.mark.long	# three minutes
def test_hunt():
	if subprocess.run([PYTHON, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode:
		pytest.skip("no numpy")
	run = subprocess.run([PYTHON, RUN, "--pitviper", live.PITVIPER], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
			     timeout=600, universal_newlines=True)
	assert run.returncode == 0, run.stdout[-3000:]
	assert "named, to the line" in run.stdout


CLEAN = """#!/bin/sh
for last; do :; done
echo '{"verdict": {"kind": "clean", "text": ["does not grow."]}}' > "$last"
"""


def test_clean_is_no_answer(tmp_path):
	"""What memory says is what refs is asked: without an answer the hunt has failed."""
	if subprocess.run([PYTHON, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode:
		pytest.skip("no numpy")
	says_clean = tmp_path / "pitviper"
	says_clean.write_text(CLEAN)
	says_clean.chmod(0o755)
	run = subprocess.run([PYTHON, RUN, "--pitviper", says_clean, "--seconds", "1"], stdout=subprocess.PIPE,
			     stderr=subprocess.STDOUT, timeout=120, universal_newlines=True)
	assert run.returncode == 1 and "NOT FOUND" in run.stdout and "says clean" in run.stdout, run.stdout
