// Draws a line over steps as SVG: axes with units, the newest value, and the value under the pointer or the arrow keys.
// Data becomes text and attributes only, and is never parsed as markup.
'use strict';

const Charts = (() => {
  const SVG = 'http://www.w3.org/2000/svg';
  const HEIGHT = 220;
  const MARGIN = {top: 16, right: 16, bottom: 38, left: 58};

  function node(name, attributes = {}, ...children) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // Returns about `count` round numbers in [low, high].
  function ticks(low, high, count) {
    const span = high - low || Math.abs(high) || 1;
    const power = 10 ** Math.floor(Math.log10(span / count));
    const step = power * [1, 2, 5, 10].find((factor) => span / (power * factor) <= count);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) {
      found.push(Number((i * step).toPrecision(12)));
    }
    return found;
  }

  function domain(values, fromZero) {
    let low = Math.min(...values);
    let high = Math.max(...values);
    if (fromZero) low = 0;
    if (low === high) {
      high += Math.abs(high) * 0.1 || 1;
      if (!fromZero) low -= Math.abs(low) * 0.1 || 1;
    }
    const margin = (high - low) * 0.06;
    return [fromZero ? 0 : low - margin, high + margin];
  }

  function tooltip(x, y, lines, width) {
    const wide = Math.max(...lines.map((line) => line.length)) * 6.6 + 18;
    const left = Math.min(Math.max(x - wide / 2, 2), width - wide - 2);
    const up = y - 52 > 2 ? y - 52 : y + 12;
    return node(
        'g', {class: 'tip'}, node('rect', {x: left, y: up, width: wide, height: 40, rx: 6}),
        node('text', {x: left + wide / 2, y: up + 16, class: 'tip-value'}, lines[0]),
        node('text', {x: left + wide / 2, y: up + 32}, lines[1]));
  }

  // Draws a chart. The options are id, title, unit, points [[x, y]], xLabel, format(y), formatX(x), width, and hover
  // (an index or null). With fromZero the axis starts at 0 and the value under the pointer has its unit.
  function line(options) {
    const {id, title, unit, points, xLabel, format, formatX, fromZero, width, hover} = options;
    const [xLow, xHigh] =
        points.length > 1 ? [points[0][0], points[points.length - 1][0]] : [points[0][0] - 1, points[0][0] + 1];
    const [yLow, yHigh] = domain(points.map((point) => point[1]), fromZero);
    const inner = {width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom};
    const x = (value) => MARGIN.left + (value - xLow) / (xHigh - xLow) * inner.width;
    const y = (value) => MARGIN.top + (1 - (value - yLow) / (yHigh - yLow)) * inner.height;
    const bottom = MARGIN.top + inner.height;
    const [last, first] = [points[points.length - 1], points[0]];
    const label = `${title} over ${xLabel}: ${format(first[1])} at ${formatX(first[0])}, ` +
        `now ${format(last[1])} at ${formatX(last[0])}`;
    const picture = node('svg', {
      class: `chart chart-${id}`,
      viewBox: `0 0 ${width} ${HEIGHT}`,
      width,
      height: HEIGHT,
      role: 'img',
      tabindex: 0,
      'aria-label': label,
      'data-chart': id,
    });
    for (const value of ticks(yLow, yHigh, 5)) {
      const shortest = !fromZero && Math.abs(value) < 1e4 ? String(value) : format(value);
      picture.append(
          node('line', {class: 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value)}),
          node('text', {class: 'tick y', x: MARGIN.left - 8, y: y(value) + 4}, shortest));
    }
    for (const value of ticks(xLow, xHigh, width < 420 ? 3 : 6)) {
      const anchor = x(value) > width - MARGIN.right - 20 ? 'end' : 'middle';  // keeps the text inside the picture
      picture.append(
          node('text', {class: 'tick x', x: x(value), y: bottom + 17, 'text-anchor': anchor}, formatX(value)));
    }
    picture.append(
        node('line', {class: 'axis', x1: MARGIN.left, x2: width - MARGIN.right, y1: bottom, y2: bottom}),
        node('text', {class: 'unit', x: MARGIN.left + inner.width / 2, y: HEIGHT - 5, 'text-anchor': 'middle'}, xLabel),
        node('text', {class: 'unit', x: 4, y: 11}, unit));
    const path = points.map(([px, py], i) => `${i ? 'L' : 'M'}${x(px).toFixed(1)} ${y(py).toFixed(1)}`).join('');
    picture.append(
        node('path', {class: 'area', d: `${path}L${x(last[0])} ${bottom}L${x(first[0])} ${bottom}Z`}),
        node('path', {class: 'curve', d: path}));
    const at = hover === null ? points.length - 1 : Math.min(hover, points.length - 1);
    const [hx, hy] = points[at];
    if (hover !== null) {
      picture.append(node('line', {class: 'cross', x1: x(hx), x2: x(hx), y1: MARGIN.top, y2: bottom}));
    }
    picture.append(node('circle', {class: 'dot', cx: x(hx), cy: y(hy), r: 4}));
    if (hover !== null) {
      const suffix = fromZero ? ` ${unit}` : '';
      picture.append(tooltip(x(hx), y(hy), [format(hy) + suffix, `${xLabel.replace(/s$/, '')} ${formatX(hx)}`], width));
    }
    return picture;
  }

  // Returns the index of the point nearest to a pointer at `clientX` over `picture`.
  function nearest(picture, points, clientX) {
    const box = picture.getBoundingClientRect();
    const width = picture.viewBox.baseVal.width;
    const at = (clientX - box.left) / box.width * width;
    const share = (at - MARGIN.left) / (width - MARGIN.left - MARGIN.right);
    const value = points[0][0] + share * (points[points.length - 1][0] - points[0][0]);
    let best = 0;
    for (let i = 1; i < points.length; ++i) {
      if (Math.abs(points[i][0] - value) < Math.abs(points[best][0] - value)) best = i;
    }
    return best;
  }

  return {line, nearest};
})();
