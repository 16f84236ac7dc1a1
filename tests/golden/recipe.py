# SPDX-License-Identifier: BSD-2-Clause
"""The recipe of a golden profile, and what docs/formats.md says of it, without the code under test.

Input: text as in profile.txt, whose head says how it reads.  Output: a Recipe; frame texts.
"""
import collections
import dataclasses
import re
import unicodedata

KINDS = {"p": "python", "n": "native", "i": "inlined", "k": "kernel", "m": "marker", "t": "thread", "P": "process", "l": "label"}
# Where the system and its packages put native code: nobody's own.
SYSTEM = rb"/((usr/)?(s?bin|lib|lib64)|usr/(libexec|share)|nix/store)/|\[vdso\]"
INTERPRETER = re.compile(rb"(lib)?python(?![^\d.-])")


@dataclasses.dataclass(frozen=True)
class Frame:
    kind: str
    function: bytes
    file: bytes = b""
    module: bytes = b""
    line: int = 0


UNKNOWN = Frame("marker", b"[unknown]")


@dataclasses.dataclass
class Sample:
    count: int
    tid: int
    thread: bytes
    process: tuple
    at: list  # (slice, count)
    frames: tuple  # Frame, root first


@dataclasses.dataclass
class Recipe:
    samples: list = dataclasses.field(default_factory=list)
    capture: dict = dataclasses.field(default_factory=dict)
    processes: dict = dataclasses.field(default_factory=dict)  # (pid, generation) -> title
    modules: dict = dataclasses.field(default_factory=dict)  # name -> (path, build id)
    losses: dict = dataclasses.field(default_factory=dict)  # number -> count

    def number(self, name):
        return int(self.capture.get(name, 0))

    def threads(self):
        """(process, tid) -> name, in the order of their first samples."""
        return {(s.process, s.tid): s.thread for s in self.samples}

    def total(self):
        return sum(s.count for s in self.samples)


def field(text):
    """Undoes "-", "~" and \\xNN."""
    data = text.replace("~", " ").encode()
    return b"" if text == "-" else re.sub(rb"\\x(..)", lambda m: bytes([int(m[1], 16)]), data)


def to_field(data):
    """The other way, for recipes made by a test."""
    return "".join(chr(b) if 0x21 <= b < 0x7f and chr(b) not in "~\\|-" else f"\\x{b:02x}" for b in data) or "-"


def read_frame(text):
    kind, function, file, module, line = text.split()
    return Frame(KINDS[kind], field(function), field(file), field(module), int(line))


def read_sample(line):
    head, *frames = line.split("|")
    count, tid, name, *more = head.split()
    more = dict(part.split("=", 1) for part in more)
    at = [tuple(map(int, part.split(":"))) for part in more["at"].split(",")] if "at" in more else []
    process = tuple(map(int, more.get("process", "11.1").split(".")))
    return Sample(int(count), int(tid), name.encode(), process, at, tuple(read_frame(f) for f in frames if f.strip()))


def read(text):
    recipe = Recipe()
    for line in text.splitlines():
        word, *rest = line.split() or ["#"]
        if word == "capture":
            recipe.capture[rest[0]] = field(rest[1])
        elif word == "process":
            recipe.processes[int(rest[0]), int(rest[1])] = field(rest[4])
        elif word == "module":
            recipe.modules[field(rest[0])] = field(rest[1]), field(rest[2])
        elif word == "loss":
            recipe.losses[int(rest[0])] = int(rest[1])
        elif not word.startswith("#") and word != "source":
            recipe.samples.append(read_sample(line))
    return recipe


# Not assigned, letters or marks, but like the characters of category Cf they show nothing or act on what is beside
# them: Mongolian variation selectors, one of the invisible operators, the Hangul filler, specials, Egyptian
# hieroglyph controls (of Unicode 15), all of the plane of tags.
HIDDEN = {0x2065, 0x3164, *range(0x180b, 0x1810), *range(0xfff0, 0xfffc), *range(0x13430, 0x13440), *range(0xe0000, 0xe1000)}


def is_obeyed(code):
    """Rather than shown: controls, format characters, line ends, never a character."""
    return code in HIDDEN or code & 0xfffe == 0xfffe or unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp")


def escape(data, separators=""):
    """docs/formats.md: what is not shown as it is, and what is not as \\xNN for each byte, a backslash as two."""
    out = []
    for char in data.decode("utf-8", "surrogateescape"):
        code = ord(char)
        if is_obeyed(code) or 0xdc80 <= code <= 0xdcff or char in separators:
            out += [f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape")]
        else:
            out.append("\\\\" if char == "\\" else char)
    return "".join(out)


def unescape(text):
    return re.sub(rb"\\(\\|x[0-9a-f]{2})", lambda m: b"\\" if m[1] == b"\\" else bytes([int(m[1][1:], 16)]),
                  text.encode())


def shown_file(path):
    """A library's file from its package on, __init__.py with its directory, all else by its base name."""
    if path.startswith(b"<") or b"/" not in path or path.endswith(b"/"):
        return path
    for cut in (rb".*/(?:site|dist)-packages/(.+)", rb".*/lib(?:64)?/python[^/]*/(.+)"):
        match = re.fullmatch(cut, path, re.S)
        if match:
            return match[1]
    return b"/".join(path.split(b"/")[-2:] if path.split(b"/")[-1].startswith(b"__") else path.split(b"/")[-1:])


def name_text(frame, separators=""):
    """The text of a frame without its place."""
    return (escape(frame.function, separators) or "[unknown]") + {"inlined": " (inlined)", "kernel": "_[k]"}.get(
        frame.kind, "")


def frame_text(frame, separators=""):
    place = b""
    if frame.kind == "python":
        place = shown_file(frame.file)
    elif frame.kind == "native" and not frame.function.startswith(b"[unknown"):
        place = frame.module
    line = f":{frame.line}" if frame.kind == "python" and frame.line > 0 else ""
    return name_text(frame, separators) + (f" ({escape(place, separators)}{line})" if place else "")


def is_command(path, recipe):
    """PREFIX/bin/NAME, without a suffix, of a PREFIX with an interpreter's library that the profile has code of."""
    place = re.fullmatch(rb"(.+)/bin/[^/]+", path, re.S)
    return bool(place) and not path.endswith(b".py") and any(
        re.match(re.escape(place[1]) + rb"/lib(64)?/python\d", frame.file, re.S)
        for sample in recipe.samples for frame in sample.frames if frame.kind == "python")


def is_own(frame, recipe):
    """The user's own code: not in the interpreter's library, -packages, or the system's directories."""
    if frame.kind == "python":
        path = frame.file
    elif frame.kind in ("native", "inlined") and frame.module in recipe.modules:
        path = recipe.modules[frame.module][0]
    else:
        return False
    if not path or re.search(rb"/(site|dist)-packages/|/lib(64)?/python[^/]*/", path, re.S):
        return False
    if re.match(rb"<(frozen |__array_function__ internals>|attrs generated |decorator-gen-)", path):
        return False
    if re.match(SYSTEM, path):
        return False
    if frame.kind == "python":
        return not is_command(path, recipe)
    return not INTERPRETER.match(path.split(b"/")[-1])


def counts(recipe, text=frame_text):
    """Samples by stack, as tuples of texts."""
    found = collections.Counter()
    for sample in recipe.samples:
        found[tuple(text(frame) for frame in sample.frames or (UNKNOWN,))] += sample.count
    return found


# C of the interpreter or the C library.
CALLERS = re.compile(INTERPRETER.pattern + rb"|libc\.so|libc\.musl|libpthread|ld-linux|ld-musl")


def leads(recipe):
    """Stacks up to a frame that have Python further in, anywhere in the capture."""
    return {sample.frames[:i + 1] for sample in recipe.samples for i in range(len(sample.frames))
            if any(f.kind == "python" for f in sample.frames[i + 1:])}


def is_call(frames, i, leading):
    """How the interpreter calls, not what is called."""
    return frames[i].kind in ("native", "inlined") and bool(CALLERS.match(frames[i].module)) and frames[:i + 1] in leading
