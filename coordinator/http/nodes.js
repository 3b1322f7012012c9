// Makes DOM nodes from values, and changes the page into them. Only differences are touched, so that focus, hover and
// scroll position survive. Text is set by textContent alone: no name or message is ever parsed as markup.
'use strict';

// Makes an element, as in el('div', {class: 'x', key: 3}, 'text', other, null, [more]). Null and false are left out.
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === 'width%')
      made.style.width = `${value}%`;
    else if (key === 'key')
      made.dataset.key = value;
    else
      made.setAttribute(key, value === true ? '' : value);
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
  for (const {name} of [...from.attributes])
    if (name !== 'style' && !to.hasAttribute(name)) from.removeAttribute(name);
  for (const {name, value} of to.attributes) {
    if (name !== 'style' && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  if (from.style.cssText !== to.style.cssText) from.style.cssText = to.style.cssText;
  morphChildren(from, to);
}

function morphChildren(from, to) {
  const keyOf = (node) => (node.dataset ? node.dataset.key : undefined);
  const keyed = new Map();
  for (const child of from.children)
    if (keyOf(child) !== undefined) keyed.set(keyOf(child), child);
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
