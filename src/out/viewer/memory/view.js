// SPDX-License-Identifier: BSD-2-Clause
// MemoryView: the page of a hunt: what is chosen -> everything that is shown.

class MemoryView {
	constructor(meta, sections) {
		this.memory = new Memory(meta, sections);
		performance.mark('pitviper:decoded');
		this.build();
		this.describe();
		this.tab = Shell.tabs(MemoryView.TABS, () => {}, ['pick', 'sort', 'zoom']);
		Search.start(direction => this.step(direction));
		this.keys();
		const soon = Dom.atFrame(() => this.update());
		State.listen(changed => [...changed].some(key => key !== 'panel' && key !== 'theme') && (this.area.drag ? soon() : this.update()));
		Theme.listen(() => this.update());
		this.update();
		performance.mark('pitviper:painted');
	}

	build() {
		const { memory } = this;
		this.sentence = Dom.el('p', { id: 'sentence' });
		const row = Dom.el('div', { id: 'layer-row' }), quality = Dom.el('div', { id: 'quality-box' });
		const area = Dom.el('section', { id: 'strip', 'aria-label': 'What stays over time' }), panel = Dom.el('section', { id: 'panel', 'aria-label': 'Details' });
		this.content = Dom.el('section', { id: 'content', role: 'tabpanel' });
		row.append(this.toggles = Dom.el('div', { id: 'beside-layers' }));
		Dom.byId('view').append(Dom.el('section', { id: 'answer' }, Dom.el('div', { id: 'said' }, this.sentence, Answer.next(memory.meta), row), quality), area,
			this.content, Grip.make(panel), panel);
		Quality.show(quality, memory);
		this.area = new Area(area, { pick: index => this.pickLayer(index) });
		this.flame = new Flame(this.content, {
			hover: frame => this.preview(frame ? { frame } : null),
			pick: frame => State.set({ pick: frame.id }),
			zoom: frame => State.set({ zoom: frame.id, pick: frame.id }, { step: true }),
			hide: frame => State.set({ pick: frame.id }),
		});
		this.outline = new Outline(this.content);
		const grid = (name, columns, as) => new Grid(this.content, name, columns, {
			hover: index => this.preview(index === null ? null : as(index)),
			pick: index => State.set({ pick: name[0] + index }),
			open: index => State.set({ pick: name[0] + index }),
		});
		this.grids = {
			stacks: grid('stacks', Tables.stacks(memory), index => ({ place: memory.places[index] })),
			types: grid('types', Tables.types(memory), index => ({ type: memory.types[index] })),
			holders: grid('holders', Tables.holders(memory), () => ({})),
			mappings: grid('mappings', Tables.mappings(memory), () => ({})),
		};
		this.panel = new Panel(panel, {});
		this.preview = Dom.afterPaint(what => this.panel.show(memory, what || this.picked));
	}

	describe() {
		const { memory } = this, { capture, pitviper } = memory.meta;
		Shell.target(capture.title || capture.name || 'memory', [capture.pid && 'pid ' + capture.pid,
			Text.show(capture.interpreter).replace('CPython', 'Python')].filter(part => part));
		this.sentence.title = Answer.lines(memory.meta).join('\n');
		Dom.fill(this.sentence, Answer.parts(memory.meta));
		const hint = (...children) => Dom.el('span', null, children), key = text => Dom.el('b', null, text);
		Shell.foot([hint('width = bytes that stay'), hint('drag over the time: choose a span · ', key('b'), ': by stack, type, mapping · ', key('c'), ': bytes or count')],
			[[When.short(capture.start_unix_ms) && 'recorded ' + When.short(capture.start_unix_ms), 'pitviper ' + pitviper].filter(part => part).join(' · ')]);
	}

	get isCount() {
		return State.get('unit') === 'count';
	}

	// The place that the verdict names, or the first there is.
	get guilty() {
		const { places, meta } = this.memory, [first] = meta.sites;
		return places.find(({ label }) => first && label === Text.show(first.where)) || places[0];
	}

	// The type that the verdict names first, if it does.
	get guiltyType() {
		const { types, meta } = this.memory, [first] = meta.verdict.types || [];
		return types.find(({ label }) => first !== undefined && label === Text.show(first));
	}

	// What the area shows: stacks if there are any, else types, else mappings.
	get by() {
		const { memory } = this, can = MemoryView.BY.filter(({ id }) => id === 'stack' ? memory.siteLooks.length : id === 'type' ? memory.census.length : memory.points.length);
		const chosen = can.find(({ id }) => id === State.get('by'));
		return { can, chosen: chosen || can[0] || MemoryView.BY[2] };
	}

	keys() {
		const { memory } = this;
		const inFlame = f => () => this.tab() === 'flame' && memory.siteLooks.length ? f(this.picked.frame || this.tree.root) : false;
		const go = frame => frame && this.goTo(frame);
		Keys.add('Flame graph', [['ArrowDown', '↓']], 'to the heaviest below', inFlame(frame => go(frame.children[0])));
		Keys.add('Flame graph', [['ArrowUp', '↑']], 'to what called it', inFlame(frame => go(frame.parent)));
		Keys.add('Flame graph', [['ArrowLeft', '←']], 'beside it', inFlame(frame => go(this.flame.beside(frame, -1))));
		Keys.add('Flame graph', [['ArrowRight', '→']], 'beside it', inFlame(frame => go(this.flame.beside(frame, 1))));
		Keys.add('Flame graph', ['Enter'], 'zoom; double click does', inFlame(frame => State.set({ zoom: frame.id }, { step: true })));
		Keys.add('Time', ['b'], 'by stack, type or mapping', () => this.nextBy());
		Keys.add('Time', ['c'], 'bytes or count', () => State.set({ unit: this.isCount ? '' : 'count' }));
		Keys.add('Page', [['Escape', 'Esc']], 'back: zoom, then the span, then search, then what is kept', () => this.back());
		Keys.explain(() => Dom.el('p', null, 'Over the time stands what was allocated and was not freed since, at each look, by the place that allocated it, as an estimate of all the time by what was seen in a part of it; ' +
			'or what there is more of by type than at the first look; or what of each kind of mapping is in memory. Short marks below say when it was looked. ' +
			'The flame graph is of what came to stay in the span that is chosen. Blue is Python, amber is C; your own code is saturated. ' +
			'The address of the page holds all that you chose: copy it to show just this view.'));
	}

	goTo(frame) {
		State.set({ pick: frame.id });
		this.flame.reveal(frame);
	}

	nextBy() {
		const { can, chosen } = this.by;
		if (can.length)
			State.set({ by: can[(can.indexOf(chosen) + 1) % can.length].id, pick: '' });
	}

	back() {
		for (const key of ['zoom', 'from', 'q', 'pick']) {
			if (State.get(key)) {
				State.set(key === 'from' ? { from: '', to: '' } : { [key]: '' }, { step: true });
				return;
			}
		}
	}

	// A layer of the area leads to its row.
	pickLayer(index) {
		const { id } = this.by.chosen, tab = { stack: 'stacks', type: 'types', mapping: 'mappings' }[id];
		State.set({ tab, sort: '', zoom: '', pick: tab[0] + index }, { step: true });
	}

	// The row that is kept, of a table; -1: none.
	kept(tab, n) {
		const match = new RegExp('^' + tab[0] + '(\\d+)$').exec(State.get('pick'));
		return match && Number(match[1]) < n ? Number(match[1]) : -1;
	}

	update() {
		const time = performance.now(), { memory } = this, tab = this.tab(), from = State.number('from'), to = State.number('to');
		memory.isCount = this.isCount;
		const isPart = to > from && from >= 0, key = [isPart ? from : '', isPart ? to : '', this.isCount].join();
		if (key !== this.treeKey) {
			this.treeKey = key;
			this.tree = new StackTree(memory, memory.stays(isPart ? from : 0, isPart ? to : Infinity, this.isCount));
		}
		this.showToggles();
		this.picked = {};
		this.content.setAttribute('aria-labelledby', 'tab-' + tab);
		for (const [name, grid] of Object.entries(this.grids))
			grid.pane.hidden = tab !== name;
		this.flame.hidden = tab !== 'flame';
		if (tab === 'flame')
			this.showFlame();
		else
			this.showGrid(tab);
		const { id } = this.by.chosen, picked = this.kept({ stack: 'stacks', type: 'types', mapping: 'mappings' }[id], Infinity);
		this.area.show(memory, id, this.isCount, picked);
		this.preview(null);
		performance.measure('pitviper:update', { start: time });
	}

	showToggles() {
		const { can, chosen } = this.by;
		const toggle = (text, title, isOn, onclick) => Dom.el('button.toggle', { type: 'button', title, 'aria-pressed': String(isOn), onclick }, text);
		Dom.fill(this.toggles, can.map(by => toggle(by.label, by.title, by === chosen, () => State.set({ by: by.id, pick: '' }))),
			toggle('count', 'Objects instead of bytes (c)', this.isCount, () => State.set({ unit: this.isCount ? '' : 'count' })));
	}

	showFlame() {
		const { tree } = this, test = Search.test(), { memory } = this;
		const matches = test && (frame => frame.fn >= 0 && test(memory.label(frame.fn)));
		Search.say('');
		this.picked = State.get('pick') ? { frame: tree.find(State.get('pick')) } : { place: this.guilty };
		this.flame.picked = this.picked.frame || null;
		this.flame.show(tree, tree.find(State.get('zoom')), matches);
		this.outline.show(this.flame);
	}

	rowsOf(tab) {
		const { memory } = this, { meta } = memory;
		const all = { stacks: memory.places, types: memory.types, holders: meta.holders, mappings: meta.mappings }[tab];
		const last = memory.census[memory.census.length - 1];
		const isSeen = { stacks: row => memory.placeAt(memory.lastSites, memory.places[row], true) > 0,
			types: row => last && memory.typeAt(last, row, true) > 0, holders: () => true, mappings: () => true }[tab];
		return [...all.keys()].filter(isSeen);
	}

	labelOf(tab, row) {
		const { memory } = this;
		return { stacks: () => memory.places[row].label, types: () => memory.types[row].label, holders: () => Text.show(memory.meta.holders[row].text),
			mappings: () => memory.meta.classes[row] }[tab]();
	}

	showGrid(tab) {
		const { memory } = this, grid = this.grids[tab], test = Search.test();
		const rows = this.rowsOf(tab).filter(row => !test || test(this.labelOf(tab, row)));
		const row = this.kept(tab, { stacks: memory.places.length, types: memory.types.length, holders: memory.meta.holders.length, mappings: memory.meta.mappings.length }[tab]);
		Search.say(test ? Text.plural(rows.length, 'row') : '');
		grid.picked = row < 0 ? null : row;
		grid.show(rows, test ? 'Nothing matches the search.' : MemoryView.NONE[tab]);
		if (tab === 'stacks')
			this.picked = { place: row < 0 ? this.guilty : memory.places[row] };
		if (tab === 'types')
			this.picked = { type: row >= 0 ? memory.types[row] : this.guiltyType };
	}

	// To the next row or box that the search found.
	step(direction) {
		const tab = this.tab(), test = Search.test();
		if (!test)
			return;
		if (tab !== 'flame') {
			const { rows, picked } = this.grids[tab];
			if (rows.length)
				State.set({ pick: tab[0] + rows[(rows.indexOf(picked) + direction + rows.length) % rows.length] });
			return;
		}
		const found = this.flame.rows.flat().filter(frame => frame.fn >= 0 && test(this.memory.label(frame.fn)));
		const at = found.indexOf(this.picked.frame);
		if (found.length)
			this.goTo(found[(at + direction + found.length) % found.length]);
	}
}

MemoryView.BY = [
	{ id: 'stack', label: 'by stack', title: 'What stays of what was seen to be allocated, by the place that allocated it (b)' },
	{ id: 'type', label: 'by type', title: 'What there is more of than at the first look, by type (b)' },
	{ id: 'mapping', label: 'by mapping', title: 'What is in memory, by what the mapping is for (b)' },
];
MemoryView.NONE = { stacks: 'No allocation was watched, or nothing of what was seen is left.', types: 'No census was taken.', holders: 'It was not looked for holders.',
	mappings: 'The mappings were not looked at.' };
MemoryView.TABS = [
	{ id: 'flame', label: 'Flame graph', title: 'What stays, by stack' },
	{ id: 'stacks', label: 'Stacks', title: 'Places that allocated what stays' },
	{ id: 'types', label: 'Types', title: 'Objects and blocks by type, and what of them grows' },
	{ id: 'holders', label: 'Holders', title: 'Who holds what grows' },
	{ id: 'mappings', label: 'Mappings', title: 'What of its memory is for what' },
];

Shell.register('memory', (meta, sections) => new MemoryView(meta, sections));
