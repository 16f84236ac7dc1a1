// SPDX-License-Identifier: BSD-2-Clause
// Find: which functions and lines a search means, and how much of the selection
// passes through them.

class Matches {
	// test: text -> found or not
	constructor(profile, test) {
		this.profile = profile;
		this.fns = new Uint8Array(profile.nFunctions);
		for (let fn = 0; fn < profile.nFunctions; fn++) {
			this.fns[fn] = test(profile.name(fn)) || test(profile.label(fn)) || test(profile.place(fn)) ||
				(profile.fnKind[fn] <= INLINED && test(profile.fullPlace(fn))) ? 1 : 0;
		}
		this.locs = new Uint8Array(profile.nLocations);
		this.hasLines = false; // some location matches by its line, its function does not
		for (let loc = 0; loc < profile.nLocations; loc++) {
			const fn = profile.locFn[loc];
			this.locs[loc] = this.fns[fn];
			if (!this.fns[fn] && profile.locLine[loc] && test(profile.place(fn) + ':' + profile.locLine[loc])) {
				this.locs[loc] = 1;
				this.hasLines = true;
			}
		}
	}

	frame(frame) {
		if (frame.fn < 0)
			return false;
		if (frame.matchesOf !== this) {
			frame.matchesOf = this;
			frame.isMatch = this.fns[frame.fn] === 1 || (this.hasLines && frame.nodes.some(node =>
				this.locs[this.profile.loc[node]]));
		}
		return frame.isMatch;
	}

	// Samples with a match on what is shown of their stack.
	total(lens) {
		const { loc, end, nNodes } = this.profile, { mode, own } = lens, { total } = lens.selection;
		let sum = 0;
		for (let i = 1; i < nNodes;) {
			const isMatch = this.locs[loc[i]] && mode[i] !== FOLDED;
			if (!total[i] || (isMatch && mode[i] === SHOWN)) {
				sum += total[i];
				i = end[i];
				continue;
			}
			if (isMatch)
				sum += own[i];
			i++;
		}
		return sum;
	}

	// Nodes with a match that is shown, and none above them.
	outermost(lens) {
		const { loc, end, nNodes } = this.profile, { total } = lens.selection, nodes = [];
		for (let i = 1; i < nNodes;) {
			const isMatch = total[i] && this.locs[loc[i]] && lens.mode[i] === SHOWN;
			if (isMatch)
				nodes.push(i);
			i = isMatch || !total[i] ? end[i] : i + 1;
		}
		return nodes;
	}
}
