# SPDX-License-Identifier: BSD-2-Clause
"""`pitviper refs` where debug registers are absent, taken, or shared with a debugger.

No such machine is needed: a library in front of pitviper's C library refuses it events of breakpoints as a virtual machine
without them does, other users of perf take all four of a thread, and a debugger of a few lines uses ptrace() as gdb does.
The truth is what sys.getrefcount() says, and that the program runs on.
"""
import os
import subprocess

import live
import pytest
from test_refs import FAILED, USAGE, Follow, built, line_of, newest, victim  # noqa: F401

pytestmark = pytest.mark.few

# mode "none": there are no such events, as without CONFIG_HAVE_HW_BREAKPOINT or under some hypervisors; "dead": they can
# be had and never count, as where the hypervisor keeps the registers for itself
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

long syscall(long number, long a, long b, long c, long d, long e, long f)
{
	static long (*next)(long, ...);
	const struct perf_event_attr *asked = (const void *)a;
	struct perf_event_attr other = { .size = sizeof(other), .type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_DUMMY };

	if (!next)
		next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (number == SYS_perf_event_open && asked->type == PERF_TYPE_BREAKPOINT) {
		if (strcmp(getenv("NO_REGISTERS"), "dead")) {
			errno = ENODEV;
			return -1;
		}
		return next(number, &other, b, c, d, e, f);
	}
	return next(number, a, b, c, d, e, f);
}
"""

# Watches a word of a process as gdb does, until standard input ends: says how often it was stopped.
DEBUGGER = r"""
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t over;

static void stop(int number)
{
	(void)number;
	over = 1;
}

static long put(pid_t pid, int which, unsigned long value)
{
	return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg) + 8 * which, value);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };
	pid_t pid = atoi(argv[1]);
	unsigned long address = strtoul(argv[2], NULL, 0), status7 = 0;
	int wanted = atoi(argv[3]), n = 0, hits = 0, status;

	if (argc < 4)
		return 2;
	sigaction(SIGTERM, &action, NULL); /* without SA_RESTART */
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) || ptrace(PTRACE_INTERRUPT, pid, 0, 0) || waitpid(pid, &status, __WALL) < 0)
		return 1;
	for (; n < wanted; n++) {
		/* enabled, on writes, of 8 bytes */
		unsigned long next = status7 | 1UL << (2 * n) | 0x9UL << (16 + 4 * n);

		if (put(pid, n, address) || put(pid, 7, next))
			break;
		status7 = next;
	}
	printf("SET %d %d\n", n, n < wanted ? errno : 0);
	fflush(stdout);
	ptrace(PTRACE_CONT, pid, 0, 0);
	while (!over) {
		if (waitpid(pid, &status, __WALL) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (!WIFSTOPPED(status))
			return 3;
		hits += WSTOPSIG(status) == SIGTRAP && !(status >> 16);
		ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
	}
	ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	while (waitpid(pid, &status, __WALL) > 0 && WIFSTOPPED(status) && status >> 16 != PTRACE_EVENT_STOP)
		ptrace(PTRACE_CONT, pid, 0, 0);
	put(pid, 7, 0);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	printf("HITS %d\n", hits);
	return 0;
}
"""


def compiled(directory, name, text, *flags):
	source, made = str(directory / (name + ".c")), str(directory / name)
	with open(source, "w") as file:
		file.write(text)
	subprocess.run(["cc", "-O1", "-Wall", source, "-o", made, *flags], check=True)
	return made


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
	return compiled(tmp_path_factory.mktemp("shim"), "shim.so", SHIM, "-shared", "-fPIC", "-ldl")


@pytest.fixture(scope="module")
def debugger(tmp_path_factory):
	return compiled(tmp_path_factory.mktemp("debugger"), "debugger", DEBUGGER)


@pytest.fixture
def absent(shim, monkeypatch):
	"""Pitvipers that are started from here on have no debug registers."""
	def take_away(how):
		monkeypatch.setenv("NO_REGISTERS", how)
		monkeypatch.setenv("LD_PRELOAD", shim)
	return take_away


class Debugger:
	def __init__(self, program, pid, address, n=1):
		self.proc = subprocess.Popen([program, str(pid), hex(address), str(n)], stdout=subprocess.PIPE, text=True)
		self.set, self.error = map(int, self.proc.stdout.readline().split()[1:])

	def end(self):
		"""How often it was told of a write."""
		self.proc.terminate()
		out, _ = self.proc.communicate(timeout=30)
		assert self.proc.returncode == 0
		return int(out.split()[1])


def refused(pid, *args, status=FAILED):
	run = live.pitviper("refs", "-p", pid, "-d", 1, *args)
	assert run.status == status, run
	return run.text()


def leaky_by_lines(one, address, *args):
	"""Its 100 forgotten references, seen by the lines of the function; what stderr said at the start."""
	follow = Follow(one.pid, hex(address), "-n", 1000000, "--budget", 100, "--or-lines", "refs_ext.so:leaky", *args)
	one.do("leaky 2 0")
	assert live.gone(lambda: live.bpf_links(follow.proc.pid).count("uprobe_multi") >= 3)
	truth = one.do("leaky 700 7")
	found = follow.end()
	assert truth == found["sum"] == 100
	assert found["way"] == "lines"
	assert found["verdict"]["function"] == "leaky"
	assert 0 <= found["verdict"]["site"]["line"] - line_of("LEAK") <= 2
	return found, follow.said.decode()


# ---- absent

@pytest.mark.parametrize("how", ["none", "dead"])
def test_absent(victim, built, absent, how):
	one = victim(newest(), built(newest()))
	address = one.new("list")
	absent(how)
	found, said = leaky_by_lines(one, address)
	assert "NO WATCHPOINT" in said and "`refs_ext.so:leaky`" in said, said
	assert "no debug registers" in said and "no debug registers" in found["no_watchpoint"]
	assert any("no debug registers" in doubt for doubt in found["quality"]["doubts"])
	assert one.target.alive()


@pytest.mark.parametrize("how", ["none", "dead"])
def test_absent_and_no_function(victim, absent, how):
	one = victim(newest())
	address = one.new("list")
	absent(how)
	text = refused(one.pid, hex(address))
	assert "no debug registers" in text and "--or-lines FUNCTION" in text
	for other in (("--field", "16:8"), ("--on-free",)):
		text = refused(one.pid, *other, hex(address))
		assert "no debug registers" in text and "no other way" in text
	one.do("mixed 1")


def test_absent_and_no_lines(victim, built, absent):
	"""What the other way lacks is said with why it is needed."""
	directory = built(newest())
	os.makedirs(directory + "-stripped", exist_ok=True)
	subprocess.run(["strip", "-g", directory + "/refs_ext.so", "-o", directory + "-stripped/refs_ext.so"], check=True)
	one = victim(newest(), directory + "-stripped")
	address = hex(one.new("list"))
	absent("none")
	text = refused(one.pid, "--or-lines", "refs_ext.so:leaky", address)
	assert "no debug registers" in text and "-dbgsym" in text
	text = refused(one.pid, "--or-lines", "refs_ext.so:absent", address, status=USAGE)
	assert "no debug registers" in text and "no native function" in text


def test_present(victim, built):
	"""Where there are registers the function is only a spare."""
	one = victim(newest(), built(newest()))
	follow = Follow(one.pid, hex(one.new("list")), "-n", 100000, "--or-lines", "refs_ext.so:leaky")
	truth = one.do("mixed 20")
	found = follow.end()
	assert found["sum"] == truth and found["way"] == "watchpoint" and "no_watchpoint" not in found
	assert b"NO WATCHPOINT" not in follow.said
	# and need not be there
	follow = Follow(one.pid, hex(one.new("list")), "--or-lines", "absent.so:nothing")
	assert follow.end()["way"] == "watchpoint"
	assert live.pitviper("refs", "-p", one.pid, "--lines", "a", "--or-lines", "b", "0x10").status == USAGE


# ---- taken

def test_taken(victim, built):
	one = victim(newest(), built(newest()))
	address = one.new("list")
	fds = [live.take_register(one.pid, address + 64) for _ in range(4)]
	try:
		assert all(fd >= 0 for fd in fds)
		text = refused(one.pid, hex(address))
		assert "taken" in text and "thread %d" % one.pid in text and "--or-lines FUNCTION" in text
		found, said = leaky_by_lines(one, address)
		assert "NO WATCHPOINT" in said and "taken" in said and "taken" in found["no_watchpoint"]
	finally:
		for fd in fds:
			os.close(fd)
	assert one.target.alive()


def test_pitvipers(victim):
	"""Four follow the same count, the fifth is told why it cannot, and none is disturbed."""
	one = victim(newest())
	address = one.new("list")
	follows = [Follow(one.pid, hex(address), "-n", 1000000) for _ in range(4)]
	assert "other pitvipers" in refused(one.pid, hex(address))
	truth = one.do("mixed 20")
	assert [follow.end()["sum"] for follow in follows] == [truth] * 4
	# threads that were born meanwhile, and the registers, are as they were
	assert Follow(one.pid, hex(address)).end()["sum"] == 0


# ---- a debugger

@pytest.mark.parametrize("first", ["refs", "debugger"])
def test_debugger(victim, debugger, first):
	"""Both are told of each write, whoever came first; the program runs on."""
	one = victim(newest())
	address = one.new("list")
	follow = Follow(one.pid, hex(address), "-n", 1000000) if first == "refs" else None
	other = Debugger(debugger, one.pid, address)
	assert other.set == 1, other.error
	follow = follow or Follow(one.pid, hex(address), "-n", 1000000)
	truth = one.do("mixed 30")
	if first == "refs":
		hits = other.end()
		truth += one.do("mixed 3")
		found = follow.end()
	else:
		found = follow.end()
		one.do("mixed 3")
		hits = other.end()
	assert found["sum"] == truth
	assert found["quality"]["lost"] == found["quality"]["unseen"] == 0
	assert hits >= 100, hits
	one.do("mixed 3")
	assert one.target.alive()


def test_debugger_has_all(victim, debugger):
	one = victim(newest())
	address = one.new("list")
	other = Debugger(debugger, one.pid, address + 64, 4)
	assert other.set == 4, other.error
	text = refused(one.pid, hex(address))
	# Linux does not give back what a debugger has had: it is seen to say so
	assert "taken" in text and "a debugger, which Linux keeps taken until the thread ends" in text
	other.end()
	one.do("mixed 3")
	# and the other way round: of four one is missing to the debugger, which is told so
	one = victim(newest())
	address = one.new("list")
	follow = Follow(one.pid, hex(address), "-n", 1000000)
	other = Debugger(debugger, one.pid, address + 64, 4)
	assert other.set == 3 and other.error
	truth = one.do("mixed 5")
	assert follow.end()["sum"] == truth
	other.end()
	assert one.target.alive()


def test_debugger_and_threads(victim, debugger):
	"""Threads are born while a debugger stops their parent: all of them are seen."""
	one = victim(newest())
	address = one.new("thing")
	one.do("workers 2")
	follow = Follow(one.pid, hex(address), "-n", 1000000)
	other = Debugger(debugger, one.pid, address)
	one.target.say("threads 20 3")
	one.target.wait_line(b"TIDS")
	before, after = one.target.wait_line(b"DONE").split()[1:]
	other.end()
	found = follow.end()
	assert found["sum"] == int(after) - int(before) == 2 * 20 + 3 * 21
	assert one.target.alive()
	assert found["quality"]["lost"] == 0
