import type { Engine } from '../core/engine.ts';
import { openEmbedded, type EmbeddedOptions } from './embedded/index.ts';

/** Opens the engine that the configuration names. The one switch between engines. */
export function openEngine(options: EmbeddedOptions): Promise<Engine> {
  return openEmbedded(options);
}
