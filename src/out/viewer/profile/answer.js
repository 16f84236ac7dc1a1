// SPDX-License-Identifier: BSD-2-Clause
// Answer: the sentence at the top, of what is selected.  It is the terminal's,
// in the same words and by the same rules (src/analyse/: calltree.c, turn.c,
// lines.c, answer.c): change both.

// Stacks joined by function, over all threads and processes; the interpreter's machinery of calling
// and direct recursion are passed through; what has no name is one call a module.
class CallTree {
	constructor(selection) {
		this.selection = selection;
		this.profile = selection.profile;
		this.root = { fn: -1, nodes: [0], total: selection.n };
	}

	// Heaviest first.
	children(call) {
		const { fn, end, fnKind, fnMachinery, joined } = this.profile, { total } = this.selection;
		const found = new Map(), through = [...call.nodes];
		while (through.length) {
			const above = through.pop();
			for (let node = above + 1; node < end[above]; node = end[node]) {
				const of = joined[fn[node]];
				if (!total[node])
					continue;
				if (of === call.fn || fnMachinery[fn[node]] || fnKind[fn[node]] >= THREAD) {
					through.push(node);
					continue;
				}
				let child = found.get(of);
				if (!child)
					found.set(of, child = { fn: of, nodes: [], total: 0 });
				child.nodes.push(node);
				child.total += total[node];
			}
		}
		return [...found.values()].sort((a, b) => b.total - a.total || a.fn - b.fn);
	}

	// "report (app.py:52)", "_strptime (_strptime.py:320-369)"
	label(call) {
		const { profile } = this, { fn } = call, place = profile.place(fn), line = this.lines(call);
		const name = profile.isUnnamed(fn) ? '[unknown]' : profile.name(fn);
		return Text.cut(name, CallTree.NAME) + (place ? ' (' + Text.cut(place + line, CallTree.NAME) + ')' : '');
	}

	// The line that carries it, or those among which it is spread: ":52", ":320-369"
	lines(call) {
		const { loc, locLine, fnKind } = this.profile, { total } = this.selection, sums = new Map();
		for (const node of call.nodes) {
			const line = locLine[loc[node]];
			if (line)
				sums.set(line, (sums.get(line) || 0) + total[node]);
		}
		if (fnKind[call.fn] !== PYTHON || !sums.size)
			return '';
		const lines = [...sums].sort((a, b) => a[0] - b[0]);
		const all = lines.reduce((sum, [, n]) => sum + n, 0), [hottest, most] = lines.reduce((a, b) => b[1] > a[1] ? b : a);
		if (most * 100 >= all * 90)
			return ':' + hottest;
		const matter = lines.filter(([line, n]) => n * 100 >= all * 5 || line === hottest);
		const first = matter[0][0], last = matter[matter.length - 1][0];
		return ':' + first + (last > first ? '-' + last : '');
	}
}
CallTree.NAME = 60; // characters of a function or a place

class Answer {
	constructor(selection) {
		this.selection = selection;
		this.profile = selection.profile;
		this.tree = new CallTree(selection);
		if (selection.n >= Answer.TURN)
			this.split(this.heaviest());
	}

	// The heaviest path, as far as it is worth following.
	heaviest() {
		const path = [], all = this.selection.n;
		for (let call = this.tree.root; ;) {
			const [first] = this.tree.children(call);
			if (!first || !(first.total * 100 >= all * 20 ||
					(first.total * 100 >= call.total * 50 && first.total * 100 >= all * 10)))
				return path;
			path.push(call = first);
		}
	}

	// Its last own call, and below it the innermost with most of that one's time; of other code the
	// innermost, and the last Python call above it.
	split(path) {
		const { profile } = this, { fnOwn, fnKind } = profile;
		const at = path.reduce((last, call, i) => fnOwn[call.fn] ? i : last, -1);
		const own = at < 0 ? null : path[at];
		let what = null, python = null, above = null;
		for (const call of path.slice(at + 1)) {
			const isBetter = !what || profile.isUnnamed(what.fn) || !profile.isUnnamed(call.fn);
			if (fnKind[call.fn] !== MARKER && isBetter && (!own || call.total * 100 >= own.total * 50)) {
				what = call;
				above = python;
			}
			if (fnKind[call.fn] === PYTHON)
				python = call;
		}
		this.own = own;
		this.what = what;
		this.under = own || above;
	}

	heaviestNode(call) {
		const { total } = this.selection;
		return call.nodes.reduce((a, b) => total[b] > total[a] ? b : a);
	}

	// What a look at the profile starts with: where the time goes in C or the kernel, for there the
	// source of the user's own line is shown with it; else that line itself.
	get node() {
		const call = this.what && !(this.own && this.profile.fnKind[this.what.fn] === PYTHON) ? this.what : this.own;
		return call ? this.heaviestNode(call) : 0;
	}

	// How long on CPU, and of what.
	time() {
		const { profile, selection } = this, { what, n } = selection, { capture } = profile;
		const wall = selection.hasSpan ? (what.to - what.from) * capture.slice_ns / 1e9 : profile.duration;
		const said = s => s.toFixed(s < 9.995 ? 2 : s < 99.95 ? 1 : 0) + ' s';
		if (!capture.period_ns || !wall)
			return ['On CPU for ', { bold: profile.amount(n) }, '. '];
		const used = profile.seconds(n), share = used / wall;
		if (share < Answer.IDLE)
			return ['On CPU ', { bold: Answer.percent(100 * share) + ' of ' + said(wall) }, ': it was idle',
				capture.ended && !selection.hasSpan ? ', and has ended. ' : '. '];
		const several = share >= 1.05;
		return ['On CPU ', { bold: said(used) + (several ? ' in ' : ' of ') + said(wall) },
			' (' + (several ? share.toFixed(1) + ' CPUs' : (100 * share).toFixed(0) + ' %') + '). '];
	}

	static percent(value) {
		return value.toFixed(value > 0 && value < 0.95 ? 1 : 0) + ' %';
	}

	// Texts, { bold }, and { bold, node } that leads to a node.
	sentence() {
		const { profile, selection } = this, { n } = selection;
		if (!profile.total)
			return this.nothing();
		if (!n)
			return ['No sample is in what is selected.'];
		const parts = this.time();
		if (n >= Answer.TURN)
			parts.push(...this.turn());
		if (n < Answer.ROUGH)
			parts.push((n >= Answer.TURN ? ' ' : '') + 'Only ' + Text.plural(n, 'sample') + ': shares are rough.');
		return parts;
	}

	turn() {
		const { own, what, under } = this, call = what || own;
		if (!call)
			return ['It is spread: no call has a fifth of it.'];
		const share = 100 * call.total / this.selection.n;
		const link = of => ({ bold: this.tree.label(of), node: this.heaviestNode(of) });
		return [share >= 50 ? 'Most of it, ' : 'The largest part, ', { bold: share.toFixed(0) + ' %' }, ', is ' +
			(what ? '' : 'in '), link(call), ...(what && under ? [' under ', link(under)] : []), '.'];
	}

	nothing() {
		const { duration, capture } = this.profile;
		const time = duration ? ' in ' + Text.seconds(duration) : '';
		return ['No samples' + time + ': ', capture.ended ? 'it ended without using CPU time worth a sample.'
			: 'it was idle. `pitviper stack ' + capture.pid + '` shows what it waits for.'];
	}
}
Answer.IDLE = 0.05; // of the wall time
Answer.TURN = 20; // samples; with fewer there is no path to speak of
Answer.ROUGH = 100; // samples; a share of 50 % is then 50 +- 10
