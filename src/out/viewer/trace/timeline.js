// SPDX-License-Identifier: BSD-2-Clause
// Timeline: calls as boxes, time to the right, what they call below them; one
// execution, or all over each other, each from its own beginning.

class Timeline extends RowsPane {
	// on: { hover(call|-1), pick(call), zoom(call), view(from, to) }
	constructor(element, on) {
		super(element, 'timeline', 'Timeline: arrow keys move from call to call, Enter zooms, plus and minus zoom, Escape goes back; ' +
			'the table after it has the same', Timeline.TOP);
		this.on = on;
		this.covered = Timeline.RULER;
		this.hovered = this.picked = -1;
		this.bands = [];
		this.rowCache = new Map();
		this.drag = null;
		const { canvas } = this;
		canvas.addEventListener('pointerdown', event => this.press(event));
		canvas.addEventListener('pointermove', event => this.move(event));
		canvas.addEventListener('pointerup', event => this.release(event));
		canvas.addEventListener('pointercancel', () => { this.drag = null; });
		canvas.addEventListener('pointerleave', () => this.hover(-1));
		canvas.addEventListener('dblclick', event => this.at(event) >= 0 && on.zoom(this.at(event)));
		canvas.addEventListener('wheel', event => this.wheel(event), { passive: false });
		Theme.listen(() => { this.looks = null; });
	}

	// view: { executions, all, apart, from, to, matches }
	show(trace, view) {
		Object.assign(this, { trace, view });
		this.measure();
		this.layout();
		this.paint();
	}

	// Time of all that is shown.
	get whole() {
		return Math.max(1, this.view.executions.reduce((most, { ns }) => Math.max(most, ns), 0));
	}

	get scale() {
		return new Scale(this.view.from, this.view.to, RowsPane.SIDE, Math.max(1, this.width - 2 * RowsPane.SIDE));
	}

	// Bands of rows, one an execution: { execution, first: its first row, rows: [calls] }, with a row for its title if there are several.
	layout() {
		let first = 0;
		this.bands = this.view.executions.map(execution => {
			const rows = this.rowsOf(execution), band = { execution, first, rows };
			first += rows.length + (this.view.all ? 2 : 0);
			return band;
		});
		this.setRows(Math.max(1, first));
	}

	// By row the calls in it, in the order of time; apart: Python above, then a gap, then the rest.
	rowsOf(execution) {
		const key = execution.index + (this.view.apart ? 'a' : '');
		if (!this.rowCache.has(key)) {
			const { trace } = this, rows = [], lanes = this.view.apart ? this.lanes : null;
			const python = [], native = [];
			for (let i = execution.first; i < execution.end; i++) {
				const into = !lanes ? rows : trace.layerOf(trace.callLoc[i]) === 0 ? python : native;
				const row = lanes ? lanes[i] : trace.depth[i];
				(into[row] = into[row] || []).push(i);
			}
			this.rowCache.set(key, lanes ? [...python, ...(python.length && native.length ? [[]] : []), ...native] : rows);
		}
		return this.rowCache.get(key);
	}

	// By call: how many above it are of its own kind.
	get lanes() {
		if (!this.laneArray) {
			const { trace } = this, { parent, nCalls } = trace, python = new Uint32Array(nCalls), other = new Uint32Array(nCalls);
			this.laneArray = new Uint32Array(nCalls);
			for (let i = 0; i < nCalls; i++) {
				const above = parent[i], isPython = trace.layerOf(trace.callLoc[i]) === 0;
				python[i] = above >= 0 ? python[above] : 0;
				other[i] = above >= 0 ? other[above] : 0;
				this.laneArray[i] = isPython ? python[i]++ : other[i]++;
			}
		}
		return this.laneArray;
	}

	// The row of a call, -1 if it is not shown.
	rowOf(call) {
		const { trace, view } = this, band = this.bands.find(({ execution }) => call >= execution.first && call < execution.end);
		if (!band)
			return -1;
		if (!view.apart)
			return band.first + (view.all ? 1 : 0) + trace.depth[call];
		return band.first + (view.all ? 1 : 0) + band.rows.findIndex(row => row[Timeline.search(trace, row, trace.start[call], call)] === call);
	}

	// Where in a row the first call ends after that moment; call: or is that one, of those at one moment.
	static search({ start, ns }, row, moment, call = Infinity) {
		let low = 0, high = row.length;
		while (low < high) {
			const middle = (low + high) >> 1, at = row[middle], end = start[at] + ns[at];
			if (end < moment || (end === moment && at < call))
				low = middle + 1;
			else
				high = middle;
		}
		return low;
	}

	bandAt(row) {
		let found = null;
		for (const band of this.bands) {
			if (band.first > row)
				break;
			found = band;
		}
		return found;
	}

	// The calls in a row of the pane.
	callsIn(row) {
		const band = this.bandAt(row);
		return band ? band.rows[row - band.first - (this.view.all ? 1 : 0)] || [] : [];
	}

	paint() {
		const { context, first, last } = this.begin(), { height, top, view } = this, scale = this.scale;
		context.save();
		context.beginPath();
		context.rect(0, Timeline.RULER, this.width, height);
		context.clip();
		for (let row = Math.max(0, first - 1); row < last; row++) {
			const band = this.bandAt(row);
			if (view.all && band && band.first === row)
				this.title(context, band.execution, this.y(row));
			else
				this.paintRow(context, this.callsIn(row), this.y(row), scale);
		}
		this.outline(context, this.hovered, scale);
		this.outline(context, this.picked, scale);
		context.restore();
		this.ruler(context, scale);
		this.sayMore(Math.ceil((top - 4) / RowsPane.ROW), this.nRows - Math.floor((top + height - Timeline.TOP) / RowsPane.ROW));
	}

	// Of those narrower than half a pixel one for each half of a pixel.
	paintRow(context, calls, y, scale) {
		const { start, ns } = this.trace, { perNs, from, to, left } = scale, right = left + scale.width;
		let column = -1;
		for (let i = Timeline.search(this.trace, calls, from); i < calls.length; i++) {
			const call = calls[i], begin = start[call];
			if (begin > to)
				break;
			const x = Math.max(left, left + (begin - from) * perNs), end = Math.min(right, left + (begin + ns[call] - from) * perNs);
			if (end - x < RowsPane.LEAST) {
				const now = Math.floor(x * 2);
				if (now === column)
					continue;
				column = now;
			}
			this.box(context, call, x, y, Math.max(end - x, RowsPane.LEAST), scale);
		}
	}

	look(fn) {
		if (!this.looks)
			this.looks = [];
		return this.looks[fn] || (this.looks[fn] = Paint.of(this.trace, fn));
	}

	box(context, call, x, y, width, scale) {
		const { trace, view } = this, look = this.look(trace.fnOf(call)), faint = view.matches && !view.matches.calls[call];
		const w = Math.max(width - (width > 3 ? 1 : 0), RowsPane.LEAST), h = RowsPane.ROW - 1;
		context.globalAlpha = faint ? 0.3 : 1;
		context.fillStyle = look.fill;
		context.fillRect(x, y, w, h);
		if (w > 2)
			Paint.edge(context, look.layer, look.edge, x, y + h, w);
		if (trace.flags[call] && w > 3)
			this.marks(context, call, x, y, w, scale);
		if (w >= RowsPane.TEXT_LEAST) {
			context.globalAlpha = faint ? 0.6 : 1;
			context.fillStyle = faint ? Theme.colour('text') : look.text;
			const side = trace.flags[call] & BEGIN_GUESSED ? Timeline.HATCH : 5; // not on the hatching
			this.label(context, [Text.cut(trace.titleOf(call), 500), '  ' + Text.duration(trace.ns[call])], x + side, y + h / 2 + 0.5, w - side - 3);
		}
		context.globalAlpha = 1;
	}

	// Hatched towards a guessed end, a bar where an exception left, a broken line where the record ended.
	marks(context, call, x, y, w, scale) {
		const { trace } = this, flags = trace.flags[call], h = RowsPane.ROW - 1, part = Math.min(w, Timeline.HATCH - 2);
		const starts = trace.start[call] >= scale.from, ends = trace.start[call] + trace.ns[call] <= scale.to;
		if (flags & BEGIN_GUESSED && starts)
			Paint.hatch(context, x, y, part, h, Theme.colour('text'));
		if (flags & END_GUESSED && ends)
			Paint.hatch(context, x + w - part, y, part, h, Theme.colour('text'));
		if (flags & RAISED && ends) {
			context.fillStyle = Theme.colour('bad');
			context.fillRect(x + w - 3, y, 3, h);
		}
		if (flags & YIELDED && ends) {
			context.fillStyle = Theme.colour('text');
			context.fillRect(x + w - 2, y + 5, 2, h - 10);
		}
		if (flags & RESUMED && starts) {
			context.fillStyle = Theme.colour('text');
			context.fillRect(x, y + 5, 2, h - 10);
		}
		if (flags & CUT && ends) {
			context.fillStyle = Theme.colour('doubt');
			for (let at = 0; at < h; at += 6)
				context.fillRect(x + w - 3, y + at, 3, 4);
		}
	}

	outline(context, call, scale) {
		const row = call >= 0 ? this.rowOf(call) : -1, { start, ns } = this.trace;
		if (row < 0 || start[call] > scale.to || start[call] + ns[call] < scale.from)
			return;
		const { left, width } = scale, within = ns => Math.min(left + width, Math.max(left, scale.x(ns)));
		const x = within(start[call]), end = within(start[call] + ns[call]), y = this.y(row);
		if (call === this.hovered) {
			context.fillStyle = Theme.colour('glow');
			context.fillRect(x, y, Math.max(end - x - 1, 2), RowsPane.ROW - 1);
		}
		if (call === this.picked) {
			context.strokeStyle = Theme.colour('text');
			context.lineWidth = 2;
			context.strokeRect(x + 1, y + 1, Math.max(end - x - 3, 1), RowsPane.ROW - 3);
		}
	}

	title(context, execution, y) {
		const { trace } = this, what = [Text.duration(execution.ns), trace.threadName(execution.thread), When.clock(trace.unixMs(execution)),
			execution.partial && 'partial', execution.lost && Text.plural(execution.lost, 'event') + ' lost'].filter(part => part);
		context.fillStyle = Theme.colour('text');
		this.label(context, ['#' + execution.number, '  ' + what.join(' · ')], RowsPane.SIDE, y + RowsPane.ROW / 2 + 2, this.width - 2 * RowsPane.SIDE);
		context.globalAlpha = 1;
	}

	// Time above the rows: drag it to choose a span.
	ruler(context, scale) {
		const { width } = this, end = RowsPane.SIDE + scale.width;
		context.fillStyle = Theme.colour('bg');
		context.fillRect(0, 0, width, Timeline.RULER);
		context.fillStyle = Theme.colour('dim');
		for (const { x, text } of scale.ticks(Timeline.TICK)) {
			context.fillRect(x, Timeline.RULER - 8, 1, 5);
			if (x + 4 + this.textWidth(context, text) < width)
				context.fillText(text, x + 4, 9);
		}
		context.fillStyle = Theme.colour('line');
		context.fillRect(RowsPane.SIDE, Timeline.RULER - 3, scale.width, 3);
		const part = ns => RowsPane.SIDE + scale.width * Math.min(1, Math.max(0, ns / this.whole));
		context.fillStyle = Theme.colour('thumb');
		context.fillRect(part(scale.from), Timeline.RULER - 3, Math.max(2, part(scale.to) - part(scale.from)), 3);
		if (this.drag && this.drag.span) {
			const [a, b] = [this.drag.x, this.drag.now].sort((one, other) => one - other).map(x => Math.min(end, Math.max(RowsPane.SIDE, x)));
			context.fillStyle = Theme.colour('accent');
			context.globalAlpha = 0.25;
			context.fillRect(a, 0, b - a, this.height);
			context.globalAlpha = 1;
		}
	}

	// The call at a point, or one within two pixels of it; -1: none
	at(event) {
		if (event.offsetY < Timeline.RULER)
			return -1;
		const row = this.rowAt(event), calls = row >= 0 ? this.callsIn(row) : [], { start, ns } = this.trace, scale = this.scale;
		const moment = scale.ns(event.offsetX), slack = scale.perNs ? 2 / scale.perNs : 0;
		const i = Timeline.search(this.trace, calls, moment), near = [calls[i], calls[i - 1]].filter(call => call !== undefined);
		const distance = call => Math.max(start[call] - moment, moment - start[call] - ns[call], 0);
		const best = near.reduce((a, b) => a === undefined || distance(b) < distance(a) ? b : a, undefined);
		return best !== undefined && distance(best) <= slack ? best : -1;
	}

	hover(call) {
		if (call === this.hovered)
			return;
		this.hovered = call;
		this.canvas.style.cursor = call >= 0 ? 'pointer' : 'default';
		this.paintSoon();
		this.on.hover(call);
	}

	press(event) {
		if (event.button !== 0)
			return;
		this.canvas.setPointerCapture(event.pointerId);
		this.drag = { x: event.offsetX, y: event.clientY, now: event.offsetX, span: event.offsetY < Timeline.RULER || event.shiftKey, isMoved: false,
			view: { from: this.view.from, to: this.view.to }, top: this.pane.scrollTop };
	}

	move(event) {
		const { drag } = this;
		if (!drag) {
			this.hover(this.at(event));
			return;
		}
		drag.isMoved = drag.isMoved || Math.abs(event.offsetX - drag.x) > 3 || Math.abs(event.clientY - drag.y) > 3;
		drag.now = event.offsetX;
		if (!drag.isMoved)
			return;
		if (drag.span) {
			this.paintSoon();
			return;
		}
		const by = (drag.x - event.offsetX) / (this.scale.perNs || 1);
		this.pane.scrollTop = drag.top + drag.y - event.clientY;
		this.setView(drag.view.from + by, drag.view.to + by);
	}

	release(event) {
		const { drag } = this;
		this.drag = null;
		if (!drag)
			return;
		if (!drag.isMoved) {
			const call = this.at(event);
			if (call >= 0)
				this.on.pick(call);
			return;
		}
		if (drag.span) {
			const [from, to] = [drag.x, event.offsetX].map(x => this.scale.ns(x)).sort((a, b) => a - b);
			this.setView(Math.max(0, from), Math.min(this.whole, to), true);
			this.paintSoon();
		}
	}

	wheel(event) {
		const unit = event.deltaMode ? 30 : 1, dx = event.deltaX * unit, dy = event.deltaY * unit;
		event.preventDefault();
		if (event.altKey)
			this.pane.scrollTop += dy;
		else if (event.shiftKey || Math.abs(dx) > Math.abs(dy))
			this.pan((dx || dy) / Math.max(1, this.width));
		else
			this.zoomBy(Math.exp(Math.max(-300, Math.min(300, dy)) * 0.003), this.scale.ns(event.offsetX));
	}

	// Moves by a share of what is seen.
	pan(share) {
		const { from, to } = this.view, by = (to - from) * share;
		this.setView(from + by, to + by);
	}

	// factor: of the span; around: what stays where it is, the middle unless told
	zoomBy(factor, around = (this.view.from + this.view.to) / 2) {
		const { from, to } = this.view, span = Math.max(Timeline.SPAN_LEAST, (to - from) * factor);
		const share = (around - from) / (to - from || 1);
		this.setView(around - span * share, around + span * (1 - share));
	}

	// Kept within what there is.
	setView(from, to, isStep = false) {
		const { whole } = this, span = Math.min(whole, Math.max(Timeline.SPAN_LEAST, to - from));
		const begin = Math.min(Math.max(0, from), whole - span);
		this.on.view(begin, begin + span, isStep);
	}

	// Scrolls, and moves in time, so that a call can be seen.
	reveal(call) {
		const row = this.rowOf(call), { start, ns } = this.trace, { from, to } = this.view;
		if (row < 0)
			return;
		this.revealRow(row);
		const begin = start[call], end = begin + ns[call], span = to - from;
		if (end < from || begin > to || (begin < from && end < from + span / 20) || (end > to && begin > to - span / 20))
			this.setView(begin + ns[call] / 2 - span / 2, begin + ns[call] / 2 + span / 2);
	}

	// The call beside one, in its row.
	beside(call, by) {
		const calls = this.callsIn(this.rowOf(call)), at = calls.indexOf(call);
		return at < 0 || calls[at + by] === undefined ? -1 : calls[at + by];
	}
}
Timeline.RULER = 22;
Timeline.TOP = 26;
Timeline.TICK = 90; // pixels between two at least
Timeline.SPAN_LEAST = 20; // ns
Timeline.HATCH = 16; // pixels, of what is guessed
