# SPDX-License-Identifier: BSD-2-Clause
"""Starts a program of the catalogue under any interpreter at hand, in a root, too, and talks to it.

Input: a case, its variant, rate and seed, a live.Interp.  Output: a Victim that answers with its own truth.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "live"))
sys.path.insert(0, HERE)
import build  # noqa: E402
import catalogue  # noqa: E402
import live  # noqa: E402

VERSIONS = [(3, 8), (3, 11), (3, 13), (3, 14)]
_staged = {}
_lock = threading.Lock()


def interpreters():
	"""Those of the table: 3.8, 3.11, 3.13, Debian's stripped 3.11, 3.14."""
	return [i for i in live.find_interpreters() if i.version[:2] in VERSIONS and not i.free_threaded and
		not (i.root and i.version[:2] == (3, 13))]


def stage(interp):
	"""The catalogue's directory, and one for work, as the interpreter sees them."""
	with _lock:
		if interp.name not in _staged:
			base = tempfile.mkdtemp(prefix="pv-leaks-", dir=(interp.root or "") + "/tmp")
			os.chmod(base, 0o755)
			if interp.root:
				shutil.copytree(HERE, base + "/leaks", ignore=shutil.ignore_patterns("__pycache__", "native"))
			_staged[interp.name] = base
	base = _staged[interp.name]
	inside = base[len(interp.root or ""):]
	return (inside + "/leaks" if interp.root else HERE), base, inside


def unstage():
	for base in _staged.values():
		shutil.rmtree(base, ignore_errors=True)
	_staged.clear()


def certificate(base):
	"""A key and a self-signed certificate, made once in a directory of work."""
	with _lock:
		if os.path.exists(base + "/cert.pem"):
			return
		subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
				"-keyout", base + "/key.pem", "-out", base + "/cert.pem"], check=True, stderr=subprocess.DEVNULL)


class Victim(live.Target):
	"""A program that has warmed up."""

	def __init__(self, interp, case, variant, rate=10, seed=1, shared=False, optimise="-O2"):
		program, base, inside = stage(interp)
		extensions = build.build(interp, case.name, variant == "leaking", optimise)
		if extensions and interp.root:
			copy = "%s/%s%s" % (base, os.path.basename(extensions), optimise)
			os.makedirs(copy, exist_ok=True)
			if not os.path.exists("%s/%s.so" % (copy, case.name)):
				made = "%s/%s.%d" % (copy, case.name, threading.get_ident())	# others may run what is there
				shutil.copy2(os.path.join(extensions, case.name + ".so"), made)
				os.rename(made, "%s/%s.so" % (copy, case.name))
			extensions = copy[len(interp.root):]
		if case.name == "ssl_session":
			certificate(base)
		command = interp.prefix() + [interp.path, program + "/program.py", case.name, variant, "--rate", str(rate),
					     "--seed", str(seed), "--work", inside]
		command += ["--extensions", extensions] if extensions else []
		command += ["--shared"] if shared else []
		command += ["--forked"] if case.forked else []
		super().__init__(command, ready=False, env={"PYTHONDONTWRITEBYTECODE": "1"})
		self.start = self.answer(b"READY")
		assert not self.start["errors"], self.start["errors"]
		# in a root the number is the same: it has no PID namespace of its own
		self.served_by = self.start["pid"]

	def answer(self, word, timeout=120):
		return json.loads(self.wait_line(word, timeout).partition(" ")[2])

	def run(self, requests):
		"""Serves so many and rests; what was lost, and what the process sees of itself."""
		self.say("run %d" % requests)
		return self.answer(b"DONE")

	def go(self, rate=0):
		self.say("go %g" % rate)
		return self.answer(b"GOING")

	def rest(self):
		self.say("rest")
		return self.answer(b"DONE")

	def truth(self):
		self.say("truth")
		return self.answer(b"TRUTH")


def measured(seen, name):
	"""One measure of what a process sees of itself: a name of program.py's seen(), or of a type."""
	return seen[name] if name in seen else seen["types"].get(name, 0)
