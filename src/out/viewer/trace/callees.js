// SPDX-License-Identifier: BSD-2-Clause
// Callees: what was called, by function, in all executions; the rules are those
// of src/analyse/callees.c.

class Callees {
	constructor(trace) {
		this.trace = trace;
		const n = trace.nLocations, sum = () => new Float64Array(n);
		Object.assign(this, { calls: sum(), resumed: sum(), raised: sum(), yielded: sum(), guessed: sum(), cut: sum(),
			total: sum(), self: sum(), offCpu: sum(), measured: sum(), recursive: new Uint8Array(n), layers: [0, 0, 0, 0] });
		this.count();
		this.locs = [...this.calls.keys()].filter(loc => this.calls[loc] || this.resumed[loc]);
		this.duration = trace.executions.reduce((all, { ns }) => all + ns, 0);
		this.sorted = new Map();
	}

	count() {
		const { trace } = this, { callLoc, flags, parent, nCalls } = trace, open = new Uint32Array(trace.nLocations), path = [];
		for (let i = 0; i < nCalls; i++) {
			const loc = callLoc[i], flag = flags[i];
			while (path.length && path[path.length - 1] !== parent[i])
				open[callLoc[path.pop()]]--;
			this.calls[loc] += flag & RESUMED ? 0 : 1;
			this.resumed[loc] += flag & RESUMED ? 1 : 0;
			this.raised[loc] += flag & RAISED ? 1 : 0;
			this.yielded[loc] += flag & YIELDED ? 1 : 0;
			this.guessed[loc] += flag & (END_GUESSED | BEGIN_GUESSED) ? 1 : 0;
			this.cut[loc] += flag & CUT ? 1 : 0;
			this.measured[loc] += flag & UNSEEN ? 0 : 1;
			this.self[loc] += trace.own[i];
			this.layers[trace.layerOf(loc)] += trace.own[i];
			if (open[loc]++) {
				this.recursive[loc] = 1;
			} else {
				this.total[loc] += trace.ns[i];
				this.offCpu[loc] += trace.offCpu[i];
			}
			path.push(i);
		}
	}

	// Durations of a function's calls of which both ends were seen, the shortest first.
	durations(loc) {
		if (!this.at)
			this.group();
		if (!this.sorted.has(loc))
			this.sorted.set(loc, this.grouped.subarray(this.at[loc], this.at[loc] + this.measured[loc]).sort());
		return this.sorted.get(loc);
	}

	group() {
		const { callLoc, flags, ns, nCalls, nLocations } = this.trace;
		this.at = new Uint32Array(nLocations + 1);
		for (let loc = 0; loc < nLocations; loc++)
			this.at[loc + 1] = this.at[loc] + this.measured[loc];
		const next = this.at.slice();
		this.grouped = new Float64Array(this.at[nLocations]);
		for (let i = 0; i < nCalls; i++) {
			if (!(flags[i] & UNSEEN))
				this.grouped[next[callLoc[i]]++] = ns[i];
		}
	}

	// The smallest that so many percent do not exceed; NaN if none was seen whole.
	percentile(loc, percent) {
		const all = this.durations(loc);
		return all.length ? all[Math.max(0, Math.ceil(all.length * percent / 100) - 1)] : NaN;
	}

	get heaviest() {
		const { self } = this;
		return this.locs.reduce((a, b) => a < 0 || self[b] > self[a] ? b : a, -1);
	}
}
