"use strict";
// Unpacks samples and shows them as text nodes: nothing in a response is ever parsed as markup.
(() => {
  const byId = (id) => document.getElementById(id);
  const blobs = (kind) => [...document.querySelectorAll("script." + kind)];
  const cache = new Map();

  async function unpack(script) {
    if (!cache.has(script)) {
      const bytes = Uint8Array.from(atob(JSON.parse(script.textContent)), (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      cache.set(script, JSON.parse(await new Response(stream).text()));
    }
    return cache.get(script);
  }

  function element(tag, text, kind) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  function fill(select, values, keep) {
    const before = select.value;
    select.replaceChildren(...values.map((value) => {
      const option = element("option", value);
      option.value = value;
      return option;
    }));
    if (keep && values.includes(before)) select.value = before;
  }

  function response(text) {
    const body = element("pre", undefined, "response");
    const start = text.lastIndexOf("\\boxed");
    if (start < 0) body.textContent = text;
    else {
      let depth = 0, end = start;
      for (; end < text.length; end++) {
        if (text[end] === "{") depth++;
        else if (text[end] === "}" && --depth === 0) { end++; break; }
      }
      body.append(text.slice(0, start), element("mark", text.slice(start, end)), text.slice(end));
    }
    return body;
  }

  const names = { 1: "right", 0: "wrong", c: "copied from the problem", b: "no box", u: "answer not parsed", g: "gold not parsed", t: "timeout", e: "error" };
  const page = 8;
  const sets = blobs("sample-set");

  if (sets.length) {
    const [model, protocol, benchmark, verdict, words] = ["model", "protocol", "benchmark", "verdict", "text"].map((n) => byId("f-" + n));
    let first = 0, draws = 0;
    const unique = (key, where) => [...new Set(sets.filter(where).map((s) => s.dataset[key]))];

    function options() {
      fill(model, unique("model", () => true), true);
      fill(protocol, unique("protocol", (s) => s.dataset.model === model.value), true);
      fill(benchmark, unique("benchmark", (s) => s.dataset.model === model.value && s.dataset.protocol === protocol.value), true);
    }

    const passes = { right: (r) => r[2] === "1", wrong: (r) => r[2] !== "1", nobox: (r) => r[2] === "b", cut: (r) => r[3] === 1 };

    async function draw() {
      const turn = ++draws;
      const set = sets.find((s) => s.dataset.model === model.value && s.dataset.protocol === protocol.value && s.dataset.benchmark === benchmark.value);
      const golds = blobs("problem-set").find((s) => s.dataset.benchmark === benchmark.value);
      if (!set || !golds) return;
      const [rows, problems] = await Promise.all([unpack(set), unpack(golds)]);
      if (turn !== draws) return;
      const needle = words.value.toLowerCase();
      const kept = rows.filter((r) => (!verdict.value || passes[verdict.value](r)) &&
        (!needle || r[5].toLowerCase().includes(needle) || (problems[r[0]] || { problem: "" }).problem.toLowerCase().includes(needle)));
      first = Math.max(0, Math.min(first, kept.length - 1));
      first -= first % page;
      const part = kept.slice(first, first + page);
      byId("shown").textContent = kept.length ? `${first + 1}–${first + part.length} of ${kept.length} samples` : "no sample fits these filters";
      byId("back").disabled = first === 0;
      byId("more").disabled = first + page >= kept.length;
      byId("list").replaceChildren(...part.map((r) => {
        const [id, number, letter, cut, tokens, text] = r;
        const problem = problems[id] || { problem: "", answer: "" };
        const box = element("article", undefined, "sample " + (letter === "1" ? "right" : "wrong"));
        const head = element("header");
        head.append(element("b", (letter === "1" ? "✓ " : "✗ ") + names[letter]), element("span", `${id} · ${number < 0 ? "greedy" : "sample " + number} · ${tokens} tokens${cut ? " · cut off" : ""}`));
        const answer = element("p", "gold answer: ", "gold");
        answer.append(element("code", problem.answer));
        box.append(head, element("p", problem.problem, "problem"), answer, response(text));
        return box;
      }));
    }

    const restart = () => { first = 0; options(); draw(); };
    for (const input of [model, protocol, benchmark, verdict]) input.addEventListener("change", restart);
    words.addEventListener("input", () => { first = 0; draw(); });
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    byId("back").addEventListener("click", () => { first -= page; draw(); });
    byId("more").addEventListener("click", () => { first += page; draw(); });
    restart();
  }

  const kept = blobs("rollout-set");
  if (kept.length) {
    const run = byId("r-run"), step = byId("r-step"), verdict = byId("r-verdict");
    async function draw(fresh) {
      const rows = await unpack(kept.find((s) => s.dataset.run === run.value));
      if (fresh) {
        fill(step, ["", ...new Set(rows.map((r) => String(r[0])))], true);
        step.options[0].textContent = "all";
      }
      const part = rows.filter((r) => (!step.value || String(r[0]) === step.value) && (!verdict.value || (verdict.value === "right") === r[1]));
      const shown = part.slice(0, 24);
      byId("r-shown").textContent = part.length ? `${shown.length} of ${part.length} kept rollouts` : "no rollout fits these filters";
      byId("r-list").replaceChildren(...shown.map(([at, right, score, prompt, gold, text]) => {
        const box = element("article", undefined, "sample " + (right === null ? "unjudged" : right ? "right" : "wrong"));
        const head = element("header");
        head.append(element("b", right === null ? "not judged" : right ? "✓ right" : "✗ wrong"), element("span", `step ${at} · reward ${score === null ? "unknown" : score.toFixed(2)}`));
        box.append(head, element("p", prompt, "problem"));
        if (gold) {
          const answer = element("p", "gold answer: ", "gold");
          answer.append(element("code", gold));
          box.append(answer);
        }
        box.append(response(text));
        return box;
      }));
    }
    fill(run, kept.map((s) => s.dataset.run));
    run.addEventListener("change", () => draw(true));
    step.addEventListener("change", () => draw(false));
    verdict.addEventListener("change", () => draw(false));
    draw(true);
  }
})();
