# SPDX-License-Identifier: BSD-2-Clause
"""Whether an answer of `pitviper memory` is right, by the truth of catalogue.py.

Input: its JSON, a case.  Output: right or not, accused or not, what guilty thing was named first, whether the kind is right.
"""
import collections
import os
import re

import catalogue

SAYS_LEAK = {"growing", "held", "lost"}
ALSO_CALLED = {"leak": "lost", "growing-held": "held"}

Answer = collections.namedtuple("Answer", "verdict sites types holders text")
Frame = collections.namedtuple("Frame", "function file line")


def frame_of(text):
	"""A frame as it is shown: "handle (app.py:41)", "check_record (ext.so)"."""
	match = re.fullmatch(r"(.+?) \(([^()]*?)(?::(\d+))?\)", text)
	return Frame(match[1], match[2], int(match[3] or 0)) if match else Frame(text, "", 0)


def place(loc):
	"""A frame of the JSON."""
	native = loc.get("kind") != "python"
	return Frame(loc["function"], loc.get("module", "") if native else loc.get("file", ""), 0 if native else loc.get("line", 0))


def answer_of(found):
	"""What matters of the JSON of `memory`: the one place that knows its keys.

	A site is what the verdict names as the place of an allocation: frames, the innermost first.
	"""
	verdict = found["verdict"]
	sites = [[place(loc) for loc in verdict["site"]["frames"]]] if "site" in verdict else []
	return Answer(verdict["kind"], sites, verdict.get("types", []),
		      [verdict["holder"]["text"]] if "holder" in verdict else [], " ".join(verdict["text"]))


def same_function(shown, true):
	"""Names are qualified, C++ has arguments, compilers split functions: Report::Report(char const*, int), f.part.0."""
	bare = re.sub(r"\(.*|\.(part|isra|constprop|cold).*", "", shown.replace("(anonymous namespace)::", ""))
	return re.split(r"::|\.", bare)[-1] == true


def guilty(frame, case):
	"""The name of the kind of place if a frame is one that the case names: "line", "C function"."""
	for site in case.sites():
		if not same_function(frame.function, site.function):
			continue
		if site.file.endswith(".py") != frame.file.endswith(".py"):
			continue
		if site.file.endswith(".py"):
			if os.path.basename(frame.file) == site.file and frame.line == site.line:
				return "line"
		else:
			return "C function"
	return "C function" if any(same_function(frame.function, name) for name in case.functions) else None


def judge(answer, case, leaks):
	"""How right an answer is: dict of right, accused, first (what was named first and is guilty), kind."""
	verdict = ALSO_CALLED.get(answer.verdict, answer.verdict)
	said = verdict in SAYS_LEAK
	if not leaks:
		return {"verdict": verdict, "right": verdict == "clean", "accused": said, "first": "", "kind": verdict == "clean"}
	first = next(filter(None, (guilty(frame, case) for frame in (answer.sites[0] if answer.sites else []))), "")
	if not first and answer.types and answer.types[0].rpartition(".")[2] in [t.rpartition(".")[2] for t in case.types]:
		first = "type"
	kinds = {catalogue.LOST: {"lost"}, catalogue.HELD: {"held"}, catalogue.CYCLES: SAYS_LEAK}.get(case.kind, {"growing", "lost", "held"})
	# what is lost must not be excused by a holder, nor what is held be called lost
	wrong = {catalogue.LOST: {"held"}, catalogue.HELD: {"lost"}}.get(case.kind, set())
	holder = case.holder is None or any(case.holder in text for text in answer.holders)
	return {"verdict": verdict, "right": bool(said and verdict not in wrong and first), "accused": False, "first": first,
		"kind": verdict in kinds and holder}
