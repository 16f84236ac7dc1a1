// SPDX-License-Identifier: BSD-2-Clause
// Tables: the functions that were called, and the executions.

const Tables = (() => {
	const bar = (share, layer) => {
		const element = Dom.el('i.bar.' + Paint.NAMES[layer], { 'aria-hidden': 'true' });
		element.style.width = (100 * share).toFixed(2) + '%';
		return element;
	};

	const numbers = (id, title, hint, value, cell) => ({ id, title, hint, number: true, value, cell });

	// A column of times, the bars as long as the most of them.
	function times(id, title, hint, sums, layer) {
		const most = sums.reduce((a, b) => Math.max(a, b), 1);
		return numbers(id, title, hint, row => sums[row], row => [bar(sums[row] / most, layer(row)), Dom.el('span', null, Text.duration(sums[row]))]);
	}

	function name(trace, loc) {
		const fn = trace.locFn[loc], own = trace.fnOwn[fn] ? '.own' : '';
		return [Dom.el('i.dot.' + Paint.NAMES[trace.layerOf(loc)] + own, { 'aria-hidden': 'true' }),
			Dom.el('span' + own, { title: Text.cut(trace.labelOf(loc), 500) }, Text.cut(trace.nameOf(loc), 300))];
	}

	function functions(trace, callees) {
		const percentile = (id, title, percent, hint) => numbers(id, title, hint + '; of calls of which both ends were seen',
			loc => callees.measured[loc] ? callees.percentile(loc, percent) : -1, loc => Dom.el('span', null, callees.measured[loc]
				? Text.duration(callees.percentile(loc, percent)) : '–'));
		const layer = loc => trace.layerOf(loc);
		return [
			times('self', 'Self', 'time in the function itself, without what it calls', callees.self, layer),
			times('total', 'Total', 'time in it and in all that it calls; of calls inside another one of it only the outermost', callees.total,
				layer),
			numbers('calls', 'Calls', 'times that it was called', loc => callees.calls[loc], loc => Dom.el('span', { title:
				callees.resumed[loc] ? 'and ' + Text.count(callees.resumed[loc]) + ' times it went on' : '' }, Text.count(callees.calls[loc]))),
			percentile('min', 'Min', 0, 'the shortest'),
			percentile('p50', 'p50', 50, 'half of the calls took no longer'),
			percentile('p99', 'p99', 99, '99 % of the calls took no longer'),
			percentile('max', 'Max', 100, 'the longest'),
			{ id: 'spread', title: 'Spread', hint: 'how many calls took how long, from the shortest to the longest, logarithmic',
				value: loc => callees.measured[loc], cell: loc => Histogram.draw(callees.durations(loc), 16, layer(loc), NaN) },
			{ id: 'name', title: 'Function', value: loc => trace.nameOf(loc), cell: loc => name(trace, loc) },
			{ id: 'place', title: 'Where', value: loc => trace.place(trace.locFn[loc]) + ':' + String(trace.locLine[loc]).padStart(9, '0'),
				cell: loc => Dom.el('span', { title: Text.cut(trace.fullPlace(trace.locFn[loc]), 1000) }, Text.cut(trace.placeOf(loc), 300)) },
		];
	}

	function executions(trace) {
		const of = index => trace.executions[index], off = index => of(index).end > of(index).first ? trace.offCpu[of(index).first] : 0;
		const most = trace.executions.reduce((a, { ns }) => Math.max(a, ns), 1), text = f => index => Dom.el('span', null, f(of(index)));
		const doubts = ({ partial, lost }) => [partial && 'partial', lost && Text.plural(lost, 'event') + ' lost'].filter(part => part).join(', ');
		return [
			{ id: 'nth', title: '#', hint: 'counted from the first that was seen', value: index => of(index).number, cell: text(({ number }) => '#' + number) },
			numbers('took', 'Took', 'from its beginning to its end', index => of(index).ns, index => [bar(of(index).ns / most, 0),
				Dom.el('span', null, Text.duration(of(index).ns))]),
			numbers('off', 'Off CPU', 'of that time, not on a CPU', off, index => Dom.el('span', null, off(index) ? Text.duration(off(index)) : '')),
			numbers('calls', 'Calls', 'in it, itself among them', index => of(index).calls, text(({ calls }) => Text.count(calls))),
			{ id: 'when', title: 'When', value: index => of(index).start, cell: text(execution => When.clock(trace.unixMs(execution)) ||
				Text.duration(execution.start)) },
			{ id: 'thread', title: 'Thread', value: index => trace.threadName(of(index).thread), cell: text(({ thread }) => trace.threadName(thread)) },
			{ id: 'from', title: 'Called from', value: index => trace.stackOf(of(index)).map(loc => trace.labelOf(loc)).join(' < '),
				cell: index => Dom.el('span', null, Text.cut(trace.stackOf(of(index)).slice(0, 8).map(loc => trace.labelOf(loc)).join(' < '), 300)) },
			{ id: 'doubts', title: 'Missing', value: index => doubts(of(index)), cell: index => Dom.el('span.doubt', null, doubts(of(index))) },
		];
	}

	return { functions, executions };
})();
