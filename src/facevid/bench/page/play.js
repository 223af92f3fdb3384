"use strict";
// The videos of a metric start together, so that made and real can be watched side by side. Controls would cover half
// of a small video; they come with the pointer or the focus. Without this script they are always there.
for (const row of document.querySelectorAll(".row")) {
  const videos = [...row.querySelectorAll("video")];
  const button = row.querySelector("button.play");
  if (!videos.length) continue;
  const resting = () => videos.every((video) => video.paused);
  const name = () => {
    button.textContent = resting() ? "Play together" : "Pause";
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    const start = resting();
    for (const video of videos) {
      if (start) {
        video.currentTime = 0;
        video.play().catch(name);
      } else {
        video.pause();
      }
    }
  });
  for (const video of videos) {
    video.controls = false;
    video.tabIndex = 0;
    for (const event of ["pointerenter", "focus"]) video.addEventListener(event, () => (video.controls = true));
    for (const event of ["pointerleave", "blur"]) video.addEventListener(event, () => (video.controls = false));
    for (const event of ["play", "pause"]) video.addEventListener(event, name);
  }
}
