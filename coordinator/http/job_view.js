// Shows one job: its curve, its goodput, its ranks, its facts and its events.
'use strict';

function goodputCard(goodput) {
  const kinds = Object.keys(goodput).filter((kind) => goodput[kind] > 0).sort((a, b) => goodput[b] - goodput[a]);
  const total = kinds.reduce((sum, kind) => sum + goodput[kind], 0);
  if (!total) return card('Where the time went', 'goodput', el('p', {class: 'quiet'}, 'Nothing measured yet.'));
  const share = (kind) => 100 * goodput[kind] / total;
  return card(
      'Where the time went', 'goodput',
      el('p', {class: 'lead'}, el('b', {}, `${share('compute').toFixed(0)} %`),
         ` computing, of ${duration(total)} since it was submitted`),
      el('div', {
        class: 'stack',
        role: 'img',
        'aria-label': kinds.map((kind) => `${kind} ${share(kind).toFixed(1)} %`).join(', ')
      },
         kinds.map((kind) => el('div', {
                     key: kind,
                     class: `part kind-${kind}`,
                     'width%': share(kind).toFixed(3),
                     title: `${kind}: ${duration(goodput[kind])}`
                   }))),
      el('ul', {class: 'legend'},
         kinds.map(
             (kind) =>
                 el('li', {key: kind}, el('i', {class: `swatch kind-${kind}`}), el('span', {}, kind),
                    el('b', {}, duration(goodput[kind])), el('span', {class: 'sub'}, `${share(kind).toFixed(1)} %`)))));
}

function ranksCard(job) {
  const ranks = job.members;
  if (!ranks.length)
    return card(
        'Ranks', 'ranks', el('p', {class: 'quiet'}, `${gangText(job)}; none of them has been heard in this attempt.`));
  const phases = {};
  for (const rank of ranks) (phases[rank.phase] ||= []).push(rank);
  return card(
      'Ranks', 'ranks',
      el('p', {class: 'lead'},
         Object.entries(phases).map(
             ([phase, inIt]) =>
                 el('span', {key: phase, class: `chip kind-${inIt[0].goodput_kind}`}, el('b', {}, count(inIt.length)),
                    ` in ${phase || 'unknown'}`))),
      el('div', {class: 'scroll', tabindex: 0},
         el('table', {class: 'plain'},
            el('thead', {},
               el('tr', {},
                  ['Rank', 'Host', 'Process', 'Phase', 'Step', 'For'].map(
                      (text) => el('th', {scope: 'col', class: /Host|Phase/.test(text) ? null : 'num'}, text)))),
            el('tbody', {},
               ranks.map(
                   (rank) =>
                       el('tr', {key: `rank-${rank.rank}`, class: rank.straggling ? 'straggling' : null},
                          el('td', {class: 'num'}, String(rank.rank)), el('td', {}, rank.host),
                          el('td', {class: 'num'}, rank.pid ? String(rank.pid) : ''),
                          el('td', {}, el('span', {class: `phase kind-${rank.goodput_kind}`}, rank.phase),
                             rank.straggling ? el('span', {class: 'flag'}, 'straggles') : null),
                          el('td', {class: 'num'}, count(rank.step)),
                          el('td', {class: 'num'}, `${rank.phase_seconds.toFixed(1)} s`)))))));
}

// Returns the charts of a job in the order of the page.
function chartsOf(job) {
  const pairs = (key) => job.curve.filter((point) => typeof point[key] === 'number')
                            .map((point) => [point.step, point[key]]);
  const unit = job.progress ? job.progress.unit : 'steps';
  return [
    {id: 'loss', title: 'Loss', unit: 'loss', points: pairs('loss'), xLabel: unit, format: measure, fromZero: false},
    {
      id: 'rate',
      title: 'Throughput',
      unit: 'tokens/s',
      points: pairs('tokens_per_second'),
      xLabel: unit,
      format: compact,
      fromZero: true
    },
  ].map((chart) => ({...chart, formatX: compact}))
      .filter((chart) => chart.points.length);
}

function chartCard(chart) {
  const last = chart.points[chart.points.length - 1];
  const holder = document.querySelector(`.chart-holder[data-chart="${chart.id}"]`);
  const width = Math.max(240, Math.floor(holder ? holder.clientWidth : Math.min(560, document.body.clientWidth - 64)));
  return card(
      chart.title, 'curve-card',
      el('p', {class: 'lead'}, el('b', {}, chart.format(last[1])), chart.id === 'rate' ? ' tokens/s' : '',
         ` at ${chart.xLabel.replace(/s$/, '')} ${count(last[0])}`),
      el('div', {class: 'chart-holder', 'data-chart': chart.id},
         Charts.line({...chart, width, hover: hover[chart.id] ?? null})));
}

// What the page asks before it sends each JobVerb (common/proto/vocabulary.proto).
const VERBS = {
  cancel: {
    label: 'Cancel',
    title: 'Cancel this job?',
    text: 'It finishes its step and ends. A second cancel ends it at once. The work done so far is kept.',
    danger: true
  },
  hold: {
    label: 'Hold',
    title: 'Hold this job?',
    text: 'It gives up its slots until it is released. It then continues from its last checkpoint to the same bits.'
  },
  release: {label: 'Release', title: 'Release this job?', text: 'It goes back into the queue.'},
  requeue: {
    label: 'Requeue',
    title: 'Requeue this job?',
    text: 'It goes back into the queue and continues from its last checkpoint. Its failures are forgotten.'
  },
};

function factsCard(job, now) {
  const rows = [
    ['Attempt', `${job.attempt || 'none yet'}${job.failures ? `, deaths in a row: ${job.failures}` : ''}`],
    ['Generation', job.generation || 'none yet'],
    job.recoveries ?
        [
          'Recoveries',
          [
            `${job.recoveries}, the last one ${ago(job.last_recovery.at_ms, now)}, ${lower(job.last_recovery.cause)}: `,
            job.last_recovery.message
          ]
        ] :
        null,
    ['Gang', gangText(job)],
    ['Hosts', placementText(job) || 'none yet'],
    ['Priority', job.priority],
    ['Submitted', [time(job.submitted_ms, now), ` by ${job.owner || 'nobody'}`]],
    ['Started', job.started_ms ? [time(job.started_ms, now), `, ${ago(job.started_ms, now)}`] : 'not yet'],
    job.ended_ms ? ['Ended', [time(job.ended_ms, now), `, ${ago(job.ended_ms, now)}`]] :
                   ['In this state', `for ${duration((now - job.since_ms) / 1000)}`],
    ['Time limit', job.time_limit_ms ? `${duration(job.time_limit_ms / 1000)} per attempt` : 'none'],
    job.depends_on.length ?
        ['Needs', job.depends_on.map((id, i) => [i ? ', ' : '', el('a', {href: `#/job/${id}`}, `job ${id}`)])] :
        null,
    ['Artifact', el('code', {}, job.artifact)],
    job.log_path ? ['Log', el('code', {}, job.log_path)] : null,
  ].filter(Boolean);
  const values = Object.entries(job.values).filter(([name, value]) => name !== 'loss' && typeof value === 'number');
  for (const [name, value] of values) rows.splice(2, 0, [name, measure(value)]);
  return card(
      'Facts', 'facts',
      el('dl', {},
         rows.map(
             ([name, value]) => el('div', {key: name}, el('dt', {}, name), el('dd', {}, Array.isArray(value) ? value : [
                                     value
                                   ].map((v) => (typeof v === 'number' ? String(v) : v)))))));
}

function detail() {
  const back = el('a', {class: 'back', href: '#/'}, '← All jobs');
  if (data.job.missing) return [back, el('p', {class: 'quiet'}, `There is no job ${data.job.missing}.`)];
  const {job, now_ms: now} = data.job;
  const more = job.reasons.length > 1;
  const charts = chartsOf(job);
  return [
    back,
    el('div', {class: 'title'},
       el('div', {}, el('h1', {}, job.name || `job ${job.id}`),
          el('p', {class: 'sub'},
             `job ${job.id} · ${job.stage} · pipeline ${job.pipeline} · ${job.owner || 'nobody'}`)),
       el('div', {class: 'pills'}, pill(job.state), flags(job)),
       el('div', {class: 'actions'},
          job.verbs.map(
              (verb) =>
                  el('button', {
                    key: verb,
                    type: 'button',
                    'data-action': verb,
                    'data-job': job.id,
                    class: VERBS[verb].danger ? 'button danger' : 'button'
                  },
                     VERBS[verb].label)))),
    job.reason || job.message ?
        el('div', {class: `callout state-${job.state.toLowerCase()}${job.flags.length ? ' warns' : ''}`},
           more ?
               el('ul', {}, job.reasons.map((reason) => el('li', {}, reason.text, ' ', el('code', {}, reason.code)))) :
               el('p', {}, job.reason || job.message),
           job.attach_command ? el('p', {}, el('code', {}, job.attach_command)) : null,
           waitText(job, now) && !job.ended ? el('p', {class: 'sub'}, waitText(job, now)) : null) :
        null,
    progressBar(job, true),
    charts.length ? el('div', {class: 'columns even'}, charts.map(chartCard)) : null,
    el('div', {class: 'columns even'},
       el('div', {class: 'stacked'}, goodputCard(job.goodput),
          card('Events', 'lately', eventList(job.events, now, false))),
       el('div', {class: 'stacked'}, job.ended ? null : ranksCard(job), factsCard(job, now))),
  ];
}
