// SPDX-License-Identifier: BSD-2-Clause
// Profile: the sections of a profile as arrays: its tree of stacks and its samples.
// Nodes are numbered depth first: the subtree of node i is i to end[i] - 1.

class Profile extends Code {
	constructor(meta, sections) {
		super(meta, sections);
		this.readNodes(new Reader(sections.NUPS), new Reader(sections.NLOC));
		this.readSamples(new Reader(sections.SAMP));
		this.readTicks(new Reader(sections.TICK));
	}

	readNodes(ups, locs) {
		const n = ups.number();
		const parent = new Int32Array(n), end = new Int32Array(n), loc = new Uint32Array(n), fn = new Uint32Array(n);
		parent[0] = -1;
		for (let i = 1; i < n; i++) {
			let above = i - 1;
			for (let up = ups.number(); up; up--)
				above = parent[above];
			parent[i] = above;
			loc[i] = locs.number();
			fn[i] = this.locFn[loc[i]];
		}
		// By node: a C frame of the interpreter or the C library with Python below it is how
		// Python calls, not what is called.
		const machinery = new Uint8Array(n), isCaller = this.fnInterpreter, isPython = this.fnKind.map(kind => kind === PYTHON);
		this.hasMachinery = false;
		// Backwards, the first that tells its parent where the subtree ends is the last in it.
		for (let i = n - 1; i > 0; i--) {
			const above = parent[i];
			if (!end[i])
				end[i] = i + 1;
			if (!end[above])
				end[above] = end[i];
			// until here machinery[i] says: Python is below
			if (machinery[i] || isPython[fn[i]])
				machinery[above] = 1;
			machinery[i] &= isCaller[fn[i]];
			if (machinery[i])
				this.hasMachinery = true;
		}
		end[0] = n;
		this.machinery = machinery;
		Object.assign(this, { nNodes: n, parent, end, loc, fn });
	}

	readSamples(reader) {
		const n = reader.number();
		const node = new Uint32Array(n), thread = new Uint32Array(n), count = new Uint32Array(n);
		let total = 0;
		for (let i = 0, at = 0; i < n; i++) {
			at += reader.number();
			node[i] = at;
			thread[i] = reader.number();
			count[i] = reader.number();
			total += count[i];
		}
		Object.assign(this, { nSamples: n, sampleNode: node, sampleThread: thread, sampleCount: count, total });
	}

	// Times are many, and a first look needs none: read when they are asked for.
	readTicks(reader) {
		const bytes = reader.bytes.length;
		this.nSlices = reader.number();
		// A slice without a sample is one byte.
		this.hasTimes = this.nSlices > 0 && bytes - reader.at > this.nSlices && this.capture.slice_ns > 0;
		this.tickReader = reader;
	}

	// { start: by slice, its first tick; sample, count: by tick }
	get ticks() {
		if (!this.tickArrays) {
			const reader = this.tickReader, n = this.nSlices, most = reader.bytes.length;
			const start = new Uint32Array(n + 1), sample = new Uint32Array(most), count = new Uint32Array(most);
			let at = 0;
			for (let slice = 0; slice < n; slice++) {
				start[slice] = at;
				for (let left = reader.number(), of = 0; left; left--, at++) {
					const step = reader.number();
					// not >> 1: it may have more than 32 bits
					of += Math.floor(step / 2);
					sample[at] = of;
					count[at] = step % 2 ? reader.number() : 1;
				}
			}
			start[n] = at;
			this.tickArrays = { start, sample: sample.slice(0, at), count: count.slice(0, at) };
		}
		return this.tickArrays;
	}

	// PROCESS or THREAD: the outermost frames that stand for where a stack was, 0: none
	get roots() {
		return this.fnKind.includes(PROCESS) ? PROCESS : this.fnKind.includes(THREAD) ? THREAD : 0;
	}

	// A marker with which it is not known what the whole stack was.
	isGap(fn) {
		return this.fnKind[fn] === MARKER && !this.isGc(fn) && this.name(fn) !== '[unwind break]';
	}

	// Samples in words: seconds where it is known how long one stands for.
	amount(samples) {
		return this.capture.period_ns ? Text.seconds(samples * this.capture.period_ns / 1e9)
			: Text.plural(samples, 'sample');
	}

	seconds(samples) {
		return samples * this.capture.period_ns / 1e9;
	}

	get duration() {
		return this.capture.duration_ns / 1e9;
	}
}
