/** Records in this face's JSON. Times are fractional seconds; `version` is the version of the record format. */
import type { Core } from '../../core/index.ts';
import type { Artifact, Blob, Event, Namespace, Principal, Upload, Version } from '../../core/records.ts';

export type View = Readonly<Record<string, unknown>>;

export interface ArtifactViewOptions {
  /** Whether versions have the `instances` member; it is always empty, but clients expect it. */
  readonly instances?: boolean;
}

export class Views {
  readonly #core: Core;
  readonly #node: string;

  constructor(core: Core, node: string) {
    this.#core = core;
    this.#node = node;
  }

  upload(upload: Upload): View {
    const expires = this.#core.uploads.expiresAt(upload);
    return {
      uuid: upload.id,
      state: upload.state === 'open' ? 'created' : upload.state,
      metadata: {},
      version: 1,
      node: this.#node,
      created_at: seconds(upload.createdAt),
      namespace: upload.namespace,
      size: upload.offset,
      length: upload.length,
      expires_at: expires === null ? null : seconds(expires),
      touched_at: seconds(upload.touchedAt),
      receiving: upload.state === 'open' && this.#core.uploads.receiving(upload.id),
      outcome: upload.outcome && {
        artifact_uuid: upload.outcome.artifact,
        index: upload.outcome.index,
        blob_uuid: upload.outcome.blob,
      },
    };
  }

  async artifact(artifact: Artifact, options: ArtifactViewOptions = {}): Promise<View> {
    return (await this.artifacts([artifact], options))[0]!;
  }

  async artifacts(artifacts: readonly Artifact[], options: ArtifactViewOptions = {}): Promise<View[]> {
    const versions = await this.#core.artifacts.versions(artifacts);
    const newest = artifacts.flatMap((artifact) => versions[artifact.uuid]?.at(-1)?.blob ?? []);
    const blobs = new Map((await this.#core.blobs.many([...new Set(newest)])).map((blob) => [blob.uuid, blob]));
    return Promise.all(
      artifacts.map(async (artifact) => {
        const own = versions[artifact.uuid] ?? [];
        const metadata = await this.#core.events.metadata('artifact', artifact.uuid);
        return artifactView(artifact, own, {
          newest: blobs.get(own.at(-1)?.blob ?? ''),
          metadata,
          instances: options.instances ?? false,
        });
      }),
    );
  }

  async blob(blob: Blob, options: { instances?: boolean } = {}): Promise<View> {
    return (await this.blobs([blob], options))[0]!;
  }

  blobs(blobs: readonly Blob[], options: { instances?: boolean } = {}): Promise<View[]> {
    return Promise.all(
      blobs.map(async (blob) => ({
        ...this.#blobView(blob),
        metadata: await this.#core.events.metadata('blob', blob.uuid),
        ...(options.instances ? { instances: [] } : {}),
      })),
    );
  }

  /** Versions as blobs with their number, oldest first. */
  async versions(artifact: Artifact): Promise<View[]> {
    const versions = (await this.#core.artifacts.versions([artifact]))[artifact.uuid] ?? [];
    const known = new Map(
      (await this.#core.blobs.many(versions.map((version) => version.blob))).map((blob) => [blob.uuid, blob]),
    );
    return Promise.all(
      versions.map(async (version) => {
        const blob = artifact.state === 'deleted' ? undefined : known.get(version.blob);
        const view = blob ? await this.blob(blob) : this.#memory(version);
        return { ...view, index: version.index, instances: [] };
      }),
    );
  }

  async namespace(who: Principal, namespace: Namespace): Promise<View> {
    return {
      name: namespace.name,
      state: 'created',
      version: 5,
      created_at: seconds(namespace.createdAt),
      metadata: await this.#core.events.metadata('namespace', namespace.name),
      keys: await this.#core.namespaces.keys(who, namespace.name),
      trust: { full: ['system', ...namespace.trusts.filter((name) => name !== 'system')] },
    };
  }

  event(event: Event): View {
    return {
      timestamp: seconds(event.at),
      fqdn: this.#node,
      duration: event.duration,
      message: event.message,
      extra: event.extra,
      type: event.type,
    };
  }

  #blobView(blob: Blob): View {
    // Only used to verify downloads.
    const { crc32: _, ...digests } = blob.digests;
    return {
      uuid: blob.uuid,
      state: blob.contentState === 'good' ? 'created' : 'error',
      version: 6,
      namespace: blob.namespace,
      size: blob.size,
      modified: seconds(blob.createdAt),
      fetched_at: seconds(blob.createdAt),
      depends_on: null,
      transcodes: {},
      locations: [this.#node],
      reference_count: blob.references,
      sha512: blob.sha512,
      checksums: { ...digests, sha512: blob.sha512 },
      last_used: blob.usedAt === null ? null : seconds(blob.usedAt),
      'mime-type': blob.mediaType,
    };
  }

  /** A version of a deleted artifact. */
  #memory(version: Version): View {
    return {
      uuid: version.blob,
      state: 'deleted',
      metadata: {},
      version: 6,
      size: version.size,
      modified: seconds(version.createdAt),
      fetched_at: seconds(version.createdAt),
      depends_on: null,
      transcodes: {},
      locations: [],
      reference_count: version.references,
      sha512: null,
      checksums: {},
      last_used: null,
      'mime-type': 'application/octet-stream',
    };
  }
}

interface Around {
  readonly newest: Blob | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly instances: boolean;
}

function artifactView(artifact: Artifact, versions: readonly Version[], around: Around): View {
  const last = versions.at(-1);
  const blobs = versions.map((version) => [
    String(version.index),
    {
      uuid: version.blob,
      size: version.size,
      reference_count: version.references,
      depends_on: null,
      ...(around.instances ? { instances: [] } : {}),
    },
  ]);
  return {
    uuid: artifact.uuid,
    name: artifact.name,
    state: artifact.state,
    artifact_type: artifact.type,
    source_url: artifact.sourceUrl,
    max_versions: artifact.maxVersions,
    namespace: artifact.namespace,
    shared: artifact.shared,
    index: last?.index ?? 0,
    ...(last ? { blob_uuid: last.blob } : {}),
    ...(around.newest ? { sha512: around.newest.sha512 } : {}),
    ...(artifact.fault === null ? {} : { error: artifact.fault }),
    blobs: Object.fromEntries(blobs) as unknown,
    metadata: around.metadata,
    created_at: seconds(artifact.createdAt),
    version: 6,
  };
}

function seconds(ms: number): number {
  return ms / 1000;
}
