#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A second reader of recordings, written from docs/recording.md alone.

Input: a .pvr file (argument; - or none: standard input).  Output: what is in it, as text that a person can
read; as a module: class Recording.  Shares no code with src/recfile.
"""
import collections
import struct
import sys
import zlib

MAGIC = b"\x89PVR\r\n\x1a\n"
DEPTH_MAX = 16384
KINDS = ["python", "native", "inlined", "kernel", "marker", "thread", "process", "label"]
FIELDS = {
    1: "target_name", 2: "title", 3: "pid", 4: "interpreter", 5: "problem", 6: "engine", 7: "host", 8: "note",
    9: "wait_function", 10: "wait_place", 11: "wait_thread",
    16: "no_native", 17: "no_kernel", 18: "children", 19: "ended", 20: "cut", 21: "unwatched_least", 22: "wait_stopped",
    32: "start_unix_ns", 33: "slice_ns", 34: "n_slices", 35: "period_ns", 36: "duration_ns", 37: "target_cpu_ns",
    38: "own_cpu_ns", 39: "probe_ns", 40: "n_unwatched", 41: "unwatched_cpu_ns",
    42: "wait_tid", 43: "wait_others", 44: "wait_pid", 45: "wait_processes",
    64: "samples", 65: "complete", 66: "truncated", 67: "marked", 68: "bridged", 69: "with_python", 70: "kernel",
    71: "gc"}
STRING_FIELDS = {1, 2, 4, 5, 6, 7, 8, 9, 10, 11}

Loc = collections.namedtuple("Loc", "kind function file module line")
Process = collections.namedtuple("Process", "pid parent generation name title interpreter problem")
Thread = collections.namedtuple("Thread", "process tid name")
Sample = collections.namedtuple("Sample", "time stack thread count")  # time None: not known; stack: of Loc, root first


class Malformed(Exception):
    """A chunk that breaks a rule: the recording ends before it."""


class NotARecording(Exception):
    pass


class Payload:
    def __init__(self, data):
        self.data, self.at = data, 0

    def more(self):
        return self.at < len(self.data)

    def varint(self, below=1 << 64):
        value = shift = 0
        while True:
            if not self.more() or shift > 63:
                raise Malformed("a varint has no end")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                break
        if value >= below:
            raise Malformed("a number is too large")
        return value

    def u32(self):
        return self.varint(1 << 32)

    def zigzag(self):
        value = self.varint()
        return -(value >> 1) - 1 if value & 1 else value >> 1

    def text(self):
        n = self.varint()
        if n > len(self.data) - self.at:
            raise Malformed("a text is longer than its chunk")
        self.at += n
        return self.data[self.at - n:self.at]

    def rest(self):
        at, self.at = self.at, len(self.data)
        return self.data[at:]


def element(items, number):
    if number >= len(items):
        raise Malformed("a number that was not told")
    return items[number]


class Recording:
    def __init__(self, data):
        self.strings, self.modules, self.locs, self.processes, self.threads = [b""], [], [], [], []
        self.nodes = [()]
        self.sources, self.causes, self.samples, self.epochs = {}, {}, [], 1
        self.totals, self.lost, self.whole, self.unknown, self.broken = {}, {}, False, [], None
        if data[:8] != MAGIC:
            raise NotARecording("no magic")
        self.at = 8
        try:
            while self.at < len(data) and not self.whole:
                self.at = self.chunk(data, self.at)
        except Malformed as why:
            self.broken = str(why)

    def chunk(self, data, at):
        if len(data) - at < 12:
            raise Malformed("the file ends within a chunk")
        kind, flags, n, crc = struct.unpack_from("<HHII", data, at)
        payload = data[at + 12:at + 12 + n]
        if len(payload) < n:
            raise Malformed("the file ends within a chunk")
        if zlib.crc32(payload, zlib.crc32(data[at:at + 8])) != crc:
            raise Malformed("the checksum differs")
        read = self.READERS.get(kind)
        if flags & ~1 or not read:
            self.unknown.append((kind, flags))
            return at + 12 + n
        if flags & 1:
            payload = self.unpack(payload)
        # What a malformed chunk told before its fault is not taken back here: only its samples matter.
        read(self, Payload(payload))
        return at + 12 + n

    @staticmethod
    def unpack(payload):
        if len(payload) < 4:
            raise Malformed("no plain length")
        plain, = struct.unpack_from("<I", payload)
        if plain > 64 * (len(payload) - 4) + 63:
            raise Malformed("too well compressed")
        try:
            out = zlib.decompress(payload[4:])
        except zlib.error as why:
            raise Malformed(str(why)) from why
        if len(out) != plain:
            raise Malformed("the plain length differs")
        return out

    def dictionary(self, payload, items, read):
        if payload.varint() != len(items):
            raise Malformed("numbers do not count up")
        while payload.more():
            items.append(read())

    def told_again(self, payload, items, read, same):
        at = payload.varint()
        while payload.more():
            item = read()
            if at > len(items) or at < len(items) and not same(items[at], item):
                raise Malformed("numbers do not count up")
            items[at:at + 1] = [item]
            at += 1

    def string(self, payload):
        return element(self.strings, payload.u32())

    def read_strings(self, payload):
        self.dictionary(payload, self.strings, payload.text)

    def read_modules(self, payload):
        self.dictionary(payload, self.modules, lambda: tuple(self.string(payload) for _ in range(3)))

    def read_locs(self, payload):
        def loc():
            kind = payload.u32()
            return Loc(kind if kind < len(KINDS) else KINDS.index("marker"), *(self.string(payload) for _ in range(3)),
                       payload.zigzag())
        self.dictionary(payload, self.locs, loc)

    def read_processes(self, payload):
        def process():
            return Process(*(payload.u32() for _ in range(3)), *(self.string(payload) for _ in range(4)))
        self.told_again(payload, self.processes, process, lambda a, b: (a.pid, a.generation) == (b.pid, b.generation))

    def read_threads(self, payload):
        def thread():
            process = payload.u32()
            element(self.processes, process)
            return Thread(process, payload.u32(), self.string(payload))
        self.told_again(payload, self.threads, thread, lambda a, b: a[:2] == b[:2])

    def read_nodes(self, payload):
        def node():
            up, loc = payload.u32(), element(self.locs, payload.u32())
            if not 1 <= up <= len(self.nodes):
                raise Malformed("a caller that was not told")
            # A stack is a linked list (caller, loc), so that deep trees stay small.
            caller = self.nodes[len(self.nodes) - up]
            depth = caller[2] + 1 if caller else 1
            if depth > DEPTH_MAX:
                raise Malformed("a stack is too deep")
            return caller, loc, depth
        self.dictionary(payload, self.nodes, node)

    def read_forget(self, payload):
        self.nodes, self.epochs = [()], self.epochs + 1

    def read_source(self, payload):
        file, flags = self.string(payload), payload.varint()
        self.sources.setdefault(file, (flags & 1, payload.rest()))

    def read_causes(self, payload):
        while payload.more():
            cause = payload.varint()
            self.causes[cause] = payload.text(), payload.text()

    def read_samples(self, payload):
        time = 0
        while payload.more():
            time = (time + payload.zigzag()) % (1 << 64)
            node = element(self.nodes, payload.u32())
            thread = payload.varint()
            count = payload.u32() if thread & 1 else 1
            self.add(time, node, thread >> 1, count)

    def read_counts(self, payload):
        while payload.more():
            self.add(None, element(self.nodes, payload.u32()), payload.u32(), payload.varint())

    def add(self, time, node, thread, count):
        element(self.threads, thread)
        if time is not None and time >= 1 << 62 or not count or self.n_samples() + count > 1 << 53:
            raise Malformed("no such sample")
        self.samples.append(Sample(time, node, thread, count))
        self.total += count

    total = 0

    def n_samples(self):
        return self.total

    def read_totals(self, payload):
        self.totals, self.lost = {}, {}
        while payload.more():
            field, value = payload.varint(), payload.varint()
            if 256 <= field < 4096:
                self.lost[field - 256] = value
            elif field in STRING_FIELDS:
                self.totals[FIELDS[field]] = element(self.strings, value)
            elif field in FIELDS:
                self.totals[FIELDS[field]] = value

    def read_end(self, payload):
        if payload.varint() != self.total:
            raise Malformed("the end tells of another number of samples")
        self.whole = True

    READERS = {1: read_strings, 2: read_modules, 3: read_locs, 4: read_processes, 5: read_threads, 6: read_source,
               7: read_nodes, 8: read_causes, 32: read_samples, 33: read_counts, 34: read_forget, 64: read_totals,
               127: read_end}

    def quality_samples(self):
        """Samples taken: as told, unless the recording broke off."""
        return self.totals.get("samples", 0) if self.whole else self.total

    def by_stack(self):
        """Counts by (thread, stack), a stack being a tuple of Loc, root first."""
        counts, stacks = collections.Counter(), {}
        for sample in self.samples:
            if id(sample.stack) not in stacks:
                stacks[id(sample.stack)] = stack_of(sample.stack)
            counts[sample.thread, stacks[id(sample.stack)]] += sample.count
        return counts


def stack_of(node):
    frames = []
    while node:
        node, loc, _ = node
        frames.append(loc)
    return tuple(reversed(frames))


def shown(data):
    return '"' + "".join(chr(c) if 0x20 <= c < 0x7f and c not in b'"\\' else f"\\x{c:02x}" for c in data) + '"'


def shown_loc(loc):
    place = f" {shown(loc.file)}:{loc.line}" if loc.file or loc.line else ""
    module = f" in {shown(loc.module)}" if loc.module else ""
    return f"{KINDS[loc.kind]} {shown(loc.function)}{place}{module}"


def dump(recording, write):
    for field, value in recording.totals.items():
        write(f"{field} {shown(value) if isinstance(value, bytes) else value}")
    for cause, n in recording.lost.items():
        name, words = recording.causes.get(cause, (b"?", b"?"))
        write(f"lost {n} {cause} {shown(name)} {shown(words)}")
    for process in recording.processes:
        write(f"process {process.pid} of {process.parent}, generation {process.generation}: "
              + " ".join(shown(text) for text in process[3:]))
    for thread in recording.threads:
        process = recording.processes[thread.process]
        write(f"thread {thread.tid} of {process.pid}/{process.generation} {shown(thread.name)}")
    for module in recording.modules:
        write("module " + " ".join(shown(text) for text in module))
    for file, (changed, text) in recording.sources.items():
        write(f"source {shown(file)} {'changed ' if changed else ''}{len(text)} bytes, CRC-32 {zlib.crc32(text):08x}")
    for sample in recording.samples:
        thread = recording.threads[sample.thread]
        when = "at no time" if sample.time is None else f"at {sample.time}"
        write(f"{sample.count} x {thread.tid} {when}")
        for loc in stack_of(sample.stack):
            write("  " + shown_loc(loc))
    for kind, flags in recording.unknown:
        write(f"unknown chunk of type {kind}, flags {flags}")
    write(f"whole, {recording.total} samples" if recording.whole else
          f"breaks off at byte {recording.at}: {recording.broken or 'no end'}; {recording.total} samples")


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else "-"
    if path == "-":
        data = sys.stdin.buffer.read()
    else:
        with open(path, "rb") as file:
            data = file.read()
    try:
        dump(Recording(data), print)
    except NotARecording as why:
        sys.exit(f"{path} is not a recording: {why}")


if __name__ == "__main__":
    main()
