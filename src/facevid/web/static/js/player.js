// Plays one clip frame by frame: says which frame is on the screen, steps, loops, and changes speed.

import { complaint } from "./api.js";

export const SPEEDS = [0.25, 0.5, 1, 1.5, 2];

/**
 * A player around a <video>. `load(url, fps, frames)` sets what it shows; `onFrame(frame)` is called whenever
 * another frame is on the screen, `onState()` when playing, speed or loop change, and `onError(sentence)` when the
 * video cannot be shown.
 */
export class Player {
  constructor(video, { onFrame = () => {}, onState = () => {}, onError = () => {} } = {}) {
    this.video = video;
    this.fps = 25;
    this.frames = 1;
    this.frame = 0;
    this._onFrame = onFrame;
    this._target = null;
    for (const event of ["play", "pause", "ratechange", "ended"]) video.addEventListener(event, () => onState());
    video.addEventListener("error", async () => {
      const url = video.getAttribute("src");
      if (!url) return;
      const sentence = (await complaint(url)) ?? trouble(video);
      if (video.getAttribute("src") === url) onError(sentence);
    });
    this._follow();
  }

  load(url, fps, frames) {
    this.fps = fps;
    this.frames = frames;
    this.frame = 0;
    this._target = null;
    this.video.src = url;
  }

  get playing() {
    return !this.video.paused && !this.video.ended;
  }

  toggle() {
    if (this.playing) return this.pause();
    this._target = null;
    // A play() that a pause or another source overtakes rejects with AbortError, which is no trouble.
    return this.video.play().catch((error) => {
      if (error.name !== "AbortError") throw error;
    });
  }

  pause() {
    this.video.pause();
  }

  /** Frames forward (or back), pausing; steps asked for while the last still seeks add up. */
  step(count) {
    this.pause();
    this.seek((this._target ?? this.frame) + count);
  }

  /** Show a frame. The middle of its time is asked for, so that rounding never lands on its neighbour. */
  seek(frame) {
    this._target = Math.max(0, Math.min(this.frames - 1, Math.round(frame)));
    this.video.currentTime = (this._target + 0.5) / this.fps;
  }

  get loop() {
    return this.video.loop;
  }

  set loop(on) {
    this.video.loop = on;
  }

  get speed() {
    return this.video.playbackRate;
  }

  /** The next slower (-1) or faster (1) speed. */
  changeSpeed(direction) {
    const now = SPEEDS.findIndex((speed) => speed >= this.video.playbackRate);
    this.video.playbackRate = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, now + direction))];
  }

  _follow() {
    if ("requestVideoFrameCallback" in this.video) {
      const seen = (_now, { mediaTime }) => {
        this._show(Math.round(mediaTime * this.fps));
        this.video.requestVideoFrameCallback(seen);
      };
      this.video.requestVideoFrameCallback(seen);
      return;
    }
    const look = () => {
      if (this.video.readyState >= 2 && !this.video.seeking) {
        this._show(Math.floor(this.video.currentTime * this.fps + 1e-3));
      }
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }

  _show(frame) {
    this.frame = Math.max(0, Math.min(this.frames - 1, frame));
    if (this.frame === this._target || this.playing) this._target = null;
    this._onFrame(this.frame);
  }
}

function trouble(video) {
  const code = video.error?.code;
  if (code === MediaError.MEDIA_ERR_NETWORK) return "The video stopped loading; see whether the server still runs.";
  if (code === MediaError.MEDIA_ERR_DECODE) return "The video cannot be decoded; its shard may be damaged.";
  return "The video cannot be shown: its file is damaged, or this browser does not play H.264.";
}
