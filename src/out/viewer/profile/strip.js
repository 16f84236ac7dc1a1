// SPDX-License-Identifier: BSD-2-Clause
// Strip: time from left to right, CPU use upwards, by layer.  Drag to choose a
// span, and all that is shown follows; drag its ends or its middle to change it.

class Strip {
	constructor(element) {
		this.canvas = Dom.el('canvas', { tabIndex: 0, role: 'slider', 'aria-label':
			'Time strip: drag to choose a span; arrow keys move it, with Shift its end; double click or Delete for all' });
		this.note = Dom.el('p.note');
		this.element = Dom.fill(element, this.canvas, this.note);
		this.drag = null;
		this.hover = NaN;
		this.canvas.addEventListener('pointerdown', event => this.press(event));
		this.canvas.addEventListener('pointermove', event => this.move(event));
		this.canvas.addEventListener('pointerup', event => this.release(event));
		this.canvas.addEventListener('pointercancel', () => { this.drag = null; });
		this.canvas.addEventListener('pointerleave', () => this.look(NaN));
		this.canvas.addEventListener('dblclick', () => State.set({ from: '', to: '' }));
		this.canvas.addEventListener('keydown', event => this.key(event));
		this.reckonLater = Dom.afterPaint(() => this.reckon());
		this.choose = Dom.atFrame((from, to) => this.set(from, to));
	}

	// Samples by slice and layer of what the selection would be without its span.
	static sums(profile, selection) {
		const { sampleNode, fn, fnLayer, nSlices } = profile, { start, sample: tickSample, count } = profile.ticks;
		const layer = new Uint8Array(profile.nSamples);
		for (let i = 0; i < layer.length; i++) {
			const node = sampleNode[i];
			layer[i] = node ? fnLayer[fn[node]] : OTHER;
		}
		const { threads } = selection.what, { sampleThread } = profile;
		const hidden = selection.what.hidden.size ? Strip.hiddenNodes(profile, selection.what.hidden) : null;
		const sums = new Float64Array(nSlices * (OTHER + 1));
		for (let slice = 0; slice < nSlices; slice++) {
			for (let i = start[slice]; i < start[slice + 1]; i++) {
				const sample = tickSample[i];
				if ((!threads || threads.has(sampleThread[sample])) && !(hidden && hidden[sampleNode[sample]]))
					sums[slice * (OTHER + 1) + layer[sample]] += count[i];
			}
		}
		return sums;
	}

	static hiddenNodes(profile, hidden) {
		const nodes = new Uint8Array(profile.nNodes);
		for (let i = 1; i < profile.nNodes; i++)
			nodes[i] = nodes[profile.parent[i]] || hidden.has(profile.fn[i]) ? 1 : 0;
		return nodes;
	}

	show(profile, selection) {
		if (selection === this.selection)
			return;
		this.profile = profile;
		this.selection = selection;
		this.canvas.hidden = !profile.hasTimes;
		this.note.hidden = profile.hasTimes;
		this.element.hidden = !profile.total;
		if (!profile.hasTimes) {
			this.note.textContent = 'When each sample was taken is not in this capture, so there is no strip of time: what ' +
				'is shown is the whole of it.';
			return;
		}
		if (this.sums)
			this.reckon();
		else
			this.reckonLater();
	}

	// After the first paint, which the times of a large capture would delay.
	reckon() {
		const { profile, selection } = this;
		const key = [selection.what.threads ? [...selection.what.threads] : '', [...selection.what.hidden]].join(';');
		if (key !== this.sumsKey) {
			this.sums = Strip.sums(profile, selection);
			this.sumsKey = key;
		}
		this.draw();
	}

	// Shows when those samples were taken, within all of them.  found: by sample 1 or 0, or null
	mark(found, name) {
		this.marked = found;
		this.markName = name;
		if (this.sums)
			this.draw();
	}

	// Marked samples by slice, as far as the selection has them.
	markSums() {
		const { profile, selection, marked } = this, { start, sample, count } = profile.ticks, { threads } = selection.what;
		const sums = new Float64Array(profile.nSlices);
		for (let slice = 0; slice < profile.nSlices; slice++) {
			for (let i = start[slice]; i < start[slice + 1]; i++) {
				if (marked[sample[i]] && (!threads || threads.has(profile.sampleThread[sample[i]])))
					sums[slice] += count[i];
			}
		}
		return sums;
	}

	get span() {
		const { what } = this.selection;
		return this.selection.hasSpan ? [what.from, what.to] : null;
	}

	seconds(slice) {
		return slice * this.profile.capture.slice_ns / 1e9;
	}

	x(slice) {
		return Strip.SIDE + slice / this.profile.nSlices * (this.width - 2 * Strip.SIDE);
	}

	slice(x) {
		const at = (x - Strip.SIDE) / (this.width - 2 * Strip.SIDE) * this.profile.nSlices;
		return Math.min(this.profile.nSlices, Math.max(0, Math.round(at)));
	}

	draw() {
		if (!this.sums)
			return;
		this.width = this.element.clientWidth;
		const context = Dom.sizeCanvas(this.canvas, this.width, Strip.HEIGHT);
		context.clearRect(0, 0, this.width, Strip.HEIGHT);
		context.font = '11px ' + Theme.colour('sans');
		context.textBaseline = 'top';
		this.drawBars(context);
		this.drawAxis(context);
		if (this.span)
			this.drawSpan(context);
		this.canvas.setAttribute('aria-valuetext', this.span ? this.spanText() : 'all');
	}

	// Slices in which so many samples are expected of one CPU that a few more or less say nothing.
	get window() {
		const { capture, nSlices } = this.profile;
		return Math.max(1, Math.min(nSlices, Math.ceil(Strip.SURE * capture.period_ns / capture.slice_ns)));
	}

	// CPUs in use between two slices.
	cpus(from, to) {
		let n = 0;
		for (let i = from * (OTHER + 1); i < to * (OTHER + 1); i++)
			n += this.sums[i];
		const { period_ns: period, slice_ns: slice } = this.profile.capture;
		return to > from ? n * period / slice / (to - from) : 0;
	}

	// The most CPUs in use: a bar may be so short that one tick more makes it high.
	get most() {
		if (this.mostOf !== this.sums) {
			const { nSlices } = this.profile, { window } = this, n = new Float64Array(nSlices + 1);
			for (let i = 0; i < nSlices; i++) {
				n[i + 1] = n[i];
				for (let layer = 0; layer <= OTHER; layer++)
					n[i + 1] += this.sums[i * (OTHER + 1) + layer];
			}
			let best = 0;
			for (let i = window; i <= nSlices; i++) {
				if (n[i] - n[i - window] > n[best + window] - n[best])
					best = i - window;
			}
			this.mostOf = this.sums;
			this.mostCpus = this.cpus(best, best + window);
		}
		return this.mostCpus;
	}

	drawBars(context) {
		const { profile, sums } = this, inner = this.width - 2 * Strip.SIDE, layers = OTHER + 1;
		const bars = Math.max(1, Math.min(profile.nSlices, Math.floor(inner / 4)));
		const heights = new Float64Array(bars * layers), all = new Float64Array(bars);
		for (let slice = 0; slice < profile.nSlices; slice++) {
			const bar = Math.floor(slice * bars / profile.nSlices);
			for (let layer = 0; layer < layers; layer++) {
				heights[bar * layers + layer] += sums[slice * layers + layer];
				all[bar] += sums[slice * layers + layer];
			}
		}
		const marks = new Float64Array(bars);
		if (this.marked)
			this.markSums().forEach((n, slice) => { marks[Math.floor(slice * bars / profile.nSlices)] += n; });
		// A bar may have a slice more than the next; compare CPUs in use.
		const slices = bar => Math.ceil((bar + 1) * profile.nSlices / bars) - Math.ceil(bar * profile.nSlices / bars);
		const cpus = profile.capture.period_ns / profile.capture.slice_ns;
		this.peak = all.reduce((most, n, bar) => Math.max(most, n / slices(bar)), 0) * cpus;
		const bottom = Strip.HEIGHT - 5, room = Strip.HEIGHT - Strip.TOP - 5, pitch = inner / bars;
		for (let bar = 0; bar < bars; bar++) {
			let y = bottom;
			for (let layer = 0; layer < layers; layer++) {
				const n = heights[bar * layers + layer];
				if (!n)
					continue;
				const height = n / slices(bar) * cpus / this.peak * room;
				context.fillStyle = Theme.colour(Paint.NAMES[layer] + '-strip');
				context.fillRect(Strip.SIDE + bar * pitch, y - height, Math.max(pitch - 1, 0.5), height);
				y -= height;
			}
			if (marks[bar]) {
				const height = marks[bar] / slices(bar) * cpus / this.peak * room;
				context.fillStyle = Theme.colour('mark');
				context.fillRect(Strip.SIDE + bar * pitch, bottom - height, Math.max(pitch - 1, 0.5), height);
			}
		}
		context.fillStyle = Theme.colour('line');
		context.fillRect(Strip.SIDE, bottom, inner, 1);
	}

	// Every tick has its line, and its text unless something is pointed at or marked, which is said at the right end.
	drawAxis(context) {
		const end = this.profile.duration || this.seconds(this.profile.nSlices);
		const inner = this.width - 2 * Strip.SIDE, right = this.width - Strip.SIDE;
		const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400];
		const step = steps.find(s => s / end * inner >= 170) || 86400 * Math.ceil(end / 86400 / 8);
		const width = text => context.measureText(text).width;
		const said = !Number.isNaN(this.hover) ? this.readout(this.hover) : this.marked ? '■ ' + Text.cut(this.markName, 40) : '';
		const room = said ? right - width(said) - 8 : this.width;
		let free = 0, before = 0, last = 0; // where a text may begin: behind the last label, the one before it; the last tick
		context.fillStyle = Theme.colour('dim');
		for (let i = 0; i * step <= end * 1.000001; i++) {
			const x = this.x(i * step * 1e9 / this.profile.capture.slice_ns);
			const text = i * step >= 600 ? Text.count(i * step / 60) + ' min' : +(i * step).toFixed(1) + ' s';
			const at = x + 3 + width(text) > this.width ? x - 3 - width(text) : x + 3;
			context.fillRect(Math.round(x), 4, 1, 10);
			if (at + width(text) > room)
				continue;
			context.fillText(text, at, 3);
			[before, free, last] = [free, at + width(text) + 8, Math.min(x, at)];
		}
		const most = 'up to ' + this.most.toFixed(this.most < 0.095 ? 2 : 1) + ' CPU', whole = most + ' · ' + Text.seconds(end);
		const fits = text => right - width(text) >= free;
		context.textAlign = 'right';
		if (said || fits(whole) || fits(most))
			context.fillText(said || (fits(whole) ? whole : most), right, 3);
		else if (last - 5 - width(most) >= before)
			context.fillText(most, last - 5, 3);
		context.textAlign = 'left';
		if (!Number.isNaN(this.hover)) {
			context.fillStyle = Theme.colour('text');
			context.fillRect(this.x(this.hover), Strip.TOP, 1, Strip.HEIGHT - Strip.TOP - 5);
		}
	}

	// What went on around a slice: as much as a bar shows, or what says enough.
	readout(slice) {
		const { nSlices } = this.profile, half = Math.ceil(Math.max(nSlices / (this.width / 4), this.window) / 2);
		const cpus = this.cpus(Math.max(0, slice - half), Math.min(nSlices, slice + half));
		return 'at ' + Text.seconds(this.seconds(slice)) + ': ' + cpus.toFixed(1) + ' CPU';
	}

	spanText() {
		return Text.seconds(this.seconds(this.span[0])) + ' to ' + Text.seconds(this.seconds(this.span[1])) + ' selected';
	}

	drawSpan(context) {
		const [from, to] = this.span, left = this.x(from), right = this.x(to);
		context.fillStyle = Theme.colour('veil');
		context.fillRect(0, Strip.TOP, left, Strip.HEIGHT - Strip.TOP);
		context.fillRect(right, Strip.TOP, this.width - right, Strip.HEIGHT - Strip.TOP);
		context.strokeStyle = Theme.colour('text');
		context.strokeRect(Math.round(left) + 0.5, 1.5, Math.max(1, Math.round(right - left) - 1), Strip.HEIGHT - 4);
		context.fillStyle = Theme.colour('text');
		for (const x of [left, right])
			context.fillRect(Math.round(x) - 1, Strip.HEIGHT / 2 - 5, 3, 12);
		const text = this.spanText(), width = context.measureText(text).width;
		const at = right - left > width + 10 ? left + 6 : right + 6 + width < this.width ? right + 6 : left - width - 6;
		context.fillStyle = Theme.colour('panel');
		context.fillRect(at - 3, 2, width + 6, 13);
		context.fillStyle = Theme.colour('text');
		context.fillText(text, at, 3);
	}

	// What a press at x would take hold of.
	grip(x) {
		if (!this.span)
			return 'new';
		const left = this.x(this.span[0]), right = this.x(this.span[1]);
		if (Math.abs(x - left) < 6)
			return 'from';
		if (Math.abs(x - right) < 6)
			return 'to';
		return x > left && x < right ? 'both' : 'new';
	}

	press(event) {
		if (event.button !== 0)
			return;
		this.canvas.setPointerCapture(event.pointerId);
		const slice = this.slice(event.offsetX), grip = this.grip(event.offsetX);
		this.drag = { grip, slice, span: this.span, x: event.offsetX, moved: false };
	}

	move(event) {
		const grip = this.grip(event.offsetX);
		this.canvas.style.cursor = { new: 'crosshair', both: 'grab' }[grip] || 'ew-resize';
		this.look(this.slice(event.offsetX));
		if (!this.drag)
			return;
		const { drag } = this, slice = this.slice(event.offsetX), by = slice - drag.slice;
		if (!drag.moved && Math.abs(event.offsetX - drag.x) < 3)
			return;
		drag.moved = true;
		if (drag.grip === 'new')
			this.choose(Math.min(drag.slice, slice), Math.max(drag.slice, slice));
		else if (drag.grip === 'from')
			this.choose(Math.min(drag.span[0] + by, drag.span[1] - 1), drag.span[1]);
		else if (drag.grip === 'to')
			this.choose(drag.span[0], Math.max(drag.span[1] + by, drag.span[0] + 1));
		else
			this.shift(drag.span, by);
	}

	release() {
		this.drag = null;
	}

	shift([from, to], by) {
		const room = Math.min(Math.max(by, -from), this.profile.nSlices - to);
		this.choose(from + room, to + room);
	}

	set(from, to) {
		const { nSlices } = this.profile;
		from = Math.max(0, Math.min(from, nSlices - 1));
		to = Math.max(from + 1, Math.min(to, nSlices));
		if (from === 0 && to === nSlices)
			State.set({ from: '', to: '' });
		else
			State.set({ from: +this.seconds(from).toFixed(6), to: +this.seconds(to).toFixed(6) });
	}

	look(slice) {
		if (slice === this.hover || (Number.isNaN(slice) && Number.isNaN(this.hover)))
			return;
		this.hover = slice;
		this.draw();
	}

	key(event) {
		const { nSlices } = this.profile, step = Math.max(1, Math.round(nSlices / 100));
		const by = { ArrowLeft: -step, ArrowRight: step }[event.key];
		if (event.key === 'Delete') {
			State.set({ from: '', to: '' });
		} else if (by && !this.span) {
			this.choose(0, Math.max(1, Math.round(nSlices / 10)));
		} else if (by && event.shiftKey) {
			this.choose(this.span[0], Math.max(this.span[0] + 1, this.span[1] + by));
		} else if (by) {
			this.shift(this.span, by);
		} else {
			return;
		}
		event.preventDefault();
		event.stopPropagation();
	}
}
Strip.SURE = 50; // samples of one CPU
Strip.HEIGHT = 46;
Strip.TOP = 16; // of the bars; the scale stands above
Strip.SIDE = 16;
