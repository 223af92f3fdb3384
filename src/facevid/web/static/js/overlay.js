// Draws the face mesh and the box of one frame over the picture.

// Rings and lines of the 478-point mesh (MediaPipe's numbering): outline, lips, eyes, brows, irises.
const RINGS = {
  outline: [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
    150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
  ],
  lips: [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185],
  mouth: [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191],
  rightEye: [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246],
  leftEye: [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466],
  rightBrow: [70, 63, 105, 66, 107, 55, 65, 52, 53, 46],
  leftBrow: [300, 293, 334, 296, 336, 285, 295, 282, 283, 276],
  rightIris: [469, 470, 471, 472],
  leftIris: [474, 475, 476, 477],
};
const POINTS = 478;
const COLOURS = { point: "#7fe3ff", ring: "#2fb6ff", iris: "#ffd24a", box: "#7dff9b" };

/** Points are clip pixels, frames x 478 x 2; box is frames x 4 (x0, y0, x1, y1). `drawn` says what is on it. */
export class Overlay {
  constructor(canvas) {
    this.canvas = canvas;
    this.mesh = true;
    this.box = true;
    this.drawn = { frame: -1, points: [] };
    this._points = new Float32Array();
    this._boxes = [];
    this._frame = 0;
    this._size = [512, 512];
    new ResizeObserver(() => this._fit()).observe(canvas);
  }

  load({ points, boxes, width, height }) {
    this._points = points;
    this._boxes = boxes ?? [];
    this._size = [width, height];
    this._fit();
  }

  toggle(what) {
    this[what] = !this[what];
    this.draw(this._frame);
    return this[what];
  }

  draw(frame) {
    this._frame = frame;
    const context = this.canvas.getContext("2d");
    const scale = this.canvas.width / this._size[0];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(scale, 0, 0, this.canvas.height / this._size[1], 0, 0);
    context.lineWidth = this._size[0] / 400;
    if (this.box && this._boxes[frame]) this._drawBox(context, this._boxes[frame]);
    const has = this.mesh && this._points.length >= (frame + 1) * POINTS * 2;
    this.drawn = { frame, points: has ? this._drawMesh(context, frame) : [] };
  }

  _drawMesh(context, frame) {
    const start = frame * POINTS * 2;
    const at = (k) => [this._points[start + 2 * k], this._points[start + 2 * k + 1]];
    const dot = this._size[0] / 320;
    context.fillStyle = COLOURS.point;
    context.globalAlpha = 0.75;
    for (let k = 0; k < POINTS; k++) {
      const [x, y] = at(k);
      context.fillRect(x - dot / 2, y - dot / 2, dot, dot);
    }
    context.globalAlpha = 0.9;
    for (const [name, ring] of Object.entries(RINGS)) {
      context.strokeStyle = name.endsWith("Iris") ? COLOURS.iris : COLOURS.ring;
      context.beginPath();
      ring.forEach((k, n) => (n ? context.lineTo(...at(k)) : context.moveTo(...at(k))));
      context.closePath();
      context.stroke();
    }
    context.globalAlpha = 1;
    return [at(0), at(1), at(2)];
  }

  _drawBox(context, [x0, y0, x1, y1]) {
    context.strokeStyle = COLOURS.box;
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }

  _fit() {
    const density = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(this.canvas.clientWidth * density));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * density));
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.draw(this._frame);
  }
}
