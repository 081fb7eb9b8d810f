import type { Engine } from '../core/engine.ts';
import { openEmbedded, type EmbeddedOptions } from './embedded/index.ts';

/** Opens the configured engine; the only place that selects one. */
export function openEngine(options: EmbeddedOptions): Promise<Engine> {
  return openEmbedded(options);
}
