// SPDX-License-Identifier: BSD-2-Clause
// Panel: all about the call or function that one looks at: its times, all calls
// of the function, its source, and what led to it.

class Panel {
	// on: { pick(call), zoom(call), table(loc), find(loc), longest(loc), open(execution) }
	constructor(element, on) {
		this.on = on;
		this.facts = Dom.el('section', { id: 'facts', 'aria-live': 'polite' });
		this.spread = Dom.el('div', { id: 'spread' });
		this.code = Dom.el('div', { id: 'source' });
		this.near = Dom.el('section', { id: 'near', 'aria-label': 'What led to it, and what it calls' });
		this.source = new SourceView(this.code);
		Dom.fill(element, this.facts, Dom.el('section', { id: 'middle', 'aria-label': 'All calls of the function' }, this.spread, this.code), this.near);
	}

	// what: { call }, { loc } or { execution }, or {}
	show(trace, callees, what) {
		const key = [what.call, what.loc, what.execution && what.execution.index].join(';');
		if (key === this.shown)
			return;
		this.shown = key;
		Object.assign(this, { trace, callees });
		const loc = what.call >= 0 ? trace.callLoc[what.call] : what.loc;
		if (what.execution) {
			this.showExecution(what.execution);
		} else if (loc === undefined) {
			Dom.fill(this.facts, Dom.el('p.hint', null, 'Point at a call to see what it took; click to keep it here, double click to zoom in.'));
			[this.spread, this.code, this.near].forEach(element => Dom.fill(element));
		} else {
			this.showFacts(loc, what.call);
			this.showSpread(loc, what.call);
			this.source.show(trace, { n: callees.duration }, this.sourceOf(loc));
			this.showNear(loc, what.call);
		}
	}

	row(name, value, title) {
		return [Dom.el('dt', null, name), Dom.el('dd', { title: title || '' }, value)];
	}

	act(text, title, onclick) {
		return Dom.el('button.link', { type: 'button', title, onclick }, text);
	}

	of(ns, all) {
		return Text.duration(ns) + (all ? ' · ' + Text.percent(ns, all) : '');
	}

	head(loc, title) {
		const { trace } = this, fn = trace.locFn[loc], full = trace.fullPlace(fn);
		const what = ['Python', 'C', 'C, inlined', 'kernel', 'marker'][trace.fnKind[fn]];
		return [Dom.el('h2', { title: Text.cut(title, 2000) }, Text.cut(title, 2000)),
			Dom.el('p.place', null, [trace.placeOf(loc), what, trace.fnOwn[fn] ? 'your code' : ''].filter(part => part).join(' · ')),
			full && full !== trace.place(fn) ? Dom.el('p.path', { title: full }, Text.cut(full, 1000)) : null];
	}

	showFacts(loc, call) {
		const { trace, callees } = this;
		if (call === undefined) {
			this.showFunction(loc);
			return;
		}
		const execution = trace.executions[trace.execution[call]], marks = trace.marks(call), result = trace.result[call];
		const rows = [this.row('total', this.of(trace.ns[call], execution.ns), 'time in this call and all that it calls; share of the execution'),
			this.row('self', this.of(trace.own[call], execution.ns), 'time in this call itself')];
		if (trace.offCpu[call])
			rows.push(this.row('off CPU', this.of(trace.offCpu[call], trace.ns[call]), 'of its time, not on a CPU'));
		rows.push(this.row('begins', 'after ' + (trace.start[call] / 1e6).toFixed(3) + ' ms of #' + execution.number, 'since the execution began, on ' +
			trace.threadName(execution.thread)));
		if (result)
			rows.push(this.row('result', Text.cut(trace.text(result), 300), trace.text(result)));
		if (trace.end[call] > call + 1)
			rows.push(this.row('calls', Text.count(trace.end[call] - call - 1) + ' below it'));
		Dom.fill(this.facts, this.head(loc, trace.titleOf(call)), Dom.el('p.acts', null,
			this.act('zoom', 'Zoom to this call (Enter)', () => this.on.zoom(call)),
			this.act('in the table', 'All calls of this function as a row', () => this.on.table(loc)),
			this.act('find all', 'Mark all calls of this function', () => this.on.find(loc))),
		marks.length ? Dom.el('p.marks' + (trace.flags[call] & UNSEEN ? '.doubt' : ''), null, marks.join(', ')) : null,
		Dom.el('dl', null, rows));
		this.facts.dataset.layer = Paint.NAMES[trace.layerOf(callees.trace.callLoc[call])];
	}

	showFunction(loc) {
		const { trace, callees } = this, count = (name, n, title) => n ? this.row(name, Text.count(n), title) : [];
		Dom.fill(this.facts, this.head(loc, trace.nameOf(loc)), Dom.el('p.acts', null,
			this.act('longest call', 'Show it in the timeline (Enter)', () => this.on.longest(loc)),
			this.act('find all', 'Mark all calls of this function', () => this.on.find(loc))),
		Dom.el('dl', null, this.row('total', this.of(callees.total[loc], callees.duration), callees.recursive[loc]
			? 'of calls inside another one of it only the outermost' : 'share of all executions'),
		this.row('self', this.of(callees.self[loc], callees.duration)),
		callees.offCpu[loc] ? this.row('off CPU', this.of(callees.offCpu[loc], callees.total[loc])) : [],
		this.row('calls', Text.count(callees.calls[loc])), count('resumed', callees.resumed[loc], 'times that it went on where it had yielded'),
		count('raised', callees.raised[loc], 'times that an exception left it'), count('guessed', callees.guessed[loc],
			'with a beginning or an end that was not seen'), count('not ended', callees.cut[loc])));
	}

	showExecution(execution) {
		const { trace } = this;
		Dom.fill(this.facts, Dom.el('h2', null, '#' + execution.number + ' · ' + trace.labelOf(trace.function)),
			Dom.el('p.acts', null, this.act('show', 'Show it in the timeline (Enter)', () => this.on.open(execution))),
			Dom.el('dl', null, this.row('took', Text.duration(execution.ns)), this.row('thread', trace.threadName(execution.thread)),
				this.row('calls', Text.count(execution.calls)),
				execution.partial ? this.row('partial', 'not all places were probed when it began') : [],
				execution.lost ? this.row('lost', Text.plural(execution.lost, 'event')) : []));
		Dom.fill(this.spread);
		Dom.fill(this.code);
		Dom.fill(this.near, this.stack(execution));
	}

	// All calls of the function; the bar that this one is in is told apart.
	showSpread(loc, call) {
		const { trace, callees } = this, all = callees.durations(loc), n = callees.calls[loc];
		const value = (name, percent) => [Dom.el('dt', null, name), Dom.el('dd', null, Text.duration(callees.percentile(loc, percent)))];
		const marked = call >= 0 && !(trace.flags[call] & UNSEEN) ? trace.ns[call] : NaN;
		Dom.fill(this.spread, Dom.el('h3', null, Dom.el('b', null, Text.plural(n, 'call')), (callees.resumed[loc] ? ', ' +
			Text.count(callees.resumed[loc]) + ' resumed' : '') + ' in all executions · ' + this.of(callees.total[loc], callees.duration)),
		all.length ? [Histogram.draw(all, 40, trace.layerOf(loc), marked),
			Dom.el('dl.spread', null, value('min', 0), value('p50', 50), value('p99', 99), value('max', 100))]
			: Dom.el('p.note', null, 'Of no call both ends were seen.'));
	}

	sourceOf(loc) {
		const { trace, callees } = this, fn = trace.locFn[loc], line = trace.locLine[loc];
		if (trace.fnKind[fn] !== PYTHON || !line || !trace.sources.has(trace.fnFile[fn]))
			return null;
		return { fn, isWhole: true, lines: new Map([[line, { self: callees.self[loc], total: callees.total[loc] }]]), marked: null, note: '',
			title: 'the function: ' + Text.duration(callees.total[loc]) + ' in all calls' };
	}

	list(title, rows) {
		return [Dom.el('h3', null, title), Dom.el('ul', null, rows)];
	}

	item(text, share, title, onclick) {
		return Dom.el('li', null, share === null ? null : Dom.el('span.share', null, share), onclick ? Dom.el('button.name', { type: 'button', title, onclick },
			Text.cut(text, 200)) : Dom.el('span.name.none', { title }, Text.cut(text, 200)));
	}

	// The merged stack that led to an execution.
	stack(execution) {
		const { trace } = this, locs = trace.stackOf(execution);
		return locs.length ? this.list('Called from', locs.map(loc => this.item(trace.nameOf(loc), null, trace.labelOf(loc)))) :
			this.list('Called from', [Dom.el('li.none', null, 'not known')]);
	}

	showNear(loc, call) {
		const { trace } = this;
		if (call === undefined) {
			Dom.fill(this.near, this.callers(loc));
			return;
		}
		const above = [];
		for (let at = trace.parent[call]; at >= 0; at = trace.parent[at])
			above.push(at);
		const called = this.called(call), { length } = called;
		const item = ({ longest, n, sum }) => this.item((n > 1 ? Text.count(n) + ' × ' : '') + (n > 1 ? trace.nameOf(trace.callLoc[longest])
			: trace.titleOf(longest)), Text.percent(sum, trace.ns[call], 0), trace.labelOf(trace.callLoc[longest]) + '\n' + Text.duration(sum) +
			(n > 1 ? ' in ' + Text.count(n) + ' calls; a click leads to the longest' : ''), () => this.on.pick(longest));
		Dom.fill(this.near, this.list('Calls', length ? [...called.slice(0, Panel.MOST).map(item), length > Panel.MOST
			? Dom.el('li.none', null, 'and ' + Text.count(length - Panel.MOST) + ' more') : null].filter(part => part)
			: [Dom.el('li.none', null, 'nothing that was probed')]),
		above.length ? this.list('Inside', above.slice(0, Panel.MOST).map(at => this.item(trace.nameOf(trace.callLoc[at]), null, trace.titleOf(at),
			() => this.on.pick(at)))) : null,
		this.stack(trace.executions[trace.execution[call]]));
	}

	// What a call calls itself, by function: [{ longest, n, sum }], the most time first.
	called(call) {
		const { callLoc, end, ns } = this.trace, found = new Map();
		for (let at = call + 1; at < end[call]; at = end[at]) {
			const of = found.get(callLoc[at]) || { longest: at, n: 0, sum: 0 };
			found.set(callLoc[at], { longest: ns[at] > ns[of.longest] ? at : of.longest, n: of.n + 1, sum: of.sum + ns[at] });
		}
		return [...found.values()].sort((a, b) => b.sum - a.sum || a.longest - b.longest);
	}

	// Who calls a function, by time.
	callers(loc) {
		const { trace } = this, sums = new Map(), { callLoc, parent, ns, nCalls } = trace;
		let all = 0;
		for (let i = 0; i < nCalls; i++) {
			if (callLoc[i] !== loc)
				continue;
			const above = parent[i] < 0 ? -1 : callLoc[parent[i]];
			sums.set(above, (sums.get(above) || 0) + ns[i]);
			all += ns[i];
		}
		const rows = [...sums].sort((a, b) => b[1] - a[1]).slice(0, Panel.MOST);
		return this.list('Called by', rows.map(([above, sum]) => this.item(above < 0 ? 'the executions’ own stack' : trace.nameOf(above),
			Text.percent(sum, all, 0), above < 0 ? '' : trace.labelOf(above), above < 0 ? null : () => this.on.table(above))));
	}
}
Panel.MOST = 40;
