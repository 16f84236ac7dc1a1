# SPDX-License-Identifier: BSD-2-Clause
"""One capture in every format: all say the same, by readers of their own (tests/golden); the recording holds the
source text and the build ids, and no text that the process could not have read itself."""
import os
import re
import subprocess
import sys

import live

GOLDEN = os.path.join(live.TOP, "tests", "golden")
sys.path.insert(0, GOLDEN)
sys.dont_write_bytecode = True
import check_folded  # noqa: E402
import check_html  # noqa: E402
import check_pprof  # noqa: E402
import check_speedscope  # noqa: E402
import check_svg  # noqa: E402
import read_pvr  # noqa: E402
import recipe as golden  # noqa: E402

WORKS = """
import json, time, zlib
def work(data):
	return json.dumps([zlib.compress(data).hex(), list(range(1000))], indent=1)
print("READY", flush=True)
end = time.process_time() + 1.2
while time.process_time() < end:
	work(bytes(20000))
"""
# A function that says of itself that it stands in a file that is not this user's to read.
CLAIMS = """
import os
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
code = compile("def f():\\n\\twhile True: pass\\n", %r, "exec")
exec(code)
print("READY", flush=True)
f()
"""


def read_recording(path):
	with open(path, "rb") as file:
		recording = read_pvr.Recording(file.read())
	assert recording.whole and not recording.broken and not recording.unknown
	return recording


def recipe_of(recording, slice_ns):
	"""What the golden tests' checkers compare with: here it is what the recording says, by a reader of its own.

	It has times in ns; slice_ns is how coarse the others are.
	"""
	recipe = golden.Recipe(capture=dict(recording.totals), losses={k: n for k, n in recording.lost.items() if n})
	keys = [(process.pid, process.generation) for process in recording.processes]
	recipe.processes = {key: process.title or process.name for key, process in zip(keys, recording.processes)}
	recipe.modules = {name: (path, build) for name, path, build in recording.modules}
	recipe.capture["slice_ns"] = slice_ns
	for sample in recording.samples:
		thread = recording.threads[sample.thread]
		frames = tuple(golden.Frame(read_pvr.KINDS[loc.kind], *loc[1:]) for loc in read_pvr.stack_of(sample.stack))
		recipe.samples.append(golden.Sample(sample.count, thread.tid, thread.name, keys[thread.process],
						    [(sample.time // slice_ns, sample.count)], frames))
	return recipe


# test_golden.py holds that each format has such a file.
FORMATS = {name[len("golden."):] for name in os.listdir(GOLDEN) if name.startswith("golden.")}
CHECKERS = {"folded": check_folded, "html": check_html, "svg": check_svg, "speedscope": check_speedscope,
	    "pprof": check_pprof}


def problems(name, data, recipe):
	"""What the golden tests ask of a format, asked of a real capture."""
	found, asked = [], []

	def check_that(what, good, detail=""):
		asked.append(what)
		if not good:
			found.append("%s: %s: %s" % (name, what, str(detail)[:1000]))
	CHECKERS[name].check(data, recipe, check_that)
	assert asked
	return found


def test_formats_agree(newest, tmp_path):
	script = tmp_path / "works.py"
	script.write_text(WORKS)
	outputs = {name: tmp_path / ("x" + suffix) for name, suffix in
		   {"folded": ".folded", "html": ".html", "svg": ".svg", "speedscope": ".speedscope.json",
		    "pprof": ".pb.gz", "pvr": ".pvr"}.items()}
	assert set(CHECKERS) | {"pvr"} == set(outputs) == FORMATS, "a format that nobody asks"
	run = live.pitviper("record", "-q", "-F", 499, *[word for path in outputs.values() for word in ("-o", path)],
			    "--", newest.path, script, timeout=120)
	assert run.status == 0, run
	page = check_html.decode(outputs["html"].read_bytes())
	recipe = recipe_of(read_recording(outputs["pvr"]), page["meta"]["capture"]["slice_ns"])
	assert recipe.total() > 200 and len({at for sample in recipe.samples for at, _ in sample.at}) > 100
	# Python that the user wrote, the library's, C of extensions, the kernel: or it asks of little
	assert {frame.kind for sample in recipe.samples for frame in sample.frames} >= {"python", "native", "kernel"}
	raw, problem = check_pprof.go_pprof(outputs["pprof"].read_bytes(), "-raw")
	assert not problem and "samples/count cpu/nanoseconds[dflt]" in raw, problem
	for name in CHECKERS:
		assert not problems(name, outputs[name].read_bytes(), recipe)
		# and report makes the same of the recording
		again = live.pitviper("report", "-q", "--format", name, "-o", "-", outputs["pvr"])
		assert again.status == 0, again
		assert not problems(name, again.out, recipe)


def build_id(path):
	"""As readelf sees it."""
	notes = subprocess.run(["readelf", "-n", path], capture_output=True, text=True, check=True).stdout
	match = re.search(r"Build ID: ([0-9a-f]+)", notes)
	return match[1] if match else ""


def test_sources_and_build_ids(newest, tmp_path):
	script = tmp_path / "works.py"
	script.write_text(WORKS)
	os.utime(script, (1e9, 1e9))
	for options, text in [((), WORKS.encode()), (("--no-source",), None)]:
		path = tmp_path / "x.pvr"
		run = live.pitviper("record", "-q", "-F", 499, *options, "-o", path, "--", newest.path, script, timeout=120)
		assert run.status == 0, run
		recording = read_recording(path)
		if text is None:
			assert recording.sources == {}
			continue
		assert recording.sources[str(script).encode()] == (0, text)
		# the library's files that it runs, too
		library = [file for file in recording.sources if file.endswith(b"/json/encoder.py")]
		assert library and all(recording.sources[file][1] == open(file, "rb").read() for file in library)
	modules = {path.decode(): build.decode() for _, path, build in recording.modules if path.startswith(b"/")}
	assert any("python" in path for path in modules)
	assert {path: build_id(path) for path in modules} == modules
	assert len({name for name, _, _ in recording.modules}) == len(recording.modules)


def test_a_changed_file_is_marked(newest, tmp_path):
	script = tmp_path / "works.py"
	script.write_text(WORKS)
	os.utime(script, (4e9, 4e9))
	path = tmp_path / "x.pvr"
	run = live.pitviper("record", "-q", "-F", 499, "-o", path, "--", newest.path, script, timeout=120)
	assert run.status == 0, run
	assert read_recording(path).sources[str(script).encode()] == (1, WORKS.encode())


def test_no_text_that_the_process_cannot_read(newest, tmp_path):
	secret, plain = tmp_path / "secret.txt", tmp_path / "plain.txt"
	for path, mode in ((secret, 0o600), (plain, 0o644)):
		path.write_text("not for everybody")
		path.chmod(mode)
	for folder in [tmp_path, *tmp_path.parents]:
		if "pytest-" in str(folder):	# one more for each of several lanes
			folder.chmod(0o755)
	for path in (secret, plain):
		output = tmp_path / "x.pvr"
		with live.Target([newest.path, "-c", CLAIMS % str(path)]) as victim:
			run = live.pitviper("record", "-q", "-F", 499, "-d", 0.5, "-o", output, "-p", victim.pid)
			assert run.status == 0, run
		recording = read_recording(output)
		assert any(loc.file == str(path).encode() for loc in recording.locs), "its function was not seen"
		assert (str(path).encode() in recording.sources) == (path == plain)
