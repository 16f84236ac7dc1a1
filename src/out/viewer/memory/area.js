// SPDX-License-Identifier: BSD-2-Clause
// Area: what stays over wall time, one layer on another: by allocation stack, by type, or by
// mapping.  Drag to choose a span, and what is shown below follows.

class Area {
	// on: { pick(layer), hover(text) }
	constructor(element, on) {
		this.on = on;
		this.canvas = Dom.el('canvas', { tabIndex: 0, role: 'slider', 'aria-label':
			'What stays over time: drag to choose a span; arrow keys move it; double click or Delete for all' });
		this.legend = Dom.el('ul', { id: 'legend' });
		this.table = Dom.el('table.unseen', { id: 'area-table' });
		Dom.fill(element, Dom.el('div', { id: 'area-box' }, this.canvas, this.legend), this.table);
		this.drag = null;
		this.hover = NaN;
		this.canvas.addEventListener('pointerdown', event => this.press(event));
		this.canvas.addEventListener('pointermove', event => this.move(event));
		this.canvas.addEventListener('pointerup', event => this.release(event));
		this.canvas.addEventListener('pointercancel', () => { this.drag = null; });
		this.canvas.addEventListener('pointerleave', () => this.look(NaN));
		this.canvas.addEventListener('dblclick', () => State.set({ from: '', to: '' }));
		this.canvas.addEventListener('keydown', event => this.key(event));
		new ResizeObserver(Dom.atFrame(() => this.draw())).observe(this.canvas.parentElement);
	}

	// What is stacked: { times, layers: [{ label, values, row }], note }.
	static series(memory, by, isCount) {
		if (by === 'mapping')
			return Area.mappings(memory);
		return by === 'type' ? Area.types(memory, isCount) : Area.stacks(memory, isCount);
	}

	// The highest layers, and the rest of them as one.
	static top(layers, n) {
		const last = ({ values }) => values.reduce((a, b) => Math.max(a, b), 0);
		const sorted = layers.map(layer => ({ ...layer, most: last(layer) })).filter(({ most }) => most > 0).sort((a, b) => b.most - a.most);
		const rest = sorted.slice(Area.MOST);
		return rest.length ? [...sorted.slice(0, Area.MOST), { label: Text.plural(rest.length, 'other'), row: -1,
			values: Array.from({ length: n }, (_, i) => rest.reduce((sum, { values }) => sum + values[i], 0)) }] : sorted;
	}

	static stacks(memory, isCount) {
		const { siteLooks } = memory;
		return { times: siteLooks.map(({ at }) => at), note: memory.source === MAPPED ? 'what was mapped and not unmapped' : 'what stays, ' + memory.basis,
			layers: Area.top(memory.places.map(place => ({ label: place.label, row: place.index,
				values: siteLooks.map(look => memory.placeAt(look, place, isCount)) })), siteLooks.length) };
	}

	static types(memory, isCount) {
		const { census } = memory, [first] = census;
		return { times: census.map(({ at }) => at), note: 'all that there is more of than at the first look',
			layers: Area.top(memory.types.map(type => ({ label: type.label, row: type.index,
				values: census.map(look => Math.max(0, memory.typeAt(look, type.index, isCount) - memory.typeAt(first, type.index, isCount))) })), census.length) };
	}

	static mappings(memory) {
		const { points } = memory;
		return { times: points.map(({ at }) => at), note: 'what is in memory of the mappings',
			layers: Area.top(memory.meta.classes.map((label, row) => ({ label, row, values: points.map(({ resident }) => resident[row]) })), points.length) };
	}

	show(memory, by, isCount, picked) {
		this.memory = memory;
		this.isCount = isCount && by !== 'mapping';
		this.picked = picked;
		const key = by + this.isCount;
		if (key !== this.shown) {
			this.shown = key;
			this.data = Area.series(memory, by, this.isCount);
			this.say();
		}
		this.draw();
	}

	// The same for those who do not see it.
	say() {
		const { times, layers, note } = this.data, amount = n => Amount.of(n, this.isCount);
		Dom.fill(this.table, Dom.el('caption', null, note), Dom.el('thead', null, Dom.el('tr', null, Dom.el('th', { scope: 'col' }, 'At'),
			layers.map(({ label }) => Dom.el('th', { scope: 'col' }, Text.cut(label, 300))))),
		Dom.el('tbody', null, times.map((at, i) => Dom.el('tr', null, Dom.el('th', { scope: 'row' }, Text.seconds(at)),
			layers.map(({ values }) => Dom.el('td', null, amount(values[i])))))));
		Dom.fill(this.legend, [...layers.entries()].reverse().map(([i, { label, values, row }]) => {
			const item = Dom.el('button', { type: 'button', title: label, disabled: row < 0, onclick: () => this.on.pick(row) },
				Dom.el('i', { 'aria-hidden': 'true' }), Dom.el('span', null, Text.cut(label, 120)), Dom.el('b', null, amount(values[values.length - 1])));
			item.firstChild.style.background = 'var(--layer-' + i + ')';
			return Dom.el('li', null, item);
		}), layers.length ? Dom.el('li.note', { title: note }, note) : Dom.el('li.note', null, 'Nothing was seen to stay.'));
	}

	get span() {
		const from = State.number('from'), to = State.number('to');
		return to > from && from >= 0 ? [from, Math.min(to, this.memory.duration)] : null;
	}

	x(at) {
		return Area.SIDE + (this.width - 2 * Area.SIDE) * at / Math.max(this.memory.duration, 1e-9);
	}

	at(x) {
		return Math.max(0, Math.min(1, (x - Area.SIDE) / Math.max(1, this.width - 2 * Area.SIDE))) * this.memory.duration;
	}

	// Heights of the edges between layers at each time, from below: edges[k][i].
	edges() {
		const { times, layers } = this.data, edges = [times.map(() => 0)];
		for (const { values } of layers)
			edges.push(edges[edges.length - 1].map((below, i) => below + values[i]));
		return edges;
	}

	draw() {
		if (!this.data)
			return;
		const { width } = this.canvas.parentElement.getBoundingClientRect();
		this.width = Math.max(200, width - (this.legend.offsetWidth || 0));
		const context = Dom.sizeCanvas(this.canvas, this.width, Area.HEIGHT), edges = this.edges();
		const most = Math.max(1e-9, ...edges[edges.length - 1]);
		context.clearRect(0, 0, this.width, Area.HEIGHT);
		this.y = value => Area.HEIGHT - Area.BOTTOM - (Area.HEIGHT - Area.BOTTOM - Area.TOP) * value / most;
		this.drawScale(context, most);
		this.data.layers.forEach((layer, i) => this.drawLayer(context, edges[i], edges[i + 1], i, layer));
		this.drawLooks(context);
		if (this.span)
			this.drawSpan(context);
		else if (!Number.isNaN(this.hover))
			this.drawHover(context, edges);
	}

	drawScale(context, most) {
		context.font = '11px ' + Theme.colour('sans');
		context.textBaseline = 'top';
		context.fillStyle = Theme.colour('dim');
		context.strokeStyle = Theme.colour('line');
		const step = Area.step(this.memory.duration, Math.floor(this.width / 90));
		for (let at = 0; at <= this.memory.duration + 1e-9; at += step) {
			const text = Text.seconds(at), x = this.x(at);
			context.fillText(text, Math.min(x + 3, this.width - context.measureText(text).width - 2), Area.HEIGHT - Area.BOTTOM + 3);
			context.beginPath();
			context.moveTo(Math.round(x) + 0.5, Area.TOP);
			context.lineTo(Math.round(x) + 0.5, Area.HEIGHT - 2);
			context.stroke();
		}
		context.fillText(Amount.of(most, this.isCount), Area.SIDE + 3, 2);
	}

	// 1, 2 or 5 of a power of ten, so that there are no more than n.
	static step(whole, n) {
		const least = whole / Math.max(1, n), power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-9)));
		return power * ([1, 2, 5, 10].find(factor => power * factor >= least) || 10);
	}

	drawLayer(context, low, high, i, { row }) {
		const { times } = this.data;
		context.globalAlpha = this.picked >= 0 && this.picked !== row ? 0.35 : 1;
		context.fillStyle = Theme.colour('layer-' + i);
		context.beginPath();
		times.forEach((at, k) => context.lineTo(this.x(at), this.y(high[k])));
		for (let k = times.length - 1; k >= 0; k--)
			context.lineTo(this.x(times[k]), this.y(low[k]));
		context.fill();
		context.globalAlpha = 1;
		// An edge between two: they differ without colours, too.
		context.strokeStyle = Theme.colour('bg');
		context.beginPath();
		times.forEach((at, k) => context.lineTo(this.x(at), this.y(high[k])));
		context.stroke();
	}

	// When it was looked: between two nothing is known.
	drawLooks(context) {
		context.fillStyle = Theme.colour('mark');
		for (const at of this.data.times)
			context.fillRect(Math.round(this.x(at)), Area.HEIGHT - Area.BOTTOM - 1, 1, 4);
	}

	drawSpan(context) {
		const [from, to] = this.span.map(at => this.x(at));
		context.fillStyle = Theme.colour('veil');
		context.fillRect(0, Area.TOP, from, Area.HEIGHT - Area.TOP);
		context.fillRect(to, Area.TOP, this.width - to, Area.HEIGHT - Area.TOP);
		context.strokeStyle = Theme.colour('text');
		context.strokeRect(Math.round(from) + 0.5, 1.5, Math.max(1, Math.round(to - from) - 1), Area.HEIGHT - 4);
		this.label(context, Text.seconds(this.span[0]) + ' to ' + Text.seconds(this.span[1]), to);
	}

	drawHover(context, edges) {
		const { times } = this.data, nearest = times.reduce((best, at, i) => Math.abs(at - this.hover) < Math.abs(times[best] - this.hover) ? i : best, 0);
		if (!times.length)
			return;
		const x = Math.round(this.x(times[nearest])) + 0.5;
		context.strokeStyle = Theme.colour('text');
		context.beginPath();
		context.moveTo(x, Area.TOP);
		context.lineTo(x, Area.HEIGHT - Area.BOTTOM);
		context.stroke();
		this.label(context, 'at ' + Text.seconds(times[nearest]) + ': ' + Amount.of(edges[edges.length - 1][nearest], this.isCount), x);
	}

	label(context, text, x) {
		const { width } = context.measureText(text), at = x + 8 + width < this.width ? x + 6 : x - width - 6;
		context.fillStyle = Theme.colour('panel');
		context.fillRect(at - 3, 2, width + 6, 14);
		context.fillStyle = Theme.colour('text');
		context.fillText(text, at, 3);
	}

	press(event) {
		if (event.button !== 0)
			return;
		this.canvas.setPointerCapture(event.pointerId);
		this.drag = { x: event.offsetX, y: event.offsetY, moved: false };
	}

	move(event) {
		this.look(this.at(event.offsetX));
		const { drag } = this;
		if (!drag || (!drag.moved && Math.abs(event.offsetX - drag.x) < 3))
			return;
		drag.moved = true;
		const [a, b] = [drag.x, event.offsetX].map(x => this.at(x)).sort((p, q) => p - q);
		this.set(a, b);
	}

	// A click is on the layer that is there.
	release(event) {
		const { drag } = this;
		this.drag = null;
		if (!drag || drag.moved || !this.data.times.length)
			return;
		const { times, layers } = this.data, at = this.at(event.offsetX), edges = this.edges();
		const k = Math.max(0, times.findIndex(time => time >= at)), i = layers.findIndex((_, n) => event.offsetY >= this.y(edges[n + 1][k]));
		if (i >= 0 && layers[i].row >= 0)
			this.on.pick(layers[i].row);
	}

	set(from, to) {
		const round = at => Math.round(at * 1000) / 1000;
		State.set(from <= 0 && to >= this.memory.duration ? { from: '', to: '' } : { from: round(from), to: Math.max(round(to), round(from) + 0.001) });
	}

	look(at) {
		if (at === this.hover || (Number.isNaN(at) && Number.isNaN(this.hover)))
			return;
		this.hover = at;
		this.draw();
	}

	key(event) {
		const { duration } = this.memory, by = { ArrowLeft: -duration / 50, ArrowRight: duration / 50 }[event.key], { span } = this;
		if (event.key === 'Delete')
			State.set({ from: '', to: '' });
		else if (by && !span)
			this.set(0, duration / 2);
		else if (by && event.shiftKey)
			this.set(span[0], Math.min(duration, Math.max(span[0] + 0.001, span[1] + by)));
		else if (by && span[0] + by >= 0 && span[1] + by <= duration)
			this.set(span[0] + by, span[1] + by);
		else
			return;
		event.preventDefault();
		event.stopPropagation();
	}
}
Area.MOST = 7; // layers but the rest
Area.HEIGHT = 150;
Area.TOP = 17;
Area.BOTTOM = 16;
Area.SIDE = 16;
