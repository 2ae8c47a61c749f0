// The slots as 128 x 128 points: by owner, or by keys. Drawn as pixels, so that 16,384 of them cost a millisecond.

import { cssOf, type Rgb } from './figures.ts';
import { type Model, slotCount } from './model.ts';

const side = 128;

export type MapMode = 'owner' | 'keys';

export class SlotCanvas {
  mode: MapMode = 'owner';
  /** Slot under the pointer or the arrow keys; undefined: none. */
  cursor: number | undefined;
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #image: ImageData;
  readonly #small: OffscreenCanvas;
  readonly #model: Model;
  readonly #still: MediaQueryList = matchMedia('(prefers-reduced-motion: reduce)');

  constructor(canvas: HTMLCanvasElement, model: Model, onCursor: (slot: number | undefined) => void) {
    this.#canvas = canvas;
    this.#model = model;
    this.#context = canvas.getContext('2d')!;
    this.#small = new OffscreenCanvas(side, side);
    this.#image = new ImageData(side, side);
    const point = (event: PointerEvent): void => {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top].map((at) =>
        Math.min(side - 1, Math.max(0, Math.floor((at / box.width) * side))),
      ) as [number, number];
      this.cursor = y * side + x;
      onCursor(this.cursor);
    };
    canvas.addEventListener('pointermove', (event) => event.pointerType === 'mouse' && point(event));
    canvas.addEventListener('pointerdown', point);
    canvas.addEventListener('keydown', (event) => {
      const step = {
        ArrowRight: 1,
        ArrowLeft: -1,
        ArrowDown: side,
        ArrowUp: -side,
        PageDown: 8 * side,
        PageUp: -8 * side,
      }[event.key];
      const place = event.key === 'Home' ? 0 : event.key === 'End' ? slotCount - 1 : undefined;
      if (step === undefined && place === undefined) return;
      event.preventDefault();
      this.cursor = place ?? ((this.cursor ?? -step!) + step! + slotCount) % slotCount;
      onCursor(this.cursor);
    });
  }

  /** Something on it is in motion, so it is to be drawn again. */
  get alive(): boolean {
    return this.#model.moving.size > 0 && !this.#still.matches;
  }

  /** `now`: milliseconds, for what pulses. */
  draw(now: number): void {
    const scale = Math.max(1, Math.round((this.#canvas.clientWidth * devicePixelRatio) / side));
    const size = scale * side;
    if (this.#canvas.width !== size) {
      this.#canvas.width = size;
      this.#canvas.height = size;
    }
    this.#paint(now);
    this.#small.getContext('2d')!.putImageData(this.#image, 0, 0);
    this.#context.imageSmoothingEnabled = false;
    this.#context.clearRect(0, 0, size, size);
    this.#context.drawImage(this.#small, 0, 0, size, size);
    this.#drawCursor(scale);
  }

  #paint(now: number): void {
    const { frame, owners, heat, moving } = this.#model;
    const colours = frame?.nodes.map((node) => this.#model.colourOf(node)) ?? [];
    const failed = frame?.nodes.map(({ status }) => status !== 'online') ?? [];
    const pulse = this.#still.matches ? 1 : 0.5 + 0.5 * Math.sin(now / 180);
    const { data } = this.#image;
    const byKeys = this.mode === 'keys';
    for (let slot = 0; slot < slotCount; slot++) {
      const owner = owners[slot]!;
      const colour: Rgb = colours[owner] ?? [128, 128, 128];
      let alpha = owner < 0 ? 30 : byKeys ? 26 + Math.round((heat[slot]! / 15) * 229) : 235 - ((slot >> 7) & 1) * 7;
      let [red, green, blue] = colour;
      if (owner >= 0 && failed[owner] === true)
        [red, green, blue] = (slot + (slot >> 7)) % 3 === 0 ? [255, 70, 85] : [red >> 1, green >> 1, blue >> 1];
      if (moving.has(slot)) {
        [red, green, blue] = [255, 190, 40];
        alpha = 120 + 135 * pulse;
      }
      const at = slot * 4;
      data[at] = red;
      data[at + 1] = green;
      data[at + 2] = blue;
      data[at + 3] = alpha;
    }
  }

  #drawCursor(scale: number): void {
    if (this.cursor === undefined) return;
    const [x, y] = [(this.cursor % side) * scale, Math.floor(this.cursor / side) * scale];
    const context = this.#context;
    context.lineWidth = Math.max(2, scale / 2);
    context.strokeStyle = '#fff';
    context.strokeRect(x - scale, y - scale, scale * 3, scale * 3);
    context.lineWidth = Math.max(1, scale / 4);
    context.strokeStyle = cssOf([20, 24, 36]);
    context.strokeRect(x - scale * 1.4, y - scale * 1.4, scale * 3.8, scale * 3.8);
  }
}
