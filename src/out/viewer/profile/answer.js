// SPDX-License-Identifier: BSD-2-Clause
// Answer: the sentence at the top, of what is selected.  It is the terminal's,
// in the same words and by the same rules (src/analyse/: turn.c, calltree.c,
// lines.c, answer.c): change both.  Each sample belongs to the innermost frame
// of the user's own code on its stack, for there one can do something about it.

// Which lines of a function to name: sums: Map line -> samples.
function linesOf(sums, limits) {
	const lines = [...sums].filter(([line]) => line > 0).sort((a, b) => a[0] - b[0]);
	if (!lines.length)
		return { first: 0, last: 0, hottest: 0 };
	const all = lines.reduce((sum, [, n]) => sum + n, 0), [hottest, most] = lines.reduce((a, b) => b[1] > a[1] ? b : a);
	// One that carries so much is named alone; of the others those that matter.
	const matter = most * 100 >= all * limits.alone_percent ? [[hottest]] : lines.filter(([line, n]) =>
		n * 100 >= all * limits.matters_percent || line === hottest);
	return { first: matter[0][0], last: matter[matter.length - 1][0], hottest };
}

// Calls of other code, over all threads and processes: stacks joined by function; how the
// interpreter calls and direct recursion are passed through; what has no name is one call a module.
class ForeignCalls {
	constructor(selection) {
		this.profile = selection.profile;
		const { parent, fn, fnOwn, nNodes } = this.profile;
		// By node: samples in it and in other code below it, up to the next own frame.
		this.total = selection.self.slice();
		for (let i = nNodes - 1; i > 0; i--) {
			if (!fnOwn[fn[i]])
				this.total[parent[i]] += this.total[i];
		}
	}

	isTransparent(node) {
		const { fn, fnKind, fnMachinery, machinery } = this.profile, of = fn[node];
		return fnMachinery[of] || machinery[node] || fnKind[of] >= THREAD;
	}

	// Heaviest first.
	children(call) {
		const { fn, end, fnOwn, joined } = this.profile;
		const found = new Map(), through = [...call.nodes];
		while (through.length) {
			const above = through.pop();
			for (let node = above + 1; node < end[above]; node = end[node]) {
				if (!this.total[node] || fnOwn[fn[node]])
					continue;
				const of = joined[fn[node]];
				if (of === call.fn || this.isTransparent(node)) {
					through.push(node);
					continue;
				}
				let child = found.get(of);
				if (!child)
					found.set(of, child = { fn: of, nodes: [], total: 0 });
				child.nodes.push(node);
				child.total += this.total[node];
			}
		}
		return [...found.values()].sort((a, b) => b.total - a.total || a.fn - b.fn);
	}

	lines(nodes) {
		const { loc, locLine } = this.profile, sums = new Map();
		for (const node of nodes)
			sums.set(locLine[loc[node]], (sums.get(locLine[loc[node]]) || 0) + this.total[node]);
		return linesOf(sums, this.profile.meta.limits);
	}

	// "report (app.py:52)", "_strptime (_strptime.py:320-369)"
	label(call) {
		const { profile } = this, { fn } = call, most = profile.meta.limits.name_columns, { first, last } = call.lines || this.lines(call.nodes);
		const line = profile.fnKind[fn] !== PYTHON || !first ? '' : ':' + first + (last > first ? '-' + last : '');
		const name = profile.isUnnamed(fn) ? '[unknown]' : profile.name(fn), place = profile.place(fn);
		return Text.cut(name, most) + (place ? ' (' + Text.cut(place + line, most) + ')' : '');
	}
}

class Answer {
	constructor(selection) {
		this.selection = selection;
		this.profile = selection.profile;
		this.limits = this.profile.meta.limits; // the terminal's (src/model/limits.h)
		if (selection.n < this.limits.turn_samples)
			return;
		this.calls = new ForeignCalls(selection);
		this.foreign = this.calls.total[0];
		this.own = this.heaviestOwn();
		this.doubts();
		this.isForeign = !this.own || (this.own.total * 100 < selection.n * this.limits.fair_percent &&
			this.own.total * 100 < this.foreign * this.limits.fair_foreign_percent);
		if (this.isForeign) {
			this.follow({ fn: -1, nodes: [0], total: this.foreign });
		} else {
			this.narrow(this.own);
			this.follow({ fn: -1, nodes: this.own.nodes, total: this.own.total });
			this.under = this.own;
		}
	}

	// Whether it can be told whose code ran.
	doubts() {
		const { profile, selection } = this, { parent, fn, fnOwn, fnKind, nNodes, meta, capture } = profile;
		const OWN = 1, GAP = 2, traits = new Uint8Array(nNodes), gaps = new Uint8Array(profile.nFunctions);
		for (let f = 0; f < gaps.length; f++)
			gaps[f] = profile.isGap(f) ? GAP : 0;
		let incomplete = selection.self[0], python = false;
		for (let i = 1; i < nNodes; i++) {
			traits[i] = traits[parent[i]] | (fnOwn[fn[i]] ? OWN : 0) | gaps[fn[i]];
			if (traits[i] === GAP)
				incomplete += selection.self[i];
			if (selection.total[i] && fnKind[fn[i]] === PYTHON)
				python = true;
		}
		this.unreadable = !python && Boolean(capture.interpreter || capture.problem ||
			meta.processes.some(process => process.interpreter || process.problem));
		this.incomplete = incomplete * 2 > this.foreign;
	}

	// The own function to which most samples belong, or null.
	heaviestOwn() {
		const { fn, fnOwn, nFunctions, nNodes } = this.profile, { total } = this.calls;
		const sums = new Float64Array(nFunctions), nodes = [];
		let best = -1;
		for (let i = 1; i < nNodes; i++) {
			if (!total[i] || !fnOwn[fn[i]])
				continue;
			sums[fn[i]] += total[i];
			nodes.push(i);
			if (best < 0 || sums[fn[i]] > sums[best])
				best = fn[i];
		}
		return best < 0 ? null : { fn: best, total: sums[best], whole: sums[best], nodes: nodes.filter(i => fn[i] === best) };
	}

	// To one of its lines, if that has three quarters of it.
	narrow(own) {
		const { loc, locLine } = this.profile, { total } = this.calls;
		own.lines = this.calls.lines(own.nodes);
		const line = own.lines.hottest, nodes = own.nodes.filter(i => locLine[loc[i]] === line);
		const n = nodes.reduce((sum, i) => sum + total[i], 0);
		if (n * 100 < own.total * this.limits.line_percent)
			return;
		own.lines = { first: line, last: line, hottest: line };
		if (line)
			Object.assign(own, { nodes, total: n });
	}

	// Down, as long as one callee has half of it; further down is better, but what has no name says little.
	follow(start) {
		const { profile } = this, { fnKind } = profile;
		let python = null;
		for (let call = start; ;) {
			const [next] = this.calls.children(call);
			if (!next || next.total * 100 < start.total * this.limits.most_percent)
				return;
			const kind = fnKind[next.fn];
			if (profile.isGc(next.fn)) {
				Object.assign(this, { what: next, under: python, inGc: true });
				return;
			}
			if (kind !== MARKER && (!this.what || profile.isUnnamed(this.what.fn) || !profile.isUnnamed(next.fn))) {
				this.what = next;
				this.under = kind === PYTHON ? null : python;
			}
			if (kind === PYTHON)
				python = next;
			call = next;
		}
	}

	heaviestNode(call) {
		return call.nodes.reduce((a, b) => this.calls.total[b] > this.calls.total[a] ? b : a);
	}

	// What a look at the profile starts with: where the time goes in C or the kernel, for there the
	// source of the user's own line is shown with it; else that line itself.
	get node() {
		if (!this.what)
			return this.own && !this.isForeign ? this.heaviestNode(this.own) : 0;
		return this.heaviestNode(this.isForeign || this.profile.fnKind[this.what.fn] !== PYTHON ? this.what : this.own);
	}

	// Nothing is left out: what is known of the capture as a whole can be said.
	get isWhole() {
		const { what, hasSpan } = this.selection;
		return !hasSpan && !what.threads && !what.hidden.size;
	}

	// "; waiting in epoll_wait under app.py:41", null if it is not known
	waiting() {
		const { waiting } = this.profile.capture;
		if (!waiting || !this.isWhole)
			return null;
		const { function: call, place, thread, main, stopped, other_threads: others, pid, processes } = waiting;
		return [(stopped ? '; stopped by a signal' : '; waiting in ' + Text.show(call)) + (place ? ' under ' + Text.show(place) : '') +
			(others ? ' (' + (main ? 'main thread' : 'thread ' + Text.show(thread)) + ', ' + others + ' more)' : '') +
			(processes > 1 ? ' in process ' + pid + ', one of ' + processes : '') +
			'; while it runs, ', { code: 'pitviper stack ' + pid }, ' shows more. '];
	}

	// How long on CPU, and of what.
	time() {
		const { profile, selection } = this, { what, n } = selection, { capture, meta } = profile;
		const wall = selection.hasSpan ? (what.to - what.from) * capture.slice_ns / 1e9 : profile.duration;
		const said = s => s.toFixed(s < 9.995 ? 2 : s < 99.95 ? 1 : 0) + ' s';
		if (!capture.period_ns || !wall)
			return ['On CPU for ', { bold: profile.amount(n) }, '. '];
		// Where samples are missing, the whole is what the kernel says.
		const used = this.isWhole ? meta.quality.cpu_ns / 1e9 : profile.seconds(n);
		const share = used / wall, percent = 100 * share;
		if (percent < meta.limits.idle_percent)
			return ['On CPU ', { bold: percent.toFixed(percent > 0 && percent < 0.95 ? 1 : 0) + ' % of ' + said(wall) },
				...(this.waiting() || [capture.ended && !selection.hasSpan ? ': it was idle, and has ended. ' : ': it was idle. '])];
		const several = share >= 1.05;
		return ['On CPU ', { bold: said(used) + (several ? ' in ' : ' of ') + said(wall) },
			' (' + (several ? share.toFixed(1) + ' CPUs' : percent.toFixed(0) + ' %') + '). '];
	}

	// Texts, { code }, { bold }, and { bold, node } that leads to a node.
	sentence() {
		const { profile, selection } = this, { n } = selection;
		if (!profile.total)
			return [...this.nothing(), ...this.children()];
		if (!n)
			return ['No sample is in what is selected.'];
		const parts = this.time();
		if (n >= this.limits.turn_samples)
			parts.push(...this.turn());
		if (profile.capture.problem)
			parts.push(' Python frames are not shown: ' + Text.show(profile.capture.problem) + '.');
		if (n < this.limits.rough_samples)
			parts.push((n >= this.limits.turn_samples ? ' ' : '') + 'Only ' + Text.plural(n, 'sample') + ': shares are rough.');
		return this.isWhole ? [...parts, ...this.children()] : parts;
	}

	// What ran in children and is not here.
	children() {
		const { children } = this.profile.meta.quality;
		return children ? [' ', { bold: Text.show(children) }, ', not recorded: ', { code: '--children' }, ' takes them along.'] : [];
	}

	turn() {
		const all = this.selection.n, { own, what, under } = this;
		const share = n => ({ bold: Text.percent(n, all, 100 * n / all < 10 ? 1 : 0) });
		const part = n => [n === all ? 'All of it, ' : n > all - n ? 'Most of it, ' : 'The largest part, ', share(n), ', '];
		const link = call => ({ bold: this.calls.label(call), node: this.heaviestNode(call) });
		const collector = call => ({ bold: 'the garbage collector', node: this.heaviestNode(call) });
		const where = () => [this.inGc ? collector(what) : link(what),
			...(under ? [this.inGc ? ', started under ' : ' under ', link(under)] : [])];
		const words = this.unreadable ? 'is in stacks without Python frames' : this.incomplete ? 'is in incomplete stacks'
			: own ? 'runs no code of your own' : 'is in code that is not your own';
		if (this.isForeign)
			return [...part(this.foreign), words, ...(what ? [': ', share(what.total), ' in ', ...where()] : []), '.'];
		const total = what ? what.total : own.total, isLess = this.foreign > own.whole;
		return [...(isLess ? ['The largest part of your own code\'s time, ', share(total), ', '] : part(total)),
			...(what ? ['is ', ...where()] : ['is in ', link(own)]), ...(isLess ? ['; ', share(this.foreign), ' ' + words] : []), '.'];
	}

	nothing() {
		const { duration, capture } = this.profile;
		if (capture.cut)
			return ['No sample is there before the break.'];
		if (capture.waiting) {
			const parts = this.time(), last = parts.pop();
			return [...parts, last.trimEnd()];
		}
		const time = duration ? ' in ' + Text.seconds(duration) : '';
		return ['No samples' + time + ': ', ...(capture.ended ? ['it ended without using CPU time worth a sample.']
			: ['it was idle. While it runs, ', { code: 'pitviper stack ' + capture.pid }, ' shows what it waits for.'])];
	}
}
