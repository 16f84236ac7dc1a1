// SPDX-License-Identifier: BSD-2-Clause
// Threads: what each thread and process used, of which layers and when; a click
// leaves only it, everywhere on the page, a click with Shift adds it.

class Threads {
	constructor(element) {
		this.pane = Dom.el('div', { id: 'threads', tabIndex: 0 });
		element.append(this.pane);
	}

	// selection: what is selected if there were no filter by thread
	show(profile, selection) {
		const layers = OTHER + 1, { threads, processes } = profile.meta;
		const sums = new Float64Array(threads.length * layers);
		for (let i = 0; i < profile.nSamples; i++) {
			const node = profile.sampleNode[i], layer = node ? profile.fnLayer[profile.fn[node]] : OTHER;
			sums[profile.sampleThread[i] * layers + layer] += selection.weight[i];
		}
		const of = index => Array.from(sums.subarray(index * layers, (index + 1) * layers));
		const total = parts => parts.reduce((a, b) => a + b, 0);
		const rows = threads.map((thread, index) => ({ index, process: thread.process, parts: of(index), n: total(of(index)) }));
		const groups = processes.map((process, index) => {
			const own = rows.filter(row => row.process === index).sort((a, b) => b.n - a.n || a.index - b.index);
			const parts = own.reduce((sum, row) => sum.map((n, i) => n + row.parts[i]), new Array(layers).fill(0));
			return { index, rows: own, parts, n: total(parts) };
		}).filter(group => group.rows.length).sort((a, b) => b.n - a.n || a.index - b.index);
		this.times = profile.hasTimes ? Threads.times(profile) : null;
		this.most = Math.max(1, ...groups.map(group => group.n));
		const list = [];
		let left = Threads.MOST;
		for (const group of groups) {
			list.push(this.row(profile, selection, group, 'process'));
			if (group.rows.length === 1) {
				left--;
				continue; // it is the same
			}
			for (const row of group.rows.slice(0, Math.max(0, left)))
				list.push(this.row(profile, selection, row, 'thread'));
			left -= group.rows.length;
		}
		const more = rows.length - Threads.MOST;
		const head = ['Process and thread', 'On CPU', 'Share', 'By layer', this.times ? 'When' : ''];
		Dom.fill(this.pane, Dom.el('table', null, Dom.el('thead', null, Dom.el('tr', null, head.map(title =>
			Dom.el('th', { scope: 'col' }, title)))), Dom.el('tbody', null, list)),
		more > 0 ? Dom.el('p.note', null, 'and ' + Text.plural(more, 'thread') + ' with less') : null,
		Dom.el('p.note', null, 'Only threads that were on CPU when a sample was taken are here. Click one to see only it, ' +
			'with Shift to add it.'));
		this.draw();
	}

	// Samples by thread, bar and layer.
	static times(profile) {
		const layers = OTHER + 1, bars = Threads.BARS, found = new Map();
		const { start, sample: tickSample, count } = profile.ticks;
		for (let slice = 0; slice < profile.nSlices; slice++) {
			const bar = Math.floor(slice * bars / profile.nSlices);
			for (let i = start[slice]; i < start[slice + 1]; i++) {
				const sample = tickSample[i], thread = profile.sampleThread[sample], node = profile.sampleNode[sample];
				let times = found.get(thread);
				if (!times)
					found.set(thread, times = new Float64Array(bars * layers));
				times[bar * layers + (node ? profile.fnLayer[profile.fn[node]] : OTHER)] += count[i];
			}
		}
		return found;
	}

	row(profile, selection, { index, parts, n, rows }, key) {
		const chosen = State.list(key).includes(index) || (rows && rows.length === 1 && State.list('thread').includes(rows[0].index));
		const share = Text.percent(n, selection.n), layers = Dom.el('span.parts', { title: LAYERS.map((layer, i) =>
			layer.name + ' ' + Text.percent(parts[i], n)).join('\n') }, parts.map((part, i) => {
			const box = Dom.el('i.' + Paint.NAMES[i]);
			box.style.width = 100 * part / this.most + '%';
			return box;
		}));
		const name = key === 'thread' ? profile.threadName(index) : profile.processName(index);
		const only = rows && rows.length === 1 ? 'thread ' + profile.threadName(rows[0].index) : '';
		const { interpreter, generation } = key === 'process' ? profile.meta.processes[index] : {};
		const strip = this.times ? Dom.el('canvas', { 'aria-hidden': 'true' }) : null;
		if (strip)
			strip.threads = key === 'thread' ? [index] : rows.map(row => row.index);
		return Dom.el('tr.' + key + (chosen ? '.chosen' : ''), { onclick: event => this.choose(key, index, event.shiftKey) },
			Dom.el('th', { scope: 'row' }, Dom.el('button.name', { type: 'button', 'aria-pressed': String(chosen),
				title: [name, interpreter && Text.show(interpreter),
					generation > 1 ? 'program number ' + generation + ' of this process, after an exec' : '', only].filter(part => part).join('\n') }, Text.cut(name, 120)),
			interpreter ? Dom.el('span.note', null, ' ' + Text.show(interpreter)) : null,
			key === 'process' && rows.length > 1 ? Dom.el('span.note', null, ' ' + Text.plural(rows.length, 'thread')) : null),
			Dom.el('td.number', null, profile.amount(n)), Dom.el('td.number', null, share), Dom.el('td', null, layers),
			Dom.el('td.when', null, strip));
	}

	choose(key, index, add) {
		const now = State.list(key), has = now.includes(index);
		const other = key === 'thread' ? 'process' : 'thread';
		if (add)
			State.set({ [key]: (has ? now.filter(each => each !== index) : [...now, index]).join(',') });
		else
			State.set({ [key]: has && now.length === 1 ? '' : index, [other]: '' });
	}

	draw() {
		if (!this.times)
			return;
		const canvases = [...this.pane.querySelectorAll('canvas')], layers = OTHER + 1, height = 18;
		const sums = canvases.map(canvas => {
			const all = new Float64Array(Threads.BARS * layers);
			for (const thread of canvas.threads)
				(this.times.get(thread) || []).forEach((n, i) => { all[i] += n; });
			return all;
		});
		const heights = sums.map(all => Array.from({ length: Threads.BARS }, (_, bar) =>
			all.subarray(bar * layers, (bar + 1) * layers).reduce((a, b) => a + b, 0)));
		const most = Math.max(1, ...heights.flat());
		canvases.forEach((canvas, c) => {
			const width = Math.max(40, canvas.parentElement.clientWidth - 16), context = Dom.sizeCanvas(canvas, width, height);
			context.clearRect(0, 0, width, height);
			for (let bar = 0; bar < Threads.BARS; bar++) {
				for (let layer = 0, y = height; layer < layers; layer++) {
					const h = sums[c][bar * layers + layer] / most * (height - 1);
					context.fillStyle = Theme.colour(Paint.NAMES[layer] + '-strip');
					context.fillRect(bar * width / Threads.BARS, y - h, Math.max(0.5, width / Threads.BARS - 0.5), h);
					y -= h;
				}
			}
		});
	}
}
Threads.MOST = 300;
Threads.BARS = 120;
