/** The state that every command shares. */
import { Releases, StowageClient, nodePlatform, type StowageError } from '../client/node.ts';
import { UsageError } from './exit.ts';
import { printable } from './format.ts';
import { Output } from './output.ts';
import { statePath } from './profiles.ts';
import { Progress } from './progress.ts';
import {
  resolveReleaseSettings,
  resolveSettings,
  type ConnectionOptions,
  type ReleaseRole,
  type ClientSettings,
} from './settings.ts';
import type { World } from './world.ts';

/** Options that every command accepts. */
export interface Globals extends ConnectionOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export class Context {
  readonly world: World;
  readonly output: Output;
  #globals: Globals = {};

  constructor(world: World) {
    this.world = world;
    this.output = new Output(world);
  }

  /** Set after the command line is parsed. */
  set globals(globals: Globals) {
    this.#globals = globals;
    this.output.json = globals.json ?? false;
    this.output.quiet = globals.quiet ?? false;
  }

  get globals(): Globals {
    return this.#globals;
  }

  async settings(): Promise<ClientSettings> {
    return await resolveSettings(this.world.env, this.#globals);
  }

  async client(): Promise<StowageClient> {
    return this.clientFor(await this.settings());
  }

  clientFor({ url, namespace, key }: Pick<ClientSettings, 'url' | 'namespace' | 'key'>): StowageClient {
    try {
      return new StowageClient({
        url,
        namespace,
        key,
        platform: nodePlatform({ stateFolder: statePath(this.world.env) }),
      });
    } catch (error) {
      throw error instanceof TypeError ? new UsageError(error.message) : error;
    }
  }

  async releases(role: ReleaseRole): Promise<Releases> {
    const { url, credentials } = await resolveReleaseSettings(this.world.env, this.#globals, role);
    try {
      return new Releases({ url, credentials, platform: nodePlatform({ stateFolder: statePath(this.world.env) }) });
    } catch (error) {
      throw error instanceof TypeError ? new UsageError(error.message) : error;
    }
  }

  progress(): Progress {
    return new Progress(this.output.quiet ? undefined : this.world.stderr);
  }

  /** Returns a handler that prints each transfer error, but not the same message twice in a row. */
  troubles(progress: Progress): (error: StowageError) => void {
    let last = '';
    return (error) => {
      if (error.message === last) return;
      last = error.message;
      progress.clear();
      this.output.notice(`${printable(error.message)}; going on`);
    };
  }
}
