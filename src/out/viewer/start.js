// SPDX-License-Identifier: BSD-2-Clause
// The last script of a page: all that it needs is there.

Shell.start();
