// SPDX-License-Identifier: BSD-2-Clause
// StackTree: stacks with equal functions below the same caller joined, as boxes of
// profile/flame.js want them.  Children are made when they are first asked for.

class StackFrame {
	constructor(fn, parent, tree) {
		Object.assign(this, { fn, parent, tree, depth: parent ? parent.depth + 1 : 0, total: 0, nodes: [], kids: null, below: 0 });
	}

	// Heaviest first.
	get children() {
		if (!this.kids)
			this.tree.expand(this);
		return this.kids;
	}

	get self() {
		return this.children ? this.total - this.below : 0;
	}

	// Finds the frame again in another tree of the same hunt.
	get id() {
		return this.parent ? String(this.nodes[0]) : '';
	}

	// First and last line of the function that is in it; 0: not known.
	get lines() {
		const { loc, locLine } = this.tree.profile, lines = this.nodes.map(node => locLine[loc[node]]).filter(line => line);
		return lines.length ? [Math.min(...lines), Math.max(...lines)] : [0, 0];
	}
}

class StackTree {
	// values: by node, what ends there
	constructor(memory, values) {
		this.profile = memory;
		this.totals = Float64Array.from(values);
		this.first = new Map(); // node -> its children that have something
		for (let node = memory.nNodes - 1; node > 0; node--) {
			const above = memory.parent[node];
			if (!this.totals[node])
				continue;
			this.totals[above] += this.totals[node];
			if (!this.first.has(above))
				this.first.set(above, []);
			this.first.get(above).push(node);
		}
		this.root = new StackFrame(-1, null, this);
		this.root.nodes.push(0);
		this.root.total = this.totals[0];
	}

	expand(frame) {
		const { profile } = this, groups = new Map();
		for (const child of frame.nodes.flatMap(node => this.first.get(node) || [])) {
			const fn = profile.locFn[profile.loc[child]];
			if (!groups.has(fn))
				groups.set(fn, new StackFrame(fn, frame, this));
			const group = groups.get(fn);
			group.nodes.push(child);
			group.total += this.totals[child];
		}
		for (const group of groups.values())
			group.nodes.sort((a, b) => a - b);
		frame.kids = [...groups.values()].sort((a, b) => b.total - a.total || a.nodes[0] - b.nodes[0]);
		frame.below = frame.kids.reduce((sum, { total }) => sum + total, 0);
	}

	// The frame of a node, or the nearest above it that is there.
	find(id) {
		const { profile } = this, node = Number(id), path = [];
		if (!Number.isInteger(node) || node <= 0 || node >= profile.nNodes)
			return this.root;
		for (let at = node; at > 0; at = profile.parent[at])
			path.unshift(profile.locFn[profile.loc[at]]);
		let frame = this.root;
		for (const fn of path) {
			const next = frame.children.find(child => child.fn === fn);
			if (!next)
				break;
			frame = next;
		}
		return frame;
	}
}
