// The status page: asks the JSON API once a second and shows the answer. What is shown is built as DOM nodes, text by
// textContent alone, and compared with what stands there: only differences are touched, so focus, hover and scroll
// position survive, and no name or message is ever parsed as markup.
'use strict';

// ---- nodes -----------------------------------------------------------------------------------------------------------

// el('div', {class: 'x', key: 3}, 'text', other, null, [more]): null and false are left out.
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === 'width%') made.style.width = `${value}%`;
    else if (key === 'key') made.dataset.key = value;
    else made.setAttribute(key, value === true ? '' : value);
  }
  made.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

function morph(from, to) {
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName) {
    from.replaceWith(to);
    return;
  }
  if (from.nodeType === Node.TEXT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return;
  }
  for (const {name} of [...from.attributes]) if (name !== 'style' && !to.hasAttribute(name)) from.removeAttribute(name);
  for (const {name, value} of to.attributes) {
    if (name !== 'style' && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  if (from.style.cssText !== to.style.cssText) from.style.cssText = to.style.cssText;
  morphChildren(from, to);
}

function morphChildren(from, to) {
  const keyOf = (node) => (node.dataset ? node.dataset.key : undefined);
  const keyed = new Map();
  for (const child of from.children) if (keyOf(child) !== undefined) keyed.set(keyOf(child), child);
  let at = from.firstChild;
  for (const next of [...to.childNodes]) {
    const key = keyOf(next);
    const match = key !== undefined ? keyed.get(key) : at && keyOf(at) === undefined ? at : undefined;
    if (!match) {
      from.insertBefore(next, at);
    } else if (match === at) {
      at = at.nextSibling;
      morph(match, next);
    } else {
      from.insertBefore(match, at);
      morph(match, next);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// ---- words -----------------------------------------------------------------------------------------------------------

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

const time = (ms, now) => el('time', {datetime: new Date(ms).toISOString(), title: new Date(ms).toString()}, clock(ms, now));
const lower = (text) => text.toLowerCase().replaceAll('_', ' ');

const RUNS = new Set(['STARTING', 'RUNNING', 'PREEMPTING', 'COMPLETING']);
const ENDED = new Set(['SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMEOUT']);

// ---- data ------------------------------------------------------------------------------------------------------------

const PERIOD_MS = 1000;
const PATIENCE_MS = 4000;
const STALE_MS = 3500;
const MOST_JOBS = 300;

const data = {top: null, history: null, events: null, job: null};
const link = {heardAt: null, trouble: null, turn: 0};
const hover = {};  // chart -> index of the point

async function ask(path) {
  const answer = await fetch(path, {signal: AbortSignal.timeout(PATIENCE_MS), headers: {Accept: 'application/json'}});
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  throw Object.assign(new Error(body.error || `HTTP ${answer.status}`), {status: answer.status});
}

const chosenJob = () => (location.hash.match(/^#\/job\/(\d+)$/) || [])[1];

async function refresh() {
  const job = chosenJob();
  const slow = link.turn++ % 3 === 0;
  try {
    const wanted = job ? {job: `api/job?job=${job}&limit=60`} : {top: `api/top?limit=${MOST_JOBS}`};
    if (job && (slow || !data.top)) wanted.top = `api/top?limit=${MOST_JOBS}`;
    if (!job && (slow || !data.events)) {
      wanted.history = 'api/history?limit=12';
      wanted.events = 'api/events?limit=30';
    }
    const names = Object.keys(wanted);
    const answers = await Promise.all(names.map((name) => ask(wanted[name])));
    names.forEach((name, i) => { data[name] = answers[i]; });
    link.heardAt = performance.now();
    link.trouble = null;
  } catch (error) {
    link.trouble = error;
    if (error.status === 404 && job) data.job = {missing: job};
  }
  show();
}

async function run() {
  const began = performance.now();
  if (!document.hidden) await refresh();
  setTimeout(run, Math.max(100, PERIOD_MS - (performance.now() - began)));
}

// ---- parts -----------------------------------------------------------------------------------------------------------

const pill = (state) => el('span', {class: `pill state-${state.toLowerCase()}`}, state.toLowerCase());

const flags = (job) => job.flags.map((flag) =>
    el('span', {class: 'flag', title: FLAG_TEXT[flag] || flag}, lower(flag)));

const FLAG_TEXT = {
  UNREACHABLE: 'Its agent has not been heard for a while. Nobody is killed for that.',
  STRAGGLING: 'One of its ranks holds up the others.',
  DEGRADED_STORAGE: 'Checkpoints cannot be kept. The work goes on without.',
  RECONCILING: 'It ran before the coordinator started and has not reported yet.',
};

function doneText({done, total, unit}) {
  const short = total >= 1e6 ? compact : count;
  return `${short(done)} of ${short(total)} ${unit}`;
}

function progressBar(job, large = false) {
  const {progress} = job;
  if (!progress || !progress.total) return null;
  const percent = Math.min(100, 100 * progress.done / progress.total);
  const moving = RUNS.has(job.state);
  const left = progress.seconds_left === null || !moving ? '' : `${duration(progress.seconds_left)} left`;
  return el('div', {class: large ? 'progress large' : 'progress'},
      el('div', {class: 'line'},
          el('b', {}, `${percent.toFixed(percent < 10 ? 1 : 0)} %`),
          el('span', {}, doneText(progress)),
          left && el('span', {class: 'left'}, left)),
      el('div', {class: 'track', role: 'progressbar', 'aria-valuenow': percent.toFixed(0), 'aria-valuemin': 0,
        'aria-valuemax': 100, 'aria-label': `progress of ${job.name}`},
      el('div', {class: moving ? 'fill' : 'fill still', 'width%': percent.toFixed(2)})));
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

const gangSize = (job) => (Array.isArray(job.ranks) ? job.rank_count : job.ranks);

function gangText(job) {
  const size = gangSize(job);
  return `${plural(size, 'rank')}${job.slots_per_rank > 1 ? ` × ${job.slots_per_rank} slots` : ''}`;
}

function nameCell(job) {
  return el('td', {class: 'name', role: 'cell'},
      el('a', {href: `#/job/${job.id}`}, job.name || `job ${job.id}`),
      el('span', {class: 'sub'}, `${job.stage} · ${job.owner || 'nobody'}`));
}

// What a waiting job waits for takes the place of the numbers that it does not have.
function waitCell(job, now) {
  const {progress} = job;
  const reached = progress && progress.total ? `${doneText(progress)} done` : '';
  return el('td', {class: 'wait', role: 'cell', colspan: 4},
      el('span', {class: 'reason'}, job.reason),
      el('span', {class: 'sub'}, [waitText(job, now), reached].filter(Boolean).join(' · ')));
}

function numberCells(job) {
  const number = (name, label, text) => el('td', {class: `num ${name}`, role: 'cell', 'data-label': label}, text);
  const {progress, values: {loss}} = job;
  return [
    el('td', {class: 'done', role: 'cell'}, progressBar(job) || el('span', {class: 'sub'}, 'no report yet')),
    number('rate', 'tokens/s', progress ? compact(progress.tokens_per_second) : '–'),
    number('loss', 'loss', typeof loss === 'number' ? measure(loss) : '–'),
    number('gen', 'gen.', job.generation ? String(job.generation) : '–'),
  ];
}

function jobRow(job, now) {
  const runs = RUNS.has(job.state);
  const hosts = job.hosts.join(' ');
  return el('tbody', {key: `job-${job.id}`, class: runs ? 'job' : 'job waiting', role: 'rowgroup'},
      el('tr', {role: 'row', 'data-action': 'open', 'data-job': job.id},
          el('td', {class: 'id', role: 'cell'}, String(job.id)),
          nameCell(job),
          el('td', {class: 'state', role: 'cell'}, el('span', {class: 'pills'}, pill(job.state), flags(job))),
          runs ? numberCells(job) : waitCell(job, now),
          el('td', {class: 'gang', role: 'cell'}, gangText(job),
              runs && hosts ? el('span', {class: 'sub', title: hosts}, hosts) : null)),
      runs && job.reason && el('tr', {class: 'why', role: 'row'},
          el('td', {role: 'cell', class: 'gap'}),
          el('td', {role: 'cell', colspan: 7}, el('span', {class: 'reason'}, job.reason))));
}

function jobTable(jobs, now, caption) {
  const head = ['', 'Job', 'State', 'Progress', 'Tokens/s', 'Loss', 'Gen.', 'Gang'];
  const kinds = ['id', 'name', 'state', 'done', 'num', 'num', 'num', 'gang'];
  return el('table', {class: 'jobs', role: 'table', 'aria-label': caption},
      el('thead', {role: 'rowgroup'}, el('tr', {role: 'row'}, head.map((text, i) =>
          el('th', {class: kinds[i], role: 'columnheader', scope: 'col'}, text)))),
      jobs.map((job) => jobRow(job, now)));
}

function tile(label, value, note, {warns, extra} = {}) {
  return el('div', {class: 'tile'}, el('span', {class: 'label'}, label), el('span', {class: 'value'}, value),
      el('span', {class: warns ? 'note warns' : 'note'}, note), extra);
}

function tiles(top) {
  const running = top.jobs.filter((job) => RUNS.has(job.state));
  const recovering = top.jobs.filter((job) => job.state === 'RECOVERING').length;
  const held = top.jobs.filter((job) => job.state === 'HELD').length;
  const rate = running.reduce((sum, job) => sum + (job.progress ? job.progress.tokens_per_second : 0), 0);
  const slots = top.hosts.reduce((sum, host) => sum + host.slots, 0);
  const used = slots - top.hosts.reduce((sum, host) => sum + host.free, 0);
  const closed = top.hosts.filter((host) => host.state !== 'UP').length;
  const flagged = running.filter((job) => job.flags.length).length;
  return el('section', {class: 'tiles', 'aria-label': 'In short'},
      tile('Running', count(running.length), flagged ? `${plural(flagged, 'needs', 'need')} a look` : 'all well',
          {warns: flagged > 0}),
      tile('Waiting', count(top.live_jobs - running.length),
          [recovering && `${recovering} recovering`, held && `${held} held`].filter(Boolean).join(', ') || 'in the queue'),
      tile('Throughput', compact(rate), 'tokens per second'),
      tile('Slots in use', `${count(used)} of ${count(slots)}`,
          closed ? `${plural(closed, 'host')} of ${count(top.hosts.length)} closed` : plural(top.hosts.length, 'host'),
          {extra: slots ? el('div', {class: 'track small'},
              el('div', {class: 'fill still', 'width%': (100 * used / slots).toFixed(1)})) : null}));
}

function hostCard(host) {
  const open = host.state === 'UP';
  const used = host.slots - host.free;
  const shown = Math.min(host.slots, 64);
  return el('li', {key: `host-${host.name}`, class: open ? 'host' : 'host closed'},
      el('div', {class: 'line'}, el('b', {class: 'host-name'}, host.name),
          open ? null : el('span', {class: `pill host-${host.state.toLowerCase()}`}, host.state.toLowerCase())),
      el('div', {class: 'slots', role: 'img', 'aria-label': `${used} of ${host.slots} slots in use`},
          Array.from({length: shown}, (_, i) => el('i', {class: i < used * shown / host.slots ? 'slot used' : 'slot'}))),
      el('div', {class: 'line sub'}, `${count(used)} of ${plural(host.slots, 'slot')} in use`,
          host.jobs.length ? el('span', {}, '· ', host.jobs.map((id, i) => [i ? ', ' : '', el('a', {href: `#/job/${id}`}, `job ${id}`)])) : null),
      host.reason && el('p', {class: 'reason'}, host.reason),
      el('button', {class: 'button small', type: 'button', 'data-action': open ? 'drain' : 'undrain', 'data-host': host.name,
        'aria-label': `${open ? 'Drain' : 'Back in service:'} ${host.name}`}, open ? 'Drain' : 'Back in service'));
}

function eventItem(event, now, named) {
  const subject = event.job ? el('a', {href: `#/job/${event.job}`}, event.name || `job ${event.job}`)
                            : el('b', {}, event.host || 'coordinator');
  const from = event.from && event.from !== event.to ? `${lower(event.from)} → ` : '';
  const moved = event.to ? el('span', {class: 'move'}, from, el('b', {}, lower(event.to))) : null;
  const why = [lower(event.cause), event.actor].filter(Boolean).join(' · ');
  return el('li', {key: `event-${event.sequence}`, class: `event to-${(event.to || 'none').toLowerCase()}`},
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

// ---- all jobs --------------------------------------------------------------------------------------------------------

function overview() {
  const {top, history, events} = data;
  const more = top.live_jobs - top.jobs.length;
  const ended = history ? history.jobs : [];
  return [
    el('h1', {class: 'unseen'}, 'Jobs'),
    tiles(top),
    card('Jobs', 'wide',
        top.jobs.length ? jobTable(top.jobs, top.now_ms, 'Jobs that run or wait')
                        : el('p', {class: 'quiet'}, 'No job runs or waits. ', el('code', {}, 'still submit pipeline.yaml'), ' changes that.'),
        more > 0 && el('p', {class: 'quiet'}, `and ${count(more)} more: `, el('code', {}, 'still queue'))),
    el('div', {class: 'columns'},
        card('Hosts', 'hosts', el('ul', {class: 'host-list'}, top.hosts.map(hostCard))),
        card('Lately', 'lately', eventList(events ? events.events : [], top.now_ms, true))),
    ended.length ? card('Ended', 'wide', endedTable(ended, history.now_ms)) : null,
  ];
}

function endedTable(jobs, now) {
  return el('ul', {class: 'ended'}, jobs.map((job) => el('li', {key: `ended-${job.id}`},
      el('span', {class: 'id'}, String(job.id)), pill(job.state),
      el('a', {href: `#/job/${job.id}`}, job.name || `job ${job.id}`),
      el('span', {class: 'sub message'}, job.message || lower(job.cause)),
      el('span', {class: 'sub when'}, job.started_ms ? `ran ${duration((job.ended_ms - job.started_ms) / 1000)}, ` : '', ago(job.ended_ms, now)))));
}

// ---- one job ---------------------------------------------------------------------------------------------------------

const GOODPUT = {
  compute: 'computing', data: 'waiting for data', reduce: 'all-reduce', vote: 'vote', checkpoint: 'checkpoints',
  recovery: 'start and recovery', queue: 'in the queue', other: 'other',
};

function goodputCard(goodput) {
  const kinds = Object.keys(GOODPUT).filter((kind) => goodput[kind] > 0);
  const total = kinds.reduce((sum, kind) => sum + goodput[kind], 0);
  if (!total) return card('Where the time went', 'goodput', el('p', {class: 'quiet'}, 'Nothing measured yet.'));
  const share = (kind) => 100 * goodput[kind] / total;
  return card('Where the time went', 'goodput',
      el('p', {class: 'lead'}, el('b', {}, `${share('compute') ? share('compute').toFixed(0) : 0} %`), ` computing, of ${duration(total)} since it was submitted`),
      el('div', {class: 'stack', role: 'img', 'aria-label': kinds.map((kind) => `${GOODPUT[kind]} ${share(kind).toFixed(1)} %`).join(', ')},
          kinds.map((kind) => el('div', {key: kind, class: `part kind-${kind}`, 'width%': share(kind).toFixed(3), title: `${GOODPUT[kind]}: ${duration(goodput[kind])}`}))),
      el('ul', {class: 'legend'}, kinds.map((kind) => el('li', {key: kind}, el('i', {class: `swatch kind-${kind}`}),
          el('span', {}, GOODPUT[kind]), el('b', {}, duration(goodput[kind])), el('span', {class: 'sub'}, `${share(kind).toFixed(1)} %`)))));
}

function ranksCard(job) {
  const ranks = job.ranks;
  if (!ranks.length) return card('Ranks', 'ranks', el('p', {class: 'quiet'}, `${gangText(job)}; none of them has been heard in this attempt.`));
  const phases = {};
  for (const rank of ranks) phases[rank.phase] = (phases[rank.phase] || 0) + 1;
  return card('Ranks', 'ranks',
      el('p', {class: 'lead'}, Object.entries(phases).map(([phase, n]) => el('span', {key: phase, class: `chip phase-${phase}`}, el('b', {}, count(n)), ` in ${phase || 'unknown'}`))),
      el('div', {class: 'scroll', tabindex: 0}, el('table', {class: 'plain'},
          el('thead', {}, el('tr', {}, ['Rank', 'Host', 'Phase', 'Step', 'For'].map((text, i) => el('th', {scope: 'col', class: i > 2 || !i ? 'num' : null}, text)))),
          el('tbody', {}, ranks.map((rank) => el('tr', {key: `rank-${rank.rank}`, class: rank.straggling ? 'straggling' : null},
              el('td', {class: 'num'}, String(rank.rank)), el('td', {}, rank.host),
              el('td', {}, el('span', {class: `phase phase-${rank.phase}`}, rank.phase), rank.straggling ? el('span', {class: 'flag'}, 'straggles') : null),
              el('td', {class: 'num'}, count(rank.step)), el('td', {class: 'num'}, `${rank.phase_seconds.toFixed(1)} s`)))))));
}

// The charts of a job: what to draw, in the order of the page.
function chartsOf(job) {
  const {step, loss, tokens_per_second: rates} = job.curves;
  const pairs = (values) => step.map((at, i) => [at, values[i]]).filter((pair) => typeof pair[1] === 'number');
  const unit = job.progress ? job.progress.unit : 'steps';
  return [
    {id: 'loss', title: 'Loss', unit: 'loss', points: pairs(loss), xLabel: unit, format: measure, fromZero: false},
    {id: 'rate', title: 'Throughput', unit: 'tokens/s', points: pairs(rates), xLabel: unit, format: compact, fromZero: true},
  ].map((chart) => ({...chart, formatX: compact})).filter((chart) => chart.points.length);
}

function chartCard(chart) {
  const last = chart.points[chart.points.length - 1];
  const holder = document.querySelector(`.chart-holder[data-chart="${chart.id}"]`);
  const width = Math.max(240, Math.floor(holder ? holder.clientWidth : Math.min(560, document.body.clientWidth - 64)));
  return card(chart.title, 'curve-card',
      el('p', {class: 'lead'}, el('b', {}, chart.format(last[1])), chart.id === 'rate' ? ' tokens/s' : '', ` at ${chart.xLabel.replace(/s$/, '')} ${count(last[0])}`),
      el('div', {class: 'chart-holder', 'data-chart': chart.id}, Charts.line({...chart, width, hover: hover[chart.id] ?? null})));
}

const VERBS = {
  cancel: {label: 'Cancel', title: 'Cancel this job?', text: 'It finishes its step, publishes it and ends. What it made so far is kept.', danger: true},
  hold: {label: 'Hold', title: 'Hold this job?', text: 'It makes way and waits until somebody releases it. It goes on from its last checkpoint to the same bits.'},
  release: {label: 'Release', title: 'Release this job?', text: 'It goes back into the queue.'},
  requeue: {label: 'Requeue', title: 'Requeue this job?', text: 'It goes back into the queue and continues from its last checkpoint. Its failures are forgotten.'},
};

function verbsFor(job) {
  if (job.state === 'COMPLETING') return [];
  if (ENDED.has(job.state)) return job.state === 'SUCCEEDED' ? [] : ['requeue'];
  if (job.state === 'HELD') return ['release', 'cancel'];
  return RUNS.has(job.state) || job.state === 'RECOVERING' ? ['hold', 'requeue', 'cancel'] : ['hold', 'cancel'];
}

function factsCard(job, now) {
  const rows = [
    ['Attempt', `${job.attempt || 'none yet'}${job.failures ? `, ${plural(job.failures, 'failure')} in a row` : ''}`],
    ['Generation', job.generation || 'none yet'],
    ['Gang', gangText(job)],
    ['Hosts', job.hosts.join(' ') || 'none yet'],
    ['Priority', job.priority],
    ['Submitted', [time(job.submitted_ms, now), ` by ${job.owner || 'nobody'}`]],
    ['Started', job.started_ms ? [time(job.started_ms, now), `, ${ago(job.started_ms, now)}`] : 'not yet'],
    job.ended_ms ? ['Ended', [time(job.ended_ms, now), `, ${ago(job.ended_ms, now)}`]] : ['In this state', `for ${duration((now - job.since_ms) / 1000)}`],
    ['Time limit', job.time_limit_ms ? `${duration(job.time_limit_ms / 1000)} an attempt` : 'none'],
    job.depends_on.length ? ['Needs', job.depends_on.map((id, i) => [i ? ', ' : '', el('a', {href: `#/job/${id}`}, `job ${id}`)])] : null,
    ['Artifact', el('code', {}, job.artifact)],
    job.log_path ? ['Log', el('code', {}, job.log_path)] : null,
  ].filter(Boolean);
  const values = Object.entries(job.values).filter(([name, value]) => name !== 'loss' && typeof value === 'number');
  for (const [name, value] of values) rows.splice(2, 0, [name, measure(value)]);
  return card('Facts', 'facts', el('dl', {}, rows.map(([name, value]) => el('div', {key: name}, el('dt', {}, name), el('dd', {}, Array.isArray(value) ? value : [value].map((v) => (typeof v === 'number' ? String(v) : v)))))));
}

function detail() {
  const back = el('a', {class: 'back', href: '#/'}, '← All jobs');
  if (data.job.missing) return [back, el('p', {class: 'quiet'}, `There is no job ${data.job.missing}.`)];
  const {job, now_ms: now} = data.job;
  const more = job.reasons.length > 1;
  const charts = chartsOf(job);
  const live = !ENDED.has(job.state);
  return [
    back,
    el('div', {class: 'title'},
        el('div', {}, el('h1', {}, job.name || `job ${job.id}`),
            el('p', {class: 'sub'}, `job ${job.id} · ${job.stage} · pipeline ${job.pipeline} · ${job.owner || 'nobody'}`)),
        el('div', {class: 'pills'}, pill(job.state), flags(job)),
        el('div', {class: 'actions'}, verbsFor(job).map((verb) => el('button', {key: verb, type: 'button', 'data-action': verb, 'data-job': job.id,
          class: VERBS[verb].danger ? 'button danger' : 'button'}, VERBS[verb].label)))),
    job.reason || job.message ? el('div', {class: `callout state-${job.state.toLowerCase()}`},
        more ? el('ul', {}, job.reasons.map((reason) => el('li', {}, reason.text, ' ', el('code', {}, reason.code)))) : el('p', {}, job.reason || job.message),
        waitText(job, now) && live ? el('p', {class: 'sub'}, waitText(job, now)) : null) : null,
    progressBar(job, true),
    charts.length ? el('div', {class: 'columns even'}, charts.map(chartCard)) : null,
    el('div', {class: 'columns even'},
        el('div', {class: 'stacked'}, goodputCard(job.goodput), card('Events', 'lately', eventList(job.events, now, false))),
        el('div', {class: 'stacked'}, live ? ranksCard(job) : null, factsCard(job, now))),
  ];
}

// ---- show ------------------------------------------------------------------------------------------------------------

const main = document.getElementById('main');

function showLink() {
  const age = link.heardAt === null ? null : performance.now() - link.heardAt;
  const live = document.getElementById('live');
  const notice = document.getElementById('notice');
  const stale = age === null ? link.trouble !== null : age > STALE_MS;
  const now = data.job && chosenJob() && data.job.now_ms || data.top && data.top.now_ms;
  live.className = stale ? 'live stale' : 'live';
  const text = stale ? 'no answer' : age === null ? 'connecting' : `live · ${clock(now, now)}`;
  if (live.textContent !== text) live.textContent = text;
  let message = '';
  if (stale && link.trouble && link.trouble.status === 401) {
    message = `${link.trouble.message}.`;
  } else if (stale) {
    message = 'The coordinator does not answer. Running jobs go on without it.';
    if (age !== null) message += ` What you see is ${duration(age / 1000)} old.`;
    if (link.trouble && link.trouble.status) message += ` It says: ${link.trouble.message}`;
  } else if (data.top && data.top.storage_trouble) {
    message = `The coordinator's disk is in trouble: ${data.top.storage_trouble}`;
  }
  if (notice.textContent !== message) notice.textContent = message;
  notice.hidden = !message;
  document.body.classList.toggle('stale', stale);
}

function show() {
  const job = chosenJob();
  const ready = job ? data.job && (data.job.missing === job || data.job.job && String(data.job.job.id) === job) : data.top;
  if (ready) {
    const next = el('main');
    next.append(...(job ? detail() : overview()).filter(Boolean));
    morphChildren(main, next);
    document.title = job && data.job.job ? `${data.job.job.name} · Stillhouse` : 'Stillhouse';
  }
  showLink();
}

// ---- what people do --------------------------------------------------------------------------------------------------

const dialog = document.getElementById('confirm');
let confirmed = null;  // what happens on yes

function confirmThen({title, text, label, danger, reason}, path) {
  document.getElementById('confirm-title').textContent = title;
  document.getElementById('confirm-text').textContent = text;
  document.getElementById('confirm-error').textContent = '';
  document.getElementById('confirm-reason').hidden = !reason;
  const input = document.getElementById('confirm-input');
  input.value = '';
  const yes = document.getElementById('confirm-yes');
  yes.textContent = label;
  yes.className = danger ? 'button primary danger' : 'button primary';
  confirmed = async () => {
    yes.disabled = true;
    try {
      const answer = await fetch(path, {method: 'POST', signal: AbortSignal.timeout(PATIENCE_MS),
        headers: {'X-Stillhouse': '1', 'Content-Type': 'application/json'},
        body: reason ? JSON.stringify({reason: input.value}) : '{}'});
      const body = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Error(body.error || `HTTP ${answer.status}`);
      dialog.close();
      await refresh();
    } catch (error) {
      document.getElementById('confirm-error').textContent = error.message;
    } finally {
      yes.disabled = false;
    }
  };
  dialog.showModal();
  (reason ? input : yes).focus();
}

const ACTIONS = {
  open: ({job}) => { location.hash = `#/job/${job}`; },
  skip: () => main.focus(),
  drain: ({host}) => confirmThen({title: `Drain ${host}?`, label: 'Drain', reason: true,
    text: 'What runs there goes on to its end. Nothing new starts there until it is put back in service.'},
  `api/hosts/${encodeURIComponent(host)}/drain`),
  undrain: ({host}) => confirmThen({title: `Put ${host} back in service?`, label: 'Back in service',
    text: 'Jobs may start there again. Its failures are forgotten.'}, `api/hosts/${encodeURIComponent(host)}/undrain`),
};
for (const [verb, words] of Object.entries(VERBS)) {
  ACTIONS[verb] = ({job}) => confirmThen(words, `api/jobs/${job}/${verb}`);
}

document.addEventListener('click', (event) => {
  const target = event.target.closest('[data-action]');
  if (!target || (target.dataset.action === 'open' && event.target.closest('a'))) return;
  if (target.dataset.action === 'open' && String(getSelection())) return;  // a name was being copied
  if (target.dataset.action === 'skip') event.preventDefault();
  ACTIONS[target.dataset.action](target.dataset);
});
document.getElementById('confirm-yes').addEventListener('click', () => confirmed());
dialog.querySelector('form').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.target.tagName !== 'INPUT') return;
  event.preventDefault();
  confirmed();
});

function hoverChart(picture, index) {
  const id = picture.dataset.chart;
  if (hover[id] === index) return;
  if (index === null) delete hover[id];
  else hover[id] = index;
  show();
}
const chartUnder = (target) => (target.closest ? target.closest('svg[data-chart]') : null);
const pointsOf = (picture) => chartsOf(data.job.job).find((chart) => chart.id === picture.dataset.chart).points;

document.addEventListener('pointermove', (event) => {
  const picture = chartUnder(event.target);
  if (picture) hoverChart(picture, Charts.nearest(picture, pointsOf(picture), event.clientX));
});
document.addEventListener('pointerout', (event) => {
  const picture = chartUnder(event.target);
  if (picture && !(event.relatedTarget && picture.contains(event.relatedTarget))) hoverChart(picture, null);
});
document.addEventListener('keydown', (event) => {
  const picture = chartUnder(event.target);
  const move = {ArrowLeft: -1, ArrowRight: 1}[event.key];
  if (!picture || !move) return;
  event.preventDefault();
  const last = pointsOf(picture).length - 1;
  hoverChart(picture, Math.min(last, Math.max(0, (hover[picture.dataset.chart] ?? last) + move)));
});

window.addEventListener('hashchange', () => {
  for (const id of Object.keys(hover)) delete hover[id];
  scrollTo(0, 0);
  refresh();
});
window.addEventListener('resize', () => show());
document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });

// A token in the address has become a cookie: it need not stay where shoulders and histories see it.
if (new URLSearchParams(location.search).has('token')) history.replaceState(null, '', location.pathname + location.hash);
document.getElementById('where').textContent = location.host;
setInterval(showLink, 500);
run();
