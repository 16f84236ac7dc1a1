// SPDX-License-Identifier: BSD-2-Clause
// When: times of day, as the reader's clock has them.
const When = (() => {
	const two = n => String(n).padStart(2, '0');
	const day = date => date.getFullYear() + '-' + two(date.getMonth() + 1) + '-' + two(date.getDate());
	const short = ms => ms ? day(new Date(ms)) + ' ' + two(new Date(ms).getHours()) + ':' + two(new Date(ms).getMinutes()) : '';
	const full = ms => ms ? short(ms) + ':' + two(new Date(ms).getSeconds()) : '';
	const clock = ms => full(ms).slice(11) + (ms ? '.' + String(Math.floor(ms % 1000)).padStart(3, '0') : '');
	return { short, full, clock };
})();
