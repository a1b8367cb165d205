"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const seconds = Number(document.body.dataset.seconds);
  const ears = ["caller", "ai", "human"].filter((ear) => $("audio-" + ear));
  const side = { caller: -0.5, ai: 0, human: 0.5 };
  const player = $("player"), button = $("play"), slider = $("seek"), clock = $("clock"), plot = $("plot");
  const marked = [...document.querySelectorAll("[data-from]")];
  let audio = null, playing = [], turn = 0, at = 0;

  const sound = (ear) => Uint8Array.from(atob($("audio-" + ear).src.split(",")[1]), (c) => c.charCodeAt(0)).buffer;
  const load = () => audio ??= (async () => {
    const context = new AudioContext();
    const out = {};
    for (const ear of ears) {
      const gain = context.createGain(), pan = context.createStereoPanner();
      gain.connect(pan).connect(context.destination);
      out[ear] = { buffer: await context.decodeAudioData(sound(ear)), gain, pan };
    }
    return { context, out };
  })();
  const chosen = () => document.querySelector("input[name=ear]:checked").value;
  const mix = ({ out }) => {
    for (const ear of ears) {
      out[ear].gain.gain.value = chosen() === ear || chosen() === "all" ? 1 : 0;
      out[ear].pan.pan.value = chosen() === "all" ? side[ear] : 0;
    }
  };
  const text = (t) => `${Math.floor(t / 60)}:${String(Math.floor(t % 60)).padStart(2, "0")}`;
  const show = () => {
    slider.value = at.toFixed(2);
    slider.setAttribute("aria-valuetext", `${at.toFixed(0)} of ${seconds.toFixed(0)} seconds`);
    clock.textContent = `${text(at)} / ${text(seconds)}`;
    plot.style.setProperty("--at", at / seconds);
    for (const mark of marked) mark.classList.toggle("now", at > 0 && at >= mark.dataset.from && at < mark.dataset.until);
  };
  const halt = () => { for (const source of playing) source.stop(); playing = []; };
  const label = () => { button.textContent = playing.length ? "Pause" : "Play"; };
  const play = async () => {
    const mine = ++turn;
    const loaded = await load();
    await loaded.context.resume();
    if (mine !== turn) return;
    halt();
    if (at >= seconds - 0.05) at = 0;
    mix(loaded);
    const from = at, start = loaded.context.currentTime + 0.03;
    for (const ear of ears) {
      const source = loaded.context.createBufferSource();
      source.buffer = loaded.out[ear].buffer;
      source.connect(loaded.out[ear].gain);
      source.start(start, from);
      playing.push(source);
    }
    label();
    const tick = () => {
      if (mine !== turn) return;
      at = Math.min(seconds, Math.max(from, from + loaded.context.currentTime - start));
      if (at >= seconds) pause(); else requestAnimationFrame(tick);
      show();
    };
    tick();
  };
  const pause = () => { turn++; halt(); label(); };
  const toggle = () => playing.length ? pause() : ears.length && play();
  const seek = (to) => {
    at = Math.min(seconds, Math.max(0, to));
    if (playing.length) play();
    show();
  };

  button.onclick = toggle;
  slider.oninput = () => seek(Number(slider.value));
  for (const input of document.querySelectorAll("input[name=ear]")) input.onchange = () => audio?.then(mix);
  plot.onpointerdown = (event) => {
    const box = plot.getBoundingClientRect();
    seek((event.clientX - box.left) / box.width * seconds);
  };
  for (const go of document.querySelectorAll("button[data-at]")) {
    go.onclick = () => { seek(Number(go.dataset.at)); if (ears.length && !playing.length) play(); };
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("button, input, audio, a")) return;
    const act = { " ": toggle, ArrowLeft: () => seek(at - 2), ArrowRight: () => seek(at + 2), Home: () => seek(0), End: () => seek(seconds) }[event.key];
    if (act) { act(); event.preventDefault(); }
  });
  player.hidden = !ears.length;
  plot.classList.add("live");
  if ($("files")) $("files").hidden = true;
  show();
})();
