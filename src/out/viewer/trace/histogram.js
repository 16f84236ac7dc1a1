// SPDX-License-Identifier: BSD-2-Clause
// Histogram: how often calls of a function took how long, on a logarithmic scale.

const Histogram = (() => {
	// Bars between the shortest and the longest: { counts, edges } of n bars, fewer if there is nothing between.
	function bins(durations, n) {
		if (!durations.length)
			return { counts: [], edges: [] };
		const low = durations[0], high = durations[durations.length - 1];
		const log = ns => Math.log(ns + 1), range = log(high) - log(low), bars = range ? n : 1;
		const of = ns => range ? Math.min(bars - 1, Math.floor(bars * (log(ns) - log(low)) / range)) : 0;
		const counts = new Array(bars).fill(0);
		durations.forEach(ns => counts[of(ns)]++);
		return { counts, of, edges: Array.from({ length: bars + 1 }, (_, i) => Math.exp(log(low) + range * i / bars) - 1) };
	}

	// As bars; marked: a duration whose bar is told apart, or NaN.
	function draw(durations, n, layer, marked) {
		const { counts, edges, of } = bins(durations, n), most = Math.max(1, ...counts);
		const at = of && marked >= durations[0] && marked <= durations[durations.length - 1] ? of(marked) : -1;
		return Dom.el('div.bars', { 'aria-hidden': 'true' }, counts.map((count, i) => {
			const bar = Dom.el('i.' + Paint.NAMES[layer] + (i === at ? '.marked' : '') + (count ? '' : '.none'), { title:
				Text.duration(edges[i]) + ' to ' + Text.duration(edges[i + 1]) + ': ' + Text.plural(count, 'call') });
			bar.style.height = (count ? 8 + 92 * count / most : 0).toFixed(1) + '%';
			return bar;
		}));
	}

	return { draw };
})();
