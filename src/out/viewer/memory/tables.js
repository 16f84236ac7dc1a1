// SPDX-License-Identifier: BSD-2-Clause
// Tables: where it was allocated, what it is, who holds it, and what of the mappings grows.

const Tables = (() => {
	const bar = (share, name) => {
		const element = Dom.el('i.bar.' + name, { 'aria-hidden': 'true' });
		element.style.width = (100 * Math.max(0, Math.min(1, share))).toFixed(2) + '%';
		return element;
	};

	const span = text => Dom.el('span', null, text);

	// A column of numbers, the bars as long as the most of them.
	function numbers(id, title, hint, rows, value, text, name = 'other') {
		const most = rows.reduce((a, row) => Math.max(a, value(row)), 1);
		return { id, title, hint, number: true, value, cell: row => [bar(value(row) / most, name), span(text(value(row)))] };
	}

	const text = (id, title, value, cell) => ({ id, title, value, cell: cell || (row => Dom.el('span', { title: Text.cut(value(row), 1000) }, Text.cut(value(row), 300))) });

	const share = (part, whole) => whole ? Text.percent(Math.min(part, whole), whole, 0) : '–';

	// Of the verdict's own order, the most suspect first; rows are indices of places.
	function stacks(memory) {
		const { places, lastSites } = memory, rows = [...places.keys()], left = isCount => row => memory.placeAt(lastSites, places[row], isCount);
		const rank = new Map(memory.meta.sites.filter(({ accused }) => accused).map(({ where }, i) => [Text.show(where), i]));
		return [
			numbers('left', 'Left', 'bytes of it at the last look, ' + memory.basis, rows, left(false), Amount.bytes, 'python'),
			numbers('count', 'Count', 'blocks of it', rows, left(true), Text.count),
			numbers('seen', 'Allocated', 'blocks that were allocated, ' + memory.basis, rows, row => places[row].seenCount, Text.count),
			numbers('stays', 'Stays', 'how many of these are left', rows, row => places[row].seenCount ? left(true)(row) / places[row].seenCount : 0,
				value => Text.percent(value, 1, 0)),
			{ id: 'suspect', title: 'Suspect', hint: 'the order of the verdict: by what stays, how surely, and what grows', value: row => rank.has(places[row].label)
				? rank.get(places[row].label) : rank.size, cell: row => span(rank.has(places[row].label) ? '#' + (rank.get(places[row].label) + 1) : '') },
			text('where', 'Where', row => places[row].label),
			text('types', 'What', row => [...new Set(places[row].sites.filter(({ type }) => type >= 0).map(({ type }) => memory.types[type].label))].join(', ')),
		];
	}

	function types(memory) {
		const { census } = memory, [first] = census, last = census[census.length - 1], rows = [...memory.types.keys()];
		const at = (look, isCount) => row => memory.typeAt(look, row, isCount), gain = isCount => row => at(last, isCount)(row) - at(first, isCount)(row);
		const rates = new Map(memory.meta.types.map(({ name, bytes_per_s: rate }) => [Text.show(name), rate]));
		const rate = row => rates.get(memory.types[row].label) || 0;
		return [
			numbers('grows', 'Grows', 'bytes a second, of what grows steadily and to the end', rows, rate, value => value ? Amount.bytes(value) + '/s' : '', 'native'),
			numbers('gained', 'More', 'bytes more than at the first look', rows, gain(false), Amount.bytes),
			numbers('added', 'More objects', 'objects more than at the first look', rows, gain(true), Text.count),
			numbers('count', 'Objects', 'at the last look', rows, at(last, true), Text.count),
			numbers('bytes', 'Bytes', 'of them', rows, at(last, false), Amount.bytes, 'python'),
			text('type', 'Type', row => memory.types[row].label),
		];
	}

	function holders(memory) {
		const all = memory.meta.holders, { subjects } = memory.meta, of = row => all[row], rows = [...all.keys()];
		return [
			numbers('objects', 'Objects', 'that it holds', rows, row => of(row).objects, Text.count, 'python'),
			numbers('references', 'References', 'to them', rows, row => of(row).references, Text.count),
			text('kind', 'Kind', row => of(row).kind),
			text('holder', 'Holder', row => Text.show(of(row).text) || 'nobody that was found'),
			text('held', 'Of', row => {
				const subject = subjects[of(row).subject];
				return subject ? Text.show(subject.text) + (subject.lost_objects ? ', ' + Text.count(subject.lost_objects) + ' lost' : '') : '';
			}),
		];
	}

	function mappings(memory) {
		const { mappings: all, classes } = memory.meta, rows = [...all.keys()], of = row => all[row];
		return [
			numbers('grows', 'Grows', 'in memory, bytes a second, if steadily and to the end', rows, row => of(row).resident.grows ? of(row).resident.per_s : 0,
				value => value ? Amount.bytes(value) + '/s' : '', 'native'),
			numbers('last', 'In memory', 'at the end', rows, row => of(row).last_bytes || 0, Amount.bytes, 'python'),
			numbers('first', 'At start', 'in memory', rows, row => of(row).first_bytes || 0, Amount.bytes),
			text('class', 'Mappings', row => classes[row]),
		];
	}

	return { stacks, types, holders, mappings, share };
})();
