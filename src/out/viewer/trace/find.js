// SPDX-License-Identifier: BSD-2-Clause
// Find: which calls a search means: by function, file, argument or result.

class Matches {
	// test: text -> found or not
	constructor(trace, test) {
		this.trace = trace;
		this.locs = new Uint8Array(trace.nLocations);
		for (let loc = 0; loc < trace.nLocations; loc++) {
			const fn = trace.locFn[loc];
			this.locs[loc] = test(trace.nameOf(loc)) || test(trace.labelOf(loc)) || test(trace.placeOf(loc)) ||
				test(trace.fullPlace(fn)) ? 1 : 0;
		}
		const strings = new Map();
		const holds = id => {
			if (!strings.has(id))
				strings.set(id, test(trace.text(id)));
			return strings.get(id);
		};
		this.calls = new Uint8Array(trace.nCalls);
		this.n = 0;
		for (let i = 0; i < trace.nCalls; i++) {
			this.calls[i] = this.locs[trace.callLoc[i]] || (trace.args[i] && holds(trace.args[i])) ||
				(trace.result[i] && holds(trace.result[i])) ? 1 : 0;
			this.n += this.calls[i];
		}
	}

	// Time in what is found and all that it calls.
	get total() {
		const { nCalls, end, ns } = this.trace;
		let sum = 0;
		for (let i = 0; i < nCalls; i = this.calls[i] ? end[i] : i + 1)
			sum += this.calls[i] ? ns[i] : 0;
		return sum;
	}
}
