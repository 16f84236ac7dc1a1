// SPDX-License-Identifier: BSD-2-Clause
// Trace: executions and their calls as arrays.  Calls of an execution stand
// together, each right before those that it makes: those below call i are
// i + 1 to end[i] - 1.  Times are in ns since the execution began.

// What is known of a call, as in model/trace.h.
const RESUMED = 1, YIELDED = 2, RAISED = 4, END_GUESSED = 8, BEGIN_GUESSED = 16, CUT = 32;
const UNSEEN = END_GUESSED | BEGIN_GUESSED | CUT;

class Trace extends Code {
	constructor(meta, sections) {
		super(meta, sections);
		this.readNodes(new Reader(sections.NUPS), new Reader(sections.NLOC));
		this.readExecutions(new Reader(sections.EXEC));
		this.readCalls(sections);
		this.function = this.capture.function;
	}

	readNodes(ups, locs) {
		const n = ups.number();
		this.nodeParent = new Int32Array(n).fill(-1);
		this.nodeLoc = new Uint32Array(n);
		for (let i = 1; i < n; i++) {
			let above = i - 1;
			for (let up = ups.number(); up; up--)
				above = this.nodeParent[above];
			this.nodeParent[i] = above;
			this.nodeLoc[i] = locs.number();
		}
	}

	readExecutions(reader) {
		const n = reader.number();
		this.executions = [];
		for (let index = 0, first = 0; index < n; index++) {
			const execution = { index, thread: reader.number(), node: reader.number(), number: reader.number() };
			const lost = reader.number(), calls = reader.number();
			Object.assign(execution, { partial: lost % 2 === 1, lost: Math.floor(lost / 2), first, end: first + calls,
				start: reader.number(), ns: 0, calls: 0 });
			first += calls;
			this.executions.push(execution);
		}
		this.nCalls = n ? this.executions[n - 1].end : 0;
	}

	readCalls(sections) {
		const n = this.nCalls, read = (tag, into) => new Reader(sections[tag]).numbers(n, into);
		this.callLoc = read('CLOC');
		this.flags = read('CFLG', new Uint8Array(n));
		this.args = read('CARG');
		this.result = read('CRES');
		this.ns = read('CDUR', new Float64Array(n));
		this.offCpu = read('COFF', new Float64Array(n));
		this.parent = new Int32Array(n);
		this.start = new Float64Array(n);
		this.depth = new Uint32Array(n);
		this.own = Float64Array.from(this.ns); // self
		this.execution = new Uint32Array(n);
		const up = new Reader(sections.CPAR), begin = new Reader(sections.CBEG);
		for (const execution of this.executions) {
			for (let i = execution.first; i < execution.end; i++) {
				const above = up.number(), step = begin.number();
				this.execution[i] = execution.index;
				execution.calls += this.flags[i] & RESUMED ? 0 : 1; // a generator that goes on is no new call
				this.parent[i] = above ? i - above : -1;
				if (!above)
					continue;
				this.start[i] = this.start[i - 1] + (step % 2 ? -(step + 1) / 2 : step / 2);
				this.depth[i] = this.depth[i - above] + 1;
				this.own[i - above] = Math.max(0, this.own[i - above] - this.ns[i]);
			}
			if (execution.end > execution.first)
				execution.ns = this.ns[execution.first];
		}
		this.readEnds();
	}

	// Backwards, the first that tells its parent where those below it end is the last of them.
	readEnds() {
		const end = new Uint32Array(this.nCalls);
		for (let i = this.nCalls - 1; i >= 0; i--) {
			end[i] = end[i] || i + 1;
			if (this.parent[i] >= 0 && !end[this.parent[i]])
				end[this.parent[i]] = end[i];
		}
		this.end = end;
	}

	amount(ns) {
		return Text.duration(ns);
	}

	fnOf(call) {
		return this.locFn[this.callLoc[call]];
	}

	layerOf(loc) {
		return this.fnLayer[this.locFn[loc]];
	}

	// "app.py:50", "libc.so.6"
	placeOf(loc) {
		const fn = this.locFn[loc], place = this.place(fn), line = this.locLine[loc];
		return place + (place && line ? ':' + line : '');
	}

	nameOf(loc) {
		return this.name(this.locFn[loc]);
	}

	// "report (app.py:50)"
	labelOf(loc) {
		const place = this.placeOf(loc);
		return this.nameOf(loc) + (place ? ' (' + place + ')' : '');
	}

	// Arguments in brackets after the name, if they are known.
	titleOf(call) {
		const args = this.args[call];
		return this.nameOf(this.callLoc[call]) + (args ? '(' + this.text(args) + ')' : '');
	}

	// What is to be said of a call, in words; nothing of a plain one.
	marks(call) {
		const flags = this.flags[call];
		return Trace.MARKS.filter(([flag]) => flags & flag).map(([, text]) => text);
	}

	// Frames of the stack that led to an execution, innermost first, without the function itself.
	stackOf(execution) {
		const locs = [];
		for (let node = execution.node; node > 0; node = this.nodeParent[node])
			locs.push(this.nodeLoc[node]);
		return locs.length && this.locFn[locs[0]] === this.locFn[this.function] ? locs.slice(1) : locs;
	}

	// ms of the time of day, NaN if it is not known
	unixMs(execution) {
		const { start_unix_ms: ms, start_rest_ns: rest } = this.capture;
		return ms ? ms + Math.floor((rest + execution.start) / 1e6) : NaN;
	}

	get calls() {
		return this.executions.reduce((sum, { calls }) => sum + calls, 0);
	}

	// The longest of those that are whole, the one to look at first.
	get longest() {
		const all = this.executions.filter(({ partial, lost }) => !partial && !lost);
		return (all.length ? all : this.executions).reduce((a, b) => !a || b.ns > a.ns ? b : a, null);
	}
}
Trace.MARKS = [[RESUMED, 'resumed'], [YIELDED, 'yielded'], [RAISED, 'raised'], [BEGIN_GUESSED, 'beginning guessed'],
	[END_GUESSED, 'end guessed'], [CUT, 'not ended']];
