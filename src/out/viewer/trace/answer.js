// SPDX-License-Identifier: BSD-2-Clause
// Answer: what the executions took and where most of it went, in a sentence:
// texts, { bold }, and { bold, loc } that leads to a function.

const Answer = (() => {
	function howLong(trace) {
		const all = trace.executions.map(({ ns }) => ns).sort((a, b) => a - b);
		if (all.length === 1)
			return [', ', { bold: Text.duration(all[0]) }];
		return [', ', { bold: Text.duration(all[Math.ceil(all.length / 2) - 1]) }, ' at the median, ' + Text.duration(all[0]) +
			' to ' + Text.duration(all[all.length - 1])];
	}

	function sentence(trace, callees) {
		const n = trace.executions.length, { seen } = trace.meta.counts, name = { bold: trace.labelOf(trace.function) };
		if (!n)
			return ['No execution of ', name, seen ? ' was kept; ' + Text.count(seen) + ' began.' : ' was seen.'];
		const parts = [{ bold: n === 1 ? 'One execution' : Text.count(n) + ' executions' }, ' of ', name, ...howLong(trace), '. '];
		const { heaviest: loc, duration } = callees, off = trace.executions.reduce((sum, { first, end }) =>
			sum + (end > first ? trace.offCpu[first] : 0), 0);
		if (duration && loc >= 0)
			parts.push({ bold: Text.percent(callees.self[loc], duration, 0) }, n === 1 ? ' of it' : ' of all', ' is spent in ',
				{ bold: loc === trace.function ? trace.nameOf(loc) : trace.labelOf(loc), loc }, ' itself',
				loc === trace.function ? '. ' : ', in ' + Text.plural(callees.calls[loc], 'call') + '. ');
		if (off >= duration * OFF_CPU_LEAST && duration)
			parts.push(Text.percent(off, duration, 0) + ' was not on a CPU.');
		return parts;
	}

	const OFF_CPU_LEAST = 0.1; // of the time, to be worth a word

	return { sentence };
})();
