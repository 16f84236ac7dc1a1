# SPDX-License-Identifier: BSD-2-Clause
"""Recordings as text, by the second reader: what golden.pvr holds."""
import read_pvr


def show(data):
    lines = []
    read_pvr.dump(read_pvr.Recording(data), lines.append)
    return "\n".join(lines) + "\n"
