# SPDX-License-Identifier: BSD-2-Clause
"""Calls of every kind; counts them itself by sys.setprofile, once, before anybody looks.

Says TRUTH and a JSON object {"LINE": [name, calls]} of one round, then READY; "go N" runs N rounds,
without a profile function, and says DONE.
"""
import asyncio
import functools
import json
import sys
import threading


def plain(x):
    return x + 1


def many(*args, **kw):
    return len(args) + len(kw)


def recursive(n):
    if n:
        return recursive(n - 1) + 1
    return 0


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


def raises():
    raise ValueError("always")


def passes_on():
    return raises()


def cleans_up():
    try:
        raises()
    finally:
        plain(2)


def catches():
    try:
        cleans_up()
    except ValueError:
        return plain(1)


def deep_raise(n):
    if n == 0:
        raise KeyError(n)
    deep_raise(n - 1)


def generator(n):
    for i in range(n):
        yield i


def delegating(n):
    got = yield from generator(n)
    return got


def endless():
    while True:
        try:
            yield 1
        except KeyError:
            plain(3)


def delegates():
    yield from endless()


def delegates_twice():
    yield from delegates()


def fails_midway():
    yield 1
    raises()


def receives():
    total = 0
    while True:
        got = yield total
        if got is None:
            return total
        total += got


async def leaf():
    return plain(4)


class Ready(object):
    def __await__(self):
        yield
        return 5


async def waits():
    await leaf()
    return await Ready()


async def is_cancelled():
    try:
        await Ready()
    except KeyError:
        plain(4)
        await leaf()


async def awaits():
    await is_cancelled()
    plain(5)


async def produces(n):
    for i in range(n):
        yield i


async def consumes():
    return [i async for i in produces(3)]


class Thing(object):
    def __init__(self, value):
        self.value = value

    def __del__(self):
        plain(self.value)

    def __getitem__(self, i):
        return self.value + i

    def __lt__(self, other):
        return self.value < other.value

    @property
    def double(self):
        return 2 * self.value

    @staticmethod
    def static(x):
        return x

    @classmethod
    def made(cls, x):
        return cls(x)


class Guard(object):
    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        return kind is ValueError


class Refuses(object):
    def __init__(self):
        raises()


def key(x):
    return -x


def closure(n):
    def inner(x):
        return x + n
    return inner


def uses_lambda():
    return (lambda x: x)(1)


def comprehensions():
    first = [plain(i) for i in range(3)]
    return sum(plain(i) for i in first)


@functools.lru_cache(None)
def cached(x):
    return plain(x)


def keeps_busy(n):
    return sum(i for i in range(n))


def generators():
    list(generator(3))
    list(delegating(2))
    one = endless()
    next(one)
    one.throw(KeyError())
    one.close()
    for make in (delegates, delegates_twice):
        one = make()
        next(one)
        one.throw(KeyError())
        one.send(None)
        one.throw(KeyError())
        one.close()
    try:
        list(fails_midway())
    except ValueError:
        pass
    two = receives()
    next(two)
    two.send(2)
    try:
        two.send(None)
    except StopIteration:
        pass
    never = generator(1)
    never.close()
    three = generator(2)
    next(three)
    try:
        three.throw(IndexError())
    except IndexError:
        pass


def coroutines():
    for coroutine in (waits(), consumes()):
        try:
            while True:
                coroutine.send(None)
        except StopIteration:
            pass
    # 3.11 puts a frame that goes on behind its RESUME, and tells a profile function of no call
    # (CPython 3.11 Objects/genobject.c, _gen_throw: prev_instr += jump)
    cancelled = awaits() if sys.version_info[:2] != (3, 11) else is_cancelled()
    cancelled.send(None)
    try:
        cancelled.throw(KeyError())
    except StopIteration:
        pass


def objects():
    things = [Thing(3), Thing.made(1)]
    things.sort()
    things[0][1] + things[1].double + Thing.static(1)
    with Guard():
        raises()
    try:
        Refuses()
    except ValueError:
        pass
    del things


def in_thread():
    thread = threading.Thread(target=thread_body)
    thread.start()
    thread.join()


def thread_body():
    recursive(2)


def in_one_thread():
    plain(0)
    many(1, 2, a=3)
    recursive(10)
    even(7)
    for function in (raises, passes_on):
        try:
            function()
        except ValueError:
            pass
    catches()
    try:
        deep_raise(5)
    except KeyError:
        pass
    generators()
    coroutines()
    objects()
    sorted([3, 1, 2], key=key)
    list(map(key, [1, 2]))
    functools.reduce(lambda a, b: a + b, [1, 2, 3])
    closure(1)(2)
    uses_lambda()
    comprehensions()
    cached(1)
    keeps_busy(5)


def one_round():
    in_one_thread()
    in_thread()


counts = {}


def profile(frame, event, arg):
    code = frame.f_code
    if event == "call" and code.co_filename == __file__:
        entry = counts.setdefault(code.co_firstlineno, [set(), 0])
        entry[0].add(getattr(code, "co_qualname", code.co_name))
        entry[1] += 1


def main():
    one_round()   # what is done once only, such as the cache, is over
    threading.setprofile(profile)
    sys.setprofile(profile)
    one_round()
    sys.setprofile(None)
    threading.setprofile(None)
    # two functions of one line cannot be told apart by it
    truth = {line: [sorted(names), n] for line, (names, n) in counts.items() if len(names) == 1}
    print("TRUTH " + json.dumps(truth))
    print("READY")
    sys.stdout.flush()
    for line in sys.stdin:
        word, n = line.split()
        assert word == "go"
        for _ in range(int(n)):
            one_round()
        print("DONE")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
