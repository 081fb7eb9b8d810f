/** The rows of the benchmark: each is a kind of work and its competitors. */
import type { CompetitorId } from './competitors.ts';
import type { Work } from './job.ts';

export interface Row {
  readonly name: string;
  readonly title: string;
  readonly work: Work;
  readonly against: readonly CompetitorId[];
  /** Whether sha512 alone over the same file runs beside. */
  readonly sha512?: boolean;
}

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

const everyone: readonly CompetitorId[] = ['strict', 'relaxed', 'bare', 'tusServer', 'tusd', 'dockerRegistry', 'nginx'];
/** The same work for everyone, by the same protocol. */
const tus: readonly CompetitorId[] = ['strictTus', 'relaxedTus', 'tusServer', 'tusd'];
/** Those that can be given a full bucket before they start. */
const full: readonly CompetitorId[] = ['strictS3', 'versitygw'];
/** S3 servers, by presigned URLs. */
const s3: readonly CompetitorId[] = ['strictS3', 'relaxedS3', 'versitygw', 'moto'];
/** Those who make an upload into something with an address of its own content. */
const addressing: readonly CompetitorId[] = ['strict', 'relaxed', 'dockerRegistry'];

/** The rows at full size, or small enough to try the bench itself. */
export function rows(quick: boolean): Row[] {
  const scale = quick ? 64 : 1;
  const whole = (name: string, size: number, title: string): Row => ({
    name,
    title: `first byte to converted artifact, ${title}`,
    work: { kind: 'whole', size },
    against: addressing,
    sha512: true,
  });
  const settled = (name: string, size: number, title: string): Row => ({
    name: `convert-${name}`,
    title: `conversion once the hash has caught up, ${title}`,
    work: { kind: 'whole', size, rest: true },
    against: ['strict', 'relaxed'],
  });
  const fetch = (name: string, from: number, title: string): Row => ({
    name,
    title,
    work: { kind: 'fetch', size: GiB / scale, from },
    against: ['strict', 'bare', 'nginx'],
  });
  const many = (uploads: number, size: number): Row => ({
    name: `many-${uploads}`,
    title: `${uploads} uploads of ${printSize(size / scale)} at once`,
    work: { kind: 'many', uploads, size: size / scale },
    against: ['strict', 'relaxed', 'bare', 'tusServer', 'tusd', 'nginx'],
  });
  const overS3 = ({ name, title, work }: Row): Row => ({
    name: `s3-${name}`,
    title: `S3, ${title}`,
    work,
    against: s3,
  });
  const part = Math.max((100 * MiB) / scale, 5 * MiB);
  const keys = quick ? 10_000 : 1_000_000;
  const fewer = quick ? 100 : 2000;
  const chunks = quick ? 16 : 1000;
  const throughTus = (row: Row): Row => ({
    name: `tus-${row.name}`,
    title: `through tus, ${row.title}`,
    work: row.work,
    against: tus,
  });
  const count = quick ? 200 : 10_000;
  const named = (size: number): string => printSize(size / scale);
  const one: Row = { ...whole('one', GiB / scale, `${named(GiB)} in one body`), against: everyone };
  const pieces: Row = {
    name: 'chunks',
    title: `${chunks} chunks of 1 MiB, one after the other`,
    work: { kind: 'chunks', count: chunks, size: MiB },
    against: everyone,
  };
  return [
    one,
    pieces,
    many(4, 256 * MiB),
    many(64, 16 * MiB),
    throughTus({ ...one, title: `${named(GiB)} in one body` }),
    throughTus(pieces),
    throughTus(many(4, 256 * MiB)),
    throughTus(many(64, 16 * MiB)),
    overS3({ ...one, name: 'put-1G', title: `PUT of ${named(GiB)}` }),
    overS3({ name: 'put-1M', title: 'PUT of 1 MiB', work: { kind: 'whole', size: MiB }, against: s3 }),
    overS3({
      name: 'put-4K',
      title: `${fewer} PUTs of 4 KiB, 64 connections`,
      work: { kind: 'small', count: fewer, size: 4 * KiB, lanes: 64 },
      against: s3,
    }),
    overS3({ ...many(64, 16 * MiB), name: 'put-64', title: `64 PUTs of ${named(16 * MiB)} at once` }),
    overS3({
      name: 'parts',
      title: `10 parts of ${printSize(part)} over 4 connections, put together`,
      work: { kind: 'parts', count: 10, size: part, lanes: 4 },
      against: s3,
    }),
    {
      name: 's3-list',
      title: `S3, pages of 1000 of ${keys} keys`,
      work: { kind: 'list', keys, page: 1000, count: 20 },
      against: full,
    },
    overS3({ ...fetch('get-1G', 0, `GET of ${named(GiB)}`) }),
    {
      name: 'small',
      title: `${count} uploads of 4 KiB with conversion, 8 connections`,
      work: { kind: 'small', count, size: 4 * KiB, lanes: 8 },
      against: everyone,
    },
    whole('artifact-1M', MiB, '1 MiB'),
    whole('artifact-100M', (100 * MiB) / scale, named(100 * MiB)),
    whole('artifact-4G', (4 * GiB) / scale, named(4 * GiB)),
    settled('1M', MiB, '1 MiB'),
    settled('100M', (100 * MiB) / scale, named(100 * MiB)),
    settled('1G', GiB / scale, named(GiB)),
    settled('4G', (4 * GiB) / scale, named(4 * GiB)),
    fetch('download', 0, `download of ${named(GiB)}, whole`),
    fetch('download-from', GiB / scale / 2 + 1, `download of ${named(GiB)} from just behind its middle`),
    {
      name: 'verify',
      title: `download of ${named(GiB)}, whole and verified (CRC-32)`,
      work: { kind: 'verify', size: GiB / scale, times: 3 },
      against: ['strict'],
    },
  ];
}

/** Bytes that a row's work puts on the disk, payload included. */
export function footprint({ work }: Row): number {
  switch (work.kind) {
    case 'whole':
    case 'fetch':
    case 'verify':
      return 2 * work.size;
    case 'parts':
      // The parts, and the whole that some copy them into.
      return 2 * work.count * work.size;
    case 'catalog':
      return 0;
    case 'list':
      // A record or an inode for each.
      return 2 * KiB * work.keys;
    case 'many':
      return work.uploads * work.size;
    default:
      return work.count * work.size;
  }
}

export function printSize(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', GiB],
    ['MiB', MiB],
    ['KiB', KiB],
  ] as const) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))} ${unit}`;
  }
  return `${bytes} B`;
}
