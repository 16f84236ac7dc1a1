# SPDX-License-Identifier: BSD-2-Clause
"""Who holds an object, and references that nobody holds, against programs that know.

The program under test is build/tests/find_holders, which shows what src/heap/holders.h found as JSON, and
`memory --holders`."""
import json
import os
import signal
import subprocess

import live
import pytest

TOOL = os.path.join(os.path.dirname(os.path.dirname(live.PITVIPER)), "tests", "find_holders")
RUNS = 2
RUNS_FULL = 10

pytestmark = [pytest.mark.few, pytest.mark.skipif(not os.path.exists(TOOL), reason="no " + TOOL)]


def start(target, interp, *args):
	victim = target(interp, "holders.py", *args, ready=False)
	ids = json.loads(victim.wait_line(b"IDS")[4:])
	victim.wait_line(b"READY")
	return victim, ids


def run(victim, *args, addresses=()):
	done = subprocess.run([TOOL, str(victim.pid)] + [str(a) for a in args], timeout=240, stdout=subprocess.PIPE,
			      stderr=subprocess.PIPE, input=b"\n".join(b"%d" % a for a in addresses))
	assert done.returncode == 0, done.stderr
	return [json.loads(line) for line in done.stdout.splitlines()]


def find(victim, word, addresses):
	*rows, whole = run(victim, word, addresses=addresses)
	assert not whole["partial"] and not whole["unread"] and whole["threads"], whole
	return {row["address"]: row for row in rows}, whole


def holders(victim, text):
	subject, *rows = run(victim, "subject", text)
	return subject, [row["text"] for row in rows], rows


# what names says, in one of these forms
NAMES = {
	"attr": ["module __main__ -> attr"],
	"closure": ["module __main__ -> fn -> closure captured"],
	"dict": ["module __main__ -> cache -> dict['k3']"],
	"nested": ["module __main__ -> nested -> dict['a'] -> dict['b'] -> list[1]"],
	"instance": ["module __main__ -> holder -> data -> dict['x']"],
	"direct": ["module __main__ -> holder -> direct"],
	"klass": ["module __main__ -> Holder -> klass"],
	"slot": ["module __main__ -> slots -> Slots.two"],
	"deque": ["module __main__ -> queue -> deque[150]"],
	"tuple": ["module __main__ -> pair -> tuple[1]"],
	"set": ["module __main__ -> group -> set"],
	"partial": ["module __main__ -> part -> partial.args -> tuple[0]"],
	"default": ["module __main__ -> default -> __defaults__ -> tuple[0]"],
	"generator": ["module __main__ -> gen -> held", "module __main__ -> gen -> generator.gi_frame -> held"],
	"local": ["frame worker -> local"],
}


@pytest.mark.gil
def test_names(interp, target):
	victim, ids = start(target, interp, "names")
	for name, paths in NAMES.items():
		subject, texts, _ = holders(victim, hex(ids[name]))
		assert subject["refcount"] == 1 and subject["found"] >= 1, (name, subject)
		if interp.version < (3, 6) and name == "deque":
			continue  # blocks of another form
		assert set(paths) & set(texts), (name, texts)
	subject, texts, rows = holders(victim, "Holder")
	assert subject["objects"] == subject["of"] == 1001, subject
	assert rows[0]["text"] == "module __main__ -> many -> list" and rows[0]["objects"] == 1000, rows[:3]


@pytest.mark.gil
def test_limits(interp, target):
	"""What takes no more than so many: how many it has, and its limit; of another nothing is said."""
	victim, ids = start(target, interp, "names")
	limits = {"recent": (20, 300), "remember": (7, 1000), "forever": None, "deque": None, "dict": None}
	for name, limit in limits.items():
		if name not in ids:
			continue
		_, texts, rows = holders(victim, hex(ids[name]))
		found = [(row["used"], row["limit"]) for row in rows if row["limit"]]
		assert found == ([limit] if limit and interp.version >= (3, 8) else []), (name, rows)
		if name in ("remember", "forever") and interp.version >= (3, 8):
			path = "module __main__ -> %s -> %s" % (name, "result" if name == "remember" else "cache -> dict[5]")
			assert path in texts, texts


@pytest.mark.gil
def test_stacks(interp, target):
	"""C code that sorts has the arguments of the call of key() on its stack; 2.7 has them in a tuple."""
	victim, ids = start(target, interp, "names")
	victim.wait_asleep()	# key() says that it is there before it waits
	_, texts, _ = holders(victim, hex(ids["blocked"]))
	assert "frame sorter -> blocked" in texts or "frame key -> one" in texts or "frame sorter.<locals>.key -> one" in texts, texts
	assert interp.version < (3, 0) or any(text.startswith("stack of thread") for text in texts), texts
	# the eval loop's own frame is on that stack, and holds nothing
	assert not any("trampoline" in text for text in texts), texts


@pytest.mark.gil
def test_lost(interp, target):
	victim, ids = start(target, interp, "lost")
	lost = {kind: [int(address) for address in list_of] for kind, list_of in ids["lost"].items()}
	cache, one = [int(address) for address in ids["cache"]], int(ids["one"])
	rows, whole = find(victim, "lost", sum(lost.values(), []) + cache)
	assert whole["looks"] >= 2
	for kind, addresses in lost.items():
		found = [address for address in addresses if rows[address]["lost"] == 1]
		# what an old value somewhere hides is missed; nothing is lost more than once
		assert len(found) >= len(addresses) // 2, (kind, len(found))
		assert all(rows[address]["lost"] in (0, 1) for address in addresses)
	# a cache holds what it holds; of one of its objects somebody did not give back a reference
	accused = [address for address in cache if rows[address]["lost"]]
	assert accused == [one], (accused, rows[one])


@pytest.mark.gil
@pytest.mark.one
def test_no_longer_than_it_may(interp, target):
	"""What is not searched is said to be, and nothing is called lost: before the first look is over, and in the second."""
	victim, ids = start(target, interp, "lost")
	addresses = [int(address) for address in sum(ids["lost"].values(), [])]
	for until_ms, looks in ((0, 0), (400, 1)):
		*rows, whole = run(victim, "lost", 500, until_ms, addresses=addresses)
		assert whole["partial"] and whole["looks"] <= 2 and (whole["looks"] > 0) == bool(looks), whole
		assert (whole["unread"] > 0) != bool(looks) and not any(row["lost"] for row in rows), whole


def page_tables_kb(pid):
	with open("/proc/%d/status" % pid) as status:
		return next(int(line.split()[1]) for line in status if line.startswith("VmPTE"))


@pytest.mark.gil
@pytest.mark.one
def test_what_was_never_touched(interp, target):
	"""A list that lies about its size: its 16 GB are not read, and take neither time nor memory of the process."""
	victim, ids = start(target, interp, "untouched")
	before = page_tables_kb(victim.pid)
	subject, _, _ = holders(victim, hex(ids["hidden"]))
	assert page_tables_kb(victim.pid) - before < 100, (before, page_tables_kb(victim.pid), subject)
	assert subject["found"] and not subject["partial"] and subject["took_ns"] < 4e9, subject
	# nor are they for a name that is asked for
	done = subprocess.run([TOOL, str(victim.pid), "subject", "__main__.liar.none"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
			      timeout=60)
	assert done.returncode and b"no type" in done.stderr, done
	assert page_tables_kb(victim.pid) - before < 100, (before, page_tables_kb(victim.pid))


@pytest.mark.gil
@pytest.mark.one
def test_no_longer_than_names_may(interp, target):
	"""All memory was searched, but time was over before the last object had been gone through, which is said."""
	victim, ids = start(target, interp, "many")
	text = hex(ids["hidden"])
	whole = holders(victim, text)[0]
	found = run(victim, "held", addresses=[ids["hidden"]])[-1]
	# as long as the search, and a third of what names take
	search, names = found["all_ns"], whole["took_ns"] - found["all_ns"]
	assert not whole["partial"] and names > search / 4, (whole, found)
	subject = run(victim, "subject", text, int((search + names / 3) / 1e6))[0]
	assert subject["partial"] and subject["found"] == whole["found"], (subject, whole, found)
	assert subject["took_ns"] < whole["took_ns"], (subject, whole)


def known(row, interp):
	"""What CPython itself loses: up to 3.8 the module that _PyWarnings_Init() returns (Python/pylifecycle.c)."""
	return row["type"] == "module" and interp.version < (3, 9) and row["lost"] == 1


@pytest.mark.gil
def test_nobody_is_accused(interp, target, pytestconfig):
	"""All objects of a program that loses none, while four threads move them about."""
	for _ in range(RUNS_FULL if pytestconfig.getoption("--full") else RUNS):
		victim, ids = start(target, interp, "clean")
		rows, whole = find(victim, "lost", ids["all"])
		accused = [row for row in rows.values() if row["lost"] and not known(row, interp)]
		assert not accused, accused[:5]
		assert sum(row["state"] == "known" for row in rows.values()) > 50000
		assert whole["looks"] >= 1, whole
		victim.stop()


@pytest.mark.free_threaded
def test_free_threaded_is_refused(interp, target):
	victim, ids = start(target, interp, "names")
	done = subprocess.run([TOOL, str(victim.pid), "lost"], input=b"%d" % ids["attr"], stdout=subprocess.PIPE,
			      stderr=subprocess.PIPE, timeout=60)
	assert done.returncode == 1 and b"free-threaded" in done.stderr, done


@pytest.mark.gil
@pytest.mark.few
def test_command(interp, target):
	victim, ids = start(target, interp, "names")
	done = live.pitviper("memory", "-p", str(victim.pid), "-d", "1", "--holders", hex(ids["dict"]))
	assert done.status == 0 and b"module __main__ -> cache -> dict['k3']" in done.out, done
	done = live.pitviper("memory", "-p", str(victim.pid), "-d", "1", "--holders", "Holder")
	assert done.status == 0 and b"module __main__ -> many -> list" in done.out, done
	done = live.pitviper("memory", "-p", str(victim.pid), "-d", "1", "--holders", "NoSuchType")
	assert done.status == 2 and b"has no type NoSuchType" in done.err, done


@pytest.mark.gil
@pytest.mark.one
@pytest.mark.parametrize("command", [("refs", "--lost", "--type", "Nested"), ("memory", "--json", "--holders", "Nested")],
			 ids=["refs", "memory"])
def test_stopped(interp, target, command):
	"""Ctrl-C ends a search that is under way, and what is not known then is said."""
	victim, _ = start(target, interp, "lost")
	pitviper = live.start_pitviper(*command, "-p", victim.pid)
	# to find what is lost takes two more looks, half a second apart
	assert live.gone(lambda: live.in_sleep(pitviper.pid), 60)
	pitviper.send_signal(signal.SIGINT)
	out, err = pitviper.communicate(timeout=60)
	if command[0] == "refs":
		assert pitviper.returncode == 1 and b"stopped before all of memory was searched" in err, err
	else:
		assert pitviper.returncode == 0 and b"it was stopped before all of its memory was searched" in out, (out, err)
