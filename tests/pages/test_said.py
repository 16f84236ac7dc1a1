# SPDX-License-Identifier: BSD-2-Clause
"""What the page says in words: the answer, what the capture is worth, what a profile does not tell apart."""
import json
import os
import pathlib
import re
import subprocess

import pytest
from conftest import TOP, make

PITVIPER = os.environ.get("PITVIPER") or str(TOP / "build/src/pitviper")
TEXT = (pathlib.Path(__file__).parent / "profile.txt").read_text()
HEAD = ["capture period_ns 10000000", "capture duration_ns 10000000000", "capture pid 7", "capture title app.py",
        "module fast.so /srv/app/fast.so -", "module libm.so /usr/lib/libm.so -"]


def profile(*lines, head=()):
    return "\n".join([*HEAD, *head, *lines]) + "\n"


WAITING = ["capture waiting.function epoll_wait", "capture waiting.place app.py:41", "capture waiting.thread MainThread",
           "capture waiting.tid 7", "capture waiting.n_others 3"]
CHILDREN = ["capture n_unwatched 2", "capture unwatched_cpu_ns 2040000000"]

SENTENCES = {
    "a driver under one line of own code": (
        TEXT, "On CPU 4.00 s of 5.00 s (80 %). The largest part, 30 %, is PyUnicode_Decode (python3.12) under report (app.py:6)."),
    "own code itself": (
        profile("800 7 main | p loop /srv/app/app.py - 3", "100 7 main | p other /srv/app/app.py - 9"),
        "On CPU 9.00 s of 10.0 s (90 %). Most of it, 89 %, is in loop (app.py:3)."),
    "own code in C": (
        profile("990 7 main | p loop /srv/app/app.py - 3 | n crunch - fast.so 0"),
        "On CPU 9.90 s of 10.0 s (99 %). All of it, 100 %, is in crunch (fast.so)."),
    "a library under own code": (
        profile("990 7 main | p loop /srv/app/app.py - 3 | p dumps /usr/lib/python3.11/json/__init__.py - 231 | n sin - libm.so 0"),
        "On CPU 9.90 s of 10.0 s (99 %). All of it, 100 %, is sin (libm.so) under loop (app.py:3)."),
    "no function has most of it": (
        profile(*(f"100 7 main | p f{i} /srv/app/app.py - {i} | n sin - libm.so 0" for i in range(1, 10))),
        "On CPU 9.00 s of 10.0 s (90 %). The largest part, 11 %, is sin (libm.so) under f1 (app.py:1)."),
    "several lines of a function": (
        profile("500 7 main | p f /srv/app/app.py - 3", "490 7 main | p f /srv/app/app.py - 9"),
        "On CPU 9.90 s of 10.0 s (99 %). All of it, 100 %, is in f (app.py:3-9)."),
    "nearly all": (
        profile("3000 7 main | p f /srv/app/app.py - 3", "1 7 main | p g /srv/app/app.py - 9"),
        "On CPU 30.0 s in 10.0 s (3.0 CPUs). Most of it, >99 %, is in f (app.py:3)."),
    "half a percent": (
        profile("50 7 main | p f /srv/app/app.py - 3", *(f"35 7 main | p g{i} /srv/app/app.py - {i}" for i in range(10))),
        "On CPU 4.00 s of 10.0 s (40 %). The largest part, 13 %, is in f (app.py:3)."),
    "no code of one's own": (
        profile("950 7 main | p run /usr/lib/python3.11/json/decoder.py - 3 | n sin - libm.so 0"),
        "On CPU 9.50 s of 10.0 s (95 %). All of it, 100 %, is in code that is not your own: 100 % in sin (libm.so) under run (json/decoder.py:3)."),
    "less own code than other": (
        profile("800 7 main | p run /usr/lib/python3.11/json/decoder.py - 3", "150 7 main | p f /srv/app/app.py - 3"),
        "On CPU 9.50 s of 10.0 s (95 %). Most of it, 84 %, runs no code of your own: 84 % in run (json/decoder.py:3)."),
    "a fair share of own code": (
        profile("340 7 main | p run /usr/lib/python3.11/json/decoder.py - 3", "300 7 main | p f /srv/app/app.py - 3",
                *(f"60 7 main | p g{i} /srv/app/app.py - {i}" for i in range(1, 6))),
        "On CPU 9.40 s of 10.0 s (94 %). The largest part of your own code's time, 32 %, is in f (app.py:3); 36 % runs no code of your own."),
    "half of what runs no own code": (
        profile("300 7 main | p run /usr/lib/python3.11/json/decoder.py - 3", "150 7 main | p f /srv/app/app.py - 3 | n sin - libm.so 0",
                *(f"60 7 main | p g{i} /srv/app/app.py - {i}" for i in range(1, 9))),
        "On CPU 9.30 s of 10.0 s (93 %). The largest part of your own code's time, 16 %, is sin (libm.so) under f (app.py:3); 32 % runs no code of your own."),
    "the collector": (
        profile("600 7 main | p main /srv/app/app.py - 2 | p alloc /srv/app/app.py - 10 | m [gc] - - 0 | n gc_collect_main - python3.12 0",
                "100 7 main | p main /srv/app/app.py - 2 | p alloc /srv/app/app.py - 10"),
        "On CPU 7.00 s of 10.0 s (70 %). Most of it, 86 %, is the garbage collector, started under alloc (app.py:10)."),
    "the collector of a library": (
        profile("600 7 main | p run /usr/lib/python3.11/json/decoder.py - 3 | m [gc] - - 0", head=["capture no_native 1"]),
        "On CPU 6.00 s of 10.0 s (60 %). All of it, 100 %, is in code that is not your own: 100 % in the garbage collector, started under run (json/decoder.py:3)."),
    "Python that cannot be read": (
        profile("600 7 main | n main - python3.11 0 | n sin - libm.so 0", head=["capture problem its~Python~is~too~old"]),
        "On CPU 6.00 s of 10.0 s (60 %). All of it, 100 %, is in stacks without Python frames: 100 % in sin (libm.so). "
        "Python frames are not shown: its Python is too old."),
    "Python without a Python frame": (
        profile("600 7 main | n main - python3.11 0", head=["capture interpreter CPython~3.11.2"]),
        "On CPU 6.00 s of 10.0 s (60 %). All of it, 100 %, is in stacks without Python frames: 100 % in main (python3.11)."),
    "incomplete stacks": (
        profile("500 7 main | m [truncated] - - 0 | n sin - libm.so 0", "100 7 main | p f /srv/app/app.py - 3", "90 7 main |"),
        "On CPU 6.90 s of 10.0 s (69 %). Most of it, 86 %, is in incomplete stacks: 72 % in sin (libm.so)."),
    "incomplete stacks beside own code": (
        profile("300 7 main | m [truncated] - - 0 | n sin - libm.so 0", "200 7 main | p f /srv/app/app.py - 3",
                "190 7 main | p g /srv/app/app.py - 8"),
        "On CPU 6.90 s of 10.0 s (69 %). The largest part of your own code's time, 29 %, is in f (app.py:3); 43 % is in incomplete stacks."),
    "own code that own code calls": (
        profile("600 7 main | p serve /srv/app/app.py - 3 | p f /srv/app/app.py - 8 | n sin - libm.so 0",
                "90 7 main | p serve /srv/app/app.py - 4", "40 7 main | p serve /srv/app/app.py - 3 | n cos - libm.so 0"),
        "On CPU 7.30 s of 10.0 s (73 %). Most of it, 82 %, is sin (libm.so) under f (app.py:8)."),
    "how the interpreter calls": (
        profile("600 7 main | n _start - python3.11 0 | p f /srv/app/app.py - 3 | n _PyObject_Vectorcall - python3.11 0 | "
                "n odd_name - python3.11 0 | p dumps /usr/lib/python3.11/json/__init__.py - 9 | n _PyObject_MakeTpCall - python3.11 0 | "
                "n dict_new - python3.11 0"),
        "On CPU 6.00 s of 10.0 s (60 %). All of it, 100 %, is dict_new (python3.11) under f (app.py:3)."),
    "what has no name": (
        profile("950 7 main | p f /srv/app/app.py - 3 | n [unknown~libz.so+0x12] - libz.so 0 | n [unknown~libz.so+0x34] - libz.so 0"),
        "On CPU 9.50 s of 10.0 s (95 %). All of it, 100 %, is [unknown] (libz.so) under f (app.py:3)."),
    "recursion": (
        profile("500 7 main | p f /srv/app/app.py - 3 | p f /srv/app/app.py - 3 | p f /srv/app/app.py - 4 | n sin - libm.so 0"),
        "On CPU 5.00 s of 10.0 s (50 %). All of it, 100 %, is sin (libm.so) under f (app.py:4)."),
    "idle": (
        profile("40 7 main | p f /srv/app/app.py - 3"),
        "On CPU 4 % of 10.0 s: it was idle. All of it, 100 %, is in f (app.py:3). Only 40 samples: shares are rough."),
    "a handful of samples": (
        profile("2 7 main | p f /srv/app/app.py - 3"),
        "On CPU 0.2 % of 10.0 s: it was idle. Only 2 samples: shares are rough."),
    "one sample, and it ended": (
        profile("1 7 main | p f /srv/app/app.py - 3", head=["capture ended 1"]),
        "On CPU 0.1 % of 10.0 s: it was idle, and has ended. Only 1 sample: shares are rough."),
    "idle, and one of several processes": (
        profile("40 7 main | p f /srv/app/app.py - 3", head=[*WAITING, "capture waiting.tid 9", "capture waiting.pid 9",
                                                             "capture waiting.n_processes 3"]),
        "On CPU 4 % of 10.0 s; waiting in epoll_wait under app.py:41 (main thread, 3 more) in process 9, one of 3; "
        "while it runs, pitviper stack 9 shows more. "
        "All of it, 100 %, is in f (app.py:3). Only 40 samples: shares are rough."),
    "several threads": (
        profile("900 7 main | p f /srv/app/app.py - 3", "900 8 pool | p f /srv/app/app.py - 3", "700 9 pool | p g /srv/app/app.py - 3"),
        "On CPU 25.0 s in 10.0 s (2.5 CPUs). Most of it, 72 %, is in f (app.py:3)."),
    "processes": (
        profile("900 7 main | P process~a~(7) - - 0 | p f /srv/app/app.py - 3",
                "900 8 pool process=8.1 | P process~b~(8) - - 0 | p f /srv/app/app.py - 3"),
        "On CPU 18.0 s in 10.0 s (1.8 CPUs). All of it, 100 %, is in f (app.py:3)."),
    "idle, and it is known where it waits": (
        profile("40 7 main | p f /srv/app/app.py - 3", head=WAITING),
        "On CPU 4 % of 10.0 s; waiting in epoll_wait under app.py:41 (main thread, 3 more); while it runs, pitviper stack 7 "
        "shows more. All of it, 100 %, is in f (app.py:3). Only 40 samples: shares are rough."),
    "idle in another thread than the first": (
        profile("1 7 main | p f /srv/app/app.py - 3", head=[*WAITING, "capture waiting.tid 9", "capture waiting.thread a~\\x1b~b"]),
        "On CPU 0.1 % of 10.0 s; waiting in epoll_wait under app.py:41 (thread a \\x1b b, 3 more); while it runs, "
        "pitviper stack 7 shows more. Only 1 sample: shares are rough."),
    "stopped": (
        profile("1 7 main | p f /srv/app/app.py - 3", head=[*WAITING, "capture waiting.stopped 1", "capture waiting.n_others 0",
                                                            "capture waiting.place -"]),
        "On CPU 0.1 % of 10.0 s; stopped by a signal; while it runs, pitviper stack 7 shows more. Only 1 sample: shares are rough."),
    "idle for its children": (
        profile("40 7 main | p f /srv/app/app.py - 3", head=[*WAITING, *CHILDREN]),
        "On CPU 4 % of 10.0 s; waiting in epoll_wait under app.py:41 (main thread, 3 more); while it runs, pitviper stack 7 "
        "shows more. All of it, 100 %, is in f (app.py:3). Only 40 samples: shares are rough. 2 child processes used 2.0 s of CPU "
        "meanwhile, not recorded: --children takes them along."),
    "busy children of which some have ended": (
        profile("900 7 main | p f /srv/app/app.py - 3", head=[*CHILDREN, "capture unwatched_least 1"]),
        "On CPU 9.00 s of 10.0 s (90 %). All of it, 100 %, is in f (app.py:3). Child processes used at least 2.0 s of CPU "
        "meanwhile, not recorded: --children takes them along."),
    "children not worth a word": (
        profile("900 7 main | p f /srv/app/app.py - 3", head=["capture n_unwatched 1", "capture unwatched_cpu_ns 90000000"]),
        "On CPU 9.00 s of 10.0 s (90 %). All of it, 100 %, is in f (app.py:3)."),
    "lost samples": (
        profile("400 7 main | p f /srv/app/app.py - 3", head=["capture target_cpu_ns 9900000000", "loss 48 500"]),
        "On CPU 9.90 s of 10.0 s (99 %). All of it, 100 %, is in f (app.py:3)."),
    "missing samples": (
        profile("500 7 main | p f /srv/app/app.py - 3", head=["capture target_cpu_ns 9000000000"]),
        "On CPU 9.00 s of 10.0 s (90 %). All of it, 100 %, is in f (app.py:3)."),
    "no sample": (
        profile(), "No samples in 10.0 s: it was idle. While it runs, pitviper stack 7 shows what it waits for."),
    "no sample, and it is known where it waits": (
        profile(head=[*WAITING, *CHILDREN]),
        "On CPU 0 % of 10.0 s; waiting in epoll_wait under app.py:41 (main thread, 3 more); while it runs, pitviper stack 7 "
        "shows more. 2 child processes used 2.0 s of CPU meanwhile, not recorded: --children takes them along."),
    "no sample before the break": (
        profile(head=["capture cut 1"]), "No sample is there before the break."),
    "no sample, and it ended": (
        profile(head=["capture ended 1"]), "No samples in 10.0 s: it ended without using CPU time worth a sample."),
    "only markers": (
        profile("960 7 main | m [truncated] - - 0"), "On CPU 9.60 s of 10.0 s (96 %). All of it, 100 %, is in incomplete stacks."),
    "no frame at all": (
        profile("960 7 main |"), "On CPU 9.60 s of 10.0 s (96 %). All of it, 100 %, is in incomplete stacks."),
    "neither period nor duration": (
        "3 7 main | p f /srv/app/app.py - 3\n", "On CPU for 3 samples. Only 3 samples: shares are rough."),
}


@pytest.mark.parametrize("name", SENTENCES)
def test_answer(page, name):
    recipe, want = SENTENCES[name]
    page.open(recipe)
    assert page.text("#sentence") == want


@pytest.mark.parametrize("name", [name for name in SENTENCES if name not in ("no sample", "no sample, and it ended")
                                  and not name.startswith("neither")])
def test_answer_is_the_terminals(page, name, tmp_path):
    """The same words as `pitviper report` says; the layers are in the bar."""
    recipe, _ = SENTENCES[name]
    (tmp_path / "it.pvr").write_bytes(make(recipe, name="pvr"))
    said = subprocess.run([PITVIPER, "report", str(tmp_path / "it.pvr")], capture_output=True, text=True, check=True,
                          env={**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "400"})
    lines = [line for line in (said.stdout + said.stderr).splitlines() if line]
    first = re.sub(r"\): .*", ").", next(line for line in lines if not line.startswith("The recording breaks off")))
    turn = next((line for line in lines if line.startswith(("All of it", "Most of it", "The largest part"))), "")
    page.open(recipe)
    # What hinders is said in both, on the terminal by the summary.
    turn = " ".join([turn, *(line for line in lines if line.startswith("Python frames are not shown")),
                     *(line for line in lines if "--children" in line)])
    words = page.js("return [...document.getElementById('sentence').childNodes].map(e => e.nodeName === 'CODE' ? "
                    "'`' + e.textContent + '`' : e.textContent).join('')").replace("`--children`", "--children")
    assert re.sub(r" ?Only \d+ samples?: shares are rough\.", "", words).split() == (first + " " + turn).split()


def test_what_is_known_of_the_whole_is_not_said_of_a_part(page):
    page.open("\n".join(["capture slice_ns 100000000", "capture n_slices 100", profile(
        "20 7 main at=5:10,50:10 | p f /srv/app/app.py - 3", head=[*WAITING, *CHILDREN])]))
    assert "epoll_wait" in page.text("#sentence") and "2 child processes" in page.text("#sentence")
    page.open("\n".join(["capture slice_ns 100000000", "capture n_slices 100", profile(
        "20 7 main at=5:10,50:10 | p f /srv/app/app.py - 3", head=[*WAITING, *CHILDREN])]), **{"from": 0, "to": 4})
    assert page.text("#sentence").startswith("On CPU 3 % of 4.00 s: it was idle.")
    assert "child" not in page.text("#sentence")


@pytest.mark.parametrize("state, want", [
    ({"from": 1, "to": 2.5}, "On CPU 1.86 s in 1.50 s (1.2 CPUs). The largest part, 38 %, is PyUnicode_Decode (python3.12) under report (app.py:6)"),
    ({"process": 1}, "On CPU 0.70 s of 5.00 s (14 %). Most of it, 71 %, is fetchall (MySQLdb/cursors.py:2) under report (app.py:6)"),
    ({"from": 4.8, "to": 4.9}, "No sample is in what is selected."),
])
def test_answer_follows_the_selection(page, state, want):
    page.open(TEXT, **state)
    assert page.text("#sentence").startswith(want)


def test_the_answer_leads_to_its_frame(page):
    page.open(TEXT, tab="threads")
    page.click("#sentence a:last-of-type")
    assert page.facts()[""] == "report" and page.is_visible("#flame")
    page.click("#sentence a")
    assert page.facts()[""] == "PyUnicode_Decode"


QUALITY = {
    "well": ([], True, "400 samples, none lost", ""),
    "lost": (["loss 48 3"], False, "400 samples, 3 lost", "3 samples were lost"),
    "not followed": (["loss 58 3", "loss 51 2"], False, "400 samples, none lost",
                     "not taken in: 2 mapping records dropped (side-band buffer full), 3 child processes that could not be followed"),
    "of several doubts each": (["loss 48 3", "capture quality.complete 200"], False, "400 samples, 3 lost", "50.00 % of the stacks are not"),
    "not known": (["capture quality.samples 0"], False, "400 samples, none lost", "not known how many of the stacks are complete"),
    "a marked half": (["loss 1 3", "loss 16 2", "loss 35 4", "loss 57 1"], True, "400 samples, none lost", ""),
    "just complete": (["capture quality.complete 396"], True, "400 samples, none lost", ""),
    "a child's Python": (["process 77 1 1 x x - its~Python~is~odd"], False, "400 samples, none lost", "not shown: its Python is odd."),
    "bridged": (["loss 33 3", "capture quality.bridged 3"], True, "400 samples, none lost", ""),
    "not complete": (["capture quality.complete 380"], False, "400 samples, none lost", "5.00 % of the stacks are not complete"),
    "marked": (["capture quality.marked 20"], False, "400 samples, none lost", "5.00 % of the stacks are marked"),
    "cut": (["capture cut 1"], False, "400 samples, none lost", "The recording breaks off"),
    "costly": (["capture probe_ns 250000000"], False, "400 samples, none lost", "cost the target 5.0 % of one CPU"),
    "fewer samples than time": (["capture target_cpu_ns 5000000000"], False, "400 samples, none lost", "100 samples (20.0 %) fewer"),
    "hardly fewer samples than time": (["capture target_cpu_ns 4800000000"], True, "400 samples, none lost", ""),
    "children": (CHILDREN, False, "400 samples, none lost", "2 child processes used 2.0 s of CPU meanwhile, not recorded"),
    "unreadable Python": (["capture problem its~Python~is~too~old"], False, "400 samples, none lost", "its Python is too old"),
    "changed source": (["source /srv/shop/net.py 1 x"], False, "400 samples, none lost", "/srv/shop/net.py"),
}


@pytest.mark.parametrize("name", QUALITY)
def test_quality(page, name, tmp_path):
    lines, well, verdict, cause = QUALITY[name]
    text = re.sub(r"(?m)^source .*cursors.py 1 .*\n", "", TEXT) + "\n".join(lines) + "\n"
    page.open(text)
    assert page.text("#quality .verdict") == ("✓ " if well else "▲ ") + verdict
    assert page.js("return document.querySelector('#quality .verdict').classList.contains('well')") == well
    # The picture and the terminal have the same verdict.
    picture = make(text, name="svg").decode()
    assert ('fill="#1f7a34"' in picture, 'fill="#8a5300"' in picture) == (well, not well)
    (tmp_path / "it.pvr").write_bytes(make(text, name="pvr"))
    run = subprocess.run([PITVIPER, "report", "--json", str(tmp_path / "it.pvr")], capture_output=True, text=True, check=True)
    doubts = json.loads(run.stdout)["doubts"]
    assert (doubts == []) == well
    page.click("#quality")
    assert page.texts("dialog .causes li") == [doubt + "." for doubt in doubts]
    assert cause in " ".join(page.texts("dialog .causes li"))
    if name in ("lost", "bridged"):
        assert "3" in page.texts("dialog .losses td")[0]
    page.press("\ue00c")
    assert not page.is_visible("dialog")


@pytest.mark.parametrize("lines, want", [
    (["capture no_native 1"], "Python with the C it calls"),
    (["capture no_kernel 1"], "C and C++ with the kernel"),
    (["capture no_native 1", "capture no_kernel 1"], "Python with all it calls"),
])
def test_layers_that_are_not_told_apart(page, lines, want):
    page.open(TEXT + "\n".join(lines) + "\n")
    assert any(text.startswith(want + ": ") for text in page.js("return [...document.querySelectorAll('.layer')].map(e => e.title)"))


def test_bar_and_foot(page):
    page.open(TEXT)
    assert page.text("#target") == "gunicorn: worker [shop:app] · pid 41 · Python 3.12.1"
    assert page.driver.title == "gunicorn: worker [shop:app] – pitviper"
    assert re.fullmatch(r"recorded \d{4}-\d\d-\d\d \d\d:\d\d · 100 Hz · pitviper \d+\.\d+\.\d+", page.text("#colophon"))


def test_without_a_period_all_is_in_samples(page):
    page.open("3 7 main | p f /srv/app/app.py - 3\n2 7 main | p g /srv/app/app.py - 3\n")
    assert [total for _, total, _ in page.outline()] == ["5 samples", "3 samples", "2 samples"]


def test_an_idle_target_is_said_where_the_graph_would_be(page):
    page.open(profile())
    assert page.is_visible("#nothing") and not page.is_visible("#panel") and not page.is_visible("#layers")
    assert page.text("#nothing .big") == "No samples in 10.0 s: it was idle. While it runs, pitviper stack 7 shows what it waits for."
    assert "Only time on a CPU is sampled" in page.text("#nothing")
    page.open(profile(head=["capture ended 1"]), tab="down")
    assert page.text("#nothing .big") == "No samples in 10.0 s: it ended without using CPU time worth a sample."
    page.open(TEXT)
    assert not page.is_visible("#nothing") and page.is_visible("#panel") and page.is_visible("#layers")


def test_an_empty_selection_leads_back(page):
    page.open(TEXT, **{"from": 4.8, "to": 4.9})
    assert page.text("#nothing .big") == "No sample is in what is selected."
    assert page.js("return document.getElementById('sentence').title") == "No sample is in what is selected."
    page.click("#nothing button")
    assert not page.is_visible("#nothing") and page.is_visible("#flame") and "from" not in page.state()


def test_an_exec_is_no_other_process(page):
    page.open(profile("process 7 1 1 sh sh - -", "process 7 2 1 python3 app.py - -", "process 8 1 7 x x - -",
                      "30 7 main process=7.2 | p f /srv/app/app.py - 3"))
    page.click("#quality")
    assert page.js("return [...document.querySelectorAll('dialog tr')].filter(r => r.cells[0].textContent === 'processes')"
                   ".map(r => r.cells[1].textContent)") == ["2"]
    page.press("\ue00c")


def test_totals_that_are_not_known_are_not_said(page):
    """Of a part of a capture: neither as 0, nor as measured."""
    for head, said in (["capture own_cpu_ns 1000000000"], True), ([], False):
        page.open(profile("500 7 main | p f /srv/app/app.py - 3", head=head))
        page.click("#quality")
        rows = page.texts("dialog table:first-of-type th")
        assert "samples" in rows
        assert [name in rows for name in ("CPU time of pitviper", "CPU time of the target", "cost in the target")] == [said] * 3
