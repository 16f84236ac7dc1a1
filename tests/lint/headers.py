#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each header compiles alone.

Input: src/*/*.h.  Those of bpf/ are for clang -target bpf only, those of abi/ and walk/ for both; a BPF
unit includes bpf/vmlinux.h before anything else, and the walkers stand after their home (walk/walk.h).
Output: PASS or FAIL lines; status 1 if one failed.
"""
import concurrent.futures
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
WARN = ["-Wall", "-Wextra", "-Wshadow", "-Werror"]
HOST = ["gcc", "-std=gnu17", "-D_GNU_SOURCE", *WARN, "-Wstrict-prototypes", "-Wmissing-prototypes", "-Isrc",
        "-fsyntax-only", "-x", "c", "-"]
BPF = ["clang", "-target", "bpf", "-D__TARGET_ARCH_x86", "-O2", "-g", *WARN, "-Wno-unused-parameter",
       "-Wno-unused-function", "-Isrc", "-fsyntax-only", "-x", "c", "-"]


VMLINUX = '#include "bpf/vmlinux.h"\n'
HOME = VMLINUX + """#include <bpf/bpf_helpers.h>
#include "walk/walk.h"
long pv_read(struct pv_ctx *c, void *dst, __u32 n, __u64 addr);
long pv_read_stack(struct pv_ctx *c, __u64 *words, __u32 n, __u64 addr);
#include "bpf/tasks.bpf.h"
#include "bpf/home.bpf.h"
#include "walk/reader.h"
long pv_value_get(struct pv_value_reader *r, void *dst, __u32 n, __u64 addr);
long pv_value_get_text(struct pv_value_reader *r, void *dst, __u32 n, __u64 addr);
long pv_value_loop(__u32 n, long (*fn)(__u32 i, void *ctx), void *ctx);
"""


def homes(header):
    """The commands and what stands before the header in each."""
    folder = header.split("/")[0]
    if folder == "bpf":
        return [(BPF, "" if header.endswith("vmlinux.h") else VMLINUX)]
    if folder == "walk" and header not in ("walk/walk.h", "walk/reader.h"):
        return [(BPF, HOME)]
    if folder in ("abi", "walk"):
        return [(HOST, ""), (BPF, VMLINUX)]
    return [(HOST, "")]


def compile_alone(header):
    for command, before in homes(header):
        # Twice: the include guard is a part of it.
        source = before + f'#include "{header}"\n' * 2
        run = subprocess.run(command, input=source, cwd=TOP, text=True, capture_output=True)
        if run.returncode:
            return header, f"{command[0]}: " + run.stderr.replace("\n", " ")[:300]
    return header, None


def main():
    headers = sorted(path.relative_to(TOP / "src").as_posix() for path in (TOP / "src").rglob("*.h"))
    failed = False
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for header, problem in pool.map(compile_alone, headers):
            failed |= problem is not None
            print(("FAIL" if problem else "PASS"), f"lint/headers: {header}" + (f": {problem}" if problem else ""))
    sys.exit(failed or not headers)


main()
