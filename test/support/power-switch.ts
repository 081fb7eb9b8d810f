/** Shuts down mounted file systems to simulate a power cut, and reports when. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Time of the power cut on the `monotonic` clock. */
export interface Outage {
  /** Before the first file system was shut down: responses until then count as acknowledged. */
  readonly from: number;
  /** After the last one was shut down. */
  readonly to: number;
}

/** Milliseconds on a clock that all processes share. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** EXT4_IOC_SHUTDOWN, which XFS shares, without a flush of the log. */
const program = `
  use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
  $| = 1;
  print "ready\\n";
  <STDIN>;
  my @mounts = map { open(my $mount, "<", $_) or die $!; $mount } @ARGV;
  my $from = clock_gettime(CLOCK_MONOTONIC);
  for my $mount (@mounts) { my $how = pack("L", 2); ioctl($mount, 0x8004587d, $how) or die $! }
  my $to = clock_gettime(CLOCK_MONOTONIC);
  printf "%.6f %.6f\\n", $from * 1000, $to * 1000;
`;

/** A process that waits for the cut, so that the cut itself takes microseconds. */
export class PowerSwitch {
  readonly #child: ChildProcess;
  #said = '';

  static async ready(mounts: readonly string[]): Promise<PowerSwitch> {
    const power = new PowerSwitch(mounts);
    await power.#line();
    return power;
  }

  private constructor(mounts: readonly string[]) {
    this.#child = spawn('perl', ['-e', program, ...mounts], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout!.on('data', (data: Buffer) => (this.#said += data.toString()));
  }

  /** Shuts down all file systems, one right after the other. */
  async cut(): Promise<Outage> {
    this.#child.stdin!.end('\n');
    const [from, to] = (await this.#line()).split(' ').map(Number);
    return { from: from!, to: to! };
  }

  async #line(): Promise<string> {
    while (!this.#said.includes('\n')) {
      if (this.#child.exitCode !== null) throw new Error('the power switch ended by itself');
      await Promise.race([once(this.#child.stdout!, 'data'), once(this.#child, 'exit')]);
    }
    const [line, ...rest] = this.#said.split('\n');
    this.#said = rest.join('\n');
    return line!;
  }
}
