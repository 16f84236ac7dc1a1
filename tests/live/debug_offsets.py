# SPDX-License-Identifier: BSD-2-Clause
"""What _Py_DebugOffsets has at which place, by CPython's own headers: not by what pitviper knows of it.

Input: the declarations below, copied from Include/internal/pycore_debug_offsets.h (3.13: pycore_runtime.h)
with the types left out; or such a header.  Output: index of each u64 by "struct.member".
"""
import glob
import os
import re

import live

HEAD = ["cookie", "version", "free_threaded"]	# char[8] and two u64

# "struct: members in order", each a uint64_t; 3.13.0, 3.14.10, 3.15.2
QUOTED = {
	(3, 13): """
runtime_state: size finalizing interpreters_head
interpreter_state: size id next threads_head gc imports_modules sysdict builtins ceval_gil gil_runtime_state
interpreter_state: gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder
thread_state: size prev next interp current_frame thread_id native_thread_id datastack_chunk status
interpreter_frame: size previous executable instr_ptr localsplus owner
code_object: size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds co_code_adaptive
pyobject: size ob_type
type_object: size tp_name tp_repr tp_flags
tuple_object: size ob_item ob_size
list_object: size ob_item ob_size
dict_object: size ma_keys ma_values
float_object: size ob_fval
long_object: size lv_tag ob_digit
bytes_object: size ob_size ob_sval
unicode_object: size state length asciiobject_size
gc: size collecting
""",
	(3, 14): """
runtime_state: size finalizing interpreters_head
interpreter_state: size id next threads_head threads_main gc imports_modules sysdict builtins ceval_gil
interpreter_state: gil_runtime_state gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder
interpreter_state: code_object_generation tlbc_generation
thread_state: size prev next interp current_frame thread_id native_thread_id datastack_chunk status
interpreter_frame: size previous executable instr_ptr localsplus owner stackpointer tlbc_index
code_object: size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds
code_object: co_code_adaptive co_tlbc
pyobject: size ob_type
type_object: size tp_name tp_repr tp_flags
tuple_object: size ob_item ob_size
list_object: size ob_item ob_size
set_object: size used table mask
dict_object: size ma_keys ma_values
float_object: size ob_fval
long_object: size lv_tag ob_digit
bytes_object: size ob_size ob_sval
unicode_object: size state length asciiobject_size
gc: size collecting
gen_object: size gi_name gi_iframe gi_frame_state
llist_node: next prev
debugger_support: eval_breaker remote_debugger_support remote_debugging_enabled debugger_pending_call
debugger_support: debugger_script_path debugger_script_path_size
""",
	(3, 15): """
runtime_state: size finalizing interpreters_head
interpreter_state: size id next threads_head threads_main gc imports_modules sysdict builtins ceval_gil
interpreter_state: gil_runtime_state gil_runtime_state_enabled gil_runtime_state_locked gil_runtime_state_holder
interpreter_state: code_object_generation tlbc_generation
thread_state: size prev next interp current_frame base_frame last_profiled_frame last_profiled_frame_seq thread_id
thread_state: native_thread_id datastack_chunk status holds_gil gil_requested current_exception exc_state
err_stackitem: exc_value
interpreter_frame: size previous executable instr_ptr localsplus owner stackpointer tlbc_index
code_object: size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds
code_object: co_code_adaptive co_tlbc
pyobject: size ob_type
type_object: size tp_name tp_repr tp_flags tp_basicsize tp_dictoffset
heap_type_object: size ht_cached_keys
tuple_object: size ob_item ob_size
list_object: size ob_item ob_size
set_object: size used table mask
dict_object: size ma_keys ma_values
float_object: size ob_fval
long_object: size lv_tag ob_digit
bytes_object: size ob_size ob_sval
unicode_object: size state length asciiobject_size compactunicodeobject_size
gc: size collecting frame generation_stats_size generation_stats
gen_object: size gi_name gi_iframe gi_frame_state
llist_node: next prev
debugger_support: eval_breaker remote_debugger_support remote_debugging_enabled debugger_pending_call
debugger_support: debugger_script_path debugger_script_path_size
""",
}


def quoted(minor):
	"""[(struct, member)] in order, by the declarations above."""
	out = []
	for line in QUOTED[minor].strip().splitlines():
		struct, _, members = line.partition(":")
		out += [(struct.strip(), member) for member in members.split()]
	return out


def declared(path):
	"""The same by a header."""
	with open(path, encoding="utf-8") as file:
		text = re.sub(r"//[^\n]*|/\*.*?\*/", "", file.read(), flags=re.S)
	body = re.search(r"typedef struct _Py_DebugOffsets \{(.*?)\} _Py_DebugOffsets;", text, re.S).group(1)
	out = []
	head, _, rest = body.partition("struct")
	assert re.findall(r"(\w+)(?:\[8\])?(?: _Py_NONSTRING)?;", head) == HEAD, head
	for members, name in re.findall(r"\{(.*?)\}\s*(\w+);", rest, re.S):
		out += [(name, member) for member in re.findall(r"uint64_t\s+(\w+);", members)]
	assert len(out) == rest.count("uint64_t"), path
	return out


def header(minor):
	"""A header of this version on this machine, or None."""
	pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
	roots = os.environ.get("PYROOTS") or os.path.join(live.TOP, "pyroots")
	name = "python%d.%d" % minor
	for pattern in (os.path.join(pyenv, "versions", "%d.%d.*" % minor, "include", name, "internal"),
			os.path.join(roots, "%d.%d*" % minor, "usr", "include", name, "internal")):
		for folder in sorted(glob.glob(pattern)):
			for file in ("pycore_debug_offsets.h", "pycore_runtime.h"):
				path = os.path.join(folder, file)
				if os.path.exists(path):
					return path
	return None


def entries(minor):
	"""Index of each u64 of _Py_DebugOffsets, from its start, by "struct.member"."""
	return {"%s.%s" % pair: len(HEAD) + i for i, pair in enumerate(quoted(minor))}
