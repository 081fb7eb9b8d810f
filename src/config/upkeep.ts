/** Settings of retention and of scheduled tasks. */
import { bytes, cron, duration, oneOf, positiveBytes, type Settings } from './parsers.ts';

export type FetchPolicy = 'off' | 'public' | 'any';

export interface UpkeepConfig {
  readonly uploadIdle: number;
  readonly multipartIdle: number;
  readonly blobGrace: number;
  readonly strayAge: number;
  readonly memoryAge: number;
  readonly eventsAge: number;
  readonly sweepCron: string;
  readonly scrubCron: string;
  readonly lifecycleCron: string;
  readonly lifecycleDay: number;
  readonly scrubEvery: number;
  readonly scrubRate: number;
  readonly fetch: FetchPolicy;
  readonly fetchMaxSize: number;
}

export const upkeepSettings: Settings<UpkeepConfig> = {
  uploadIdle: {
    name: 'STOWAGE_UPLOAD_IDLE',
    otherwise: '24h',
    read: duration(1000),
    sentence: 'How long an idle upload is kept after its last byte.',
  },
  multipartIdle: {
    name: 'STOWAGE_MULTIPART_IDLE',
    otherwise: '7d',
    read: duration(1000),
    sentence: 'How long an idle S3 multipart upload is kept after its last part.',
  },
  blobGrace: {
    name: 'STOWAGE_BLOB_GRACE',
    otherwise: '24h',
    read: duration(0),
    sentence: 'How long bytes without a reference are kept.',
  },
  strayAge: {
    name: 'STOWAGE_STRAY_AGE',
    otherwise: '24h',
    read: duration(60_000),
    sentence: 'Age at which a file without a record is moved to quarantine.',
  },
  memoryAge: {
    name: 'STOWAGE_MEMORY_AGE',
    otherwise: '7d',
    read: duration(1000),
    sentence: 'How long records of converted uploads and deleted artifacts are kept.',
  },
  eventsAge: {
    name: 'STOWAGE_EVENTS_AGE',
    otherwise: '90d',
    read: duration(1000),
    sentence: 'How long events are kept.',
  },
  sweepCron: {
    name: 'STOWAGE_SWEEP_CRON',
    otherwise: '*/10 * * * *',
    read: cron,
    sentence: 'When the sweep runs, as a cron line; off for never.',
  },
  scrubCron: {
    name: 'STOWAGE_SCRUB_CRON',
    otherwise: '17 2 * * *',
    read: cron,
    sentence: 'When the scrub reads stored bytes to find rot, as a cron line; off for never.',
  },
  lifecycleCron: {
    name: 'STOWAGE_LIFECYCLE_CRON',
    otherwise: '29 * * * *',
    read: cron,
    sentence: 'When the lifecycle rules of buckets are applied, as a cron line; off for never.',
  },
  lifecycleDay: {
    name: 'STOWAGE_LIFECYCLE_DAY',
    otherwise: '1d',
    read: duration(1000),
    sentence: 'Length of a day in lifecycle rules; shorten it only to test rules.',
  },
  scrubEvery: {
    name: 'STOWAGE_SCRUB_EVERY',
    otherwise: '30d',
    read: duration(0),
    sentence: 'Age of the last verification after which the scrub reads bytes again.',
  },
  scrubRate: {
    name: 'STOWAGE_SCRUB_RATE',
    otherwise: '32MiB',
    read: positiveBytes,
    sentence: 'Highest read rate of a scrub, in bytes per second.',
  },
  fetch: {
    name: 'STOWAGE_FETCH',
    otherwise: 'public',
    read: oneOf('off', 'public', 'any'),
    sentence:
      'Addresses from which artifacts may be fetched: off for none, public for those outside private networks, any for all.',
  },
  fetchMaxSize: {
    name: 'STOWAGE_FETCH_MAX_SIZE',
    otherwise: '100GiB',
    read: bytes,
    sentence: 'Size of the largest fetch.',
  },
};
