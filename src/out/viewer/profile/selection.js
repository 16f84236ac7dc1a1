// SPDX-License-Identifier: BSD-2-Clause
// Selection: which samples count (a span of time, threads, processes, without
// what is hidden), and how often each node of the stack tree is in them.

class Selection {
	// what: { from, to (slices, to is not in it; NaN: all), threads: Set|null, hidden: Set of functions }
	constructor(profile, what) {
		this.profile = profile;
		this.what = what;
		this.hasSpan = profile.hasTimes && what.to > what.from;
		this.weight = this.weights();
		this.self = new Uint32Array(profile.nNodes);
		for (let i = 0; i < profile.nSamples; i++)
			this.self[profile.sampleNode[i]] += this.weight[i];
		if (what.hidden.size)
			this.hide(what.hidden);
		this.total = this.self.slice();
		for (let i = profile.nNodes - 1; i > 0; i--)
			this.total[profile.parent[i]] += this.total[i];
		this.n = this.total[0];
		this.layers = this.layerSums();
	}

	// Samples that count, by sample.
	weights() {
		const { profile, what } = this;
		const weight = this.hasSpan ? new Uint32Array(profile.nSamples) : profile.sampleCount.slice();
		if (this.hasSpan) {
			const { start, sample, count } = profile.ticks, end = start[what.to];
			for (let i = start[what.from]; i < end; i++)
				weight[sample[i]] += count[i];
		}
		if (what.threads) {
			for (let i = 0; i < weight.length; i++) {
				if (!what.threads.has(profile.sampleThread[i]))
					weight[i] = 0;
			}
		}
		return weight;
	}

	// Takes out what passes through a hidden function.
	hide(hidden) {
		const { profile, self } = this;
		for (let i = 1; i < profile.nNodes;) {
			if (!hidden.has(profile.fn[i])) {
				i++;
				continue;
			}
			self.fill(0, i, profile.end[i]);
			i = profile.end[i];
		}
		for (let i = 0; i < profile.nSamples; i++) {
			if (!self[profile.sampleNode[i]])
				this.weight[i] = 0;
		}
	}

	// By the kind of the innermost frame.
	layerSums() {
		const { sampleNode, fn, fnLayer, nSamples } = this.profile;
		const sums = new Array(OTHER + 1).fill(0);
		for (let i = 0; i < nSamples; i++)
			sums[sampleNode[i] ? fnLayer[fn[sampleNode[i]]] : OTHER] += this.weight[i];
		return sums;
	}

	// Samples below a function, each once: those of its outermost nodes.
	totalOf(isWanted) {
		const { profile, total } = this;
		let sum = 0;
		for (let i = 1; i < profile.nNodes;) {
			if (total[i] && !isWanted(profile.fn[i])) {
				i++;
				continue;
			}
			sum += total[i];
			i = profile.end[i];
		}
		return sum;
	}

	get gc() {
		if (this.gcTotal === undefined) {
			const collectors = new Set();
			for (let fn = 0; fn < this.profile.nFunctions; fn++) {
				if (this.profile.isGc(fn))
					collectors.add(fn);
			}
			this.gcTotal = collectors.size ? this.totalOf(fn => collectors.has(fn)) : 0;
		}
		return this.gcTotal;
	}

	// First sample at or after a node: samples stand in the order of their nodes.
	firstSample(node) {
		const nodes = this.profile.sampleNode;
		let low = 0, high = nodes.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (nodes[middle] < node)
				low = middle + 1;
			else
				high = middle;
		}
		return low;
	}

	// Threads with samples below these nodes: Map thread -> samples.
	threadsBelow(nodes) {
		const sums = new Float64Array(this.profile.meta.threads.length), found = new Map();
		for (const node of nodes) {
			const end = this.firstSample(this.profile.end[node]);
			for (let i = this.firstSample(node); i < end; i++)
				sums[this.profile.sampleThread[i]] += this.weight[i];
		}
		sums.forEach((n, thread) => n && found.set(thread, n));
		return found;
	}
}

// How nodes are shown.
const SHOWN = 0;
const FOLDED = 1; // not at all: its time is its caller's
const LIFTED = 2; // with its own time only: what it calls is its caller's callee

class Folding {
	// layers: letters of LAYERS; own: only the user's own code stays; calls: how Python calls
	// stays, too; apart: so do the root frames of processes and threads; lines: apart by line
	constructor(profile, { layers, own, calls, apart, lines }) {
		Object.assign(this, { profile, layers, own, calls, apart, lines });
		const kinds = new Uint8Array(LABEL + 1);
		for (const layer of LAYERS) {
			if (layers.includes(layer.letter))
				layer.kinds.forEach(kind => { kinds[kind] = 1; });
		}
		if (!apart)
			kinds[THREAD] = kinds[PROCESS] = 1;
		const folded = new Uint8Array(profile.nFunctions);
		for (let fn = 0; fn < profile.nFunctions; fn++) {
			const kind = profile.fnKind[fn];
			folded[fn] = kinds[kind] || (own && kind <= MARKER && !profile.fnOwn[fn]) ? FOLDED : SHOWN;
		}
		const { nNodes, fn } = profile, machinery = calls ? null : profile.machinery;
		this.mode = new Uint8Array(nNodes);
		this.any = folded.includes(FOLDED);
		for (let i = 1; i < nNodes; i++)
			this.mode[i] = folded[fn[i]] || (machinery && machinery[i] ? LIFTED : SHOWN);
	}

	// What is one frame and what are two: functions, or locations.
	key(node) {
		return this.lines ? this.profile.loc[node] : this.profile.fn[node];
	}

	get nKeys() {
		return this.lines ? this.profile.nLocations : this.profile.nFunctions;
	}

	keyFn(key) {
		return this.lines ? this.profile.locFn[key] : key;
	}

	// The node itself, or the innermost above it that is not folded; 0: none.
	shown(node) {
		while (node > 0 && this.mode[node] === FOLDED)
			node = this.profile.parent[node];
		return node;
	}

	// The innermost above a node that is shown with what it calls; 0: none.
	caller(node) {
		do
			node = this.profile.parent[node];
		while (node > 0 && this.mode[node] !== SHOWN);
		return node;
	}

	// From a node outwards, keys of what is shown of its stack.
	keysUp(node) {
		const keys = [];
		for (let at = this.shown(node); at > 0; at = this.caller(at))
			keys.push(this.key(at));
		return keys;
	}
}

// What is selected and how it is shown, together.
class Lens {
	constructor(selection, folding) {
		this.selection = selection;
		this.folding = folding;
		this.profile = selection.profile;
		this.mode = folding.mode;
		// By node: samples in it and in what is folded into it
		this.own = selection.self;
		if (folding.any) {
			this.own = this.own.slice();
			for (let i = this.profile.nNodes - 1; i > 0; i--) {
				if (this.mode[i] === FOLDED)
					this.own[this.profile.parent[i]] += this.own[i];
			}
		}
	}

	// Calls f(callee, samples) for what a node calls.
	callees(node, f) {
		const { end } = this.profile, { total } = this.selection, { mode, own } = this, through = [node];
		while (through.length) {
			const above = through.pop();
			for (let at = above + 1; at < end[above]; at = end[at]) {
				if (!total[at])
					continue;
				if (mode[at] === SHOWN) {
					f(at, total[at]);
					continue;
				}
				if (mode[at] === LIFTED && own[at])
					f(at, own[at]);
				through.push(at);
			}
		}
	}
}
