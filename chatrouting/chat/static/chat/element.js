// Elements from plain data. Text is only ever text.

/** `attributes` as in HTML; `on` holds listeners, `hidden` and other booleans switch by truth. */
export function element(name, { on = {}, ...attributes } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  for (const [event, listener] of Object.entries(on)) made.addEventListener(event, listener);
  made.append(...children);
  return made;
}

/** Set the text where it differs; add to it where it only grew, so that a selection survives. */
export function showText(node, text) {
  const [first] = node.childNodes;
  if (first === undefined) node.append(text);
  else if (first.data !== text) {
    if (text.startsWith(first.data)) first.appendData(text.slice(first.data.length));
    else first.data = text;
  }
}

/** Bring the children into this order, moving as few as can be. */
export function showChildren(parent, wanted) {
  let at = parent.firstChild;
  for (const child of wanted) {
    if (child === at) at = at.nextSibling;
    else parent.insertBefore(child, at);
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}
