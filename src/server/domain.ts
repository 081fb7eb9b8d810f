/** Opens the store and the core with the options of the configuration. */
import type { Logger } from 'pino';
import type { Config } from '../config/index.ts';
import { openCore, type Core, type CoreOptions, type Words } from '../core/index.ts';
import type { Engine } from '../core/engine.ts';
import { openEngine } from '../engines/index.ts';
import type { S3Store } from '../faces/releasy/foreign-store.ts';
import { pinnedAbout } from '../faces/s3/about.ts';
import { accessKeyPrefixes } from '../faces/console/keys.ts';
import { apiKeyPrefix } from '../faces/releasy/keys.ts';
import { downloadPrefix } from '../faces/releasy/downloads.ts';
import { reservedKeyPrefix } from '../faces/shakenfist/namespaces.ts';
import { openOutbound } from './outbound.ts';
import type { Faults } from './faults.ts';
import type { Clock } from '../kit/clock.ts';

export function openStore(folder: string, config: Config, log: Logger, faults: Faults): Promise<Engine> {
  const onFault = (why: string, error: unknown): void => log.fatal({ err: error }, `the store is read-only: ${why}`);
  const onLoss = (loss: string): void =>
    log.error(`STOWAGE_ACCEPT_LOSS is set, so the store opens in spite of this: ${loss}`);
  return openEngine({
    folder,
    strict: config.durability === 'strict',
    onFault,
    onLoss: config.acceptLoss === 'yes' ? onLoss : undefined,
    onRestart: (thread, error) => faults.note('thread', `the ${thread} thread died and was replaced`, error),
    onLost: (error) => faults.fatal('thread', 'the catalog thread died and cannot be replaced', error),
  });
}

/** Identifiers that clients of the faces and stored data know. */
export const words: Words = {
  sources: { artifact: 'sf', object: 's3' },
  accessKeys: accessKeyPrefixes,
  apiKeys: apiKeyPrefix,
  downloads: downloadPrefix,
  reservedKeys: reservedKeyPrefix,
};

export function openDomain(
  engine: Engine,
  config: Config,
  { systemKey, secret }: Pick<CoreOptions, 'systemKey'> & { secret: Uint8Array },
  {
    clock,
    foreignStore,
    faults,
    log,
  }: { clock: Clock; foreignStore: S3Store | undefined; faults: Faults; log: Logger },
): Promise<Core> {
  return openCore(engine, {
    words,
    clock,
    onFault: (what, error) => faults.note('background', what, error),
    limits: { maxSize: config.maxUploadSize, headroom: config.headroom, idle: config.uploadIdle },
    ages: {
      multipart: config.multipartIdle,
      grace: config.blobGrace,
      stray: config.strayAge,
      memory: config.memoryAge,
      events: config.eventsAge,
    },
    attempts: { failures: config.loginFailures, window: config.loginWindow },
    scrub: { every: config.scrubEvery, rate: config.scrubRate },
    onRot: ({ content: { sha512, size }, state, finder, versions }) =>
      log.error(
        { sha512, size, state, finder, versions },
        state === 'rotten' ? 'stored bytes changed and were moved to quarantine' : 'stored bytes are missing',
      ),
    source:
      config.fetch === 'off'
        ? undefined
        : openOutbound({
            anywhere: config.fetch === 'any',
            maxSize: config.fetchMaxSize,
            pace: { rate: config.minRate, window: config.rateWindow },
          }),
    systemKey,
    pepper: config.releasy.pepper,
    releases: { slotAge: Math.max(config.multipartIdle, config.releasy.presignAge), pinnedAbout, foreignStore },
    keys: {
      secret,
      configured: config.s3KeyId === undefined ? undefined : { id: config.s3KeyId, secret: config.s3Secret! },
    },
  });
}
