// SPDX-License-Identifier: BSD-2-Clause
// Quality: how far the capture can be trusted, in two lines; green only if all
// is well, otherwise amber, and the causes are one click away.

const Quality = (() => {
	// What model/doubts.c has to say, for the terminal and the pictures, too.
	function judge({ capture, meta, total }) {
		return { bad: meta.doubts.map(text => Text.cut(Text.show(text), 1000) + '.'), samples: meta.quality.samples || total,
			cost: capture.duration_ns ? (capture.probe_ns || 0) / capture.duration_ns : 0 };
	}

	function rows(profile, { samples, cost }) {
		const { capture, meta } = profile, { quality } = meta;
		const part = n => Text.count(n) + (samples ? ' · ' + Text.percent(n, samples, 2) : '');
		const list = [['samples', Text.count(samples), 'stacks seen while on CPU']];
		if (quality.samples)
			list.push(['complete', part(quality.complete), 'from the innermost frame to the start of the thread, in C and in Python'],
				['truncated', part(quality.truncated), 'frames are missing towards the root; a marker shows it'],
				['marked', part(quality.marked), 'the Python half could be wrong and is not shown; a marker shows it'],
				['bridged', part(quality.bridged), 'some C frames are missing before a Python frame; a marker shows it']);
		// What was counted of the whole capture is not known of a part.
		if (capture.duration_ns && capture.own_cpu_ns)
			list.push(['cost in the target', Text.percent(capture.probe_ns, capture.duration_ns, 2),
				'of one CPU: run time of the sampler' + (cost ? '' : ', not measured')],
			['CPU time of pitviper', Text.seconds(capture.own_cpu_ns / 1e9), 'start-up included'],
			['CPU time of the target', Text.seconds(capture.target_cpu_ns / 1e9),
				'as the kernel counted it; the samples stand for ' + profile.amount(samples)]);
		return list;
	}

	function facts(profile) {
		const { capture, meta } = profile;
		const text = About.fact;
		return [
			...text('target', capture.title || capture.name),
			...text('process', capture.pid), ...text('interpreter', capture.interpreter), ...text('host', capture.host),
			...text('start', When.full(capture.start_unix_ms)),
			...text('length', capture.duration_ns && Text.seconds(profile.duration)),
			...text('end', capture.cut ? 'the recording breaks off' : capture.ended ? 'the target ended' : ''),
			...text('engine', capture.engine && capture.engine +
				(capture.period_ns ? ', ' + Math.round(1e9 / capture.period_ns) + ' Hz' : '')),
			...text('processes', new Set(meta.processes.map(process => process.pid)).size), ...text('threads with samples', meta.threads.length),
			...text('without', [capture.no_native && 'C frames', capture.no_kernel && 'kernel frames']
				.filter(part => part).join(', ')),
		];
	}

	function show(element, profile) {
		const verdict = judge(profile), { quality } = profile.meta, { capture } = profile;
		const details = quality.samples ? [quality.complete_text,
			Text.count(quality.marked) + ' marked'] : [];
		if (capture.probe_ns && capture.duration_ns)
			details.push('cost ' + Text.percent(capture.probe_ns, capture.duration_ns));
		if (quality.missing)
			details.unshift(Text.count(quality.missing) + ' missing');
		if (capture.cut)
			details.unshift('cut off');
		About.show(element, { title: 'This capture', bad: verdict.bad, details,
			good: 'Nothing was lost, and the stacks are what they seem.',
			verdict: Text.plural(verdict.samples, 'sample') + (quality.lost ? ', ' + Text.count(quality.lost) + ' lost' : ', none lost'),
			rows: rows(profile, verdict), losses: About.lossesOf(profile.meta), facts: facts(profile) });
	}

	return { show };
})();
