// SPDX-License-Identifier: BSD-2-Clause
// Code: what the data of all pages has: functions and lines by number, their
// texts, the sources, processes and threads.

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

class Code {
	constructor(meta, sections) {
		this.meta = meta;
		this.capture = meta.capture;
		this.readStrings(new Reader(sections.STRS));
		this.readFunctions(new Reader(sections.FUNC));
		this.readLocations(new Reader(sections.LOCS));
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

	// Layer of each function, as an index of LAYERS or OTHER; [gc] stands for the collector's C.
	get fnLayer() {
		if (!this.layerFns)
			this.layerFns = this.fnKind.map((kind, fn) => this.isGc(fn) ? 1 : LAYER_OF_KIND[kind]);
		return this.layerFns;
	}

	isGc(fn) {
		return this.fnKind[fn] === MARKER && this.name(fn) === '[gc]';
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
