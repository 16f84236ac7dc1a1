// SPDX-License-Identifier: BSD-2-Clause
// Quality: what was done to find out, what could not be seen, and what it cost.

const Quality = (() => {
	const DONE = 'climbed';

	function bad(memory) {
		const { meta } = memory, partial = memory.looks.filter(look => look.partial).length;
		return [
			...meta.rungs.filter(({ state }) => ['partly', 'refused', 'failed'].includes(state)).map(({ name, state, why }) =>
				name + ' ' + state + (why ? ': ' + Text.cut(Text.show(why), 500) : '')),
			...meta.rungs.filter(({ lost }) => lost).map(({ name, lost }) => Text.plural(lost, 'event') + ' of ' + name + ' lost'),
			...(partial ? [Text.plural(partial, 'look') + ' did not reach all of the heap'] : []),
			...(meta.end === 'budget' ? ['The probes cost more than they may, and were taken out'] : []),
			...(meta.end === 'exec' ? ['The process became another program'] : []),
		];
	}

	const rows = memory => memory.meta.rungs.map(({ name, state, why, took_s: took, hits, slowdown }) => [name,
		state === DONE ? Text.seconds(took) : state, [why && Text.show(why), hits && Text.plural(hits, 'hit') + ' of probes',
			slowdown > 0 && 'cost ' + Text.percent(slowdown, 1, 2) + ' of its time'].filter(part => part).join('; ')]);

	function facts(memory) {
		const { capture, meta } = memory;
		return [
			...About.fact('target', capture.title || capture.name), ...About.fact('process', capture.pid),
			...About.fact('interpreter', capture.interpreter), ...About.fact('allocator', meta.target.allocator),
			...About.fact('host', capture.host), ...About.fact('start', When.full(capture.start_unix_ms)),
			...About.fact('length', memory.duration && Text.seconds(memory.duration)),
			...About.fact('in the kernel', meta.cost.kernel_bytes && Amount.bytes(meta.cost.kernel_bytes)),
			...About.fact('own CPU time', Text.seconds(meta.cost.own_cpu_s)),
			...meta.blind.map(text => ['not seen', Text.cut(Text.show(text), 500)]),
		];
	}

	function show(element, memory) {
		const { meta } = memory, climbed = meta.rungs.filter(({ state }) => state === DONE || state === 'partly').map(({ name }) => name);
		About.show(element, { title: 'This hunt', bad: bad(memory), good: 'Every rung that was climbed went through, and nothing of it was lost.',
			verdict: Text.plural(memory.census.length, 'look') + ', ' + (climbed.join(', ') || 'nothing climbed'),
			details: ['cost ' + Text.percent(meta.cost.target_cpus, 1), meta.blind.length && Text.plural(meta.blind.length, 'blind spot')].filter(part => part),
			rows: rows(memory), losses: About.lossesOf(meta), facts: facts(memory) });
	}

	return { show };
})();
