#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Two readers of recordings agree: ours in C, and read_pvr.py, which was written from docs/recording.md.

Input: the programs golden_write, golden_capture and pitviper (arguments), profile.txt.
Output: a PASS or FAIL line for each check; status 1 if one failed.

What the C reader has understood is seen by what `pitviper report` writes of it: another recording, read again by
read_pvr.py, and folded stacks.
"""
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import check_pvr  # noqa: E402
import read_pvr  # noqa: E402

WRITE, CAPTURE, PITVIPER = sys.argv[1:4]
PLACES = 40
failed = False


def check(name, good, detail=""):
    global failed
    failed |= not good
    print(("PASS" if good else "FAIL"), "golden/recording: " + name)
    if not good and detail:
        print(str(detail)[:2000])


def report(data, *arguments):
    """What report writes of a recording in another one, and what it says."""
    with tempfile.TemporaryDirectory() as directory:
        path, out = pathlib.Path(directory) / "x.pvr", pathlib.Path(directory) / "y.pvr"
        path.write_bytes(data)
        run = subprocess.run([PITVIPER, "report", "-q", str(path), "-o", str(out), *arguments],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return out.read_bytes() if out.exists() else b"", run.stderr.decode(), run.returncode


def write(name, recipe, size):
    return subprocess.run([WRITE, name, *map(str, size)], input=recipe, stdout=subprocess.PIPE, check=True).stdout


def capture(*size):
    with tempfile.TemporaryFile() as file:
        subprocess.run([CAPTURE, *map(str, size)], stdout=file, check=True)
        file.seek(0)
        return file.read()


def stacks(recording):
    """Counts by process, thread and stack."""
    counts = collections.Counter()
    for (thread, stack), count in recording.by_stack().items():
        thread = recording.threads[thread]
        process = recording.processes[thread.process]
        counts[process.pid, process.generation, thread.tid, stack] += count
    return counts


def in_slices(recording, slice_ns):
    """Counts by slice, thread and stack: equal ones of a slice are one."""
    counts = collections.Counter()
    for sample in recording.samples:
        counts[sample.time // slice_ns, recording.threads[sample.thread].tid,
               read_pvr.stack_of(sample.stack)] += sample.count
    return counts


def shown(data):
    """The text of a recording, its samples sorted: those of one slice have no order."""
    return sorted(re.split(r"\n(?! )", check_pvr.show(data)))


def check_whole(name, recipe, size):
    """A recording that was made of a profile: its copy says the same, line by line."""
    data = write("pvr", recipe, size)
    again, said, status = report(data)
    check(f"{name}: report says nothing", status == 0 and not said, said)
    check(f"{name}: both readers say the same", shown(again) == shown(data))
    check(f"{name}: it is whole", read_pvr.Recording(data).whole)
    folded = subprocess.run([PITVIPER, "report", "-q", "-", "-o", "-"], input=data, stdout=subprocess.PIPE,
                            check=True).stdout
    check(f"{name}: folded from standard input", folded == write("folded", recipe, size))


def same_dictionaries(a, b):
    return (a.processes, a.threads, a.modules, a.sources, a.causes) == (b.processes, b.threads, b.modules, b.sources,
                                                                         b.causes)


def check_capture(data):
    told = read_pvr.Recording(data)
    again, said, status = report(data)
    read = read_pvr.Recording(again)
    check("a capture: whole, in several epochs", told.whole and told.epochs > 2 and status == 0 and not said, said)
    check("a capture: stacks", stacks(read) == stacks(told))
    slice_ns = read.totals["slice_ns"]
    check("a capture: times", in_slices(read, slice_ns) == in_slices(told, slice_ns))
    check("a capture: names, modules, sources, causes", same_dictionaries(read, told))
    totals = {key: value for key, value in read.totals.items() if key not in ("slice_ns", "n_slices")}
    check("a capture: totals", totals == told.totals and read.lost == told.lost, f"{totals}\n{told.totals}")


def check_cuts(data):
    """Cut at many places, and a bit flipped at as many."""
    for kind in ("cut", "flipped"):
        problems = []
        for i in range(PLACES):
            at = 8 + (len(data) - 9) * i // (PLACES - 1)
            wrong = data[:at] if kind == "cut" else data[:at] + bytes([data[at] ^ 1 << i % 8]) + data[at + 1:]
            told = read_pvr.Recording(wrong)
            again, said, status = report(wrong)
            if status or "breaks off" not in said:
                problems.append(f"at {at}: status {status}, says {said!r}")
                continue
            read = read_pvr.Recording(again)
            if told.whole or stacks(read) != stacks(told) or read.totals.get("samples", 0) != told.total:
                problems.append(f"at {at}: {read.total} of {told.total} samples")
            place = "it has no end" if told.at == len(wrong) else f"at byte {told.at} of {len(wrong)}"
            if place not in said or not read.totals.get("cut"):
                problems.append(f"at {at}: breaks off at {told.at}, but {said!r}")
        check(f"{kind} at {PLACES} places", not problems, "\n".join(problems[:5]))


def main():
    check_whole("the golden profile", (HERE / "profile.txt").read_bytes(), ())
    check_whole("a synthetic profile", b"", (5000, 300))
    check_capture(capture(10000, 400))
    check_cuts(capture(3600, 60))
    sys.exit(failed)


main()
