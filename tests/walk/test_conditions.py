#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Conditions (--if) against Python's own eval(): random expressions of random arguments, and errors with their column.

Input: the program decide_conditions (argument); PV_CONDITIONS, how many (20,000).  Output: PASS and FAIL lines;
status 1 if one failed.
"""
import math
import os
import random
import struct
import subprocess
import sys

DECIDE = sys.argv[1]
N = int(os.environ.get("PV_CONDITIONS", "20000"))
UNKNOWN = "unknown"
failed = False


def check(name, good, detail=""):
    global failed
    failed |= not good
    print("PASS" if good else "FAIL", "walk/conditions: " + name)
    if not good:
        print(str(detail)[:3000])


class Opaque:
    """An object of whose type we know the name alone."""


class Unread:
    pass


def encode(value):
    """The line of a value."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "bool %d" % value
    if isinstance(value, int):
        if value.bit_length() > 64:
            return "large %s%d" % ("-" * (value < 0), value.bit_length())
        return "int %d" % value
    if isinstance(value, float):
        return "float %016x" % struct.unpack("<Q", struct.pack("<d", value))
    if isinstance(value, str):
        top = max(map(ord, value), default=0)
        width = 1 if top < 256 else 2 if top < 65536 else 4
        return "str %d %s" % (width, b"".join(ord(c).to_bytes(width, "little") for c in value).hex())
    if isinstance(value, bytes):
        return "bytes " + value.hex()
    return "object x" if isinstance(value, Opaque) else "unread"


INTS = [0, 1, -1, 2, 3, 4096, 2 ** 31, -2 ** 31, 2 ** 53, 2 ** 53 + 1, 2 ** 63 - 1, -2 ** 63, 2 ** 63, 2 ** 64 - 1, 1 - 2 ** 64]
LARGES = [2 ** 64, -2 ** 64, 2 ** 65 - 1, 10 ** 30, -10 ** 40, 3 ** 500]
FLOATS = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, 2.0, 3.0, 4095.9999, 4096.0, 2.0 ** 53, 2.0 ** 63, 2.0 ** 64, -2.0 ** 64, 1.8e19, 1e30,
          1e300, -1e300, 5e-324, -5e-324, 2.2250738585072014e-308, 0.1, 1 / 3, math.inf, -math.inf, math.nan]
TEXTS = ["", "a", "b", "ab", "abc", "/srv/a", "/srv/b", "/srv", "\xe9", "\xe9\xe9", "\u0416", "\u0416a", "a\u0416", "\U0001f600", "it's",
         "q\"", "back\\", "\n\t", "x" * 63, "x" * 64, "\u0416" * 32, "\U0001f600" * 16, "a" * 20, "\xff" * 64]
LONG = ["x" * 65, "x" * 200, "\u0416" * 33, "a" * 20 + "\U0001f600", "\U0001f600" * 17, "x" * 64 + "y", "/srv/" + "z" * 100]
BYTES = [b"", b"a", b"ab", b"/srv/a", b"\xff\x00", b"x" * 64]
LONG_BYTES = [b"x" * 65, b"x" * 64 + b"y"]


def some_value(rng):
    kind = rng.randrange(10)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind <= 3:
        return rng.choice(INTS) if rng.random() < .7 else rng.randrange(-10 ** rng.randrange(1, 20), 10 ** rng.randrange(1, 20))
    if kind == 4:
        return rng.choice(LARGES)
    if kind == 5:
        return rng.choice(FLOATS) if rng.random() < .7 else rng.uniform(-1, 1) * 10 ** rng.randrange(-20, 25)
    if kind <= 7:
        return rng.choice(TEXTS + LONG)
    if kind == 8:
        return rng.choice(BYTES + LONG_BYTES)
    return Opaque() if rng.random() < .7 else Unread()


def literal(value, rng):
    """A constant as a user may write it."""
    if isinstance(value, int) and not isinstance(value, bool) and rng.random() < .3:
        return rng.choice([hex, bin, oct])(value)
    if isinstance(value, float) and rng.random() < .3:
        return "%.17e" % value
    if isinstance(value, str) and "'" not in value and rng.random() < .3:
        return "'%s'" % "".join(c if c.isalnum() else "\\U%08x" % ord(c) for c in value)
    return repr(value)


def some_constant(rng):
    while True:
        value = some_value(rng)
        if isinstance(value, (Opaque, Unread)) or value in LARGES or value in LONG or value in LONG_BYTES:
            continue
        if isinstance(value, float) and (math.isinf(value) or math.isnan(value)):
            continue
        return value


def is_text(value):
    return isinstance(value, (str, bytes))


def width(value):
    top = 0 if isinstance(value, bytes) else max(map(ord, value), default=0)
    return 1 if top < 256 else 2 if top < 65536 else 4


def is_cut(value):
    return is_text(value) and len(value) * width(value) > 64


def is_number(value):
    return isinstance(value, (bool, int, float))


def is_large(value):
    return isinstance(value, int) and value.bit_length() > 64


def bits_of(value):
    if isinstance(value, int):
        return value.bit_length()
    return math.frexp(value)[1] if math.isfinite(value) else math.inf


def too_like(a, b):
    """Numbers of more than 64 bits that cannot be told apart by sign and length."""
    return is_number(a) and is_number(b) and (is_large(a) or is_large(b)) and a == a and b == b and \
        (a < 0) == (b < 0) and bits_of(a) == bits_of(b)


def compare(a, op, b):
    """What Python says, or UNKNOWN where what is known of the values does not decide it."""
    if isinstance(a, Unread) or isinstance(b, Unread):
        return UNKNOWN
    if op in ("==", "!="):
        if isinstance(a, Opaque) or isinstance(b, Opaque):
            return op == "!=" if a is None or b is None else UNKNOWN
        if too_like(a, b):
            return UNKNOWN
        if is_cut(a) and is_cut(b) and type(a) is type(b) and len(a) == len(b) and width(a) == width(b) and \
           a[:64 // width(a)] == b[:64 // width(a)]:
            return UNKNOWN
    elif not is_number(a) or not is_number(b) or too_like(a, b):
        return UNKNOWN
    return bool(eval("a %s b" % op, {"a": a, "b": b}))


def starts(a, text):
    if not is_text(a) or type(a) is not type(text):
        return UNKNOWN
    # a constant that is wider in a than 64 bytes
    room = 64 // width(a)
    if len(text) > room and a[:room] == text[:room] and len(a) >= len(text):
        return UNKNOWN
    return a.startswith(text)


def truth(a):
    return UNKNOWN if isinstance(a, (Opaque, Unread)) else bool(a)


def some_leaf(rng, names, values, room):
    i = rng.randrange(len(values))
    kind = rng.randrange(10)
    if kind == 0:
        return names[i], truth(values[i])
    if kind == 1:
        op = rng.choice(["is", "is not"])
        equal = compare(values[i], "==" if op == "is" else "!=", None)
        return "%s %s None" % (names[i], op), equal
    if kind == 2 and room[0]:
        room[0] -= 1
        text = rng.choice(TEXTS + BYTES)
        return "%s.startswith(%s)" % (names[i], literal(text, rng)), starts(values[i], text)
    op = rng.choice(["==", "!=", "<", "<=", ">", ">="])
    if kind <= 4 or not room[0]:
        k = rng.randrange(len(values))
        return "%s %s %s" % (names[i], op, names[k]), compare(values[i], op, values[k])
    room[0] -= 1
    constant = some_constant(rng)
    if rng.random() < .4 and not isinstance(values[i], (Opaque, Unread)) and not is_cut(values[i]) and not is_large(values[i]) and \
       not (isinstance(values[i], float) and not math.isfinite(values[i])):
        constant = values[i]
    if is_text(constant):
        op = rng.choice(["==", "!="])
    if rng.random() < .5:
        return "%s %s %s" % (names[i], op, literal(constant, rng)), compare(values[i], op, constant)
    return "%s %s %s" % (literal(constant, rng), op, names[i]), compare(constant, op, values[i])


def negated(a):
    return a if a == UNKNOWN else not a


def both(a, b):
    return False if a is False or b is False else UNKNOWN if UNKNOWN in (a, b) else True


def some_expression(rng, names, values, room, depth):
    """The text, the truth, the same as Python writes it."""
    kind = rng.randrange(6)
    if not depth or kind <= 1:
        text, value = some_leaf(rng, names, values, room)
        return text, value, "(%s)" % text
    left, a, python_left = some_expression(rng, names, values, room, depth - 1)
    if kind == 2:
        sign = rng.choice(["!", "not ", "! "])
        return "%s(%s)" % (sign, left), negated(a), "(not %s)" % python_left
    right, b, python_right = some_expression(rng, names, values, room, depth - 1)
    if kind == 3:
        return "%s%s%s" % (left if " or " not in left and "||" not in left else "(%s)" % left, rng.choice([" && ", "&&", " and "]),
                           "(%s)" % right), both(a, b), "(%s and %s)" % (python_left, python_right)
    return "%s%s%s" % (left, rng.choice([" || ", "||", " or "]), right), negated(both(negated(a), negated(b))), \
        "(%s or %s)" % (python_left, python_right)


def random_conditions():
    rng = random.Random(int(os.environ.get("PV_SEED", "20")))
    lines, expected, texts, differences = [], [], [], []
    for _ in range(N):
        values = [some_value(rng) for _ in range(rng.randrange(1, 6))]
        names = ["n%d" % i if rng.random() < .5 else rng.choice(["path", "n", "size", "argument", "is_it", "ort", "x\xe9"]) + str(i)
                 for i in range(len(values))]
        used = [name if rng.random() < .7 else "arg%d" % (i + 1) for i, name in enumerate(names)]
        text, value, python = some_expression(rng, used, values, [8], rng.randrange(4))
        if value != UNKNOWN:
            # the parts were put together by us: Python's own idea of the whole, where it has one
            try:
                whole = bool(eval(python, dict(zip(used, values))))
            except (TypeError, AttributeError):
                whole = value
            if whole != value and not any(isinstance(v, (Opaque, Unread)) or is_cut(v) or is_large(v) for v in values):
                differences.append((python, values, whole, value))
        lines += ["name " + name for name in names] + ["arg " + encode(v) for v in values] + ["if " + text]
        expected.append(UNKNOWN if value == UNKNOWN else "true" if value else "false")
        texts.append((text, dict(zip(used, values))))
    run = subprocess.run([DECIDE], input="\n".join(lines).encode("utf-8", "surrogatepass"), stdout=subprocess.PIPE)
    got = run.stdout.decode("utf-8", "replace").splitlines()
    check("the oracle agrees with itself", not differences, differences[:3])
    check("each of %d is decided" % N, run.returncode == 0 and len(got) == N, (run.returncode, len(got)))
    long = [g for g in got if "too long" in g]
    bad = [(t, e, g) for t, e, g in zip(texts, expected, got) if e != g and "too long" not in g]
    check("%d random conditions are decided as Python does" % N, not bad, "\n".join(map(str, bad[:5])))
    check("few are too long", len(long) < N / 100, long[:3])
    for truth_value in ("true", "false", UNKNOWN):
        check("some are " + truth_value, got.count(truth_value) > N / 20, got.count(truth_value))


ERRORS = [
    ("", 1, "ends too early"), ("n >", 4, "ends too early"), ("n > 3 &&", 9, "ends too early"), ("(n > 3", 7, ") is missing"),
    ("n > 3)", 6, "cannot follow"), ("other == 1", 1, "no such argument"), ("n == 'a", 6, "last quote"), ("n == 3 4", 8, "cannot follow"),
    ("n == 18446744073709551616", 6, "more than 64 bits"), ("n == '" + "x" * 65 + "'", 6, "more than 64 bytes"),
    ("n == '\\q'", 6, "unknown escape"), ("n < 'a'", 3, "== and !="), ("3", 1, "a constant alone"), ("!3", 2, "a constant alone"),
    ("3 == 4", 1, "two constants"), ("1 < n < 3", 7, "chained"), ("!n == 3", 4, "write !(a == b)"), ("(n) == 3", 7, "parentheses"),
    ("n.endswith('a')", 3, "startswith"), ("n.startswith(3)", 14, "takes a text"), ("n is 3", 6, "None only"), ("n = 3", 3, "cannot follow"),
    ("n == 0x", 6, "without digits"), ("n == 12ab", 6, "goes on"), ("n == b'\xe9'", 6, "ASCII"), ("arg3 == 1", 1, "not so many"),
    ("arg0 == 1", 1, "no such argument"), ("n == 1.5.2", 6, "goes on"), ("&& n", 1, "expected here"), ("n == $", 6, "expected here"),
    ("(" * 40 + "n" + ")" * 40, 17, "too deep"), (" || ".join(["n == 1"] * 9), 86, "more than 8"), (" || ".join(["n"] * 17), 82, "too long"),
]


def errors():
    for text, column, says in ERRORS:
        run = subprocess.run([DECIDE], input=("name n\nname m\narg int 1\narg int 2\nif %s\n" % text).encode(), stdout=subprocess.PIPE)
        out = run.stdout.decode()
        check("error: " + (text if len(text) < 30 else text[:30] + "..."), "column %d: " % column in out and says in out, out)


random_conditions()
errors()
sys.exit(failed)
