/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * usage: embed CODE [later]: a program of its own that runs CODE in the Python that it is linked
 * to. later: burns CPU without one, having said READY, until it is sent a line.
 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

void Py_Initialize(void);
int PyRun_SimpleStringFlags(const char *code, void *flags);

static void burn_until_told(void)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	char line[64];

	if (write(1, "READY\n", 6) != 6)
		return;
	while (!poll(&input, 1, 0)) {
		for (volatile int i = 0; i < 100000; i++)
			;
	}
	if (read(0, line, sizeof(line)) < 0)
		return;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	if (argc > 2 && !strcmp(argv[2], "later"))
		burn_until_told();
	Py_Initialize();
	return PyRun_SimpleStringFlags(argv[1], 0);
}
