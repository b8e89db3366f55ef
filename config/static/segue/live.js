/* An execution's page while it is under way: shows anew what has changed, and answers of models as they come.
   Without this script the page is what it was when it was opened. */
"use strict";

(() => {
  const { events, after } = document.currentScript.dataset;
  const PARTS = [".sg-head", ".sg-picture", "#sg-runs", ".sg-columns", ".sg-panels"];
  const PAUSE_MS = 2000; // Between two looks at the page, however much happens.
  const COME_BACK_MS = 30000; // When all places were taken. Elsewhere the browser comes back by itself.

  let isWanted = false;
  let isUnderWay = false;

  async function showAnew(parts) {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts) {
      const old = document.querySelector(part);
      const next = fresh.querySelector(part);
      if (old && next && old.outerHTML !== next.outerHTML) old.replaceWith(document.adoptNode(next));
    }
  }

  async function showSoon() {
    isWanted = true;
    if (isUnderWay) return;
    isUnderWay = true;
    while (isWanted) {
      isWanted = false;
      await showAnew(PARTS).catch(() => {});
      await new Promise((done) => setTimeout(done, PAUSE_MS));
    }
    isUnderWay = false;
  }

  const names = new Map();
  const answers = new Map();

  function answerOf(nodeRun) {
    if (!answers.has(nodeRun)) {
      const part = document.createElement("div");
      const name = part.appendChild(document.createElement("code"));
      name.textContent = names.get(nodeRun) ?? nodeRun;
      part.append(document.createElement("pre"));
      document.querySelector("#sg-answers .sg-body").append(part);
      answers.set(nodeRun, part);
    }
    return answers.get(nodeRun).lastChild;
  }

  function forget(nodeRun) {
    answers.get(nodeRun)?.remove();
    answers.delete(nodeRun);
    document.getElementById("sg-answers").hidden = answers.size === 0;
  }

  function listen() {
    const source = new EventSource(`${events}?last_event_id=${encodeURIComponent(after)}`);
    source.addEventListener("execution", showSoon);
    source.addEventListener("node_run", (event) => {
      const run = JSON.parse(event.data);
      const name = run.iteration ? `${run.node_id} in pass ${run.iteration}` : run.node_id;
      names.set(run.id, name);
      // To a page that was opened in the middle, the answer so far is told first.
      if (answers.has(run.id)) answers.get(run.id).firstChild.textContent = name;
      if (run.completed_at) forget(run.id);
      showSoon();
    });
    source.addEventListener("text", (event) => {
      const piece = JSON.parse(event.data);
      const answer = answerOf(piece.node_run);
      answer.textContent = piece.reset ? piece.text : answer.textContent + piece.text;
      document.getElementById("sg-answers").hidden = false;
    });
    source.addEventListener("end", () => {
      source.close();
      for (const nodeRun of [...answers.keys()]) forget(nodeRun);
      showAnew([...PARTS, ".sg-actions"]).catch(() => {});
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, COME_BACK_MS);
    });
  }

  listen();
})();
