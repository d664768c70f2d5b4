"use strict";

const $ = (id) => document.getElementById(id);
const POINT_COLOURS = ["#0080ff", "#ff8000", "#ffff00", "#ff00ff", "#ff0000"];
let settings = { most_bytes: Infinity };
let camera = null;
let shown = null; // the file
let latest = 0; // of the pictures that were asked about: an answer that is overtaken is not shown

function say(id, text, isProblem) {
  $(id).textContent = text;
  $(id).classList.toggle("problem", Boolean(isProblem));
}

async function post(path, body, type) {
  const answer = await fetch(path, { method: "POST", body, headers: { "Content-Type": type } }).catch(() => {
    throw new Error("mtcnn demo does not answer any more");
  });
  const found = await answer.json().catch(() => ({ problem: `mtcnn demo answers ${answer.status}: try again` }));
  if (!answer.ok) throw new Error(found.problem);
  return found;
}

function checked(file) {
  if (file.size > settings.most_bytes) throw new Error(`the picture is larger than ${settings.most_bytes / 1e6} MB`);
  return file;
}

// What the server is sent says what it is; whether it is a picture, the server tells.
function ask(blob, query) {
  const type = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
  return post(`detect?${query}`, blob, type);
}

async function detect(blob) {
  const asked = ++latest;
  const query = new URLSearchParams({ preset: $("preset").value, minsize: $("minsize").value || 40 });
  $("drop").setAttribute("aria-busy", "true");
  try {
    let found = await ask(blob, query);
    const img = await createImageBitmap(blob).catch(async () => {
      found = await ask(blob, `${query}&preview=1`); // this browser cannot read it, the server can
      const picture = new Image();
      picture.src = found.picture;
      await picture.decode();
      return picture;
    });
    if (asked !== latest) return;
    draw(img, found);
    const faces = found.faces.length === 1 ? "1 face" : `${found.faces.length} faces`;
    say("said", `${faces} in ${found.ms.toFixed(1)} ms, ${found.width} x ${found.height}${found.flaw ? `; ${found.flaw}` : ""}`);
    $("picture").setAttribute("aria-label", `the picture, ${faces} marked`);
    $("aligned").hidden = !found.aligned;
    if (found.aligned) $("aligned").src = found.aligned;
  } catch (error) {
    if (asked !== latest) return;
    clear();
    throw error;
  } finally {
    if (asked === latest) $("drop").removeAttribute("aria-busy");
  }
}

// No picture of before stands beside what went wrong with another.
function clear() {
  const canvas = $("picture");
  canvas.width = 640;
  canvas.height = 360;
  canvas.setAttribute("aria-label", "no picture yet");
  $("hint").hidden = false;
  $("aligned").hidden = true;
  $("drop").removeAttribute("aria-busy");
}

function draw(img, found) {
  const canvas = $("picture");
  canvas.width = found.width;
  canvas.height = found.height;
  $("hint").hidden = true;
  const pen = canvas.getContext("2d");
  pen.drawImage(img, 0, 0, found.width, found.height);
  const shrink = Math.max(1, canvas.width / canvas.getBoundingClientRect().width); // by the page, to fit the window
  const line = Math.max(1, Math.round(shrink));
  pen.lineWidth = line;
  const size = Math.round(16 * shrink);
  pen.font = `${size}px sans-serif`;
  pen.textBaseline = "top";
  for (const face of found.faces) {
    const [x1, y1, x2, y2] = face.box.map((n) => Math.round(n) + (line % 2) / 2); // on whole pixels: sharp
    pen.strokeStyle = pen.fillStyle = "#40c840";
    pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
    const score = face.score.toFixed(2);
    const top = Math.max(0, y1 - size - line); // of a picture's first rows, inside of the box
    pen.fillRect(x1 - line / 2, top, pen.measureText(score).width + 2 * line, size);
    pen.fillStyle = "#000";
    pen.fillText(score, x1 + line / 2, top);
    Object.values(face.landmarks).forEach(([x, y], i) => {
      pen.fillStyle = POINT_COLOURS[i];
      pen.beginPath();
      pen.arc(x, y, line + 1, 0, 2 * Math.PI);
      pen.fill();
    });
  }
}

async function tried(id, work) {
  try {
    await work();
  } catch (error) {
    say(id, error.message, true);
  }
}

async function useCamera() {
  if (!navigator.mediaDevices) throw new Error("browsers give the camera only to pages from localhost or by https");
  const video = document.createElement("video");
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
  video.muted = true;
  await video.play();
  const frame = document.createElement("canvas");
  frame.width = video.videoWidth;
  frame.height = video.videoHeight;
  const [track] = video.srcObject.getVideoTracks();
  camera = video;
  $("camera").textContent = "Stop the camera";
  try {
    while (camera === video) {
      if (track.readyState === "ended") throw new Error("the camera is gone");
      frame.getContext("2d").drawImage(video, 0, 0);
      await detect(await new Promise((done) => frame.toBlob(done, "image/jpeg", 0.9)));
    }
  } catch (error) {
    clear();
    throw error;
  } finally {
    stopCamera(video);
  }
}

function stopCamera(video) {
  video.srcObject.getTracks().forEach((track) => track.stop());
  camera = null;
  $("camera").textContent = "Camera";
}

function show(file) {
  camera = null;
  shown = file;
  return tried("said", async () => {
    try {
      checked(file);
    } catch (error) {
      latest += 1;
      clear();
      throw error;
    }
    await detect(file);
  });
}

async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return btoa(text);
}

async function verify() {
  const files = [$("a").files[0], $("b").files[0]];
  if (!files[0] || !files[1]) return;
  say("verdict", "comparing …");
  for (const id of ["face-a", "face-b"]) $(id).hidden = true;
  const [a, b] = await Promise.all(files.map((file) => base64(checked(file))));
  const found = await post("verify", JSON.stringify({ a, b }), "application/json");
  ["face-a", "face-b"].forEach((id, i) => {
    $(id).hidden = !found.faces[i];
    if (found.faces[i]) $(id).src = found.faces[i];
  });
  if (found.same === null) {
    say("verdict", "no face in one of them", true);
  } else {
    const verdict = found.same ? "one person" : "two persons";
    say("verdict", `${verdict}: distance ${found.distance.toFixed(3)}, threshold ${found.threshold.toFixed(3)}, ${found.ms.toFixed(1)} ms`);
  }
}

$("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = ""; // the same one chosen again is a change, too
  if (file) show(file);
});
for (const id of ["preset", "minsize"]) $(id).addEventListener("change", () => shown && !camera && show(shown));
$("camera").addEventListener("click", () => (camera ? (camera = null) : tried("said", useCamera)));
for (const id of ["a", "b"]) $(id).addEventListener("change", () => tried("verdict", verify));
for (const name of ["dragover", "dragleave", "drop"]) {
  $("drop").addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files[0]) show(event.dataTransfer.files[0]);
  });
}

tried("said", async () => {
  settings = await (await fetch("settings")).json();
  $("runtime").textContent = settings.runtime;
  $("preset").replaceChildren(...settings.presets.map((name) => new Option(name, name)));
  $("preset").value = settings.preset;
  $("minsize").value = settings.minsize;
  $("verify").hidden = !settings.verify;
  document.body.dataset.ready = "yes";
});
