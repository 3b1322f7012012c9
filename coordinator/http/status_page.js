// The status page. It asks the JSON API once per second, shows the answers, and sends the changes that people ask for.
'use strict';

const PERIOD_MS = 1000;
const PATIENCE_MS = 4000;
const STALE_MS = 3500;
const MOST_JOBS = 300;

const data = {
  top: null,
  history: null,
  events: null,
  job: null
};
const link = {
  heardAt: null,
  trouble: null,
  turn: 0
};
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
    names.forEach((name, i) => {
      data[name] = answers[i];
    });
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
  const ready =
      job ? data.job && (data.job.missing === job || data.job.job && String(data.job.job.id) === job) : data.top;
  if (ready) {
    const next = el('main');
    next.append(...(job ? detail() : overview()).filter(Boolean));
    morphChildren(main, next);
    document.title = job && data.job.job ? `${data.job.job.name} · Stillhouse` : 'Stillhouse';
  }
  showLink();
}

const dialog = document.getElementById('confirm');
let confirmed = null;  // called on yes

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
      const answer = await fetch(path, {
        method: 'POST',
        signal: AbortSignal.timeout(PATIENCE_MS),
        headers: {'X-Stillhouse': '1', 'Content-Type': 'application/json'},
        body: reason ? JSON.stringify({reason: input.value}) : '{}'
      });
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
  open: ({job}) => {
    location.hash = `#/job/${job}`;
  },
  skip: () => main.focus(),
  drain: ({host}) => confirmThen(
      {
        title: `Drain ${host}?`,
        label: 'Drain',
        reason: true,
        text: 'Jobs that run there go on to their end. No job starts there until it is put back in service.'
      },
      `api/hosts/${encodeURIComponent(host)}/drain`),
  undrain: ({host}) => confirmThen(
      {
        title: `Put ${host} back in service?`,
        label: 'Back in service',
        text: 'Jobs may start there again. Its failures are forgotten.'
      },
      `api/hosts/${encodeURIComponent(host)}/undrain`),
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
  if (index === null)
    delete hover[id];
  else
    hover[id] = index;
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
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) refresh();
});

// The token of the address is a cookie by now. It goes from the address, where others could read it.
if (new URLSearchParams(location.search).has('token'))
  history.replaceState(null, '', location.pathname + location.hash);
document.getElementById('where').textContent = location.host;
setInterval(showLink, 500);
run();
