// SPDX-License-Identifier: BSD-2-Clause
// Quality: how far the capture can be trusted, in two lines; green only if all
// is well, otherwise amber, and the causes are one click away.

const Quality = (() => {
	// Causes that mark, shorten or delay a stack, and how often does harm is counted by the stacks.
	const MARKS = /^(py_|nat_|merge_|reanchor|ring_code$|code_read$|name_missing$)/i;
	const ENOUGH = 0.99; // of the samples complete
	const UNSURE = 0.01; // of the samples marked
	const CHEAP = 0.02; // of one CPU

	// What was lost, marked or delayed: [{ name, text, count }]
	const lossesOf = ({ meta }) => Object.entries(meta.lost).filter(([, count]) => count)
		.map(([name, count]) => ({ name, count, text: meta.causes[name] }));

	function judge(profile) {
		const { capture, meta } = profile, { quality } = meta, losses = lossesOf(profile);
		const samples = quality.samples || profile.total;
		const gaps = losses.filter(loss => !MARKS.test(loss.name));
		const changed = [...profile.sources].filter(([, source]) => source.changed).map(([file]) => profile.text(file));
		const cost = capture.duration_ns ? (capture.probe_ns || 0) / capture.duration_ns : 0;
		const problems = [capture.problem, ...meta.processes.map(process => process.problem)].filter(text => text);
		const bad = [];
		const say = (is, text) => is && bad.push(text);
		say(capture.cut, 'The recording breaks off: all that is shown is of the part that is there.');
		say(quality.lost, Text.plural(quality.lost, 'sample was', 'samples were') + ' lost; the causes are below.');
		say(!quality.lost && gaps.length, 'Some of what happened was not taken in; the causes are below.');
		say(capture.note, 'Of the recording: ' + Text.show(capture.note) + '.');
		say(problems.length, 'Python frames are not shown: ' + Text.show([...new Set(problems)].join('; ')) + '.');
		say(quality.samples && quality.complete < ENOUGH * samples,
			Text.percent(samples - quality.complete, samples, 2) + ' of the stacks are not complete.');
		say(quality.marked > UNSURE * samples, Text.percent(quality.marked, samples, 2) +
			' of the stacks are marked: their Python half could be wrong, so it is not shown.');
		say(cost > CHEAP, 'Watching cost the target ' + Text.percent(capture.probe_ns, capture.duration_ns, 1) + ' of one CPU.');
		say(quality.missing, Text.plural(quality.missing, 'sample') + ' (' + Text.percent(quality.missing, quality.expected) +
			') fewer than the CPU time that the kernel counted is worth.');
		say(quality.children, Text.show(quality.children) + ', not recorded: --children takes them along.');
		say(changed.length, 'Sources that may be newer than what the process read, so lines may not be those that ran: ' +
			Text.cut(changed.join(', '), 400) + '.');
		return { bad, samples, cost };
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
		const text = (name, value) => value ? [[name, Text.show(String(value))]] : [];
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

	function open(profile, verdict) {
		const losses = lossesOf(profile);
		Popup.open('quality', 'This capture', [
			verdict.bad.length ? Dom.el('ul.causes', null, verdict.bad.map(text => Dom.el('li', null, text)))
				: Dom.el('p.well', null, '✓ Nothing was lost, and the stacks are what they seem.'),
			Dom.el('table', null, rows(profile, verdict).map(([name, value, meaning]) => Dom.el('tr', null,
				Dom.el('th', { scope: 'row' }, name), Dom.el('td.number', null, value), Dom.el('td.meaning', null, meaning)))),
			Dom.el('h2', null, losses.length ? 'Lost, marked or delayed, by cause' : 'Losses by cause: none'),
			Dom.el('table.losses', null, losses.map(loss => Dom.el('tr', null,
				Dom.el('td.number', null, Text.count(loss.count)), Dom.el('td', null, Text.show(loss.text))))),
			Dom.el('h2', null, 'What was captured'),
			Dom.el('table', null, facts(profile).map(([name, value]) => Dom.el('tr', null,
				Dom.el('th', { scope: 'row' }, name), Dom.el('td', null, value)))),
		]);
	}

	function show(element, profile) {
		const verdict = judge(profile), { quality } = profile.meta, { capture } = profile;
		const well = !verdict.bad.length;
		const details = quality.samples ? [Text.percent(quality.complete, verdict.samples, 2) + ' complete',
			Text.count(quality.marked) + ' marked'] : [];
		if (capture.probe_ns && capture.duration_ns)
			details.push('cost ' + Text.percent(capture.probe_ns, capture.duration_ns));
		if (quality.missing)
			details.unshift(Text.count(quality.missing) + ' missing');
		if (capture.cut)
			details.unshift('cut off');
		const button = Dom.el('button', { id: 'quality', type: 'button', onclick: () => open(profile, verdict),
			title: [...verdict.bad, 'Click for all that is known of this capture'].join('\n') },
		Dom.el('span.verdict' + (well ? '.well' : '.doubt'), null, (well ? '✓ ' : '▲ ') +
			Text.plural(verdict.samples, 'sample') + (quality.lost ? ', ' + Text.count(quality.lost) + ' lost' : ', none lost')),
		Dom.el('span.details', null, details.join(' · ') || 'about this capture'));
		Dom.fill(element, button);
	}

	return { show, judge };
})();

// Times of day, as the reader's clock has them.
const When = (() => {
	const two = n => String(n).padStart(2, '0');
	const day = date => date.getFullYear() + '-' + two(date.getMonth() + 1) + '-' + two(date.getDate());
	const short = ms => ms ? day(new Date(ms)) + ' ' + two(new Date(ms).getHours()) + ':' + two(new Date(ms).getMinutes()) : '';
	const full = ms => ms ? short(ms) + ':' + two(new Date(ms).getSeconds()) : '';
	return { short, full };
})();
