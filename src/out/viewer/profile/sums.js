// SPDX-License-Identifier: BSD-2-Clause
// Sums: self and total by function and by line, and who calls whom, for one
// selection and folding.  Recursion counts once: while inside the subtree of an
// outer call, an inner one adds nothing.

class Sums {
	constructor(lens) {
		this.lens = lens;
		this.selection = lens.selection;
		this.profile = lens.profile;
	}

	// { self, total } by what keys[node] says
	sum(keys, nKeys) {
		const { profile, selection } = this, { mode, own } = this.lens;
		const self = new Uint32Array(nKeys), total = new Uint32Array(nKeys), until = new Int32Array(nKeys);
		for (let i = 1; i < profile.nNodes; i++) {
			if (!selection.total[i] || mode[i] === FOLDED)
				continue;
			const key = keys[i];
			self[key] += own[i];
			if (i >= until[key]) {
				total[key] += selection.total[i];
				until[key] = profile.end[i];
			}
		}
		return { self, total };
	}

	get functions() {
		return this.byFunction || (this.byFunction = this.sum(this.profile.fn, this.profile.nFunctions));
	}

	get locations() {
		return this.byLocation || (this.byLocation = this.sum(this.profile.loc, this.profile.nLocations));
	}

	// By location: time in a line of Python and in the C and the kernel that it calls.
	get withC() {
		if (!this.byLineWithC) {
			const { profile, selection } = this, { fn, fnKind, parent, loc, nNodes } = profile;
			const sums = new Uint32Array(profile.nLocations), line = new Int32Array(nNodes);
			for (let i = 1; i < nNodes; i++) {
				line[i] = fnKind[fn[i]] === PYTHON ? i : line[parent[i]];
				if (selection.self[i] && line[i])
					sums[loc[line[i]]] += selection.self[i];
			}
			this.byLineWithC = sums;
		}
		return this.byLineWithC;
	}

	// Nodes of each function, in their order.
	nodesOf(fn) {
		if (!this.profile.nodeIndex) {
			const { nNodes, nFunctions } = this.profile;
			const start = new Uint32Array(nFunctions + 2), nodes = new Uint32Array(nNodes);
			for (let i = 1; i < nNodes; i++)
				start[this.profile.fn[i] + 2]++;
			for (let f = 1; f < nFunctions + 2; f++)
				start[f] += start[f - 1];
			for (let i = 1; i < nNodes; i++)
				nodes[start[this.profile.fn[i] + 1]++] = i;
			this.profile.nodeIndex = { start, nodes };
		}
		const { start, nodes } = this.profile.nodeIndex;
		return nodes.subarray(start[fn], start[fn + 1]);
	}

	// The same with samples, and not within an outer call of the same function.
	outermost(fn) {
		const found = [];
		let until = 0;
		for (const node of this.nodesOf(fn)) {
			if (node >= until && this.selection.total[node]) {
				found.push(node);
				until = this.profile.end[node];
			}
		}
		return found;
	}

	// { callers, callees: [{ fn, n }] heaviest first; total, rest: in itself }; fn -1: nobody
	neighbours(fn) {
		const { profile, selection, lens } = this, { folding } = lens;
		const callers = new Map(), callees = new Map();
		const add = (map, key, n) => map.set(key, (map.get(key) || 0) + n);
		let total = 0, below = 0;
		for (const node of this.outermost(fn)) {
			const caller = folding.caller(node);
			add(callers, caller > 0 ? profile.fn[caller] : -1, selection.total[node]);
			total += selection.total[node];
			lens.callees(node, (callee, n) => {
				add(callees, profile.fn[callee], n);
				below += n;
			});
		}
		const sorted = map => [...map].map(([key, n]) => ({ fn: key, n })).sort((a, b) => b.n - a.n || a.fn - b.fn);
		return { callers: sorted(callers), callees: sorted(callees), total, rest: total - below };
	}

	// Time by line of a function: Map line -> { self, total }; recursion counts once a line.
	linesOf(fn) {
		const { profile, selection } = this, lines = new Map(), until = new Map();
		for (const node of this.nodesOf(fn)) {
			if (!selection.total[node])
				continue;
			const line = profile.locLine[profile.loc[node]];
			let sum = lines.get(line);
			if (!sum)
				lines.set(line, sum = { self: 0, total: 0 });
			if (node >= (until.get(line) || 0)) {
				sum.total += selection.total[node];
				until.set(line, profile.end[node]);
			}
			sum.self += selection.self[node];
		}
		return lines;
	}

	// The same of one frame of a tree: what it has here.
	linesIn({ nodes, leaves }) {
		const { profile, selection, lens } = this, lines = new Map();
		nodes.forEach((node, i) => {
			const line = profile.locLine[profile.loc[node]];
			let sum = lines.get(line);
			if (!sum)
				lines.set(line, sum = { self: 0, total: 0 });
			if (leaves) {
				sum.total += lens.own[leaves[i]];
				sum.self += leaves[i] === node ? selection.self[node] : 0;
			} else {
				sum.total += selection.total[node];
				sum.self += selection.self[node];
			}
		});
		return lines;
	}
}
