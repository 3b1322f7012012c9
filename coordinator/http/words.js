// Writes numbers, times and states for people, and holds what several parts of the page share.
'use strict';

const whole = new Intl.NumberFormat('en');
const count = (value) => whole.format(Math.round(value));

function compact(value) {
  const size = Math.abs(value);
  const short = (unit, letter) => `${Number((value / unit).toPrecision(3))}${letter}`;
  if (size >= 1e9) return short(1e9, 'G');
  if (size >= 1e6) return short(1e6, 'M');
  if (size >= 1e4) return short(1e3, 'k');
  return size >= 100 || Number.isInteger(value) ? count(value) : String(Number(value.toPrecision(3)));
}

function measure(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
  return size >= 100 ? value.toFixed(1) : value.toFixed(3);
}

function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  const pair = (big, bigUnit, small, smallUnit) => `${big} ${bigUnit}${small ? ` ${small} ${smallUnit}` : ''}`;
  if (s < 60) return `${s} s`;
  if (s < 600) return pair(Math.floor(s / 60), 'min', s % 60, 's');
  if (s < 3600) return `${Math.round(s / 60)} min`;
  if (s < 86400) return pair(Math.floor(s / 3600), 'h', Math.floor(s % 3600 / 60), 'min');
  return pair(Math.floor(s / 86400), 'd', Math.floor(s % 86400 / 3600), 'h');
}

const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
const ago = (ms, now) => `${duration((now - ms) / 1000)} ago`;

function clock(ms, now) {
  const at = new Date(ms);
  const time = at.toLocaleTimeString('en-GB');
  if (Math.abs(now - ms) < 12 * 3600 * 1000) return time;
  return `${at.toLocaleDateString('en-GB', {day: 'numeric', month: 'short'})} ${time.slice(0, 5)}`;
}

const time = (ms, now) =>
    el('time', {datetime: new Date(ms).toISOString(), title: new Date(ms).toString()}, clock(ms, now));
const lower = (text) => text.toLowerCase().replaceAll('_', ' ');

const pill = (state) => el('span', {class: `pill state-${state.toLowerCase()}`}, state.toLowerCase());

const flags = (job) => job.flags.map((flag) => el('span', {class: 'flag', title: job.reason}, lower(flag)));

function doneText({done, total, unit}) {
  const short = total >= 1e6 ? compact : count;
  return `${short(done)} of ${short(total)} ${unit}`;
}

function progressBar(job, large = false) {
  const {progress} = job;
  if (!progress || !progress.total) return null;
  const percent = Math.min(100, 100 * progress.done / progress.total);
  const left = progress.seconds_left === null ? '' : `${duration(progress.seconds_left)} left`;
  return el(
      'div', {class: large ? 'progress large' : 'progress'},
      el('div', {class: 'line'}, el('b', {}, `${percent.toFixed(percent < 10 ? 1 : 0)} %`),
         el('span', {}, doneText(progress)), left && el('span', {class: 'left'}, left)),
      el('div', {
        class: 'track',
        role: 'progressbar',
        'aria-valuenow': percent.toFixed(0),
        'aria-valuemin': 0,
        'aria-valuemax': 100,
        'aria-label': `progress of ${job.name}`
      },
         el('div', {class: job.has_slots ? 'fill' : 'fill still', 'width%': percent.toFixed(2)})));
}

function waitText(job, now) {
  const parts = [];
  if (job.position) parts.push(`${ordinal(job.position)} in the queue`);
  if (job.predicted_start_ms) {
    const seconds = (job.predicted_start_ms - now) / 1000;
    parts.push(seconds > 1 ? `starts in about ${duration(seconds)}` : 'starts any moment');
  }
  return parts.join(', ');
}

function ordinal(n) {
  const tail = n % 100 > 10 && n % 100 < 14 ? 'th' : ['th', 'st', 'nd', 'rd'][n % 10] || 'th';
  return `${n}${tail}`;
}

const placementText = (job) => job.placement.map(({host, ranks}) => `${host}:${ranks}`).join(' ');

function gangText(job) {
  return `${plural(job.ranks, 'rank')}${job.slots_per_rank > 1 ? ` × ${job.slots_per_rank} slots` : ''}`;
}

function eventItem(event, now, named) {
  const subject = event.job_id ? el('a', {href: `#/job/${event.job_id}`}, event.name || `job ${event.job_id}`) :
                              el('b', {}, event.host || 'coordinator');
  const from = event.from && event.from !== event.to ? `${lower(event.from)} → ` : '';
  const moved = event.to ? el('span', {class: 'move'}, from, el('b', {}, lower(event.to))) : null;
  const why = [lower(event.cause), event.actor].filter(Boolean).join(' · ');
  return el(
      'li', {key: `event-${event.sequence}`, class: `event to-${(event.to || 'none').toLowerCase()}`},
      time(event.at_ms, now),
      el('div', {class: 'what'},
         el('div', {class: 'line'}, named ? subject : null, moved, why ? el('span', {class: 'sub'}, why) : null),
         event.message && el('div', {class: 'message'}, event.message)));
}

function eventList(events, now, named) {
  if (!events.length) return el('p', {class: 'quiet'}, 'Nothing is on record yet.');
  return el('ol', {class: 'events', tabindex: 0}, [...events].reverse().map((event) => eventItem(event, now, named)));
}

function card(title, name, ...children) {
  return el('section', {class: `card ${name}`, 'aria-label': title}, el('h2', {}, title), ...children);
}
