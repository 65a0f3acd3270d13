import { HboneError } from './errors.ts';

type OnLost = (error: HboneError) => void;

/** Who keeps a connection beside its streams. */
export class Holds {
  private readonly holders = new Set<{ readonly onLost: OnLost }>();
  private readonly onRelease: () => void;
  private isOver = false;

  /** `onRelease` is called when somebody lets go. */
  constructor(onRelease: () => void) {
    this.onRelease = onRelease;
  }

  get count(): number {
    return this.holders.size;
  }

  /** As of `HboneConnection.hold`. */
  add(onLost: OnLost): Disposable {
    const holder = { onLost };
    this.holders.add(holder);
    if (this.isOver) queueMicrotask(() => this.holders.delete(holder) && onLost(new HboneError('closed')));
    return {
      [Symbol.dispose]: () => {
        if (this.holders.delete(holder)) this.onRelease();
      },
    };
  }

  /** The connection ends: everybody is told. */
  lose(error: HboneError): void {
    this.isOver = true;
    const holders = [...this.holders];
    this.holders.clear();
    for (const { onLost } of holders) onLost(error);
  }
}
