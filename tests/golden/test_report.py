#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What `pitviper report` promises: its exit status, what it says, what it writes; no root, no capture.

Input: the programs golden_write and pitviper (arguments).  Output: a PASS or FAIL line for each check; status 1
if one failed.
"""
import json
import os
import pathlib
import pty
import stat
import struct
import subprocess
import sys
import tempfile
import zlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import check_html  # noqa: E402
import read_pvr  # noqa: E402

WRITE, PITVIPER = (str(pathlib.Path(path).resolve()) for path in sys.argv[1:3])
failed = False


def check(name, good, detail=""):
    global failed
    failed |= not good
    print(("PASS" if good else "FAIL"), "golden/report: " + name)
    if not good and detail:
        print(str(detail)[:2000])


def report(*arguments, **kw):
    run = subprocess.run([PITVIPER, "report", *map(str, arguments)], stdin=kw.pop("stdin", subprocess.DEVNULL),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
    return run.returncode, run.stdout.decode(errors="replace"), run.stderr.decode(errors="replace")


def fails(name, status, says, *arguments, **kw):
    got, out, err = report(*arguments, **kw)
    check(name, got == status and says in err and err.count("\n") == 1 and not out, (got, out, err))


def check_errors():
    pathlib.Path("text").write_text("main;f 12\n")
    pathlib.Path("empty").write_bytes(b"")
    pathlib.Path("directory").mkdir()
    fails("no file", 1, "cannot read absent: No such file or directory", "absent")
    fails("not a recording", 1, "cannot read text: it is not a recording of pitviper (.pvr)", "text")
    fails("an empty file", 1, "cannot read empty: it is empty", "empty")
    fails("a directory", 1, "cannot read directory: Is a directory", "directory")
    fails("a device", 1, "cannot read /dev/null: it is empty", "/dev/null")
    fails("no operand", 2, "report wants one recording")
    fails("two operands", 2, "report wants one recording", "x.pvr", "x.pvr")
    fails("nothing to do", 2, "name an output with -o", "-q", "x.pvr")
    fails("a format that is not there", 2, "no format is called \"nope\"", "x.pvr", "-o", "y", "--format", "nope")
    fails("from behind to", 2, "--from must be before --to", "--from", 3, "--to", 2, "x.pvr")
    fails("a part behind the end", 1, "x.pvr ends after 60.00 s", "--from", 61, "x.pvr")
    fails("no such thread", 1, "there is no such thread in x.pvr", "--thread", "nobody", "x.pvr")
    fails("no such process", 1, "there is no such process in x.pvr", "--process", 1, "x.pvr")
    recipe = "process 11 1 1 python3 app.py - -\nprocess 21 1 11 sleep sleep - -\n5 11 main process=11.1 | p f /a.py - 3\n"
    pathlib.Path("recipe").write_text(recipe)
    pathlib.Path("idle.pvr").write_bytes(subprocess.run([WRITE, "pvr"], stdin=open("recipe"), stdout=subprocess.PIPE, check=True).stdout)
    fails("a process that slept", 1, "the process has no samples in idle.pvr", "--process", 21, "idle.pvr")
    fails("no process beside it", 1, "there is no such process in idle.pvr; there are 11 (app.py), 21 (sleep)", "--process", 22, "idle.pvr")
    fails("no thread beside it", 1, "there is no such thread in idle.pvr; there are 11 (main)", "--thread", "mein", "idle.pvr")
    fails("no thread of that process", 1, "there is no such thread in idle.pvr", "--process", 21, "--thread", "main", "idle.pvr")
    fails("a process that is no number", 2, "`x` is not a process id", "--process", "x", "x.pvr")
    check("an output of a failed report does not appear", not os.path.exists("y"))
    pathlib.Path("secret").write_bytes(b"x")
    os.chmod("secret", 0)
    # root may read everything, so it is somebody else who tries
    other = {"user": 65534} if os.getuid() == 0 else {}
    try:
        fails("no permission", 3, "cannot read secret: Permission denied", "secret", **other)
    except PermissionError as why:
        print(f"SKIP golden/report: no permission: another user cannot run pitviper: {why}")


def check_outputs():
    status, out, err = report("x.pvr")
    check("the summary alone, and how to get more", status == 0 and "On CPU" in out and not err and
          out.rstrip().splitlines()[-1].startswith("`pitviper report x.pvr -o NAME` writes it"), (status, out, err))
    status, out, err = report("x.pvr", "-q", "-o", "a.folded", "-o", "b.pvr")
    check("two outputs", status == 0 and not out + err and os.path.exists("a.folded") and os.path.exists("b.pvr"))
    check("mode 0600", all(stat.S_IMODE(os.stat(p).st_mode) == 0o600 for p in ("a.folded", "b.pvr")))
    folded = pathlib.Path("a.folded").read_text()
    status, out, err = report("x.pvr", "-o", "-")
    check("standard output; the summary aside", status == 0 and out == folded and "On CPU" in err)
    status, out, err = report("-", "-q", "-o", "-", "--format", "folded", input=None, stdin=open("x.pvr", "rb"))
    check("from standard input, a file", status == 0 and out == folded and not err)
    cat = subprocess.Popen(["cat", "x.pvr"], stdout=subprocess.PIPE)
    status, out, err = report("-", "-q", "-o", "-", stdin=cat.stdout)
    cat.stdout.close()
    cat.wait()
    check("from standard input, a pipe", status == 0 and out == folded and not err)
    os.mkfifo("fifo")
    cat = subprocess.Popen(["sh", "-c", "cat x.pvr > fifo"])
    status, out, err = report("fifo", "-q", "-o", "-")
    cat.wait()
    check("from a named pipe", status == 0 and out == folded and not err)
    status, out, err = report("x.pvr", "-o", "/dev/full", "--format", "folded")
    check("a full disk", status == 1 and "cannot write /dev/full: No space left on device" in err, err)
    status, out, err = report("x.pvr", "-o", "/dev/full", "--format", "pvr")
    check("a full disk, a recording", status == 1 and "No space left on device" in err, err)
    status, out, err = report("x.pvr", "-q", "--no-source", "-o", "c.pvr")
    check("--no-source", not read_pvr.Recording(pathlib.Path("c.pvr").read_bytes()).sources and
          read_pvr.Recording(pathlib.Path("b.pvr").read_bytes()).sources)


def check_parts():
    whole = read_pvr.Recording(pathlib.Path("x.pvr").read_bytes())

    def part(*arguments):
        status, _, err = report("x.pvr", "-q", "-o", "part.pvr", *arguments)
        assert status == 0 and not err, err
        return read_pvr.Recording(pathlib.Path("part.pvr").read_bytes())

    def counts(recording):
        return sorted((s.time, recording.threads[s.thread].tid, read_pvr.stack_of(s.stack), s.count)
                      for s in recording.samples)

    def wanted(test):
        return sorted((s.time, whole.threads[s.thread].tid, read_pvr.stack_of(s.stack), s.count)
                      for s in whole.samples if test(s, whole.threads[s.thread]))

    got = part("--thread", "MainThread")
    check("--thread NAME", counts(got) == wanted(lambda s, t: t.name == b"MainThread"))
    check("--thread NAME: a part says so", got.totals["note"] == b"only samples of 2 threads are shown")
    check("--thread NAME: quality of the part", got.totals["samples"] == got.total and
          got.totals["complete"] == got.total and got.totals["with_python"] == got.total)
    check("--thread TID", counts(part("--thread", "4010")) == wanted(lambda s, t: t.tid == 4010))
    check("--process", counts(part("--process", "4001")) == wanted(lambda s, t: whole.processes[t.process].pid == 4001))
    got = part("--process", "4001")
    check("--process: no other process or thread is in the part", {p.pid for p in got.processes} == {4001} and
          {t.tid for t in got.threads} == {t.tid for t in whole.threads if whole.processes[t.process].pid == 4001})
    got = part("--from", "15", "--to", "30.5")
    check("--from, --to: samples", sorted(c[1:] for c in counts(got)) ==
          sorted(c[1:] for c in wanted(lambda s, t: 15e9 <= s.time < 30.5e9)))
    check("--from, --to: length and start", got.totals["duration_ns"] == 15500000000 and
          got.totals["start_unix_ns"] == whole.totals["start_unix_ns"] + 15 * 10**9)
    check("--from, --to: within the part", all(0 <= s.time < 15500000000 for s in got.samples))
    check("--from, --to: a part says so", got.totals["note"] == b"only 15.00 to 30.50 s are shown")


# What the kernel and pitviper counted of a capture, and cannot be told apart by parts of it.
TOTALS = {"target_cpu_s", "own_cpu_s", "bpf_run_s", "samples_expected", "samples_missing", "children", "children_cpu_s",
          "children_at_least"}


def totals_of(path, *arguments):
    """The keys of a summary that are totals, its text, and the totals in its page."""
    status, out, _ = report("--json", *arguments, path, "-o", "part.html")
    text = " ".join(report(*arguments, path)[1].split())
    page = check_html.decode(pathlib.Path("part.html").read_bytes())["meta"]["capture"]
    return TOTALS & set(json.loads(out)), text, {name for name in page if name.endswith("_cpu_ns") or name == "probe_ns"}


def check_totals():
    keys, text, page = totals_of("x.pvr")
    check("totals of the whole", keys == TOTALS and "0.40 s in pitviper" in text and len(page) == 3, (keys, text, page))
    for name, arguments in (("--from", ["--from", "15"]), ("--to", ["--to", "15"]), ("--process", ["--process", "4001"]),
                            ("--thread", ["--thread", "4010"])):
        keys, text, page = totals_of("x.pvr", *arguments)
        check(f"{name}: no totals", not keys and not page and "pitviper" not in text.partition("`pitviper")[0]
              and "cost" not in text, (keys, text, page))
        report("x.pvr", "-q", "-o", "part.pvr", *arguments)
        keys, text, page = totals_of("part.pvr")
        check(f"{name}, written and read: no totals", not keys and not page and "cost" not in text, (keys, text, page))


def check_cut_before_totals():
    """A recording that breaks off before it says how long a sample is, and of what program."""
    data = pathlib.Path("x.pvr").read_bytes()
    at = 8
    while struct.unpack_from("<H", data, at)[0] != 64:
        at += 12 + struct.unpack_from("<I", data, at + 4)[0]
    pathlib.Path("early.pvr").write_bytes(data[:at])
    keys, text, page = totals_of("early.pvr")
    check("no totals: none are said", not keys and not page and "cost" not in text, (keys, text, page))
    check("no totals: no seconds, no idleness", "On CPU for 2,000 samples: " in text and "idle" not in text and
          "0.00 s" not in text, text)
    check("no totals: no program that is not Python", "No CPython" not in text, text)
    check("no totals: quality is counted", "; all complete." in text and "not known" not in text, text)
    summary = json.loads(report("--json", "early.pvr")[1])
    check("no totals: for machines", not {"on_cpu_s", "cpus", "idle", "period_s"} & set(summary) and
          "seconds" not in summary["layers"]["native"] and summary["samples"] == 2000, summary)


def on_terminal(*arguments):
    """What stands on a terminal that is both standard output and standard error, on one line."""
    master, slave = pty.openpty()
    run = subprocess.Popen([PITVIPER, "report", *arguments], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave)
    os.close(slave)
    text = b""
    try:
        while chunk := os.read(master, 65536):
            text += chunk
    except OSError:  # the other end is closed
        pass
    os.close(master)
    return run.wait(), " ".join(text.decode(errors="replace").split())


def check_wrong():
    data = pathlib.Path("x.pvr").read_bytes()
    pathlib.Path("cut.pvr").write_bytes(data[:-5])
    status, out, err = report("cut.pvr")
    # the last chunk is 12 bytes of header and 2 of payload
    says = f"the recording breaks off after 60.00 s, at byte {len(data) - 14} of {len(data) - 5} (it ends within a chunk)"
    check("cut: status 0, said twice", status == 0 and says in err and err.startswith("pitviper: cut.pvr: ") and
          says in out, (status, out, err))
    status, out = on_terminal("cut.pvr")
    check("cut: said once on a terminal", status == 0 and out.count("breaks off") == 1 and "Note: the" in out, out)
    status, out = on_terminal("-q", "-o", "cut.folded", "cut.pvr")
    check("cut: said on a terminal without a summary", status == 0 and out.count("breaks off") == 1, out)
    status, out = on_terminal("-o", "/dev/full", "--format", "folded", "cut.pvr")
    check("cut: said on a terminal when there is no summary", status == 1 and out.count("breaks off") == 1, out)
    status, out, err = report("--json", "cut.pvr")
    summary = json.loads(out)
    check("cut: for machines", status == 0 and summary["cut"] and says in summary["note"] and
          summary["samples"] == 2000, out)
    check("whole: for machines", "note" not in json.loads(report("--json", "x.pvr")[1]))
    head = struct.pack("<HHI", 999, 0, 3)
    chunk = head + struct.pack("<I", zlib.crc32(b"abc", zlib.crc32(head))) + b"abc"
    pathlib.Path("new.pvr").write_bytes(data[:8] + chunk + data[8:])
    status, out, err = report("new.pvr")
    check("a chunk of later times", status == 0 and "1 parts of the recording (chunks of type 999) are left out" in err and
          "Note: 1 parts" in out and "breaks off" not in err, err)


def main():
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        os.chmod(directory, 0o755)
        data = subprocess.run([WRITE, "pvr", "2000", "100"], stdout=subprocess.PIPE, check=True).stdout
        pathlib.Path("x.pvr").write_bytes(data)
        check_errors()
        check_outputs()
        check_parts()
        check_totals()
        check_cut_before_totals()
        check_wrong()
        os.chdir("/")
    sys.exit(failed)


main()
