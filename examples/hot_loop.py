#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A small service that is always busy: orders are made, encoded, packed, and scored.

Input: none.  Output: one line when it runs; then it works until it is killed.  Where the time goes
is known: about two thirds in score() and its helper distance() (pure Python), about a tenth each in
Order(), in C code that Python calls: json in encode(), and in C code that runs without the GIL: zlib in
pack() and hashlib in seal().
Python 3.8 or newer, no other package.
"""
import hashlib
import json
import os
import random
import zlib

CITIES = ["Aachen", "Berlin", "Cairo", "Dakar", "Espoo", "Fukuoka", "Graz", "Hanoi"]


class Order:
    def __init__(self, number, rng):
        self.number = number
        self.city = rng.choice(CITIES)
        self.items = [{"sku": rng.randrange(10**6), "price": round(rng.uniform(1, 500), 2)}
                      for _ in range(40)]

    def total(self):
        return sum(item["price"] for item in self.items)


def distance(a, b):
    """Edit distance, the slow and honest way."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        left = i
        previous = i - 1
        for j, y in enumerate(b, 1):
            above = row[j]
            left = min(above + 1, left + 1, previous + (x != y))
            previous = above
            row[j] = left
    return row[-1]


def score(order):
    """The hottest function of the program, by way of distance()."""
    return min(distance(order.city * 2, city * 2) for city in CITIES) + order.total()


def encode(orders):
    return json.dumps([vars(order) for order in orders], sort_keys=True).encode()


def pack(data):
    return zlib.compress(data, 6)


def seal(data):
    return hashlib.pbkdf2_hmac("sha256", data[:64], b"pitviper", 4000)


def work(rng, first):
    orders = [Order(first + i, rng) for i in range(30)]
    best = max(orders, key=score)
    packed = pack(encode(orders))
    return best.number, len(packed), seal(packed)


def main():
    rng = random.Random(1)
    print("hot_loop: running, pid %d" % os.getpid(), flush=True)
    first = 0
    while True:
        work(rng, first)
        first += 30


if __name__ == "__main__":
    main()
