# SPDX-License-Identifier: BSD-2-Clause
"""What the pages do.  Each is slow for one reason, which a flame graph shows at a glance:

    /report     turns rows into text, one datetime.strptime() a row, which is Python code of the library
    /search     has a regular expression that tries every start against every end of a line
    /thumbnail  shrinks a picture and compresses it as hard as zlib can, without the GIL
    /download   reads the file anew for each request, in small blocks: the time is the kernel's

Input: none.  Output: bytes of a response, and how long each part took, to account.py.
Standard library, Python 3.8 or newer.
"""
import datetime
import json
import os
import random
import re
import sqlite3
import tempfile
import threading
import zlib

from account import Watch

ORDERS = 5000
ROWS = 600
WIDTH, HEIGHT = 480, 270
FILE_SIZE = 16 << 20
BLOCK = 256 << 10
CITIES = ["Aachen", "Berlin", "Cairo", "Dakar", "Espoo", "Fukuoka", "Graz", "Hanoi"]


def make_orders(rng):
    orders = sqlite3.connect(":memory:", check_same_thread=False)
    orders.execute("CREATE TABLE orders (number INTEGER PRIMARY KEY, city TEXT, price INTEGER, made TEXT)")
    orders.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", (
        (number, rng.choice(CITIES), rng.randrange(100, 50000),
         "2026-%02d-%02d %02d:%02d:00" % (number % 12 + 1, number % 28 + 1, number % 24, number % 60))
        for number in range(ORDERS)))
    return orders


def make_log(rng):
    return ["%d worker[%d]: %s from=%s size=%d" % (
        rng.randrange(10**9), rng.randrange(100), rng.choice(["accepted", "closed", "retried"]) * 2,
        " ".join(rng.choice(CITIES) for _ in range(12)), rng.randrange(10**6)) for _ in range(200)]


def make_picture():
    return bytes((x * x // 97 + y * 3 + (x ^ y)) & 255 for y in range(HEIGHT) for x in range(WIDTH))


def make_file():
    file = tempfile.TemporaryFile(buffering=0)
    file.write(make_picture() * (FILE_SIZE // (WIDTH * HEIGHT)))
    return file


RNG = random.Random(1)
DATABASE = make_orders(RNG)
ONE_AT_A_TIME = threading.Lock()
LOG = make_log(RNG)
PICTURE = make_picture()
FILE = make_file()
PATTERN = re.compile(r"\w+ .*from=.*refused.*size=")


def fetch_orders(city):
    with ONE_AT_A_TIME:  # sqlite3 keeps statements for the next use, and two threads may take the same one
        return DATABASE.execute("SELECT number, city, price, made FROM orders WHERE city = ? ORDER BY made LIMIT ?",
                                (city, ROWS)).fetchall()


def to_row(order):
    number, city, price, made = order
    day = datetime.datetime.strptime(made, "%Y-%m-%d %H:%M:%S")
    return {"number": number, "city": city, "price": price / 100, "week": day.isocalendar()[1]}


def report():
    watch = Watch("report")
    orders = fetch_orders("Hanoi")
    watch.done("fetch_orders")
    rows = [to_row(order) for order in orders]
    watch.done("to_row")
    body = json.dumps(rows).encode()
    watch.done("dumps")
    return body


def find(lines):
    return [line for line in lines if PATTERN.search(line)]


def search():
    watch = Watch("search")
    found = find(LOG)
    watch.done("find")
    return "\n".join(found).encode() or b"nothing\n"


def shrink(picture):
    """A sixth as wide and as high: each point is the mean of four."""
    small = bytearray()
    for top in range(0, WIDTH * (HEIGHT - 5), WIDTH * 6):
        for at in range(top, top + WIDTH - 5, 6):
            small.append((picture[at] + picture[at + 3] + picture[at + 3 * WIDTH] + picture[at + 3 * WIDTH + 3]) >> 2)
    return small


def thumbnail():
    watch = Watch("thumbnail")
    small = shrink(PICTURE)
    watch.done("shrink")
    packed = zlib.compress(PICTURE, 9)
    watch.done("compress")
    return packed + small


def read_file():
    block, at = bytearray(BLOCK), 0
    while True:
        size = os.preadv(FILE.fileno(), [block], at)
        if size < BLOCK:
            return block
        at += size


def download():
    watch = Watch("download")
    block = read_file()
    watch.done("read_file")
    return bytes(block[:1000])


PAGES = {"/report": report, "/search": search, "/thumbnail": thumbnail, "/download": download}
