// SPDX-License-Identifier: BSD-2-Clause
// Answer: the sentence at the top, from the numbers of the selection and
// nothing else.  Each sample belongs to the innermost frame of the user's own
// code that is on its stack; the function with most of them is where one can
// do something, and the way its time takes below it, as long as one callee has
// half of it, is what it does.

class Answer {
	constructor(selection) {
		this.selection = selection;
		this.profile = selection.profile;
		this.owned = this.ownedBelow();
		this.group = this.heaviestGroup();
		this.goal = this.group ? this.follow(this.group) : null;
	}

	// By node: samples in its subtree that pass no own frame below it.
	ownedBelow() {
		const { parent, fn, fnOwn, nNodes } = this.profile;
		const owned = this.selection.self.slice();
		for (let i = nNodes - 1; i > 0; i--) {
			if (!fnOwn[fn[i]])
				owned[parent[i]] += owned[i];
		}
		return owned;
	}

	// The function with most samples, narrowed to one line if that has most of them;
	// or the samples without own code, if they are more.
	heaviestGroup() {
		const { profile, owned } = this, { fn, loc, fnOwn, nNodes } = profile;
		const byFunction = new Float64Array(profile.nFunctions), byLocation = new Float64Array(profile.nLocations);
		const own = []; // nodes
		for (let i = 1; i < nNodes; i++) {
			if (owned[i] && fnOwn[fn[i]]) {
				byFunction[fn[i]] += owned[i];
				byLocation[loc[i]] += owned[i];
				own.push(i);
			}
		}
		const best = byFunction.reduce((a, n, f) => n > byFunction[a] ? f : a, 0), n = byFunction[best] || 0;
		this.hasOwn = n > 0;
		if (owned[0] > n)
			return { fn: -1, n: owned[0], nodes: [0] };
		if (!n)
			return null;
		let line = own.find(i => fn[i] === best);
		line = own.reduce((a, i) => fn[i] === best && byLocation[loc[i]] > byLocation[a] ? loc[i] : a, loc[line]);
		const narrow = profile.locLine[line] > 0 && byLocation[line] >= 0.75 * n;
		return { fn: best, loc: narrow ? line : -1, n: narrow ? byLocation[line] : n,
			nodes: own.filter(i => narrow ? loc[i] === line : fn[i] === best) };
	}

	// The innermost callee on the way that still has half of the group's samples, or null.
	follow(group) {
		const { fn, end, fnOwn, fnKind, machinery } = this.profile;
		let nodes = group.nodes, goal = null;
		for (;;) {
			const byFunction = new Map(), through = [...nodes];
			while (through.length) {
				const above = through.pop();
				for (let node = above + 1; node < end[above]; node = end[node]) {
					if (!this.owned[node] || fnOwn[fn[node]])
						continue;
					if (machinery[node]) {
						through.push(node);
						continue;
					}
					let found = byFunction.get(fn[node]);
					if (!found)
						byFunction.set(fn[node], found = { fn: fn[node], n: 0, nodes: [] });
					found.n += this.owned[node];
					found.nodes.push(node);
				}
			}
			const best = [...byFunction.values()].reduce((a, b) => b.n > a.n ? b : a, { n: 0 });
			if (best.n < group.n / 2 || !best.n)
				return goal;
			nodes = best.nodes;
			if (fnKind[best.fn] < THREAD)
				goal = best;
		}
	}

	// What a look at the profile starts with: where it goes in C or the kernel, for there the
	// source of the user's own line is shown with it; else that line itself.
	get node() {
		if (!this.group)
			return 0;
		if (this.group.fn < 0 || (this.goal && this.profile.fnKind[this.goal.fn] !== PYTHON))
			return this.goalNode();
		return this.groupNode();
	}

	goalNode() {
		return this.goal ? this.heaviest(this.goal.nodes) : 0;
	}

	heaviest(nodes) {
		return nodes.reduce((a, b) => this.owned[b] > this.owned[a] ? b : a);
	}

	groupNode() {
		return this.heaviest(this.group.nodes);
	}

	// How long on CPU, and of what.
	time() {
		const { profile, selection } = this, { what } = selection;
		const threads = selection.threadsBelow([0]);
		const slice = profile.capture.slice_ns / 1e9;
		const wall = selection.hasSpan ? (what.to - what.from) * slice : profile.duration;
		const used = profile.seconds(selection.n);
		const parts = [];
		if (!profile.capture.period_ns || !wall)
			return ['On CPU for ', { bold: profile.amount(selection.n) }, '. '];
		const share = used / wall;
		if (share < 0.2)
			parts.push('Mostly idle: on CPU ');
		else
			parts.push('On CPU ');
		parts.push({ bold: Text.seconds(used) + (share > 1.05 ? ' in ' : ' of ') + Text.seconds(wall) });
		if (share > 1.05)
			parts.push(' (' + share.toFixed(1) + ' CPUs, ' + Text.plural(threads.size, 'thread') + ')');
		else if (share < 0.945)
			parts.push(' (' + Text.percent(used, wall, share < 0.1 ? 1 : 0) + ')');
		parts.push('. ');
		return parts;
	}

	// The sentence: texts, { bold }, and { bold, node } that leads to a node.
	sentence() {
		const { profile, selection, group, goal } = this, n = selection.n;
		if (!profile.total)
			return this.nothing();
		if (!n)
			return ['No sample is in what is selected.'];
		const parts = this.time();
		const share = part => Text.percent(part, n, part / n < 0.1 ? 1 : 0);
		const most = part => [part === n ? 'All of it, ' : part > n / 2 ? 'Most of it, ' : 'The largest part, ',
			{ bold: share(part) }];
		if (!group)
			return parts;
		if (group.fn < 0) {
			parts.push(...most(group.n), ', ', this.hasOwn ? 'runs no code of your own' : 'is in code that is not your own');
			parts.push(...goal ? [': ', { bold: share(goal.n), node: this.goalNode() }, ' in ',
				{ bold: profile.label(goal.fn), node: this.goalNode() }] : []);
		} else {
			const place = group.loc >= 0 ? profile.locLabel(group.loc) : profile.label(group.fn);
			const own = group.nodes.reduce((sum, node) => sum + selection.self[node], 0);
			parts.push(...most(group.n), ', is ');
			if (goal)
				parts.push('for ', { bold: place, node: this.groupNode() }, ': ', { bold: share(goal.n) }, ' in ',
					{ bold: profile.label(goal.fn), node: this.goalNode() });
			else if (own >= group.n / 2)
				parts.push({ bold: place, node: this.groupNode() }, own === group.n ? ' itself'
					: ': ' + share(own) + ' in its own code');
			else
				parts.push('for ', { bold: place, node: this.groupNode() });
		}
		parts.push('.');
		if (n < 30)
			parts.push(' Only ' + Text.plural(n, 'sample') + ': shares are rough.');
		return parts;
	}

	nothing() {
		const { duration, capture } = this.profile;
		const time = duration ? ' in ' + Text.seconds(duration) : '';
		return ['No samples' + time + ': ', capture.ended ? 'the process ended without using CPU time worth one.'
			: 'the process did not use the CPU. `pitviper stack ' + capture.pid + '` shows what it waits for.'];
	}
}
