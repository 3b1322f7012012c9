// Shows all jobs, the hosts and the latest events.
'use strict';

function nameCell(job) {
  return el(
      'td', {class: 'name', role: 'cell'}, el('a', {href: `#/job/${job.id}`}, job.name || `job ${job.id}`),
      el('span', {class: 'sub'}, `${job.stage} · ${job.owner || 'nobody'}`));
}

// Makes the cell that takes the place of the numbers, which a waiting job does not have.
function waitCell(job, now) {
  const {progress} = job;
  const reached = progress && progress.total ? `${doneText(progress)} done` : '';
  return el(
      'td', {class: 'wait', role: 'cell', colspan: 4}, el('span', {class: 'reason'}, job.reason),
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
  const runs = job.has_slots;
  const hosts = placementText(job);
  return el(
      'tbody', {key: `job-${job.id}`, class: runs ? 'job' : 'job waiting', role: 'rowgroup'},
      el('tr', {role: 'row', 'data-action': 'open', 'data-job': job.id},
         el('td', {class: 'id', role: 'cell'}, String(job.id)), nameCell(job),
         el('td', {class: 'state', role: 'cell'}, el('span', {class: 'pills'}, pill(job.state), flags(job))),
         runs ? numberCells(job) : waitCell(job, now),
         el('td', {class: 'gang', role: 'cell'}, gangText(job),
            runs && hosts ? el('span', {class: 'sub', title: hosts}, hosts) : null)),
      runs && job.reason &&
          el('tr', {class: 'why', role: 'row'}, el('td', {role: 'cell', class: 'gap'}),
             el('td', {role: 'cell', colspan: 7}, el('span', {class: 'reason'}, job.reason))));
}

function jobTable(jobs, now, caption) {
  const head = ['', 'Job', 'State', 'Progress', 'Tokens/s', 'Loss', 'Gen.', 'Gang'];
  const kinds = ['id', 'name', 'state', 'done', 'num', 'num', 'num', 'gang'];
  return el(
      'table', {class: 'jobs', role: 'table', 'aria-label': caption},
      el('thead', {role: 'rowgroup'},
         el('tr', {role: 'row'},
            head.map((text, i) => el('th', {class: kinds[i], role: 'columnheader', scope: 'col'}, text)))),
      jobs.map((job) => jobRow(job, now)));
}

function tile(label, value, note, {warns, extra} = {}) {
  return el(
      'div', {class: 'tile'}, el('span', {class: 'label'}, label), el('span', {class: 'value'}, value),
      el('span', {class: warns ? 'note warns' : 'note'}, note), extra);
}

function tiles(top) {
  const running = top.jobs.filter((job) => job.has_slots);
  const recovering = top.jobs.filter((job) => job.state === 'RECOVERING').length;
  const held = top.jobs.filter((job) => job.state === 'HELD').length;
  const rate = running.reduce((sum, job) => sum + (job.progress ? job.progress.tokens_per_second : 0), 0);
  const slots = top.hosts.reduce((sum, host) => sum + host.slots, 0);
  const used = slots - top.hosts.reduce((sum, host) => sum + host.free, 0);
  const closed = top.hosts.filter((host) => host.state !== 'UP').length;
  const flagged = running.filter((job) => job.flags.length).length;
  return el(
      'section', {class: 'tiles', 'aria-label': 'In short'},
      tile(
          'Running', count(running.length), flagged ? `${plural(flagged, 'needs', 'need')} a look` : 'all well',
          {warns: flagged > 0}),
      tile(
          'Waiting', count(top.live_jobs - running.length),
          [recovering && `${recovering} recovering`, held && `${held} held`].filter(Boolean).join(', ') ||
              'in the queue'),
      tile('Throughput', compact(rate), 'tokens per second'),
      tile(
          'Slots in use', `${count(used)} of ${count(slots)}`,
          closed ? `${plural(closed, 'host')} of ${count(top.hosts.length)} closed` : plural(top.hosts.length, 'host'),
          {
            extra: slots ? el('div', {class: 'track small'},
                              el('div', {class: 'fill still', 'width%': (100 * used / slots).toFixed(1)})) :
                           null
          }));
}

function hostCard(host) {
  const open = host.state === 'UP';
  const used = host.slots - host.free;
  const shown = Math.min(host.slots, 64);
  return el(
      'li', {key: `host-${host.name}`, class: open ? 'host' : 'host closed'},
      el('div', {class: 'line'}, el('b', {class: 'host-name'}, host.name),
         open ? null : el('span', {class: `pill host-${host.state.toLowerCase()}`}, host.state.toLowerCase())),
      el('div', {class: 'slots', role: 'img', 'aria-label': `${used} of ${host.slots} slots in use`},
         Array.from({length: shown}, (_, i) => el('i', {class: i < used * shown / host.slots ? 'slot used' : 'slot'}))),
      el('div', {class: 'line sub'}, `${count(used)} of ${plural(host.slots, 'slot')} in use`,
         host.job_ids.length ? el('span', {}, '· ',
                               host.job_ids.map(
                                   (id, i) => [i ? ', ' : '', el('a', {href: `#/job/${id}`}, `job ${id}`)])) :
                            null),
      host.reason && el('p', {class: 'reason'}, host.reason),
      el('button', {
        class: 'button small',
        type: 'button',
        'data-action': open ? 'drain' : 'undrain',
        'data-host': host.name,
        'aria-label': `${open ? 'Drain' : 'Back in service:'} ${host.name}`
      },
         open ? 'Drain' : 'Back in service'));
}

function overview() {
  const {top, history, events} = data;
  const more = top.live_jobs - top.jobs.length;
  const ended = history ? history.jobs : [];
  return [
    el('h1', {class: 'unseen'}, 'Jobs'),
    tiles(top),
    card(
        'Jobs', 'wide',
        top.jobs.length ? jobTable(top.jobs, top.now_ms, 'Jobs that run or wait') :
                          el('p', {class: 'quiet'}, 'No job runs or waits. ',
                             el('code', {}, 'still submit pipeline.yaml'), ' changes that.'),
        more > 0 && el('p', {class: 'quiet'}, `and ${count(more)} more: `, el('code', {}, 'still queue'))),
    el('div', {class: 'columns'}, card('Hosts', 'hosts', el('ul', {class: 'host-list'}, top.hosts.map(hostCard))),
       card('Lately', 'lately', eventList(events ? events.events : [], top.now_ms, true))),
    ended.length ? card('Ended', 'wide', endedTable(ended, history.now_ms)) : null,
  ];
}

function endedTable(jobs, now) {
  return el(
      'ul', {class: 'ended'},
      jobs.map(
          (job) =>
              el('li', {key: `ended-${job.id}`}, el('span', {class: 'id'}, String(job.id)), pill(job.state),
                 el('a', {href: `#/job/${job.id}`}, job.name || `job ${job.id}`),
                 el('span', {class: 'sub message'}, job.message || lower(job.cause)),
                 el('span', {class: 'sub when'},
                    job.started_ms ? `ran ${duration((job.ended_ms - job.started_ms) / 1000)}, ` : '',
                    ago(job.ended_ms, now)))));
}
