// SPDX-License-Identifier: BSD-2-Clause
// Memory: a hunt as arrays: points of the mappings, looks, counts by type and by
// allocation site.  Times are in seconds since the hunt began.

// Kinds of looks and sources of sites, as in model/memory.h.
const CENSUS = 0, GROWTH = 0, MAPPED = 3;

const Amount = (() => {
	// Three digits, of 1000: "812 B", "12.3 kB", "1.50 MB".
	function bytes(n) {
		const units = ['B', 'kB', 'MB', 'GB', 'TB'];
		let value = n, unit = 0;
		while (unit < units.length - 1 && Math.abs(value) >= 999.5) {
			value /= 1000;
			unit++;
		}
		const size = Math.abs(value);
		return value.toFixed(!unit || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2) + ' ' + units[unit];
	}

	const of = (n, isCount) => isCount ? Text.count(n) : bytes(n);

	return { bytes, of };
})();

class Memory extends Code {
	constructor(meta, sections) {
		super(meta, sections);
		this.readNodes(new Reader(sections.NUPS), new Reader(sections.NLOC));
		this.readPoints(new Reader(sections.POIN));
		this.readLooks(new Reader(sections.LOOK));
		this.readTypes(new Reader(sections.TYPE));
		this.readSites(new Reader(sections.SITE));
		this.typeCounts = this.readCounts(sections.TCNT, this.types.length);
		this.siteCounts = this.readCounts(sections.SCNT, this.sites.length);
		this.source = this.capture.source;
		this.duration = this.capture.duration_ns / 1e9;
		this.census = this.looks.filter(look => look.kind === CENSUS);
		this.siteLooks = this.looks.filter(look => look.kind !== CENSUS && look.source === this.source);
		this.groupSites();
	}

	readNodes(ups, locs) {
		const n = this.nNodes = ups.number();
		this.parent = new Int32Array(n).fill(-1);
		this.loc = new Uint32Array(n);
		for (let i = 1; i < n; i++) {
			let above = i - 1;
			for (let up = ups.number(); up; up--)
				above = this.parent[above];
			this.parent[i] = above;
			this.loc[i] = locs.number();
		}
	}

	readPoints(reader) {
		const n = reader.number(), classes = reader.number();
		this.points = Array.from({ length: n }, () => {
			const point = { at: reader.number() / 1e9, rss: reader.number(), resident: [], mapped: [] };
			for (let i = 0; i < classes; i++) {
				point.resident.push(reader.number());
				point.mapped.push(reader.number());
			}
			return point;
		});
	}

	readLooks(reader) {
		this.looks = Array.from({ length: reader.number() }, (_, index) => ({ index, kind: reader.number(), source: reader.number(),
			at: reader.number() / 1e9, took: reader.number() / 1e9, count: reader.number(), bytes: reader.number(), partial: reader.number() !== 0 }));
	}

	readTypes(reader) {
		this.types = Array.from({ length: reader.number() }, (_, index) => ({ index, kind: reader.number(), name: reader.number(),
			module: reader.number(), size: reader.number() }));
		for (const type of this.types)
			type.label = Memory.typeLabel(this, type);
	}

	// "dict", "collections.deque", "blocks of 64 B", "C blocks up to 128 B": as pv_leak_type() of src/analyse/leak.c.
	static typeLabel(memory, { kind, name, module, size }) {
		if (kind)
			return kind === 1 ? 'blocks of ' + size + ' B' : 'C blocks up to ' + Amount.bytes(size);
		return (module ? memory.text(module) + '.' : '') + memory.text(name);
	}

	readSites(reader) {
		this.sites = Array.from({ length: reader.number() }, (_, index) => {
			const site = { index, source: reader.number(), domain: reader.number(), node: reader.number(), type: reader.number() - 1,
				seenCount: reader.number(), seenBytes: reader.number(), bursts: reader.number(), survived: reader.number() };
			site.weight = reader.number() / 1000;
			return site;
		});
	}

	// By look: { count, bytes }, arrays by what was counted.
	readCounts(bytes, n) {
		const reader = new Reader(bytes), found = new Map();
		while (reader.at < bytes.length) {
			const look = reader.number(), what = reader.number();
			if (!found.has(look))
				found.set(look, { count: new Float64Array(n), bytes: new Float64Array(n) });
			found.get(look).count[what] = reader.number();
			found.get(look).bytes[what] = reader.number();
		}
		return found;
	}

	static at(counts, look, what, isCount) {
		const of = look && counts.get(look.index);
		return of ? (isCount ? of.count : of.bytes)[what] : 0;
	}

	typeAt(look, type, isCount) {
		return Memory.at(this.typeCounts, look, type, isCount);
	}

	// Times the share that was seen.
	siteAt(look, site, isCount) {
		return Memory.at(this.siteCounts, look, site.index, isCount) * Math.max(1, site.weight);
	}

	// Code that allocates for others, as is_allocator() of src/analyse/sites.c.
	isAllocator(fn) {
		return this.fnInterpreter[fn] === 1 || /^(libstdc\+\+|libjemalloc|libtcmalloc|libmimalloc|libasan|libc\+\+)/.test(this.text(this.fnModule[fn]));
	}

	// The place in code that one can do something about, as pv_spot_of() of src/analyse/sites.c: locations, -1: none.
	spotOf(node) {
		const spot = { python: -1, under: -1, native: -1 };
		let inner = -1;
		for (let at = node; at > 0; at = this.parent[at]) {
			const loc = this.loc[at], fn = this.locFn[loc], kind = this.fnKind[fn];
			if (kind === PYTHON && inner < 0)
				inner = loc;
			if (kind === PYTHON && this.fnOwn[fn]) {
				spot.python = loc;
				break;
			}
			if ((kind === NATIVE || kind === INLINED) && spot.native < 0 && inner < 0 && !this.isAllocator(fn))
				spot.native = loc;
		}
		if (spot.python < 0)
			spot.python = inner;
		else if (inner !== spot.python)
			spot.under = inner;
		return spot;
	}

	// Sites of one place, together: what the area and the table of stacks show.
	groupSites() {
		const found = new Map();
		for (const site of this.sites.filter(({ source }) => source === this.source)) {
			const spot = this.spotOf(site.node), key = [spot.python, spot.under, spot.native].join();
			if (!found.has(key))
				found.set(key, { index: found.size, spot, sites: [], node: site.node, seenCount: 0, seenBytes: 0 });
			const place = found.get(key);
			place.sites.push(site);
			place.seenCount += site.seenCount * Math.max(1, site.weight);
			place.seenBytes += site.seenBytes * Math.max(1, site.weight);
		}
		this.places = [...found.values()];
		for (const place of this.places)
			place.label = this.spotLabel(place.spot);
	}

	// Numbers of places are of all the time, by what was seen in a part of it.
	get seenShare() {
		return 1 / this.sites.filter(({ source }) => source === this.source).reduce((most, { weight }) => Math.max(most, weight), 1);
	}

	get basis() {
		return this.seenShare < 1 ? 'judged by ' + Text.percent(this.seenShare, 1, 0) + ' of the time' : 'all of it was seen';
	}

	placeAt(look, place, isCount) {
		return place.sites.reduce((sum, site) => sum + this.siteAt(look, site, isCount), 0);
	}

	get lastSites() {
		return this.siteLooks[this.siteLooks.length - 1];
	}

	// "app.py:41", "libc.so.6"
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

	// "app.py:41 under handle", "app.py:41 under leak (_ext.so)": as pv_spot_text() of src/analyse/sites.c.
	spotLabel({ python, under, native }) {
		if (python < 0)
			return native < 0 ? '[unknown]' : this.labelOf(native);
		return this.placeOf(python) + ' under ' + (native >= 0 ? this.labelOf(native) : under >= 0 ? this.labelOf(under) : this.nameOf(python));
	}

	// What the flame graph shows is told in these.
	amount(n) {
		return Amount.of(n, this.isCount);
	}

	// Looks that end a span, from and to in seconds: what was left before it, and at its end.
	spanLooks(from, to) {
		const before = this.siteLooks.filter(({ at }) => at < from), until = this.siteLooks.filter(({ at }) => at <= to);
		return { first: from > 0 ? before[before.length - 1] : undefined, last: until[until.length - 1] };
	}

	// By node: what came to stay in the span.
	stays(from, to, isCount) {
		const { first, last } = this.spanLooks(from, to), values = new Float64Array(this.nNodes);
		for (const site of this.sites) {
			if (site.source === this.source)
				values[site.node] += Math.max(0, this.siteAt(last, site, isCount) - this.siteAt(first, site, isCount));
		}
		return values;
	}
}
