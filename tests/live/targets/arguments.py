# SPDX-License-Identifier: BSD-2-Clause
"""Functions with arguments and results of every kind, one inside another.  Valid in 2.7 and all of 3.

Input: lines on stdin.  Output: READY; after the line "go", calls of the functions f0, f1 ..., each of
which calls the next; then one line for each that was entered, "enter NAME ARGUMENTS", and each that was left,
"leave NAME RESULT" (or "raise NAME"), in the order in which that happened, and END.  The values are written as
pitviper writes them, by code of its own.  After "wanted N", calls of wanted(n, path) for each n below N, path
being "/srv/N", after each tenth one with an object for n; and END.
"""
import sys

PY2 = sys.version_info < (3,)
lines = []

if PY2:
	chars, natural, wide_char = unichr, (int, long), u"\U0001f600"	# noqa: F821
else:
	chars, natural, wide_char = chr, (int,), "\U0001f600"


class Point(object):
	pass


class Number(int):
	pass


class Text(str):
	pass


LongName = type("C" * 80, (object,), {})


class Old:
	pass


def escaped(c, quote, raw):
	code = c if isinstance(c, int) else ord(c)
	if code in (9, 10, 13):
		return {9: "\\t", 10: "\\n", 13: "\\r"}[code]
	if code == 92 or code == ord(quote):
		return "\\" + chr(code)
	if code < 32 or code == 127 or (raw and code > 127):
		return "\\x%02x" % code
	if 0xd800 <= code < 0xe000:
		return "\\u%04x" % code
	return chars(code)


def quoted(value, room, raw, prefix):
	shown = value[:room]
	codes = [ord(c) if not isinstance(c, int) else c for c in shown]
	quote = '"' if 39 in codes and 34 not in codes else "'"
	if PY2 and not raw and sys.maxunicode == 0xffff:
		shown = [shown]
		text = shown[0].replace(u"\\", u"\\\\")
	else:
		text = u"".join(escaped(c, quote, raw) for c in shown) if PY2 else "".join(escaped(c, quote, raw) for c in shown)
	more = len(value) - room
	return prefix + quote + text + quote + (u"\u2026+%d" % more if more > 0 else "")


def show(value):
	kind = type(value)
	if value is None or kind is bool:
		return str(value)
	if kind in natural:
		if value.bit_length() > 64:
			return "<%sint of %d bits>" % ("negative " if value < 0 else "", value.bit_length())
		return "%d" % value
	if kind is float:
		return repr(value)
	if kind is bytes:
		return quoted(value if not PY2 else bytearray(value), 64, True, "" if PY2 else "b")
	if kind is type(u""):
		if PY2:
			width = 2 if sys.maxunicode == 0xffff else 4
		else:
			top = max(map(ord, value)) if value else 0
			width = 1 if top < 256 else 2 if top < 65536 else 4
		return quoted(value, 64 // width, False, "u" if PY2 else "")
	name = kind.__name__
	module = getattr(kind, "__module__", "")
	if not kind.__flags__ & 1 << 9 and module not in ("builtins", "__builtin__"):
		name = module + "." + name	# of a type that is no heap type tp_name says all
	if PY2 and kind is type(Old()):
		name = "instance"
	return "<%s>" % (name if len(name) < 65 else name[:64] + u"\u2026")


def told(*names_and_values):
	names, values = names_and_values[::2], names_and_values[1::2]
	more = len(names) - 16
	return ", ".join("%s=%s" % (n, show(v)) for n, v in list(zip(names, values))[:16]) + (
		u", \u2026 %d more" % more if more > 0 else "")


def enter(name, *names_and_values):
	lines.append("enter %s %s" % (name, told(*names_and_values)))


def leave(name, value):
	lines.append("leave %s %s" % (name, show(value)))
	return value


def legacy(text):
	"""A str that is not compact (up to 3.11)."""
	if PY2 or sys.version_info >= (3, 12):
		return text
	import ctypes
	import warnings
	warnings.simplefilter("ignore")
	make = ctypes.pythonapi.PyUnicode_FromUnicode
	make.restype, make.argtypes = ctypes.py_object, [ctypes.c_wchar_p, ctypes.c_ssize_t]
	new = make(None, len(text))
	buffer = ctypes.pythonapi.PyUnicode_AsUnicode
	buffer.restype, buffer.argtypes = ctypes.c_void_p, [ctypes.py_object]
	ctypes.memmove(buffer(new), text, 0)
	for i, c in enumerate(text):
		ctypes.c_wchar.from_address(buffer(new) + 4 * i).value = c
	assert new == text and hash(new) == hash(text)		# which makes it ready
	return new


VALUES = [
	None, True, False, 0, 1, -1, 255, 256, -5, -6, 2 ** 30 - 1, 2 ** 30, -2 ** 30, 2 ** 31, -2 ** 31, 2 ** 60 - 1, 2 ** 60,
	2 ** 63 - 1, -2 ** 63, 2 ** 63, 2 ** 64 - 1, 1 - 2 ** 64, 2 ** 64, -2 ** 64, 10 ** 30, -10 ** 40, 3 ** 2000,
	0.0, -0.0, 1.5, -2.25, 1e300, 5e-324, 1.7976931348623157e308, float("nan"), float("inf"), -float("inf"), 0.1, 1e16,
	9999999999999998.0, 123456789.125, 1e-5, 0.0001, 1e15, 1 / 3.0, 2.5e-7, 100.0,
	"", "a", "it's", 'say "no"', "both ' and \"", "back\\slash\n\t\r\x00\x01\x7f", "x" * 64, "y" * 65, "/srv/" + "z" * 300,
	u"", u"\xe9t\xe9", u"\u0416" * 32, u"\u0416" * 33, wide_char * 16, wide_char * 17, u"a" + wide_char, legacy(u"old\u0416"),
	legacy(u"plain"), b"", b"bytes\x00\xff", b"z" * 64, b"z" * 65, bytearray(b"no"),
	(), (1, 2), [], {}, set(), object(), Point(), Point, Old(), Number(7), Text("text"), LongName(), len, show, iter([]),
	Ellipsis, NotImplemented, 1j, sys,
]
if not PY2:
	VALUES.append("\ud800x")

CASES = []	# (name, source of the function, arguments)


def case(parameters, arguments, told_as=None, result="None", before="", raises=False, named=True):
	"""A function f<N>(parameters).  told_as: its names in the order of the code object."""
	n = len(CASES)
	names = told_as if told_as is not None else [p.partition("=")[0].strip() for p in parameters.split(",") if p]
	pairs = ", ".join("%r, %s" % (name, name.lstrip("*")) for name in names)
	source = "def f%d(%s):\n" % (n, parameters)
	source += "\tenter('f%d'%s)\n" % (n, ", " + pairs if pairs else "")
	source += "".join("\t%s\n" % line for line in before.split("\n") if line)
	source += "\tgo(%d)\n" % (n + 1)
	if raises:
		source += "\tlines.append('raise f%d')\n\traise KeyError(1)\n" % n
	else:
		source += "\tleave('f%d', %s)\n\treturn %s\n" % (n, result, result)
	CASES.append((source, arguments))


def make_cases():
	for at in range(0, len(VALUES), 7):
		part = VALUES[at:at + 7]
		case(", ".join("abcdefg"[:len(part)]), part, result="a")
	for i in range(len(VALUES)):
		case("", [], result="VALUES[%d]" % i)
	case("a, b=2", [1])
	case("a, b", ["x", None], raises=True)
	case("a, *args", [1, 2, 3], told_as=["a", "*args"])
	case("a, **kw", [1], told_as=["a", "**kw"], result="3")
	case("*args, **kw", [], told_as=["*args", "**kw"], result="'constant'")
	case(", ".join("a%d" % i for i in range(20)), list(range(20)))
	case(", ".join("a%d" % i for i in range(16)), list(range(16)))
	case("a, b, c", [1, "two", 3.0], before="def inner():\n\treturn b, c\ninner()", result="inner()")
	case("a, *args, **kw", ["cells"], told_as=["a", "*args", "**kw"], before="def inner():\n\treturn a, args, kw",
	     result="len(inner())")
	case("self", [Point()], before="lambda: self", raises=True)
	if not PY2:
		case("a, *, k=5, l='six'", [1], told_as=["a", "k", "l"])
		case("a, *args, k=5, **kw", [1, 2], told_as=["a", "k", "*args", "**kw"])
	if sys.version_info >= (3, 8):
		case("a, b, /, c, *, d=4", [1, 2, 3], told_as=["a", "b", "c", "d"], before="lambda: (b, d)")
	case("self", [Point()], before="self.x = 1")
	# more constants than an oparg can count; of these the last, and the first
	many = "\n".join("x = %d.5" % i for i in range(300))
	case("", [], before=many, result="'behind them'")
	case("", [], before=many, result="0.5")
	case("last", ["deepest"])


def go(n):
	if n < len(CASES):
		try:
			functions["f%d" % n](*CASES[n][1])
		except KeyError:
			pass


def wanted(n, path):
	return path


functions = {"enter": enter, "leave": leave, "go": go, "lines": lines, "VALUES": VALUES, "KeyError": KeyError}


def main():
	make_cases()
	for source, _ in CASES:
		exec(compile(source, "made.py", "exec"), functions)
	sys.setrecursionlimit(10000)
	sys.stdout.write("READY %d\n" % (len(CASES) - 1))
	sys.stdout.flush()
	out = sys.stdout if PY2 else sys.stdout.buffer
	for order in iter(sys.stdin.readline, ""):
		del lines[:]
		if order.startswith("wanted"):
			for n in range(int(order.split()[1])):
				wanted(n, "/srv/%d" % n)
				if n % 10 == 9:
					wanted(object(), path="none")
		else:
			go(0)
		for line in lines:
			out.write((line if isinstance(line, bytes) else line.encode("utf-8", "backslashreplace")) + b"\n")
		out.write(b"END\n")
		out.flush()


main()
