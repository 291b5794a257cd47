
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const canvas = byId("canvas"), tip = byId("tip"), pen = canvas.getContext("2d");
  const count = data.x.length;
  const faces = new Array(data.people.length).fill(0);
  for (const who of data.who) if (who >= 0) faces[who] += 1;
  let zoom = 1, middle = [0, 0], chosen = null, hovered = -1;

  byId("about").textContent = data.about;

  const scale = () => 0.94 * zoom * Math.min(canvas.clientWidth / data.span[0], canvas.clientHeight / data.span[1]);
  const at = (row) => [
    canvas.clientWidth / 2 + (data.x[row] - middle[0]) * scale(),
    canvas.clientHeight / 2 - (data.y[row] - middle[1]) * scale(),
  ];
  const markOf = (who) => data.marks[who] || [data.others, "o"];

  function shape(context, kind, x, y, r) {
    context.beginPath();
    if (kind === "o") context.arc(x, y, r, 0, 2 * Math.PI);
    else if (kind === "s") context.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
    else {
      const corners = kind === "^" ? [[0, -1.25], [1.1, 0.8], [-1.1, 0.8]] : [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]];
      corners.forEach(([dx, dy], place) => context[place ? "lineTo" : "moveTo"](x + dx * r, y + dy * r));
      context.closePath();
    }
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const radius = Math.min(9, Math.max(2.5, 60 / Math.sqrt(count)) * Math.sqrt(zoom));
    const order = [...Array(count).keys()];
    const rank = (row) => (row === hovered ? 3 : chosen !== null && data.who[row] === chosen ? 2 : data.marks[data.who[row]] ? 1 : 0);
    order.sort((a, b) => rank(a) - rank(b));
    for (const row of order) {
      const [x, y] = at(row);
      if (x < -20 || y < -20 || x > canvas.clientWidth + 20 || y > canvas.clientHeight + 20) continue;
      const own = chosen === null || data.who[row] === chosen;
      const [colour, kind] = chosen !== null && own ? [markOf(chosen)[0] === data.others ? "#0072b2" : markOf(chosen)[0], markOf(chosen)[1]] : markOf(data.who[row]);
      pen.globalAlpha = own ? 1 : 0.15;
      shape(pen, kind, x, y, row === hovered ? radius * 1.7 : radius);
      pen.fillStyle = colour;
      pen.fill();
      pen.lineWidth = row === hovered ? 2 : 0.7;
      pen.strokeStyle = row === hovered ? "#000" : "#fff";
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  function nearest(x, y) {
    let best = -1, least = 14 * 14;
    for (let row = 0; row < count; row += 1) {
      if (chosen !== null && data.who[row] !== chosen) continue;
      const [px, py] = at(row), gap = (px - x) ** 2 + (py - y) ** 2;
      if (gap < least) [best, least] = [row, gap];
    }
    return best;
  }

  function tell(row) {
    hovered = row;
    tip.hidden = row < 0;
    if (row >= 0) {
      const who = data.who[row], photo = byId("tip-photo");
      photo.hidden = data.photo[row] === null;
      if (data.photo[row] !== null) photo.src = "data:image/jpeg;base64," + data.photo[row];
      const lines = [who < 0 ? "no name" : `${data.people[who]} (${faces[who]} ${faces[who] === 1 ? "face" : "faces"})`];
      if (data.centre[row] !== null) lines.push(`${data.centre[row].toFixed(3)} from the centre of this person`);
      if (data.quality[row] !== null) lines.push(`quality ${data.quality[row].toFixed(2)}`);
      if (data.source[row]) lines.push(data.source[row]);
      byId("tip-text").textContent = lines.join("\n");
      const [x, y] = at(row);
      const left = x + 18 + tip.offsetWidth > canvas.clientWidth ? x - 18 - tip.offsetWidth : x + 18;
      const top = Math.min(Math.max(4, y - 20), canvas.clientHeight - tip.offsetHeight - 4);
      tip.style.left = Math.max(4, left) + "px";
      tip.style.top = Math.max(4, top) + "px";
    }
    draw();
  }

  function choose(who) {
    chosen = who;
    for (const button of byId("legend").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(Number(button.value) === who && who !== null));
    }
    tell(-1);
  }

  function zoomBy(factor, x, y) {
    const before = scale();
    zoom = Math.min(200, Math.max(1, zoom * factor));
    const shift = 1 / before - 1 / scale();
    middle = zoom === 1 ? [0, 0] : [middle[0] + (x - canvas.clientWidth / 2) * shift, middle[1] - (y - canvas.clientHeight / 2) * shift];
    draw();
  }

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.offsetX, y: event.offsetY, middle: [...middle], moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag === null) {
      tell(nearest(event.offsetX, event.offsetY));
      return;
    }
    const dx = event.offsetX - drag.x, dy = event.offsetY - drag.y;
    if (!drag.moved && Math.hypot(dx, dy) < 4) return;
    drag.moved = true;
    middle = [drag.middle[0] - dx / scale(), drag.middle[1] + dy / scale()];
    tell(-1);
  });
  canvas.addEventListener("pointerup", (event) => {
    const clicked = drag !== null && !drag.moved;
    drag = null;
    if (!clicked) return;
    const row = nearest(event.offsetX, event.offsetY);
    choose(row < 0 || data.who[row] < 0 ? null : data.who[row]);
    tell(row);
  });
  canvas.addEventListener("pointerleave", () => { if (drag === null) tell(-1); });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (steps) {
      middle = [middle[0] + (steps[0] * 40) / scale(), middle[1] + (steps[1] * 40) / scale()];
      draw();
    } else if (event.key === "+" || event.key === "-") {
      zoomBy(event.key === "+" ? 1.3 : 1 / 1.3, canvas.clientWidth / 2, canvas.clientHeight / 2);
    } else if (event.key === "Escape") choose(null);
    else return;
    event.preventDefault();
  });

  byId("find").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    const place = wanted ? data.people.findIndex((name) => name.toLowerCase() === wanted) : -1;
    const begun = wanted && place < 0 ? data.people.findIndex((name) => name.toLowerCase().startsWith(wanted)) : place;
    choose(begun < 0 ? null : begun);
  });
  byId("reset").addEventListener("click", () => {
    zoom = 1;
    middle = [0, 0];
    byId("find").value = "";
    choose(null);
  });

  for (const name of data.people) byId("names").appendChild(new Option(name));
  const marked = Object.keys(data.marks).map(Number).sort((a, b) => faces[b] - faces[a] || a - b);
  for (const who of marked) {
    const item = document.createElement("li"), button = document.createElement("button"), mark = document.createElement("canvas");
    button.type = "button";
    button.value = String(who);
    button.setAttribute("aria-pressed", "false");
    mark.width = mark.height = 28;
    mark.style.width = mark.style.height = "14px";
    const context = mark.getContext("2d");
    shape(context, markOf(who)[1], 14, 14, 9);
    context.fillStyle = markOf(who)[0];
    context.fill();
    button.append(mark, `${data.people[who]} (${faces[who]})`);
    button.addEventListener("click", () => choose(chosen === who ? null : who));
    item.appendChild(button);
    byId("legend").appendChild(item);
  }
  const rest = data.people.length - marked.length;
  if (rest > 0) {
    const item = document.createElement("li");
    item.textContent = `gray: ${rest} others, found by name`;
    byId("legend").appendChild(item);
  }
  new ResizeObserver(draw).observe(canvas);
  draw();
})();
