/** What every command is given. */
import { Releases, StowageClient, nodePlatform, type StowageError } from '../client/node.ts';
import { UsageError } from './exit.ts';
import { printable } from './format.ts';
import { Output } from './output.ts';
import { statePath } from './profiles.ts';
import { Progress } from './progress.ts';
import {
  resolveReleaseSettings,
  resolveSettings,
  type GivenOptions,
  type ReleaseRole,
  type Settings,
} from './settings.ts';
import type { World } from './world.ts';

/** Options that every command takes. */
export interface Globals extends GivenOptions {
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

  /** Told once the command line has been read. */
  set globals(globals: Globals) {
    this.#globals = globals;
    this.output.json = globals.json ?? false;
    this.output.quiet = globals.quiet ?? false;
  }

  get globals(): Globals {
    return this.#globals;
  }

  async settings(): Promise<Settings> {
    return await resolveSettings(this.world.env, this.#globals);
  }

  async client(): Promise<StowageClient> {
    return this.clientFor(await this.settings());
  }

  clientFor({ url, namespace, key }: Pick<Settings, 'url' | 'namespace' | 'key'>): StowageClient {
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

  /** Says what a transfer bears, each kind of trouble once until there is another. */
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
