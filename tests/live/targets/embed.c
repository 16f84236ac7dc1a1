/* SPDX-License-Identifier: BSD-2-Clause */
/* usage: embed CODE: a program of its own that runs CODE in the Python that it is linked to. */
void Py_Initialize(void);
int PyRun_SimpleStringFlags(const char *code, void *flags);

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	Py_Initialize();
	return PyRun_SimpleStringFlags(argv[1], 0);
}
