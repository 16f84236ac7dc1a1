// SPDX-License-Identifier: BSD-2-Clause
// Profile: the sections of a profile as arrays, and the texts of what is in it.
// Nodes are numbered depth first: the subtree of node i is i to end[i] - 1.

// Kinds of frames, as in model/profile.h.
const PYTHON = 0, NATIVE = 1, INLINED = 2, KERNEL = 3, MARKER = 4, THREAD = 5, PROCESS = 6, LABEL = 7;

// Layers of time: what the bar shows and a key folds.
const LAYERS = [
	{ id: 'python', name: 'Python', key: '1', letter: 'p', kinds: [PYTHON] },
	{ id: 'native', name: 'C and C++', key: '2', letter: 'c', kinds: [NATIVE, INLINED] },
	{ id: 'kernel', name: 'kernel', key: '3', letter: 'k', kinds: [KERNEL] },
];
const OTHER = LAYERS.length; // markers, and stacks without a frame
const LAYER_OF_KIND = [0, 1, 1, 2, OTHER, OTHER, OTHER, OTHER];

class Profile {
	constructor(meta, sections) {
		this.meta = meta;
		this.capture = meta.capture;
		this.readStrings(new Reader(sections.STRS));
		this.readFunctions(new Reader(sections.FUNC));
		this.readLocations(new Reader(sections.LOCS));
		this.readNodes(new Reader(sections.NUPS), new Reader(sections.NLOC));
		this.readSamples(new Reader(sections.SAMP));
		this.readTicks(new Reader(sections.TICK));
		this.readSources(new Reader(sections.SRCS));
		this.modules = new Map(meta.modules.map(module => [module.name, module]));
		this.labels = new Map();
	}

	readStrings(reader) {
		const n = this.nStrings = reader.number();
		const lengths = reader.numbers(n);
		this.stringAt = new Uint32Array(n + 1);
		for (let i = 0; i < n; i++)
			this.stringAt[i + 1] = this.stringAt[i] + lengths[i];
		this.stringBytes = reader.take(this.stringAt[n]);
		// One byte, one character: right for ASCII, and the places are the same for all.
		this.stringText = new TextDecoder('latin1').decode(this.stringBytes);
		this.stringCache = new Map();
	}

	// A string as it is shown; from: bytes to leave out at its start.
	text(id, from = 0) {
		const key = from * this.nStrings + id;
		let text = this.stringCache.get(key);
		if (text === undefined) {
			const begin = this.stringAt[id] + from, end = this.stringAt[id + 1];
			text = this.stringText.slice(begin, end);
			if (/[^ -~]/.test(text))
				text = Text.decode(this.stringBytes.subarray(begin, end));
			this.stringCache.set(key, text);
		}
		return text;
	}

	readFunctions(reader) {
		const n = reader.number();
		this.nFunctions = n;
		this.fnName = new Uint32Array(n);
		this.fnFile = new Uint32Array(n);
		this.fnModule = new Uint32Array(n);
		this.fnKind = new Uint8Array(n);
		this.fnOwn = new Uint8Array(n);
		this.fnMachinery = new Uint8Array(n); // by its name, how the interpreter calls
		this.fnInterpreter = new Uint8Array(n); // C of the interpreter or the C library
		this.fnSkip = new Uint32Array(n);
		for (let i = 0; i < n; i++) {
			this.fnName[i] = reader.number();
			this.fnFile[i] = reader.number();
			this.fnModule[i] = reader.number();
			const bits = reader.number();
			this.fnKind[i] = bits & 7;
			this.fnOwn[i] = bits >> 3 & 1;
			this.fnMachinery[i] = bits >> 4 & 1;
			this.fnInterpreter[i] = bits >> 5 & 1;
			this.fnSkip[i] = reader.number();
		}
	}

	readLocations(reader) {
		const n = reader.number();
		this.nLocations = n;
		this.locFn = new Uint32Array(n);
		this.locLine = new Uint32Array(n);
		for (let i = 0; i < n; i++) {
			this.locFn[i] = reader.number();
			this.locLine[i] = reader.number();
		}
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

	readSources(reader) {
		const n = reader.number();
		const heads = [];
		for (let i = 0; i < n; i++)
			heads.push({ file: reader.number(), changed: reader.number() !== 0, length: reader.number() });
		// file (a string's id) -> { changed, bytes, lines }
		this.sources = new Map(heads.map(head => [head.file, { changed: head.changed, bytes: reader.take(head.length),
			lines: null }]));
	}

	// Lines of a source file from 1 on, or null; decoded when first asked for.
	sourceLines(file) {
		const source = this.sources.get(file);
		if (!source)
			return null;
		if (!source.lines) {
			source.lines = [''];
			for (let at = 0; at < source.bytes.length;) {
				let end = source.bytes.indexOf(10, at);
				if (end < 0)
					end = source.bytes.length;
				let line = source.bytes.subarray(at, end);
				if (line[line.length - 1] === 13)
					line = line.subarray(0, -1);
				source.lines.push(Text.decode(line.map(byte => byte === 9 ? 32 : byte)));
				at = end + 1;
			}
		}
		return source.lines;
	}

	// Its module is the place of what has no name: "[unknown+0x12]".
	name(fn) {
		const name = this.text(this.fnName[fn]) || '[unknown]', module = this.text(this.fnModule[fn]);
		return this.isUnnamed(fn) && module && name.startsWith('[unknown ' + module)
			? '[unknown' + name.slice('[unknown '.length + module.length) : name;
	}

	isUnnamed(fn) {
		return this.unnamed[fn] === 1;
	}

	// By function: C whose name is an address.
	get unnamed() {
		if (!this.unnamedFns) {
			const start = new TextEncoder().encode('[unknown');
			this.unnamedFns = this.fnKind.map((kind, fn) => (kind === NATIVE || kind === INLINED) &&
				start.every((byte, i) => this.stringBytes[this.stringAt[this.fnName[fn]] + i] === byte));
		}
		return this.unnamedFns;
	}

	// By function: itself, or for what has no name the first such of its module.
	get joined() {
		if (!this.joinedFns) {
			const first = new Map();
			this.joinedFns = Uint32Array.from({ length: this.nFunctions }, (_, fn) => {
				if (!this.isUnnamed(fn))
					return fn;
				const module = this.fnModule[fn];
				if (!first.has(module))
					first.set(module, fn);
				return first.get(module);
			});
		}
		return this.joinedFns;
	}

	// Where the code is, short: "app.py", "json/decoder.py", "libc.so.6", "_json.so" without what
	// the build put into the name (PEP 3149), ""
	place(fn) {
		const module = this.text(this.fnModule[fn]).replace(/\.cpython-.*?(?=\.so)/, '');
		switch (this.fnKind[fn]) {
		case PYTHON:
			return this.text(this.fnFile[fn], this.fnSkip[fn]);
		case NATIVE:
			return module;
		case INLINED:
			return module + (module ? ', ' : '') + 'inlined';
		case KERNEL:
			return 'kernel';
		default:
			return '';
		}
	}

	// The same in full: the path of the source or of the module
	fullPlace(fn) {
		const kind = this.fnKind[fn];
		if (kind === PYTHON)
			return this.text(this.fnFile[fn]);
		const module = this.modules.get(this.fnModule[fn]);
		const file = this.text(this.fnFile[fn]);
		const path = module && module.path ? Text.show(module.path) : this.text(this.fnModule[fn]);
		return [path, file].filter(part => part).join(' · ');
	}

	// "report (app.py)"
	label(fn) {
		let label = this.labels.get(fn);
		if (label === undefined) {
			const place = this.fnKind[fn] === KERNEL ? '' : this.place(fn);
			label = this.name(fn) + (place ? ' (' + place + ')' : '');
			this.labels.set(fn, label);
		}
		return label;
	}

	// PROCESS or THREAD: the outermost frames that stand for where a stack was, 0: none
	get roots() {
		return this.fnKind.includes(PROCESS) ? PROCESS : this.fnKind.includes(THREAD) ? THREAD : 0;
	}

	// Layer of each function, as an index of LAYERS or OTHER; [gc] stands for the collector's C.
	get fnLayer() {
		if (!this.layerFns)
			this.layerFns = this.fnKind.map((kind, fn) => this.isGc(fn) ? 1 : LAYER_OF_KIND[kind]);
		return this.layerFns;
	}

	isGc(fn) {
		return this.fnKind[fn] === MARKER && this.name(fn) === '[gc]';
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

	threadName(index) {
		const thread = this.meta.threads[index];
		return (Text.show(thread.name) || 'thread') + ' ' + thread.tid;
	}

	processName(index) {
		const process = this.meta.processes[index];
		return (Text.show(process.title) || Text.show(process.name) || 'process') + ' ' + process.pid;
	}
}
