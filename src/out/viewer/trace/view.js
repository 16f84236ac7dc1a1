// SPDX-License-Identifier: BSD-2-Clause
// TraceView: the page of a trace: what is chosen -> everything that is shown.

class TraceView {
	constructor(meta, sections) {
		this.trace = new Trace(meta, sections);
		performance.mark('pitviper:decoded');
		this.callees = new Callees(this.trace);
		this.views = []; // where Escape leads back to
		this.build();
		this.describe();
		this.tab = Shell.tabs(TraceView.TABS, () => {}, ['pick', 'sort']);
		Search.start(direction => this.step(direction));
		this.keys();
		const soon = Dom.atFrame(() => this.update());
		State.listen(changed => [...changed].some(key => key !== 'panel' && key !== 'theme') && (this.isDragged() ? soon() : this.update()));
		Theme.listen(() => this.update());
		window.addEventListener('resize', Dom.atFrame(() => this.strip.draw()));
		this.update();
		performance.mark('pitviper:painted');
	}

	build() {
		const { trace, callees } = this;
		this.sentence = Dom.el('p', { id: 'sentence' });
		const row = Dom.el('div', { id: 'layer-row' }), quality = Dom.el('div', { id: 'quality-box' });
		const strip = Dom.el('section', { id: 'strip', 'aria-label': 'Executions' }), panel = Dom.el('section', { id: 'panel', 'aria-label': 'Details' });
		this.content = Dom.el('section', { id: 'content', role: 'tabpanel' });
		this.details = [Grip.make(panel), panel];
		Dom.byId('view').append(Dom.el('section', { id: 'answer' }, Dom.el('div', { id: 'said' }, this.sentence, row), quality), strip, this.content,
			...this.details);
		row.append(this.layers(), this.beside = Dom.el('div', { id: 'beside-layers' }));
		Quality.show(quality, trace);
		this.strip = new Executions(strip, { choose: index => this.choose(index) });
		this.timeline = new Timeline(this.content, {
			hover: call => this.preview(call >= 0 ? { call } : null),
			pick: call => this.pick(call),
			zoom: call => this.zoom(call),
			view: (from, to, isStep) => this.setView(from, to, isStep),
		});
		this.outline = new Outline(this.content);
		this.functions = new Grid(this.content, 'callees', Tables.functions(trace, callees), {
			hover: loc => this.preview(loc === null ? null : { loc }),
			pick: loc => State.set({ pick: 'l' + loc }),
			open: loc => this.longest(loc),
		});
		this.executions = new Grid(this.content, 'executions', Tables.executions(trace), {
			hover: index => this.preview(index === null ? null : { execution: trace.executions[index] }),
			pick: index => State.set({ pick: 'e' + index }),
			open: index => this.open(trace.executions[index]),
		});
		this.panel = new Panel(panel, {
			pick: call => this.pick(call),
			zoom: call => this.zoom(call),
			table: loc => State.set({ tab: 'callees', sort: '', pick: 'l' + loc }, { step: true }),
			find: loc => State.set({ q: '^' + trace.labelOf(loc).replace(/[.*+?^${}()|[\]\\]/g, '\\$&') + '$' }),
			longest: loc => this.longest(loc),
			open: execution => this.open(execution),
		});
		// First the graph, in the next frame the panel.
		this.preview = Dom.afterPaint(what => this.panel.show(trace, callees, what || this.picked));
	}

	// Self time by layer: the legend, too.
	layers() {
		const { layers, duration } = this.callees;
		return Dom.el('div', { id: 'layers', role: 'group', 'aria-label': 'Layers: self time of all calls' }, [...LAYERS, { id: 'other', name: 'not known' }]
			.map((layer, i) => {
				if (!layers[i])
					return null;
				const text = layer.name + ' ' + Text.percent(layers[i], duration, layers[i] / duration < 0.1 ? 1 : 0);
				const part = Dom.el('div.layer.' + layer.id, { title: text + ', ' + Text.duration(layers[i]) + ' of self time' }, Dom.el('span', null, text));
				part.style.flexGrow = String(layers[i] / duration);
				return part;
			}));
	}

	describe() {
		const { trace } = this, { capture, pitviper } = trace.meta;
		Shell.target(capture.title || capture.name || 'trace', [capture.pid && 'pid ' + capture.pid,
			Text.show(capture.interpreter).replace('CPython', 'Python')].filter(part => part));
		const parts = Answer.sentence(trace, this.callees);
		this.sentence.title = parts.map(part => typeof part === 'string' ? part : part.bold).join('');
		Dom.fill(this.sentence, parts.map(part => typeof part === 'string' ? part : part.loc === undefined ? Dom.el('b', null, Text.cut(part.bold, 120))
			: this.link(part)));
		const hint = (...children) => Dom.el('span', null, children), key = text => Dom.el('b', null, text);
		Shell.foot([hint('row = one call level, width = time'), hint('wheel: zoom · drag: move · drag the scale: choose a span · ', key('e'), ': all executions · ',
			key('p'), ': Python and C apart')],
		[[When.short(capture.start_unix_ms) && 'recorded ' + When.short(capture.start_unix_ms), 'pitviper ' + pitviper].filter(part => part).join(' · ')]);
	}

	// A real link, for whoever wants to copy it; a click keeps what else was chosen since.
	link({ bold, loc }) {
		const there = { tab: 'callees', pick: 'l' + loc, sort: '' };
		return Dom.el('a', { title: 'Show it in the table', href: State.link(there), onclick: event => {
			event.preventDefault();
			State.set(there, { step: true });
		} }, Text.cut(bold, 120));
	}

	keys() {
		const inTimeline = f => event => this.isTimeline && this.trace.nCalls ? f(event) : false;
		const move = f => inTimeline(() => {
			const call = f(this.picked.call);
			if (call >= 0)
				this.pick(call);
		});
		const { trace, timeline } = this;
		Keys.add('Timeline', [['ArrowDown', '↓']], 'to the longest call in it', move(call => this.longestIn(call)));
		Keys.add('Timeline', [['ArrowUp', '↑']], 'to the call that it is in', move(call => trace.parent[call]));
		Keys.add('Timeline', [['ArrowLeft', '←']], 'to the call before it, in its row', move(call => timeline.beside(call, -1)));
		Keys.add('Timeline', [['ArrowRight', '→']], 'to the call after it', move(call => timeline.beside(call, 1)));
		Keys.add('Timeline', ['Enter'], 'zoom to the call; double click does', inTimeline(() => this.zoom(this.picked.call)));
		Keys.add('Timeline', ['+', '='], 'zoom in, as the wheel does', inTimeline(() => timeline.zoomBy(0.5)));
		Keys.add('Timeline', ['-'], 'zoom out', inTimeline(() => timeline.zoomBy(2)));
		Keys.add('Timeline', ['a', 's'], 'move to the left, to the right; so does a drag', inTimeline(event => timeline.pan(event.key === 'a' ? -0.25 : 0.25)));
		Keys.add('Timeline', ['0'], 'the whole time', inTimeline(() => this.remember({ from: '', to: '' })));
		Keys.add('Executions', ['j', 'k'], 'the next one, the one before', event => this.chooseBy(event.key === 'j' ? 1 : -1));
		Keys.add('Executions', ['e'], 'all over each other, or one', () => this.toggleAll());
		Keys.add('Executions', ['p'], 'Python and C in rows of their own, or below each other', () => State.set({ apart: State.get('apart') ? '' : 1 }));
		Keys.add('Page', [['Escape', 'Esc']], 'back: zoom, then search, then what is kept', () => this.back());
		Keys.explain(() => Dom.el('p', null, 'Each box is a call: as wide as it took, below the call that made it. Blue is Python, amber is C, with a line at ' +
			'its lower edge; your own code is saturated, libraries are pale. Hatching at an end says that it was not seen and is guessed, a broken ' +
			'line that the record ended there, a red bar that an exception left; a short bar is where a generator yielded or went on. ' +
			'Times are wall clock time. What was not probed is not there: its time is its caller’s. Calls narrower than half a pixel stand for ' +
			'their neighbours; zoom in. The address of the page holds all that you chose: copy it to show just this view.'));
	}

	get isTimeline() {
		return this.tab() === 'timeline';
	}

	// A frame is enough while something is dragged or turned.
	isDragged() {
		return this.timeline.drag !== null;
	}

	// The execution that is shown, null for all.
	get chosen() {
		const { executions, longest } = this.trace, x = State.get('x');
		return x === 'all' ? null : executions[Number(x || NaN)] || longest;
	}

	viewed() {
		const { chosen, trace } = this, executions = chosen ? [chosen] : trace.executions;
		const whole = Math.max(1, executions.reduce((most, { ns }) => Math.max(most, ns), 0));
		const from = State.number('from'), to = State.number('to'), isPart = from >= 0 && to > from && from < whole;
		return { executions, all: !chosen, apart: State.get('apart') !== '', from: isPart ? from : 0, to: isPart ? Math.min(to, whole) : whole,
			matches: this.matches };
	}

	update() {
		const time = performance.now(), { trace } = this;
		if (this.searched !== State.get('q')) {
			this.searched = State.get('q');
			const test = Search.test();
			this.matches = test && new Matches(trace, test);
			Search.say(!this.matches ? '' : this.matches.n ? Text.plural(this.matches.n, 'call') + ' · ' + Text.duration(this.matches.total) : 'nothing');
		}
		this.picked = this.findPicked();
		this.strip.show(trace, this.chosen);
		this.showToggles();
		this.showContent();
		this.preview(null);
		performance.measure('pitviper:update', { start: time });
	}

	// The number in what is kept: of a call, or after the letter of what it is of; -1: none, or there is no such
	static kept(letter, n) {
		const match = new RegExp('^' + letter + '(\\d+)$').exec(State.get('pick'));
		return match && Number(match[1]) < n ? Number(match[1]) : -1;
	}

	findPicked() {
		const tab = this.tab(), { trace } = this;
		if (tab === 'timeline') {
			const call = TraceView.kept('', trace.nCalls), { chosen } = this;
			if (call >= 0 && (!chosen || trace.execution[call] === chosen.index))
				return { call };
			const first = (chosen || trace.executions[0] || {}).first;
			return first < trace.nCalls ? { call: first } : {};
		}
		if (tab === 'callees') {
			const loc = TraceView.kept('l', trace.nLocations);
			return loc >= 0 ? { loc } : {};
		}
		const index = TraceView.kept('e', trace.executions.length);
		return index >= 0 ? { execution: trace.executions[index] } : {};
	}

	showToggles() {
		const toggle = (text, title, isOn, onclick) => Dom.el('button.toggle', { type: 'button', title, 'aria-pressed': String(isOn), onclick }, text);
		Dom.fill(this.beside, this.trace.executions.length > 1 ? toggle('all executions', 'Over each other, each from its beginning (e)', !this.chosen,
			() => this.toggleAll()) : null, toggle('Python and C apart', 'In rows of their own (p)', State.get('apart') !== '',
			() => State.set({ apart: State.get('apart') ? '' : 1 })));
	}

	showContent() {
		const tab = this.tab(), { trace, callees, matches } = this;
		this.content.setAttribute('aria-labelledby', 'tab-' + tab);
		this.timeline.hidden = tab !== 'timeline';
		this.functions.pane.hidden = tab !== 'callees';
		this.executions.pane.hidden = tab !== 'executions';
		if (tab === 'timeline') {
			const view = this.viewed();
			this.timeline.picked = this.picked.call === undefined ? -1 : this.picked.call;
			this.timeline.show(trace, view);
			this.outlineOf(view.executions);
		} else if (tab === 'callees') {
			this.functions.show(callees.locs.filter(loc => !matches || matches.locs[loc]), matches ? 'No function matches the search.' : 'No calls.');
			this.keepFirst(this.functions, loc => ({ loc }), this.picked.loc);
		} else {
			this.executions.show([...trace.executions.keys()], 'No executions.');
			this.keepFirst(this.executions, index => ({ execution: trace.executions[index] }), this.picked.execution && this.picked.execution.index);
		}
	}

	// Only if it is not that of before: it takes a while.
	outlineOf(executions) {
		const key = executions.map(({ index }) => index).join();
		if (key !== this.outlined)
			this.outline.show(this.trace, executions);
		this.outlined = key;
	}

	// What is kept, or else the first row.
	keepFirst(grid, as, row) {
		grid.picked = row === undefined ? null : row;
		if (row === undefined && grid.rows.length) {
			grid.picked = grid.rows[0];
			this.picked = as(grid.rows[0]);
		}
		grid.render();
	}

	// Back leads to what is seen now.
	remember(changes) {
		this.views.push({ from: State.get('from'), to: State.get('to'), x: State.get('x') });
		State.set(changes, { step: true });
	}

	setView(from, to, isStep = false) {
		const round = ns => Math.round(ns * 10) / 10, whole = this.timeline.whole, isWhole = from <= 0 && to >= whole;
		const changes = isWhole ? { from: '', to: '' } : { from: round(from), to: round(to) };
		if (isStep)
			this.remember(changes);
		else
			State.set(changes);
	}

	pick(call) {
		const { trace, chosen } = this, index = trace.execution[call];
		const there = chosen && chosen.index !== index ? { x: index, from: '', to: '' } : {};
		State.set({ tab: '', sort: '', pick: call, ...there });
		this.timeline.reveal(call);
	}

	zoom(call) {
		if (!(call >= 0))
			return;
		const { trace, timeline } = this, begin = trace.start[call], ns = Math.max(trace.ns[call], Timeline.SPAN_LEAST);
		this.pick(call);
		timeline.setView(begin - ns * 0.02, begin + ns * 1.02, true);
	}

	longestIn(call) {
		const { end, ns } = this.trace;
		let best = -1;
		for (let at = call + 1; at < end[call]; at = end[at])
			best = best < 0 || ns[at] > ns[best] ? at : best;
		return best;
	}

	longest(loc) {
		const { callLoc, ns, nCalls } = this.trace;
		let best = -1;
		for (let i = 0; i < nCalls; i++) {
			if (callLoc[i] === loc && (best < 0 || ns[i] > ns[best]))
				best = i;
		}
		if (best < 0)
			return;
		State.set({ tab: '', sort: '', from: '', to: '', x: this.trace.execution[best], pick: best }, { step: true });
		this.timeline.reveal(best);
	}

	open(execution) {
		State.set({ tab: '', sort: '', from: '', to: '', x: execution.index, pick: '' }, { step: true });
	}

	choose(index) {
		State.set({ x: index, from: '', to: '', pick: this.isTimeline ? '' : State.get('pick') });
	}

	chooseBy(by) {
		const { chosen, trace } = this, n = trace.executions.length;
		if (n)
			this.choose(chosen ? (chosen.index + by + n) % n : by > 0 ? 0 : n - 1);
	}

	toggleAll() {
		if (this.trace.executions.length > 1)
			State.set({ x: this.chosen ? 'all' : '', from: '', to: '' });
	}

	back() {
		if (this.views.length)
			State.set(this.views.pop(), { step: true });
		else if (State.get('from') || State.get('to'))
			State.set({ from: '', to: '' }, { step: true });
		else if (State.get('q'))
			State.set({ q: '' });
		else
			State.set({ pick: '' });
	}

	// To the next call that the search found, in the order of time, wherever it is.
	step(direction) {
		const { matches, trace } = this, n = trace.nCalls;
		if (!matches || !matches.n || !this.isTimeline)
			return;
		let at = this.picked.call === undefined ? 0 : this.picked.call;
		do
			at = (at + direction + n) % n;
		while (!matches.calls[at]);
		this.pick(at);
	}
}

TraceView.TABS = [
	{ id: 'timeline', label: 'Timeline', title: 'Calls over time' },
	{ id: 'callees', label: 'Functions', title: 'What was called, by function, in all executions' },
	{ id: 'executions', label: 'Executions', title: 'Each execution as a row' },
];

Shell.register('trace', (meta, sections) => new TraceView(meta, sections));
