"use strict";
// Unpacks samples and shows them as text nodes and as MathML from a fixed list of tags: nothing in a response is ever parsed as markup.
(() => {
  const byId = (id) => document.getElementById(id);
  const blobs = (kind) => [...document.querySelectorAll("script." + kind)];
  const cache = new Map();

  async function unpack(script) {
    if (!cache.has(script)) {
      const packed = atob(JSON.parse(script.textContent)), bytes = new Uint8Array(packed.length);
      for (let at = 0; at < bytes.length; at++) bytes[at] = packed.charCodeAt(at);  // ten times as fast as Uint8Array.from
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      cache.set(script, new Response(stream).text().then(JSON.parse));
    }
    return cache.get(script);
  }

  function element(tag, text, kind) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  function fill(select, values, names = values) {
    const before = select.value;
    select.replaceChildren(...values.map((value, at) => {
      const option = element("option", names[at]);
      option.value = value;
      return option;
    }));
    if (values.includes(before)) select.value = before;
  }

  // A table that fits needs no scrolling, and so no stop of the Tab key.
  const scrolled = () => document.querySelectorAll(".scroll, .scrollbox").forEach((box) => {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
  new ResizeObserver(scrolled).observe(document.body);
  document.addEventListener("toggle", scrolled, true);

  // A study at work: the page is loaded again, but never under the hands of who reads samples.
  const seconds = +byId("main").dataset.refresh, reading = byId("samples");
  if (seconds) setInterval(() => {
    const box = reading && reading.getBoundingClientRect();
    if (!box || box.top > innerHeight || box.bottom < 0) location.reload();
  }, 1000 * seconds);

  // Formulas: a node is [tag, attributes, ...children].
  const tags = new Set("math mrow mi mn mo mtext mspace mstyle msqrt mpadded mtable mtr mtd mfrac msup msub mover munder mroot msubsup munderover".split(" "));
  const source = blobs("formula-set")[0];
  const pattern = source && source.dataset.pattern && new RegExp(source.dataset.pattern, "g");
  let formulas = {};

  function mathml(node) {
    if (typeof node === "string") return document.createTextNode(node);
    const [tag, attributes, ...children] = node;
    const made = document.createElementNS("http://www.w3.org/1998/Math/MathML", tags.has(tag) ? tag : "mrow");
    for (const [key, value] of Object.entries(attributes)) if (!/^on|href|style|src/i.test(key)) made.setAttribute(key, value);
    made.append(...children.map(mathml));
    return made;
  }

  function rich(box, text, drawn) {
    let done = 0;
    if (pattern) for (const found of text.matchAll(pattern)) {
      const boxed = found[0].startsWith("\\boxed"), node = drawn && Object.hasOwn(formulas, found[0]) && formulas[found[0]];
      if (!node && !boxed) continue;
      box.append(text.slice(done, found.index), node ? mathml(node) : element("mark", found[0]));
      done = found.index + found[0].length;
    }
    box.append(text.slice(done));
    return box;
  }

  function texts(tag, text, kind, drawn) {
    const box = element(tag, undefined, kind);
    box.dir = "auto";
    return rich(box, text, drawn);
  }

  const names = { 1: "right", 0: "wrong", c: "copied from the problem", b: "no box", u: "answer not parsed", g: "gold not parsed", t: "timeout", e: "error" };
  const page = 8;
  const sets = blobs("sample-index");

  if (sets.length) {
    const keys = ["first", "second", "protocol", "benchmark", "domain", "change", "status", "sort", "text"];
    const input = Object.fromEntries(keys.map((name) => [name, byId("f-" + name)]));
    const drawn = byId("f-formulas"), list = byId("list");
    const unique = (key, where = () => true) => [...new Set(sets.filter(where).map((s) => s.dataset[key]))];
    const find = (kind, model, protocol, benchmark) => blobs(kind).find((s) =>
      s.dataset.benchmark === benchmark && (kind === "problem-set" || (s.dataset.model === model && s.dataset.protocol === protocol)));
    const passes = {
      right: (letter) => letter === "1", wrong: (letter) => letter !== "1" && letter !== "-", nobox: (letter) => letter === "b",
      cut: (letter, flag) => flag & 1, false: (letter, flag) => flag & 2, rightfalse: (letter, flag) => letter === "1" && flag & 2,
    };
    let items = [], kept = [], first = 0, turn = 0, loaded = "", pieces = [], piecesOf = "";

    // What one model did on a problem: share of right samples, longest response, and which kinds of samples there are.
    function side([, letters, flags, tokens]) {
      const sampled = letters.slice(1), right = [...sampled].filter((letter) => letter === "1").length;
      const share = sampled ? right / sampled.length : letters === "1" ? 1 : 0;
      const kinds = {};
      for (const kind in passes) for (let at = 0; at < letters.length && !kinds[kind]; at++) kinds[kind] = Boolean(passes[kind](letters[at], +flags[at]));
      return { letters, flags, tokens, share, right, n: sampled.length, longest: Math.max(...tokens), kinds };
    }

    async function load() {
      const models = [input.first.value, input.second.value], protocol = input.protocol.value;
      const wanted = JSON.stringify([models, protocol]);
      if (wanted === loaded) return;
      const made = [];
      for (const benchmark of unique("benchmark", (s) => s.dataset.protocol === protocol)) {
        const parts = ["problem-set", "sample-index", "sample-index"].map((kind, at) => find(kind, models[Math.max(0, at - 1)], protocol, benchmark));
        if (!parts[0]) continue;
        const [problems, ...found] = await Promise.all(parts.map((part) => part ? unpack(part) : []));
        const [ids, words, answers, domains] = problems;
        const sides = found.map((rows) => new Map(rows.map((row) => [row[0], row])));
        ids.forEach((id, at) => {
          const both = sides.map((rows) => rows.has(at) ? side(rows.get(at)) : null);
          if (!both[0] && !both[1]) return;
          const item = { benchmark, at, id, problem: words[at], answer: answers[at], domain: domains[at], sides: both, change: "", delta: 0 };
          if (both[0] && both[1]) {
            const solved = both.map((part) => part.share >= 0.5);
            item.change = solved[0] ? (solved[1] ? "both right" : "broken") : solved[1] ? "fixed" : "both wrong";
            item.delta = both[1].share - both[0].share;
          }
          const last = both[1] || both[0];
          item.longest = last.longest;
          item.disagreement = last.share * (1 - last.share);
          made.push(item);
        });
      }
      formulas = source ? await unpack(source) : {};
      items = made;
      loaded = wanted;
    }

    // Responses that are in the page, rows [problem, sample, text]; only a search unpacks those of every benchmark.
    async function responses(model, benchmark) {
      const script = find("sample-set", model, input.protocol.value, benchmark);
      return script ? unpack(script) : [];
    }

    async function bySample(model, benchmark) {
      const rows = await responses(model, benchmark);
      rows.byKey ||= new Map(rows.map((row) => [row[0] + " " + row[1], row[2]]));
      return rows;
    }

    // What a search reads: problem and responses of all items in lower case, joined into pieces, with the place where each item ends. Joined,
    // the texts are read as fast as memory is; in pieces, a sign beyond Latin-1 doubles the bytes of one piece alone.
    async function searchable() {
      const wanted = loaded, models = [...new Set([input.first.value, input.second.value])], made = [];
      if (piecesOf === wanted) return pieces;
      let piece = null, before = "", texts = [];
      for (const [place, item] of items.entries()) {
        if (item.benchmark !== before) {
          texts = [];
          for (const rows of await Promise.all(models.map((model) => responses(model, item.benchmark))))
            for (const [at, , text] of rows) (texts[at] ||= []).push(text);
          before = item.benchmark;
        }
        if (!piece || piece.size > 500_000) made.push(piece = { first: place, size: 0, parts: [], ends: [] });
        const text = [item.problem, ...texts[item.at] || [], ""].join("\0").toLowerCase();
        piece.parts.push(text);
        piece.ends.push(piece.size += text.length);
      }
      for (const part of made) { part.text = part.parts.join(""); delete part.parts; }
      if (loaded === wanted) { pieces = made; piecesOf = wanted; }
      return made;
    }

    // A mark per item that holds the words; after a hit the search goes on at the next item.
    async function searched(needle) {
      const hits = new Uint8Array(items.length);
      for (const { first, text, ends } of await searchable()) {
        for (let at = 0, found = text.indexOf(needle); found >= 0; found = text.indexOf(needle, ends[at])) {
          while (ends[at] <= found) at++;
          hits[first + at] = 1;
        }
      }
      return hits;
    }

    const orders = {
      change: (a, b) => input.change.value === "fixed" || input.change.value === "better" ? b.delta - a.delta : a.delta - b.delta,
      length: (a, b) => b.longest - a.longest, disagreement: (a, b) => b.disagreement - a.disagreement,
    };
    const fits = {
      better: (item) => item.delta > 0, worse: (item) => item.delta < 0,
    };

    async function select() {
      const { benchmark, domain, change, status } = Object.fromEntries(keys.map((name) => [name, input[name].value]));
      const needle = input.text.value.toLowerCase(), hits = needle && await searched(needle);
      kept = items.filter((item, at) => (!needle || hits[at]) && (!benchmark || item.benchmark === benchmark) && (!domain || item.domain.includes(domain)) &&
        (!change || (fits[change] ? fits[change](item) : item.change === change)) &&
        (!status || item.sides.some((part) => part && part.kinds[status])));
      if (input.sort.value) kept = kept.map((item) => item).sort(orders[input.sort.value]);
    }

    // The sample of a side to open: one that the filters ask for, with its text in the page where there is one.
    function opening(part, has) {
      const every = [...part.letters].map((letter, at) => at).filter((at) => part.letters[at] !== "-");
      const asked = input.status.value && passes[input.status.value];
      const usual = part.share >= 0.5 ? "1" : "";
      const score = (at) => (asked && asked(part.letters[at], +part.flags[at]) ? 8 : 0) + (input.sort.value === "length" && part.tokens[at] === part.longest ? 4 : 0) +
        (has(at) ? 2 : 0) + ((part.letters[at] === "1") === Boolean(usual) ? 1 : 0);
      return every.reduce((best, at) => (score(at) > score(best) ? at : best), every[0]);
    }

    function sideBox(item, part, model, rows) {
      const box = element("div");
      box.append(element("h4", `${model}: ${part ? (part.n ? `${part.right} of ${part.n} right` : part.letters === "1" ? "right" : "wrong") : "not evaluated"}`));
      if (!part) return box;
      const text = (at) => rows.byKey.get(item.at + " " + (at - 1));
      const choice = element("select");
      choice.setAttribute("aria-label", `sample of ${model} on ${item.benchmark} ${item.id}`);
      const every = [...part.letters].map((letter, at) => String(at)).filter((at) => part.letters[at] !== "-");
      fill(choice, every, every.map((at) => `${at === "0" ? "greedy" : "sample " + (at - 1)}: ${part.letters[at] === "1" ? "✓" : "✗"} ${names[part.letters[at]]}` +
        `${part.flags[at] & 1 ? ", cut off" : ""}${part.flags[at] & 2 ? ", false equality" : ""}, ${part.tokens[at]} tokens${text(+at) === undefined ? " (no text here)" : ""}`));
      choice.value = String(opening(part, (at) => text(at) !== undefined));
      const body = element("div");
      const show = () => {
        const at = +choice.value, found = text(at);
        const shown = found === undefined
          ? element("p", `The text of this sample is not in the page. It is in ${find("sample-set", model, input.protocol.value, item.benchmark).dataset.path}: id ${item.id}, sample ${at - 1}.`, "note")
          : texts("div", found, "response", drawn.checked);
        if (found !== undefined) { shown.tabIndex = 0; shown.setAttribute("role", "group"); shown.setAttribute("aria-label", `response of ${model}`); }
        box.className = part.letters[at] === "1" ? "right" : "wrong";
        body.replaceChildren(shown);
      };
      choice.addEventListener("change", show);
      box.append(choice, body);
      show();
      return box;
    }

    async function card(item) {
      const box = element("article", undefined, "sample " + item.change.replace(" ", "-"));
      const head = element("div", undefined, "head"), link = element("a", "link");
      link.href = "#" + new URLSearchParams({ problem: item.id, benchmark: item.benchmark, first: input.first.value, second: input.second.value, protocol: input.protocol.value });
      link.setAttribute("aria-label", `link to ${item.benchmark} ${item.id}`);
      head.append(element("b", item.change || "one model only"), element("span", `${item.benchmark} ${item.id}${item.domain.length ? " · " + item.domain.join("; ") : ""}`), link);
      const answer = element("p", "gold answer: ", "gold"), gold = "$" + item.answer.replace(/^\$+|\$+$/g, "") + "$";
      answer.append(drawn.checked && Object.hasOwn(formulas, gold) ? mathml(formulas[gold]) : element("code", item.answer));
      const sides = element("div", undefined, "sides");
      const models = input.first.value === input.second.value ? [input.second.value] : [input.first.value, input.second.value];
      for (const model of models) sides.append(sideBox(item, item.sides[models.length === 1 ? 1 : models.indexOf(model)], model, await bySample(model, item.benchmark)));
      box.append(head, texts("div", item.problem, "problem", drawn.checked), answer, sides);
      return box;
    }

    async function draw(at) {
      const mine = ++turn;
      list.setAttribute("aria-busy", "true");
      await load();
      if (mine !== turn) return;
      await select();
      if (mine !== turn) return;
      first = Math.max(0, Math.min(at, kept.length - 1));
      first -= first % page;
      const part = kept.slice(first, first + page);
      const cards = await Promise.all(part.map(card));
      if (mine !== turn) return;
      byId("shown").textContent = kept.length ? `${first + 1}–${first + part.length} of ${kept.length} problems` : "no problem fits these filters";
      for (const end of ["", "-below"]) {
        byId("back" + end).disabled = first === 0;
        byId("more" + end).disabled = first + page >= kept.length;
      }
      list.replaceChildren(...cards);
      byId("below").hidden = kept.length <= page;
      list.setAttribute("aria-busy", "false");
    }

    function options() {
      fill(input.first, unique("model"));
      fill(input.second, unique("model"));
      fill(input.protocol, unique("protocol"));
      const benchmarks = unique("benchmark");
      fill(input.benchmark, ["", ...benchmarks], ["all", ...benchmarks]);
    }

    function domains() {
      const found = [...new Set(items.filter((item) => !input.benchmark.value || item.benchmark === input.benchmark.value).flatMap((item) => item.domain))].sort();
      fill(input.domain, ["", ...found], ["all", ...found]);
    }

    // The reader's place: another pair of models keeps the problem that was on top, another page begins at its first problem.
    async function samePlace() {
      const top = kept[first];
      await draw(0);
      const at = top ? kept.findIndex((item) => item.benchmark === top.benchmark && item.id === top.id) : 0;
      if (at >= page) await draw(at);
    }

    async function turnTo(at) {
      await draw(at);
      const box = list.querySelector("article");
      if (!box) return;
      box.tabIndex = -1;
      box.focus({ preventScroll: true });
      box.scrollIntoView({ block: "start", behavior: "instant" });
    }

    function set(values) {
      for (const key of ["benchmark", "domain", "change", "status", "sort", "text"]) input[key].value = values.get(key) || "";
    }

    async function open() {
      const asked = new URLSearchParams(location.hash.slice(1));
      if (!asked.has("problem")) return false;
      set(new URLSearchParams());
      for (const key of ["first", "second", "protocol"]) if ([...input[key].options].some((option) => option.value === asked.get(key))) input[key].value = asked.get(key);
      await draw(0);
      const at = kept.findIndex((item) => item.id === asked.get("problem") && item.benchmark === asked.get("benchmark"));
      if (at < 0) return false;
      kept = [kept[at]];
      list.replaceChildren(await card(kept[0]));
      byId("shown").textContent = "one problem; choose a filter to see others";
      for (const end of ["back", "more", "back-below", "more-below"]) byId(end).disabled = true;
      byId("below").hidden = true;
      list.firstElementChild.scrollIntoView({ block: "start", behavior: "instant" });
      return true;
    }

    for (const name of ["first", "second", "protocol"]) input[name].addEventListener("change", samePlace);
    for (const name of ["benchmark", "domain", "change", "status", "sort"]) input[name].addEventListener("change", () => { if (name === "benchmark") { input.domain.value = ""; domains(); } draw(0); });
    input.text.addEventListener("input", () => draw(0));
    input.text.addEventListener("focus", searchable);  // unpacked before the first letter
    drawn.addEventListener("change", () => draw(first));
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    for (const end of ["", "-below"]) {
      byId("back" + end).addEventListener("click", () => turnTo(first - page));
      byId("more" + end).addEventListener("click", () => turnTo(first + page));
    }
    document.querySelectorAll("[data-preset]").forEach((button) => button.addEventListener("click", () => { set(new URLSearchParams(button.dataset.preset)); draw(0); }));
    window.addEventListener("hashchange", open);
    options();
    const models = unique("model");
    input.first.value = models[0];
    input.second.value = models[Math.min(1, models.length - 1)];
    byId("browser").hidden = false;
    open().then((opened) => opened || draw(0)).then(domains);
  }

  const kept = blobs("rollout-set");
  if (kept.length) {
    const run = byId("r-run"), step = byId("r-step"), verdict = byId("r-verdict");
    byId("rollouts").hidden = false;
    async function draw(fresh) {
      const rows = await unpack(kept.find((s) => s.dataset.run === run.value));
      if (fresh) {
        const steps = [...new Set(rows.map((r) => String(r[0])))];
        fill(step, ["", ...steps], ["all", ...steps]);
      }
      const part = rows.filter((r) => (!step.value || String(r[0]) === step.value) && (!verdict.value || (verdict.value === "right") === r[1]));
      const shown = part.slice(0, 24);
      byId("r-shown").textContent = part.length ? `${shown.length} of ${part.length} kept rollouts` : "no rollout fits these filters";
      byId("r-list").replaceChildren(...shown.map(([at, right, score, prompt, gold, text]) => {
        const box = element("article", undefined, "sample " + (right === null ? "unjudged" : right ? "right" : "wrong"));
        const head = element("div", undefined, "head");
        head.append(element("b", right === null ? "not judged" : right ? "✓ right" : "✗ wrong"), element("span", `step ${at} · reward ${score === null ? "unknown" : score.toFixed(2)}`));
        box.append(head, texts("div", prompt, "problem", true));
        if (gold) {
          const answer = element("p", "gold answer: ", "gold");
          answer.append(element("code", gold));
          box.append(answer);
        }
        const body = texts("div", text, "response", true);
        body.tabIndex = 0;
        body.setAttribute("role", "group");
        body.setAttribute("aria-label", "response");
        box.append(body);
        return box;
      }));
    }
    fill(run, kept.map((s) => s.dataset.run));
    run.addEventListener("change", () => draw(true));
    step.addEventListener("change", () => draw(false));
    verdict.addEventListener("change", () => draw(false));
    byId("r-filters").addEventListener("submit", (event) => event.preventDefault());
    draw(true);
  }
})();
