# SPDX-License-Identifier: BSD-2-Clause
"""Fetches rows through MySQLdb (mysqlclient), whose C code calls a Python function for each value of some columns.

Input: a connection's settings.  Output: an account of what happened, to hold beside what a tracer or a
profiler says.  Its truth: how often each function was called follows from what the server itself
counts of values that are not NULL (a NULL is converted by nobody); the time of the row conversion is by the
thread's own CPU clock.
"""
import datetime
import decimal
import time
import zlib

import MySQLdb
import MySQLdb.constants.FIELD_TYPE as FIELD_TYPE
import MySQLdb.constants.FLAG as FLAG
import MySQLdb.converters
import MySQLdb.cursors
import MySQLdb.times

ROWS = 2000
TABLE = """CREATE TABLE orders (
    id INT PRIMARY KEY, customer VARCHAR(40) NOT NULL, price DECIMAL(10,2), ordered DATE NOT NULL,
    shipped DATETIME, packing TIME, note TEXT, label BLOB)"""


# ---- the conversion: what C calls for each value that is not NULL

def to_price(text):
    return decimal.Decimal(text).quantize(decimal.Decimal("0.01"))


def to_utc(text):
    """One Python function that calls another, of the library."""
    return MySQLdb.times.DateTime_or_None(text).replace(tzinfo=datetime.timezone.utc)


def to_checksum(data):
    return zlib.crc32(data)


# column: (type, who converts it)
CONVERTERS = {
    "price": (FIELD_TYPE.NEWDECIMAL, to_price),
    "ordered": (FIELD_TYPE.DATE, MySQLdb.times.Date_or_None),
    "shipped": (FIELD_TYPE.DATETIME, to_utc),
    "packing": (FIELD_TYPE.TIME, MySQLdb.times.TimeDelta_or_None),
    "label": (FIELD_TYPE.BLOB, to_checksum),
}


def conversions():
    """For conv=; str and int are converted in C."""
    conv = dict(MySQLdb.converters.conversions)
    for type, function in CONVERTERS.values():
        conv[type] = function
    return conv


class Cursor(MySQLdb.cursors.Cursor):
    """The library's, with a clock around its row conversion."""
    cpu = calls = 0

    def _fetch_row(self, size=1):
        since = time.thread_time_ns()
        rows = super()._fetch_row(size)
        self.cpu += time.thread_time_ns() - since
        self.calls += 1
        return rows


# ---- the work

def fill(connection):
    day = datetime.date(2026, 1, 1)
    rows = []
    for n in range(ROWS):
        rows.append((n, "customer %d" % (n % 97), None if n % 10 == 0 else decimal.Decimal(n * 37 % 100000) / 100,
                     day + datetime.timedelta(n % 365), None if n % 4 == 0 else "2026-02-03 04:05:06",
                     None if n % 5 == 0 else "00:%02d:30" % (n % 60), None if n % 3 == 0 else "Grüße, Nr. %d" % n,
                     None if n % 2 == 0 else bytes(range(256)) * 8))
    cursor = connection.cursor()
    cursor.execute("DROP TABLE IF EXISTS orders")
    cursor.execute(TABLE)
    cursor.executemany("INSERT INTO orders VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", rows)
    connection.commit()


def fetch(cursor):
    cursor.execute("SELECT * FROM orders")
    return cursor.fetchall()


# The same, by the server and by the program: a conversion that did not happen, or went wrong, would show.
SUMS = ["SUM(price) * 100", "SUM(TO_DAYS(ordered))", "SUM(TIMESTAMPDIFF(SECOND, '1970-01-01', shipped))",
        "SUM(TIME_TO_SEC(packing))", "SUM(CRC32(label))"]


def sums(rows):
    """What the program wants of the rows."""
    price = days = shipped = packing = label = 0
    for row in rows:
        price += 100 * (row[2] or 0)
        days += row[3].toordinal() + 365  # the server counts from the year 0
        if row[4] is not None:
            shipped += row[4].timestamp()
        if row[5] is not None:
            packing += row[5].total_seconds()
        label += row[7] or 0
    return list(map(int, (price, days, shipped, packing, label)))


class Program:
    def __init__(self, settings):
        try:
            self.connection = MySQLdb.connect(**settings, conv=conversions(), cursorclass=Cursor, charset="utf8mb4")
        except MySQLdb.Error as error:
            raise SystemExit("rows.py: no connection to %(host)s:%(port)d" % settings + ": %s" % error)
        # the library puts its own over that of conv=; TEXT and BLOB are one type and differ by a flag
        self.connection.converter[FIELD_TYPE.BLOB] = ((FLAG.BINARY, to_checksum), (None, str))
        fill(self.connection)
        self.cursor = self.connection.cursor()
        self.cursor.execute("SELECT %s FROM orders" % ", ".join(SUMS))
        self.sums = list(map(int, self.cursor.fetchone()))
        self.cursor.execute("SELECT COUNT(*), %s FROM orders" % ", ".join("COUNT(%s)" % name for name in CONVERTERS))
        self.rows, *counts = self.cursor.fetchone()
        self.counts = dict(zip(CONVERTERS, counts))
        self.passes = 0

    def run(self, passes, is_stopped):
        self.cursor.cpu = self.cursor.calls = 0
        since, cpu = time.monotonic(), time.process_time()
        while not is_stopped() and (not passes or self.passes < passes):
            found = sums(fetch(self.cursor))
            if found != self.sums:
                raise SystemExit("rows.py: the sums are %s, the server says %s" % (found, self.sums))
            self.passes += 1
        return self.account(time.monotonic() - since, time.process_time() - cpu)

    def account(self, seconds, cpu):
        calls = {}
        for name, (_, function) in CONVERTERS.items():
            calls[function.__name__] = self.passes * self.counts[name]
        calls["DateTime_or_None"] = calls["to_utc"]
        return {"passes": self.passes, "rows": self.passes * self.rows, "seconds": seconds, "cpu": cpu,
                "row_conversion": {"function": "BaseCursor._fetch_row", "times": self.cursor.calls,
                                   "cpu": self.cursor.cpu / 1e9},
                "calls": calls}


def table(account):
    conversion = account["row_conversion"]
    lines = ["%(rows)d rows in %(passes)d queries, %(seconds).2f s, of which %(cpu).2f s on CPU" % account,
             "  %5.2f s  (%.1f %%) in %d calls of %s(), the row conversion, which called" % (
                 conversion["cpu"], 100 * conversion["cpu"] / max(account["cpu"], 1e-9), conversion["times"],
                 conversion["function"])]
    lines += ["%12d  %s()%s" % (count, name, ", called by to_utc()" if name == "DateTime_or_None" else "")
              for name, count in account["calls"].items()]
    return "\n".join(lines)
