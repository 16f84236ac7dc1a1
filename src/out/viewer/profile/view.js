// SPDX-License-Identifier: BSD-2-Clause
// ProfileView: the page of a profile: what is selected -> everything that is
// shown.  Each part shows what it is given; only here is known what follows
// from what.

class ProfileView {
	constructor(meta, sections) {
		this.profile = new Profile(meta, sections);
		performance.mark('pitviper:decoded');
		this.cache = new Map();
		this.zooms = []; // where Escape leads back to
		this.build();
		this.describe();
		this.tab = Shell.tabs(ProfileView.TABS, () => {}, ['zoom', 'pick', 'sort']);
		Search.start(direction => this.step(direction));
		this.keys();
		State.listen(changed => [...changed].some(key => key !== 'panel' && key !== 'theme') && this.update());
		Theme.listen(() => {
			this.update();
			this.strip.draw();
		});
		window.addEventListener('resize', Dom.atFrame(() => {
			this.strip.draw();
			this.threads.draw();
		}));
		this.update();
		performance.mark('pitviper:painted');
		Dom.whenIdle(() => this.sums.nodesOf(0))(); // what the panel will need
	}

	build() {
		const main = Dom.byId('view');
		this.sentence = Dom.el('p', { id: 'sentence' });
		const answer = Dom.el('section', { id: 'answer' }, Dom.el('div', { id: 'said' }, this.sentence,
			this.layerRow = Dom.el('div', { id: 'layer-row' })), this.qualityBox = Dom.el('div', { id: 'quality-box' }));
		const strip = Dom.el('section', { id: 'strip' }), chips = Dom.el('section', { id: 'chips', 'aria-label': 'What is shown' });
		this.content = Dom.el('section', { id: 'content', role: 'tabpanel' });
		const panel = Dom.el('section', { id: 'panel', 'aria-label': 'Details' });
		this.details = [Grip.make(panel), panel];
		main.append(answer, strip, this.content, chips, ...this.details);
		this.layers = new LayerBar(this.layerRow);
		this.strip = new Strip(strip);
		this.chips = new Chips(chips);
		this.flame = new Flame(this.content, {
			hover: frame => this.preview(frame && { frame }),
			pick: frame => this.pickFrame(frame),
			zoom: frame => this.zoomTo(frame),
			hide: frame => this.hide(frame.fn),
		});
		this.outline = new Outline(this.content);
		this.content.append(this.nothing = Dom.el('div', { id: 'nothing' }));
		const on = key => ({
			hover: row => this.preview(row === null ? null : { [key]: row }),
			pick: row => State.set({ pick: key[0] + row }),
			open: row => this.toFlame(key === 'fn' ? row : this.profile.locFn[row]),
		});
		this.functions = new Grid(this.content, 'functions', Tables.functions(this), on('fn'));
		this.lines = new Grid(this.content, 'lines', Tables.lines(this), on('loc'));
		this.threads = new Threads(this.content);
		this.panel = new Panel(panel, {
			go: (fn, frame) => this.go(fn, frame),
			zoom: frame => this.zoomTo(frame),
			hide: fn => this.hide(fn),
			flame: fn => this.toFlame(fn),
			find: fn => State.set({ q: '^' + this.profile.label(fn).replace(/[.*+?^${}()|[\]\\]/g, '\\$&') + '$' }),
		});
		// First the graph, in the next frame the panel, in the one after that the strip's marks.
		this.markLater = Dom.afterPaint(() => this.markStrip());
		this.preview = Dom.afterPaint(what => {
			this.panel.show(this.profile, this.selection, this.sums, what || this.picked, this.zoom);
			if (this.areMarksDue)
				this.markLater();
			this.areMarksDue = false;
		});
	}

	describe() {
		const { capture, pitviper } = this.profile.meta;
		const title = capture.title || capture.name || 'profile';
		Shell.target(title, [capture.pid && 'pid ' + capture.pid, Text.show(capture.interpreter).replace('CPython', 'Python')]
			.filter(part => part));
		Quality.show(this.qualityBox, this.profile);
		const hint = (...parts) => Dom.el('span', null, parts);
		const key = text => Dom.el('b', null, text);
		Shell.foot([hint('row = one call level, width = time'), hint('click: keep · double click: zoom · shift-click: hide · ',
			key('1 2 3'), ': fold Python, C, kernel · ', key('o'), ': only my code')],
		[[When.short(capture.start_unix_ms) && 'recorded ' + When.short(capture.start_unix_ms),
			capture.period_ns ? Math.round(1e9 / capture.period_ns) + ' Hz' : '', 'pitviper ' + pitviper]
			.filter(part => part).join(' · ')]);
	}

	keys() {
		const inFlame = f => event => this.isFlame ? f(event) : false;
		const move = f => inFlame(() => {
			const frame = f(this.picked.frame || this.zoom);
			if (frame)
				this.pickFrame(frame);
		});
		Keys.add('Flame', [['ArrowDown', '↓']], 'to the heaviest frame below', move(frame => frame.children[0]));
		Keys.add('Flame', [['ArrowUp', '↑']], 'to the frame above', move(frame => frame.parent));
		Keys.add('Flame', [['ArrowLeft', '←'], ['ArrowRight', '→']], 'to the frames beside', inFlame(event => {
			const frame = this.flame.beside(this.picked.frame || this.zoom, event.key === 'ArrowLeft' ? -1 : 1);
			if (frame)
				this.pickFrame(frame);
		}));
		Keys.add('Flame', ['Enter'], 'zoom to the frame; double click does', inFlame(() =>
			this.picked.frame && this.zoomTo(this.picked.frame)));
		Keys.add('Flame', ['x'], 'leave it out of all that is shown; click with Shift does', () => {
			const fn = this.fnOf(this.picked);
			return fn >= 0 ? this.hide(fn) : false;
		});
		Keys.add('Page', [['Escape', 'Esc']], 'back: zoom, then search, then what is kept', () => this.back());
		Keys.explain(() => Dom.el('p', null, 'On CPU time only: while a thread waits, it has no samples. A frame’s width is the ' +
			'time in it and in all that it calls, not when it ran; the strip shows when. Your own code is what lies neither ' +
			'in the interpreter’s library nor in site-packages, and is no installed command: it is saturated, libraries are pale. A line at the lower ' +
			'edge means C, a broken line the kernel, hatching that something is missing. Equal stacks ' +
			'of all processes and threads are one; if they were recorded with --children or --threads, p sets them apart. The ' +
			'address of the page holds all that you chose: copy it to show just this view.'));
	}

	get isFlame() {
		return this.tab() === 'flame' || this.tab() === 'down';
	}

	// Made again only if what it depends on has changed.
	remember(name, key, make) {
		const old = this.cache.get(name);
		if (old && old.key === key)
			return old.value;
		const value = make();
		this.cache.set(name, { key, value });
		return value;
	}

	slices() {
		const { capture, nSlices, hasTimes } = this.profile;
		const from = State.number('from'), to = State.number('to');
		if (!hasTimes || !(from >= 0) || !(to > from))
			return { from: NaN, to: NaN };
		const slice = s => Math.max(0, Math.min(nSlices, Math.round(s * 1e9 / capture.slice_ns)));
		return { from: Math.min(slice(from), nSlices - 1), to: Math.max(slice(to), slice(from) + 1) };
	}

	threadSet() {
		const { threads } = this.profile.meta;
		const wanted = State.list('thread').filter(index => index < threads.length), of = new Set(State.list('process'));
		threads.forEach((thread, index) => of.has(thread.process) && wanted.push(index));
		return wanted.length ? new Set(wanted) : null;
	}

	update() {
		const state = (...keys) => keys.map(State.get).join(';');
		const { profile } = this, time = performance.now();
		this.selection = this.remember('selection', state('from', 'to', 'thread', 'process', 'hide'), () =>
			new Selection(profile, { ...this.slices(), threads: this.threadSet(), hidden: new Set(State.list('hide')
				.filter(fn => fn < profile.nFunctions)) }));
		this.folding = this.remember('folding', state('fold', 'own', 'calls', 'apart', 'lines'), () => new Folding(profile, {
			layers: State.get('fold'), own: State.get('own') !== '', calls: State.get('calls') !== '',
			apart: State.get('apart') !== '', lines: State.get('lines') !== '' }));
		const both = state('from', 'to', 'thread', 'process', 'hide', 'fold', 'own', 'calls', 'apart', 'lines');
		this.lens = this.remember('lens', both, () => new Lens(this.selection, this.folding));
		this.sums = this.remember('sums', both, () => new Sums(this.lens));
		this.answer = this.remember('answer', state('from', 'to', 'thread', 'process', 'hide'), () => new Answer(this.selection));
		this.matches = this.remember('matches', state('q'), () => {
			const test = Search.test();
			return test && new Matches(profile, test);
		});
		if (this.isFlame)
			this.tree = this.remember('tree', both + this.tab(), () => this.tab() === 'down'
				? new Callers(this.lens) : new Calls(this.lens));
		this.zoom = this.isFlame && State.get('zoom') ? this.tree.find(State.get('zoom')) : this.isFlame ? this.tree.root : null;
		this.picked = this.findPicked();
		this.showAll();
		if (!this.isPlaced && this.isFlame)
			this.flame.reveal(this.picked.frame);
		this.isPlaced = true;
		performance.measure('pitviper:update', { start: time });
	}

	findPicked() {
		const pick = State.get('pick'), tab = this.tab();
		if (this.isFlame) {
			if (!pick && tab === 'flame')
				return { frame: this.answer.node ? this.tree.find(String(this.answer.node)) : this.tree.root };
			if (!pick)
				return { frame: this.tree.root.children[0] || this.tree.root };
			return { frame: this.tree.find(pick) };
		}
		const id = Number(pick.slice(1));
		if (tab === 'functions' && /^f\d+$/.test(pick) && id < this.profile.nFunctions)
			return { fn: id };
		if (tab === 'lines' && /^l\d+$/.test(pick) && id < this.profile.nLocations)
			return { loc: id };
		return {};
	}

	fnOf({ frame, fn, loc }) {
		return frame ? frame.fn : loc >= 0 ? this.profile.locFn[loc] : fn === undefined ? -1 : fn;
	}

	showAll() {
		const { profile, selection, folding, sums } = this, tab = this.tab();
		this.showSentence();
		this.layers.show(profile, selection);
		this.strip.show(profile, selection);
		this.chips.show(profile, selection, folding, this.zoom);
		this.content.dataset.tab = tab;
		this.content.setAttribute('aria-labelledby', 'tab-' + tab);
		this.flame.hidden = !this.isFlame || !selection.n;
		this.functions.pane.hidden = tab !== 'functions';
		this.lines.pane.hidden = tab !== 'lines';
		this.threads.pane.hidden = tab !== 'threads';
		this.details.forEach(element => { element.hidden = tab === 'threads'; });
		this.showNothing();
		this.sayFound();
		if (this.isFlame) {
			this.flame.picked = this.picked.frame;
			this.flame.show(this.tree, this.zoom, this.matches && (frame => this.matches.frame(frame)));
			this.outline.show(this.flame);
		} else if (tab === 'functions') {
			this.showTable(this.functions, sums.functions, key => !this.matches || this.matches.fns[key], 'fn');
		} else if (tab === 'lines') {
			this.showTable(this.lines, sums.locations, key => profile.locLine[key] && (!this.matches || this.matches.locs[key]),
				'loc');
		} else {
			this.threads.show(profile, this.remember('unfiltered', State.get('from') + ';' + State.get('to') + ';' +
				State.get('hide'), () => selection.what.threads ? new Selection(profile, { ...selection.what, threads: null })
				: selection));
		}
		this.areMarksDue = profile.hasTimes;
		this.preview(null);
	}

	// When what is kept, or else what is found, was on CPU.
	markStrip() {
		const { profile, selection, sums, picked } = this, found = new Uint8Array(profile.nSamples), fn = this.fnOf(picked);
		const below = (nodes, isOne) => nodes.forEach(node => found.fill(1, selection.firstSample(node),
			selection.firstSample(isOne ? node + 1 : profile.end[node])));
		if (State.get('pick') && fn >= 0) {
			if (picked.frame && picked.frame.leaves)
				below(picked.frame.leaves, true);
			else if (picked.frame)
				below(picked.frame.nodes);
			else
				below(sums.outermost(fn));
			this.strip.mark(found, profile.name(fn));
		} else if (this.matches) {
			below(this.matches.outermost(this.lens));
			this.strip.mark(found, 'what is found');
		} else {
			this.strip.mark(null, '');
		}
	}

	showTable(grid, { total }, isWanted, key) {
		const { profile } = this;
		const rows = [];
		for (let i = 0; i < total.length; i++) {
			const fn = key === 'fn' ? i : profile.locFn[i];
			if (total[i] && profile.fnKind[fn] < THREAD && isWanted(i))
				rows.push(i);
		}
		grid.show(rows, this.matches ? 'Nothing that is shown matches the search.' : this.selection.n
			? 'Nothing of what is selected has a line that is known.' : 'No samples.');
		if (this.picked[key] === undefined && grid.rows.length)
			this.picked = { [key]: grid.rows[0] };
		grid.picked = this.picked[key] === undefined ? null : this.picked[key];
		grid.render();
	}

	showSentence() {
		if (this.said === this.answer)
			return;
		this.said = this.answer;
		const parts = this.answer.sentence();
		this.sentence.title = ProfileView.words(parts);
		Dom.fill(this.sentence, this.elements(parts));
	}

	// Of what Answer has to say.
	elements(parts) {
		return parts.map(part => typeof part === 'string' ? part : part.code ? Dom.el('code', null, part.code)
			: part.node ? this.link(part) : Dom.el('b', null, Text.cut(part.bold, 120)));
	}

	// A real link, for whoever wants to copy it; a click keeps what else was chosen since.
	link({ bold, node }) {
		const there = { tab: '', pick: node, zoom: '', sort: '' };
		return Dom.el('a', { title: 'Show it in the flame graph', href: State.link(there), onclick: event => {
			event.preventDefault();
			State.set(there, { step: true });
			this.flame.reveal(this.picked.frame);
		} }, Text.cut(bold, 120));
	}

	static words(parts) {
		return parts.map(part => typeof part === 'string' ? part : part.code ? '`' + part.code + '`' : part.bold).join('');
	}

	// Where there is nothing to draw: why, and what to do.
	showNothing() {
		const { profile, selection } = this, { capture } = profile, isEmpty = !profile.total;
		this.nothing.hidden = selection.n > 0 || !this.isFlame;
		this.sentence.hidden = isEmpty && this.isFlame;
		this.layerRow.hidden = isEmpty;
		if (isEmpty)
			this.details.forEach(element => { element.hidden = true; });
		if (this.nothing.hidden)
			return;
		const again = capture.ended ? [{ code: '-F 999' }, ' takes ten times as many samples as the usual 99 a second.']
			: ['Record it again while it works; ', { code: '--children' }, ' records the processes that it started, too.'];
		const why = capture.cut ? ['The recording was cut off before one was written: what ran until then is not known.']
			: ['Only time on a CPU is sampled: to sleep, or to wait for a disk, the network or a lock, takes none. ', ...again];
		Dom.fill(this.nothing, Dom.el('p.big', null, this.elements(this.answer.sentence())), isEmpty
			? Dom.el('p.note', null, this.elements(why)) : Dom.el('button.link', { type: 'button', title: 'Show all again (r)', onclick: () => State.set(Chips.ALL,
				{ step: true }) }, 'show all'));
	}

	sayFound() {
		if (!this.matches) {
			Search.say('');
			return;
		}
		const n = this.matches.total(this.lens);
		Search.say(n ? Text.percent(n, this.selection.n) + ' · ' + this.profile.amount(n) : 'nothing');
	}

	pickFrame(frame) {
		State.set({ pick: frame.id || '0' });
		this.flame.reveal(frame);
	}

	zoomTo(frame) {
		if (frame === this.zoom)
			return;
		this.zooms.push(this.zoom.id);
		State.set({ zoom: frame.id, pick: frame.id || '0' }, { step: true });
		this.flame.reveal(frame);
	}

	hide(fn) {
		if (fn < 0)
			return;
		const hidden = State.list('hide');
		if (!hidden.includes(fn))
			State.set({ hide: [...hidden, fn].join(','), pick: '', zoom: '' }, { step: true });
	}

	back() {
		if (State.get('zoom'))
			State.set({ zoom: this.zooms.pop() || '' }, { step: true });
		else if (State.get('q'))
			State.set({ q: '' });
		else
			State.set({ pick: this.isFlame ? '0' : '' });
	}

	// A function named in the panel: nearby if it is there, else where it is heaviest.
	go(fn, frame) {
		if (this.tab() === 'functions' || this.tab() === 'lines') {
			State.set({ tab: 'functions', pick: 'f' + fn });
			return;
		}
		const near = frame && (frame.children.find(child => child.fn === fn) ||
			(frame.parent && frame.parent.fn === fn ? frame.parent : null));
		const found = near || this.heaviest(fn);
		if (found)
			this.pickFrame(found);
	}

	heaviest(fn) {
		if (this.tab() === 'down')
			return this.tree.root.children.find(child => child.fn === fn) || null;
		const nodes = this.sums.outermost(fn), { total } = this.selection;
		return nodes.length ? this.tree.find(String(nodes.reduce((a, b) => total[b] > total[a] ? b : a))) : null;
	}

	toFlame(fn) {
		const nodes = this.sums.outermost(fn), { total } = this.selection;
		if (nodes.length)
			State.set({ tab: '', sort: '', pick: nodes.reduce((a, b) => total[b] > total[a] ? b : a) }, { step: true });
	}

	// To the next frame that the search found, from left to right and top to bottom.
	step(direction) {
		if (!this.matches || !this.isFlame)
			return;
		const found = this.flame.rows.flat().filter(frame => this.matches.frame(frame));
		if (!found.length)
			return;
		const at = found.indexOf(this.picked.frame);
		const next = at < 0 ? (direction > 0 ? 0 : found.length - 1) : (at + direction + found.length) % found.length;
		this.pickFrame(found[next]);
	}
}

ProfileView.TABS = [
	{ id: 'flame', label: 'Flame', title: 'Who calls what, from the start of each thread down' },
	{ id: 'down', label: 'Upside down', title: 'What was running, and who called it' },
	{ id: 'functions', label: 'Functions', title: 'Self and total time by function' },
	{ id: 'lines', label: 'Lines', title: 'Self and total time by line of source' },
	{ id: 'threads', label: 'Threads', title: 'Time by thread and process' },
];

Shell.register('profile', (meta, sections) => new ProfileView(meta, sections));
