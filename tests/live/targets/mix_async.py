# SPDX-License-Identifier: BSD-2-Clause
"""The part of mix.py that has no syntax in 2.7.  Input: a function to call in each step.  Output: nothing."""
import asyncio

LOOP = asyncio.new_event_loop()


async def step(work, n):
	await asyncio.sleep(0)
	return work(5) + n


async def loop_work(work):
	return sum(await asyncio.gather(*(step(work, n) for n in range(20))))


def loop_works(work):
	LOOP.run_until_complete(loop_work(work))
