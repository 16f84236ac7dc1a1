// SPDX-License-Identifier: BSD-2-Clause
// Panel: all about the frame, the place or the type that one looks at.

class Panel {
	// on: { pick(tab, row) }
	constructor(element, on) {
		this.on = on;
		this.facts = Dom.el('section', { id: 'facts', 'aria-live': 'polite' });
		this.code = Dom.el('section', { id: 'source', 'aria-label': 'Source' });
		this.near = Dom.el('section', { id: 'near', 'aria-label': 'Its stack, or what it is at each look' });
		this.source = new SourceView(this.code);
		Dom.fill(element, this.facts, this.code, this.near);
	}

	row(name, value, title) {
		return [Dom.el('dt', null, name), Dom.el('dd', { title: title || '' }, value)];
	}

	// The command for a place or a type of the summary, if there is one.
	next(one) {
		return one && one.next ? Answer.command(Text.show(one.next)) : null;
	}

	// what: { frame }, { place }, { type }, or {}
	show(memory, what) {
		this.memory = memory;
		if (what.frame && what.frame.parent)
			this.showFrame(what.frame);
		else if (what.place)
			this.showPlace(what.place);
		else if (what.type)
			this.showType(what.type);
		else
			this.clear();
	}

	clear() {
		Dom.fill(this.facts, Dom.el('p.hint', null, 'Point at a box or a row to see more of it; click to keep it here.'));
		this.source.show(this.memory, { n: 0 }, null);
		Dom.fill(this.near);
	}

	head(loc) {
		const { memory } = this, fn = memory.locFn[loc], full = memory.fullPlace(fn);
		return [Dom.el('h2', { title: memory.labelOf(loc) }, Text.cut(memory.nameOf(loc), 500)),
			Dom.el('p.place', null, [memory.placeOf(loc), memory.fnOwn[fn] ? 'your code' : ''].filter(part => part).join(' · ')),
			full && full !== memory.place(fn) ? Dom.el('p.path', { title: full }, Text.cut(full, 1000)) : null];
	}

	// The lines of a function, with what stays of each.
	showSource(loc, sums, total) {
		const { memory } = this, fn = memory.locFn[loc];
		this.source.show(memory, { n: total }, memory.fnKind[fn] === PYTHON ? { fn, lines: sums, marked: new Set([memory.locLine[loc]]), note: '' } : null);
	}

	showFrame(frame) {
		const { memory } = this, { tree } = frame, loc = memory.loc[frame.nodes[0]], sums = new Map();
		for (const node of frame.nodes) {
			const line = memory.locLine[memory.loc[node]], sum = sums.get(line) || { self: 0, total: 0 };
			sum.total += tree.totals[node];
			sums.set(line, sum);
		}
		Dom.fill(this.facts, this.head(loc), Dom.el('dl', null, this.row('stays', memory.amount(frame.total) + ' · ' + Text.percent(frame.total, tree.root.total)),
			this.row('itself', memory.amount(frame.self)), this.row('stacks', Text.count(frame.nodes.length))));
		this.showSource(loc, sums, tree.root.total);
		this.showCalls('Allocates below it', frame.children.slice(0, Panel.MOST).map(child => [memory.labelOf(memory.loc[child.nodes[0]]),
			Text.percent(child.total, frame.total, 0)]));
	}

	showCalls(title, rows) {
		Dom.fill(this.near, Dom.el('h3', null, title), Dom.el('ul', null, rows.length ? rows.map(([text, share]) => Dom.el('li', null,
			share === null ? null : Dom.el('span.share', null, share), Dom.el('span.name', { title: text }, Text.cut(text, 200)))) : Dom.el('li', null, 'nothing')));
	}

	showPlace(place) {
		const { memory } = this, last = memory.lastSites, count = memory.placeAt(last, place, true), bytes = memory.placeAt(last, place, false);
		const loc = place.spot.python >= 0 ? place.spot.python : place.spot.native;
		Dom.fill(this.facts, loc >= 0 ? this.head(loc) : Dom.el('h2', null, place.label), Dom.el('dl', null,
			this.row('left', Amount.bytes(bytes) + ' in ' + Text.count(count), memory.basis), this.row('allocated', Text.count(place.seenCount), memory.basis),
			this.row('stays', Tables.share(count, place.seenCount))), Answer.accuses(memory.meta) ? null : Dom.el('p.innocent', null, Answer.innocent(memory.meta)),
		this.next(memory.meta.sites.find(({ where }) => Text.show(where) === place.label)));
		if (loc >= 0)
			this.showSource(loc, new Map([[memory.locLine[loc], { self: bytes, total: bytes }]]), bytes);
		const stack = [];
		for (let node = place.node; node > 0; node = memory.parent[node])
			stack.push([memory.labelOf(memory.loc[node]), null]);
		this.showCalls('One of its stacks', stack.slice(0, Panel.MOST));
	}

	showType(type) {
		const { memory } = this, { census } = memory, at = (look, isCount) => memory.typeAt(look, type.index, isCount);
		const last = census[census.length - 1], [first] = census;
		Dom.fill(this.facts, Dom.el('h2', null, Text.cut(type.label, 500)), Dom.el('dl', null, this.row('objects', Text.count(at(last, true))),
			this.row('bytes', Amount.bytes(at(last, false))), this.row('more', Text.count(at(last, true) - at(first, true)) + ' · ' +
				Amount.bytes(at(last, false) - at(first, false)), 'than at the first look')),
		this.next(memory.meta.types.find(({ name }) => Text.show(name) === type.label)));
		this.source.show(memory, { n: 0 }, null);
		this.showCalls('At each look', census.map(look => [Text.count(at(look, true)) + ' objects, ' + Amount.bytes(at(look, false)), Text.seconds(look.at)]));
	}
}
Panel.MOST = 40;
