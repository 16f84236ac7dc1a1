# SPDX-License-Identifier: BSD-2-Clause
"""What people see: the line of progress, colours, widths, and the sentence about an idle target.

pitviper runs on a pseudo-terminal of its own; what it wrote is played back by a few lines that know \\r, \\n and
the two sequences that it may send.
"""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time
import unicodedata

import live
import pytest

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ERASE = "\r\x1b[J"
PROGRESS = re.compile(r"\r(  [^\r\n]* samples, [\d,]+/s  [\d,]+ lost)\x1b\[J\r")


def columns(text):
	return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def on_terminal(*args, width=100, env=None, out=None, cwd=None, timeout=60, on_written=None):
	"""Runs pitviper as a session's foreground job on a terminal; returns what it wrote there.

	on_written: is called with the terminal and all that was written so far, whenever there is more.
	"""
	master, slave = pty.openpty()
	fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))

	def adopt():
		os.setsid()
		fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
	base = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "COLORTERM")}
	proc = subprocess.Popen([live.PITVIPER] + [str(a) for a in args], stdin=slave, stdout=out or slave, stderr=slave,
				preexec_fn=adopt, cwd=cwd, env={**base, "TERM": "xterm-256color", **(env or {})})
	os.close(slave)
	written, deadline = b"", time.monotonic() + timeout
	try:
		while True:
			assert time.monotonic() < deadline, written
			try:
				data = os.read(master, 65536)
			except OSError:		# EIO: nobody has the other end any more
				break
			if not data:
				break
			written += data
			if on_written:
				on_written(master, written.decode("utf-8", "replace").replace("\r\n", "\n"))
		assert proc.wait(timeout=10) == 0, written
	finally:
		proc.kill()
		proc.wait()
		os.close(master)
	return written.decode("utf-8").replace("\r\n", "\n")


class Screen:
	"""A terminal that breaks lines anew when it becomes narrower, as most do; of its commands what pitviper uses."""

	def __init__(self, width):
		self.width, self.lines, self.line, self.at = width, [""], 0, 0	# the cursor: a line, and where in it

	def play(self, written):
		for piece in re.findall(r"\x1b\[J|\r|\n|[^\x1b\r\n]+", COLOUR.sub("", written)):
			text = self.lines[self.line]
			if piece == "\n":
				self.line, self.at = self.line + 1, 0
				self.lines[self.line:] = self.lines[self.line:] or [""]
			elif piece == "\r":		# of what is a line on the screen
				self.at -= self.at % self.width
			elif piece == "\x1b[J":
				self.lines[self.line:] = [text[:self.at]]
			else:
				self.lines[self.line] = text[:self.at].ljust(self.at) + piece + text[self.at + len(piece):]
				self.at += len(piece)
		return "\n".join(self.lines)


def screen(written, width=100):
	"""What is left to read at the end."""
	return Screen(width).play(written)


def commands(written):
	"""What a terminal would obey, but for colours and the erasing of a line."""
	rest = COLOUR.sub("", written).replace("\r", "").replace("\x1b[J", "")
	return [c for c in rest if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c != "\n"]


@pytest.fixture
def busy(newest, target):
	return target(newest, "life.py")


# ---- the line of progress

def test_narrower_meanwhile(busy, tmp_path):
	"""The line that was there is broken into two by the terminal: all of it goes."""
	seen = []		# what had been written when the terminal became narrower

	def shrink(terminal, written):
		if not seen and PROGRESS.search(written):
			seen.append(written)
			fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 50, 0, 0))
	written = on_terminal("record", "-d", 2, "-o", tmp_path / "a.folded", "-p", busy.pid, on_written=shrink)
	before, = seen
	assert PROGRESS.search(written[len(before):]), "no line after that"
	terminal = Screen(100)
	assert " 0 lost" in terminal.play(before)
	terminal.width = 50
	left = terminal.play(written[len(before):])
	assert " 0 lost" not in left and left.startswith("\nOn CPU "), left


def test_progress(busy, tmp_path):
	written = on_terminal("record", "-d", 1, "-o", tmp_path / "a.folded", "-p", busy.pid)
	lines = PROGRESS.findall(written)
	assert lines, written
	for line in lines:
		assert re.search(r"\(%d\), CPython 3\.\d+\.\d+, bpf engine, 99 Hz +\d+\.\d / 1 s  [\d,]+ samples, [\d,]+/s  0 lost$" % busy.pid, line), line
		assert columns(line) < 100
	left = screen(written)
	assert " 0 lost" not in left and left.startswith("\nOn CPU "), left
	assert "hottest path" in left and "Wrote " in left


def test_progress_is_cut_to_the_width(busy, tmp_path):
	written = on_terminal("record", "-d", 0.5, "-o", "a.folded", "-p", busy.pid, width=60, cwd=tmp_path)
	lines = PROGRESS.findall(written)
	assert lines and all(columns(line) < 60 and "…" in line for line in lines), lines
	assert all(columns(line) <= 60 for line in screen(written).split("\n")), screen(written)


@pytest.mark.parametrize("quiet", [["-q"], ["-q", "--json"]])
def test_no_progress_when_quiet(busy, tmp_path, quiet):
	written = on_terminal("record", *quiet, "-d", 0.5, "-o", tmp_path / "a.folded", "-p", busy.pid)
	assert "\x1b" not in written and "\r" not in written
	assert bool(written) == ("--json" in quiet)


def test_no_progress_beside_a_program(newest, tmp_path):
	"""The terminal is the program's: it may draw there itself."""
	written = on_terminal("record", "-o", tmp_path / "a.folded", "--", *newest.prefix(), newest.path, "-c",
			      "import time\nprint('said')\nwhile time.thread_time() < 0.5: pass")
	assert not PROGRESS.search(written) and ERASE not in written
	assert "said\n" in written and "On CPU" in screen(written)


def test_progress_with_json_piped(busy, tmp_path):
	"""Standard output is a file: what is on the terminal comes and goes, the file has nothing of it."""
	with open(tmp_path / "out.json", "wb") as out:
		written = on_terminal("record", "--json", "-d", 0.5, "-o", tmp_path / "a.folded", "-p", busy.pid, out=out)
	assert PROGRESS.search(written) and not screen(written).strip()
	data = (tmp_path / "out.json").read_bytes()
	assert b"\x1b" not in data and b"\r" not in data
	assert live.loads(data)["answer"].startswith("On CPU ")


def test_nothing_of_it_when_piped(busy, tmp_path):
	run = live.pitviper("record", "-d", 0.5, "-o", tmp_path / "a.folded", "-p", busy.pid, env={"TERM": "xterm-256color"})
	assert run.status == 0 and run.err == b"", run
	assert b"\x1b" not in run.out and b"\r" not in run.out
	assert re.match(rb"\nOn CPU [^\n]* 1 thread", run.out), run.out


# ---- colours and widths

def test_colours(busy, tmp_path):
	def summary(**env):
		written = on_terminal("record", "-d", 0.5, "-o", tmp_path / "a.folded", "-p", busy.pid, env=env)
		return written[written.index(ERASE) + len(ERASE):] if ERASE in written else written
	assert "\x1b[38;5;33m" in summary()
	assert "\x1b[34m" in summary(TERM="xterm")
	assert "\x1b" not in summary(NO_COLOR="1")
	assert "\x1b" in summary(NO_COLOR="")
	assert "\x1b" not in summary(TERM="dumb")


def test_width_of_what_is_no_terminal(busy, tmp_path):
	def widest(**env):
		run = live.pitviper("record", "-d", 0.5, "-o", tmp_path / "a.folded", "-p", busy.pid, env=env)
		return max(len(line) for line in run.out.decode().split("\n") if re.match(r"  +[<>]?\d+(\.\d)? %", line))
	assert widest(COLUMNS="44") <= 44
	assert widest() <= 100


@pytest.mark.parametrize("command", ["record", "idle", "stack", "doctor"])
def test_names_that_a_terminal_would_obey(newest, target, tmp_path, command):
	victim = target(newest, "rawnames.py", *(["wait"] if command in ("idle", "stack") else []))
	if command in ("record", "idle"):
		written = on_terminal("record", "-v", "-d", 1, "-F", 499, "-p", victim.pid, "-o", tmp_path / "a\x1b[5m.folded", width=200)
	else:
		written = on_terminal(command, victim.pid)
	assert not commands(written), (commands(written), written)
	if command == "record":
		for name in ("\\x1b[31mred", "two\\x0alines", "\\xe2\\x80\\xaeesrever", "\\xc2\\x9bC1"):
			assert name in written, written
		assert PROGRESS.search(written)
	if command == "stack":
		assert "\\xe2\\x80\\xaewait (\\x1b[2J.py:" in written, written
	if command == "idle":
		assert "under \\x1b[2J.py:" in written, written
	# an error that names it
	run = live.pitviper("stack", victim.pid, "nonsense\x1b[5m")
	assert b"\x1b" not in run.err and run.status == 2


# ---- an idle target

# libc's own word where it has one for it; of locks it has several
WAITS = {"sleep": r"clock_nanosleep|select|__select", "epoll": r"epoll_wait", "read": r"read|__read",
	 "lock": r"PyThread_acquire_lock_timed|sem_\w+|futex|do_futex_wait\S*"}


def check_idle(interp, spawn, tmp_path, how):
	"""The answer is where it waits; the outputs are written all the same."""
	victim = spawn(*interp.command(os.path.join(live.TARGETS, "waits.py"), how), ready=False)
	place = "waits.py:" + victim.wait_line(b"READY").split()[1]
	output, recording = tmp_path / "a.folded", tmp_path / "a.pvr"
	run = live.pitviper("record", "-d", 0.3, "-o", output, "-o", recording, "-p", victim.pid)
	assert run.status == 0 and output.exists(), run
	said = run.out.decode().split("\n")[1]
	match = re.fullmatch(r"On CPU (\d+|0\.\d) %% of \d\.\d\d s; waiting in (\S+) under (\S+); "
			     r"try `pitviper stack %d`\." % victim.pid, said)
	assert match, said
	assert match[3] == place and re.fullmatch(WAITS[how], match[2]), said
	# and the recording knows it, too, but not whether the process still runs
	assert live.pitviper("report", recording).out.decode().split("\n")[1] == said.replace(
		"try `pitviper stack %d`" % victim.pid, "while it runs, `pitviper stack %d` shows more" % victim.pid)
	told = live.last_json(live.pitviper("report", "--json", recording).out)["waiting"]
	assert (told["function"], told["place"], told["tid"]) == (match[2], place, victim.pid), told
	return victim, match[2], place


@pytest.mark.parametrize("how", ["sleep", "epoll"])
def test_idle(interp, spawn, tmp_path, how):
	check_idle(interp, spawn, tmp_path, how)


@pytest.mark.parametrize("how", ["lock", "read"])
def test_idle_in_other_ways(newest, spawn, tmp_path, how):
	victim, function, place = check_idle(newest, spawn, tmp_path, how)
	run = live.pitviper("record", "--json", "-d", 0.3, "-o", tmp_path / "a.folded", "-p", victim.pid)
	summary = live.last_json(run.out)
	assert summary["idle"] and summary["answer"].split("; ")[1] == "waiting in %s under %s" % (function, place), summary
	assert summary["waiting"]["function"] == function and summary["waiting"]["place"] == place


def test_idle_family(newest, spawn, tmp_path):
	"""Not the master is asked about, but a worker; which one, and of how many, is said."""
	victim = spawn(*newest.command(os.path.join(live.TARGETS, "waits.py"), "workers"), ready=False)
	line, *workers = victim.wait_line(b"READY").split()[1:]
	recording = tmp_path / "a.pvr"
	run = live.pitviper("record", "-d", 0.3, "--children", "-o", recording, "-p", victim.pid)
	said = run.out.decode().split("\n")[1]
	match = re.fullmatch(r"On CPU (?:\d+|0\.\d) % of \d\.\d\d s; waiting in (?:__)?read under waits\.py:(\d+) "
			     r"in process (\d+), one of 3; try `pitviper stack (\d+)`\.", said)
	assert match and match[1] == line and match[2] == match[3] and match[2] in workers, (said, workers)
	assert live.pitviper("report", recording).out.decode().split("\n")[1] == said.replace(
		"try `pitviper stack %s`" % match[2], "while it runs, `pitviper stack %s` shows more" % match[2])
	told = live.last_json(live.pitviper("report", "--json", recording).out)["waiting"]
	assert told["pid"] == int(match[2]) and told["processes"] == 3, told


def test_idle_and_stopped(newest, spawn, tmp_path):
	victim = spawn(*newest.command(os.path.join(live.TARGETS, "waits.py"), "sleep"))
	# said, but perhaps not asleep yet: in clock_nanosleep() or select()
	syscall = "/proc/%d/syscall" % victim.pid
	assert live.gone(lambda: open(syscall).read().split()[0] in ("230", "23"))
	os.kill(victim.pid, 19)
	run = live.pitviper("record", "-d", 0.5, "-o", tmp_path / "a.folded", "-p", victim.pid)
	assert run.status == 0 and b"; stopped by a signal under waits.py:" in run.out, run
	os.kill(victim.pid, 18)


def test_idle_program_that_ends(newest, tmp_path):
	"""It is gone when one could look where it waits: no place, and no error."""
	run = live.pitviper("record", "-F", 1, "-o", tmp_path / "a.folded", "--", *newest.prefix(), newest.path, "-c", "pass")
	assert run.status == 0 and b"it ended without using CPU time worth a sample" in run.err, run
