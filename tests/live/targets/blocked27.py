# -*- coding: utf-8 -*-
# SPDX-License-Identifier: BSD-2-Clause
"""What blocked.py is, of CPython 2.7: its syntax, its old classes, its statements.

Input: argv[1], the file to write the truth to.  Output: see pv_blocked.py.
"""
import functools
import os
import sys

from pv_blocked import case, hold, import_dir, main


# ---- classes and slots, of both kinds

@case
def metaclass():
	class Meta(type):
		def __new__(mcs, name, bases, namespace):
			hold()

	class _Made(object):
		__metaclass__ = Meta


@case
def old_style_getattr():
	class Thing:
		def __getattr__(self, name):
			hold()
	Thing().missing


@case
def old_style_call():
	class Thing:
		def __init__(self):
			self.inner()

		def inner(self):
			self(1)

		def __call__(self, n):
			hold()
	Thing()


@case
def old_style_cmp():
	class Thing:
		def __cmp__(self, other):
			hold()
	Thing() < 1


@case
def old_style_coerce():
	class Thing:
		def __coerce__(self, other):
			hold()
	Thing() + 1


@case
def slot_nonzero():
	class Thing(object):
		def __nonzero__(self):
			hold()
	if Thing():
		pass


@case
def slot_getslice():
	class Thing(object):
		def __getslice__(self, a, b):
			hold()
	Thing()[1:2]


@case
def slot_repr():
	class Thing(object):
		def __repr__(self):
			hold()
	`Thing()`


@case
def slot_unicode():
	class Thing(object):
		def __unicode__(self):
			hold()
	unicode(Thing())


@case
def property_and_super():
	class Base(object):
		@property
		def value(self):
			return hold()

	class Derived(Base):
		@property
		def value(self):
			return super(Derived, self).value
	Derived().value


# ---- callbacks from C

@case
def callback_cmp():
	sorted([1, 2, 3], cmp=lambda a, b: hold())


@case
def callback_apply():
	apply(lambda *a: hold(), (1, 2))


@case
def callback_partial():
	functools.partial(lambda a, b: hold(), 1)(b=2)


# ---- statements

@case
def print_statement():
	class Out(object):
		def write(self, text):
			hold()
	print >>Out(), 1


# ---- code that comes from elsewhere

@case
def exec_utf8_name():
	exec compile("\n\nhold()", "/tmp/größe-файл.py", "exec") in {"hold": hold}


@case
def execfile_body():
	sys.pv_hold = hold
	execfile(os.path.join(import_dir(), "pv_blocked_module.py"), {})


if __name__ == "__main__":
	main()
