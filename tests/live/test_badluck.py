# SPDX-License-Identifier: BSD-2-Clause
"""What goes wrong around a capture: exit status, one sentence, nothing left behind, the target unharmed."""
import os
import re
import signal
import stat
import subprocess
import time

import live
import pytest

NOBODY = 65534
NEVER = "/tmp/pv-live-never-%d.folded" % os.getpid()
COMMANDS = {"record": ("-d", "1", "-o", NEVER, "-p"), "stack": ()}


def sentence(run, *words):
	"""One sentence on standard error that names these; no table, no trace of a crash."""
	text = run.text()
	lines = [line for line in text.strip().split("\n") if line]
	assert len(lines) == 1, run
	for word in words:
		assert re.search(word, text, re.I), (word, run)
	assert "(null)" not in text and "Sanitizer" not in text
	return text


def ask(command, pid, **kw):
	return live.pitviper(command, *COMMANDS[command], pid, **kw)


@pytest.fixture
def busy(newest, target):
	return target(newest, "life.py")


# ---- who cannot be read

@pytest.mark.parametrize("command", COMMANDS)
def test_absent(command):
	with open("/proc/sys/kernel/pid_max") as limit:
		absent = int(limit.read()) - 1
	assert not os.path.exists("/proc/%d" % absent)
	run = ask(command, absent)
	assert run.status == 4, run
	sentence(run, str(absent))
	assert not os.path.exists(NEVER)


@pytest.mark.parametrize("command", COMMANDS)
def test_kernel_thread(command):
	with open("/proc/2/comm") as comm:
		assert comm.read().strip() == "kthreadd"
	run = ask(command, 2)
	assert run.status == 4, run
	sentence(run, "kernel thread")


@pytest.mark.parametrize("command", COMMANDS)
def test_zombie(command):
	child = subprocess.Popen(["/bin/true"])
	assert live.gone(lambda: open("/proc/%d/stat" % child.pid).read().rpartition(")")[2].split()[0] == "Z")
	run = ask(command, child.pid)
	child.wait()
	assert run.status == 4, run
	sentence(run, "zombie|exited|ended|dead", str(child.pid))


def as_nobody(capabilities, *args):
	"""Runs a copy of pitviper as another user with these capabilities."""
	os.chmod(os.path.dirname(live.PITVIPER), 0o755)
	copy = "/tmp/pv-live-nobody-%d" % os.getpid()
	subprocess.run(["install", "-m", "755", live.PITVIPER, copy], check=True)
	try:
		start = time.monotonic()
		proc = subprocess.run(
			["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups",
			 "--inh-caps=" + capabilities, "--ambient-caps=" + capabilities, copy, *map(str, args)],
			stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
		return live.Run(proc.returncode, proc.stdout, proc.stderr, time.monotonic() - start)
	finally:
		os.unlink(copy)


@pytest.mark.parametrize("has, lacks", [
	(["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "CAP_SYSLOG"], []),
	(["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"], ["CAP_SYSLOG"]),
	(["CAP_PERFMON"], ["CAP_BPF", "CAP_SYS_PTRACE", "CAP_SYSLOG"]),
	([], ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "CAP_SYSLOG"])])
def test_doctor_tells_capabilities(has, lacks):
	run = as_nobody(",".join("+" + name[4:].lower() for name in has) or "-all", "doctor", "--json")
	user, = (fact for fact in live.last_json(run.out)["facts"] if fact["name"] == "user")
	assert user["value"] == "not root" + (", but has " + ", ".join(has) if has else ""), user
	assert user["hint"].endswith(", ".join(lacks)) and bool(user["hint"]) == bool(lacks), user
	assert user["state"] == ("info" if lacks else "ok"), user
	assert run.status == (0 if {"CAP_BPF", "CAP_PERFMON"} <= set(has) else 1), run


def as_poor_root(lacks, *args):
	"""Runs pitviper as a root that was left without these, as in a container."""
	some = "-sys_admin" + "".join(",-" + name[4:].lower() for name in lacks)
	return live.pitviper(*args, prefix=("setpriv", "--inh-caps=" + some, "--bounding-set=" + some))


@pytest.mark.parametrize("lacks", [["CAP_BPF", "CAP_PERFMON"], ["CAP_PERFMON"], ["CAP_BPF"], ["CAP_SYSLOG"], []])
def test_root_that_lacks_capabilities(lacks, busy):
	"""What is missing is named, not root, who it is; in doctor, too."""
	needed = [name for name in lacks if name != "CAP_SYSLOG"]
	for command in COMMANDS:
		run = as_poor_root(lacks, command, *COMMANDS[command], busy.pid)
		assert run.status == (3 if needed else 0), run
		if needed:
			assert "this root lacks %s, as in a container" % " and ".join(needed) in sentence(run), run
	run = as_poor_root(lacks, "doctor", "--json")
	assert run.status == (1 if needed else 0), run
	facts = {fact["name"]: fact for fact in live.last_json(run.out)["facts"]}
	assert facts["user"]["value"] == "root" + ", but lacks " * bool(lacks) + ", ".join(lacks), facts["user"]
	assert facts["user"]["state"] == ("missing" if needed else "info" if lacks else "ok"), facts["user"]
	assert ("--cap-add" in facts["user"]["hint"]) == bool(lacks), facts["user"]
	assert facts["BPF ring buffer"]["state"] == ("unknown" if needed else "ok"), facts["BPF ring buffer"]
	assert "root" not in facts["BPF ring buffer"]["hint"], facts["BPF ring buffer"]


@pytest.mark.parametrize("command", COMMANDS)
def test_not_permitted(command, busy, tmp_path):
	"""Another user without privilege."""
	run = as_nobody("-all", command, *COMMANDS[command], busy.pid)
	assert run.status == 3, run
	sentence(run, "CAP_|root|sudo|privilege")
	assert busy.alive()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("pid", ["0", "-1", "99999999999999999999", "1x", ""])
def test_no_pid_at_all(command, pid):
	run = ask(command, pid)
	assert run.status in (2, 4), run
	assert run.text().strip()


@pytest.mark.parametrize("args", [
	("record",), ("record", "-F", "0", "-p", "1"), ("record", "-F", "x", "-p", "1"), ("record", "--nonsense"),
	("record", "-d", "-1", "-p", "1"), ("nosuchcommand",), ("stack",), ("record", "-p"), ("record", "--"),
	("record", "-o", "x.nosuchformat", "-p", "1"), ("record", "-F", "1000000000", "-p", "1")])
def test_wrong_usage(args, tmp_path):
	run = live.pitviper(*args, cwd=str(tmp_path), timeout=20)
	assert run.status == 2, run
	assert run.text().strip() and not os.listdir(tmp_path)


def test_help_and_version():
	for args in (("--help",), ("record", "--help"), ("stack", "--help"), ("doctor", "--help")):
		run = live.pitviper(*args)
		assert run.status == 0 and b"pitviper" in run.out and not run.err, run
	assert re.match(rb"pitviper \d+\.\d+", live.pitviper("--version").out)


# ---- programs that do not start

@pytest.mark.parametrize("program,words", [
	("/nonexistent/program", "nonexistent"), ("no-such-program-in-path", "no-such-program"), ("/etc/passwd", "passwd"),
	("/tmp", "/tmp")])
def test_program_does_not_start(program, words, tmp_path):
	run = live.pitviper("record", "-o", str(tmp_path / "x.folded"), "--", program, "arg")
	assert run.status == 1, run
	sentence(run, words)
	assert not os.listdir(tmp_path)


def test_program_is_not_a_program(tmp_path):
	bad = tmp_path / "bad"
	bad.write_bytes(b"\x7fELF" + b"\xff" * 200)
	bad.chmod(0o755)
	run = live.pitviper("record", "-o", str(tmp_path / "x.folded"), "--", str(bad))
	# execvp hands a file that the kernel refuses to the shell, whose status this then is
	assert run.status in (1, 126, 127, 2), run


# ---- outputs

@pytest.mark.parametrize("where", ["/nonexistent-directory/x.folded", "/proc/x.folded", "/tmp", "/dev/null/x.folded"])
def test_unwritable_output(busy, where):
	"""Found before the capture, not after it."""
	run = live.pitviper("record", "-d", 30, "-o", where, "--format", "folded", "-p", busy.pid)
	assert run.status in (1, 2), run
	assert run.seconds < 5, "it captured first"
	sentence(run, re.escape(where))


def test_one_of_two_outputs_unwritable(busy, tmp_path):
	run = live.pitviper("record", "-d", 30, "-o", str(tmp_path / "a.folded"), "-o", "/nonexistent/b.folded", "-p", busy.pid)
	assert run.status == 1 and run.seconds < 5, run
	assert not os.listdir(tmp_path), "a half-made output was left"


@pytest.fixture
def tiny_disk(tmp_path):
	mount = tmp_path / "tiny"
	mount.mkdir()
	subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=8", "none", str(mount)], check=True)
	yield str(mount)
	subprocess.run(["umount", str(mount)], check=True)


def test_full_disk(newest, target, tiny_disk, tmp_path):
	"""A sentence and status 1; neither a part of an output nor a temporary file stays there.

	But the capture does, elsewhere; it is said where, and how much room the output wants.
	"""
	victim = target(newest, "oracle.py", truth=True)
	old = os.path.join(tiny_disk, "x.folded")
	with open(old, "w") as out:
		out.write("what was here before\n")
	elsewhere, output = tmp_path / "elsewhere", tmp_path / "x.folded"
	elsewhere.mkdir()
	run = live.pitviper("record", "--json", "-d", 2, "-F", 999, "-o", old, "-p", victim.pid, env={
		"TMPDIR": str(elsewhere), "SUDO_UID": "12345", "SUDO_GID": "12346"})
	assert run.status == 1, run
	text = sentence(run, "space", re.escape(old))
	kept, = elsewhere.iterdir()
	assert "the capture is kept in %s:" % kept in text and kept.suffix == ".pvr", text
	info = kept.stat()
	assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) == (0o600, 12345, 12346)
	again = live.pitviper("report", "-q", kept, "-o", output)
	assert again.status == 0 and live.total(live.parse_folded(str(output))) == live.last_json(run.out)["samples"], again
	takes, room = map(int, re.search(r"\(it takes (\d+) kB, and there is room for (\d+) kB\)", text).groups())
	assert takes == -(-output.stat().st_size // 1000) and room < 4, text
	assert os.listdir(tiny_disk) == ["x.folded"]
	with open(old) as text:
		assert text.read() == "what was here before\n"


def test_output_to_full_device(busy):
	run = live.pitviper("record", "-d", 1, "--format", "folded", "-o", "-", "-p", busy.pid, prefix=(
		"sh", "-c", 'exec "$@" >/dev/full', "sh"))
	assert run.status == 1, run


def test_output_is_private(busy, tmp_path):
	"""0600 whatever the umask says; under sudo it belongs to who invoked sudo."""
	output = tmp_path / "x.folded"
	for env, owner in (({}, 0), ({"SUDO_UID": "12345", "SUDO_GID": "12346"}, 12345)):
		run = live.pitviper("record", "-d", 0.5, "-o", output, "-p", busy.pid, env=env, prefix=(
			"sh", "-c", 'umask 0; exec "$@"', "sh"))
		assert run.status == 0, run
		info = output.stat()
		assert stat.S_IMODE(info.st_mode) == 0o600
		assert (info.st_uid, info.st_gid) == ((12345, 12346) if owner else (0, 0))
		assert os.listdir(tmp_path) == ["x.folded"]
		output.unlink()


def test_output_is_whole_or_not_there(busy, tmp_path):
	"""While it captures, the old output is untouched, and the new one has no name of its own yet."""
	output = tmp_path / "x.folded"
	output.write_text("old\n")
	proc = live.start_pitviper("record", "-o", output, "-p", busy.pid)
	live.wait_attached(proc)
	assert output.read_text() == "old\n"
	busy.say("burn 0.3")
	busy.wait_line(b"burnt")
	assert live.interrupt(proc).status == 0
	assert live.parse_folded(str(output))


def test_output_to_stdout(busy, tmp_path):
	run = live.pitviper("record", "-d", 0.5, "-F", 999, "--format", "folded", "-o", "-", "-q", "-p", busy.pid)
	assert run.status == 0, run
	(tmp_path / "x").write_bytes(run.out)
	assert live.parse_folded(str(tmp_path / "x"))


# ---- stopped in the midst

@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_signal(busy, tmp_path, how):
	output = str(tmp_path / "x.folded")
	proc = live.start_pitviper("record", "-F", 499, "--json", "-o", output, "-p", busy.pid)
	live.wait_attached(proc)
	held = live.bpf_held(proc.pid)
	busy.say("burn 0.3")
	busy.wait_line(b"burnt")
	run = live.interrupt(proc, how)
	assert run.status == 0 and run.seconds < 10, run
	stacks = live.parse_folded(output)
	assert live.last_json(run.out)["samples"] == live.total(stacks) > 20
	assert held and live.gone(lambda: not live.bpf_left(held))
	assert busy.alive()


def test_second_interrupt_quits(busy, tmp_path):
	proc = live.start_pitviper("record", "-o", str(tmp_path / "x.folded"), "-p", busy.pid)
	live.wait_attached(proc)
	proc.send_signal(signal.SIGINT)
	proc.send_signal(signal.SIGINT)
	proc.communicate(timeout=10)
	assert not [name for name in os.listdir(tmp_path) if name != "x.folded"]


def signals(pid, field):
	"""A set of signals of a process's first thread, or of all of it."""
	with open("/proc/%d/status" % pid) as status:
		mask = int(next(line for line in status if line.startswith(field)).split()[1], 16)
	return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def test_second_interrupt_quits_while_it_attaches(busy, tmp_path):
	"""The attach has no end here: the target's maps come from a pipe that nobody writes to."""
	pipe = str(tmp_path / "maps")
	os.mkfifo(pipe)
	proc = subprocess.Popen(["unshare", "-m", "sh", "-c", 'mount --bind "$0" /proc/%d/maps && exec "$@"' % busy.pid, pipe,
				 live.PITVIPER, "record", "-o", str(tmp_path / "x.folded"), "-p", str(busy.pid)],
				stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
	try:
		assert live.gone(lambda: os.path.realpath("/proc/%d/exe" % proc.pid) == os.path.realpath(live.PITVIPER))
		assert live.gone(lambda: signal.SIGINT in signals(proc.pid, "SigBlk"))
		proc.send_signal(signal.SIGINT)
		# it is taken, though we are not done
		assert live.gone(lambda: signal.SIGINT not in signals(proc.pid, "ShdPnd"))
		assert proc.poll() is None
		proc.send_signal(signal.SIGINT)
		proc.communicate(timeout=20)
	finally:
		proc.kill()
		proc.wait()
	assert proc.returncode == -signal.SIGINT
	assert os.listdir(tmp_path) == ["maps"]
	assert busy.alive()


@pytest.mark.parametrize("command", ["attach", "program"])
def test_killed(newest, target, tmp_path, command):
	"""kill -9 in the midst: the target runs on, and nothing that could slow it down is left of pitviper."""
	if command == "attach":
		victim = target(newest, "life.py")
		proc = live.start_pitviper("record", "-F", 4999, "-o", str(tmp_path / "x.folded"), "-p", victim.pid)
	else:
		pidfile = str(tmp_path / "pid")
		proc = live.start_pitviper(
			"record", "-F", 4999, "-o", str(tmp_path / "x.folded"), "--", newest.path, "-c",
			"import os,time\nopen(%r,'w').write(str(os.getpid()))\nwhile time.thread_time() < 20: pass" % pidfile)
	try:
		live.wait_attached(proc)
		if command == "program":
			assert live.gone(lambda: os.path.exists(pidfile) and os.path.getsize(pidfile))
			pid = int(open(pidfile).read())
		else:
			pid = victim.pid
		held = live.bpf_held(proc.pid)
		assert {"prog", "map"} <= {kind for kind, _ in live.bpf_left(held)}, "this test sees nothing"
		proc.kill()
		proc.wait()
		assert live.gone(lambda: not live.bpf_left(held)), "left behind: %s" % live.bpf_left(held)
		assert live.perf_fds(pid) == 0
		with open("/proc/%d/stat" % pid) as line:
			assert line.read().rpartition(")")[2].split()[0] in "RS"
		with open("/proc/%d/status" % pid) as status:
			assert "TracerPid:\t0" in status.read()
		if command == "attach":
			victim.say("burn 0.1")
			victim.wait_line(b"burnt", timeout=20)
	finally:
		proc.kill()
		proc.wait()
		if command == "program" and os.path.exists(pidfile):
			os.kill(int(open(pidfile).read()), signal.SIGKILL)


def test_killed_before_the_program_starts(tmp_path):
	"""The program is held at its exec: pitviper's death must not leave it standing there."""
	for delay in (0.0, 0.01, 0.03, 0.06, 0.1, 0.2):
		proc = live.start_pitviper("record", "-o", str(tmp_path / "x.folded"), "--", "/bin/sleep", "3.%d" % os.getpid())
		time.sleep(delay)		# the moment is the parameter here
		proc.kill()
		proc.communicate()

	def held():
		out = subprocess.run(["pgrep", "-f", "-x", "/bin/sleep 3.%d" % os.getpid()], stdout=subprocess.PIPE).stdout
		return out.split()
	assert live.gone(lambda: not held(), timeout=15), "left standing: %s" % held()


def held_child(proc):
	"""The program that pitviper holds; None: it holds none yet, or has ended."""
	for task in os.listdir("/proc/%d/task" % proc.pid):
		with open("/proc/%d/task/%s/children" % (proc.pid, task)) as children:
			for pid in children.read().split():
				with open("/proc/%s/status" % pid) as status:
					text = status.read()
				if "State:\tt" in text and "TracerPid:\t%d\n" % proc.pid in text:
					return int(pid)
	return None


def is_loading(pid):
	"""It has left its exec, which the stop there is in (system call 59)."""
	try:
		with open("/proc/%d/syscall" % pid) as call:
			return call.read().split()[0] not in ("59", "-1")
	except (FileNotFoundError, ProcessLookupError):
		return True


def test_killed_while_it_holds_the_program(tmp_path):
	"""What is held at its exec, or while its loader runs, then runs on, unharmed and unwatched, to its own end."""
	for i in range(40):
		mark = tmp_path / ("mark%d" % i)
		proc = live.start_pitviper("record", "-o", str(tmp_path / "x.folded"), "--", "/bin/sh", "-c",
					   "while ! [ -e %s.go ]; do sleep 0.01; done; echo done > %s.new; mv %s.new %s" % ((mark,) * 4))
		found = []
		assert live.gone(lambda: found.append(held_child(proc)) or found[-1]), "it held nothing"
		if i % 2:
			assert live.gone(lambda: is_loading(found[-1]))
		proc.kill()
		proc.wait()
		with open("/proc/%d/status" % found[-1]) as status:
			text = status.read()
		assert "TracerPid:\t0\n" in text, text
		open(str(mark) + ".go", "w").close()
		assert live.gone(mark.exists), "the program did not run on"
		assert mark.read_text() == "done\n"


# ---- many times

def test_twenty_times(busy, tmp_path):
	"""Attach and detach again and again: nothing piles up, the target runs on."""
	fds, held = len(os.listdir("/proc/%d/fd" % busy.pid)), set()
	for _ in range(20):
		proc = live.start_pitviper("record", "-d", 0.2, "-o", str(tmp_path / "x.folded"), "-p", busy.pid)
		live.wait_attached(proc)
		held |= live.bpf_held(proc.pid)
		_, err = proc.communicate(timeout=60)
		assert proc.returncode == 0, err
	assert held and live.gone(lambda: not live.bpf_left(held)), live.bpf_left(held)
	assert len(os.listdir("/proc/%d/fd" % busy.pid)) == fds
	assert busy.alive()


def test_few_file_descriptors(newest, target, tmp_path):
	"""A low limit of open files: it works, or says so; it does not crash."""
	victim = target(newest, "blocked.py", truth=True)
	run = live.pitviper("record", "-d", 1, "-o", str(tmp_path / "x.folded"), "-p", victim.pid, prefix=(
		"prlimit", "--nofile=24:24"))
	assert run.status in (0, 1), run
	if run.status:
		sentence(run, "open files|descriptor|limit|nofile")


def test_options_after_the_pid(busy):
	"""Options may stand before or after what they belong to, as in `pitviper stack 4711 --json`."""
	for command in ("stack", "doctor"):
		run = live.pitviper(command, busy.pid, "--json")
		assert run.status == 0 and live.last_json(run.out), run


def test_few_descriptors(newest, target):
	"""Too few descriptors are not a want of privilege, nor of the kernel's."""
	victim = target(newest, "kin.py")
	worked = False
	for limit in list(range(6, 30)) + [256]:
		run = live.pitviper("record", "-d", "0.1", "-p", victim.pid, "-o", "/dev/null",
				    prefix=("prlimit", "--nofile=%d" % limit))
		worked = run.status == 0
		assert worked or (run.status == 1 and "Too many open files" in run.text()), (limit, run)
	assert worked
