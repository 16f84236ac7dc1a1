// SPDX-License-Identifier: BSD-2-Clause
// new without delete where a report has no rows.
#include "native.h"
#include <string>
#include <vector>

namespace
{

class Report
{
      public:
	Report(const char *text, int rows) : title(text)
	{
		for (int i = 0; i < 60; i++)
			values.push_back(i * 1.5); // HERE: alloc
		count = rows;
	}
	double sum() const
	{
		double all = 0;
		for (int i = 0; i < count; i++)
			all += values[i];
		return all + title.size();
	}

      private:
	std::string title;
	std::vector<double> values;
	int count;
};

// report(title, rows): a sum; ValueError without rows.
PyObject *build_report(PyObject *, PyObject *args)
{
	const char *title;
	int rows;

	if (!PyArg_ParseTuple(args, "si", &title, &rows))
		return nullptr;
	Report *report = new Report(title, rows); // HERE: alloc
	if (rows == 0) {
		FIX(delete report); // HERE: missing
		PyErr_SetString(PyExc_ValueError, "no rows");
		return nullptr;
	}
	PyObject *sum = PyFloat_FromDouble(report->sum());
	delete report;
	return sum;
}

PyMethodDef methods[] = {
	{ "report", build_report, METH_VARARGS, nullptr },
	MODULE_NO_MORE,
};

} // namespace

MODULE(cxx_new, methods)
