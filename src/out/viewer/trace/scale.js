// SPDX-License-Identifier: BSD-2-Clause
// Scale: a span of time on so many pixels, its ticks, and the text of each.

class Scale {
	// from, to: ns; x of from, pixels from there to `to`
	constructor(from, to, left, width) {
		Object.assign(this, { from, to, left, width, perNs: to > from ? width / (to - from) : 0 });
	}

	x(ns) {
		return this.left + (ns - this.from) * this.perNs;
	}

	ns(x) {
		return this.perNs ? this.from + (x - this.left) / this.perNs : this.from;
	}

	// 1, 2 or 5 times a power of ten, so that two are at least so many pixels apart
	step(pixels) {
		const least = pixels / (this.perNs || 1), power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
		return [1, 2, 5, 10].map(factor => factor * power).find(step => step >= least) || power;
	}

	// [{ x, text }]
	ticks(pixels) {
		const step = this.step(pixels), found = [];
		const [unit, name] = [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs']].find(([of]) => this.to >= of) || [1, 'ns'];
		const decimals = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
		if (!this.perNs)
			return [];
		for (let at = Math.ceil(this.from / step); at * step <= this.to; at++)
			found.push({ x: this.x(at * step), text: (at * step / unit).toFixed(decimals) + ' ' + name });
		return found;
	}
}
