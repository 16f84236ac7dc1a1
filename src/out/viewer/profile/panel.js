// SPDX-License-Identifier: BSD-2-Clause
// Panel: all about the frame, function or line that one looks at: what it
// costs, its source line by line, who calls it and what it calls.

class Panel {
	// on: { go(fn, frame), zoom(), hide(fn), flame(fn) }
	constructor(element, on) {
		this.on = on;
		this.facts = Dom.el('section', { id: 'facts', 'aria-live': 'polite' });
		this.code = Dom.el('section', { id: 'source', 'aria-label': 'Source' });
		this.near = Dom.el('section', { id: 'near', 'aria-label': 'Callers and callees' });
		this.source = new SourceView(this.code);
		Dom.fill(element, this.facts, this.code, this.near);
		this.shown = null;
	}

	// what: { frame } of a tree, or { fn }, or { loc }; sums: of the selection and folding
	show(profile, selection, sums, what, zoom) {
		const key = what.frame || 'f' + what.fn + 'l' + what.loc;
		if (this.shown === key && this.shownSums === sums && this.shownZoom === zoom)
			return;
		this.shown = key;
		this.shownSums = sums;
		this.shownZoom = zoom;
		Object.assign(this, { profile, selection, sums });
		const fn = what.frame ? what.frame.fn : what.loc >= 0 ? profile.locFn[what.loc] : what.fn;
		if (fn < 0 || fn === undefined) {
			this.showAll();
			return;
		}
		const near = sums.neighbours(fn);
		this.showFacts(fn, what, zoom, near.total);
		this.source.show(profile, selection, this.sourceOf(fn, what, near.total));
		this.showNear(fn, near, what.frame);
	}

	row(name, value, title) {
		return [Dom.el('dt', null, name), Dom.el('dd', { title: title || '' }, value)];
	}

	of(samples) {
		return this.profile.amount(samples) + (this.selection.n ? ' · ' + Text.percent(samples, this.selection.n) : '');
	}

	showAll() {
		const { profile, selection } = this, { capture } = profile;
		const threads = selection.threadsBelow([0]).size;
		Dom.fill(this.facts, Dom.el('h2', null, Text.show(capture.title || capture.name) || 'all'),
			Dom.el('p.place', null, [Text.show(capture.interpreter), capture.host && 'on ' + Text.show(capture.host)]
				.filter(part => part).join(' · ')),
			Dom.el('dl', null, this.row('total', this.of(selection.n)),
				this.row('samples', Text.count(selection.n) + ' in ' + Text.plural(threads, 'thread'))));
		Dom.fill(this.code, Dom.el('p.hint', null, profile.total ? 'Point at a frame to see what it costs, its source ' +
			'and who calls it; click to keep it here, double click to zoom in.' : ''));
		Dom.fill(this.near);
	}

	// everywhere: total of the function in all places
	showFacts(fn, { frame, loc }, zoom, everywhere) {
		const { profile, sums } = this;
		const kind = profile.fnKind[fn], own = profile.fnOwn[fn];
		const what = ['Python', 'C', 'C, inlined', 'kernel', 'marker', 'thread', 'process', 'what runs the frames below'][kind];
		const rows = [];
		if (frame) {
			rows.push(this.row('total', this.of(frame.total), frame.leaves ? 'time at the leaf that comes this way'
				: 'time in this frame and all that it calls, here'));
			if (!frame.leaves)
				rows.push(this.row('self', this.of(frame.self), 'time in the frame itself, here'));
			if (everywhere !== frame.total)
				rows.push(this.row('everywhere', this.of(everywhere), 'time of the function in all places of the graph'));
			if (zoom && zoom.parent && zoom !== frame)
				rows.push(this.row('of zoom', Text.percent(frame.total, zoom.total), 'share of the frame zoomed to'));
			else if (frame.parent && frame.parent.parent)
				rows.push(this.row(frame.leaves ? 'of callee' : 'of caller', Text.percent(frame.total, frame.parent.total),
					'share of the frame above'));
		} else {
			const own = loc >= 0 ? [sums.locations.self[loc], sums.locations.total[loc]]
				: [sums.functions.self[fn], everywhere];
			rows.push(this.row('total', this.of(own[1])), this.row('self', this.of(own[0])));
			if (loc >= 0)
				rows.push(this.row('function', this.of(everywhere), 'total of all lines of the function'));
		}
		const nodes = frame && !frame.leaves ? frame.nodes : sums.outermost(fn);
		const threads = this.selection.threadsBelow(nodes);
		const samples = frame ? frame.total : loc >= 0 ? sums.locations.total[loc] : everywhere;
		rows.push(this.row('samples', Text.count(samples) + ' in ' + Text.plural(threads.size, 'thread'),
			[...threads].sort((a, b) => b[1] - a[1]).slice(0, 12).map(([thread, n]) =>
				profile.threadName(thread) + ': ' + profile.amount(n)).join('\n')));
		const name = loc >= 0 ? profile.name(fn) + ':' + profile.locLine[loc] : profile.name(fn);
		const module = profile.modules.get(profile.fnModule[fn]), full = profile.fullPlace(fn);
		Dom.fill(this.facts,
			Dom.el('h2', { title: Text.cut(name, 2000) }, Text.cut(name, 2000)),
			Dom.el('p.place', null, [kind === KERNEL ? '' : profile.place(fn), what, own ? 'your code' : ''].filter(part => part)
				.join(' · ')),
			full && full !== profile.place(fn) ? Dom.el('p.path', { title: full + (module && module.build_id
				? '\nbuild-id ' + Text.show(module.build_id) : '') }, Text.cut(full, 1000)) : null,
			Dom.el('p.acts', null, frame
				? [this.act('zoom', 'Zoom to this frame (Enter)', () => this.on.zoom(frame)),
					this.act('hide', 'Leave out all that passes through this function (x)', () => this.on.hide(fn))]
				: this.act('show in flame graph', 'Its heaviest place (Enter)', () => this.on.flame(fn)),
			this.act('find all', 'Mark every place of this function', () => this.on.find(fn))),
			Panel.hint(profile.name(fn), kind), Dom.el('dl', null, rows));
	}

	static hint(name, kind) {
		const text = kind === MARKER ? Panel.MARKERS[name] : kind === NATIVE && name === '[JIT]' ? Panel.MADE : (kind === NATIVE || kind === INLINED) && name.startsWith('[unknown') ? Panel.NAMELESS : '';
		return text ? Dom.el('p.hint', null, text) : null;
	}

	act(text, title, onclick) {
		return Dom.el('button.link', { type: 'button', title, onclick }, text);
	}

	// The function itself if it is Python, else the nearest Python caller, the user's own first.
	sourceOf(fn, { frame, loc }, everywhere) {
		const { profile, sums } = this;
		if (profile.fnKind[fn] === PYTHON)
			return { fn, lines: frame ? sums.linesIn(frame) : sums.linesOf(fn),
				note: frame && everywhere !== frame.total ? 'in this place' : '',
				marked: loc >= 0 ? new Set([profile.locLine[loc]]) : null };
		const nodes = frame ? frame.nodes : sums.outermost(fn);
		if (!nodes.length)
			return null;
		const { total } = this.selection;
		const node = nodes.reduce((a, b) => total[b] > total[a] ? b : a);
		let best = -1, score = -1;
		for (let at = profile.parent[node], near = 1; at > 0; at = profile.parent[at], near *= 0.999) {
			const f = profile.fn[at];
			if (profile.fnKind[f] !== PYTHON)
				continue;
			const value = (profile.fnOwn[f] ? 4 : 0) + (profile.sources.has(profile.fnFile[f]) ? 2 : 0) + near;
			if (value > score) {
				score = value;
				best = at;
			}
		}
		if (best < 0)
			return null;
		const caller = profile.fn[best], marked = new Set();
		for (const start of nodes) {
			for (let at = profile.parent[start]; at > 0; at = profile.parent[at]) {
				if (profile.fn[at] === caller) {
					marked.add(profile.locLine[profile.loc[at]]);
					break;
				}
			}
		}
		return { fn: caller, lines: sums.linesOf(caller), marked, note: 'calls it; its times in all places' };
	}

	showNear(fn, { callers, callees, total, rest }, frame) {
		const { profile } = this;
		const list = (title, rows, none) => [Dom.el('h3', null, title), rows.length ? Dom.el('ul', null,
			rows.slice(0, Panel.MOST).map(({ fn: other, n, text }) => Dom.el('li', null,
				Dom.el('span.share', { title: profile.amount(n) }, Text.percent(n, total, n < total * 0.1 ? 1 : 0)),
				other < 0 ? Dom.el('span.none', null, text) : Dom.el('button.name', { type: 'button',
					title: profile.label(other) + '\n' + profile.fullPlace(other) + '\n' + profile.amount(n),
					onclick: () => this.on.go(other, frame) }, other === fn ? profile.name(other) + ' (itself)'
					: Text.cut(profile.name(other), 200)))),
			rows.length > Panel.MOST ? Dom.el('li.none', null, 'and ' + Text.count(rows.length - Panel.MOST) + ' more') : null)
			: Dom.el('p.note', null, none)];
		const calls = callees.slice();
		if (rest)
			calls.push({ fn: -1, n: rest, text: 'itself' });
		calls.sort((a, b) => b.n - a.n);
		Dom.fill(this.near,
			list('Called by', callers.map(caller => ({ ...caller, text: 'the start of the stack' })), 'nothing that is shown'),
			list('Calls', calls, 'nothing that is shown'));
	}
}
Panel.MOST = 40;
Panel.NAMELESS = 'No symbol is known for this address; with the debug symbols of the file installed it has a name.';
Panel.MADE = 'Code that a runtime made while it ran: no file is behind it, and no perf map named it.';
// What docs/formats.md says of them.
Panel.MARKERS = {
	'[truncated]': 'Frames are missing from here to the root: the native stack ended early, or the stack is deeper than the limit of 3,072 Python or 6,144 native frames. The innermost are kept.',
	'[unwind break]': 'Native frames are missing here; the stack goes on at the next Python frame, which is right.',
	'[new mapping]': 'The native stack ended in a mapping that was not known yet, such as a library just loaded.',
	'[torn]': 'The sample fell between two stores with which the interpreter switches frames; its Python frames are not shown.',
	'[greenlet switch]': 'The thread was exchanging its stack for another greenlet’s; its Python frames are not shown.',
	'[mismatch]': 'The Python and the native half disagree; the Python frames are not shown.',
	'[python unreadable]': 'The Python frames could not be read whole; they are not shown.',
	'[unknown code]': 'A Python frame whose names did not arrive.',
	'[gc]': 'Python’s garbage collector at work.',
};
