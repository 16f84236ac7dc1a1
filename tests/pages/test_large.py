# SPDX-License-Identifier: BSD-2-Clause
"""Profiles with more in them than one tries by hand."""
from conftest import make


def test_a_name_is_its_own_however_many_there_are(page):
    """Texts are remembered by the number of their string, and next to them paths without their beginning."""
    page.size(1280, 5200)
    page.open(make("capture period_ns 10000000\n" + "".join(
        f"1 7 main | p f{i:06d} /srv/x/app.py - 1\n" for i in range(131200))), tab="functions", q="^f1310..$", sort="name.up")
    rows = page.grid("functions")
    assert [row["name"] for row in rows] == [f"f{i:06d}" for i in range(131000, 131100)]
    assert {row["place"] for row in rows} == {"app.py"}
