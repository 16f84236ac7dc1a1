// SPDX-License-Identifier: BSD-2-Clause
// Quality: what is missing in the trace and what is guessed, and what it cost.

const Quality = (() => {
	// Those of src/analyse/callees.c.
	const doubts = meta => meta.doubts.map(text => Text.cut(Text.show(text), 1000) + '.');

	function rows(trace) {
		const { counts, probes } = trace.meta, price = (n, ns) => Text.count(n) + ' at ' + Text.count(ns) + ' ns';
		return [
			['calls', Text.count(trace.calls), 'of functions that were probed' + (trace.nCalls > trace.calls ? '; generators went on ' +
				Text.count(trace.nCalls - trace.calls) + ' times' : '')],
			['guessed', Text.count(counts.guessed_ends + counts.guessed_beginnings), 'ends or beginnings that were not seen; they are hatched'],
			['not ended', Text.count(counts.cut), 'when the record of their execution did; a broken line is where they are cut'],
			['events lost', Text.count(counts.lost), 'calls are missing'],
			['executions', Text.count(trace.executions.length) + ' of ' + Text.count(counts.seen), 'that were seen to begin; ' + [
				[counts.shorter, 'were shorter than asked for'], [counts.unmet, 'did not meet the condition'],
				[counts.undecided, 'had a condition that could not be decided'],
				[counts.skipped, 'began while others were recorded'], [counts.gone, 'had ended before all was probed'],
				[counts.unsent, 'were lost whole']].filter(([n]) => n)
				.map(([n, text]) => Text.count(n) + ' ' + text).join(', ')],
			['partial', Text.count(counts.partial), 'began before all places were probed'],
			['cost in the target', Text.percent(probes.cost_cpus, 1, 2), 'of one CPU: hits of probes times their price'],
			['hits of probes', price(probes.hits, probes.hit_ns), 'at places that the kernel emulates'],
			...(probes.stepped_hits ? [['single-stepped', price(probes.stepped_hits, probes.stepped_hit_ns), 'at places that it does not']] : []),
		];
	}

	function facts(trace) {
		const { capture, meta } = trace, { probes } = meta;
		return [
			...About.fact('target', capture.title || capture.name), ...About.fact('process', capture.pid),
			...About.fact('interpreter', capture.interpreter), ...About.fact('host', capture.host),
			...About.fact('start', When.full(capture.start_unix_ms)),
			...About.fact('length', capture.duration_ns && Text.seconds(capture.duration_ns / 1e9)),
			...About.fact('probed places', Text.count(probes.sites) + ', attached in ' + Math.round(probes.attach_ms) + ' ms'),
			...About.fact('threads', meta.threads.length),
		];
	}

	function show(element, trace) {
		const { meta } = trace, { counts, probes } = meta, guessed = counts.guessed_ends + counts.guessed_beginnings;
		const details = [guessed && Text.count(guessed) + ' guessed', counts.cut && Text.count(counts.cut) + ' not ended',
			counts.partial && Text.count(counts.partial) + ' partial', probes.hits && 'cost ' + Text.percent(probes.cost_cpus, 1)];
		About.show(element, { title: 'This trace', bad: doubts(meta), good: 'Every call that was probed is there, with both of its ends.',
			verdict: Text.plural(trace.calls, 'call') + (counts.lost ? ', ' + Text.plural(counts.lost, 'event') + ' lost' : ', none lost'),
			details: details.filter(part => part), rows: rows(trace), losses: About.lossesOf(meta), facts: facts(trace) });
	}

	return { show };
})();
